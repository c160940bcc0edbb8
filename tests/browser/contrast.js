// Text whose contrast to what lies behind it is under WCAG's AA: 4.5, large text 3.
// A tenth of the time of axe's own rule, which is therefore off.
() => {
  const found = [], theme = document.documentElement.dataset.theme;
  // [red, green, blue, alpha], the first three from 0 to 255.
  const rgba = (text) => {
    const numbers = text.match(/-?[\d.]+(e-?\d+)?/g)?.map(Number) ?? [];
    const scale = text.startsWith("color(srgb") ? 255 : 1;
    const [r, g, b, a = 1] = numbers;
    return [r * scale, g * scale, b * scale, a];
  };
  const over = ([r, g, b, a], [R, G, B]) =>
    [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const light = ([r, g, b]) => [r, g, b]
    .map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = new Map();
  const back = (box) => {
    if (!box) return [255, 255, 255, 1];
    if (!behind.has(box)) {
      const own = rgba(getComputedStyle(box).backgroundColor);
      behind.set(box, own[3] === 1 ? own : over(own, back(box.parentElement)));
    }
    return behind.get(box);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!/[\p{L}\p{N}]/u.test(node.textContent) || !parent.checkVisibility()) continue;
    if (parent.closest("svg, script, style, mjx-container")) continue;
    const style = getComputedStyle(parent), ground = back(parent);
    const [low, high] = [light(over(rgba(style.color), ground)), light(ground)]
      .sort((a, b) => a - b);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < (large ? 3 : 4.5))
      found.push(`${theme}, ${ratio.toFixed(1)}: ${node.textContent.trim().slice(0, 80)}`);
  }
  return found;
}
