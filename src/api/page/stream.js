// A live stream that comes back: an EventSource, reopened from wherever `address` says the reader now is.
//
// EventSource reconnects by itself, but at a fixed pace, to a fixed address, and not after every failure. So each loss
// is taken as final here, and the next stream is opened by hand, later and later. Where something in the way keeps
// streams back, the same is asked for in answers that end with the first thing that happens.

import { LAST_MS, delay } from './backoff.js';
import { eventsOf } from './events.js';

/** The server tells how things are at once. So long without a word, and something keeps back what it says. */
const FIRST_WORD_MS = 10_000;
/** So long an open stream may be silent while nobody knows yet how often the server pings: longer than they usually do. */
const FIRST_PATIENCE_MS = 100_000;
/** A stream that lived so long was a good one: after its loss the delays start anew. */
const GOOD_LIFE_MS = 1_000;
/** So long a request may wait for something to happen; a little longer it may take. */
const WAIT_S = 25;
const WAIT_MARGIN_MS = 10_000;
/** After so many attempts without an answer it is no longer honest to say "connecting". */
const ATTEMPTS_UNTIL_CLOSED = 3;

export class Stream {
  #source = null;
  #request = null;    // of one who waits
  #timer = null;      // until the next attempt
  #watchdog = null;   // until silence means that the path is dead
  #attempt = 0;       // tells an answer to this attempt from one to an earlier one
  #running = false;
  #waits = false;     // streams don't get through here
  #refused = false;   // the last attempt was answered, but not with a stream
  #gone = false;      // what was asked for does not exist
  #failures = 0;      // in a row: they set the delay
  #unanswered = 0;    // attempts since a stream was open: they set the sign
  #openedAt = 0;
  #heardAt = 0;
  #patience = FIRST_PATIENCE_MS;
  #sign = 'closed';

  /**
   * `address()`: where to open the next stream.
   * `events`: type -> function(data, lastEventId).
   * `prepare(refused)`: what must be known first; throws a Problem.
   * `onSign(sign, gone)`: "open", "connecting" or "closed".
   * `source(address)`: an EventSource of another kind, of one who can't be asked to wait.
   */
  constructor({ address, events, prepare = async () => {}, onSign = () => {}, source = null }) {
    Object.assign(this, { address, events, prepare, onSign, source });
  }

  get sign() { return this.#sign; }
  get gone() { return this.#gone; }
  /** "stream" or "wait". */
  get way() { return this.#waits ? 'wait' : 'stream'; }

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#open();
  }

  stop() {
    this.#running = false;
    this.#attempt += 1;
    this.#shut();
    this.#show('closed');
  }

  /** The address changed: continue there. */
  reopen() {
    if (this.#running) this.#open();
  }

  /** Something suggests that an attempt may succeed now, or that the open stream may be dead. */
  nudge() {
    if (this.#timer !== null) this.#open();
    else if (this.#sign === 'open' && this.#watchdog !== null) this.#watch();
  }

  async #open() {
    const attempt = ++this.#attempt;
    this.#shut();
    if (this.#sign !== 'open' || !this.#waits) this.#showWaiting();
    try {
      await this.prepare(this.#refused);
    } catch (problem) {
      if (attempt === this.#attempt) this.#fail(problem.status);
      return;
    }
    if (attempt !== this.#attempt) return;
    this.#refused = false;
    if (this.#waits) this.#wait(attempt);
    else this.#listen();
  }

  #listen() {
    const source = this.source?.(this.address()) ?? new EventSource(this.address());
    this.#source = source;
    this.#watchdog = setTimeout(() => {
      if (this.source !== null) return this.#fail();
      this.#waits = true;
      this.#open();
    }, FIRST_WORD_MS);
    const listen = (type, take) => source.addEventListener(type, (event) => {
      if (source === this.#source) take(event);
    });
    for (const type of Object.keys(this.events)) {
      listen(type, (event) => this.#take(type, event.data, event.lastEventId));
    }
    listen('ping', () => this.#pinged());
    listen('timeout', () => this.#later(Math.random() * 500));
    // The server's own `error` event arrives under the same name as a lost connection; only it has data.
    listen('error', (event) => {
      if (event.data !== undefined) return this.#fail(codeOf(event.data));
      this.#refused = source.readyState === EventSource.CLOSED;
      this.#fail();
    });
  }

  async #wait(attempt) {
    const address = new URL(this.address());
    address.searchParams.set('wait', WAIT_S);
    const request = new AbortController();
    this.#request = request;
    this.#watchdog = setTimeout(() => request.abort(), WAIT_S * 1_000 + WAIT_MARGIN_MS);
    let events;
    try {
      const headers = { Accept: 'text/event-stream' };
      const response = await fetch(address, { headers, cache: 'no-store', signal: request.signal });
      if (!response.ok) {
        this.#refused = true;
        throw new Error(response.statusText);
      }
      events = eventsOf(await response.text());
    } catch {
      if (attempt !== this.#attempt) return;
      // Where nothing at all was answered it is not streams that are kept back: the next attempt is one.
      this.#waits = this.#refused;
      return this.#fail();
    }
    for (const { type, data, id } of events) {
      if (attempt !== this.#attempt) return;
      if (type === 'error') return this.#fail(codeOf(data));
      if (type in this.events) this.#take(type, data, id);
    }
    if (attempt === this.#attempt) this.#later(0);
  }

  #take(type, data, id) {
    if (this.#openedAt === 0) this.#opened();
    this.#heardAt = Date.now();
    let value;
    try {
      value = JSON.parse(data);
    } catch {
      return;
    }
    this.events[type](value, id);
  }

  #opened() {
    this.#gone = false;
    this.#unanswered = 0;
    this.#openedAt = this.#heardAt = Date.now();
    this.#watch();
    this.#show('open');
  }

  #fail(status) {
    const lived = this.#openedAt === 0 ? 0 : Date.now() - this.#openedAt;
    if (lived > GOOD_LIFE_MS) this.#failures = 0;
    const pause = delay(this.#failures);
    this.#failures += 1;
    this.#unanswered += 1;
    this.#gone = status === 404;
    // Whoever sees it come back says so with a nudge; asking is only for when nobody does.
    this.#later(this.#gone ? LAST_MS : pause, true);
  }

  #later(delay, lost = false) {
    this.#shut();
    if (lost || !this.#waits) this.#showWaiting();
    this.#timer = setTimeout(() => this.#open(), delay);
  }

  #shut() {
    this.#source?.close();
    this.#request?.abort();
    this.#source = this.#request = null;
    this.#openedAt = 0;
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    this.#timer = this.#watchdog = null;
  }

  // A path can die without a word. The server pings when it has nothing to say, so once the first ping has
  // shown how long it stays silent, twice that without a sign of life means that nobody is there.
  #pinged() {
    if (this.#openedAt === 0) this.#opened();
    const silence = Date.now() - this.#heardAt;
    this.#heardAt = Date.now();
    this.#patience = 2 * silence + 10_000;
    this.#watch();
  }

  #watch() {
    clearTimeout(this.#watchdog);
    const rest = this.#heardAt + this.#patience - Date.now();
    if (rest <= 0) this.#open();
    else this.#watchdog = setTimeout(() => this.#watch(), Math.max(rest, 10_000));
  }

  #showWaiting() {
    this.#show(this.#gone || this.#unanswered >= ATTEMPTS_UNTIL_CLOSED ? 'closed' : 'connecting');
  }

  #show(sign) {
    this.#sign = sign;
    this.onSign(sign, this.#gone);
  }
}

function codeOf(data) {
  try {
    return JSON.parse(data).code;
  } catch {
    return 0;
  }
}
