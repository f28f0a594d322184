// Asks for the last page of the room in the address before the rest of the program is there: on a slow line it has
// come by then. It needs nothing of the rest, so it runs first.

/** So many messages come first: soon there, and more than a screen has. The others come when one goes up. */
export const FIRST_PAGE = 50;

const base = import.meta.url.slice(0, import.meta.url.lastIndexOf('/assets/') + 1);
const [, room] = location.href.startsWith(base) ? /^rooms\/([A-Za-z0-9_-]{1,64})$/.exec(
  (location.origin + location.pathname).slice(base.length)) ?? [] : [];

let page = room === undefined ? null : ask(new URL(`rooms/${room}?limit=${FIRST_PAGE}`, base));

async function ask(address) {
  try {
    // Just as index.html has it preloaded.
    const answer = await fetch(address);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** The page of `name`, once, where it was asked for and came; else null. */
export async function takeEarly(name) {
  if (name !== room) return null;
  const taken = page;
  page = null;
  return taken;
}
