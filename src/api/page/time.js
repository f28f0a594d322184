// Times in words, in the reader's language and time zone.

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });
const dayOfThisYear = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const dayOfAnyYear = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });

/** The moment of a message, or null where its line had none. */
export function moment(message) {
  const date = new Date(message.time ?? NaN);
  return Number.isNaN(date.getTime()) ? null : date;
}

export const timeOfDay = (date) => clock.format(date);
export const fullTime = (date) => full.format(date);
export const sameDay = (a, b) => a.toDateString() === b.toDateString();

export function dayName(date) {
  const thisYear = date.getFullYear() === new Date().getFullYear();
  return (thisYear ? dayOfThisYear : dayOfAnyYear).format(date);
}
