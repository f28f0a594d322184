// What is known of a room, and how each thing that arrives changes it. No page, no network, no clock.

/** So many messages stay while the reader follows the end of the log; older ones can be fetched again. */
const KEPT_FOLLOWING = 2_000;
/** Further up, what is being read should not vanish, but memory has an end all the same. */
const KEPT_READING = 20_000;

export function newRoom(name) {
  return {
    name,
    messages: [],   // oldest first, without a gap
    more: false,    // the log has older ones
    resume: null,   // the id to continue from; null: nothing was read yet
    seen: null,     // the position up to which messages were taken
    members: null,  // null: not known yet
    resets: 0,      // ids from before a reset mean nothing after it
  };
}

/** The part of an id that orders messages; a fingerprint may follow it. */
export const position = (id) => id.slice(0, 33);

/** The first page of history: the stream continues at its `next`. */
export function foldHistory(room, page) {
  if (room.resume !== null) return;
  room.messages = page.messages;
  room.more = page.more;
  room.resume = page.next;
  room.seen = position(page.next);
}

/** A page that was asked for with `before`, when the room had been reset `resets` times. */
export function foldOlder(room, page, before, resets) {
  if (resets !== room.resets || room.messages[0]?.id !== before) return;
  room.messages = [...page.messages, ...room.messages];
  room.more = page.more;
}

/** A line from the stream. One that was taken before comes again when a connection resumes: once is enough. */
export function foldMessage(room, message) {
  const here = position(message.id);
  if (room.seen !== null && here <= room.seen) return;
  room.messages.push(message);
  room.seen = here;
  room.resume = message.id;
}

/** The log is another one now, and the stream tells it from `id` on. */
export function foldReset(room, id) {
  room.messages = [];
  room.more = true;
  room.seen = null;
  room.resume = id;
  room.resets += 1;
}

export function foldMembers(room, { avatars }) {
  room.members = avatars
    .map((avatar) => ({ name: avatar.username, web: avatar.is_web }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

export const isMember = (room, name) => room.members?.some((member) => member.name === name) ?? false;

/** Lets go of the oldest messages where there are too many. */
export function trim(room, following) {
  const surplus = room.messages.length - (following ? KEPT_FOLLOWING : KEPT_READING);
  if (surplus <= 0) return;
  room.messages = room.messages.slice(surplus);
  room.more = true;
}
