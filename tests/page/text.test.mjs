// What a message is made of, by itself.

import assert from 'node:assert/strict';
import test from 'node:test';
import { delay } from '../../src/api/page/backoff.js';
import { eventsOf } from '../../src/api/page/events.js';
import { isEmoji, mentions, partsOf } from '../../src/api/page/text.js';

const shape = (text) => partsOf(text).filter((part) => part.type !== 'mark').map(({ type, text: said }) => `${type}:${said}`);

test('parts', () => {
  for (const [text, ...expected] of [
    ['plain', 'text:plain'],
    ['a *b c* _d_', 'text:a ', 'bold:b c', 'text: ', 'italic:d'],
    ['2*3*4 snake_case_name * no *', 'text:2*3*4 snake_case_name * no *'],
    ['`*x*`', 'code:*x*'],
    ['(https://a.b/c_(d)).', 'text:(', 'link:https://a.b/c_(d)', 'text:).'],
    ['javascript:alert(1)', 'text:javascript:alert(1)'],
    ['@al, #Ops me@al a#b', 'mention:@al', 'text:, ', 'room:#Ops', 'text: me@al a#b'],
    ['x\n```js\n*y*\n```\nz', 'text:x\n', 'block:*y*\n', 'text:\nz'],
    ['```\nnever closed', 'text:```\nnever closed'],
  ]) assert.deepEqual(shape(text), expected, text);
});

test('whatever it is, the parts are together the whole, and nothing hangs', { timeout: 60_000 }, () => {
  const pieces = ['*', '_', '`', '```\n', '\n', 'http://', '@', '#', 'a', ' ', '(', ')', '.', '<b>', '👍', 'é', '\u{202e}', '\ud800'];
  let seed = 7;
  const random = () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
  for (let round = 0; round < 3_000; round += 1) {
    const text = Array.from({ length: 40 }, () => pieces[Math.floor(random() * pieces.length)]).join('');
    assert.equal(partsOf(text).map((part) => part.text).join(''), text);
  }
  for (const piece of pieces) {
    const text = piece.repeat(20_000 / piece.length);
    assert.equal(partsOf(text).map((part) => part.text).join(''), text);
  }
});

test('a mention is a whole name', () => {
  for (const yes of ['@al', 'hi @AL!', '(@al)', 'al: look', 'Al, look', '@bo @al']) assert.ok(mentions(yes, 'al'), yes);
  for (const no of ['', 'al', 'hal: x', '@alice', 'me@al', '@al-2', 'see al: x', '@ al']) assert.ok(!mentions(no, 'al'), no);
});

test('a few emoji and nothing else', () => {
  for (const yes of ['👍', '👩‍🔧🤝', '❤️ 🎉']) assert.ok(isEmoji(yes), yes);
  for (const no of ['', '1', '#', 'ok 👍']) assert.ok(!isEmoji(no), no);
});

test('delays grow to half a minute and are never the same', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 50].map((failures) => delay(failures, 1)), [1e3, 2e3, 4e3, 8e3, 16e3, 3e4, 3e4]);
  assert.equal(delay(5, 0), 15_000);
  assert.equal(new Set(Array.from({ length: 20 }, () => delay(5))).size, 20);
});

test('events of a whole text', () => {
  const text = 'retry: 1\n\nid: 7\nevent: message\ndata: {"a":\ndata: 1}\n\n: padding\nevent: ping\ndata: x\n\nevent: half\ndata: y\n';
  assert.deepEqual(eventsOf(text), [
    { type: 'message', data: '{"a":\n1}', id: '7' },
    { type: 'ping', data: 'x', id: '7' },
  ]);
});
