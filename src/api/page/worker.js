// The hub in a shared worker: one for all tabs of a browser.

import { Hub } from './hub.js';
import { server } from './server.js';

const hub = new Hub(server);

addEventListener('connect', ({ ports: [port] }) => {
  const tab = hub.connect((message) => port.postMessage(message));
  port.addEventListener('message', ({ data }) => {
    // A tab holds its lock for as long as it lives: whoever gets it knows that the tab ended, also without a word.
    if (data.type === 'lock') navigator.locks?.request(data.lock, () => tab.close());
    else tab.receive(data);
  });
  port.start();
  port.postMessage({ type: 'ready' });
});
