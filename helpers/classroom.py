"""Notebooks for a class: `python -m helpers.classroom`, from the executed chapters.

Of each chapter two notebooks are made. The *student's* has no outputs and no
solutions; where one stood are its expected output and an empty cell. The *teacher's*
has everything, and the lesson plan on top. Directives and roles of the book, which
Jupyter does not know, become plain Markdown. Nothing made here is ever a source.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import nbformat
import yaml
from nbformat import NotebookNode, v4

from helpers import paths
from helpers.chapters import CHAPTERS
from helpers.report.terminal import one_line
from helpers.settings import Refused
from helpers.whole import write_whole

Who = Literal["student", "teacher"]
KINDS: tuple[Who, ...] = ("student", "teacher")
OPEN = re.compile(r"(`{3,})\{([\w-]+)\} ?(.*)")
BOX = re.compile(r":{3,}\{[\w-]+\} ?(.*)")
OPTION = re.compile(r":[\w-]+:")
LABEL = re.compile(r"\([\w-]+\)=")
NOTES: dict[Who, str] = {
    "student": "*For students: solutions are left out, their expected output is kept.*",
    "teacher": "*For teachers: with all outputs and solutions.*",
}
YOUR_CODE = "# Your solution\n"
ROLES: dict[str, Callable[[str], str]] = {
    "doc": lambda text: f"chapter `{text}`",
    "numref": lambda text: f"figure {_number(text)}",
    "eq": lambda text: f"({_number(text)})",
    "ref": lambda text: re.sub(r" *<.*>$", "", text).replace("ex-", "exercise "),
    "term": lambda text: re.sub(r" *<.*>$", "", text),
}
ROLE = re.compile(r"\{([\w:]+)\}`([^`]+)`")


@dataclass
class Maker:
    """Makes the cells of one notebook, for a student or a teacher."""

    who: Who
    cites: Mapping[str, str] = field(default_factory=dict)
    cells: list[NotebookNode] = field(default_factory=list)
    solving: bool = False  # between the start and the end of a solution
    asked: bool = False  # a place for an answer has been made in this solution

    def add(self, cell: NotebookNode) -> None:
        """Add a cell with an id that only its place decides."""
        cell["id"] = f"{self.who}-{len(self.cells)}"
        self.cells.append(cell)

    def say(self, lines: Sequence[str]) -> None:
        """Add a Markdown cell, unless nothing is left to say."""
        if text := plain("\n".join(lines), self.cites).strip():
            self.add(v4.new_markdown_cell(text))

    def answer(self) -> None:
        """Add a place for a student's words."""
        self.say(["*Your answer:*"])
        self.asked = True

    def markdown(self, text: str) -> None:
        """Take over a Markdown cell; its solutions only where they may be seen."""
        kept: list[str] = []
        lines = iter(text.split("\n"))
        for line in lines:
            found = OPEN.fullmatch(line)
            if found is None or not found[2].startswith(("exercise", "solution")):
                kept += [] if self.hidden else [line]
                continue
            fence, kind, title = found.groups()
            whole = list(_until(lines, fence))
            body = [one for one in whole if not OPTION.match(one)]
            if kind.startswith("exercise") and not kind.endswith("-end"):
                label = "".join(_number(one) for one in whole if "label: ex-" in one)
                kept += [f"**Exercise {label}: {title}**", *body]
            elif kind == "solution-end":
                if self.hidden and not self.asked:
                    self.answer()
                self.solving = False
            elif kind.startswith("solution"):
                self.say(kept)
                kept = []
                self.asked = False
                self.solving = kind == "solution-start"
                if self.who == "teacher":
                    kept += ["**Solution**", *body]
                elif not self.solving:
                    self.answer()
        self.say(kept)

    def code(self, cell: NotebookNode) -> None:
        """Take over a code cell; of a student's solution, its output alone."""
        tags = [tag for tag in cell.metadata.get("tags", []) if tag != "solution"]
        solution = self.hidden or "solution" in cell.metadata.get("tags", [])
        if solution and self.who == "student":
            if shown := expected(cell.get("outputs", [])):
                self.add(shown)
            self.add(v4.new_code_cell(YOUR_CODE))
            self.asked = True
            return
        made = v4.new_code_cell(cell.source, metadata={"tags": tags} if tags else {})
        if self.who == "teacher":
            made["outputs"] = cell.get("outputs", [])
            made["execution_count"] = cell.get("execution_count")
        self.add(made)
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if "caption" in figure:
            self.say([f"*Figure {_number(figure['name'])}.* {figure['caption']}"])

    @property
    def hidden(self) -> bool:
        """Whether what comes is a solution that must not be seen."""
        return self.solving and self.who == "student"


def notebook(
    source: NotebookNode,
    who: Who,
    top: str = "",
    cites: Mapping[str, str] | None = None,
) -> NotebookNode:
    """Return the notebook of a student or a teacher from an executed chapter.

    `top` is a cell above all, `cites` the text of each reference by its key.
    """
    maker = Maker(who, cites or {})
    maker.say([top if top and who == "teacher" else NOTES[who]])
    for cell in source.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "markdown":
            maker.markdown(cell.source)
        elif cell.cell_type == "code":
            maker.code(cell)
    kept = {
        key: source.metadata[key] for key in ("kernelspec",) if key in source.metadata
    }
    return v4.new_notebook(cells=maker.cells, metadata=kept)


def expected(outputs: Sequence[NotebookNode]) -> NotebookNode | None:
    """Return a Markdown cell with what a solution printed and drew, or None.

    A cell of its own, so that running the student's code does not overwrite it.
    """
    parts: list[str] = []
    attached: dict[str, Any] = {}
    for output in outputs:
        data = output.get("data", {})
        if output.output_type == "stream":
            parts.append(_fenced(_text(output.text)))
        elif "image/png" in data and "text/html" not in data:
            name = f"expected-{len(attached)}.png"
            attached[name] = {"image/png": _text(data["image/png"]).strip()}
            parts.append(f"![Expected figure](attachment:{name})")
        elif "text/html" in data:
            html = re.sub(
                r"<style.*?</style>", "", _text(data["text/html"]), flags=re.S
            )
            parts.append(re.sub(r"\n\s*\n", "\n", html).strip())
        elif "text/plain" in data:
            parts.append(_fenced(_text(data["text/plain"])))
    if not parts:
        return None
    cell = v4.new_markdown_cell("\n\n".join(["**Expected output**", *parts]))
    if attached:
        cell["attachments"] = attached
    return cell


def _fenced(text: str) -> str:
    """Return text that Markdown shows as it is, whatever fences it holds."""
    longest = max(map(len, re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def plain(text: str, cites: Mapping[str, str]) -> str:
    """Return Markdown that Jupyter shows: boxes as quotations, roles as words.

    >>> plain("As {cite:t}`a` shows in {doc}`02_b`.", {"a": "Who (2020)"})
    'As Who (2020) shows in chapter `02_b`.'
    """
    lines: list[str] = []
    inside = False
    for line in text.split("\n"):
        if found := BOX.fullmatch(line):
            inside = True
            lines += [f"> **{found[1]}**", ">"]
        elif inside and re.fullmatch(r":{3,}", line):
            inside = False
        elif not (inside and OPTION.match(line)) and not LABEL.fullmatch(line):
            lines.append(f"> {line}".rstrip() if inside else line)
    tag = r"\\tag{\1} $$"
    whole = re.sub(r"\$\$ \(eq-([\w-]+)\)", tag, "\n".join(lines))
    return ROLE.sub(lambda found: _role(found[1], found[2], cites), whole)


def citations(file: Path) -> dict[str, str]:
    """Return "Author (year)" of each entry of a BibTeX file, by its key."""
    from pybtex.database import parse_file

    found = {}
    for key, entry in parse_file(str(file)).entries.items():
        people = [
            " ".join(str(name) for name in person.rich_last_names)
            for person in entry.persons.get("author", [])
        ]
        who = people[0] if people else str(entry.rich_fields.get("title", key))
        if len(people) > 1:
            who += f" and {people[1]}" if len(people) == 2 else " et al."
        found[key] = f"{who} ({entry.fields.get('year', 'n.d.')})"
    return found


def lesson(chapter: str) -> dict[str, Any]:
    """Return the lesson plan of a chapter from `nbs/teaching.yml`, {} if none is."""
    file = paths.root() / "nbs" / "teaching.yml"
    return yaml.safe_load(file.read_text("utf-8")).get(chapter, {})


def lesson_text(chapter: str, level: int = 2, folded: bool = False) -> str:
    """Return the lesson plan as Markdown; `folded` hides the answers on a page."""
    given = lesson(chapter)
    if not given:
        return ""
    head = "#" * level
    answers = [f"- {line}" for line in given["answers"]]
    if folded:
        answers = ["```{dropdown} Answers in short", *answers, "```"]
    else:
        answers = ["**Answers in short**", "", *answers]
    lines = [
        f"{head} {given['title']}",
        "",
        f"*{given['minutes']} minutes. Before it: {given['before']}.*",
        "",
        f"**Aim.** {given['aim']}",
        "",
        *(f"{i}. {step}" for i, step in enumerate(given["plan"], 1)),
        "",
        "**Misconceptions**",
        "",
        *(f"- *{one['belief']}* {one['reply']}" for one in given["misconceptions"]),
        "",
        *answers,
    ]
    return "\n".join(lines)


def write(source: Path, target: Path) -> list[Path]:
    """Write both notebooks of every executed chapter in a folder; return the files.

    Raises `Refused` where none was executed.
    """
    chapters = [name for name in CHAPTERS if (source / f"{name}.ipynb").is_file()]
    if not chapters:
        raise Refused(f"no executed chapter in '{source}': run `make book` first")
    cites = citations(paths.root() / "book" / "references.bib")
    written = []
    for name in chapters:
        executed = nbformat.read(source / f"{name}.ipynb", as_version=4)
        for who in KINDS:
            file = target / who / f"{name}.ipynb"
            file.parent.mkdir(parents=True, exist_ok=True)
            made = notebook(executed, who, lesson_text(name), cites)
            write_whole({file: nbformat.writes(made) + "\n"})
            written.append(file)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; a refusal is one line."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.classroom", description="Make notebooks for a class."
    )
    root = paths.root()
    parser.add_argument("--source", type=Path, default=root / "book" / "chapters")
    parser.add_argument("--out", type=Path, default=root / "_build" / "classroom")
    given = parser.parse_args(arguments)
    try:
        files = write(given.source, given.out)
    except Refused as refusal:
        print(one_line(f"helpers.classroom: {refusal}"), file=sys.stderr)
        return 2
    print(f"{len(files)} notebooks in {given.out}")
    return 0


def _until(lines: Iterator[str], fence: str) -> Iterator[str]:
    """Yield lines up to the closing fence, which is at least as long."""
    for line in lines:
        if re.fullmatch(r"`{3,}", line) and len(line) >= len(fence):
            return
        yield line


def _number(label: str) -> str:
    """Return "02-toy" of a label such as fig-02-toy."""
    return label.strip().rpartition(" ")[2].partition("-")[2]


def _role(name: str, text: str, cites: Mapping[str, str]) -> str:
    if name.startswith("cite"):
        return "; ".join(cites.get(key.strip(), key) for key in text.split(","))
    return ROLES[name](text) if name in ROLES else text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "".join(value)


if __name__ == "__main__":
    raise SystemExit(main())
