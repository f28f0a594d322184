// Who one is, what one has read, wrote and wants, as this browser remembers it.

import { server } from './server.js';

/** The form that names of rooms and users have. */
export const isName = (text) => /^[A-Za-z0-9_-]{1,64}$/.test(text);
/** `log` is how a log calls itself. */
export const isUserName = (text) => isName(text) && text !== 'log';

// Several mounts may share an origin, and so its storage.
const key = (what) => `chatroom ${server.base.pathname} ${what}`;

// A browser may refuse storage; then what is remembered lasts as long as the page.
function read(storage, what) {
  try {
    return storage().getItem(key(what));
  } catch {
    return null;
  }
}

function write(storage, what, value) {
  try {
    if (value === null || value === '') storage().removeItem(key(what));
    else storage().setItem(key(what), value);
  } catch { /* see above */ }
}

function object(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

const browser = () => localStorage;
const tab = () => sessionStorage;

class Self {
  #name = read(browser, 'name');
  #marks = object(read(browser, 'marks'));

  constructor() {
    if (this.#name === null || !isUserName(this.#name)) {
      this.name = `Guest${100 + Math.floor(Math.random() * 99_900)}`;
    }
  }

  get name() { return this.#name; }
  set name(name) {
    this.#name = name;
    write(browser, 'name', name);
  }

  get lastRoom() { return read(browser, 'room'); }
  set lastRoom(room) { write(browser, 'room', room); }

  /** Room -> the id of the last message that was read. */
  get marks() { return this.#marks; }
  /** Notes that a room was read up to `id`. Says whether that is news. */
  read(room, id) {
    // Another tab may have noted others.
    this.#marks = { ...object(read(browser, 'marks')), ...this.#marks };
    if (this.#marks[room] === id) return false;
    this.#marks[room] = id;
    write(browser, 'marks', JSON.stringify(this.#marks));
    return true;
  }

  draft(room) { return read(browser, `draft ${room}`) ?? ''; }
  keepDraft(room, text) { write(browser, `draft ${room}`, text); }

  /** What this tab has not brought to the server yet. */
  get outbox() { return object(read(tab, 'outbox')).items ?? []; }
  set outbox(items) { write(tab, 'outbox', items.length > 0 ? JSON.stringify({ items }) : null); }

  wants(what) { return read(browser, what) === 'yes'; }
  want(what, yes) { write(browser, what, yes ? 'yes' : null); }
}

export const self = new Self();
