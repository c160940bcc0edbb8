"""A browser without a window: Chromium, Chrome or Edge of this machine."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Error, Playwright, sync_playwright

from helpers.settings import Refused

VARIABLE = "BROWSER_PATH"
NAMES = ("chromium", "chromium-browser", "google-chrome", "msedge", "microsoft-edge")
# What a browser would fetch by itself.
OFF = ("background-networking", "component-update", "sync", "default-apps")
# Resolves when the formulas and the pictures of a page, the lazy ones too, are there.
READY = """
async () => {
  await window.MathJax?.startup?.promise;
  const images = [...document.images];
  images.forEach((image) => (image.loading = "eager"));
  await Promise.all(images.map((image) => image.decode().catch(() => 0)));
}
"""


def find(playwright: Playwright) -> str | None:
    """Return the browser that `BROWSER_PATH` names, or one found here, or None."""
    named = os.environ.get(VARIABLE)
    names = [named] if named else [*NAMES, playwright.chromium.executable_path]
    return next((path for path in map(shutil.which, names) if path), None)


def launch(playwright: Playwright, path: str) -> Browser:
    """Start the browser at a path; raises `Refused` where it does not start."""
    flags = [f"--disable-{name}" for name in OFF]
    try:
        return playwright.chromium.launch(executable_path=path, args=flags)
    except Error as error:
        reason = str(error).splitlines()[0]
        raise Refused(
            f"the browser {path} does not start ({reason}): name another in {VARIABLE}"
        ) from None


@contextmanager
def started() -> Iterator[Browser]:
    """Start a browser for a while; raises `Refused` where there is none."""
    with sync_playwright() as playwright:
        path = find(playwright)
        if path is None:
            named = os.environ.get(VARIABLE)
            what = f"'{named}' is no program" if named else "no browser was found"
            raise Refused(
                f"{what}: install Chromium, Chrome or Edge, or name one in {VARIABLE}"
            )
        browser = launch(playwright, path)
        try:
            yield browser
        finally:
            browser.close()
