// What is said, from Enter until the server has it, by itself.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Outbox } from '../../src/api/page/outbox.js';
import { Problem } from '../../src/api/page/server.js';

/** A server whose answers are given by hand. */
function desk(items = []) {
  const asked = [];
  const told = [];
  let kept = [];
  const outbox = new Outbox({
    items,
    say: (...what) => new Promise((resolve, reject) => asked.push({ what, resolve, reject })),
    keep: (all) => { kept = structuredClone(all.map(({ problem, ...item }) => item)); },
    onOutcome: (item) => told.push(`${item.text} ${item.state}`),
  });
  return { outbox, asked, told, kept: () => kept };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('one after the other, in order', async () => {
  const { outbox, asked, told } = desk();
  for (const text of ['one', 'two']) outbox.add('General', 'al', text, 'here');
  assert.equal(asked.length, 1);
  asked[0].resolve({ id: '1' });
  await settled();
  assert.deepEqual(asked[1].what, ['General', 'al', 'two', undefined]);
  asked[1].resolve({ id: '2' });
  await settled();
  assert.ok(outbox.isEmpty);
  assert.deepEqual(told.filter((word) => word.endsWith('sent')), ['one sent', 'two sent']);
});

test('one whose answer was lost is asked for again with its place, and the next ones wait', async () => {
  const { outbox, asked } = desk();
  for (const text of ['one', 'two']) outbox.add('General', 'al', text, 'here');
  asked[0].reject(new Problem(0));
  await settled();
  assert.equal(asked.length, 1);
  outbox.retry();
  assert.deepEqual(asked[1].what, ['General', 'al', 'one', 'here']);
  asked[1].resolve({ id: '1' });
  await settled();
  assert.equal(asked[2].what[2], 'two');
  asked[2].resolve({ id: '2' });
  await settled();
});

test('what is refused is told, keeps nobody waiting, and can be said again or given up', async () => {
  const { outbox, asked, told } = desk();
  const bad = outbox.add('General', 'al', 'bad', 'here');
  outbox.add('General', 'al', 'good', 'here');
  asked[0].reject(new Problem(413, 'too long'));
  await settled();
  assert.equal(asked[1].what[2], 'good');
  asked[1].resolve({ id: '1' });
  await settled();
  outbox.again(bad.key);
  assert.equal(asked[2].what[2], 'bad');
  asked[2].reject(new Problem(413, 'too long'));
  await settled();
  assert.equal(outbox.drop(bad.key).text, 'bad');
  assert.ok(outbox.isEmpty);
  assert.equal(told.at(-1), 'bad gone');
});

test('a page that is loaded again says again what it did not hear the answer to', async () => {
  const before = desk();
  before.outbox.add('General', 'al', 'one', 'here');
  const { outbox, asked } = desk(before.kept());
  outbox.retry();
  assert.deepEqual(asked[0].what, ['General', 'al', 'one', 'here']);
  asked[0].resolve({ id: '1' });
  await settled();
  assert.ok(outbox.isEmpty);
});
