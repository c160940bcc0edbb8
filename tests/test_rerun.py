"""What a chapter's page says on running it again: ranges, times, lines."""

import json
import shlex
from typing import Annotated, Literal

import jupytext
import pytest
from pydantic import BaseModel, Field

from helpers import paths, rerun
from helpers.execute import Execution, execute
from helpers.lab.needed import needed
from helpers.lab.runs import train_or_load
from helpers.report.parameters import Parameter, parameters
from helpers.settings import RunSettings


class Some(BaseModel):
    size: int = Field(64, ge=16, le=256, description="pixels a side")
    rate: float = Field(0.5, gt=0, lt=1)
    way: Literal["a", "b"] = Field("a", description="one of two")
    seeds: list[Annotated[int, Field(ge=0)]] = Field([1], min_length=1)
    colour: list[int] = Field([1, 2, 3], min_length=3, max_length=3)
    flip: bool = False
    name: str | None = None


def test_parameters_in_words() -> None:
    found = {one.name: one for one in parameters(Some)}
    assert found["size"] == Parameter("size", "int", "64", "16 to 256", "pixels a side")
    assert found["rate"].range == "above 0, below 1"
    assert (found["way"].type, found["way"].range) == ("str", "a, b")
    assert found["seeds"].type == "list[int]"
    assert found["seeds"].range == "at least 1 value; each at least 0"
    assert found["colour"].range == "3 values"
    assert (found["flip"].default, found["flip"].range) == ("False", "")
    assert found["name"].type == "str or NoneType"


def test_a_wrapped_command_is_the_same_command() -> None:
    line = 'python -m helpers.run 03 -p \'variants=["a b", "c"]\' ' + "-p x=1 " * 20
    text = rerun.wrapped(line)
    assert max(map(len, text.splitlines())) <= 79
    assert all(part.startswith("    ") for part in text.splitlines()[1:])
    assert shlex.split(text.replace("\\\n", " ")) == shlex.split(line)


RUNS = {
    "runs": 3,
    "training_seconds": 400.0,
    "scoring_seconds": 200.0,
    "megabytes": 7.4,
}
MADE = {"seconds": 40.0, "profile": "book", "device": "CPU", "runs": RUNS}


def test_times_from_nothing_are_those_of_the_runs_and_of_the_chapter() -> None:
    assert rerun.top(MADE) == (
        "*Measured for this page: the chapter 40 s; with its runs, two at a time, "
        "6 minutes.*"
    )
    assert rerun.from_nothing(MADE) == 340
    assert rerun.from_nothing(MADE | {"runs": RUNS | {"runs": 1}}) == 640
    said = rerun.cost(MADE)
    for part in ("40 s", "3 runs", "7 minutes of training", "3 minutes of", "7 MB"):
        assert part in said
    assert "trains nothing" in rerun.cost(MADE | {"runs": RUNS | {"runs": 0}})
    assert rerun.top(MADE | {"runs": None}) == rerun.top(None) == ""
    assert "once its runs exist" in rerun.cost(MADE | {"runs": None})


@pytest.mark.parametrize(
    ("seconds", "words"), [(3.2, "3 s"), (150, "2 minutes"), (9000, "2.5 hours")]
)
def test_durations(seconds: float, words: str) -> None:
    assert rerun.duration(seconds) == words


def test_what_runs_took_is_counted_once(home: object, small: RunSettings) -> None:
    assert needed([small]) is None
    run = train_or_load(small)
    found = needed([small, small])
    assert found is not None
    assert found.runs == 1
    assert found.training_seconds == run.provenance["training"]["seconds"]
    files = sum(file.stat().st_size for file in run.folder.iterdir())
    assert found.megabytes == round(files / 1e6, 1)
    assert needed([]).runs == 0  # type: ignore[union-attr]


def test_the_runner_leaves_it_beside_the_chapter(
    home: object, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    source = paths.runs().parent / "nbs"
    source.mkdir()
    notebook = jupytext.reads("# %%\n1 + 1\n", "py:percent")
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    jupytext.write(notebook, source / "09_small.ipynb")
    monkeypatch.setattr(paths, "root", lambda: paths.runs().parent)
    done = execute(Execution("09_small", {}, "smoke", "s", "x", None, RUNS))
    assert json.loads(done.with_suffix(".json").read_text())["runs"] == RUNS
