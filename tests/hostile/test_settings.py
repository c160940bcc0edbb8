"""Profiles, parameters on the command line, and what becomes of them in a notebook."""

import ast
import json
import random
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from papermill.parameterize import parameterize_notebook
from papermill.translators import PythonTranslator

from helpers import paths, run
from helpers.chapters import CHAPTERS
from helpers.report.profiles import profile_of
from helpers.run import chapter_of, value_of
from helpers.settings import Refused
from tests.hostile.broken import (
    MARKUP,
    NAMES,
    VALUES,
    answer,
    assert_answered,
    bytes_of,
    fuzzed,
    text_of,
)

YAML = """# a profile
00_laboratory: &small
  pictures: 240
  epochs: 2
  seeds: [1]
03_training:
  <<: *small
  variants: [ce, "one-hot"]
"""
CODE = (
    "__import__('os').system('touch up')",
    '"); import os; os.system("touch up") #',
    "'\nimport os\nos.system('touch up')\n'",
    '""" + open("up", "w").write("x") + """',
    "\\\"); open('up', 'w') #",
    "{0.__class__}",
    "%run up",
    "!touch up",
    "9**9**9",
    "[" * 10_000,
    "-" * 10_000 + "1",
    "{[]: 1}",
    "\0",
    "1is 2",
    "'\\d'",
    "9" * 10_000,
)


@fuzzed(0.5)  # YAML is read in Python
def test_profiles_changed(fence: Path, case: int) -> None:
    file = fence / "p.yml"
    if case % 2:
        file.write_bytes(bytes_of(case, YAML.encode()))
    else:
        file.write_text(text_of(case, YAML), errors="replace")

    def read() -> None:
        for name, values in profile_of(file).items():
            if name in CHAPTERS and isinstance(values, dict):
                CHAPTERS[name].of(**{str(key): one for key, one in values.items()})

    assert_answered(fence, read)


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
    for a, b in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
MERGED = "a: &a {x: 1}\n" + "".join(
    f"{b}: &{b} {{<<: [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]}}\n"
    for a, b in zip("abcdefghijk", "bcdefghijkl", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: !!python/object/apply:os.system ['touch up']", "line 1"),
        ("a: !!python/name:os.system ''", "could not determine a constructor"),
        ("a: !<tag:yaml.org,2002:python/module:os> x", "line 1"),
        ("a: !unknown x", "could not determine a constructor"),
        ("a: !!timestamp 2001-99-99", "cannot be read"),
        ("a: !!int x", "cannot be read"),
        ("a: !!binary x", "cannot be read"),
        ("a: " + "9" * 5000, "cannot be read"),
        ("a: [", "line 1"),
        ("a: b: c", "line 1"),
        ("\0", "cannot be read"),
        ("\t", "line 1"),
        ("- 1\n- 2", "must hold chapters"),
        ("only text", "must hold chapters"),
        (LAUGHS, "stands for more than 10,000 values"),
        (MERGED, "stands for more than 10,000 values"),
        ("a: &a [*a]", "nested in more than 20 levels"),
        ("[" * 100_000, "cannot be read"),
        ("a: " + "{a: " * 50 + "1" + "}" * 50, "nested in more than 20 levels"),
    ],
    ids=range(19),
)
def test_a_profile_that_is_none(fence: Path, text: str, said: str) -> None:
    file = fence / "p.yml"
    file.write_text(text)
    line = answer(fence, lambda: profile_of(file), "p.yml")
    assert said in (line or ""), line


def test_a_profile_in_another_encoding(fence: Path) -> None:
    file = fence / "p.yml"
    file.write_bytes("a: \u00e9".encode("latin-1"))
    assert answer(fence, lambda: profile_of(file), "p.yml") is not None


@pytest.mark.parametrize(
    "text", ["00_laboratory: 3", "00_laboratory: [1]", "00_laboratory: {1: 2}"]
)
def test_a_chapter_that_holds_no_parameters(
    fence: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (fence / "nbs" / "profiles").mkdir(parents=True)
    (fence / "nbs" / "profiles" / "p.yml").write_text(text)
    monkeypatch.setattr(paths, "root", lambda: fence)
    with pytest.raises(Refused, match="must hold name: value lines"):
        run.profile_values("p", "00_laboratory")


PARTS = (*CODE, *map(str, VALUES), *"=[]{}(),'\"\\#-+jbrf0x1e9_: \n")


@fuzzed()
def test_parameters_of_a_command_line(fence: Path, case: int) -> None:
    draw = random.Random(case)
    text = "".join(draw.choices(PARTS, k=draw.choice((1, 1, 2, 6))))
    name = draw.choice(FIELDS)

    def read() -> None:
        CHAPTERS["03_training"].of(**{name: value_of(text)})

    assert_answered(fence, read)


FIELDS = (*CHAPTERS["03_training"].model_fields, "none", "", "__class__")


@pytest.mark.parametrize("text", [*CODE, *NAMES], ids=range(len(CODE) + len(NAMES)))
@pytest.mark.parametrize("name", ["dataset", "device", "seeds", "lr", "nothing"])
def test_a_parameter_that_would_be_code(
    fence: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    """Checked, or a text: it is never run, and no line of its notebook is another."""
    monkeypatch.chdir(fence)

    def read() -> None:
        chapter = chapter_of("00_laboratory", "smoke", [f"{name}={text}"])
        found = injected(chapter.model_dump())
        assert found == chapter.model_dump()

    assert_answered(fence, read)
    assert not (fence / "up").exists()


def injected(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what the cell that papermill writes assigns, read and not run."""
    cell = nbformat.v4.new_code_cell("a = 1", metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "language": "python", "display_name": "x"}
    notebook = nbformat.v4.new_notebook(
        cells=[cell], metadata={"kernelspec": kernel, "papermill": {}}
    )
    made = parameterize_notebook(notebook, parameters)
    source = made.cells[1].source
    found = {}
    for line in ast.parse(source).body:
        assert isinstance(line, ast.Assign)
        assert isinstance(line.targets[0], ast.Name)
        found[line.targets[0].id] = ast.literal_eval(line.value)
    return json.loads(json.dumps(found))


@fuzzed(0.05)  # a notebook is made
def test_texts_in_the_cell_of_parameters(fence: Path, case: int) -> None:
    draw = random.Random(case)
    text = "".join(draw.choices((*CODE[:9], *NAMES, MARKUP, "\\", '"'), k=3))
    chosen = {"dataset": text, "variants": [text, text], "seeds": [1]}
    assert injected(chosen) == chosen


@given(text=st.text())
@example(text='\\"); x = 1 #')
def test_a_text_is_written_as_that_text(text: str) -> None:
    assert ast.literal_eval(PythonTranslator.translate(text)) == text


def test_every_command_answers_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever stands in a name, a terminal gets one line and no control character."""
    name = "x\n\x1b[2J\x07y"
    for arguments in ([name], ["00_laboratory", "-p", f"{name}=1"]):
        assert run.main(arguments) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "\x1b" not in said
        assert "\\x1b[2J" in said
