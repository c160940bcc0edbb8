"""The examples in docstrings run, and the main functions have one."""

import doctest
import importlib
from pathlib import Path

import pytest

from helpers import paths

BASE = paths.root()
MODULES = sorted(
    ".".join(file.relative_to(BASE).with_suffix("").parts)
    for file in (BASE / "helpers").rglob("*.py")
    if ">>> " in file.read_text("utf-8")
)
# Functions that a reader of the pages of `helpers` looks for first.
MAIN = (
    "compare.scores.mcnemar",
    "explain.attribution.input_x_gradient",
    "explain.rise.rise",
    "measure.aggregate.aggregate",
    "measure.concentration.entropy",
    "measure.consistency.sch",
    "measure.consistency.ses",
    "measure.localisation.iou",
    "measure.localisation.pointing_game",
    "measure.perturbation.insertion_deletion",
    "measure.statistics.smallest_effect",
    "measure.statistics.t_interval",
    "report.margins.margin",
    "report.verdict.decide",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0
    assert found.attempted > 0, f"an example of {name} is not reached"


@pytest.mark.parametrize("name", MAIN)
def test_a_main_function_has_an_example(name: str) -> None:
    module, _, function = name.rpartition(".")
    found = getattr(importlib.import_module(f"helpers.{module}"), function)
    assert ">>> " in (found.__doc__ or "")


def test_a_wrong_example_would_fail(tmp_path: Path) -> None:
    example = doctest.DocTestParser().get_doctest(
        ">>> 1 + 1\n3\n", {}, "wrong", None, None
    )
    silent = doctest.DocTestRunner(verbose=False)
    assert silent.run(example, out=lambda _: None).failed == 1
