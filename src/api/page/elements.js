// Making elements, and the few small ones that are in several places. What is given as text stays text.

export function element(tag, attributes = {}, ...content) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'class') made.className = value;
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...content);
  return made;
}

/** One of the icons that index.html has. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** The small sign before a name: its first letter, in a colour that stays with the name. */
export function badge(name) {
  const sign = element('span', { class: 'badge', 'aria-hidden': 'true' }, name.slice(0, 1).toUpperCase());
  colour(sign, name);
  return sign;
}

/** Lightness and strength are the style sheet's, so that every hue reads well on its ground. */
export function colour(shown, name) {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) % 3_600;
  shown.style.setProperty('--hue', hash * 137.5 % 360);
}
