// A visit to one room: what is known of it, where to look, and what is fetched of its history.

import { self } from './self.js';
import { reason } from './server.js';
import * as state from './state.js';

const PAGE = 100;

export class Visit {
  #server;
  #host;
  #loading = null;
  #target = null;
  #away = false;

  /**
   * `host` has `hub(message)`, which sends one; `onChange(visit, place)`, which is told whenever the state changed, and
   * where to look after a jump; `onFailure(visit)`, where something that was asked for did not come; and
   * `notice(sentence)`.
   */
  constructor(name, server, host) {
    this.name = name;
    this.#server = server;
    this.#host = host;
    this.state = state.newRoom(name);
    this.sign = null;       // of the room's own stream; null where it has none
    this.gone = false;
    this.place = null;      // where the reader was when they left
  }

  /** Comes in; looks for the message `target`, where there is one. `read` is the mark that the server knows. */
  enter(target, read) {
    this.#target = target;
    this.#host.hub({ type: 'watch', room: this.name });
    const kept = self.marks[this.name] ?? null;
    this.#load(kept === null || (read !== null && read > kept) ? read : kept);
  }

  /** What kept it from loading may have gone. */
  retry() {
    if (!this.state.loaded && this.#loading === null) this.enter(this.#target, null);
  }

  leave(place) {
    this.place = place;
    this.state.mark = null;
    this.state.presence = {};
    this.sign = null;
  }

  #load(mark) {
    const again = this.state.loaded;
    this.#loading ??= (again ? this.#catchUp() : this.#begin(mark))
      .catch((problem) => {
        this.gone = problem.status === 404;
        if (this.gone) this.#host.notice(`There is no room ${this.name}. It opens here as soon as there is one.`);
        else this.#host.notice(`The room could not be read. ${reason(problem)}`);
        this.#host.onChange(this);
      })
      .finally(() => { this.#loading = null; });
  }

  async #begin(mark) {
    const last = await this.#server.firstPage(this.name);
    this.gone = false;
    let place = null;
    if (this.#target !== null && await this.goTo(this.#target)) place = undefined;
    else if (mark !== null && isAfter(last.next, mark)) place = await this.#atFirstUnread(last, mark);
    else state.foldHistory(this.state, last);
    this.#target = null;
    this.#host.hub({ type: 'watch', room: this.name, position: last.next });
    if (place !== undefined) this.#host.onChange(this, place);
  }

  /** Shows what is new since the mark, also where that is further up. */
  async #atFirstUnread(last, mark) {
    const isHere = !last.more || (last.messages.length > 0 && !isAfter(last.messages[0].id, mark));
    let shown = last;
    if (isHere) state.foldHistory(this.state, last);
    else {
      try {
        const after = await this.#server.history(this.name, { after: mark, limit: PAGE });
        const before = await this.#server.history(this.name, { before: after.messages[0].id, limit: PAGE / 2 });
        state.foldAround(this.state, before, after);
        shown = after;
      } catch {
        // The mark is in a log that is no more.
        state.foldHistory(this.state, last);
        return null;
      }
    }
    const first = shown.messages.find((message) => isAfter(message.id, mark) && message.kind !== 'system');
    if (first === undefined || first.from === self.name) return null;
    this.state.mark = mark;
    return { id: first.id };
  }

  async #catchUp() {
    const { place } = this;
    state.foldReturn(this.state);
    try {
      const end = await this.#server.history(this.name, { limit: 0 });
      this.#host.hub({ type: 'watch', room: this.name, position: end.next });
      if (this.#target !== null && await this.goTo(this.#target)) return;
      this.#target = null;
      // One who was at the end is there again, if it is not too far.
      await this.#fetchNewer();
      if (place === null && this.state.newer) await this.#fetchNewer();
      this.#host.onChange(this, place);
    } catch (problem) {
      if (problem.status !== 410) throw problem;
      state.foldReset(this.state, null);
      this.state.loaded = false;
      await this.#begin(null);
    }
  }

  // ---- What the hub tells ----

  take(message, seeing) {
    switch (message.type) {
      case 'message':
        if (!seeing && !this.#away) {
          this.#away = true;
          if (message.message.kind !== 'system') this.state.mark = self.marks[this.name] ?? null;
        }
        state.foldMessage(this.state, message.message);
        break;
      case 'members': this.state.members = message.members; break;
      case 'presence': this.state.presence = message.presence; break;
      case 'sign': [this.sign, this.gone] = [message.sign, message.gone]; break;
      case 'reset':
        state.foldReset(this.state, message.position);
        this.#host.notice(`The log of this room was ${message.reason}. This is what it holds now.`);
        break;
    }
    this.#host.onChange(this);
  }

  /** The reader sees the end of the log, or not. */
  see() {
    this.#away = false;
    const { position } = this.state;
    if (position !== null && position !== undefined && self.read(this.name, position)) {
      this.#host.hub({ type: 'read', room: this.name, id: position });
    }
  }

  // ---- What the reader wants ----

  async older() {
    const [oldest] = this.state.messages;
    if (oldest === undefined) return;
    await this.#fetch(async ({ jumps }) => {
      const page = await this.#server.history(this.name, { limit: PAGE, before: oldest.id });
      state.foldOlder(this.state, page, oldest.id, jumps);
      this.#host.onChange(this);
    });
  }

  async newer() {
    await this.#fetch(async () => {
      await this.#fetchNewer();
      this.#host.onChange(this);
    });
  }

  async #fetchNewer() {
    const { position, jumps } = this.state;
    const page = await this.#server.history(this.name, { limit: PAGE, after: position });
    state.foldNewer(this.state, page, position, jumps);
  }

  /** The end of the log. */
  async end() {
    await this.#fetch(async () => {
      state.foldHistory(this.state, await this.#server.history(this.name, { limit: PAGE }));
      this.#host.onChange(this, null);
    });
  }

  /** A message, wherever in the log it is. Says whether it is there. */
  async goTo(id) {
    if (this.state.messages.some((message) => message.id === id)) {
      this.state.jumps += 1;
      this.#host.onChange(this, { id, marked: true });
      return true;
    }
    try {
      const before = await this.#server.history(this.name, { before: id, limit: PAGE / 2 });
      const after = await this.#server.history(this.name, { after: before.next, limit: PAGE });
      state.foldAround(this.state, before, after);
      this.#host.onChange(this, { id, marked: true });
      return true;
    } catch (problem) {
      if (problem.status !== 410 && problem.status !== 400) throw problem;
      this.#host.notice(problem.isBeyond ? problem.message : 'That message is not in the log any more.');
      return false;
    }
  }

  /** The first message since a moment. */
  async goToTime(date) {
    await this.#fetch(async () => {
      const since = date.toISOString();
      const after = await this.#server.history(this.name, { since, limit: PAGE });
      const [first] = after.messages;
      if (first === undefined) {
        this.#host.notice('Nothing was said since then.');
        return this.end();
      }
      const before = await this.#server.history(this.name, { before: first.id, limit: PAGE / 2 });
      state.foldAround(this.state, before, after);
      this.#host.onChange(this, { id: first.id, marked: true });
    });
  }

  async #fetch(fetching) {
    try {
      await fetching(this.state);
    } catch (problem) {
      // 410: the log is another one now, and the stream is about to say so.
      if (problem.status !== 410) this.#host.notice(`Messages could not be fetched. ${reason(problem)}`);
      this.#host.onFailure(this);
    }
  }
}

const isAfter = (id, mark) => state.position(id) > state.position(mark);
