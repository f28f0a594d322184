// The small sign before a name: its first letter, in a colour that stays with the name.

export function badge(name) {
  const sign = document.createElement('span');
  sign.className = 'badge';
  sign.setAttribute('aria-hidden', 'true');
  sign.textContent = name.slice(0, 1).toUpperCase();
  colour(sign, name);
  return sign;
}

/** Lightness and strength are the style sheet's, so that every hue reads well on its ground. */
export function colour(element, name) {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) % 3_600;
  element.style.setProperty('--hue', hash * 137.5 % 360);
}
