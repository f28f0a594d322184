// The hub in a shared worker: one for all tabs of a browser.

import { Hub } from './hub.js';
import { server } from './server.js';

const programs = new URL(location).searchParams.get('programs');
const hub = programs === null ? new Hub(server)
  : import('./programs.js').then(({ Programs }) => new Hub(new Programs(programs)));

// Whoever comes is listened to at once, and waits for the hub.
addEventListener('connect', async ({ ports: [port] }) => {
  const tab = (await hub).connect((message) => port.postMessage(message));
  port.addEventListener('message', ({ data }) => {
    // A tab holds its lock for as long as it lives: whoever gets it knows that the tab ended, also without a word.
    if (data.type === 'lock') navigator.locks?.request(data.lock, () => tab.close());
    else tab.receive(data);
  });
  port.start();
  port.postMessage({ type: 'ready' });
});
