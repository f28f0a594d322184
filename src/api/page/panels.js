// On a narrow screen the lists beside the messages are drawers: one open at a time, closed by Escape or a tap outside.

const openers = [...document.querySelectorAll('.opener')];
const panelOf = (opener) => document.getElementById(opener.getAttribute('aria-controls'));

for (const opener of openers) {
  opener.addEventListener('click', () => {
    const open = opener.getAttribute('aria-expanded') === 'false';
    closePanels();
    if (open) show(opener, true);
  });
}

document.addEventListener('keydown', (event) => {
  const opener = openers.find((each) => each.getAttribute('aria-expanded') === 'true');
  if (event.key !== 'Escape' || opener === undefined) return;
  closePanels();
  opener.focus();
});

document.addEventListener('click', (event) => {
  if (!event.target.closest('.panel, .opener')) closePanels();
});

export function closePanels() {
  for (const opener of openers) show(opener, false);
}

function show(opener, open) {
  opener.setAttribute('aria-expanded', String(open));
  panelOf(opener).classList.toggle('open', open);
  if (open) panelOf(opener).querySelector('a, input')?.focus();
}
