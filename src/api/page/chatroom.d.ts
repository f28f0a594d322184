// The interface of chatroom.js. Every request rejects with a Problem where it fails.

/** A message, or another line of a room's log. */
export interface Message {
  /** Where its line ends in the log. Ids of one log sort as its lines do. */
  id: string;
  /** When, in RFC 3339, where the line says. */
  time: string | null;
  from: string | null;
  text: string;
  /** "system": it happened to the room. "line": of no known form, shown as it is. */
  kind: 'message' | 'system' | 'line';
  /** The line's whole length in bytes, where it was too long to be shown whole. */
  cut?: number;
}

export interface Page {
  room: string;
  /** The oldest first. */
  messages: Message[];
  /** Whether there are older ones; newer ones where the page came `after` something or `since` a time. */
  more: boolean;
  /** The position after the last message. */
  next: string;
}

export interface Found {
  room: string;
  messages: Message[];
  /** Where to go on searching (`until`), or null once all was searched. */
  next: string | null;
}

export interface Member {
  name: string;
  /** False: a shell made the avatar. */
  web: boolean;
}

/** What members do, by name. Any value means yes. */
export type Presence = Record<string, { typing?: string; read?: string; idle?: string }>;

export type Sign = 'open' | 'connecting' | 'closed';

/** A request that failed. Status 0: there was no answer at all. */
export class Problem extends Error {
  readonly status: number;
  /** Whether the same request may succeed later without anybody doing anything. */
  readonly isPassing: boolean;
}

/** Where chatroom is. */
export class Server {
  /** `base` is where it is mounted: by default the folder above the `assets` that chatroom.js is in. */
  constructor(base?: string | URL);
  readonly base: URL;
}

/** An event with what it tells. */
export interface RoomEvent<T> extends Event {
  readonly detail: T;
}

export interface RoomEvents {
  /** A new line, each once and in order. */
  message: RoomEvent<Message>;
  members: RoomEvent<Member[]>;
  presence: RoomEvent<Presence>;
  /** The log is another one now: forget what you show; its last 200 lines follow. */
  reset: RoomEvent<{ reason: string }>;
  /** The connection. `gone`: there is no such room; it opens again when it is back. */
  sign: RoomEvent<{ sign: Sign; gone: boolean }>;
}

export interface RoomOptions {
  /** Whose stream it is; "Anonymous" by default. */
  user?: string;
  server?: Server;
  /** The position to begin at: `next` of a page of history. Now, by default. */
  from?: string | null;
  /** Whether `user` is to be a member for as long as the room is open; true by default. */
  present?: boolean;
}

/**
 * A room, followed live. It reconnects by itself and goes on exactly where it was; where streams don't get through,
 * it asks again and again. It is an EventTarget, of events of these types.
 */
export class Room {
  constructor(name: string, options?: RoomOptions);
  readonly name: string;
  readonly user: string;
  /** Null until they are known. */
  readonly members: Member[] | null;
  readonly presence: Presence;
  readonly sign: Sign;
  readonly gone: boolean;
  readonly position: string | null;

  /** Begins to follow; resolves once the room has answered, or did not. */
  open(): Promise<this>;
  close(): void;

  /** With `unlessAfter`, a position, it is not said again where `user` said the same since. */
  send(text: string, unlessAfter?: string): Promise<Message>;
  history(page?: { limit?: number; before?: string; after?: string; since?: string }): Promise<Page>;
  search(words: string, page?: { limit?: number; until?: string }): Promise<Found>;
  join(): Promise<unknown>;
  leave(): Promise<unknown>;
  mark(marks: { typing?: boolean; idle?: boolean; read?: string }): Promise<unknown>;

  addEventListener<K extends keyof RoomEvents>(
    type: K, listener: (event: RoomEvents[K]) => void, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof RoomEvents>(
    type: K, listener: (event: RoomEvents[K]) => void, options?: boolean | EventListenerOptions): void;
}
