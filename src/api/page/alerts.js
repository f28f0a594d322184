// What calls for the person: a count in the title and the icon, and, where they asked for it, a notification and a sound.

const TITLE = 'chatroom';

export class Alerts {
  #icon;
  #plain;
  #shown = '';

  /** `icon` is the page's link to its icon; `plain` its address. */
  constructor(icon, plain) {
    this.#icon = icon;
    this.#plain = plain;
  }

  /** `room` is shown, `unread` messages wait, `mentions` of them for the person. */
  show(room, unread, mentions) {
    const count = mentions > 0 ? mentions : unread;
    const name = room === null ? TITLE : `${room} · ${TITLE}`;
    const title = count > 0 ? `(${count}) ${name}` : name;
    if (document.title !== title) document.title = title;
    const sign = count === 0 ? '' : mentions > 0 ? String(Math.min(mentions, 99)) : '•';
    if (sign === this.#shown) return;
    this.#shown = sign;
    this.#icon.href = sign === '' ? this.#plain : `data:image/svg+xml,${encodeURIComponent(drawn(sign))}`;
  }
}

function drawn(sign) {
  const badge = sign === '•' ? '<circle cx="25" cy="7" r="6" fill="#d43c3c"/>'
    : `<circle cx="22" cy="11" r="10" fill="#d43c3c"/><text x="22" y="16" font-size="${sign.length > 1 ? 12 : 15}" `
      + `font-family="sans-serif" font-weight="700" text-anchor="middle" fill="#fff">${sign}</text>`;
  return '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="9" '
    + `fill="#2f5fc4"/><path d="M8 9h16v11H15l-5 4v-4H8z" fill="#fff"/>${badge}</svg>`;
}

/** Asks whether notifications may be shown; says whether. */
export async function mayNotify() {
  if (!('Notification' in globalThis)) return false;
  return (await Notification.requestPermission()) === 'granted';
}

export function notify(room, message, onClick) {
  try {
    const shown = new Notification(`${message.from ?? 'Somebody'} in ${room}`, {
      body: message.text.slice(0, 200), tag: `chatroom ${room}`,
    });
    shown.addEventListener('click', () => {
      shown.close();
      window.focus();
      onClick();
    });
  } catch { /* Some browsers show them to service workers only. */ }
}

/** Two short tones. */
export function sound() {
  const Context = globalThis.AudioContext;
  if (Context === undefined) return;
  const context = new Context();
  [[660, 0], [880, 0.12]].forEach(([frequency, at]) => {
    const [tone, volume] = [context.createOscillator(), context.createGain()];
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0.08, context.currentTime + at);
    volume.gain.exponentialRampToValueAtTime(0.001, context.currentTime + at + 0.25);
    tone.connect(volume).connect(context.destination);
    tone.start(context.currentTime + at);
    tone.stop(context.currentTime + at + 0.3);
  });
  setTimeout(() => context.close(), 1_000);
}
