// The CGI programs chat-stream, chat-send-message and so on in chatroom's place, for a page that `chatroom page` wrote.
// They show the last lines of a room and what comes: no search, nothing further up, and no word of who types or has read.
// Their HTML is read as the text it is and never becomes a document.

import { FIRST_PAGE, Problem, Server, ask, asking } from './server.js';
import { mentions } from './text.js';

const BEYOND = 'That is further up than can be shown here.';

export class Programs extends Server {
  constructor(address) {
    super(location.pathname);
    this.programs = new URL(address, location).href;
  }

  /** The page is one file: its query says which room it shows. */
  room(name) { return asking(new URL(this.base), { room: name }); }
  named(page) { return new URLSearchParams(page.search).get('room') ?? ''; }

  counts() { return this.#program('chat-unread-counts', { username: 'Anonymous' }); }

  stream(room, user, position) {
    const from = isGiven(position) ? { last_event_id: position } : { since: sinceOf(position) };
    return this.#program('chat-stream', { room, user, ...from });
  }

  /** An EventSource whose `message` events are as those of chatroom's own streams. */
  source(address) {
    const source = new EventSource(address);
    const listen = source.addEventListener.bind(source);
    const idOf = numbering();
    source.addEventListener = (type, take) => listen(type, type !== 'message' ? take : ({ data, lastEventId }) => {
      const message = messageOf(data.replace(/\n$/, ''));
      message.id = lastEventId || idOf(message);
      // Whoever follows a room knows which ids they have had.
      take({ data: JSON.stringify(message), lastEventId });
    });
    return source;
  }

  async rooms() {
    return roomsOf(await this.#ask('chat-list-rooms', {})) ?? unknown();
  }

  firstPage(room) { return this.history(room, { limit: FIRST_PAGE }); }

  /** As far as the programs show it. */
  async history(room, { limit = Infinity, before, after }) {
    const { messages, more } = await this.#last(room);
    const placeOf = (id, isElsewhere) => {
      const at = messages.findIndex((message) => message.id === id);
      if (at < 0 && !isElsewhere) throw Object.assign(new Problem(410, BEYOND), { isBeyond: true });
      return at;
    };
    // Nothing may be missing after a message; before one that is further up there is just nothing to show.
    const start = after === undefined ? 0 : placeOf(after, after === BEGINNING && !more) + 1;
    const all = messages.slice(start, before === undefined ? undefined : Math.max(placeOf(before, more), 0));
    const page = after === undefined ? all.slice(Math.max(all.length - limit, 0)) : all.slice(0, limit);
    const next = (limit === 0 ? all : page).at(-1)?.id ?? after ?? BEGINNING;
    return { messages: page, more: page.length < all.length, next };
  }

  async overview(user, marks, rooms) {
    const lines = await this.rooms();
    const overview = {};
    for (const [room, line] of Object.entries(lines)) {
      if (rooms?.includes(room) === false) continue;
      const last = line === '' ? null : messageOf(line);
      overview[room] = { last: last?.kind === 'system' ? null : last, unread: 0, mentions: 0, more: false, read: null };
      if (room in marks) Object.assign(overview[room], await this.#unread(room, user, marks[room]));
    }
    return overview;
  }

  async #unread(room, user, mark) {
    const { messages, more } = await this.#last(room);
    const at = messages.findIndex(({ id }) => id === mark);
    const news = messages.slice(at + 1).filter(({ kind, from }) => kind !== 'system' && from !== user);
    return {
      last: messages.findLast(({ kind }) => kind !== 'system') ?? null,
      unread: news.length,
      mentions: news.filter(({ text }) => mentions(text, user)).length,
      more: at < 0 && more,
    };
  }

  create(room) { return this.#do('chat-create-room', { name: room }); }
  remove(room) { return this.#do('chat-delete-room', { room }); }

  /** The programs can't be told not to say it again: so it is looked for among what came since. */
  async say(room, user, text, after) {
    if (after !== undefined) {
      const { messages } = await this.history(room, { after }).catch((problem) => {
        throw problem.status === 410 ? new Problem(409, 'It may be there already, further up than is shown.') : problem;
      });
      const said = messages.find((message) => message.from === user && message.text === text);
      if (said !== undefined) return said;
    }
    return this.#do('chat-send-message', {}, { room, user, msg: text });
  }

  join(room, user) { return this.#do('chat-create-avatar', {}, { room, user }); }
  leave(room, user) { return this.#do('chat-delete-avatar', {}, { room, user }); }
  rename(room, user, name) { return this.#do('chat-rename-avatar', {}, { room, old_user: user, new_user: name }); }

  async move(room, username, other) {
    const told = await this.#ask('chat-move-avatar', {}, JSON.stringify({ room: other, username, oldRoom: room }));
    if (!told.includes('"success"')) throw new Problem(400, told);
  }

  async mark() { /* there is no program to tell */ }

  async #last(room) {
    const html = await this.#ask('chat-get-messages', { room, ids: 1 });
    return pageOf(html) ?? unknown();
  }

  async #do(program, query, fields) {
    const html = await this.#ask(program, query, fields && new URLSearchParams(fields));
    if (!html.includes('class="demo-result success"')) unknown();
  }

  #program(name, query) { return asking(new URL(name, this.programs), query); }

  async #ask(program, query, body) {
    const { response, text } = await ask(this.#program(program, query), { method: body && 'POST', body, cache: 'no-store' });
    if (!response.ok) throw new Problem(response.status);
    // All that they answer has status 200: they say in words what is wrong.
    const complaint = complaintOf(text);
    if (complaint === null) return text;
    throw new Problem(/not found$/.test(complaint) ? 404 : /exists$/.test(complaint) ? 409 : 400, complaint);
  }
}

function unknown() { throw new Problem(502, 'The answer is not from the programs.'); }

// ---- What they answer ----

/** `[YYYY-MM-DD hh:mm:ss] name: text` as a message, at the time that the log says, in whatever zone. */
export function messageOf(line, id) {
  const [head, day, clock, name] =
    /^\[(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\](?:$| (?:([A-Za-z0-9_-]{1,64}): ?)?)/.exec(line) ?? [''];
  const time = `${day}T${clock}`;
  const isTime = new Date(`${time}Z`).toJSON()?.slice(0, 19) === time;
  const text = (isTime ? line.slice(head.length) : line).replaceAll('\u2028', '\n');
  if (!isTime) return { id, time: null, from: null, text, kind: 'line' };
  const kind = name === undefined ? 'line' : name === 'log' ? 'system' : 'message';
  return { id, time, from: kind === 'message' ? name : null, text, kind };
}

/** A list of messages; null where it is something else. What they say is escaped, so a `<` is none of theirs. */
export function pageOf(html) {
  const [head] = /^<div id="chat-messages"[^>]*>/.exec(html) ?? [];
  if (head === undefined) return null;
  const idOf = numbering();
  const lines = /<div class="chat-msg(-system)?"([^>]*)>([^]*?)(<span class="timestamp"[^>]*>[^<]*<\/span>)?<\/div>/g;
  const messages = Array.from(html.matchAll(lines), ([, system, tag, content, stamp]) => {
    const [, time] = / data-full-timestamp="([^"]*)"/.exec(tag + stamp) ?? [];
    const head = time === undefined ? '' : `[${time}] ${system ? 'log: ' : ''}`;
    const message = messageOf(head + textOf(content));
    if (system) message.kind = 'system';
    message.id = / data-id="([^"]*)"/.exec(tag)?.[1] ?? idOf(message);
    return message;
  });
  return { messages, more: head.includes('data-more') || (messages.length >= 200 && !isGiven(messages[0].id)) };
}

/** Of a list of rooms, the last line of each; null where it is something else. */
export function roomsOf(html) {
  if (!html.startsWith('<ul class="room-list">')) return null;
  const rooms = html.matchAll(/ class="room-item" data-room="([^"]*)"[^]*?(?:"last-msg">([^<]*)|<\/li>)/g);
  return Object.fromEntries(Array.from(rooms, ([, room, last]) => [room, textOf(last ?? '')]));
}

export function complaintOf(html) {
  const told = /class="demo-result error">\s*(?:<p>)?([^<]*)/.exec(html);
  return told && textOf(told[1]);
}

const CHARACTERS = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
const textOf = (html) => html.replace(/<[^>]*>/g, '').replace(/&(#?\w+);/g, (whole, name) => CHARACTERS[name] ?? whole);

// ---- Lines without an id, which other programs of these names write ----

const ZERO = '0'.repeat(16);
/** The position before any line. */
export const BEGINNING = `${ZERO}_${ZERO}`;

/** Whether a program made this position; others are made up here. */
export const isGiven = (id) => id.length > BEGINNING.length;

/** From when on to ask for the lines after a made-up position. */
export const sinceOf = (id) => (id.startsWith(ZERO) ? '1970-01-01 00:00:00'
  : id.slice(2, 16).replace(/(....)(..)(..)(..)(..)(..)/, '$1-$2-$3 $4:$5:$6'));

/** Makes up ids, for lines of a page or since a time: the time of the last line that somebody said, and how many there
 *  were since. In a page no other lines have one; so where those come first, their ids are before all that was known. */
export function numbering() {
  let [last, count] = [ZERO, 0];
  return ({ kind, time }) => {
    const now = kind === 'message' ? `00${time.replace(/\D/g, '')}` : ZERO;
    if (now > last) [last, count] = [now, 0];
    count += 1;
    return `${last}_${String(count).padStart(16, '0')}`;
  };
}
