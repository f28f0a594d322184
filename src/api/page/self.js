// Who one is and where one was last, as this browser remembers it.

import { mount } from './api.js';

/** The form that names of rooms and users have. */
export const isName = (text) => /^[A-Za-z0-9_-]{1,64}$/.test(text);
/** `log` is how a log calls itself. */
export const isUserName = (text) => isName(text) && text !== 'log';

// Several mounts may share an origin, and so its storage.
const key = (what) => `chatroom ${mount.pathname} ${what}`;

class Self {
  #name = read(localStorage, 'name') ?? read(sessionStorage, 'guest');

  constructor() {
    if (this.#name === null || !isUserName(this.#name)) {
      this.#name = `Guest${100 + Math.floor(Math.random() * 99_900)}`;
      write(sessionStorage, 'guest', this.#name);
    }
  }

  get name() { return this.#name; }
  set name(name) {
    this.#name = name;
    write(localStorage, 'name', name);
  }

  get lastRoom() { return read(localStorage, 'room'); }
  set lastRoom(room) { write(localStorage, 'room', room); }
}

// A browser may refuse storage; then a name lasts as long as the page.
function read(storage, what) {
  try {
    return storage.getItem(key(what));
  } catch {
    return null;
  }
}

function write(storage, what, value) {
  try {
    storage.setItem(key(what), value);
  } catch { /* see above */ }
}

export const self = new Self();
