// A tab's way to the hub: in a shared worker, or, where the browser has none, in this very page.

import { server } from './server.js';

/** So long a worker may take to start before the page does without. */
const START_MS = 10_000;

/** `take` gets the hub's messages; what is returned sends some. `hello()` is what the tab says first. */
export function link(take, hello) {
  let send = null;
  let waiting = [];
  const begin = (how) => {
    send = how;
    for (const message of waiting) send(message);
    waiting = null;
  };
  const local = async () => {
    // The worker has it; a page that needs it itself finds it preloaded.
    const { Hub } = await import('./hub.js');
    if (send !== null) return;
    const tab = new Hub(server, { alone: true }).connect((message) => queueMicrotask(() => take(message)));
    begin((message) => tab.receive(message));
  };

  const say = (message) => (send === null ? waiting.push(message) : send(message));
  say(hello());
  try {
    const address = new URL('worker.js', import.meta.url);
    if (server.programs) address.searchParams.set('programs', server.programs);
    const worker = new SharedWorker(address, { type: 'module', name: 'chatroom' });
    const timer = setTimeout(local, START_MS);
    worker.addEventListener('error', local);
    worker.port.addEventListener('message', ({ data }) => {
      if (data.type !== 'ready') return take(data);
      clearTimeout(timer);
      if (send === null) begin((message) => worker.port.postMessage(message));
    });
    worker.port.start();
  } catch {
    local();
  }
  return say;
}

/** Holds a lock for as long as this tab lives, and tells its name once it has it. Locks are for secure places only. */
export function holdLock(tell) {
  const lock = `chatroom tab ${Math.random()}`;
  navigator.locks?.request(lock, () => {
    tell(lock);
    return new Promise(() => { /* for ever */ });
  });
}
