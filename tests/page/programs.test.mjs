// What CGI programs answer, as messages.

import assert from 'node:assert/strict';
import test from 'node:test';
import { BEGINNING, complaintOf, isGiven, messageOf, numbering, pageOf, roomsOf, sinceOf } from '../../src/api/page/programs.js';

const shape = ({ kind, from, time, text }) => [kind, from, time, text];
const DAY = '2026-01-31';

test('a raw line is read as the server reads it', () => {
  for (const [raw, ...expected] of [
    [`[${DAY} 08:00:00] al: a: b`, 'message', 'al', `${DAY}T08:00:00`, 'a: b'],
    [`[${DAY} 08:00:00] al:  x\u2028y`, 'message', 'al', `${DAY}T08:00:00`, ' x\ny'],
    [`[${DAY} 08:00:00] al:x`, 'message', 'al', `${DAY}T08:00:00`, 'x'],
    [`[${DAY} 08:00:00] log: al left the room.`, 'system', null, `${DAY}T08:00:00`, 'al left the room.'],
    [`[${DAY} 08:00:00] two words: x`, 'line', null, `${DAY}T08:00:00`, 'two words: x'],
    [`[${DAY} 08:00:00]`, 'line', null, `${DAY}T08:00:00`, ''],
    [`[${DAY} 08:00:00]al: x`, 'line', null, null, `[${DAY} 08:00:00]al: x`],
    ['[2026-02-30 08:00:00] al: x', 'line', null, null, '[2026-02-30 08:00:00] al: x'],
    [`[${DAY} 24:00:00] al: x`, 'line', null, null, `[${DAY} 24:00:00] al: x`],
    [`[${DAY} 08:00:00] ${'a'.repeat(65)}: x`, 'line', null, `${DAY}T08:00:00`, `${'a'.repeat(65)}: x`],
    ['<b>no form', 'line', null, null, '<b>no form'],
    ['', 'line', null, null, ''],
  ]) assert.deepEqual(shape(messageOf(raw, '1')), expected, raw);
});

const id = (n) => `0000000000000000_${String(n).padStart(16, '0')}_0123456789ab`;
const said = (text, attributes = '') => `  <div class="chat-msg" style="font-family: Verdana, sans-serif;"${attributes}><span class="username" style="color: hsl(60, 70%, 35%); font-weight: bold;">al:</span> ${text}<span class="timestamp" data-full-timestamp="${DAY} 08:05:00" title="${DAY} 08:05:00">08:05</span></div>\n`;
const page = (lines, attributes = '') => `<div id="chat-messages" class="chat-display"${attributes}>\n${lines}</div>\n`;

test('a page of HTML is read as text, whatever it says', () => {
  const html = page([
    said('&lt;b&gt;&quot;&amp;&#39;&amp;lt;', ` data-id="${id(9)}"`),
    said('two\nlines &lt;/div&gt;', ` data-id="${id(10)}"`),
    said('<bdi>\u202edesrever</bdi>', ` data-id="${id(11)}"`),
    `  <div class="chat-msg-system" data-id="${id(12)}" data-full-timestamp="${DAY} 08:06:00">al left &lt;x&gt;</div>\n`,
    `  <div class="chat-msg" data-id="${id(13)}">a &lt;script&gt; of no form</div>\n`,
    `  <div class="chat-msg" data-id="${id(14)}">[${DAY} 08:07:00] two words</div>\n`,
    `  <div class="chat-msg" data-id="${id(15)}"></div>\n`,
  ].join(''), ' data-more="true"');
  const { messages, more } = pageOf(html);
  assert.equal(more, true);
  assert.deepEqual(messages.map((message) => message.id), [9, 10, 11, 12, 13, 14, 15].map(id));
  const at = `${DAY}T08:05:00`;
  assert.deepEqual(messages.map(shape), [
    ['message', 'al', at, '<b>"&\'&lt;'],
    ['message', 'al', at, 'two\nlines </div>'],
    ['message', 'al', at, '\u202edesrever'],
    ['system', null, `${DAY}T08:06:00`, 'al left <x>'],
    ['line', null, null, 'a <script> of no form'],
    ['line', null, `${DAY}T08:07:00`, 'two words'],
    ['line', null, null, ''],
  ]);
  assert.deepEqual(pageOf(page('<p class="empty-state-message">No messages yet.</p>\n')), { messages: [], more: false });
  assert.equal(pageOf('<!doctype html><p>Sign in'), null);
});

test('what is wrong is said in words', () => {
  assert.equal(complaintOf('<div class="demo-result error">\n  <p>Invalid room name</p>\n</div>\n'), 'Invalid room name');
  assert.equal(complaintOf(page('<p class="demo-result error">Room not found</p>\n')), 'Room not found');
  assert.equal(complaintOf('<div class="demo-result success">\n  <p>✓ Message sent</p>\n</div>\n'), null);
  assert.equal(complaintOf(page(said('class=&quot;demo-result error&quot;&gt;no'))), null);
});

test('the list of rooms', () => {
  const room = (name, last) => `  <li class="room-item" data-room="${name}">\n    <span class="room-icon">#</span><strong>${name}</strong>\n    <span class="unread-badge hidden" data-room="${name}">0</span>\n${last}  </li>\n`;
  const html = `<ul class="room-list">\n${room('A', '    <div class="last-msg">&lt;/li&gt; &amp; &#39;x&#39;</div>\n')}${room('B', '')}</ul>\n`;
  assert.deepEqual(roomsOf(html), { A: "</li> & 'x'", B: '' });
  assert.deepEqual(roomsOf('<ul class="room-list">\n</ul>\n'), {});
  assert.equal(roomsOf('<ul><li>nginx'), null);
});

// ---- Lines without an id ----

const at = (time, name, text) => `[${DAY} ${time}] ${name}: ${text}`;
const LOG = [
  'before anything',
  at('08:00:00', 'log', 'al joined the room.'),
  at('08:00:00', 'al', 'x'),
  at('08:00:00', 'al', 'x'),
  'of no form',
  at('08:00:05', 'log', 'bo joined the room.'),
  at('08:00:07', 'log', 'cy joined the room.'),
  at('08:00:07', 'bo', 'y'),
  at('07:59:00', 'al', 'the clock was set back'),
  at('08:00:07', 'al', 'x'),
  at('08:00:09', 'al', 'x'),
];

/** As a page shows them: what happened to the room has no time there. */
const shown = (lines) => pageOf(page(lines.map((raw) => {
  const { kind, text, from, time } = messageOf(raw);
  if (kind === 'message') {
    return `<div class="chat-msg"><span class="username">${from}:</span> ${text}<span class="timestamp" data-full-timestamp="${time.replace('T', ' ')}">x</span></div>\n`;
  }
  return `<div class="chat-msg${kind === 'system' ? '-system' : ''}">${text}</div>\n`;
}).join(''))).messages;

/** As a stream gives them that was asked for what came after a position. */
function streamed(lines, position) {
  const since = sinceOf(position);
  const start = lines.findIndex((raw) => raw.slice(1, 20) >= since && raw[0] === '[');
  const idOf = numbering();
  const all = lines.slice(start < 0 ? lines.length : since.startsWith('1970') ? 0 : start)
    .map((raw) => messageOf(raw)).map((message) => ({ ...message, id: idOf(message) }));
  return all.filter((message) => message.id > position);
}

test('made-up ids sort, and a stream goes on exactly after any of them', () => {
  for (let seen = 0; seen <= LOG.length; seen += 1) {
    const messages = shown(LOG.slice(0, seen));
    const ids = messages.map((message) => message.id);
    assert.deepEqual(ids, [...new Set(ids)].sort());
    const after = ids.at(-1) ?? BEGINNING;
    assert.equal(isGiven(after), false);
    const rest = streamed(LOG, after);
    assert.deepEqual(rest.map(({ text }) => text), LOG.slice(seen).map((raw) => messageOf(raw).text), `after ${seen}`);
    // And the page that is asked for later has the same.
    const all = shown(LOG).map((message) => message.id);
    assert.deepEqual([...ids, ...rest.map((message) => message.id)], all);
  }
});

test('what is made up says from when on to ask, and what happened is told from what was said', () => {
  const messages = shown(LOG);
  assert.deepEqual(messages.map(({ id }) => sinceOf(id).slice(11)), [
    '00:00:00', '00:00:00', ...Array(5).fill('08:00:00'), ...Array(3).fill('08:00:07'), '08:00:09',
  ]);
  assert.deepEqual(messages.map(({ kind }) => kind[0]).join(''), 'lsmmlssmmmm');
});

test('which positions are the programs’ own', () => {
  assert.ok(isGiven(id(5)) && !isGiven(BEGINNING));
  assert.ok(!isGiven('0020260131080000_0000000000000002'));
  assert.equal(sinceOf('0020260131080000_0000000000000002'), '2026-01-31 08:00:00');
});
