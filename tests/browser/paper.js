// What is wider than the sheet when the page is printed; print.js unfolds it first.
() => {
  dispatchEvent(new Event("beforeprint"));
  const width = document.documentElement.clientWidth, found = [];
  for (const node of document.querySelectorAll("article :is(table, pre, img, svg, p, li, dt, figure)")) {
    const over = node.getBoundingClientRect().right - width;
    if (over > 1 && node.checkVisibility())
      found.push(`${node.tagName}, ${Math.round(over)} px: ${(node.textContent || "").trim().slice(0, 60)}`);
  }
  dispatchEvent(new Event("afterprint"));
  return found;
}
