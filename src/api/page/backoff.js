// How long to wait before the next attempt: twice as long after each failure, up to half a minute, never exactly. Pure.

const FIRST_MS = 1_000;
export const LAST_MS = 30_000;

/** The delay after so many failures in a row; `random` is between 0 and 1. */
export function delay(failures, random = Math.random()) {
  const ceiling = Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(failures, 10));
  // At least half of it, so that a server is not asked at once by those it was too slow for.
  return ceiling * (0.5 + random / 2);
}
