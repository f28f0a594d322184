// The chat page: which room is shown, and who is told when something changes.

import * as api from './api.js';
import { Composer } from './composer.js';
import { paintMembers, paintRooms } from './lists.js';
import { Log } from './log.js';
import { clearNotice, notice, reason } from './notice.js';
import { closePanels } from './panels.js';
import { Room } from './room.js';
import { isName, isUserName, self } from './self.js';
import { Stream } from './stream.js';

const find = (selector) => document.querySelector(selector);
const nameBox = find('#name');
const nameButton = find('#name-form button');
const roomBox = find('#room-name');

let room = null;        // the room that is shown
let rooms = null;       // the names of all; null: not known yet
let connected = false;  // once, at least
let wasGone = false;    // the room, when its sign was last shown
let painting = null;    // the timer of a paint to come

const log = new Log(find('#messages'), find('#older'), find('#latest'), () => {
  room?.older().catch((problem) => notice(`Older messages could not be fetched. ${reason(problem)}`));
});

const composer = new Composer(find('#say-form'), find('#say'), {
  say: (name, text) => api.say(name, self.name, text),
  onSent: clearNotice,
  onFailed: (problem) => notice(problem.status === 0
    ? 'The server did not answer, so this may not have been sent.'
    : `This was not sent. ${reason(problem)}`),
});

const roomList = new Stream({
  address: api.listAddress,
  events: {
    rooms: (names) => {
      rooms = names;
      if (room === null) openSome();
      else if (names.includes(room.name)) room.nudge();
      paint();
    },
  },
  onSign: showSign,
});

// ---- Rooms ----

function open(name) {
  if (room?.name === name) return;
  const previous = room;
  previous?.stop();
  const here = new Room(name, self, {
    onChange: (resetReason) => {
      if (room !== here) return;
      paint();
      if (resetReason !== undefined) notice(`The log of this room was ${resetReason}. This is what it holds now.`);
    },
    onSign: () => {
      if (room === here) showSign();
    },
  });
  room = here;
  wasGone = false;
  self.lastRoom = name;
  document.title = `${name} · chatroom`;
  document.body.dataset.room = name;
  find('#room').textContent = name;
  clearNotice();
  composer.turnTo(name);
  here.enter(previous);
  paint();
}

function visit(name) {
  if (room?.name !== name) history.pushState(null, '', api.roomAddress(name));
  open(name);
  closePanels();
  // On a touch screen focus would bring up the keyboard over what one came to read.
  if (matchMedia('(pointer: fine)').matches) find('#say').focus();
}

/** The room in the address, or null. */
function addressed() {
  const path = location.pathname.slice(api.mount.pathname.length);
  const [, name] = /^rooms\/([^/]+)$/.exec(path) ?? [];
  return name !== undefined && isName(name) ? name : null;
}

/** Without a room in the address: the last one, or the first. */
function openSome() {
  const name = rooms.includes(self.lastRoom) ? self.lastRoom : rooms[0];
  if (name === undefined) return notice('There is no room yet. Create the first one.');
  history.replaceState(null, '', api.roomAddress(name));
  open(name);
}

find('#rooms').addEventListener('click', (event) => {
  const link = event.target.closest('a');
  if (link === null || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  visit(link.dataset.room);
});

find('#room-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const name = roomBox.value.trim();
  if (!isName(name)) return notice('The name of a room is 1 to 64 letters, digits, hyphens and underscores.');
  try {
    await api.createRoom(name);
    roomBox.value = '';
    visit(name);
  } catch (problem) {
    notice(`The room ${name} could not be created. ${reason(problem)}`);
  }
});

addEventListener('popstate', () => {
  const name = addressed();
  if (name !== null) open(name);
});

// ---- Who one is ----

find('#name-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const name = nameBox.value.trim();
  if (!isUserName(name)) {
    return notice('A name is 1 to 64 letters, digits, hyphens and underscores, and “log” is not free.');
  }
  try {
    if (name === self.name || room === null) self.name = name;
    else await room.rename(name);
    showName();
    clearNotice();
    paint();
  } catch (problem) {
    notice(problem.status === 409
      ? `Someone in this room is called ${name} already.`
      : `The name was not changed. ${reason(problem)}`);
  }
});

nameBox.addEventListener('input', () => {
  nameButton.hidden = nameBox.value === self.name;
});

function showName() {
  nameBox.value = self.name;
  nameButton.hidden = true;
}

// ---- What is shown ----

/** Once for all that arrives together. Not by animation frames: a hidden page gets none. */
function paint() {
  painting ??= setTimeout(() => {
    painting = null;
    paintRooms(find('#rooms'), rooms, room?.name);
    if (room === null) return;
    paintMembers(find('#members'), room.state.members, self.name);
    find('#member-count').textContent = room.state.members?.length ?? '';
    log.paint(room.state);
  });
}

function showSign() {
  const { sign, gone } = room ?? roomList;
  connected ||= sign === 'open';
  document.body.dataset.connection = sign;
  const words = {
    open: 'Connected',
    connecting: connected ? 'Reconnecting' : 'Connecting',
    closed: gone ? 'No such room' : 'Offline',
  }[sign];
  const shown = find('#connection');
  if (shown.textContent !== words) shown.textContent = words;

  if (gone && !wasGone) {
    notice(room.known
      ? `The room ${room.name} is gone. What was said stays here, and it opens again when it is back.`
      : `There is no room ${room.name}. It opens here as soon as there is one.`);
  }
  if (wasGone && !gone) clearNotice();
  wasGone = gone;
}

// ---- The life of the page ----

function streams(act) {
  if (room !== null) act(room);
  act(roomList);
}

addEventListener('online', () => streams((stream) => stream.nudge()));

// A browser opens six connections to an origin at most over HTTP/1.1, and one page takes two: a page that nobody
// sees does without the list, and keeps its room.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return roomList.stop();
  roomList.start();
  room?.nudge();
});

// A page put aside by the browser can't hold a connection; when it comes back it continues where it was.
addEventListener('pagehide', () => streams((stream) => stream.stop()));
addEventListener('pageshow', () => streams((stream) => stream.start()));

// The address changes with the room, and with it what a relative one means: browsers ask for the icon again then.
const icon = new URL('favicon.svg', import.meta.url).href;
find('link[rel="icon"]').href = icon;
find('.brand img').src = icon;

showName();
if (addressed() !== null) open(addressed());
roomList.start();
