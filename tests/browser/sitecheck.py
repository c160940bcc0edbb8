"""Open every page of a built site in a browser, and say what is wrong with it.

Every request to another place than the site is refused and reported. Faults are
plain tuples (page, kind, detail), so that a test prints them as they are. As a
program: `python tests/browser/sitecheck.py _build/html`.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlparse

from playwright.sync_api import Browser, Page

from helpers.offline.browser import READY

SETTLE = 100  # milliseconds for what a page asks for after it is there
PAPER = 665  # CSS pixels of a sheet of A4 between its margins
LISTINGS = "_modules/helpers"  # the code of each module: one template, plain text


def script(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf8")


LOOK, CONTRAST, AXE, PRINT = map(
    script, ("look.js", "contrast.js", "axe.js", "paper.js")
)
LIBRARY = (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf8")
# What axe says of markup that is not ours: rule, place, whose markup it is.
ACCEPTED = (
    ("region", ".bd-sidebar-primary", "theme: its logo stands outside a landmark"),
    ("summary-name", ".bd-sidebar-primary", "theme: its arrows have no name"),
    ("aria-required-children", ".citation-list", "docutils: a list without items"),
    ("aria-allowed-role", ".citation", "docutils: doc-biblioentry on a div"),
    ("aria-deprecated-role", ".citation", "docutils: doc-biblioentry"),
)
# What axe sees as plain text, for its thousands of nodes cost most of the time, and in
# signatures Sphinx writes dd without dt: code, and what MathJax drew.
FLAT = "dt.sig, .highlight pre, mjx-container"
DOUBLED = {"exercise-content", "solution-content"}  # by sphinx-exercise, linked nowhere


class Pass(NamedTuple):
    """One way to read the site."""

    scheme: str
    width: int
    height: int
    theme: str
    axe: bool
    prints: bool


PASSES = {
    "desktop": Pass("http", 1280, 900, "light", axe=True, prints=False),
    "phone": Pass("http", 390, 844, "dark", axe=True, prints=False),
    "disk": Pass("file", 1280, 900, "light", axe=False, prints=True),
}


class Fault(NamedTuple):
    page: str
    kind: str
    detail: str


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def address(site: Path, scheme: str) -> Iterator[str]:
    """The address of the site's folder: served on a free port, or on the disk."""
    if scheme == "file":
        yield site.resolve().as_uri()
        return
    handler = partial(_Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def pages(site: Path) -> list[str]:
    """Every page of the site, without the parts of the theme."""
    found = (path.relative_to(site) for path in site.rglob("*.html"))
    return sorted(path.as_posix() for path in found if path.parts[0] != "_static")


@contextmanager
def watched(
    browser: Browser, base: str, **options: Any
) -> Iterator[tuple[Page, list[Fault]]]:
    """A page that reaches nothing but the site, and the list of what went wrong."""
    faults: list[Fault] = []

    def add(kind: str, detail: object) -> None:
        faults.append(Fault(tab.url.removeprefix(base + "/"), kind, str(detail)[:300]))

    def guard(route: Any) -> None:
        if route.request.url.startswith((base + "/", "data:", "blob:")):
            route.continue_()
        else:
            add("external request", route.request.url)
            route.abort()

    context = browser.new_context(service_workers="block", **options)
    context.route("**/*", guard)
    tab = context.new_page()
    tab.on("console", lambda m: m.type == "error" and add("console error", m.text))
    tab.on("pageerror", lambda error: add("page error", error))
    tab.on("requestfailed", lambda request: add("failed request", request.url))
    tab.on("response", lambda r: r.status >= 400 and add("failed request", r.url))
    try:
        yield tab, faults
    finally:
        context.close()


def check_pages(
    browser: Browser, base: str, names: Sequence[str], way: Pass
) -> list[Fault]:
    """Open pages in one way of reading and return all faults, each once."""
    size = {"width": way.width, "height": way.height}
    laptop = way.width > 1000
    with watched(browser, base, viewport=size, color_scheme=way.theme) as (tab, faults):
        for name in names:
            tab.goto(f"{base}/{name}")
            tab.evaluate(READY)
            tab.wait_for_timeout(SETTLE)
            found = [tuple(one) for one in tab.evaluate(LOOK, laptop)]
            found += [("text hard to read", x) for x in tab.evaluate(CONTRAST)]
            if way.axe:
                tab.evaluate(LIBRARY)
                given = [[one[:2] for one in ACCEPTED], FLAT]
                found += [("axe", x) for x in tab.evaluate(AXE, given)]
            if way.prints and not name.startswith(LISTINGS):
                tab.emulate_media(media="print")
                tab.set_viewport_size({"width": PAPER, "height": way.height})
                found += [("cut off on paper", x) for x in tab.evaluate(PRINT)]
                tab.emulate_media(media="screen")
                tab.set_viewport_size(size)
            faults += [Fault(name, kind, detail) for kind, detail in found]
        return list(dict.fromkeys(faults))


class _Links(HTMLParser):
    """The addresses and the anchors of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.doubled: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in {"href", "src"}:
                self.links.add(value)
            if value and name == "id" and value in self.anchors:
                self.doubled.add(value)
            if value and (name == "id" or (tag == "a" and name == "name")):
                self.anchors.add(value)


def check_links(site: Path) -> list[Fault]:
    """Every link inside the site leads to a file, and to one anchor that it has."""
    parsed = {name: _Links((site / name).read_text("utf8")) for name in pages(site)}
    faults: list[Fault] = []
    for page, content in parsed.items():
        doubled = content.doubled - DOUBLED
        faults += [Fault(page, "doubled anchor", x) for x in sorted(doubled)]
        for link in sorted(content.links):
            target, anchor = urldefrag(unquote(urljoin(page, link)))
            if urlparse(link).scheme or link.startswith("//"):
                continue
            target = urlparse(target).path or page
            if not (site / target).is_file():
                faults.append(Fault(page, "dead link", link))
            elif anchor and target in parsed and anchor not in parsed[target].anchors:
                faults.append(Fault(page, "dead anchor", link))
    return faults


def check_site(browser: Browser, site: Path, way: Pass) -> list[Fault]:
    """Read every page in one way; of the listings of code, which are alike, a few."""
    names = pages(site)
    listings = [name for name in names if name.startswith(LISTINGS)]
    left = set(listings) - set(listings[::8] if way.prints else [])
    with address(site, way.scheme) as base:
        kept = [name for name in names if name not in left]
        return check_pages(browser, base, kept, way)


if __name__ == "__main__":
    from helpers.offline.browser import started

    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "_build/html")
    faults = check_links(folder)
    with started() as chromium:
        for one in PASSES.values():
            faults += check_site(chromium, folder, one)
    print(*(" | ".join(fault) for fault in faults), sep="\n")
    sys.exit(bool(faults))
