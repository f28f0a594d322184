// A room for any page: `import { Room } from "…/assets/chatroom.js"`. Its interface is in chatroom.d.ts.
//
//   const room = new Room('General', { user: 'ada' });
//   room.addEventListener('message', ({ detail }) => console.log(detail.from, detail.text));
//   await room.open();
//   await room.send('hello');

import { Problem, Server } from './server.js';
import { Stream } from './stream.js';

export { Problem, Server };

class RoomEvent extends Event {
  constructor(type, detail) {
    super(type);
    this.detail = detail;
  }
}

export class Room extends EventTarget {
  #stream;
  #position;
  #seen = '';
  #checkMembership = false;

  constructor(name, { user = 'Anonymous', server = new Server(), from = null, present = true } = {}) {
    super();
    this.name = name;
    this.user = user;
    this.server = server;
    this.members = null;
    this.presence = {};
    this.present = present;
    this.#position = from;
    this.#stream = new Stream({
      address: () => server.stream(name, this.user, this.#position),
      prepare: (refused) => this.#prepare(refused),
      events: {
        message: (message) => this.#message(message),
        members: ({ avatars }) => this.#members(avatars),
        presence: (presence) => this.#tell('presence', this.presence = presence),
        reset: ({ reason }, id) => {
          this.#position = id;
          this.#seen = '';
          this.#tell('reset', { reason });
        },
      },
      source: server.source,
      onSign: (sign, gone) => {
        if (sign === 'open') this.#checkMembership = present;
        this.#tell('sign', { sign, gone });
      },
    });
  }

  /** "open", "connecting" or "closed". */
  get sign() { return this.#stream.sign; }
  /** Whether there is no such room. */
  get gone() { return this.#stream.gone; }
  /** The position after the last message that was told, or null. */
  get position() { return this.#position; }
  get way() { return this.#stream.way; }

  /** Follows the room from now on, or from the position `from`. Resolves once the room has answered. */
  open() {
    return new Promise((resolve) => {
      const heard = ({ detail }) => {
        if (detail.sign === 'connecting') return;
        this.removeEventListener('sign', heard);
        resolve(this);
      };
      this.addEventListener('sign', heard);
      this.#stream.start();
    });
  }

  close() { this.#stream.stop(); }
  nudge() { this.#stream.nudge(); }

  send(text, unlessAfter) { return this.server.say(this.name, this.user, text, unlessAfter); }
  history(page = {}) { return this.server.history(this.name, page); }
  search(words, page = {}) { return this.server.search(this.name, words, page); }
  join() { return this.server.join(this.name, this.user); }
  leave() { return this.server.leave(this.name, this.user); }
  mark(marks) { return this.server.mark(this.name, this.user, marks); }

  /** Goes on under another name, which the server knows already. */
  become(user) {
    this.user = user;
    // The open stream keeps the old name alive.
    this.#stream.reopen();
  }

  // A stream that was refused does not say why; history does.
  async #prepare(refused) {
    if (this.#position !== null && !refused) return;
    const page = await this.history({ limit: 0 });
    this.#position ??= page.next;
  }

  // One that was told before comes again when a connection resumes: once is enough.
  #message(message) {
    const here = message.id.slice(0, 33);
    if (here <= this.#seen) return;
    this.#seen = here;
    this.#position = message.id;
    this.#tell('message', message);
  }

  #members(avatars) {
    this.members = avatars.map((avatar) => ({ name: avatar.username, web: avatar.is_web }))
      .sort((a, b) => a.name.localeCompare(b.name));
    this.#tell('members', this.members);
    // While a connection was away the server may have taken the member for gone.
    if (!this.#checkMembership) return;
    this.#checkMembership = false;
    if (!this.members.some((member) => member.name === this.user)) this.join().catch(() => { /* told by the next list */ });
  }

  #tell(type, detail) {
    this.dispatchEvent(new RoomEvent(type, detail));
  }
}
