// What one comes for: the messages of the room in the address. They are here before the rest of the program is (main.js),
// which on a slow line is a second later. So whatever this needs is asked for first (assets.rs), and must stay little.

import { Log } from './log.js';
import { isName, self } from './self.js';
import { server } from './server.js';
import { Visit } from './visit.js';

const find = (selector) => document.querySelector(selector);

/** Where a room is, or a message in it. */
export function addressOf(name, id) {
  const address = server.room(name);
  if (id !== undefined) address.hash = id;
  return address.href;
}

/** The room in the address, or null; and the message. */
export function addressed() {
  const name = server.named(location);
  const target = /^#(\d{16}_\d{16}(_[0-9a-f]{12})?)$/.exec(location.hash)?.[1] ?? null;
  return { name: isName(name) ? name : null, target };
}

/** What the log asks for, until somebody else answers. */
export const ask = {
  older: () => first?.older(),
  newer: () => first?.newer(),
  end: () => first?.end(),
  seen() {},
  again() {},
  edit() {},
};

export const log = new Log(find('#messages'), find('#latest'), () => ({
  self: self.name,
  address: (message) => addressOf(document.body.dataset.room, message.id),
  room: (name) => addressOf(name),
}), ask);

/** What a visit uses, beside the server; it can be replaced while the visit lasts. */
export const host = {
  hub: (message) => unsent.push(message),
  notice: (sentence) => import('./notice.js').then(({ notice }) => notice(sentence)),
  onChange: (visit, place) => {
    log.paint(visit.state, place ?? null);
    noteTime(visit);
  },
  onFailure: () => log.giveUp(),
};
/** What the first visit has to tell the hub. */
export const unsent = [];

/** For whoever measures. */
export function noteTime({ state }) {
  if (state.loaded && performance.getEntriesByName('chatroom: messages').length === 0) performance.mark('chatroom: messages');
}

const { name, target } = addressed();
/** The visit to the room in the address, or null. */
export const first = name === null ? null : new Visit(name, server, host);
if (first !== null) {
  document.body.dataset.room = name;
  find('#room').textContent = name;
  first.enter(target, null);
}
