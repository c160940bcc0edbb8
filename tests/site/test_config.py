"""The sources of the site: configuration, contents, terms, references, markup."""

import base64
import doctest
import importlib.util
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
EXTENSIONS = sorted(path.stem for path in (BOOK / "_ext").glob("*.py"))
GENERATED = BOOK / "chapters"  # executed copies, ignored by git


def texts() -> dict[Path, str]:
    """The Markdown of every page and of every chapter, without its code cells."""
    pages = [path for path in BOOK.rglob("*.md") if GENERATED not in path.parents]
    found = {path: path.read_text("utf8") for path in sorted(pages)}
    for path in sorted((ROOT / "nbs").glob("*.py")):
        cells = re.split(r"^# %%", path.read_text("utf8"), flags=re.M)[1:]
        prose = (cell for cell in cells if "[markdown]" in cell.split("\n", 1)[0])
        lines = (line for cell in prose for line in cell.split("\n")[1:])
        found[path] = "\n".join(re.sub(r"^# ?", "", line) for line in lines)
    return found


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BOOK / "_ext" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Configuration


def unknown(config: Any, schema: Any, defaults: Any, at: str = "") -> Iterator[str]:
    """Keys that neither the schema nor the defaults of Jupyter Book have.

    Jupyter Book ignores them without a word.
    """
    known = schema.get("properties", {})
    listed = defaults if isinstance(defaults, dict) else {}
    if not isinstance(config, dict) or not (known or listed):
        return
    for key, value in config.items():
        if key not in known and key not in listed:
            yield at + key
        else:
            below = known.get(key, {}), listed.get(key)
            yield from unknown(value, *below, f"{at}{key}.")


def test_configuration_has_only_keys_that_jupyter_book_knows() -> None:
    jupyter_book = pytest.importorskip("jupyter_book.config")
    schema = json.loads(jupyter_book.PATH_JSON_SCHEMA.read_text("utf8"))
    defaults = yaml.safe_load(jupyter_book.PATH_YAML_DEFAULT.read_text("utf8"))
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))
    assert not list(unknown(config, schema, defaults))
    jupyter_book.validate_yaml(config, raise_on_errors=True)
    wrong = {"no_such_key": "x", "html": {"icon": "y"}}
    assert list(unknown(wrong, schema, defaults)) == ["no_such_key", "html.icon"]


def test_citation_file_names_the_version_of_the_package() -> None:
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == project["version"]
    assert citation["message"]
    assert citation["authors"]


# Contents


def contents(node: Any) -> Iterator[str]:
    """All file names of the table of contents, the root first."""
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key in {"root", "file"})
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from contents(item)


def test_contents_and_files_agree() -> None:
    listed = list(contents(yaml.safe_load((BOOK / "_toc.yml").read_text("utf8"))))
    assert len(listed) == len(set(listed))
    chapters = {name for name in listed if name.startswith("chapters/")}
    scripts = {f"chapters/{p.stem}" for p in (ROOT / "nbs").glob("[0-9][0-9]_*.py")}
    assert chapters == scripts
    pages = (p for p in BOOK.rglob("*.md") if GENERATED not in p.parents)
    names = {p.relative_to(BOOK).with_suffix("").as_posix() for p in pages}
    assert set(listed) - chapters == names


def test_every_public_module_has_its_place_on_an_api_page() -> None:
    package = ROOT / "helpers"
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in package.rglob("*.py")
        if not path.name.startswith("_")
    }
    pages = "\n".join(p.read_text("utf8") for p in (BOOK / "api").glob("*.md"))
    listed = re.findall(r"automodule:: *([\w.]+)", pages)
    assert sorted(listed) == sorted(modules)


# References and terms


def test_every_reference_is_cited_and_has_an_address() -> None:
    database = pytest.importorskip("pybtex.database")
    entries = database.parse_file(str(BOOK / "references.bib")).entries
    roles = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", "\n".join(texts().values()))
    cited = {key.strip() for role in roles for key in role.split(",")}
    assert cited == set(entries)
    bare = [key for key in entries if not {"doi", "url"} & set(entries[key].fields)]
    assert not bare


def test_every_term_of_the_glossary_is_used_on_another_page() -> None:
    pages = texts()
    glossary = pages.pop(BOOK / "glossary.md")
    body = glossary.split("```{glossary}\n")[1].split("\n```")[0]
    terms = [line for line in body.splitlines() if line and line[0] != " "]
    roles = re.findall(r"\{term\}`([^`]+)`", "\n".join(pages.values()))
    used = {re.sub(r".*<(.+)>$", r"\1", role, flags=re.S).lower() for role in roles}
    assert terms == sorted(terms, key=str.lower)
    assert [term for term in terms if term.lower() not in used] == []


# Markup


def unclosed(text: str) -> list[str]:
    """The opening lines of fences of colons or backticks that nothing closes.

    >>> unclosed(":::{note}\\ntext")
    [':::{note}']
    >>> unclosed("::::{grid}\\n:::{card}\\n:::\\n::::\\n```python\\n:::{note}\\n```")
    []
    """
    stack: list[str] = []
    for line in text.splitlines():
        found = re.match(r" *(:{3,}|`{3,}|~{3,})(.*)", line)
        if not found or (found[1][0] == "`" and "`" in found[2]):
            continue
        mark, rest = found[1], found[2].strip()
        inside = stack[-1].lstrip() if stack else ""
        opened = re.match(r"[:`~]+", inside)
        if not rest and opened and mark.startswith(opened[0]):
            stack.pop()
        elif not inside or is_directive(inside):
            stack.append(line)
    return stack


def is_directive(line: str) -> bool:
    """Whether a fence holds markup rather than literal text."""
    return line.startswith(":") or "{" in line


def test_fences_are_closed() -> None:
    left = {path.name: unclosed(text) for path, text in texts().items()}
    assert not {name: lines for name, lines in left.items() if lines}
    assert unclosed(":::{note}\ntext") == [":::{note}"]
    assert unclosed("::::{a}\n:::{b}\n:::\n") == ["::::{a}"]
    assert unclosed("```python\n:::{note}\n```\n:::\nx\n:::") == []


def test_pictures_of_pages_have_alt_text() -> None:
    for path, text in texts().items():
        assert not re.findall(r"!\[\s*\]\(", text), path
        for block in re.findall(r"\{(?:image|figure)\}.*?\n(.*?\n)[`:]{3}", text, re.S):
            assert re.search(r"^:alt: *\S", block, re.M), path


# Promises


def test_every_promise_names_tests_that_exist() -> None:
    text = (BOOK / "promises.md").read_text("utf8")
    promises = re.split(r"^- ", text, flags=re.M)[1:]
    assert len(promises) > 12
    for promise in promises:
        held = re.findall(r"`(tests/[\w/]+\.py)`:((?:\s+`\w+`,?)+)", promise)
        assert held, f"no test holds: {promise[:60]}"
        for file, names in held:
            source = (ROOT / file).read_text("utf8")
            there = set(re.findall(r"^def (test_\w+)", source, re.M))
            assert set(re.findall(r"`(\w+)`", names)) <= there, file


# Extensions


@pytest.mark.parametrize("name", EXTENSIONS)
def test_extension_imports_and_is_switched_on(name: str) -> None:
    pytest.importorskip("sphinx")
    module = load(name)
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["sphinx"]
    assert callable(module.setup)
    assert config["local_extensions"][name] == "book/_ext"
    assert name in config["config"]["extensions"]
    assert doctest.testmod(module).failed == 0


RECORD = {
    "chapter": "00_a",
    "commit": "0123456789abcdef",
    "dirty": True,
    "device": "CPU",
    "seconds": 61.4,
    "parameters": {"seeds": [1, 2], "kind": "a|b"},
    "profile": "book",
    "date": "2024-11-20T12:00:00+00:00",
    "versions": {"torch": "2.11.0"},
}


def test_results_come_from_files(tmp_path: Path) -> None:
    results = load("results")
    for folder, name, content in [
        ("records", "run", {"sch": 0.25}),
        ("chapters", "00_a", RECORD),
        ("chapters", "01_b", RECORD | {"parameters": {"seeds": [1, 2]}}),
        ("chapters", "02_c", RECORD | {"parameters": {}}),
        ("chapters", "99_no_longer_in_the_book", RECORD),
    ]:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.json").write_text(json.dumps(content))
    toc = "".join(f"- file: chapters/{name}\n" for name in ("00_a", "01_b", "02_c"))
    (tmp_path / "_toc.yml").write_text(toc)
    config = SimpleNamespace(myst_substitutions={"kept": 1}, copyright="2026")
    app = SimpleNamespace(srcdir=tmp_path, config=config)
    results.configure(app, config)
    assert config.myst_substitutions["kept"] == 1
    assert config.myst_substitutions["r"]["run"]["sch"] == 0.25
    lines = config.myst_substitutions["provenance_table"].splitlines()[2:]
    assert lines[0].startswith(
        "| [](chapters/00_a) | 0123456789 + changes | CPU | 61 |"
    )
    assert [line.split(" | ")[-1] for line in lines] == [
        r"kind=a\|b |",
        "no others |",
        "no others |",
    ]
    assert config.myst_substitutions["usual_parameters"] == "seeds=[1, 2]"
    context = {"body": "text"}
    results.footer(app, "chapters/00_a", "page.html", context, object())
    assert "<td>torch 2.11.0</td>" in context["body"]
    assert "<td>seeds=[1, 2], kind=a|b</td>" in context["body"]
    results.footer(app, "index", "page.html", context, object())
    assert context["body"].count("provenance") == 1


def test_the_reference_is_that_of_the_citation_file() -> None:
    about = {"title": "A book?", "version": "1.2", "authors": [{"name": "Those"}]}
    made = load("results").bibtex(about, "2026")
    for line in ("@misc{", "author = {{Those}},", "title = {{A book?}},"):
        assert line in made
    assert "  year = {2026},\n  version = {1.2},\n" in made


def executed(folder: Path) -> None:
    """Write a chapter with a figure and with words, as the runner leaves it."""
    figure = {"figure": {"name": "fig-a"}, "image": {"alt": "a red dot"}}
    cells = [
        (["hide-input"], {"mystnb": figure}, {"image/png": PIXEL}),
        (["answer"], {}, {"text/html": ["<p class='verdict'>", "undecided</p>"]}),
    ]
    notebook = {
        "cells": [
            {"metadata": {"tags": tags, **more}, "outputs": [{"data": data}]}
            for tags, more, data in cells
        ]
    }
    (folder / "chapters").mkdir()
    (folder / "chapters" / "00_a.ipynb").write_text(json.dumps(notebook))


PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ"
    "/pLvAAAAAElFTkSuQmCC"
)


def site_of(page: str, folder: Path) -> tuple[str, str]:
    """Build one page of reStructuredText; return it and what was warned of."""
    from sphinx.application import Sphinx

    executed(folder)
    (folder / "index.rst").write_text(page)
    (folder / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(BOOK / '_ext')!r})\n"
        "extensions = ['chapter_output']\nexclude_patterns = ['_build']\n"
    )
    out, warned = folder / "_build" / "html", io.StringIO()
    doctrees = folder / "_build" / "trees"
    app = Sphinx(folder, folder, out, doctrees, "html", {}, status=None, warning=warned)
    app.build()
    return (out / "index.html").read_text("utf8"), warned.getvalue()


def test_figure_and_words_of_a_chapter_come_to_another_page(tmp_path: Path) -> None:
    page = (
        "Front\n=====\n\n.. chapter-figure:: chapters/00_a fig-a\n\n   Its caption.\n"
        "\n.. chapter-words:: chapters/00_a answer\n"
    )
    made, warned = site_of(page, tmp_path)
    assert not warned
    assert re.search(r'<img alt="a red dot"[^>]*src="_images/fig-a.png"', made)
    assert "Its caption." in made
    assert "<p class='verdict'>undecided</p>" in made
    copied = tmp_path / "_build" / "html" / "_images" / "fig-a.png"
    assert copied.read_bytes() == base64.b64decode(PIXEL)


@pytest.mark.parametrize("kind", ["figure", "words"])
def test_what_a_chapter_lacks_is_an_error(tmp_path: Path, kind: str) -> None:
    page = f"Front\n=====\n\n.. chapter-{kind}:: chapters/00_a none\n"
    warned = site_of(page, tmp_path)[1]
    assert "ERROR: chapters/00_a has no" in warned
    assert "none" in warned


def test_two_hours_are_enough_for_the_chapters_that_they_name() -> None:
    front = (BOOK / "index.md").read_text("utf8")
    line = next(one for one in front.splitlines() if one.startswith("| 2 hours"))
    named = re.findall(r"chapters/(\w+)", line)
    minutes = [
        int(re.search(r"Reading: (\d+) minutes", text)[1])  # type: ignore[index]
        for path, text in texts().items()
        if path.stem in named
    ]
    assert len(minutes) == len(named) > 2
    assert sum(minutes) <= 120


def test_provenance_must_be_whole() -> None:
    short = {key: value for key, value in RECORD.items() if key != "device"}
    with pytest.raises(KeyError, match="device"):
        load("results").rows(short)


def test_buttons_need_a_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    links = load("source_links")
    config = SimpleNamespace(html_theme_options={})
    monkeypatch.delenv("BOOK_REPOSITORY", raising=False)
    links.configure(None, config)
    assert config.html_theme_options == {}
    monkeypatch.setenv("BOOK_REPOSITORY", "https://host.example/book/")
    links.configure(None, config)
    assert config.html_theme_options["repository_url"] == "https://host.example/book"
    assert "launch_buttons" not in config.html_theme_options
    url = "https://host.example/book/blob/main/book/chapters/00_a.ipynb?plain=1"
    context = {"header_buttons": [{"buttons": [{"url": url}]}, {"type": "javascript"}]}
    links.rewrite(None, "chapters/00_a", "page.html", context, None)
    url = context["header_buttons"][0]["buttons"][0]["url"]
    assert url == "https://host.example/book/blob/main/nbs/00_a.py?plain=1"


def test_rockets_open_the_source_notebook_on_github(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    links = load("source_links")
    config = SimpleNamespace(html_theme_options={})
    monkeypatch.setenv("BOOK_REPOSITORY", "https://github.com/who/book")
    links.configure(None, config)
    launch = config.html_theme_options["launch_buttons"]
    colab = f"{launch['colab_url']}/github/who/book/blob/main/book/chapters/00_a.ipynb"
    binder = (
        f"{launch['binderhub_url']}/v2/gh/who/book/main"
        "?urlpath=lab/tree/book/chapters/00_a.ipynb"
    )
    for made, place in ((colab, "/blob/main/"), (binder, "lab/tree/")):
        found = links.of_source(made)
        assert found.endswith(f"{place}nbs/00_a.ipynb")
        assert found.split("/book/main")[0] == made.split("/book/main")[0] or (
            found.split("/blob/")[0] == made.split("/blob/")[0]
        )


def test_docstrings_are_plain_text() -> None:
    lines = [
        "Mean of |a - b|, a line end as \\n, for *args.",
        "",
        "As in `x|y` and over",
        "lines: :math:`\\frac{1}{|a|}`.",
        "",
        ">>> 1 | 2",
        "3",
        "",
        ".. math::",
        "",
        "   |x| \\le 1",
    ]
    untouched = lines[2:]
    load("plain_docstrings").process(None, "module", "m", None, None, lines)
    assert lines[0] == r"Mean of \|a - b\|, a line end as \\n, for \*args."
    assert lines[2:] == untouched


def test_one_file_of_mathjax_is_at_hand() -> None:
    pytest.importorskip("sphinx-mathjax-offline")
    assert load("mathjax_local").source().is_file()
    assert "mathjax_local" not in sys.modules
