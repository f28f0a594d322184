// The box to write in. What was written stays in it until the server has it; each room has its own draft.

export class Composer {
  #box;
  #say;
  #onSent;
  #onFailed;
  #room = null;
  #drafts = new Map();
  #sending = false;
  #again = false;

  /** `say(room, text)` resolves once the server has the message. */
  constructor(form, box, { say, onSent, onFailed }) {
    this.#box = box;
    this.#say = say;
    this.#onSent = onSent;
    this.#onFailed = onFailed;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    box.addEventListener('keydown', (event) => {
      // Enter that ends the composition of a character is not meant for us.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
  }

  turnTo(room) {
    if (this.#room !== null) this.#drafts.set(this.#room, this.#box.value);
    this.#room = room;
    this.#again = false;
    this.#box.value = this.#drafts.get(room) ?? '';
  }

  async #submit() {
    // One at a time keeps them in order; what was added meanwhile goes next.
    this.#again = this.#sending;
    if (this.#sending) return;
    const room = this.#room;
    const written = this.#box.value;
    const text = written.trimEnd();
    if (room === null || text === '') return;

    this.#sending = true;
    try {
      await this.#say(room, text);
      this.#strike(room, written);
      this.#onSent();
    } catch (problem) {
      this.#again = false;
      this.#onFailed(problem);
    }
    this.#sending = false;
    if (this.#again) this.#submit();
  }

  #strike(room, written) {
    const rest = (text) => (text.startsWith(written) ? text.slice(written.length) : text);
    if (room === this.#room) this.#box.value = rest(this.#box.value);
    else this.#drafts.set(room, rest(this.#drafts.get(room) ?? ''));
  }
}
