// The box to write in. Each room has its own draft, kept until it is said; what was said comes back with the up arrow.

const RECALLED = 50;
/** One who has not pressed a key for so long does not type any more. */
const TYPING_MS = 10_000;
/** While one types, it is said again so often. */
const TYPING_AGAIN_MS = 8_000;

export class Composer {
  #box;
  #room = null;
  #keep;
  #onTyping;
  #said = new Map();     // room -> what was said, the newest last
  #recalled = 0;         // how far back the arrow has gone
  #typingSince = 0;
  #typing = null;

  /** `draft(room)` and `keep(room, text)` remember; `submit(text)` says whether it took the text; `completion` has the
   *  keys first; `onTyping(yes)` is told. */
  constructor(form, box, { draft, keep, submit, completion, onTyping }) {
    this.#box = box;
    this.#keep = keep;
    this.draft = draft;
    this.#onTyping = onTyping;
    const send = () => {
      const text = box.value.trimEnd();
      if (text.trim() === '' || this.#room === null || !submit(text)) return;
      this.#remember(text);
      this.#set('');
    };
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      send();
      box.focus();
    });
    box.addEventListener('input', () => {
      this.#recalled = 0;
      this.#noteDraft();
      this.#noteTyping();
      this.#fit();
    });
    box.addEventListener('keydown', (event) => {
      if (completion.key(event) || event.isComposing) return;
      // Enter that ends the composition of a character is not meant for us.
      if (event.key === 'Enter' && !event.shiftKey) {
        event.preventDefault();
        send();
      } else if (event.key === 'ArrowUp' || event.key === 'ArrowDown') this.#recall(event);
    });
    this.#fit();
  }

  turnTo(room) {
    this.#stopTyping();
    this.#room = room;
    this.#recalled = 0;
    this.#box.value = room === null ? '' : this.draft(room);
    this.#fit();
  }

  /** Puts something there to be written on, after what is there. */
  edit(text) {
    const before = this.#box.value.trimEnd();
    this.#set(before === '' ? text : `${before}\n${text}`);
    this.#box.focus();
  }

  #set(text) {
    this.#box.value = text;
    this.#stopTyping();
    this.#noteDraft();
    this.#fit();
  }

  #noteDraft() {
    if (this.#room !== null) this.#keep(this.#room, this.#box.value);
  }

  #remember(text) {
    const said = this.#said.get(this.#room) ?? [];
    this.#said.set(this.#room, [...said.filter((other) => other !== text), text].slice(-RECALLED));
    this.#recalled = 0;
  }

  // Only where the box is empty, or holds what was recalled: else arrows move in the text.
  #recall(event) {
    const said = this.#said.get(this.#room) ?? [];
    const step = event.key === 'ArrowUp' ? 1 : -1;
    const holdsRecalled = this.#recalled > 0 && this.#box.value === said.at(-this.#recalled);
    if (!(holdsRecalled || (this.#box.value === '' && step > 0)) || event.shiftKey || event.altKey) return;
    const next = Math.min(this.#recalled + step, said.length);
    if (next === 0 && step > 0) return;
    event.preventDefault();
    this.#box.value = next <= 0 ? '' : said.at(-next);
    this.#recalled = Math.max(next, 0);
    this.#noteDraft();
    this.#fit();
  }

  #noteTyping() {
    const types = this.#box.value.trim() !== '' && !this.#box.value.startsWith('/');
    if (!types) return this.#stopTyping();
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#stopTyping(), TYPING_MS);
    if (Date.now() - this.#typingSince < TYPING_AGAIN_MS) return;
    this.#typingSince = Date.now();
    this.#onTyping(true);
  }

  #stopTyping() {
    clearTimeout(this.#typing);
    if (this.#typingSince > 0) this.#onTyping(false);
    this.#typingSince = 0;
  }

  /** As high as the text, where the style sheet can't say so. */
  #fit() {
    this.#box.style.height = 'auto';
    this.#box.style.height = `${this.#box.scrollHeight + 2}px`;
  }
}
