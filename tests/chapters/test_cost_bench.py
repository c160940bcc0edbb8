"""Chapter 08: rows of the bench, as they came out or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from helpers import paths
from helpers.chapters import cost_bench
from helpers.settings import Refused


def row(**changed: Any) -> dict[str, Any]:
    """Return a row of the bench."""
    return {
        "number": "1a",
        "name": "text branch",
        "against": "padded",
        "on": "100 classes",
        "plain_s": 7.8,
        "ours_s": 0.43,
        "ratio": 18.1,
        "sense": "at least",
        "unit": "x",
        "bar": 15,
        "holds": True,
        "spread": [17.0, 19.0],
        "machine": "a machine",
        "threads": 2,
        "note": "",
    } | changed


MISSED = row(number="2", ratio=1.3, sense="at most", bar=1.1, holds=False, note="OT")
SIZE = row(number="3", plain_s=None, ours_s=None, plain_mb=1800, ours_mb=2, spread=None)
LATER = row(number="4", ratio=None, holds=None, unit="", bar=None, note="no GPU")
ROWS = [row(), MISSED, SIZE, LATER]


def test_the_table_says_what_came_out() -> None:
    table = cost_bench.table(ROWS).set_index("no.")
    assert table.loc["1a", "value (quartiles)"] == "18.1 × (17 to 19)"
    assert table.loc["1a", "plain, ours"] == "7.8, 0.43 s"
    assert table.loc["1a", "bar"] == "at least 15 ×"
    assert table.loc["3", "plain, ours"] == "1,800, 2 MB"
    assert table["holds"].tolist() == ["yes", "NO", "yes", "—"]
    assert table.loc["4", ["value (quartiles)", "bar"]].tolist() == ["—", "—"]


def test_a_missed_bar_and_a_remark_are_shown() -> None:
    assert cost_bench.remarks(ROWS)["no."].tolist() == ["2", "4"]
    assert cost_bench.remarks(ROWS)["remark"].tolist() == ["OT", "no GPU"]
    assert "every bar holds" in cost_bench.remarks([row()]).iloc[0, 0]
    counted = "bars that hold: 2, that do not: 1; rows without a bar: 1"
    assert cost_bench.counted(ROWS) == counted


def test_machines_are_counted_bench_by_bench() -> None:
    found = cost_bench.machines({"record": ROWS, "yours": None})
    assert found.to_dict("records") == [
        {"bench": "record", "machine": "a machine", "threads": "2", "rows": 4}
    ]


def test_without_a_bench_every_table_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    monkeypatch.setattr(paths, "records", lambda: tmp_path)
    assert cost_bench.recorded() is None
    assert cost_bench.own() is None
    assert cost_bench.rows_of(None) is None
    assert capsys.readouterr().out.count("python tasks.py bench") == 2
    for frame in (
        cost_bench.table(None),
        cost_bench.remarks(None),
        cost_bench.machines({"record": None}),
    ):
        assert frame.to_dict("list") == {"bench": ["not recorded"]}


def test_a_bench_is_read_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    monkeypatch.setattr(paths, "records", lambda: tmp_path)
    (tmp_path / "bench.json").write_text(json.dumps(ROWS))
    record = {"provenance": {}, "rows": ROWS}
    (tmp_path / "08_cost-bench.json").write_text(json.dumps(record))
    assert cost_bench.own() == ROWS == cost_bench.rows_of(cost_bench.recorded())


@pytest.mark.parametrize("text", ["{", '{"rows": []}', '[{"number": "1"}]', "[3]"])
def test_a_file_that_is_no_bench_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    (tmp_path / "bench.json").write_text(text)
    with pytest.raises(Refused, match=r"bench.json.*make it again") as refused:
        cost_bench.own()
    assert "\n" not in str(refused.value)
