// The chat page: which room is shown, and who is told when something changes. It goes on where first.js began.

import { Alerts, mayNotify, notify, sound } from './alerts.js';
import { COMMANDS, Completion } from './completion.js';
import { Composer } from './composer.js';
import { askForDate, askForRoom, askToDelete } from './dialogs.js';
import { element } from './elements.js';
import { addressOf, addressed, ask, first, host, log, noteTime, unsent } from './first.js';
import { holdLock, link } from './link.js';
import { paintMembers, paintRooms } from './lists.js';
import { clearNotice, notice } from './notice.js';
import { Outbox } from './outbox.js';
import { closeDrawers } from './panels.js';
import { Search } from './search.js';
import { isName, isUserName, self } from './self.js';
import { reason, server } from './server.js';
import * as state from './state.js';
import { Visit } from './visit.js';

const find = (selector) => document.querySelector(selector);
const nameBox = find('#name');

/** So many rooms are kept as they were left. */
const KEPT_VISITS = 8;
/** Who is said to type, and not again, is taken not to. */
const TYPING_FADES_MS = 20_000;

let visit = null;       // to the room that is shown
let rooms = null;       // all of them; null: not known yet
let listSign = 'connecting';
let connected = false;  // once, at least
let wasGone = false;    // the room, when its sign was last shown
let painting = null;    // the timer of a paint to come
let place;              // where to look then; undefined: where one is
const visits = new Map();

// ---- The parts ----

const hello = () => ({ type: 'hello', name: self.name, marks: self.marks });
const hub = link(take, hello);
holdLock((lock) => hub({ type: 'lock', lock }));

Object.assign(ask, {
  older: () => visit?.older(),
  newer: () => visit?.newer(),
  end: () => visit?.end(),
  seen: (atEnd) => {
    if (atEnd && isSeen()) visit?.see();
  },
  again: (key) => outbox.again(key),
  edit: (key) => {
    const item = outbox.drop(key);
    if (item !== null) composer.edit(item.text);
  },
});

const outbox = new Outbox({
  items: self.outbox,
  say: (room, from, text, after) => server.say(room, from, text, after),
  keep: (items) => { self.outbox = items; },
  onOutcome: (item) => {
    const shown = visits.get(item.room)?.state;
    if (shown === undefined) return;
    if (item.state !== 'sent' && item.state !== 'gone') state.foldPending(shown, item);
    state.foldOutcome(shown, item.key, item);
    paint();
  },
});

const completion = new Completion(find('#say'), find('#offers'), {
  names: () => {
    const here = visit?.state.members?.map((member) => member.name) ?? [];
    const spoke = visit?.state.messages.slice(-200).map((message) => message.from) ?? [];
    return [...new Set([...here, ...spoke])].filter((name) => name !== null && name !== self.name).sort();
  },
  rooms: () => rooms?.map((room) => room.name) ?? [],
});

const composer = new Composer(find('#say-form'), find('#say'), {
  completion,
  draft: (room) => self.draft(room),
  keep: (room, text) => self.keepDraft(room, text),
  submit: (text) => (/^\/[a-z]+(\s|$)/.test(text) && !text.startsWith('/me ') ? obey(text) : say(text)),
  onTyping: (typing) => visit !== null && hub({ type: 'mark', room: visit.name, marks: { typing } }),
});

const search = new Search(find('#search-panel'), {
  search: (room, words, page) => server.search(room, words, page),
  address: addressOf,
});

// The address changes with the room, and with it what a relative one means.
const iconAddress = new URL('favicon.svg', import.meta.url).href;
const alerts = new Alerts(find('link[rel="icon"]'), iconAddress);
find('link[rel="icon"]').href = iconAddress;

// ---- What the hub tells ----

function take(message) {
  switch (message.type) {
    case 'list':
      listSign = message.sign;
      if (message.rooms !== null) know(message.rooms);
      paintSign();
      break;
    case 'name':
      self.name = message.name;
      showName();
      break;
    case 'notify':
      if (self.wants('notifications')) notify(message.room, message.message, () => visitRoom(message.room, message.message.id));
      if (self.wants('sound')) sound();
      break;
    default:
      if (visit === null || message.room !== visit.name) return;
      visit.take(message, isSeen() && log.isAtEnd);
      if (message.type === 'sign') {
        if (message.sign === 'open') outbox.retry();
        paintSign();
      }
  }
  paint();
}

function know(list) {
  rooms = list;
  if (visit === null) return openSome();
  if (rooms.some((room) => room.name === visit.name)) visit.retry();
  if (listSign === 'open') outbox.retry();
}

const isSeen = () => document.visibilityState === 'visible' && document.hasFocus();

// ---- Rooms ----

/** `entered`: the visit has begun already. */
function open(name, target = null, entered = false) {
  if (visit?.name === name) {
    if (target !== null) visit.goTo(target);
    return;
  }
  visit?.leave(log.place);
  const here = visits.get(name) ?? new Visit(name, server, host);
  visits.delete(name);
  visits.set(name, here);
  for (const old of [...visits.keys()].slice(0, -KEPT_VISITS)) visits.delete(old);

  visit = here;
  wasGone = false;
  self.lastRoom = name;
  document.body.dataset.room = name;
  find('#room').textContent = name;
  find('#say').placeholder = `Write to ${name}`;
  clearNotice();
  search.turnTo(name);
  for (const item of outbox.of(name)) state.foldPending(here.state, item);
  place = here.place;
  if (!entered) here.enter(target, rooms?.find((room) => room.name === name)?.read ?? null);
  composer.turnTo(name);
  paintSign();
  if (here.state.loaded) paintNow();
  else paint();
}

function visitRoom(name, id) {
  const address = addressOf(name, id);
  if (location.href !== address) history.pushState(null, '', address);
  open(name, id ?? null);
  closeDrawers();
  // On a touch screen focus would bring up the keyboard over what one came to read.
  if (id === undefined && !matchMedia('(pointer: coarse)').matches) find('#say').focus();
}

/** Without a room in the address: the last one, or the first. */
function openSome() {
  const name = rooms.find((room) => room.name === self.lastRoom)?.name ?? rooms[0]?.name;
  if (name === undefined) return notice('There is no room yet. Create the first one.');
  if (left) return;
  history.replaceState(null, '', addressOf(name));
  open(name);
}

let left = false;  // on purpose: then no room is opened unasked

async function leaveRoom() {
  const { name } = visit;
  visit.leave(log.place);
  visit = null;
  left = true;
  hub({ type: 'watch', room: null });
  document.body.dataset.room = '';
  find('#room').textContent = 'chatroom';
  history.pushState(null, '', server.base);
  composer.turnTo(null);
  search.turnTo(null);
  notice(`You left ${name}. Choose a room to go on.`);
  log.paint(state.newRoom(''));
  paint();
  await server.leave(name, self.name).catch(() => { /* the server lets go by itself */ });
}

async function createRoom(name) {
  try {
    await server.create(name);
    visitRoom(name);
  } catch (problem) {
    notice(`The room ${name} could not be created. ${reason(problem)}`);
  }
}

async function deleteRoom() {
  const { name } = visit;
  if (await askToDelete(name) === null) return;
  try {
    await server.remove(name);
    visits.delete(name);
    self.keepDraft(name, '');
    const other = rooms?.find((room) => room.name !== name)?.name;
    if (other !== undefined && visit?.name === name) visitRoom(other);
    notice(`The room ${name} is deleted.`);
  } catch (problem) {
    notice(`The room ${name} was not deleted. ${reason(problem)}`);
  }
}

document.addEventListener('click', (event) => {
  const anchor = event.target.closest('a[data-room], a[data-message], a.when');
  if (anchor === null || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (anchor.dataset.room !== undefined) return visitRoom(anchor.dataset.room);
  visitRoom(visit.name, new URL(anchor.href).hash.slice(1));
});

find('#new-room').addEventListener('click', async () => {
  const name = await askForRoom();
  if (name !== null) createRoom(name);
});
find('#delete-room').addEventListener('click', () => visit !== null && deleteRoom());
find('#go-to-date').addEventListener('click', async () => {
  if (visit === null) return;
  const day = await askForDate();
  if (day !== null) visit.goToTime(new Date(`${day}T00:00:00`));
});

addEventListener('popstate', () => {
  const { name, target } = addressed();
  if (name !== null) open(name, target);
});

document.addEventListener('keydown', (event) => {
  if (event.altKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown') && rooms?.length > 0) {
    event.preventDefault();
    const at = rooms.findIndex((room) => room.name === visit?.name);
    const step = event.key === 'ArrowUp' ? -1 : 1;
    visitRoom(rooms.at((at + step + rooms.length) % rooms.length).name);
  } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k' && !find('#search-opener').hidden) {
    event.preventDefault();
    if (find('#search-opener').getAttribute('aria-expanded') === 'false') find('#search-opener').click();
    else find('#search').focus();
  } else if (event.key === 'Escape' && event.target === find('#say') && visit !== null) {
    if (visit.state.newer) visit.end();
    else log.toEnd();
  }
});

// ---- Saying ----

function say(text) {
  if (visit === null) return false;
  const said = text.startsWith('//') ? text.slice(1) : text;
  visit.state.mark = null;
  clearNotice();
  if (visit.state.newer) visit.end();
  outbox.add(visit.name, self.name, said, visit.state.latest > (visit.state.position ?? '') ? visit.state.latest
    : visit.state.position ?? undefined);
  return true;
}

function obey(line) {
  const [command, argument = ''] = line.trim().split(/\s+(.*)/s);
  switch (command) {
    case '/nick': rename(argument); return true;
    case '/join': return joinRoom(argument.replace(/^#/, ''));
    case '/leave': if (visit !== null) leaveRoom(); return true;
    case '/help': find('#help-dialog').showModal(); return true;
    case '/me': notice('Say what you do: /me waves'); return false;
    default:
      notice(`There is no command ${command}. There are ${Object.keys(COMMANDS).join(', ')}. To say it as it is, begin with //.`);
      return false;
  }
}

function joinRoom(name) {
  if (!isName(name)) {
    notice('The name of a room is 1 to 64 letters, digits, hyphens and underscores.');
    return false;
  }
  if (rooms?.some((room) => room.name === name)) visitRoom(name);
  else createRoom(name);
  return true;
}

// ---- Who one is ----

async function rename(name) {
  if (!isUserName(name)) {
    return notice('A name is 1 to 64 letters, digits, hyphens and underscores, and “log” is not free.');
  }
  if (name === self.name) return showName();
  try {
    if (visit !== null) await server.rename(visit.name, self.name, name);
  } catch (problem) {
    // Not a member, or no such room: nothing stands in the way of the new name.
    if (problem.status !== 404) {
      return notice(problem.status === 409 ? `Someone in this room is called ${name} already.`
        : `The name was not changed. ${reason(problem)}`);
    }
  }
  self.name = name;
  hub({ type: 'named', name });
  showName();
  clearNotice();
  paint();
}

find('#name-form').addEventListener('submit', (event) => {
  event.preventDefault();
  rename(nameBox.value.trim());
});
nameBox.addEventListener('input', () => { find('#name-form button').hidden = nameBox.value === self.name; });

function showName() {
  nameBox.value = self.name;
  find('#name-form button').hidden = true;
}

// ---- Settings ----

find('#help').addEventListener('click', () => find('#help-dialog').showModal());
for (const what of ['notifications', 'sound']) {
  const box = find(`#${what}`);
  box.checked = self.wants(what);
  box.addEventListener('change', async () => {
    if (what === 'notifications' && box.checked && !await mayNotify()) {
      box.checked = false;
      notice('This browser does not allow notifications for this page.');
    }
    if (what === 'sound' && box.checked) sound();
    self.want(what, box.checked);
  });
}

// ---- What is shown ----

/** Once for all that arrives together. Not by animation frames: a hidden page gets none. */
function paint() {
  painting ??= setTimeout(paintNow);
}

function paintNow() {
  clearTimeout(painting);
  painting = null;
  const current = visit?.name ?? null;
  paintRooms(find('#rooms'), rooms, current, addressOf);
  const others = (rooms ?? []).filter((room) => room.name !== current || !isSeen());
  const sum = (of) => others.reduce((all, room) => all + of(room), 0);
  alerts.show(current, sum((room) => room.unread), sum((room) => room.mentions));
  if (visit === null) return;
  const { state: room } = visit;
  paintMembers(find('#members'), room.members, room.presence, self.name);
  find('#member-count').textContent = room.members?.length ?? '';
  if (log.isAtEnd) state.trim(room);
  const where = place;
  place = undefined;
  log.paint(room, where ?? null);
  paintUnder(room);
  noteTime(visit);
}

const typed = new Map();  // who types -> what their avatar says, and since when it has said so
let fading = null;

function paintUnder(room) {
  const now = Date.now();
  const names = state.typists(room, self.name).filter((name) => {
    const says = room.presence[name].typing;
    if (typed.get(name)?.says !== says) typed.set(name, { says, since: now });
    return now - typed.get(name).since < TYPING_FADES_MS;
  });
  clearTimeout(fading);
  if (names.length > 0) fading = setTimeout(paint, TYPING_FADES_MS);
  const who = names.length > 3 ? 'Several people' : listed(names);
  tell(find('#typing'), names.length === 0 ? '' : `${who} ${names.length === 1 ? 'is' : 'are'} typing`);

  const last = room.newer ? undefined : room.messages.findLast((message) => message.kind === 'message');
  const seen = last === undefined ? [] : state.readers(room, last, self.name);
  tell(find('#read-by'), seen.length === 0 ? '' : `Read by ${seen.length > 3 ? `${seen.length} people` : listed(seen)}`);
}

const listed = (names) => new Intl.ListFormat(undefined, { type: 'conjunction' }).format(names);

function tell(shown, words) {
  if (shown.textContent !== words) shown.textContent = words;
}

function paintSign() {
  const sign = visit?.sign ?? listSign;
  const gone = visit?.gone ?? false;
  connected ||= sign === 'open';
  document.body.dataset.connection = sign;
  const offline = sign !== 'open' && navigator.onLine === false;
  const words = offline ? 'Offline' : {
    open: 'Connected',
    connecting: connected ? 'Reconnecting' : 'Connecting',
    closed: gone ? 'No such room' : 'Not connected',
  }[sign];
  tell(find('#connection'), words);

  if (gone && !wasGone && visit.state.loaded) {
    notice(`The room ${visit.name} is gone. What was said stays here, and it opens again when it is back.`);
  }
  if (wasGone && !gone) clearNotice();
  wasGone = gone;
}

// ---- The life of the page ----

function look() {
  hub({ type: 'look', visible: document.visibilityState === 'visible' });
  if (isSeen() && log.isAtEnd) visit?.see();
  paint();
}

document.addEventListener('visibilitychange', look);
addEventListener('focus', look);
addEventListener('online', () => {
  hub({ type: 'nudge' });
  outbox.retry();
  paintSign();
});
addEventListener('offline', paintSign);

// A page that the browser puts aside lets go of its connection; when it comes back it goes on where it was. The worker
// may be put aside with it, in the very moment: so it is told before.
addEventListener('beforeunload', (event) => {
  // What is kept for this tab goes with it.
  if (!outbox.isEmpty) return event.preventDefault();
  hub({ type: 'bye' });
  // Some who seem to leave only load something down.
  setTimeout(comeBack, 1_000);
});
addEventListener('pagehide', () => hub({ type: 'bye' }));
addEventListener('pageshow', ({ persisted }) => persisted && comeBack());

function comeBack() {
  hub(hello());
  if (visit !== null) visit.enter(null, null);
  look();
}

Object.assign(host, {
  hub,
  notice,
  onChange: (where, toLookAt) => {
    if (visit !== where) return;
    if (toLookAt !== undefined) place = toLookAt;
    paint();
  },
});
unsent.forEach(hub);
showName();
if (first !== null) {
  visits.set(first.name, first);
  open(first.name, null, true);
}
look();
outbox.retry();
for (const [command, does] of Object.entries(COMMANDS)) {
  find('#commands').append(element('dt', {}, element('code', {}, command)), element('dd', {}, does));
}
// For whoever measures.
performance.mark('chatroom: ready');
