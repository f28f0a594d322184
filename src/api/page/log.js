// The messages on the page: those that the state knows, no more, so that the page stays small however long the log is.

import { element } from './elements.js';
import { messageElement, pendingElement } from './message.js';
import { reason } from './server.js';
import { position } from './state.js';
import { dayName, moment, sameDay } from './time.js';

/** So close to the end the reader counts as following it. */
const FOLLOWING_PX = 48;
/** So close to an end of what is known the page beyond is fetched. */
const NEAR_PX = 600;
/** Messages of one author that follow each other faster than this stand under one name. */
const SAME_BREATH_MS = 5 * 60_000;

export class Log {
  #scroller;
  #latest;
  #makes;
  #ask;
  #shown = [];        // the messages on the page, oldest first
  #elements = [];     // theirs
  #pending = new Map();
  #room = null;
  #jumps = 0;
  #mark = null;
  #missed = 0;
  #following = true;
  #hushed = null;
  #asked = false;

  /**
   * `latest` is the button to the end. `makes` is what messageElement() needs. `ask` has `older`, `newer`, `end` (the
   * reader wants what is there), `seen(atEnd)`, `again(key)` and `edit(key)`.
   */
  constructor(scroller, latest, makes, ask) {
    this.#scroller = scroller;
    this.#latest = latest;
    this.#makes = makes;
    this.#ask = ask;
    latest.addEventListener('click', () => {
      scroller.focus({ preventScroll: true });
      if (this.#room?.newer) ask.end();
      else this.toEnd();
    });
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    scroller.addEventListener('keydown', (event) => this.#walk(event));
    scroller.addEventListener('click', (event) => {
      const whole = event.target.closest('.whole');
      if (whole !== null) {
        whole.closest('.message').querySelector('.text').classList.remove('long');
        whole.remove();
        return;
      }
      const button = event.target.closest('.state button');
      if (button !== null) ask[button.dataset.does](button.closest('.pending').dataset.key);
    });
    new ResizeObserver(() => {
      if (this.#following) this.toEnd();
    }).observe(scroller);
  }

  /** Whether the reader is at the end of the log. */
  get isAtEnd() { return this.#following && this.#room?.newer === false; }

  /** Where the reader is, to come back to it. */
  get place() {
    if (this.#following) return null;
    const top = this.#scroller.scrollTop;
    const at = this.#elements.findIndex((shown) => shown.offsetTop + shown.offsetHeight > top);
    return at < 0 ? null : { id: this.#shown[at].id, below: this.#elements[at].offsetTop - top };
  }

  /** Brings the page up to the state, touching only what differs. `place` is where to look after a jump. */
  paint(room, place = null) {
    const jumped = room !== this.#room || room.jumps !== this.#jumps;
    if (jumped) this.#clear(room);
    else if (this.#shown.length > 0) this.#following = this.#atEnd();

    const keeper = this.#following ? null : this.#keeper(room.messages);
    const before = keeper?.offsetTop;
    const added = this.#align(room);
    const pended = this.#alignPending(room.pending);

    this.#scroller.classList.toggle('empty', room.loaded && room.messages.length === 0 && room.pending.length === 0);
    this.#scroller.classList.toggle('loading', !room.loaded);
    this.#scroller.classList.toggle('beginning', room.loaded && !room.older);
    if (jumped) this.#goTo(place);
    else if (pended && !room.newer) this.toEnd();
    else if (this.#following && !room.newer) this.toEnd();
    else if (keeper?.isConnected) this.#scroller.scrollTop += keeper.offsetTop - before;
    if (!jumped && !this.#following) this.#missed += added;
    this.#asked = false;
    this.#showLatest();
    this.#ask.seen(this.isAtEnd);
    this.#near();
  }

  toEnd() {
    this.#following = true;
    this.#missed = 0;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#showLatest();
  }

  #scrolled() {
    this.#following = this.#atEnd();
    if (this.#following && !this.#room?.newer) this.#missed = 0;
    this.#showLatest();
    this.#ask.seen(this.isAtEnd);
    this.#near();
  }

  // The page beyond, before the reader gets there.
  #near() {
    if (this.#asked || !this.#room?.loaded) return;
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    if (this.#room.older && scrollTop < NEAR_PX && !(this.#following && scrollHeight > 3 * clientHeight)) {
      this.#asked = true;
      this.#ask.older();
    } else if (this.#room.newer && scrollHeight - scrollTop - clientHeight < NEAR_PX) {
      this.#asked = true;
      this.#ask.newer();
    }
  }

  /** What was asked for did not come. */
  giveUp() { this.#asked = false; }

  #showLatest() {
    const arrived = this.#missed + (this.#room?.arrived ?? 0);
    this.#latest.hidden = this.#following && !this.#room?.newer;
    const words = arrived > 0 ? `${arrived.toLocaleString()} new ↓` : 'To the latest ↓';
    if (this.#latest.textContent !== words) this.#latest.textContent = words;
    this.#latest.classList.toggle('news', arrived > 0);
  }

  #clear(room) {
    for (const shown of this.#elements) shown.remove();
    for (const shown of this.#pending.values()) shown.remove();
    this.#pending.clear();
    [this.#shown, this.#elements] = [[], []];
    this.#room = room;
    this.#jumps = room.jumps;
    this.#mark = null;
    this.#missed = 0;
    this.#following = true;
  }

  #goTo(place) {
    const at = place === null ? -1 : this.#shown.findIndex((message) => position(message.id) >= position(place.id));
    if (at < 0) return this.toEnd();
    const target = this.#elements[at];
    this.#scroller.scrollTop = target.offsetTop - (place.below ?? this.#scroller.clientHeight / 3);
    this.#following = this.#atEnd();
    if (!place.marked) return;
    for (const other of this.#scroller.querySelectorAll('.target')) other.classList.remove('target');
    target.classList.add('target');
    target.focus({ preventScroll: true });
  }

  /** An element that stays and that the reader sees: its way is the reader's way. */
  #keeper(messages) {
    if (messages.length === 0 || this.#shown.length === 0) return null;
    const [first, last] = [position(messages[0].id), position(messages.at(-1).id)];
    const top = this.#scroller.scrollTop;
    return this.#elements.find((shown, at) => {
      const here = position(this.#shown[at].id);
      return here >= first && here <= last && shown.offsetTop + shown.offsetHeight > top;
    }) ?? null;
  }

  /** Makes the page hold just the messages of the state; says how many came at the end. */
  #align(room) {
    const { messages } = room;
    const [first, last] = messages.length === 0 ? ['~', ''] : [position(messages[0].id), position(messages.at(-1).id)];
    const stays = (message) => position(message.id) >= first && position(message.id) <= last;
    const from = this.#shown.findIndex(stays);
    const to = from < 0 ? -1 : this.#shown.findLastIndex(stays) + 1;
    const kept = from < 0 ? [] : this.#elements.slice(from, to);
    const keptFirst = from < 0 ? null : position(this.#shown[from].id);
    const keptLast = from < 0 ? null : position(this.#shown[to - 1].id);
    const dropped = from !== 0 || to !== this.#elements.length;
    this.#elements.forEach((shown, at) => {
      if (from < 0 || at < from || at >= to) shown.remove();
    });

    const above = keptFirst === null ? 0 : messages.findIndex((message) => position(message.id) >= keptFirst);
    const below = keptLast === null ? 0 : messages.findLastIndex((message) => position(message.id) <= keptLast) + 1;
    const make = (message) => messageElement(message, this.#makes());
    const earlier = messages.slice(0, above).map(make);
    const later = messages.slice(below).map(make);
    if (earlier.length > 0 || keptFirst === null || later.length > 20) this.#hush();
    const [anchor] = kept;
    if (anchor !== undefined) anchor.before(...earlier);
    else this.#scroller.prepend(...earlier);
    const end = kept.at(-1) ?? earlier.at(-1);
    if (end !== undefined) end.after(...later);
    else this.#scroller.prepend(...later);
    this.#shown = messages.slice();
    this.#elements = [...earlier, ...kept, ...later];

    if (earlier.length > 0 || dropped) relate(this.#elements, this.#shown, 0, above);
    if (later.length > 0) relate(this.#elements, this.#shown, below, messages.length);
    this.#divide(room);
    return keptFirst === null ? 0 : later.filter((shown) => shown.dataset.kind !== 'system').length;
  }

  /** Puts the sign "New" before the first message after the mark. */
  #divide(room) {
    const { mark } = room;
    if (mark === this.#mark && (mark === null || this.#scroller.querySelector('.new') !== null)) return;
    this.#mark = mark;
    this.#scroller.querySelector('.new')?.remove();
    if (mark === null) return;
    const isNew = (message) => position(message.id) > position(mark) && message.kind !== 'system';
    const at = this.#shown.findIndex(isNew);
    // Where what came just after the mark is not here, the sign would stand in the wrong place.
    if (at < 0 || (at === 0 && room.older)) return;
    const sign = { class: 'new', role: 'separator', 'aria-label': 'New messages' };
    this.#elements[at].prepend(element('p', sign, element('span', {}, 'New')));
  }

  /** Shows what was said oneself and has not come back. Says whether there is something new among it. */
  #alignPending(items) {
    const keys = new Set(items.map((item) => item.key));
    for (const [key, shown] of this.#pending) {
      if (keys.has(key)) continue;
      shown.remove();
      this.#pending.delete(key);
    }
    let any = false;
    for (const item of items) {
      let shown = this.#pending.get(item.key);
      if (shown === undefined) {
        any = true;
        shown = pendingElement(item);
        this.#pending.set(item.key, shown);
        this.#scroller.append(shown);
      }
      if (shown.dataset.told === item.state) continue;
      shown.dataset.told = shown.dataset.state = item.state;
      shown.querySelector('.state').replaceChildren(...stateOf(item));
    }
    return any;
  }

  /** Arrows go from message to message; Enter puts its link into the address bar. */
  #walk(event) {
    const here = event.target.closest?.('.message');
    if (event.target !== this.#scroller && event.target !== here) return;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (here !== null && event.key === 'Enter') return here.querySelector('.when')?.click();
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const at = here === null ? this.#elements.length : this.#elements.indexOf(here);
    const next = this.#elements[at + step];
    if (next === undefined) return;
    event.preventDefault();
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: 'nearest' });
  }

  /** Keeps a screen reader from reading out as news what is none. */
  #hush() {
    this.#scroller.setAttribute('aria-busy', 'true');
    clearTimeout(this.#hushed);
    this.#hushed = setTimeout(() => this.#scroller.removeAttribute('aria-busy'), 1_000);
  }

  #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < FOLLOWING_PX;
  }
}

function stateOf(item) {
  switch (item.state) {
    case 'sending': return ['Sending'];
    case 'waiting': return [item.tried ? 'Waiting for the connection' : 'Sending'];
    case 'failed': return [
      `This was not sent. ${reason(item.problem)} `,
      element('button', { type: 'button', 'data-does': 'again' }, 'Send again'),
      element('button', { type: 'button', 'data-does': 'edit' }, 'Edit'),
    ];
    default: return [];
  }
}

/**
 * Tells the elements from `start` up to `end` what they are to those before them: a new day, more from the same
 * author, or a thing that the same person did again. Goes on after `end` to the first one with a time, for whose day
 * the ones above it matter.
 */
function relate(elements, messages, start, end) {
  let dateBefore = messages.slice(0, start).map(moment).findLast((date) => date !== null) ?? null;
  for (let at = start, settled = false; at < elements.length && !(at >= end && settled); at += 1) {
    const [shown, message, previous] = [elements[at], messages[at], messages[at - 1]];
    const date = moment(message);
    const newDay = date !== null && (dateBefore === null || !sameDay(date, dateBefore));

    shown.querySelector(':scope > .day')?.remove();
    if (newDay) shown.prepend(element('p', { class: 'day' }, dayName(date)));
    shown.classList.toggle('continued', !newDay && date !== null && sameBreath(message, previous, date, dateBefore));
    if (message.kind === 'system') supersede(elements, messages, at);
    settled = at >= end && date !== null;
    dateBefore = date ?? dateBefore;
  }
}

function sameBreath(message, previous, date, dateBefore) {
  return message.kind === 'message' && previous?.kind === 'message' && previous.from === message.from
    && date - dateBefore < SAME_BREATH_MS;
}

/** Of what one person did in a row of such lines, coming and going, the last is enough. */
function supersede(elements, messages, at) {
  const [who] = messages[at].text.split(' ');
  for (let before = at - 1; messages[before]?.kind === 'system'; before -= 1) {
    if (messages[before].text.startsWith(`${who} `)) elements[before].classList.add('superseded');
  }
}
