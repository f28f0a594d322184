// Times in words, in the reader's language and time zone.

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });
const short = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const dayOfThisYear = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const dayOfAnyYear = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

/** The moment of a message, or null where its line had none. */
export function moment(message) {
  const date = new Date(message.time ?? NaN);
  return Number.isNaN(date.getTime()) ? null : date;
}

export const timeOfDay = (date) => clock.format(date);
export const fullTime = (date) => full.format(date);
export const shortTime = (date) => short.format(date);
export const sameDay = (a, b) => a.toDateString() === b.toDateString();

export function dayName(date) {
  const now = new Date();
  if (sameDay(date, now)) return capital(relative.format(0, 'day'));
  if (sameDay(date, new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1))) return capital(relative.format(-1, 'day'));
  return (date.getFullYear() === now.getFullYear() ? dayOfThisYear : dayOfAnyYear).format(date);
}

const capital = (words) => words[0].toLocaleUpperCase() + words.slice(1);
