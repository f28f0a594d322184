// What can be completed where one writes: people after `@`, rooms after `#`, emoji after `:`, commands at the start.

import { element } from './elements.js';

export const COMMANDS = {
  '/me': 'says what you do: /me waves',
  '/nick': 'changes your name: /nick ada',
  '/join': 'goes to a room: /join General',
  '/leave': 'leaves this room',
  '/help': 'shows what there is to know',
};

const EMOJI = {
  smile: '😄', laugh: '😂', wink: '😉', blush: '😊', heart_eyes: '😍', thinking: '🤔', cry: '😢', sob: '😭', angry: '😠',
  sweat: '😅', cool: '😎', shrug: '🤷', facepalm: '🤦', thumbsup: '👍', thumbsdown: '👎', ok: '👌', clap: '👏', wave: '👋',
  pray: '🙏', muscle: '💪', eyes: '👀', heart: '❤️', broken_heart: '💔', fire: '🔥', tada: '🎉', rocket: '🚀', star: '⭐',
  check: '✅', cross: '❌', warning: '⚠️', bug: '🐛', coffee: '☕', beer: '🍺', cake: '🎂', sun: '☀️', rain: '🌧️', zzz: '💤',
};

/** So many are offered at once. */
const MOST = 8;

export class Completion {
  #box;
  #list;
  #names;
  #rooms;
  #offers = [];
  #at = 0;
  #from = 0;

  /** `names()` and `rooms()` are those there are. */
  constructor(box, list, { names, rooms }) {
    [this.#box, this.#list, this.#names, this.#rooms] = [box, list, names, rooms];
    box.addEventListener('input', () => this.#look());
    box.addEventListener('click', () => this.#look());
    box.addEventListener('blur', () => this.close());
    list.addEventListener('pointerdown', (event) => {
      // The box keeps the focus.
      event.preventDefault();
      const option = event.target.closest('[role=option]');
      if (option !== null) this.#take(Number(option.dataset.at));
    });
  }

  get isOpen() { return this.#offers.length > 0; }

  /** Takes a key, where it means something here; says whether it did. */
  key(event) {
    if (!this.isOpen || event.isComposing) return false;
    const { length } = this.#offers;
    switch (event.key) {
      case 'ArrowDown': this.#point((this.#at + 1) % length); break;
      case 'ArrowUp': this.#point((this.#at + length - 1) % length); break;
      case 'Enter': case 'Tab': if (event.shiftKey) return false; this.#take(this.#at); break;
      case 'Escape': this.close(); break;
      default: return false;
    }
    event.preventDefault();
    return true;
  }

  close() {
    this.#offers = [];
    this.#paint();
  }

  #look() {
    const before = this.#box.value.slice(0, this.#box.selectionStart);
    const found = /(^|[\s(])([@#:])([\w-]*)$/u.exec(before) ?? /^()(\/)(\w*)$/.exec(before);
    this.#offers = [];
    if (found !== null) {
      const [, , sign, typed] = found;
      this.#from = before.length - typed.length - 1;
      this.#offers = this.#offersFor(sign, typed.toLowerCase()).slice(0, MOST);
      // What is there whole needs no completing.
      if (this.#offers.length === 1 && this.#offers[0].text === sign + typed) this.#offers = [];
    }
    this.#at = 0;
    this.#paint();
  }

  #offersFor(sign, typed) {
    const starting = (all) => all.filter((each) => each.toLowerCase().startsWith(typed));
    switch (sign) {
      case '@': return starting(this.#names()).map((name) => ({ text: `@${name}`, label: name }));
      case '#': return starting(this.#rooms()).map((name) => ({ text: `#${name}`, label: `# ${name}` }));
      case '/': return starting(Object.keys(COMMANDS).map((name) => name.slice(1)))
        .map((name) => ({ text: `/${name}`, label: `/${name}`, hint: COMMANDS[`/${name}`] }));
      default: return typed.length < 2 ? [] : starting(Object.keys(EMOJI))
        .map((name) => ({ text: EMOJI[name], label: `${EMOJI[name]} ${name}` }));
    }
  }

  #take(at) {
    const { text } = this.#offers[at];
    const end = this.#box.selectionStart;
    const after = this.#box.value.slice(end);
    this.#box.setRangeText(after.startsWith(' ') ? text : `${text} `, this.#from, end, 'end');
    this.close();
    this.#box.dispatchEvent(new Event('input', { bubbles: true }));
    this.close();
  }

  #point(at) {
    this.#at = at;
    this.#paint();
  }

  #paint() {
    this.#list.hidden = !this.isOpen;
    this.#list.replaceChildren(...this.#offers.map(({ label, hint }, at) => element('li', {
      role: 'option', id: `offer-${at}`, 'data-at': at, 'aria-selected': at === this.#at ? 'true' : 'false',
    }, label, ...(hint === undefined ? [] : [element('span', { class: 'hint' }, hint)]))));
    if (this.isOpen) this.#box.setAttribute('aria-activedescendant', `offer-${this.#at}`);
    else this.#box.removeAttribute('aria-activedescendant');
  }
}
