// The server's resources as functions. Whatever goes wrong comes out as a Problem.

/** How long an answer may take before the server counts as silent. */
const PATIENCE_MS = 20_000;
/** The same as in assets.rs. */
export const FIRST_PAGE = 50;

/** A request that failed. Status 0: there was no answer at all. */
export class Problem extends Error {
  constructor(status, detail = '') {
    super(detail);
    this.name = 'Problem';
    this.status = status;
  }

  /** Whether the same request may succeed later without anybody doing anything. */
  get isPassing() {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

/** Why something failed, as a sentence. */
export function reason(problem) {
  switch (problem.status) {
    case 0: return 'The server did not answer.';
    case 403: return problem.detail || problem.message || 'The server does not allow it.';
    case 404: return 'This room does not exist.';
    case 405: return 'The server does not allow it.';
    case 410: return 'The log is another one now.';
    case 413: return 'It is too long.';
    case 502: return 'What answered is not chatroom, or chatroom is not running.';
    case 503: return 'The server is busy; try again in a moment.';
    case 507: return 'The server’s disk is full.';
    default: return problem.detail || problem.message || `The server answered with an error (${problem.status}).`;
  }
}

const part = encodeURIComponent;

export class Server {
  /** `base` is where chatroom is mounted: by default the folder above the `assets` this file is served from. */
  constructor(base = import.meta.url.replace(/^(.*\/)assets\/.*$/, '$1')) {
    this.base = new URL(base, globalThis.location?.href);
  }

  /** The address of a room: of its page, its history and its stream alike. */
  room(name) {
    return new URL(`rooms/${part(name)}`, this.base);
  }

  /** The name of the room whose page is at an address, or nothing. */
  named(page) {
    return /^rooms\/([^/]+)$/.exec(page.pathname.slice(this.base.pathname.length))?.[1] ?? '';
  }

  /** The names of all rooms. */
  rooms() {
    return call('GET', new URL('rooms', this.base));
  }

  /** How many messages each room has, live. */
  counts() {
    return new URL('unread', this.base);
  }

  stream(room, user, lastEventId) {
    return asking(this.room(room), { user, last_event_id: lastEventId });
  }

  /** The last messages: soon there, and more than a screen has. The others come when one goes up. */
  firstPage(room) {
    // Just as the page that chatroom serves has it preloaded.
    return answerTo(asking(this.room(room), { limit: FIRST_PAGE }), {});
  }

  /** `page` has `limit`, and one of `before`, `after` and `since`, or none: then it is the last one. */
  history(room, page) {
    return call('GET', asking(this.room(room), page));
  }

  /** The last messages with all words of `q`; go on with `until: answer.next`. */
  search(room, q, page) {
    return call('GET', asking(new URL(`${this.room(room)}/search`), { q, ...page }));
  }

  /** Of these rooms, or of all, the last message and how much `user` has not read. */
  overview(user, marks, rooms) {
    const read = Object.entries(marks).map(([room, id]) => `${room}:${id}`).join();
    return call('GET', asking(new URL('overview', this.base), { user, read, ...(rooms && { rooms: rooms.join() }) }));
  }

  create(room) { return call('PUT', this.room(room)); }
  remove(room) { return call('DELETE', this.room(room)); }

  /** With `unless_after`, a position, it is not said again where it was said since. */
  say(room, user, text, unless_after) { return call('POST', this.room(room), { user, text, unless_after }); }

  join(room, user) { return call('PUT', this.#member(room, user)); }
  leave(room, user) { return call('DELETE', this.#member(room, user)); }
  rename(room, user, name) { return call('PATCH', this.#member(room, user), { name }); }
  move(room, user, other) { return call('PATCH', this.#member(room, user), { room: other }); }
  /** `marks` has `typing`, `idle`, or `read`. */
  mark(room, user, marks) { return call('PATCH', this.#member(room, user), marks); }

  #member(room, user) {
    return new URL(`rooms/${part(room)}/members/${part(user)}`, this.base);
  }
}

/** What the page asks: where this file comes from, or what it was told to `use` before anything else began. */
export let server = new Server();
export const use = (other) => { server = other; };

export function asking(address, query) {
  address.search = new URLSearchParams(query);
  return address;
}

function call(method, address, body) {
  const request = {
    method,
    headers: { Accept: 'application/json' },
    // A page and its history have one address: an answer kept by the cache could be shown as the other.
    cache: 'no-store',
  };
  if (body !== undefined) {
    request.headers['Content-Type'] = 'application/json';
    request.body = JSON.stringify(body);
  }
  return answerTo(address, request);
}

/** What is answered, whatever it is. */
export async function ask(address, request) {
  try {
    const response = await fetch(address, { ...request, signal: AbortSignal.timeout(PATIENCE_MS) });
    return { response, text: await response.text() };
  } catch {
    throw new Problem(0);
  }
}

async function answerTo(address, request) {
  const { response, text } = await ask(address, request);
  const answer = parsed(text);
  if (!response.ok) throw new Problem(response.status, answer?.detail ?? answer?.title);
  // Some web servers answer 200 with a page of their own.
  if (answer === null && text !== '') throw new Problem(502, 'The answer is not from chatroom.');
  return answer;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
