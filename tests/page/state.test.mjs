// The store by itself: `node --test tests/page`.

import assert from 'node:assert/strict';
import test from 'node:test';
import * as state from '../../src/api/page/state.js';

const id = (n) => `0000000000000000_${String(n).padStart(16, '0')}_abcdefabcdef`;
const message = (n, text = `text ${n}`, from = 'mira') => ({ id: id(n), from, text, kind: 'message', time: null });
const range = (from, to) => Array.from({ length: to - from }, (_, at) => message(from + at));
const page = (from, to, more = false) => ({ messages: range(from, to), more, next: id(to - 1) });
const ids = (room) => room.messages.map((each) => Number(each.id.slice(17, 33)));
const loaded = (from, to, more = true) => {
  const room = state.newRoom('General');
  state.foldHistory(room, page(from, to, more));
  return room;
};

test('what the stream tells before and after the history comes once and in order', () => {
  const room = state.newRoom('General');
  for (const n of [5, 6, 7]) state.foldMessage(room, message(n));
  state.foldHistory(room, page(1, 7));
  for (const n of [6, 7, 8]) state.foldMessage(room, message(n));
  assert.deepEqual(ids(room), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(room.position, id(8));
});

test('a long way up lets go of the end, and the way down finds it again without a gap', () => {
  const room = loaded(900, 1000);
  for (let from = 900; from > 100; from -= 100) state.foldOlder(room, page(from - 100, from, true), id(from), room.jumps);
  assert.equal(room.messages.length, state.KEPT);
  assert.equal(room.newer, true);
  // Meanwhile two come.
  for (const n of [1000, 1001]) state.foldMessage(room, message(n));
  assert.equal(room.arrived, 2);
  while (room.newer) {
    const from = ids(room).at(-1) + 1;
    const to = Math.min(from + 100, 1002);
    state.foldNewer(room, page(from, to, to < 1002), room.position, room.jumps);
    const known = ids(room);
    assert.deepEqual(known, known.map((_, at) => known[0] + at), 'no gap');
    assert.ok(known.length <= state.KEPT);
  }
  assert.equal(ids(room).at(-1), 1001);
  state.foldMessage(room, message(1002));
  assert.equal(ids(room).at(-1), 1002);
});

test('what came while the last page was on its way is fetched, too', () => {
  const room = loaded(1, 10);
  room.newer = true;
  state.foldMessage(room, message(12));
  assert.equal(state.foldNewer(room, page(10, 12), room.position, room.jumps), true);
  assert.equal(state.foldNewer(room, page(12, 13), room.position, room.jumps), false);
  assert.deepEqual(ids(room).slice(-3), [10, 11, 12]);
});

test('what comes while one comes back leaves no gap', () => {
  const room = loaded(1, 10);
  state.foldReturn(room);
  state.foldMessage(room, message(14));
  assert.deepEqual(ids(room).at(-1), 9);
  state.foldNewer(room, page(10, 15), room.position, room.jumps);
  assert.deepEqual([ids(room).slice(-6), room.newer, room.arrived], [[9, 10, 11, 12, 13, 14], false, 0]);
});

test('what comes while the end is fetched leaves no gap', () => {
  const room = loaded(1, 10);
  room.newer = true;
  state.foldMessage(room, message(101));
  state.foldHistory(room, page(50, 100));
  assert.equal(room.newer, true);
  state.foldNewer(room, page(100, 102), room.position, room.jumps);
  assert.deepEqual([ids(room).at(-1), room.newer], [101, false]);
});

test('an answer to a question from before a jump means nothing', () => {
  const room = loaded(100, 200);
  const { jumps } = room;
  state.foldAround(room, page(10, 20, true), page(20, 30, true));
  state.foldOlder(room, page(0, 100), id(100), jumps);
  state.foldNewer(room, page(200, 300), id(199), jumps);
  assert.deepEqual([ids(room)[0], ids(room).at(-1)], [10, 29]);
  assert.deepEqual([room.older, room.newer], [true, true]);
});

test('a reset forgets everything, also that positions were further', () => {
  const room = loaded(900, 1000);
  state.foldReset(room, id(0));
  for (const n of [1, 2]) state.foldMessage(room, message(n));
  assert.deepEqual(ids(room), [1, 2]);
});

test('what one said is shown until it comes back, whichever comes first', () => {
  const room = loaded(1, 10);
  const item = (key, text) => ({ key, text, from: 'al', after: id(9), state: 'waiting' });
  for (const [key, text] of [['a', 'one'], ['b', 'two'], ['c', 'one']]) state.foldPending(room, item(key, text));
  const keys = () => room.pending.map((each) => each.key).join('');
  // The stream is faster than the answer.
  state.foldMessage(room, message(10, 'one', 'al'));
  assert.equal(keys(), 'bc');
  state.foldOutcome(room, 'a', { state: 'sent', id: id(10) });
  // The answer is faster than the stream.
  state.foldOutcome(room, 'b', { state: 'sent', id: id(12) });
  assert.equal(keys(), 'bc');
  state.foldMessage(room, message(11, 'two', 'bo'));
  assert.equal(keys(), 'bc');
  state.foldMessage(room, message(12, 'two', 'al'));
  assert.equal(keys(), 'c');
  // What failed stays, also where somebody says the same.
  state.foldOutcome(room, 'c', { state: 'failed' });
  state.foldMessage(room, message(13, 'one', 'al'));
  assert.equal(keys(), 'c');
  state.foldOutcome(room, 'c', { state: 'gone' });
  assert.equal(keys(), '');
});

test('what was said long ago confirms nothing', () => {
  const room = loaded(1, 10);
  state.foldPending(room, { key: 'a', text: 'text 5', from: 'mira', after: id(9), state: 'waiting' });
  state.foldHistory(room, page(1, 10));
  assert.equal(room.pending.length, 1);
});

test('at the end the oldest are let go of', () => {
  const room = loaded(1, 2);
  for (let n = 2; n < 2_000; n += 1) {
    state.foldMessage(room, message(n));
    state.trim(room);
  }
  assert.ok(room.messages.length <= state.KEPT && room.older);
  assert.equal(ids(room).at(-1), 1_999);
});

test('who types and who has read is told of members only, and not of oneself', () => {
  const room = loaded(1, 10);
  room.members = [{ name: 'al' }, { name: 'bo' }];
  room.presence = { al: { typing: '1', read: id(9) }, bo: { typing: '', read: id(9) }, gone: { typing: '1' } };
  assert.deepEqual(state.typists(room, 'al'), ['bo']);
  assert.deepEqual(state.readers(room, room.messages.at(-1), 'al'), ['bo']);
  room.presence.bo.read = id(8);
  assert.deepEqual(state.readers(room, room.messages.at(-1), 'al'), []);
});
