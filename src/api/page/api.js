// The server's resources as functions. Whatever goes wrong comes out as a Problem.

/** Where the server is mounted: the folder above the one this file is served from. */
export const mount = new URL('../', import.meta.url);

/** How long an answer may take before the server counts as silent. */
const PATIENCE_MS = 20_000;

/** A request that failed. Status 0: there was no answer at all. */
export class Problem extends Error {
  constructor(status, detail = '') {
    super(detail);
    this.status = status;
  }
}

const part = encodeURIComponent;

/** The address of a room: of its page, its history and its stream alike. */
export const roomAddress = (room) => new URL(`rooms/${part(room)}`, mount);

export const listAddress = () => new URL('rooms', mount);

export function streamAddress(room, user, lastEventId) {
  const address = roomAddress(room);
  address.search = new URLSearchParams({ user, last_event_id: lastEventId });
  return address;
}

/** `page` has `limit`, `before` or `after`. */
export function history(room, page) {
  const address = roomAddress(room);
  address.search = new URLSearchParams(page);
  return call('GET', address);
}

export const createRoom = (room) => call('PUT', roomAddress(room));
export const say = (room, user, text) => call('POST', roomAddress(room), { user, text });
export const join = (room, user) => call('PUT', memberAddress(room, user));
export const rename = (room, user, name) => call('PATCH', memberAddress(room, user), { name });
export const move = (room, user, other) => call('PATCH', memberAddress(room, user), { room: other });

const memberAddress = (room, user) => new URL(`rooms/${part(room)}/members/${part(user)}`, mount);

async function call(method, address, body) {
  const request = {
    method,
    headers: { Accept: 'application/json' },
    // A page and its history have one address: an answer kept by the cache could be shown as the other.
    cache: 'no-store',
    signal: AbortSignal.timeout(PATIENCE_MS),
  };
  if (body !== undefined) {
    request.headers['Content-Type'] = 'application/json';
    request.body = JSON.stringify(body);
  }

  let response, text;
  try {
    response = await fetch(address, request);
    text = await response.text();
  } catch {
    throw new Problem(0);
  }
  const answer = parsed(text);
  if (!response.ok) throw new Problem(response.status, answer?.detail ?? answer?.title);
  return answer;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
