"""One PDF and one archive of the built book: `python -m helpers.offline [SITE]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers import paths
from helpers.offline import archive, pdf
from helpers.offline.browser import started
from helpers.settings import Refused

NAME = "does-language-explain"


def make(site: Path, contents: Path) -> None:
    """Make both files and link them from the front page.

    Raises `Refused` where there is no site, no browser, or no place for the links.
    """
    front = site / "index.html"
    if not front.is_file():
        raise Refused(f"no site in '{site}': run `make book` first")
    archive.require_place(front)
    folder = site / archive.FOLDER
    printed, packed = folder / f"{NAME}.pdf", folder / f"{NAME}.zip"
    with started() as browser:
        archive.link(front, {})  # neither paper nor archive links to itself
        folder.mkdir(exist_ok=True)
        files = archive.archive(site, packed)
        say(packed, f"{files} files")
        sheets = pdf.book(browser, site, contents, printed)
        say(printed, f"{sheets} pages")
    texts = ("the book as PDF", "this site as an archive, to read without a network")
    archive.link(front, dict(zip(texts, (printed, packed), strict=True)))


def say(file: Path, holds: str) -> None:
    """Print what a file holds and how big it is."""
    print(f"{file}: {holds}, {file.stat().st_size / 1e6:.1f} MB", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; a refusal is one line."""
    given = parser().parse_args(arguments)
    try:
        make(given.site, given.contents)
    except Refused as refusal:
        print(f"helpers.offline: {refusal}", file=sys.stderr)
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        prog="python -m helpers.offline",
        description="Print the built book as one PDF and pack it as one archive.",
    )
    site, contents = paths.root() / "_build/html", paths.root() / "book/_toc.yml"
    found.add_argument("site", nargs="?", type=Path, default=site, metavar="SITE")
    found.add_argument("--contents", type=Path, default=contents, metavar="FILE")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
