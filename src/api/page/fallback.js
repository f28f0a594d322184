// How a page begins that `chatroom page` wrote: it asks chatroom itself, or, where only those answer, the CGI programs.

import { delay } from './backoff.js';
import { Programs } from './programs.js';
import { server, use } from './server.js';

const find = (selector) => document.querySelector(selector);
const programs = new Programs(find('meta[name="chatroom-programs"]').content);
const answers = (request) => request.then(() => true, () => false);

for (let failures = 0; !await answers(server.rooms()); failures += 1) {
  if (await answers(programs.rooms())) {
    use(programs);
    document.body.dataset.programs = '';
    for (const beyond of document.querySelectorAll('[data-beyond-programs]')) beyond.hidden = true;
    break;
  }
  find('#connection').textContent = 'Not connected';
  await new Promise((resolve) => { setTimeout(resolve, delay(failures)); });
}
await import('./first.js');
await import('./main.js');
