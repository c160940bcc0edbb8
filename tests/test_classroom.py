"""Notebooks for a class: nothing of a solution leaks, and nothing else is lost."""

import re
from pathlib import Path

import jupytext
import pytest
from nbformat import NotebookNode, v4, validate

from helpers import classroom, paths
from helpers.chapters import CHAPTERS
from helpers.settings import Refused

NBS = paths.root() / "nbs"
SCRIPTS = sorted(NBS.glob("[0-9][0-9]_*.py"))
CITES = classroom.citations(paths.root() / "book" / "references.bib")


def executed(script: Path) -> NotebookNode:
    """A chapter as if it were executed: every code cell printed its number."""
    notebook = jupytext.read(script)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            text = f"printed by cell {number}\n"
            cell["outputs"] = [v4.new_output("stream", name="stdout", text=text)]
            cell["execution_count"] = number
    return notebook


def solutions(notebook: NotebookNode) -> list[str]:
    """The lines of all solutions, read by another way than the module does."""
    found, inside = [], False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = cell.source
            for block in re.findall(r"(?s)(`{4,})\{solution\}.*?\n(.*?)\n\1", text):
                found += block[1].splitlines()
            if "{solution-end}" in text:
                found += text.split("```{solution-end}")[0].splitlines()
                inside = False
            if "{solution-start}" in text:
                found += text.split("{solution-start}")[1].splitlines()[4:]
                inside = True
        if cell.cell_type == "code" and inside:
            found += cell.source.splitlines()
    return [one.strip() for one in found]


def telling(notebook: NotebookNode) -> set[str]:
    """Lines that stand in solutions alone and are long enough to tell something."""
    lines = [one for one in solutions(notebook) if len(one) > 15]
    whole = "\n".join(cell.source for cell in notebook.cells)
    return {one for one in lines if whole.count(one) == 1 and one[0] not in ":`"}


def text_of(notebook: NotebookNode) -> str:
    return "\n".join(cell.source for cell in notebook.cells)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.stem)
def test_no_solution_leaks_and_its_output_stays(script: Path) -> None:
    source = executed(script)
    student = classroom.notebook(source, "student", cites=CITES)
    teacher = classroom.notebook(source, "teacher", "PLAN", CITES)
    validate(student)
    validate(teacher)
    secrets = telling(source)
    assert len(secrets) > 3
    seen = text_of(student)
    assert not [one for one in secrets if one in seen]
    told = classroom.plain(text_of(teacher), {})
    plain = {classroom.plain(one, CITES) for one in secrets}
    assert not [one for one in plain if one not in told]
    tagged = [
        number
        for number, cell in enumerate(source.cells)
        if "solution" in cell.metadata.get("tags", [])
    ]
    assert all(f"printed by cell {number}\n" in seen for number in tagged)
    assert seen.count("printed by cell") == seen.count(classroom.YOUR_CODE.strip())
    assert all(not cell.get("outputs") for cell in student.cells)
    asked = len(re.findall(r"(?m)^```\{exercise\}", text_of(source)))
    assert seen.count("**Exercise ") == told.count("**Exercise ") == asked
    assert seen.count("# Your solution") + seen.count("*Your answer:*") >= asked


@pytest.mark.parametrize("who", classroom.KINDS)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.stem)
def test_nothing_else_is_lost_and_no_markup_is_left(
    script: Path, who: classroom.Who
) -> None:
    source = executed(script)
    made = classroom.notebook(source, who, cites=CITES)
    seen = text_of(made)
    assert not re.search(
        r"\{(?:cite|doc|term|numref|eq|ref)[:}]|^:::|```\{", seen, re.M
    )
    other = [
        cell.source
        for cell in source.cells
        if cell.cell_type == "code" and "solution" not in cell.metadata.get("tags", [])
    ]
    code = [cell.source for cell in made.cells if cell.cell_type == "code"]
    assert [one for one in other if one not in code] == []
    heads = re.findall(r"(?m)^#{1,3} .*", text_of(source))
    assert [one for one in heads if classroom.plain(one, CITES) not in seen] == []
    assert [cell.id for cell in made.cells] == [
        f"{who}-{number}" for number in range(len(made.cells))
    ]


def test_a_leak_would_be_found() -> None:
    source = executed(SCRIPTS[0])
    careless = classroom.Maker("teacher", CITES)
    for cell in source.cells:
        (careless.markdown(cell.source) if cell.cell_type == "markdown" else None)
    leaked = "\n".join(cell.source for cell in careless.cells)
    assert [one for one in telling(source) if one in leaked]


def test_expected_output_in_every_form() -> None:
    outputs = [
        v4.new_output("stream", name="stdout", text="3 seeds\n"),
        v4.new_output("display_data", {"image/png": "QUJD", "text/plain": "<Figure>"}),
        v4.new_output(
            "execute_result",
            {"text/html": "<style>td {}</style>\n\n<table></table>", "text/plain": "x"},
        ),
        v4.new_output("execute_result", {"text/plain": "7"}),
    ]
    cell = classroom.expected(outputs)
    assert cell is not None
    assert "```text\n3 seeds\n```" in cell.source
    assert "(attachment:expected-0.png)" in cell.source
    assert cell.attachments["expected-0.png"] == {"image/png": "QUJD"}
    assert "<table></table>" in cell.source
    assert "<style>" not in cell.source
    assert "```text\n7\n```" in cell.source
    assert classroom.expected([]) is None


def test_markup_becomes_words() -> None:
    text = (
        ":::{admonition} Claim — {cite:t}`lei2023lico`\n:class: claim\n> words\n:::\n"
        "(what)=\nSee {doc}`02_ot_alignment`, {numref}`fig-02-toy`, {eq}`eq-02-plan`,\n"
        "{term}`runs <run>` and $$ x $$ (eq-02-plan)"
    )
    found = classroom.plain(text, CITES)
    assert found.splitlines()[:3] == [
        "> **Claim — Lei et al. (2023)**",
        ">",
        "> > words",
    ]
    assert "(what)=" not in found
    assert "chapter `02_ot_alignment`, figure 02-toy, (02-plan)," in found
    assert "runs and $$ x \\tag{02-plan} $$" in found


def test_authors_are_named_as_the_book_does() -> None:
    assert CITES["cuturi2013sinkhorn"] == "Cuturi (2013)"
    assert CITES["lei2023lico"] == "Lei et al. (2023)"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_lesson_plan_adds_up(chapter: str) -> None:
    given = classroom.lesson(chapter)
    if not given:
        pytest.skip("no lesson plan")
    steps = [int(one.split(" minutes.")[0]) for one in given["plan"]]
    assert sum(steps) == given["minutes"]
    assert len(given["misconceptions"]) >= 2
    source = text_of(jupytext.read(NBS / f"{chapter}.py"))
    titles = re.findall(r"\{exercise\} (.*)", source)
    answered = [one.partition(":")[0].strip('"') for one in given["answers"]]
    assert len(answered) == len(titles)
    for answer, title in zip(answered, titles, strict=True):
        assert title.strip('"?').startswith(answer.strip("?")), (answer, title)
    text = classroom.lesson_text(chapter, 3, folded=True)
    assert text.startswith("### ")
    assert "{dropdown} Answers in short" in text


def test_files_are_written_whole(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="run `make book` first"):
        classroom.write(tmp_path, tmp_path)
    assert classroom.main(["--source", str(tmp_path), "--out", str(tmp_path)]) == 2
    import nbformat

    nbformat.write(executed(SCRIPTS[0]), tmp_path / f"{SCRIPTS[0].stem}.ipynb")
    out = tmp_path / "out"
    assert classroom.main(["--source", str(tmp_path), "--out", str(out)]) == 0
    names = sorted(str(file.relative_to(out)) for file in out.rglob("*.*"))
    assert names == [f"{who}/{SCRIPTS[0].stem}.ipynb" for who in classroom.KINDS]
    top = nbformat.read(out / names[1], as_version=4).cells[0].source
    assert "**Misconceptions**" in top
