// What all tabs of a browser have in common: one connection. It follows the list of rooms and, of the rooms that are
// shown somewhere, the few that were looked at last; of the others it fetches what is new when the list says so. A
// browser opens six connections to an origin at most over HTTP/1.1: this takes four, however many tabs there are.
//
// It runs in a shared worker, or, where there is none, in the page (link.js). Tabs and it exchange plain messages.

import { Room } from './chatroom.js';
import { Stream } from './stream.js';

const STREAMS = 3;
const PAGE = 500;
/** What changes together is asked about together. */
const GATHER_MS = 200;
/** And not more often than this. */
const ASK_MS = 2_000;
/** So often, at most, the server is told how far one has read. */
const NOTE_READ_MS = 10_000;
/** One who looks elsewhere for so long is away. */
const IDLE_MS = 5 * 60_000;

export class Hub {
  #server;
  #alone;
  #tabs = new Set();
  #name = null;
  #rooms = new Map();      // those that some tab shows, by name
  #list;
  #counts = null;          // of all rooms, or null
  #overview = {};
  #marks = {};             // room -> the id up to which it was read
  #changed = new Set();    // rooms that the overview is to be asked about
  #asking = null;
  #learned = 0;
  #toNote = new Set();     // rooms whose mark the server does not have
  #noting = null;
  #idle = false;
  #idling = null;
  #looks = 0;

  /** `alone`: there is one for each tab, so that those which nobody sees make do with less. */
  constructor(server, { alone = false } = {}) {
    this.#server = server;
    this.#alone = alone;
    this.#list = new Stream({
      address: () => server.counts(),
      events: { counts: (counts) => this.#count(counts) },
      onSign: () => this.#tellList(),
      source: server.source,
    });
  }

  /** A tab comes; `send` gives it a message. What is returned takes its messages, and its end. */
  connect(send) {
    const tab = { send, room: null, visible: false, looked: 0 };
    this.#tabs.add(tab);
    return { receive: (message) => this.#receive(tab, message), close: () => this.#drop(tab) };
  }

  #receive(tab, message) {
    switch (message.type) {
      case 'hello': return this.#welcome(tab, message);
      case 'watch': return this.#watch(tab, message);
      case 'look': return this.#look(tab, message.visible);
      case 'read': return this.#read(message.room, message.id);
      case 'mark': return this.#rooms.get(message.room)?.mark(message.marks);
      case 'named': return this.#become(message.name);
      case 'nudge': return this.#nudge();
      case 'bye': return this.#drop(tab);
    }
  }

  // ---- Tabs ----

  #welcome(tab, { name, marks }) {
    this.#tabs.add(tab);
    for (const [room, id] of Object.entries(marks)) {
      if (!(this.#marks[room] > id)) this.#marks[room] = id;
    }
    if (this.#name === null) this.#name = name;
    else if (this.#name !== name) tab.send({ type: 'name', name: this.#name });
    this.#list.start();
    this.#tellList(tab);
  }

  #drop(tab) {
    if (!this.#tabs.delete(tab)) return;
    const { room } = tab;
    tab.room = null;
    if (room !== null) this.#settle(room);
    if (this.#tabs.size === 0) this.#list.stop();
  }

  /** The tab shows `room`, or none; once it has read the history, also from which `position` on it wants the rest. */
  #watch(tab, { room, position }) {
    const previous = tab.room;
    tab.room = room;
    if (room !== null && !this.#rooms.has(room)) {
      const followed = new Followed(room, this.#server, this.#name, (message) => this.#tell(room, message));
      this.#rooms.set(room, followed);
      const left = previous === null || this.#isShown(previous) ? null : this.#rooms.get(previous);
      followed.arrive(left ?? null);
    }
    if (previous !== null && previous !== room) this.#settle(previous);
    if (room === null) return;
    const followed = this.#rooms.get(room);
    if (position !== undefined) {
      followed.begin(position);
      followed.introduce(tab.send);
    }
    this.#look(tab, tab.visible);
  }

  /** The room is let go of where no tab shows it any more. The server sees its stream end, and lets the member go. */
  #settle(room) {
    if (this.#isShown(room)) return;
    this.#rooms.get(room)?.close();
    this.#rooms.delete(room);
    this.#share();
  }

  #isShown(room) {
    return [...this.#tabs].some((tab) => tab.room === room);
  }

  #look(tab, visible) {
    tab.visible = visible;
    if (this.#alone && visible) this.#list.start();
    else if (this.#alone) this.#list.stop();
    if (visible) {
      tab.looked = ++this.#looks;
      this.#nudge();
    }
    this.#share();
    this.#see([...this.#tabs].some((other) => other.visible));
  }

  /** Gives the streams to the rooms that were looked at last. */
  #share() {
    const looked = (room) => Math.max(...[...this.#tabs].map((tab) => (tab.room === room.name ? tab.looked : -1)));
    const rooms = [...this.#rooms.values()].sort((a, b) => looked(b) - looked(a));
    rooms.forEach((room, at) => room.follow(at < STREAMS));
  }

  #nudge() {
    this.#list.nudge();
    for (const room of this.#rooms.values()) room.nudge();
  }

  #tell(room, message) {
    for (const tab of this.#tabs) if (tab.room === room) tab.send({ ...message, room });
  }

  // ---- Who one is ----

  #become(name) {
    this.#name = name;
    for (const room of this.#rooms.values()) room.become(name);
    for (const tab of this.#tabs) tab.send({ type: 'name', name });
    this.#ask(Object.keys(this.#counts ?? {}));
  }

  #see(anybody) {
    clearTimeout(this.#idling);
    if (anybody) return this.#beIdle(false);
    this.#idling = setTimeout(() => this.#beIdle(true), IDLE_MS);
  }

  #beIdle(idle) {
    if (idle === this.#idle) return;
    this.#idle = idle;
    for (const room of this.#rooms.values()) room.mark({ idle });
  }

  // ---- What is read ----

  #read(room, id) {
    // Not only later ones: the log may be another one, and shorter.
    if (this.#marks[room] === id) return;
    this.#marks[room] = id;
    const known = this.#overview[room];
    if (known && (known.unread > 0 || known.mentions > 0)) {
      Object.assign(known, { unread: 0, mentions: 0, more: false });
      this.#tellList();
    }
    this.#toNote.add(room);
    this.#noting ??= setTimeout(() => {
      this.#noting = null;
      for (const each of this.#toNote) this.#rooms.get(each)?.mark({ read: this.#marks[each] });
      this.#toNote.clear();
    }, NOTE_READ_MS);
  }

  #count(counts) {
    const before = this.#counts;
    this.#counts = counts;
    const names = Object.keys(counts);
    const changed = before === null ? names : names.filter((name) => counts[name] !== before[name]);
    for (const name of Object.keys(this.#overview)) if (!(name in counts)) delete this.#overview[name];
    for (const name of changed) this.#rooms.get(name)?.hint();
    for (const name of names) if (before !== null && !(name in before)) this.#rooms.get(name)?.nudge();
    this.#tellList();
    this.#ask(changed);
  }

  #ask(rooms) {
    for (const room of rooms) this.#changed.add(room);
    if (this.#changed.size === 0) return;
    const pause = Math.max(GATHER_MS, this.#learned + ASK_MS - Date.now());
    this.#asking ??= setTimeout(() => this.#learn(), pause);
  }

  async #learn() {
    const rooms = [...this.#changed];
    this.#changed.clear();
    try {
      const all = rooms.length === Object.keys(this.#counts ?? {}).length;
      const marks = Object.fromEntries(Object.entries(this.#marks).filter(([room]) => rooms.includes(room)));
      const overview = await this.#server.overview(this.#name, marks, all ? undefined : rooms);
      for (const [room, now] of Object.entries(overview)) this.#update(room, now, marks[room] !== this.#marks[room]);
      this.#tellList();
    } catch { /* The next change asks again. */ }
    this.#learned = Date.now();
    this.#asking = null;
    this.#ask([]);
  }

  /** `read`: it was read to its end while this was on its way. */
  #update(room, now, read) {
    const before = this.#overview[room];
    if (read) Object.assign(now, { unread: 0, mentions: 0, more: false });
    this.#overview[room] = now;
    if (before === undefined || now.mentions <= before.mentions || now.last === null) return;
    const seen = [...this.#tabs].some((tab) => tab.room === room && tab.visible);
    if (!seen) [...this.#tabs][0]?.send({ type: 'notify', room, message: now.last });
  }

  #tellList(tab = null) {
    const rooms = this.#counts === null ? null : Object.keys(this.#counts).map((name) => {
      const { last = null, unread = 0, mentions = 0, more = false, read = null } = this.#overview[name] ?? {};
      return { name, last, unread, mentions, more, read };
    });
    for (const each of tab === null ? this.#tabs : [tab]) {
      each.send({ type: 'list', rooms, sign: this.#list.sign });
    }
  }
}

/** A room that some tab shows: with a stream of its own, or asked about when it is known to have changed. */
class Followed {
  #server;
  #tell;
  #room = null;
  #position = null;     // where to go on, once a tab has said where to begin
  #streams = false;
  #fetching = false;
  #again = false;
  #arriving = Promise.resolve();
  #closed = false;

  constructor(name, server, user, tell) {
    Object.assign(this, { name, user });
    this.#server = server;
    this.#tell = tell;
  }

  arrive(previous) {
    this.#arriving = this.#arrive(previous).catch(() => { /* the stream's first list of members shows it */ });
  }

  async #arrive(previous) {
    if (previous !== null) {
      // One who is still on the way into a room can't be moved out of it.
      await previous.#arriving;
      try {
        return await this.#server.move(previous.name, this.user, this.name);
      } catch { /* gone from there, or here already */ }
    }
    return this.#server.join(this.name, this.user);
  }

  begin(position) {
    if (this.#position !== null || this.#closed) return;
    this.#position = position;
    if (this.#streams) this.#open();
  }

  /** Tells a tab how things are. */
  introduce(send) {
    const room = this.#room;
    if (room === null) return;
    if (room.members !== null) send({ type: 'members', room: this.name, members: room.members });
    send({ type: 'presence', room: this.name, presence: room.presence });
    send({ type: 'sign', room: this.name, sign: room.sign, gone: room.gone });
  }

  follow(streams) {
    if (streams === this.#streams) return;
    this.#streams = streams;
    if (streams) return this.#open();
    this.#position = this.#room?.position ?? this.#position;
    this.#room?.close();
    this.#room = null;
  }

  #open() {
    if (this.#position === null || this.#room !== null || this.#closed) return;
    const room = new Room(this.name, { user: this.user, server: this.#server, from: this.#position });
    this.#room = room;
    const pass = (type, content) => room.addEventListener(type, ({ detail }) => {
      if (this.#room === room) this.#tell({ type, ...content(detail) });
    });
    pass('message', (message) => ({ message }));
    pass('members', (members) => ({ members }));
    pass('presence', (presence) => ({ presence }));
    pass('reset', ({ reason }) => ({ reason, position: room.position }));
    pass('sign', ({ sign, gone }) => ({ sign, gone }));
    // The member is on the way in: only then can the first list show that they are missing.
    this.#arriving.then(() => { if (this.#room === room) room.open(); });
  }

  /** There may be something new. */
  async hint() {
    if (this.#room !== null || this.#position === null) return;
    this.#again = this.#fetching;
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      const page = await this.#server.history(this.name, { after: this.#position, limit: PAGE });
      if (this.#room === null && !this.#closed) {
        for (const message of page.messages) this.#tell({ type: 'message', message });
        this.#position = page.next;
        this.#again ||= page.more;
      }
    } catch { /* Its stream, once it has one, shows what is wrong. */ }
    this.#fetching = false;
    if (this.#again) this.hint();
  }

  nudge() { this.#room?.nudge(); }

  become(user) {
    this.user = user;
    this.#room?.become(user);
  }

  mark(marks) {
    this.#server.mark(this.name, this.user, marks).catch(() => { /* a member no more, or no connection: said again later */ });
  }

  close() {
    this.#closed = true;
    this.#room?.close();
    this.#room = null;
  }
}
