// The one place where the page speaks to the person, in whole sentences.

const line = document.querySelector('#notice');

export function notice(sentence) {
  line.textContent = sentence;
}

export function clearNotice() {
  line.textContent = '';
}
