// The lists beside the messages: the rooms there are, and the members of this one.

import { badge, element } from './elements.js';
import { actionOf } from './text.js';

/** `rooms` is null until it is known. `address(name)` is where a room is. A room's link stays as long as the room is
 *  there, whatever it says: else a click could fall between two of them, and the keyboard would lose its place. */
export function paintRooms(list, rooms, current, address) {
  if (unchanged(list, rooms, current)) return;
  const names = new Set(rooms?.map((room) => room.name));
  const entries = new Map([...list.children].map((entry) => [entry.firstChild.dataset.room, entry]));
  for (const [name, entry] of entries) if (!names.has(name)) entry.remove();
  rooms?.forEach((room, at) => {
    const entry = entries.get(room.name) ?? item(element('a', { 'data-room': room.name, href: address(room.name) }));
    paintRoom(entry.firstChild, room, room.name === current);
    if (list.children[at] !== entry) list.insertBefore(entry, list.children[at] ?? null);
  });
}

function paintRoom(link, { name, last, unread, mentions, more }, isCurrent) {
  const parts = [element('span', { class: 'room-name' }, name)];
  if (isCurrent) link.setAttribute('aria-current', 'page');
  else link.removeAttribute('aria-current');
  link.classList.toggle('unread', unread > 0 && !isCurrent);
  if (unread > 0 && !isCurrent) {
    const count = mentions > 0 ? mentions : unread;
    const words = mentions > 0 ? `${mentions} of them for you` : '';
    parts.push(element('span', { class: mentions > 0 ? 'count mentions' : 'count' },
      more ? `${count}+` : String(count), element('span', { class: 'unseen' }, ` unread messages ${words}`)));
  }
  if (last !== null) parts.push(element('span', { class: 'last', dir: 'auto' }, snippet(last)));
  link.replaceChildren(...parts);
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

/** A list that would look the same is left alone. */
function unchanged(list, ...inputs) {
  const before = painted.get(list);
  const now = JSON.stringify(inputs);
  painted.set(list, now);
  return now === before;
}

const item = (...content) => element('li', {}, ...content);
const label = (className, text) => element('span', { class: className }, text);
