"""Each notebook is its script, and has the form of a chapter."""

import ast
import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import papermill
import pytest

from helpers import paths
from helpers.chapters import CHAPTERS

NBS = paths.root() / "nbs"
SCRIPTS = sorted(NBS.glob("[0-9][0-9]_*.py"))
pytestmark = pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.stem)


def cells(notebook: Any) -> list[tuple[str, str, dict]]:
    kept = ("tags", "mystnb")
    return [
        (
            cell.cell_type,
            cell.source,
            {key: cell.metadata[key] for key in kept if key in cell.metadata},
        )
        for cell in notebook.cells
    ]


def read(script: Path) -> Any:
    return jupytext.read(script)


def tagged(script: Path, tag: str) -> list[Any]:
    return [c for c in read(script).cells if tag in c.metadata.get("tags", [])]


def code(script: Path) -> list[str]:
    return [cell.source for cell in read(script).cells if cell.cell_type == "code"]


def prose(script: Path) -> str:
    found = [c.source for c in read(script).cells if c.cell_type == "markdown"]
    return "\n\n".join(found)


def test_the_notebook_equals_its_script_and_has_no_outputs(script: Path) -> None:
    pair = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    assert cells(pair) == cells(read(script)), "run `make sync`"
    assert all(not cell.get("outputs") for cell in pair.cells)
    assert all(cell.get("execution_count") is None for cell in pair.cells)
    assert pair.metadata.kernelspec.language == "python"
    assert pair.metadata.kernelspec.name == "python3"


def element_of(annotation: str) -> str:
    """Return "list[int]" and the like for the annotation of a field."""
    for name in ("int", "Int", "float", "Float"):
        if name in annotation:
            return f"list[{name.lower()}]"
    return "list[str]"


def test_the_parameters_cell_is_the_chapters_settings(script: Path) -> None:
    """Papermill sees each of them, with type, default and help as they are checked."""
    assert len(tagged(script, "parameters")) == 1
    seen = papermill.inspect_notebook(script.with_suffix(".ipynb"))
    fields = CHAPTERS[script.stem].model_fields
    assert list(seen) == list(fields)
    for name, field in fields.items():
        assert ast.literal_eval(seen[name]["default"]) == field.default, name
        assert seen[name]["help"] == field.description, name
        written = seen[name]["inferred_type_name"]
        expected = getattr(field.annotation, "__name__", "")
        if str(field.annotation).startswith("list"):
            expected = element_of(str(field.annotation))
        elif "Literal" in str(field.annotation):
            expected = "str"
        assert written == expected, name


def test_the_chapter_has_all_its_parts(script: Path) -> None:
    text = prose(script)
    assert re.match(r"# \S", text), "one title, first"
    assert len(re.findall(r"(?m)^# \S", text)) == 1
    for part in (
        "In this chapter",
        "*Reading: ",
        "Running: ",
        ":class: claim",
        "{cite",
        "## Parameters",
        "## What deviates, and why",
        "## Exercises",
        "## Take away",
        "## Provenance",
    ):
        assert part in text, part
    assert "verdict" in "\n".join(code(script)), "a verdict is computed"


def test_exercises_have_hidden_solutions(script: Path) -> None:
    text = prose(script)
    asked = re.findall(r"\{exercise(?:-start)?\}[^\n]*\n:label: (\S+)", text)
    solved = re.findall(
        r"\{solution(?:-start)?\} (\S+)\n:label: \S+\n:class: dropdown", text
    )
    assert 2 <= len(asked) <= 4
    assert sorted(asked) == sorted(solved)
    assert tagged(script, "solution"), "a solution that runs"


def test_a_cell_holds_one_idea(script: Path) -> None:
    for source in code(script):
        if source.startswith(("dataset", "chapter =", "import ")):
            continue  # parameters, their check, imports: hidden at first
        assert len(source.splitlines()) <= 15, source
        assert max(map(len, source.splitlines())) <= 79, source


def test_every_code_cell_follows_prose(script: Path) -> None:
    kinds = [cell.cell_type for cell in read(script).cells]
    pairs = list(zip(kinds, kinds[1:], kinds[2:], strict=False))
    assert ("code", "code", "code") not in pairs[3:]


SHOWS = re.compile(r"plt\.show\(\)|(?m:^)(?:moved_figures|frames)\.")


def test_figures_have_number_caption_and_alternative_text(script: Path) -> None:
    names = []
    for cell in read(script).cells:
        if cell.cell_type != "code" or not SHOWS.search(cell.source):
            continue
        shown = cell.metadata.get("mystnb", {})
        assert shown.get("figure", {}).get("caption", "").startswith("**"), cell.source
        if "plt.show()" in cell.source:  # the frames of a slider bring their own
            assert len(shown.get("image", {}).get("alt", "")) > 30, cell.source
        names.append(shown["figure"]["name"])
    assert names
    assert len(set(names)) == len(names)
    assert all(name.startswith(f"fig-{script.stem[:2]}-") for name in names)


def test_labels_carry_the_chapters_number(script: Path) -> None:
    text = prose(script)
    labels = re.findall(r"\$\$ \((\S+)\)", text) + re.findall(
        r"(?m)^:label: (\S+)", text
    )
    assert labels
    assert all(f"-{script.stem[:2]}-" in label for label in labels)


OUTCOME = re.compile(
    r"(?i)\b(we find|the results? (show|confirm)|supports the claim|outperform"
    r"|(accuracy|insertion|deletion|auc|top-1|rho) (of|is|was|reaches) 0?\.\d)"
)


def test_no_result_is_typed_into_prose(script: Path) -> None:
    """Numbers and outcomes are computed; a quotation may hold what others found."""
    own = "\n".join(x for x in prose(script).splitlines() if not x.startswith(">"))
    assert OUTCOME.search(own) is None, OUTCOME.search(own)


def test_a_typed_result_would_be_found(script: Path) -> None:
    for typed in ("an accuracy of 0.84", "We find that LICO helps", "deletion is .2"):
        assert OUTCOME.search(typed)


def test_no_plumbing_and_no_widgets(script: Path) -> None:
    text = "\n".join(code(script))
    for word in ("os.environ", "sys.path", "pip install", "tqdm", "subprocess"):
        assert word not in text


def test_a_chapter_imports_nothing_deeper_than_it_shows(script: Path) -> None:
    modules = re.findall(r"(?m)^from (helpers[\w.]*) import", "\n".join(code(script)))
    rooms = {module.split(".")[1] for module in modules}
    allowed = {"chapters", "lab", "explain", "measure", "report", "data", "language"}
    assert rooms <= allowed
