// What a message says, as parts that a page can show: links, code, emphasis, mentions. Pure; nothing here is markup, and
// the parts' texts are together the whole text.

/** Beyond this a text is shown as it is. */
const LONGEST = 20_000;

const INLINE = new RegExp([
  '(?<code>`[^`\\n]+`)',
  '(?<link>https?:\\/\\/[^\\s<>"\'`]+)',
  '(?<bold>(?<![\\w*])\\*(?=\\S)[^*\\n]*[^\\s*]\\*(?![\\w*]))',
  '(?<italic>(?<![\\w_])_(?=\\S)[^_\\n]*[^\\s_]_(?![\\w_]))',
  '(?<mention>(?<![\\p{L}\\p{N}_-])@[A-Za-z0-9_-]{1,64})',
  '(?<room>(?<![\\p{L}\\p{N}_&#/-])#[A-Za-z0-9_-]{1,64})',
].join('|'), 'gu');

/** Parts: `{ type, text }`, where a type is "text", "mark" (a sign that is not shown), "code", "block", "link", "bold",
 *  "italic", "mention" or "room". */
export function partsOf(text) {
  if (text.length > LONGEST) return [{ type: 'text', text }];
  const parts = [];
  // Fenced blocks first: nothing within them means anything.
  for (const [at, piece] of text.split(/^(```[^\n]*\n[\s\S]*?^```[ \t]*$)/m).entries()) {
    if (at % 2 === 0) inline(piece, parts);
    else {
      const [, open, code, close] = /^(```[^\n]*\n)([\s\S]*?)(```[ \t]*)$/.exec(piece);
      parts.push({ type: 'mark', text: open }, { type: 'block', text: code }, { type: 'mark', text: close });
    }
  }
  return parts;
}

function inline(text, parts) {
  let end = 0;
  const plain = (to) => {
    if (to > end) parts.push({ type: 'text', text: text.slice(end, to) });
  };
  for (const match of text.matchAll(INLINE)) {
    let [found] = match;
    const type = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
    plain(match.index);
    if (type === 'link') {
      found = withoutTail(found);
      parts.push({ type, text: found });
    } else if (type === 'mention' || type === 'room') {
      parts.push({ type, text: found });
    } else {
      const mark = { type: 'mark', text: found[0] };
      parts.push(mark, { type, text: found.slice(1, -1) }, { ...mark });
    }
    end = match.index + found.length;
  }
  plain(text.length);
}

// A full stop ends the sentence, not the address; a bracket ends it where it was not opened in it.
function withoutTail(link) {
  let rest = link;
  for (;;) {
    const shorter = rest.replace(/[.,;:!?*_~'"]+$/u, '');
    const unopened = shorter.endsWith(')') && shorter.split(')').length > shorter.split('(').length;
    const next = unopened ? shorter.slice(0, -1) : shorter;
    if (next === rest) return rest;
    rest = next;
  }
}

const escaped = (name) => name.replace(/[-]/g, '\\$&');

/** Whether `text` speaks of `name`: `@name`, or to them: `name: …`. The server's `mention.rs` says the same. */
export function mentions(text, name) {
  const said = new RegExp(`(?<![\\p{L}\\p{N}_-])@${escaped(name)}(?![\\p{L}\\p{N}_-])|^${escaped(name)}[:,]`, 'iu');
  return said.test(text);
}

/** Whether a text is a few emoji and nothing else. */
export const isEmoji = (text) => /^(?:[\p{Extended_Pictographic}\p{Emoji_Component}]|\s){1,24}$/u.test(text)
  && /\p{Extended_Pictographic}/u.test(text);

/** What `/me waves` says, or null. */
export const actionOf = (text) => (text.startsWith('/me ') ? text.slice(4) : null);
