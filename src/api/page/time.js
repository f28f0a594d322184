// Times in words, in the reader's language and time zone.

/** Making one takes a slow phone long: only when it is needed. */
function lazy(make) {
  let made;
  return () => (made ??= make());
}

const format = (options) => lazy(() => new Intl.DateTimeFormat(undefined, options));
const clock = format({ timeStyle: 'short' });
const full = format({ dateStyle: 'full', timeStyle: 'long' });
const short = format({ dateStyle: 'medium', timeStyle: 'short' });
const dayOfThisYear = format({ weekday: 'long', day: 'numeric', month: 'long' });
const dayOfAnyYear = format({ dateStyle: 'full' });
const relative = lazy(() => new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' }));

/** The moment of a message, or null where its line had none. */
export function moment(message) {
  const date = new Date(message.time ?? NaN);
  return Number.isNaN(date.getTime()) ? null : date;
}

export const timeOfDay = (date) => clock().format(date);
export const fullTime = (date) => full().format(date);
export const shortTime = (date) => short().format(date);
export const sameDay = (a, b) => a.toDateString() === b.toDateString();

export function dayName(date) {
  const now = new Date();
  if (sameDay(date, now)) return capital(relative().format(0, 'day'));
  if (sameDay(date, new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1))) return capital(relative().format(-1, 'day'));
  return (date.getFullYear() === now.getFullYear() ? dayOfThisYear() : dayOfAnyYear()).format(date);
}

const capital = (words) => words[0].toLocaleUpperCase() + words.slice(1);
