// The one place where the page speaks to the person, in whole sentences.

const line = document.querySelector('#notice');

export function notice(sentence) {
  line.textContent = sentence;
}

export function clearNotice() {
  line.textContent = '';
}

/** Why something failed, as a sentence. */
export function reason(problem) {
  switch (problem.status) {
    case 0: return 'The server did not answer.';
    case 403: return problem.detail || problem.message || 'The server does not allow it.';
    case 404: return 'This room does not exist.';
    case 405: return 'The server does not allow it.';
    case 410: return 'The log is another one now.';
    case 413: return 'It is too long.';
    case 502: return 'What answered is not chatroom, or chatroom is not running.';
    case 503: return 'The server is busy; try again in a moment.';
    case 507: return 'The server’s disk is full.';
    default: return problem.detail || problem.message || `The server answered with an error (${problem.status}).`;
  }
}
