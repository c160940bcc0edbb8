"""The PDF and the archive of a small site: sheets, bookmarks, links, files."""

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from helpers import paths
from helpers.offline import __main__ as command
from helpers.offline import archive, pdf
from helpers.settings import Refused

STATIC = paths.root() / "book" / "_static"
PAGE = """<!doctype html><html lang="en" data-theme="dark"><head><meta charset="utf-8">
<title>{title} - Book</title><link rel="stylesheet" href="{up}_static/print.css">
<script src="{up}_static/print.js"></script></head><body><main class="bd-main">
<div class="bd-content"><article><section id="top"><h1>{title}<a class="headerlink"
href="#top">#</a></h1>{body}</section></article></div></main></body></html>"""
NEXT = '<p style="break-after: page">word</p>'  # a new sheet
PAGES = {
    "index": ("A book", f"<p>Hello.</p>{archive.MARK}"),
    "parts/first": (
        "First & foremost",
        f'<section id="one"><h2>One <i>idea</i></h2>{NEXT}</section>'
        '<section id="two"><h2>Two</h2><details><summary>more</summary>hidden'
        '</details><p><a href="second.html#end">end</a> <a href="#one">one</a> '
        '<a href="../_modules/x.html">code</a> <a href="https://e.org/x">out</a></p>'
        "</section>",
    ),
    "parts/second": ("Second", f'{NEXT}<p id="end">the end</p>'),
    "_modules/x": ("Code", ""),
}
CONTENTS = """
root: index
parts:
  - caption: The part
    chapters:
      - file: parts/first
        sections:
          - file: parts/second
"""


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """A site of four pages, and contents that list three."""
    folder = tmp_path / "site"
    (folder / "_static").mkdir(parents=True)
    for name in ("print.css", "print.js"):
        (folder / "_static" / name).write_bytes((STATIC / name).read_bytes())
    for name, (title, body) in PAGES.items():
        file = folder / f"{name}.html"
        file.parent.mkdir(exist_ok=True)
        text = PAGE.format(title=title, body=body, up="../" * name.count("/"))
        file.write_text(text.replace(" & ", " &amp; "), "utf-8")
    contents = tmp_path / "toc.yml"
    contents.write_text(CONTENTS)
    return folder, contents


def bookmarks(sheets: PdfReader) -> list[tuple[int, str, int]]:
    """Depth, title and page number of each bookmark."""

    def below(items: Any, depth: int) -> Any:
        for one in items:
            if isinstance(one, list):
                yield from below(one, depth + 1)
            else:
                number = sheets.get_destination_page_number(one)
                yield depth, one.title, number + 1

    return list(below(sheets.outline, 0))


def links(sheet: Any) -> list[Any]:
    return [one.get_object() for one in sheet.annotations or ()]


@pytest.mark.browser
def test_the_book_is_one_pdf(browser: Any, made: tuple[Path, Path]) -> None:
    folder, contents = made
    target = folder / "book.pdf"
    assert pdf.book(browser, folder, contents, target) == 6
    sheets = PdfReader(target)
    texts = [sheet.extract_text() for sheet in sheets.pages]
    assert bookmarks(sheets) == [
        (0, "A book", 2),
        (0, "The part", 3),
        (1, "First & foremost", 3),
        (2, "One idea", 3),
        (2, "Two", 4),
        (1, "Second", 5),
    ]
    for words in ("The part", "First & foremost", "Second"):
        assert words in texts[0]  # the contents
    numbers = [[w for w in text.split() if w.isdigit()] for text in texts[1:]]
    assert numbers == [["2"], ["3"], ["4"], ["5"], ["6"]]
    assert "hidden" in texts[3]  # what a reader unfolds
    assert "the end" in texts[5]
    assert sheets.metadata is not None
    assert sheets.metadata.title == "A book"

    opening = [one["/Dest"][0].get_object() for one in links(sheets.pages[0])]
    assert opening == [sheets.pages[n] for n in (1, 2, 4)]
    end, one, out = links(sheets.pages[3])  # and none to the code
    assert end["/Dest"][0].get_object() == sheets.pages[5]
    assert one["/Dest"][0].get_object() == sheets.pages[2]
    assert out["/A"]["/URI"] == "https://e.org/x"
    assert str(folder) not in target.read_bytes().decode("latin-1")


@pytest.mark.browser
def test_paper_is_light_and_unfolded_and_the_screen_as_before(
    browser: Any, made: tuple[Path, Path]
) -> None:
    tab = browser.new_page(color_scheme="dark")
    tab.goto((made[0] / "parts" / "first.html").as_uri())
    folded = "document.querySelector('details').open"
    state = f"[document.documentElement.dataset.theme, {folded}]"
    seen = [
        tab.evaluate(f"(dispatchEvent(new Event('{event}')), {state})")
        for event in ("beforeprint", "afterprint")
    ]
    assert seen == [["light", True], ["dark", False]]
    tab.close()


def test_an_archive_is_the_site_alone_and_always_the_same(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, _ = made
    (folder / archive.FOLDER).mkdir()
    (folder / archive.FOLDER / "book.pdf").write_text("x")
    (folder / ".buildinfo").write_text("where it was built")
    first, again = tmp_path / "book.zip", tmp_path / "two" / "book.zip"
    again.parent.mkdir()
    count = archive.archive(folder, first)
    for file in folder.rglob("*.html"):
        os.utime(file, (1, 1))
        file.chmod(0o600)
    archive.archive(folder, again)
    assert first.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(first) as whole:
        names = whole.namelist()
        assert whole.testzip() is None
        whole.extractall(tmp_path / "there")
    assert names == sorted(names)
    expected = {*(f"book/{name}.html" for name in PAGES), "book/_static/print.css"}
    assert set(names) == expected | {"book/_static/print.js"}
    assert len(names) == count
    for name in names:
        unpacked = (tmp_path / "there" / name).read_bytes()
        assert unpacked == (folder / name.removeprefix("book/")).read_bytes()


@pytest.mark.browser
def test_the_front_page_links_both_and_neither_holds_the_links(
    browser: Any, made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, contents = made
    for _ in range(2):  # what is made again takes the place of what was
        made_by_hand(folder, contents, browser)
    front = (folder / "index.html").read_text("utf-8")
    assert front.count('href="download/does-language-explain.pdf"') == 1
    assert front.count('href="download/does-language-explain.zip"') == 1
    assert front.count("(0 MB)") == 2
    with zipfile.ZipFile(folder / "download" / "does-language-explain.zip") as whole:
        inside = whole.read("does-language-explain/index.html").decode()
    assert archive.MARK in inside
    assert "download/" not in inside
    sheets = PdfReader(folder / "download" / "does-language-explain.pdf")
    assert "take along" not in sheets.pages[1].extract_text()
    assert len(capsys.readouterr().out.splitlines()) == 4


def made_by_hand(folder: Path, contents: Path, browser: Any) -> None:
    """`command.make`, but for the browser: two in one process cannot be."""
    from contextlib import nullcontext
    from unittest.mock import patch

    with patch.object(command, "started", lambda: nullcontext(browser)):
        command.make(folder, contents)


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert command.main(arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_without_a_site_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal([str(tmp_path)], capsys)
    assert f"no site in '{tmp_path}': run `make book` first" in said
    assert list(tmp_path.iterdir()) == []


def test_a_front_page_without_a_place_for_links_is_refused(
    made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, contents = made
    (folder / "index.html").write_text("<h1>A book</h1>")
    said = refusal([str(folder), "--contents", str(contents)], capsys)
    assert archive.MARK in said
    assert not (folder / archive.FOLDER).exists()


def test_the_books_front_page_has_that_place() -> None:
    text = (paths.root() / "book" / "index.md").read_text("utf-8")
    assert text.count(f"\n\n{archive.MARK}\n\n") == 1


@pytest.mark.browser
def test_contents_that_the_site_lacks_are_refused(
    browser: Any, made: tuple[Path, Path]
) -> None:
    folder, contents = made
    contents.write_text(CONTENTS.replace("second", "third"))
    with pytest.raises(Refused, match=r"'parts/third' .* build it again"):
        pdf.book(browser, folder, contents, folder / "book.pdf")
    with pytest.raises(Refused, match="no table of contents at"):
        pdf.places(contents.with_name("other.yml"))


@pytest.mark.parametrize("name", ["no-such-browser", "true"])
def test_without_a_browser_one_line_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import subprocess
    import sys

    front = tmp_path / "index.html"
    front.write_text(archive.MARK)
    monkeypatch.setenv("BROWSER_PATH", name)
    # In a process of its own: this one may hold a browser already.
    done = subprocess.run(
        [sys.executable, "-m", "helpers.offline", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "BROWSER_PATH" in done.stderr
    assert name in done.stderr
    assert done.stderr.count("\n") == 1
    assert front.read_text() == archive.MARK  # no link to what is not there
