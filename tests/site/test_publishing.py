"""What is published: the citation, the workflow, the size of files, the buttons."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat
import pytest
import yaml

from helpers.offline.archive import FOLDER
from helpers.offline.pdf import places

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "book.yml"
LARGE = 1_000_000  # bytes of a file
REPOSITORY = "https://github.com/who/book"


def faults(schema: str, file: Path) -> str:
    """What a schema that check-jsonschema brings along says of a file, or nothing."""
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    done = subprocess.run(
        [*words, f"vendor.{schema}", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr if done.returncode else ""


# The citation


def test_the_citation_file_is_valid(tmp_path: Path) -> None:
    file = ROOT / "CITATION.cff"
    assert faults("citation-file-format", file) == ""
    broken = tmp_path / "CITATION.cff"
    broken.write_text(re.sub(r"(?m)^title:.*\n", "", file.read_text("utf-8")))
    assert "title" in faults("citation-file-format", broken)


# The workflow


def steps(job: str) -> list[dict[str, Any]]:
    return yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"][job]["steps"]


def test_the_workflow_is_valid(tmp_path: Path) -> None:
    assert faults("github-workflows", WORKFLOW) == ""
    broken = tmp_path / "book.yml"
    broken.write_text(WORKFLOW.read_text("utf-8").replace("runs-on:", "run-on:"))
    assert "run-on" in faults("github-workflows", broken)


def test_the_workflow_executes_builds_prints_and_publishes() -> None:
    published = [step.get("uses") or step["run"] for step in steps("publish")]
    order = ["make book", "make pdf", "actions/upload-artifact", "actions/upload-pages"]
    found = [
        number
        for begin in order
        for number, what in enumerate(published)
        if what.startswith(begin)
    ]
    assert len(found) == len(order)
    assert found == sorted(found)
    given = [steps("publish")[number]["with"]["path"] for number in found[2:]]
    assert given == [f"_build/html/{FOLDER}", "_build/html"]


def test_the_workflow_calls_what_there_is() -> None:
    targets = (ROOT / "Makefile").read_text("utf-8")
    for job in ("test", "publish"):
        for step in steps(job):
            program, *words = step.get("run", "").split()[:2] or [""]
            if program == "make":
                assert re.search(rf"(?m)^[\w ]*\b{words[0]}\b[\w ]*:", targets)
            elif program == "bash":
                assert os.access(ROOT / words[0], os.X_OK)
                assert "make test" in (ROOT / words[0]).read_text("utf-8")
            else:
                assert not program


# The size of files


def large(root: Path) -> list[str]:
    """Files that git has or would take, of a megabyte or more."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no repository: files that git ignores are not told from others")
    files = [root / name for name in done.stdout.split("\0") if name]
    return [str(file) for file in files if file.is_file() and size(file) >= LARGE]


def size(file: Path) -> int:
    return file.stat().st_size


def test_no_file_is_large(tmp_path: Path) -> None:
    assert large(ROOT) == []
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "small").write_bytes(b"x")
    (tmp_path / "big").write_bytes(bytes(LARGE))
    assert large(tmp_path) == [str(tmp_path / "big")]


# The buttons


@pytest.fixture
def buttons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The addresses in our repository, of each page of a site with the book's names."""
    from sphinx.application import Sphinx

    names = [place.name for place in places(ROOT / "book" / "_toc.yml")]
    source = tmp_path / "book"
    for name in names:
        page = source / name
        page.parent.mkdir(exist_ok=True, parents=True)
        if name.startswith("chapters/"):
            cell = nbformat.v4.new_markdown_cell("# A chapter")
            spec = {"name": "python3", "language": "python", "display_name": "Python"}
            book = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": spec})
            nbformat.write(book, page.with_name(f"{page.name}.ipynb"))
        else:
            page.with_name(f"{page.name}.md").write_text("# A page\n")
    (source / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT / 'book' / '_ext')!r})\n"
        "extensions = ['myst_nb', 'sphinx_book_theme', 'source_links']\n"
        "html_theme = 'sphinx_book_theme'\nnb_execution_mode = 'off'\n"
        "html_theme_options = {'use_download_button': True}\n"
        "suppress_warnings = ['toc.not_included']\n"
    )
    monkeypatch.setenv("BOOK_REPOSITORY", REPOSITORY)
    monkeypatch.setenv("BOOK_BRANCH", "main")
    out = tmp_path / "out"
    Sphinx(source, source, out, tmp_path / "trees", "html", status=None).build()
    return {
        name: set(
            re.findall(
                r'href="(https?://[^"]*who/book[^"]*)"',
                (out / f"{name}.html").read_text("utf-8").replace("&amp;", "&"),
            )
        )
        for name in names
    }


PLACE = re.compile(r"(?:/(?:blob|tree|raw|edit)/main/|lab/tree/)([^?#&]+)")


def test_every_button_opens_a_file_that_exists(buttons: dict[str, set[str]]) -> None:
    for name, found in buttons.items():
        files = {match[1] for one in found if (match := PLACE.search(unquote(one)))}
        for file in files:
            assert (ROOT / file).is_file(), (name, file)
        stem = Path(name).name
        if name.startswith("chapters/"):
            assert files == {f"nbs/{stem}.py", f"nbs/{stem}.ipynb"}, name
            hosts = {one.split("/")[2] for one in found}
            assert hosts == {"github.com", "mybinder.org", "colab.research.google.com"}
        else:
            assert files == {f"book/{name}.md"}, name
