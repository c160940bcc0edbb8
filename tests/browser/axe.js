// What axe finds on the page beside pairs [rule, place] that are accepted, as lines.
// Their contrast is left to contrast.js. The page is spoilt by it.
async ([accepted, flat]) => {
  for (const node of document.querySelectorAll(flat)) node.textContent = node.textContent;
  const found = await axe.run({
    resultTypes: ["violations"],
    preload: false,
    rules: { "color-contrast": { enabled: false } },
  });
  const lines = [];
  for (const { id, impact, help, nodes } of found.violations)
    for (const { target, html } of nodes) {
      const node = document.querySelector(target[0]);
      if (!accepted.some(([rule, place]) => rule === id && node?.closest(place)))
        lines.push(`${id} (${impact}), ${help}: ${html.slice(0, 120)}`);
    }
  return lines;
}
