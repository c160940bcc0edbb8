"""Runs and records that are compared, and what is committed beside the book."""

import json
from pathlib import Path
from typing import Any

import pytest

from helpers import paths
from helpers.compare.__main__ import main
from helpers.compare.comparing import compare, document
from helpers.compare.printing import lines
from helpers.compare.sides import side
from helpers.report import records
from helpers.settings import Refused
from tests.hostile.broken import (
    MARKUP,
    NAMES,
    assert_answered,
    bytes_of,
    fuzzed,
    json_of,
)

ROW = {
    "scored_by": "a" * 64,
    "trained_out": True,
    "accuracy": {"test": 0.5},
    "correct": "0101",
    "maps": {"Grad-CAM": {"sch": "5000 - -2500 1", "n": [1, None, 0.5, 2]}},
}
RECORD: dict[str, Any] = {
    "chapter": "03_training",
    "profile": "book",
    "parameters": {"dataset": "scenes", "seeds": [1, 2]},
    "arms": {"ce": {"1": ROW, "2": ROW}, MARKUP: {"1": ROW}},
    "runs": {"count": 2, "code": "b" * 64},
    "provenance": {"commit": "c" * 40, "versions": {"torch": "2"}, "seconds": 1.0},
}
PARTS = {
    "config": {"data": {"name": "scenes", "test": 4}, "method": {"name": "ce"}},
    "record": ROW,
    "provenance": {"training": {"seconds": 1.0, "commit": "c" * 40}, "scoring": {}},
}


def both_ways(first: Path, second: Path) -> None:
    one, other = side(str(first)), side(str(second))
    for pair in ((one, other), (other, one)):
        found = compare(*pair)
        list(lines(found, every=True))
        json.dumps(document(found), allow_nan=False)


@fuzzed(0.2)  # each pair is compared both ways
def test_records_changed(fence: Path, case: int) -> None:
    whole, changed = fence / "whole.json", fence / "changed.json"
    whole.write_text(json.dumps(RECORD))
    changed.write_text(json_of(case, RECORD))
    assert_answered(fence, lambda: both_ways(whole, changed), "changed.json")


@fuzzed(0.15)
def test_runs_changed(fence: Path, case: int) -> None:
    for name in ("whole", "changed"):
        folder = fence / name
        folder.mkdir(exist_ok=True)
        for part, content in PARTS.items():
            (folder / f"{part}.json").write_text(json.dumps(content))
        (folder / "model.safetensors").write_bytes(b"x")
        (folder / "history.csv").write_text("epoch,loss\n0,1.0\n")
    part = [*PARTS][case % 3]
    (fence / "changed" / f"{part}.json").write_text(json_of(case, PARTS[part]))
    assert_answered(
        fence, lambda: both_ways(fence / "whole", fence / "changed"), "changed"
    )


@pytest.mark.parametrize("name", [*NAMES, "~nobody/x"], ids=range(len(NAMES) + 1))
def test_names_of_what_is_not_there(
    fence: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    if Path(name[:200].replace("\0", "")).is_dir():  # "" and ".." are folders
        name = f"{name}none"
    assert main([name, name]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "\x1b" not in said


def test_a_record_that_is_damaged_is_not_one_that_is_missing(
    fence: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "records", lambda: fence)
    assert records.recorded("03-book") is None
    assert "not there yet" in capsys.readouterr().out
    for case in range(20):
        damaged = bytes_of(case, json.dumps(RECORD).encode())
        (fence / "03-book.json").write_bytes(damaged)
        assert_answered(fence, lambda: records.recorded("03-book"), "03-book.json")
    (fence / "03-book.json").write_text("{")
    with pytest.raises(Refused, match=r"03-book\.json' cannot be read"):
        records.recorded("03-book")
