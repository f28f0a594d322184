// Server-Sent Events in a text that is there whole. Pure.

/** The events of `text`: their type, data and the last id seen. */
export function eventsOf(text) {
  const events = [];
  let [type, data, id] = ['message', null, ''];
  // What comes after the last line's end is not a whole line.
  for (const line of text.split(/\r\n|\r|\n/).slice(0, -1)) {
    if (line === '') {
      if (data !== null) events.push({ type, data: data.join('\n'), id });
      [type, data] = ['message', null];
      continue;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') type = value;
    else if (field === 'data') (data ??= []).push(value);
    else if (field === 'id') id = value;
  }
  return events;
}
