// A page of somebody else's that uses all that chatroom.d.ts tells of. It says what it saw in the page's text.

import {
  Problem, Room, Server, type Found, type Member, type Message, type Page, type Presence, type Sign,
} from '/assets/chatroom.js';

const tell = (words: string): void => document.body.append(`${words}\n`);

const server = new Server();
const room = new Room('General', { user: 'robot', server, from: null, present: true });

room.addEventListener('message', ({ detail }) => {
  const message: Message = detail;
  tell(`${message.from ?? 'nobody'}: ${message.text}`);
  if (message.text === 'robot, say beep') beep(message).catch((error) => tell(`failed: ${error}`));
  if (message.text === 'robot, go') go().catch((error) => tell(`failed: ${error}`));
});
room.addEventListener('members', ({ detail }) => {
  const [first]: Member[] = detail;
  if (first !== undefined && typeof first.web !== 'boolean') tell('failed: a member is of the web, or not');
});
room.addEventListener('presence', ({ detail }) => {
  const presence: Presence = detail;
  if (presence.robot?.typing !== undefined) tell('typing');
});
room.addEventListener('reset', ({ detail }) => tell(`reset: ${detail.reason}`));
room.addEventListener('sign', ({ detail }) => {
  const sign: Sign = detail.sign;
  if (detail.gone || (sign === 'closed') !== (room.sign === 'closed')) tell('failed: a sign is what it says');
});

await room.open();
await room.join();
const page: Page = await room.history({ limit: 5 });
const older = await room.history({ before: page.messages[0]?.id, limit: 1 });
if (older.room !== 'General' || page.messages.length !== 5) tell('failed: five messages, and one before them');
await room.mark({ typing: true, idle: false, read: page.next });
await until(() => room.members?.some(({ name, web }) => name === 'robot' && web) === true && 'robot' in room.presence);
tell(`${room.sign}: ${room.name} as ${room.user}, there: ${!room.gone && room.position !== null && server.base.pathname === '/'}`);

async function beep(asked: Message): Promise<void> {
  const said = await room.send('beep');
  const again = await room.send('beep', asked.id);
  const found: Found = await room.search('robot beep');
  tell(`found: ${found.messages.find(({ from }) => from === 'mira')?.text}`);
  tell(`once: ${said.id === again.id && found.next === null}`);
}

async function go(): Promise<void> {
  const nowhere = new Room('Nowhere', { server });
  await nowhere.send('hello?').catch((problem) => {
    if (problem instanceof Problem) tell(`nowhere: ${problem.status}${problem.isPassing ? ', for now' : ''}`);
  });
  await room.leave();
  room.close();
  tell(room.sign);
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise<unknown>((resolve) => room.addEventListener('presence', resolve, { once: true }));
}

/** Never called: what the types do not allow. */
export function mistakes(): void {
  // @ts-expect-error A message is text.
  void room.send(5);
  // @ts-expect-error There is no such event.
  room.addEventListener('massage', () => {});
  // @ts-expect-error Whether somebody types is yes or no.
  void room.mark({ typing: 'yes' });
  // @ts-expect-error It is told, not set.
  room.user = 'somebody else';
  // @ts-expect-error Who is here may not be known.
  room.members.length;
}
