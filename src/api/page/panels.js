// What is beside the messages. On a narrow screen the panels are drawers: one open at a time, closed by Escape or a tap
// outside. On a wide one the search takes the members' place.

const openers = [...document.querySelectorAll('.opener')];
const panelOf = (opener) => document.getElementById(opener.getAttribute('aria-controls'));
const narrow = matchMedia('(max-width: 60rem)');

for (const opener of openers) {
  opener.addEventListener('click', () => {
    const open = opener.getAttribute('aria-expanded') === 'false';
    closePanels();
    if (open) show(opener, true);
  });
}

document.addEventListener('keydown', (event) => {
  const opener = openers.find((each) => each.getAttribute('aria-expanded') === 'true');
  if (event.key !== 'Escape' || opener === undefined || document.querySelector('dialog[open]') !== null) return;
  closePanels();
  opener.focus();
});

document.addEventListener('click', (event) => {
  if (narrow.matches && !event.target.closest('.panel, .opener, dialog')) closePanels();
});

for (const button of document.querySelectorAll('.panel .close')) {
  button.addEventListener('click', () => {
    const opener = openers.find((each) => panelOf(each) === button.closest('.panel'));
    closePanels();
    opener?.focus();
  });
}

export function closePanels() {
  for (const opener of openers) show(opener, false);
}

/** What was opened on purpose stays on a wide screen. */
export function closeDrawers() {
  if (narrow.matches) closePanels();
}

function show(opener, open) {
  opener.setAttribute('aria-expanded', String(open));
  panelOf(opener).classList.toggle('open', open);
  document.body.classList.toggle(`with-${opener.getAttribute('aria-controls')}`, open);
  if (open) panelOf(opener).querySelector('input[type=search], a, input')?.focus();
}
