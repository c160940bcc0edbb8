// What is wrong with the page, as pairs [kind, detail].
(laptop) => {
  const found = [], add = (kind, detail) => found.push([kind, String(detail).trim()]);
  const article = document.querySelector("article") || document.body;
  const all = (selector) => [...article.querySelectorAll(selector)];
  const start = (node) => (node.textContent || "").trim().slice(0, 80);

  for (const image of document.images) {
    if (!(image.complete && image.naturalWidth)) add("broken image", image.src);
  }
  for (const image of all("img")) {
    if (!(image.alt || "").trim()) add("no alt text", image.getAttribute("src"));
  }

  for (const formula of all(".math")) {
    const drawn = formula.querySelector("mjx-container svg");
    if (!drawn) add("mathematics not rendered", start(formula));
    else if (drawn.querySelector("[data-mjx-error], [data-mml-node=merror], [fill=red]"))
      add("mathematics with an error", start(formula));
    else if (laptop && formula.matches("div") &&
             drawn.getBoundingClientRect().width > formula.clientWidth + 1)
      add("mathematics too wide", start(formula));
  }

  for (const output of all(".cell_output .stderr, .cell_output .traceback"))
    add("error output", start(output));
  for (const output of all(".cell_output")) {
    const text = /Traceback \(most recent call last\)|^\s*\w*Error: /m.exec(output.textContent);
    if (text) add("error output", text[0]);
  }
  const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  const raw = /\{\{|\}\}|\{(cite|term|ref|eq|numref|doc|glue)[:}]|^:::|\$\$|\\\(/m;
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest("pre, code, script, style, mjx-container")) continue;
    if (raw.test(node.textContent)) add("unrendered markup", start(node));
  }
  for (const node of all(".problematic, .system-message")) add("unrendered markup", start(node));

  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width + 1)
    add("page wider than the window", document.documentElement.scrollWidth - width + " px");
  const feet = document.querySelectorAll(".prev-next-area .prev-next-title *");
  for (const node of [...all("table, img, pre, svg, p, figure"), ...feet]) {
    if (node.getBoundingClientRect().right <= width + 1) continue;
    let box = node, scrolls = false;
    while ((box = box.parentElement) && box !== article)
      scrolls ||= ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
    if (!scrolls) add("content cut off", node.tagName + " " + start(node));
  }
  return found;
}
