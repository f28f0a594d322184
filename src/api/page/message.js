// One message as an element. Text from a log is only ever set as text.

import { badge, colour, element } from './elements.js';
import { actionOf, isEmoji, mentions, partsOf } from './text.js';
import { fullTime, moment, timeOfDay } from './time.js';

/** `self` is who reads; `address(message)` is where it can be linked to, `room(name)` where a room is. */
export function messageElement(message, { self, address, room }) {
  const article = element('article', { class: 'message', 'data-id': message.id, 'data-kind': message.kind, tabindex: -1 });
  // Beside it in the article stand signs that are none of the message: a new day, and where the unread begins.
  const body = element('div', { class: 'body' });
  article.append(body);
  const head = element('p', { class: 'head' });
  if (message.from !== null) {
    body.append(badge(message.from), head);
    head.append(from(message.from));
    if (message.from !== self && mentions(message.text, self)) article.classList.add('mention');
  }

  const date = moment(message);
  if (date !== null) {
    const time = element('time', { datetime: message.time, title: fullTime(date) }, timeOfDay(date));
    const when = element('a', { class: 'when', href: address(message), tabindex: -1 }, time);
    if (message.from !== null) head.append(when);
    else body.append(when);
  }
  const text = textElement(message, { self, room });
  body.append(text);
  if (isLong(message.text)) {
    text.classList.add('long');
    body.append(element('button', { type: 'button', class: 'whole' }, 'Show all of it'));
  }
  if (message.cut !== undefined) {
    const length = message.cut.toLocaleString();
    body.append(element('p', { class: 'cut' }, `Cut here: the line is ${length} bytes long.`));
  }
  return article;
}

/** What was said oneself and has not come back. */
export function pendingElement(item) {
  const article = element('article', { class: 'message pending', 'data-key': item.key, 'data-state': item.state });
  const sign = element('p', { class: 'state', role: 'status' });
  article.append(element('div', { class: 'body' }, badge(item.from), element('p', { class: 'head' }, from(item.from)),
    textElement({ ...item, kind: 'message' }, { self: item.from }), sign));
  return article;
}

/** Long enough to keep others out of sight. */
const isLong = (text) => text.length > 1_500 || text.split('\n', 19).length > 18;

function from(name) {
  const shown = element('b', { class: 'from', dir: 'ltr' }, name);
  colour(shown, name);
  return shown;
}

function textElement(message, { self, room }) {
  const shown = element('div', { class: 'text', dir: 'auto' });
  if (message.kind !== 'message') {
    shown.textContent = message.text;
    return shown;
  }
  if (isEmoji(message.text)) shown.classList.add('emoji');
  const action = actionOf(message.text);
  if (action !== null) {
    shown.classList.add('action');
    shown.append(element('span', { class: 'mark' }, '/me '));
  }
  shown.append(...partsOf(action ?? message.text).map((part) => partElement(part, self, room)));
  return shown;
}

function partElement({ type, text }, self, room) {
  switch (type) {
    case 'mark': return element('span', { class: 'mark' }, text);
    case 'code': return element('code', {}, text);
    case 'block': return element('pre', { tabindex: 0, 'aria-label': 'Code' }, element('code', {}, text));
    case 'bold': return element('strong', {}, text);
    case 'italic': return element('em', {}, text);
    case 'link': return element('a', { href: text, target: '_blank', rel: 'noopener noreferrer' }, text);
    case 'mention': {
      const isSelf = self !== undefined && mentions(text, self);
      return element('span', { class: isSelf ? 'name self' : 'name' }, text);
    }
    case 'room': return room === undefined ? document.createTextNode(text)
      : element('a', { href: room(text.slice(1)), 'data-room': text.slice(1) }, text);
    default: return document.createTextNode(text);
  }
}
