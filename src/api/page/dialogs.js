// What is asked in a window of its own.

import { isName } from './self.js';

/** Opens a dialog; resolves to its form's value for `name`, or null where it was dismissed. */
function ask(dialog, check) {
  const form = dialog.querySelector('form');
  const error = dialog.querySelector('.error');
  form.reset();
  error.textContent = '';
  dialog.showModal();
  return new Promise((resolve) => {
    const closing = new AbortController();
    const { signal } = closing;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const value = form.elements.value.value.trim();
      const wrong = check(value);
      error.textContent = wrong ?? '';
      if (wrong !== null) return form.elements.value.focus();
      closing.abort();
      dialog.close();
      resolve(value);
    }, { signal });
    dialog.addEventListener('close', () => {
      closing.abort();
      resolve(null);
    }, { signal });
  });
}

const find = (selector) => document.querySelector(selector);

export function askForRoom() {
  return ask(find('#room-dialog'), (name) => (isName(name) ? null
    : 'The name of a room is 1 to 64 letters, digits, hyphens and underscores.'));
}

export function askToDelete(room) {
  find('#delete-dialog .room').textContent = room;
  return ask(find('#delete-dialog'), (name) => (name === room ? null : `To delete it, write its name: ${room}`));
}

export function askForDate() {
  return ask(find('#date-dialog'), (text) => (text !== '' ? null : 'Choose a day.'));
}

// A box that had the focus before gets it back, but in Chromium without the caret: nothing could be written into it.
for (const dialog of document.querySelectorAll('dialog')) {
  dialog.addEventListener('close', () => {
    const { activeElement } = document;
    activeElement?.blur();
    activeElement?.focus();
  });
}

for (const button of document.querySelectorAll('dialog .dismiss')) {
  button.addEventListener('click', () => button.closest('dialog').close());
}
