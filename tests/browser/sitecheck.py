"""Open every page of a built site in a browser, and say what is wrong with it.

Every request to another place than the site is refused and reported. Faults are
plain tuples (page, kind, detail), so that a test prints them as they are. As a
program: `python tests/browser/sitecheck.py _build/html`.
"""

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlparse

from playwright.sync_api import Browser, Page, Playwright

BROWSERS = ["chromium", "chromium-browser", "google-chrome", "msedge", "microsoft-edge"]
FLAGS = ["background-networking", "component-update", "sync", "default-apps"]
WIDTHS = {1280: 900, 390: 844}  # a laptop and a phone, in CSS pixels
SETTLE = 100  # milliseconds for what a page asks for after it is there

LOOK = Path(__file__).with_name("look.js").read_text("utf8")
CONTRAST = Path(__file__).with_name("contrast.js").read_text("utf8")
# Resolves when formulas and pictures, the lazy ones too, are there.
READY = """
async () => {
  await window.MathJax?.startup?.promise;
  const images = [...document.images];
  images.forEach((image) => (image.loading = "eager"));
  await Promise.all(images.map((image) => image.decode().catch(() => 0)));
}
"""


class Fault(NamedTuple):
    page: str
    kind: str
    detail: str


def find_browser(playwright: Playwright) -> str | None:
    """A Chromium of this machine, or the one that playwright installed, or None."""
    named = os.environ.get("BROWSER_PATH")
    bundled = playwright.chromium.executable_path
    found = (shutil.which(name) for name in [named, *BROWSERS, bundled] if name)
    return next((path for path in found if path), None)


def launch(playwright: Playwright, path: str) -> Browser:
    flags = [f"--disable-{flag}" for flag in FLAGS]
    return playwright.chromium.launch(executable_path=path, args=flags)


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
def watched(browser: Browser, base: str) -> Iterator[tuple[Page, list[Fault]]]:
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

    context = browser.new_context(service_workers="block")
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


def check_pages(browser: Browser, base: str, names: list[str]) -> list[Fault]:
    """Open pages at both widths and return all faults, each once."""
    with watched(browser, base) as (tab, faults):
        for name in names:
            for width, height in WIDTHS.items():
                tab.set_viewport_size({"width": width, "height": height})
                if width == max(WIDTHS):
                    tab.goto(f"{base}/{name}")
                    tab.evaluate(READY)
                    tab.wait_for_timeout(SETTLE)
                    for theme in ("light", "dark"):
                        for text in tab.evaluate(CONTRAST, theme):
                            faults.append(Fault(name, "text hard to read", text))
                for kind, detail in tab.evaluate(LOOK, width == max(WIDTHS)):
                    faults.append(Fault(name, kind, detail))
        return list(dict.fromkeys(faults))


class _Links(HTMLParser):
    """The addresses and the anchors of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in {"href", "src"}:
                self.links.add(value)
            if value and (name == "id" or (tag == "a" and name == "name")):
                self.anchors.add(value)


def check_links(site: Path) -> list[Fault]:
    """Every link inside the site leads to a file, and to an anchor that it has."""
    parsed = {name: _Links((site / name).read_text("utf8")) for name in pages(site)}
    faults = []
    for page, content in parsed.items():
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


def check_site(browser: Browser, site: Path, scheme: str) -> list[Fault]:
    with address(site, scheme) as base:
        return check_pages(browser, base, pages(site))


if __name__ == "__main__":
    from playwright.sync_api import sync_playwright

    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "_build/html")
    with sync_playwright() as driver:
        path = find_browser(driver) or sys.exit("no Chromium found")
        chromium = launch(driver, path)
        faults = check_links(folder)
        for kind in ("http", "file"):
            faults += check_site(chromium, folder, kind)
        chromium.close()
    print(*(" | ".join(fault) for fault in faults), sep="\n")
    sys.exit(bool(faults))
