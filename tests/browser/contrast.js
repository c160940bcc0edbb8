// Text whose contrast to what lies behind it is under 3, as WCAG asks of large text.
(theme) => {
  const root = document.documentElement, before = root.dataset.theme, found = [];
  root.dataset.theme = theme;
  const rgba = (text) => (/^rgba?\((.*)\)$/.exec(text)?.[1].split(",") ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const walker = document.createTreeWalker(
    document.querySelector("article") || document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!/[\p{L}\p{N}]/u.test(node.textContent) || !parent.checkVisibility()) continue;
    if (parent.closest("svg, script, style, mjx-container")) continue;
    let box = parent, back = [];
    while (box && !((back = rgba(getComputedStyle(box).backgroundColor))[3] !== 0))
      box = box.parentElement;
    const text = rgba(getComputedStyle(parent).color);
    if (text.length < 3 || back.length !== 3) continue;
    const [low, high] = [light(text), light(back)].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 3)
      found.push(theme + ": " + node.textContent.trim().slice(0, 80));
  }
  root.dataset.theme = before;
  return found;
}
