// What one says, from Enter until the server has it. One message after the other, so that they stay in order. One whose
// answer was lost may have been written all the same: it is sent again with the position it was first sent at, and the
// server says it only where it is not there since.

import { delay } from './backoff.js';
import { Problem } from './server.js';

export class Outbox {
  #items;
  #say;
  #keep;
  #onOutcome;
  #busy = false;
  #timer = null;
  #failures = 0;

  /** `say(room, user, text, after)` brings it to the server; `keep(items)` keeps what is not there yet; `onOutcome(item)`
   *  is told of each change. `items` are those kept before. */
  constructor({ items, say, keep, onOutcome }) {
    this.#items = items;
    this.#say = say;
    this.#keep = keep;
    this.#onOutcome = onOutcome;
    // Whoever reloads a page does not know what became of it.
    for (const item of items) if (item.state === 'sending') item.state = 'waiting';
  }

  /** What is still to be brought into `room`. */
  of(room) { return this.#items.filter((item) => item.room === room); }
  get isEmpty() { return this.#items.length === 0; }

  /** Something new is to be said, after the position `after`. */
  add(room, from, text, after) {
    const key = `${Date.now()}-${Math.random()}`;
    const item = { key, room, from, text, after, time: new Date().toISOString(), state: 'waiting', why: '' };
    this.#items.push(item);
    this.#changed(item);
    this.#go();
    return item;
  }

  /** The person wants what has failed to be sent again. */
  again(key) {
    const item = this.#items.find((other) => other.key === key);
    if (item === undefined) return;
    item.state = 'waiting';
    this.#changed(item);
    this.retry();
  }

  /** The person gives up on it. */
  drop(key) {
    const at = this.#items.findIndex((item) => item.key === key);
    if (at < 0) return null;
    const [item] = this.#items.splice(at, 1);
    this.#keep(this.#items);
    this.#onOutcome({ ...item, state: 'gone' });
    return item;
  }

  /** There may be a connection now. */
  retry() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#go();
  }

  async #go() {
    if (this.#busy || this.#timer !== null) return;
    this.#busy = true;
    for (;;) {
      const item = this.#items.find((other) => other.state === 'waiting');
      if (item === undefined) break;
      if (!await this.#send(item)) break;
    }
    this.#busy = false;
  }

  /** Says whether the next one may go. */
  async #send(item) {
    const again = item.tried ? item.after : undefined;
    Object.assign(item, { state: 'sending', tried: true });
    this.#changed(item);
    try {
      const message = await this.#say(item.room, item.from, item.text, again);
      Object.assign(item, { state: 'sent', id: message?.id });
      this.#items.splice(this.#items.indexOf(item), 1);
      this.#failures = 0;
      this.#changed(item);
      return true;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      item.problem = { status: problem.status, detail: problem.message };
      item.state = problem.isPassing ? 'waiting' : 'failed';
      this.#changed(item);
      if (!problem.isPassing) return true;
      this.#timer = setTimeout(() => this.retry(), delay(this.#failures));
      this.#failures += 1;
      return false;
    }
  }

  #changed(item) {
    this.#keep(this.#items);
    this.#onOutcome(item);
  }
}
