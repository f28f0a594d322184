// A visit to one room: be a member, read its history, follow its stream from there.

import * as api from './api.js';
import * as state from './state.js';
import { Stream } from './stream.js';

const PAGE = 200;

export class Room {
  #self;
  #stream;
  #onChange;
  #arriving = Promise.resolve();
  #checkMembership = false;
  #loadingOlder = false;

  /** `self.name` is who visits; `onChange(reason)` is told whenever the state changed, `onSign` of the connection. */
  constructor(name, self, { onChange, onSign }) {
    this.state = state.newRoom(name);
    this.#self = self;
    this.#onChange = onChange;
    this.#stream = new Stream({
      address: () => api.streamAddress(name, self.name, this.state.resume),
      prepare: (refused) => this.#prepare(refused),
      events: {
        message: (message) => this.#take(() => state.foldMessage(this.state, message)),
        members: (members) => this.#take(() => state.foldMembers(this.state, members), this.#rejoin),
        reset: ({ reason }, id) => this.#take(() => state.foldReset(this.state, id), () => onChange(reason)),
      },
      onSign: (sign, gone) => {
        if (sign === 'open') this.#checkMembership = true;
        onSign(sign, gone);
      },
    });
  }

  get name() { return this.state.name; }
  get sign() { return this.#stream.sign; }
  get gone() { return this.#stream.gone; }
  /** Whether it was ever there to be read. */
  get known() { return this.state.resume !== null; }

  /** Comes in, from the room `previous` where there is one. */
  enter(previous) {
    this.#arriving = this.#arrive(previous).catch(() => { /* the stream's first list of members shows it */ });
    this.start();
  }

  start() { this.#stream.start(); }
  /** Stops reading. The server sees the last stream end, and lets the member go in time. */
  stop() { this.#stream.stop(); }
  nudge() { this.#stream.nudge(); }

  /** Takes another name; throws a Problem where that can't be. */
  async rename(name) {
    try {
      await api.rename(this.name, this.#self.name, name);
    } catch (problem) {
      // Not a member, or no such room: nothing stands in the way of the new name.
      if (problem.status !== 404) throw problem;
    }
    this.#self.name = name;
    // The open stream keeps the old name alive.
    this.#stream.reopen();
  }

  /** Fetches the page before the oldest message known. */
  async older() {
    const [oldest] = this.state.messages;
    if (this.#loadingOlder || !this.state.more || oldest === undefined) return;
    this.#loadingOlder = true;
    const { resets } = this.state;
    try {
      const page = await api.history(this.name, { limit: PAGE, before: oldest.id });
      state.foldOlder(this.state, page, oldest.id, resets);
      this.#onChange();
    } catch (problem) {
      // 410: the log is another one now, and the stream is about to say so.
      if (problem.status !== 410) throw problem;
    } finally {
      this.#loadingOlder = false;
    }
  }

  async #arrive(previous) {
    if (previous !== null) {
      // One who is still on the way into a room can't be moved out of it.
      await previous.#arriving;
      try {
        return await api.move(previous.name, this.#self.name, this.name);
      } catch { /* gone from there, or here already */ }
    }
    return api.join(this.name, this.#self.name);
  }

  // History comes first. A stream that was refused does not say why; history does.
  async #prepare(refused) {
    if (!this.known) {
      const page = await api.history(this.name, { limit: PAGE });
      this.#take(() => state.foldHistory(this.state, page));
    } else if (refused) {
      await api.history(this.name, { limit: 1 });
    }
  }

  #take(fold, then = () => {}) {
    fold();
    this.#onChange();
    then.call(this);
  }

  // While a connection was away the server may have taken the member for gone.
  async #rejoin() {
    if (!this.#checkMembership) return;
    this.#checkMembership = false;
    await this.#arriving;
    if (this.sign === 'open' && !state.isMember(this.state, this.#self.name)) {
      this.#arriving = api.join(this.name, this.#self.name).catch(() => {});
    }
  }
}
