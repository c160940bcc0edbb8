"""The whole book as one PDF: every page of the contents, printed and joined.

A browser prints each page of the built site as it would for a reader: `print.css` and
`print.js` of the site say how a page looks on paper. The prints are joined in the order
of the contents. Page numbers run on, the contents stand in front, a bookmark leads to
each page and to its sections, and a link to another page of the book stays in the book.
"""

import html
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Browser, Page
from pypdf import PdfReader

from helpers.offline.browser import READY
from helpers.offline.joining import Place, Print, joined, read
from helpers.settings import Refused

PATIENCE = 180_000  # milliseconds for one page

# Title, and sections as pairs [anchor, heading]. Chromium keeps the places only of
# anchors to which a page itself links: a link to each is added, without any text.
HEADINGS = """
() => {
  const text = (node) => [...node.childNodes]
    .filter((one) => !one.classList?.contains("headerlink"))
    .map((one) => one.textContent).join("").replace(/\\s+/g, " ").trim();
  const links = document.createElement("div");
  for (const node of document.querySelectorAll("article [id]")) {
    if (node.closest("mjx-container, svg")) continue;
    const link = document.createElement("a");
    link.href = "#" + encodeURIComponent(node.id);
    links.append(link);
  }
  document.body.append(links);
  const sections = [...document.querySelectorAll("article section[id] > h2")];
  return [
    text(document.querySelector("article h1") ?? document.querySelector("title")),
    sections.map((node) => [node.parentElement.id, text(node)]),
  ];
}
"""
CONTENTS = """<!doctype html><html lang="en"><meta charset="utf-8"><style>
@page {{ margin: 18mm 17mm; size: A4 }}
body {{ font: 9.5pt/1.35 sans-serif }}
h1 {{ font-size: 20pt; font-weight: 500; margin: 0 0 8mm }}
h2 {{ font-size: 10pt; margin: 3mm 0 0 }}
a {{ color: inherit; display: flex; justify-content: space-between;
     text-decoration: none }}
a.below {{ padding-left: 5mm }}
</style><h1>{title}</h1>{rows}</html>"""


def places(contents: Path) -> list[Place]:
    """Return the pages that a table of contents lists, in its order.

    Raises `Refused` where the file is not there.
    """
    if not contents.is_file():
        raise Refused(f"no table of contents at '{contents}'")
    tree = yaml.safe_load(contents.read_text("utf-8"))

    def below(node: dict[str, Any], part: str, depth: int) -> Iterator[Place]:
        for one in [*node.get("chapters", []), *node.get("sections", [])]:
            yield Place(one["file"], part, depth)
            yield from below(one, part, depth + 1)

    found = [Place(tree["root"], "", 0), *below(tree, "", 0)]
    for part in tree.get("parts", []):
        found += below(part, part.get("caption", ""), 0)
    return found


def book(browser: Browser, site: Path, contents: Path, target: Path) -> int:
    """Print the pages of a site into one file; return the number of sheets.

    Raises `Refused` where the site lacks a page of the contents.
    """
    wanted = places(contents)
    for place in wanted:
        if not (site / f"{place.name}.html").is_file():
            raise Refused(
                f"'{place.name}' of the contents is not in the site '{site}': build it "
                "again with `make site`"
            )
    base = site.resolve().as_uri()
    tab = browser.new_page(color_scheme="light")
    tab.set_default_timeout(PATIENCE)
    # The numbers of the contents are known last, and as many sheets stand in front.
    draft = _contents(tab, [(place, "", place.name, 0) for place in wanted])
    prints: list[Print] = []
    first = len(draft.pages) + 1
    for place in wanted:
        prints.append(_printed(tab, f"{base}/{place.name}.html", place, first))
        first += len(prints[-1].sheets.pages)
    rows = [(one.place, one.address, one.title, one.first) for one in prints]
    writer = joined(_contents(tab, rows), prints)
    tab.close()
    beside = target.with_suffix(".writing")
    writer.write(beside)
    beside.replace(target)
    return len(writer.pages)


def _printed(tab: Page, address: str, place: Place, first: int) -> Print:
    tab.goto(address)
    tab.evaluate(READY)
    title, sections = tab.evaluate(HEADINGS)
    tab.add_style_tag(content=f"html {{ counter-reset: page {first - 1} }}")
    sheets = tab.pdf(prefer_css_page_size=True, print_background=True)
    return read(sheets, place, address, title, sections, first)


def _contents(tab: Page, rows: Sequence[tuple[Place, str, str, int]]) -> PdfReader:
    """Return the table of contents: of each page address, title and number."""
    lines, part = [], ""
    for place, address, title, number in rows:
        if place.part != part:
            part = place.part
            lines.append(f"<h2>{html.escape(part)}</h2>")
        kind = ' class="below"' if place.depth else ""
        lines.append(
            f'<a href="{html.escape(address)}"{kind}>'
            f"<span>{html.escape(title)}</span><span>{number}</span></a>"
        )
    name = html.escape(rows[0][2])
    tab.set_content(CONTENTS.format(title=name, rows="".join(lines)))
    return PdfReader(BytesIO(tab.pdf(prefer_css_page_size=True)))
