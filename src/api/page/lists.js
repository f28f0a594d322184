// The lists beside the messages: the rooms there are, and the members of this one.

import { badge, element } from './elements.js';
import { actionOf } from './text.js';

/** `rooms` is null until it is known. `address(name)` is where a room is. */
export function paintRooms(list, rooms, current, address) {
  if (unchanged(list, rooms, current)) return;
  const focused = list.querySelector(':focus')?.dataset.room;
  list.replaceChildren(...(rooms ?? []).map((room) => item(roomLink(room, room.name === current, address))));
  if (focused !== undefined) list.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
}

function roomLink({ name, last, unread, mentions, more }, isCurrent, address) {
  const link = element('a', { 'data-room': name, href: address(name), 'aria-current': isCurrent && 'page' },
    element('span', { class: 'room-name' }, name));
  if (unread > 0 && !isCurrent) {
    link.classList.add('unread');
    const count = mentions > 0 ? mentions : unread;
    const words = mentions > 0 ? `${mentions} of them for you` : '';
    link.append(element('span', { class: mentions > 0 ? 'count mentions' : 'count' },
      more ? `${count}+` : String(count), element('span', { class: 'unseen' }, ` unread messages ${words}`)));
  }
  if (last !== null) link.append(element('span', { class: 'last', dir: 'auto' }, snippet(last)));
  return link;
}

function snippet({ from, text }) {
  const action = actionOf(text);
  const [line] = (action ?? text).split('\n');
  if (from === null) return line.slice(0, 120);
  return `${from}${action === null ? ':' : ''} ${line.slice(0, 120)}`;
}

export function paintMembers(list, members, presence, self) {
  const shown = (members ?? []).map((member) => ({ ...member, idle: presence[member.name]?.idle !== undefined }));
  if (unchanged(list, shown, self)) return;
  list.replaceChildren(...shown.map(({ name, web, idle }) => {
    const entry = item(badge(name), label('name', name));
    if (name === self) entry.append(label('you', 'you'));
    if (!web) entry.append(label('shell', 'shell'));
    if (idle) entry.append(label('unseen', 'away'));
    Object.assign(entry.dataset, { user: name, web, idle });
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

const item = (...content) => element('li', {}, ...content);
const label = (className, text) => element('span', { class: className }, text);
