// What a tab knows of a room, and how each thing that arrives changes it. No page, no network, no clock.
//
// It knows a stretch of the log without a gap: its end, while the reader follows, or one further up. Both ways more can
// be fetched; what is too far from the reader is let go of.

/** So many messages are known at most; each is an element on the page. */
export const KEPT = 500;
/** So many are left when there were more, and the reader is at the end. */
const KEPT_FOLLOWING = 250;

export function newRoom(name) {
  return {
    name,
    messages: [],     // oldest first, without a gap
    older: false,     // the log has older ones
    newer: false,     // the log has newer ones: what arrives is not shown, but counted
    loaded: false,    // whether anything was read yet
    position: null,   // the position after the last message known
    latest: '',       // the newest message that was told of, known or not
    early: [],        // told of before anything was read
    arrived: 0,       // how many came while the reader was elsewhere
    mark: null,       // the id after which all was new when the reader came
    pending: [],      // what one said that has not come back yet
    members: null,    // null: not known yet
    presence: {},
    jumps: 0,         // counts the times that the stretch became another one
  };
}

/** The part of an id that orders messages; a fingerprint may follow it. */
export const position = (id) => id.slice(0, 33);

/** The room's last page. */
export function foldHistory(room, page) {
  // What was told of while the page was on its way is not in it.
  const newer = position(page.next) < position(room.latest);
  replace(room, page.messages, { older: page.more, newer, position: page.next });
  for (const message of room.early.splice(0)) foldMessage(room, message);
}

/** A page `before` some message, and the one after it: a stretch further up. */
export function foldAround(room, before, after) {
  const older = before?.more ?? true;
  const newer = after.more || position(after.next) < position(room.latest);
  replace(room, [...(before?.messages ?? []), ...after.messages], { older, newer, position: after.next });
  if (!newer) for (const message of room.early.splice(0)) foldMessage(room, message);
  else room.early = [];
}

/** A page that was asked for with `before` when the stretch was that of `jumps`. */
export function foldOlder(room, page, before, jumps) {
  if (jumps !== room.jumps || room.messages[0]?.id !== before) return;
  room.messages = [...page.messages, ...room.messages];
  room.older = page.more;
  if (room.messages.length <= KEPT) return;
  room.messages = room.messages.slice(0, KEPT);
  room.newer = true;
  room.position = room.messages.at(-1).id;
}

/** A page that was asked for with `after`. Says whether there is more between it and what was told of since. */
export function foldNewer(room, page, after, jumps) {
  if (jumps !== room.jumps || room.position !== after) return false;
  room.messages = [...room.messages, ...page.messages];
  room.position = page.next;
  room.newer = page.more || position(page.next) < position(room.latest);
  if (!room.newer) room.arrived = 0;
  for (const message of page.messages) confirm(room, message);
  const surplus = room.messages.length - KEPT;
  if (surplus > 0) {
    room.messages = room.messages.slice(surplus);
    room.older = true;
  }
  return room.newer;
}

/** A line from the stream. One that is known comes again when a connection resumes: once is enough. */
export function foldMessage(room, message) {
  if (!room.loaded) return void room.early.push(message);
  const here = position(message.id);
  if (here <= position(room.latest) || here <= position(room.position ?? '')) return;
  room.latest = message.id;
  confirm(room, message);
  if (room.newer) {
    if (message.kind !== 'system') room.arrived += 1;
    return;
  }
  room.messages.push(message);
  room.position = message.id;
}

/** The reader comes back, and what came meanwhile is not known: until it is fetched, nothing is shown after it. */
export function foldReturn(room) {
  room.newer = true;
}

/** The log is another one now, and the stream tells it from `id` on. */
export function foldReset(room, id) {
  room.mark = null;
  room.latest = '';
  room.early = [];
  replace(room, [], { older: true, newer: false, position: id });
}

/** Lets go of the oldest messages where there are too many, while the reader is at the end. */
export function trim(room) {
  if (room.messages.length <= KEPT) return;
  room.messages = room.messages.slice(-KEPT_FOLLOWING);
  room.older = true;
}

function replace(room, messages, { older, newer, position: after }) {
  Object.assign(room, { messages, older, newer, position: after, loaded: true, arrived: 0, jumps: room.jumps + 1 });
  for (const message of messages) confirm(room, message);
}

// ---- What one said oneself ----

/** What was just written: shown at once, until it comes back in the stream. */
export function foldPending(room, item) {
  if (!room.pending.some((other) => other.key === item.key)) room.pending.push(item);
}

/** What became of it: `state` is "sending", "waiting", "failed" or "sent"; `id` is known once it was sent. */
export function foldOutcome(room, key, outcome) {
  const item = room.pending.find((other) => other.key === key);
  if (item === undefined) return;
  Object.assign(item, outcome);
  const known = item.id !== undefined && position(item.id) <= position(later(room.latest, room.position ?? ''));
  if (known || outcome.state === 'gone') room.pending = room.pending.filter((other) => other !== item);
}

const later = (a, b) => (a > b ? a : b);

// It may come back before the answer does: then it is known by its text.
function confirm(room, message) {
  const at = room.pending.findIndex((item) => item.id === message.id
    || (item.id === undefined && item.state !== 'failed' && item.from === message.from && item.text === message.text
      && position(message.id) > position(item.after ?? '')));
  if (at >= 0) room.pending.splice(at, 1);
}

// ---- Who is here ----

export const isMember = (room, name) => room.members?.some((member) => member.name === name) ?? false;

/** Who types, but for oneself. */
export const typists = (room, self) => Object.keys(room.presence)
  .filter((name) => name !== self && room.presence[name].typing !== undefined && isMember(room, name));

/** Who, but for oneself and its author, has read this message. */
export const readers = (room, message, self) => Object.keys(room.presence).filter((name) => name !== self
  && name !== message.from && room.presence[name].read !== undefined
  && position(room.presence[name].read) >= position(message.id) && isMember(room, name));
