// The messages on the page. Text from a log is only ever set as text.

import { badge, colour } from './badge.js';
import { position, trim } from './state.js';
import { dayName, fullTime, moment, sameDay, timeOfDay } from './time.js';

/** So close to the end the reader counts as following it. */
const FOLLOWING_PX = 48;
/** So close to the start the page before is fetched. */
const NEAR_START_PX = 120;
/** Messages of one author that follow each other faster than this stand under one name. */
const SAME_BREATH_MS = 5 * 60_000;

export class Log {
  #scroller;
  #older;
  #latest;
  #shown = [];        // the messages on the page, oldest first
  #elements = [];     // theirs
  #room = null;
  #resets = 0;
  #following = true;
  #hushed = null;

  /** `older` and `latest` are buttons; `onStart()` is called when the reader wants what came before. */
  constructor(scroller, older, latest, onStart) {
    this.#scroller = scroller;
    this.#older = older;
    this.#latest = latest;
    older.addEventListener('click', onStart);
    latest.addEventListener('click', () => this.#toEnd());
    scroller.addEventListener('scroll', () => {
      this.#following = this.#atEnd();
      if (this.#following) latest.hidden = true;
      else if (scroller.scrollTop < NEAR_START_PX) onStart();
    }, { passive: true });
    new ResizeObserver(() => {
      if (this.#following) this.#toEnd();
    }).observe(scroller);
  }

  /** Brings the page up to the state, touching only what differs. */
  paint(room) {
    if (room.name !== this.#room || room.resets !== this.#resets) this.#clear(room);
    else if (this.#shown.length > 0) this.#following = this.#atEnd();
    trim(room, this.#following);

    // The last element stays, whatever is added or removed above it: its way is the reader's way.
    const anchor = this.#elements.at(-1);
    const before = anchor?.offsetTop;
    const added = this.#align(room.messages);

    this.#older.hidden = !room.more || room.messages.length === 0;
    this.#scroller.classList.toggle('empty', room.resume !== null && room.messages.length === 0);
    if (this.#following) this.#toEnd();
    else if (anchor.isConnected) {
      this.#scroller.scrollTop += anchor.offsetTop - before;
      if (added) this.#latest.hidden = false;
    }
  }

  #clear(room) {
    for (const element of this.#elements) element.remove();
    this.#shown = [];
    this.#elements = [];
    this.#room = room.name;
    this.#resets = room.resets;
    this.#following = true;
  }

  /** Makes the page hold just these messages; true where some came at the end. */
  #align(messages) {
    const first = this.#shown.length === 0 ? null : position(this.#shown[0].id);
    const last = this.#shown.length === 0 ? '' : position(this.#shown.at(-1).id);
    const oldest = messages.length === 0 ? '' : position(messages[0].id);

    const kept = this.#shown.filter((message) => position(message.id) >= oldest).length;
    const dropped = this.#elements.splice(0, this.#shown.length - kept);
    for (const element of dropped) element.remove();

    const above = first === null ? 0 : messages.findIndex((message) => position(message.id) >= first || oldest > first);
    let end = messages.length;
    while (end > 0 && position(messages[end - 1].id) > last) end -= 1;

    const earlier = messages.slice(0, above).map(messageElement);
    const later = messages.slice(end).map(messageElement);
    if (earlier.length > 0 || first === null) this.#hush();
    this.#older.after(...earlier);
    this.#scroller.append(...later);
    this.#shown = messages.slice();
    this.#elements = [...earlier, ...this.#elements, ...later];

    if (earlier.length + dropped.length > 0) relate(this.#elements, this.#shown, 0, above);
    if (later.length > 0) relate(this.#elements, this.#shown, end, messages.length);
    return later.length > 0;
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

  #toEnd() {
    this.#following = true;
    this.#latest.hidden = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}

function messageElement(message) {
  const element = document.createElement('article');
  element.className = 'message';
  element.dataset.id = message.id;
  element.dataset.kind = message.kind;

  if (message.from !== null) {
    const from = document.createElement('b');
    from.className = 'from';
    from.textContent = message.from;
    colour(from, message.from);
    element.append(badge(message.from), from);
  }

  const date = moment(message);
  if (date !== null) {
    const time = document.createElement('time');
    time.dateTime = message.time;
    time.title = fullTime(date);
    time.textContent = timeOfDay(date);
    element.append(time);
  }

  const text = document.createElement('p');
  text.className = 'text';
  text.dir = 'auto';
  text.textContent = message.text;
  element.append(text);

  if (message.cut !== undefined) {
    const cut = document.createElement('p');
    cut.className = 'cut';
    cut.textContent = `Cut here: the line is ${message.cut.toLocaleString()} bytes long.`;
    element.append(cut);
  }
  return element;
}

/**
 * Tells the elements from `start` up to `end` what they are to those before them: a new day, or more from the same
 * author. Goes on after `end` to the first one with a time, for whose day the ones above it matter.
 */
function relate(elements, messages, start, end) {
  let dateBefore = messages.slice(0, start).map(moment).findLast((date) => date !== null) ?? null;
  for (let at = start, settled = false; at < elements.length && !(at >= end && settled); at += 1) {
    const [element, message, previous] = [elements[at], messages[at], messages[at - 1]];
    const date = moment(message);
    const newDay = date !== null && (dateBefore === null || !sameDay(date, dateBefore));

    element.querySelector('.day')?.remove();
    if (newDay) {
      const day = document.createElement('p');
      day.className = 'day';
      day.textContent = dayName(date);
      element.prepend(day);
    }
    element.classList.toggle('continued', !newDay && date !== null && sameBreath(message, previous, date, dateBefore));
    settled = at >= end && date !== null;
    dateBefore = date ?? dateBefore;
  }
}

function sameBreath(message, previous, date, dateBefore) {
  return message.kind === 'message' && previous?.kind === 'message' && previous.from === message.from
    && date - dateBefore < SAME_BREATH_MS;
}
