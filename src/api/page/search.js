// Searching in the room that is shown: on the server, page by page, the newest first.

import { element } from './elements.js';
import { notice } from './notice.js';
import { reason } from './server.js';
import { actionOf } from './text.js';
import { moment, shortTime } from './time.js';

const PAGE = 30;

export class Search {
  #panel;
  #box;
  #results;
  #status;
  #more;
  #search;
  #address;
  #room = null;
  #run = 0;
  #next = null;
  #words = '';
  #found = 0;

  /** `search(room, words, page)` asks the server; `address(room, id)` is where a message is. */
  constructor(panel, { search, address }) {
    this.#panel = panel;
    this.#search = search;
    this.#address = address;
    [this.#box, this.#results, this.#status, this.#more] =
      ['#search', '#results', '#search-status', '#search-more'].map((each) => panel.querySelector(each));
    panel.querySelector('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#begin();
    });
    this.#more.addEventListener('click', () => this.#go());
  }

  turnTo(room) {
    this.#room = room;
    this.#clear();
  }

  #clear() {
    this.#run += 1;
    this.#results.replaceChildren();
    this.#status.textContent = '';
    this.#more.hidden = true;
    this.#next = null;
    this.#found = 0;
  }

  #begin() {
    this.#clear();
    this.#words = this.#box.value.trim();
    if (this.#words !== '' && this.#room !== null) this.#go();
  }

  async #go() {
    const run = ++this.#run;
    const [room, goal] = [this.#room, this.#found + PAGE];
    this.#status.textContent = 'Searching';
    this.#more.hidden = true;
    try {
      do {
        const limit = goal - this.#found;
        const page = { limit, ...(this.#next !== null && { until: this.#next }) };
        const found = await this.#search(room, this.#words, page);
        if (run !== this.#run) return;
        this.#results.append(...found.messages.reverse().map((message) => this.#result(room, message)));
        this.#found += found.messages.length;
        this.#next = found.next;
      } while (this.#next !== null && this.#found < goal);
    } catch (problem) {
      if (run !== this.#run) return;
      this.#status.textContent = '';
      return notice(`The search failed. ${reason(problem)}`);
    }
    this.#more.hidden = this.#next === null;
    const count = this.#found === 1 ? '1 message' : `${this.#found} messages`;
    this.#status.textContent = this.#found === 0 ? 'Nothing was found.' : `${count}${this.#next === null ? '' : ' so far'}`;
  }

  #result(room, message) {
    const date = moment(message);
    const text = message.text.slice(0, 400);
    const link = element('a', { href: this.#address(room, message.id), 'data-message': message.id },
      element('span', { class: 'result-head' }, element('b', {}, message.from ?? ''),
        element('span', { class: 'quiet' }, date === null ? '' : shortTime(date))),
      element('span', { class: 'result-text', dir: 'auto' }, ...this.#marked(actionOf(text) ?? text)));
    return element('li', {}, link);
  }

  /** The text with the words that were searched for marked in it. */
  #marked(text) {
    const words = this.#words.split(/\s+/).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return text.split(new RegExp(`(${words.join('|')})`, 'iu'))
      .map((part, at) => (at % 2 === 0 ? part : element('mark', {}, part)));
  }
}
