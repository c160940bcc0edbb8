"""Two runs or two records: what differs is found, and paired as it should be."""

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from helpers import paths
from helpers.compare.__main__ import main
from helpers.compare.comparing import ABSENT, changed, compare, document
from helpers.compare.printing import bits, lines
from helpers.compare.scores import as_numbers, by_picture, by_seed, margin_of, mcnemar
from helpers.compare.sides import side
from helpers.report.records import packed
from helpers.settings import Refused, RunSettings

RIGHT = ([1, 1, 0, 1, 0, 1, 1, 0], [1, 0, 0, 1, 0, 0, 0, 0])
SCH = (
    [0.5, None, 0.25, 0.1, 0.2, 0.3, 0.4, 0.5],
    [0.7, 0.5, 0.3, 0.1, 0.4, 0.4, 0.5, 1],
)
CONFIG = {"data": {"name": "scenes", "test": 8}, "method": {"name": "ce"}, "seed": 1}
ORIGIN = {
    "training": {"commit": "a" * 40, "versions": {"torch": "2.11.0"}, "seconds": 3.0},
    "scoring": {"commit": "a" * 40, "seconds": 1.0},
}


def row(side: int) -> dict[str, Any]:
    return {
        "scored_by": f"{side}" * 64,
        "trained_out": True,
        "accuracy": {"test": float(np.mean(RIGHT[side]))},
        "correct": RIGHT[side],
        "maps": {"Grad-CAM": {"sch": SCH[side]}},
        "extremes": {"blurred": [0.5, 0.5]},
    }


def run_folder(folder: Path, side: int = 0, **config: Any) -> Path:
    folder.mkdir(parents=True)
    files = {
        "config.json": CONFIG | config,
        "record.json": row(side),
        "provenance.json": ORIGIN,
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    (folder / "model.safetensors").write_bytes(bytes([side]))
    (folder / "history.csv").write_text("epoch,loss\n0,1.0\n")
    return folder


def record_file(file: Path, sides: dict[str, int], **more: Any) -> Path:
    rows = {}
    for seed, at in sides.items():
        sch = packed(SCH[at])
        text = "".join(map(str, RIGHT[at]))
        rows[seed] = {"accuracy": {"test": 0.5 + at / 8}, "correct": text, "sch": sch}
    parameters = {"dataset": "scenes", "epochs": 3}
    whole = {"chapter": "03_training", "parameters": parameters, "arms": {"ce": rows}}
    file.write_text(json.dumps(whole | more))
    return file


# Scores


def by_hand(b: int, c: int) -> float:
    """The two-sided sign test, in fractions."""
    n, k = b + c, min(b, c)
    tail = sum(Fraction(math.comb(n, i), 2**n) for i in range(k + 1))
    return float(min(Fraction(1), 2 * tail))


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (3, 0), (5, 12), (8, 8), (2, 9)])
def test_mcnemar_is_a_sign_test_of_the_pictures_on_which_they_differ(
    b: int, c: int
) -> None:
    first = np.array([1.0] * b + [0.0] * c + [1.0] * 7 + [0.0] * 4)
    second = np.array([0.0] * b + [1.0] * c + [1.0] * 7 + [0.0] * 4)
    found = mcnemar(first, second)
    assert (found.first_alone, found.second_alone) == (b, c)
    assert found.pictures == b + c + 11
    assert found.p == pytest.approx(by_hand(b, c) if b + c else 1.0)


def test_an_interval_is_that_of_the_paired_t_test() -> None:
    (found,) = [
        one
        for one in by_picture(row(0), row(1), True)
        if one.path == "maps / Grad-CAM / sch"
    ]
    a, b = (np.array(values, float) for values in SCH)
    known = ~np.isnan(a)
    expected = stats.ttest_rel(b[known], a[known]).confidence_interval()
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    assert found.units == 7
    assert found.first == pytest.approx(np.nanmean(a))
    assert found.second == pytest.approx(b.mean())
    assert found.margin == 0.02


def test_without_the_same_pictures_there_is_no_interval() -> None:
    assert all(math.isnan(one.low) for one in by_picture(row(0), row(1), False))


def test_what_is_no_score_of_pictures_is_left_out() -> None:
    names = [one.path for one in by_picture(row(0), row(1), True)]
    assert names == ["trained_out", "accuracy / test", "correct", names[-1]]


def test_seeds_are_paired_and_others_left_out() -> None:
    first = {"1": {"sch": [0.1, 0.2]}, "2": {"sch": [0.3, 0.5]}, "3": {"sch": [1, 1]}}
    second = {"2": {"sch": [0.5, 0.5]}, "1": {"sch": [0.2, 0.2]}}
    (found,) = by_seed(first, second)
    assert (found.first, found.second) == pytest.approx((0.275, 0.35))
    expected = stats.ttest_1samp([0.05, 0.1], 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    (one,) = by_seed({"1": {"sch": [0.1]}}, {"1": {"sch": [0.4]}})
    assert math.isnan(one.low)


def test_values_of_pictures_are_read_in_every_form() -> None:
    assert as_numbers("0110").tolist() == [0, 1, 1, 0]  # type: ignore[union-attr]
    values = as_numbers(packed([0.5, None, -0.25]))
    assert np.allclose(values, [0.5, math.nan, -0.25], equal_nan=True)  # type: ignore[arg-type]
    assert as_numbers([1, None]) is not None
    for other in ("no", "", [], ["a"], [[1]], None):
        assert as_numbers(other) is None


def test_margins_are_the_committed_ones() -> None:
    assert margin_of(("accuracy", "test")) == margin_of(("correct",)) == 0.005
    assert margin_of(("means", "Grad-CAM", "sch less area")) == 0.02
    assert math.isnan(margin_of(("accuracy", "on")))


# Sides


def test_a_run_and_itself_are_the_same_bits(tmp_path: Path) -> None:
    one = side(str(run_folder(tmp_path / "a")))
    found = compare(one, side(str(run_folder(tmp_path / "b"))))
    assert bits(found.same_bits).startswith("Bit for bit the same: weights, training")
    assert not found.settings
    assert not found.origin
    assert all(one.difference == 0 for one in found.scores[""])


def test_one_bit_of_the_weights_is_seen(tmp_path: Path) -> None:
    one, other = run_folder(tmp_path / "a"), run_folder(tmp_path / "b")
    (other / "model.safetensors").write_bytes(b"\x01")
    found = compare(side(str(one)), side(str(other)))
    assert bits(found.same_bits) == (
        "Not the same bits: weights; the same: training curve, scores."
    )


def test_what_differs_between_runs_is_named(tmp_path: Path) -> None:
    method = {"name": "ce", "lr": 0.1}
    other = run_folder(tmp_path / "b", 1, method=method, seed=2)
    file = other / "provenance.json"
    file.write_text(file.read_text().replace("2.11.0", "2.12.0"))
    found = compare(side(str(run_folder(tmp_path / "a"))), side(str(other)))
    assert found.settings == {"seed": (1, 2), "method.lr": (ABSENT, 0.1)}
    assert found.origin["training.versions.torch"] == ("2.11.0", "2.12.0")
    assert found.origin["scored by"] == ("0" * 64, "1" * 64)
    assert (found.answers[""].first_alone, found.answers[""].second_alone) == (3, 0)
    text = "\n".join(lines(found))
    assert "3 and 0 of 8, p = 0.25" in text
    assert "maps / Grad-CAM / sch" in text
    assert max(map(len, text.splitlines())) <= 80
    json.dumps(document(found), allow_nan=False)


def test_other_pictures_are_not_paired(tmp_path: Path) -> None:
    other = run_folder(tmp_path / "b", 1, data={"name": "cifar10", "test": 8})
    found = compare(side(str(run_folder(tmp_path / "a"))), side(str(other)))
    assert not found.pictures
    assert not found.answers
    assert "Other test pictures" in "\n".join(lines(found))


def test_records_are_paired_by_seed_within_an_arm(tmp_path: Path) -> None:
    one = record_file(tmp_path / "a.json", {"1": 0, "2": 0, "3": 0})
    two = record_file(tmp_path / "b.json", {"1": 1, "2": 0}, language="planted")
    found = compare(side(str(one)), side(str(two)))
    assert found.settings == {"language": (ABSENT, "planted")}
    assert found.apart == {"seeds of ce": (["3"], [])}
    assert [score.units for score in found.scores["ce"]] == [2, 2, 2]
    assert found.answers["ce, seed 1"].first_alone == 3
    assert found.answers["ce, seed 2"].p == 1.0
    assert list(found.same_bits) == ["scores"]


def test_committed_records_are_read_as_they_are() -> None:
    names = sorted(file.stem for file in paths.records().glob("*-study.json"))
    assert names
    for name in names:
        one = side(name)
        found = compare(one, one)
        assert all(found.same_bits.values())
        assert any(found.scores.values())
        assert "over seeds" in "\n".join(lines(found, every=True))


def test_changed_tells_a_flag_from_a_number() -> None:
    assert changed({"a": 1, "b": 0}, {"a": True, "b": 0}) == {"a": (1, True)}


# The command


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


def test_faults_are_one_line(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = str(run_folder(tmp_path / "a"))
    record = str(record_file(tmp_path / "r.json", {"1": 0}))
    assert "no digest of a run" in told(capsys, "abc", one)
    assert "did you mean '03_training-study'" in told(capsys, "03_training-stud", one)
    assert "compare two runs or two records" in told(capsys, one, record)
    (tmp_path / "a" / "history.csv").unlink()
    assert "not a whole run: history.csv missing" in told(capsys, one, one)
    (tmp_path / "broken.json").write_text("{")
    assert "cannot be read" in told(capsys, str(tmp_path / "broken.json"), record)
    (tmp_path / "rows.json").write_text('{"rows": []}')
    assert "holds no arms" in told(capsys, str(tmp_path / "rows.json"), record)
    out = str(tmp_path / "no" / "such" / "out.json")
    assert "cannot be written" in told(capsys, record, record, "--out", out)


def test_runs_of_the_store_are_found_by_digest(
    home: Path, small: RunSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    from helpers.lab.runs import train_or_load

    first, second = (
        train_or_load(small.model_copy(update={"seed": seed})) for seed in (1, 2)
    )
    digests = [run.folder.name.partition("-")[2] for run in (first, second)]
    out = home / "out.json"
    assert main([digests[0][:8], digests[1], "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "Not the same bits: weights, training curve, scores." in shown
    found = json.loads(out.read_text())
    assert found["settings"] == {"seed": [1, 2]}
    assert found["answers"][""]["pictures"] == 16
    assert found["same test pictures"]
    with pytest.raises(Refused, match="begins 2 runs"):
        side("seed")
