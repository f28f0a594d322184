// The lists beside the messages: the rooms there are, and the members of this one.

import { roomAddress } from './api.js';
import { badge } from './badge.js';

/** `rooms` and `members` are null until they are known. */
export function paintRooms(list, rooms, current) {
  if (unchanged(list, rooms, current)) return;
  const focused = list.querySelector(':focus')?.dataset.room;
  list.replaceChildren(...(rooms ?? []).map((room) => {
    const link = document.createElement('a');
    link.dataset.room = room;
    link.href = roomAddress(room);
    link.textContent = room;
    if (room === current) link.setAttribute('aria-current', 'page');
    return item(link);
  }));
  if (focused !== undefined) list.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
}

export function paintMembers(list, members, self) {
  if (unchanged(list, members, self)) return;
  list.replaceChildren(...(members ?? []).map(({ name, web }) => {
    const entry = item(badge(name), label('name', name));
    if (name === self) entry.append(label('you', 'you'));
    if (!web) entry.append(label('shell', 'shell'));
    entry.dataset.user = name;
    entry.dataset.web = web;
    return entry;
  }));
}

const painted = new WeakMap();

/** A list that would look the same is left alone: a repaint costs the keyboard its place, and a pointer its click. */
function unchanged(list, ...inputs) {
  const before = painted.get(list);
  const now = JSON.stringify(inputs);
  painted.set(list, now);
  return now === before;
}

function item(...content) {
  const entry = document.createElement('li');
  entry.append(...content);
  return entry;
}

function label(className, text) {
  const span = document.createElement('span');
  span.className = className;
  span.textContent = text;
  return span;
}
