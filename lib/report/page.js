// The page says everything without this; it shows what belongs to a box beside the picture, and
// finds processes in the tree.
(() => {
  'use strict';
  const panel = document.getElementById('panel');

  const choose = (svg, node) => {
    svg.classList.toggle('chosen', node !== null);
    for (const arrow of svg.querySelectorAll('.arrow'))
      arrow.classList.toggle('on', arrow.dataset.from === node || arrow.dataset.to === node);
  };

  const show = (card) => {
    panel.replaceChildren(...[...card.cloneNode(true).childNodes]);
    for (const stack of panel.querySelectorAll('details')) stack.open = true;
    panel.hidden = false;
  };

  for (const link of document.querySelectorAll('svg a')) {
    const svg = link.ownerSVGElement;
    const card = document.getElementById(link.getAttribute('href').slice(1));
    const enter = () => {
      choose(svg, link.dataset.node);
      if (card !== null) show(card);
    };
    const leave = () => choose(svg, null);
    link.addEventListener('mouseenter', enter);
    link.addEventListener('focus', enter);
    link.addEventListener('mouseleave', leave);
    link.addEventListener('blur', leave);
  }

  // "12-15 20" holds 13.
  const holds = (ranges, number) => ranges.split(' ').some((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return first <= number && number <= last;
  });

  const filter = document.getElementById('filter');
  const found = document.getElementById('found');
  const lines = [...document.querySelectorAll('.tree > li')];
  const texts = lines.map((line) => line.textContent.toLowerCase());
  const look = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter((word) => word !== '');
    let count = 0;
    lines.forEach((line, i) => {
      const fits = words.every((word) => texts[i].includes(word) ||
          (/^\d+$/.test(word) && holds(line.dataset.ids, Number(word))));
      line.hidden = !fits;
      count += fits ? 1 : 0;
    });
    found.textContent = words.length === 0 ? '' : `${count} of ${lines.length} lines`;
  };
  if (filter !== null) {
    filter.addEventListener('input', look);
    document.getElementById('find').hidden = false;
  }

  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    panel.hidden = true;
    if (filter !== null) {
      filter.value = '';
      look();
    }
  });
})();
