"""Chapter 08: its runs, its prices and its energy, by hand."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from helpers import paths
from helpers.chapters import cost
from helpers.chapters.cost import Cost
from helpers.chapters.training import Training
from helpers.lab.runs import digest
from helpers.settings import Refused


def took(seconds: float, epochs: int, seed: int = 1, scoring: float = 4.0) -> Any:
    """Return a run as far as its price goes."""
    made = {"device": "a machine", "date": "2026-01-02T03:04:05+00:00"}
    return SimpleNamespace(
        settings=SimpleNamespace(seed=seed, method=SimpleNamespace(epochs=epochs)),
        provenance={
            "training": {"seconds": seconds, **made},
            "scoring": {"seconds": scoring, **made},
        },
    )


ARMS = {"ce": [took(20.0, 10)], "lico": [took(30.0, 10)]}


def test_nothing_new_is_trained() -> None:
    """The runs are those of chapter 03, to the digest."""
    ours, theirs = Cost.of().arms(), Training.of().arms()
    for arm in ("ce", "lico"):
        assert digest(ours[arm][0]) == digest(theirs[arm][0])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"contexts": [6, 6, 12]}, "give each size once"),
        ({"class_counts": [10, 50, 101]}, "less than or equal to 100"),
        ({"epsilons": [1.0, 0.1, 0.0]}, "greater than 0"),
        ({"batches": [16, 32]}, "at least 3"),
        ({"watts": 0.0}, "greater than 0"),
    ],
)
def test_sizes_that_have_no_slope_are_refused(
    changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(Refused, match=words) as refused:
        Cost.of(**changed)
    assert "\n" not in str(refused.value)


def test_table_1_as_ratios_and_extra_time() -> None:
    frame = cost.printed_prices()
    first = frame.iloc[0]
    assert (first["data"], first["network"], first["batch"]) == (
        *("CIFAR-100", "ResNet-18"),
        64,
    )
    assert first["ratio"] == pytest.approx(98 / 23)
    assert first["extra, ms a picture"] == pytest.approx(75 / 50)
    assert first["CGC, ratio"] == pytest.approx(107 / 23)
    assert math.isnan(frame.iloc[-1]["ratio"])  # did not fit


def test_prices_of_runs() -> None:
    row = cost.own_prices(ARMS).iloc[0]
    assert row["baseline, s"] == 2.0
    assert row["LICO, s"] == 3.0
    assert row["ratio"] == 1.5
    summary = Cost.of().summary(ARMS)
    assert summary["arms"]["lico"]["1"] == {
        "training": 30.0,
        "scoring": 4.0,
        "epoch": 3.0,
    }


def test_energy_is_power_times_time() -> None:
    assert cost.energy(3600, 1000) == 1.0
    row = cost.own_footprint(ARMS, watts=3600.0, intensity=500.0).iloc[0]
    assert row["kWh"] == pytest.approx(24 * 3600 / 3.6e6)
    assert row["g CO2e"] == pytest.approx(12.0)


def test_the_study_by_its_own_factors() -> None:
    spent, kilograms = cost.study_footprint()
    assert round(spent) == 111
    assert kilograms == pytest.approx(46.7, abs=0.1)
    one = cost.printed_footprint().set_index("what")
    run = one.loc["LICO, ResNet-18, CIFAR-100, batch 64"]
    assert run["kWh"] == pytest.approx(0.4 * 9800 / 3600)
    assert len(one) == 11  # of 12, one did not fit


def test_records_are_added_up_where_they_say_what_they_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = {"count": 2, "training_seconds": 3000, "scoring_seconds": 600}
    (tmp_path / "a-study.json").write_text(json.dumps({"runs": runs}))
    (tmp_path / "b-bench.json").write_text(json.dumps({"rows": []}))
    monkeypatch.setattr(paths, "records", lambda: tmp_path)
    (row,) = cost.recorded_footprint(1000.0, 1.0).to_dict("records")
    assert row["what"] == "a-study, 2 runs"
    assert row["kWh"] == 1.0


def test_all_prices_and_energies_of_the_page() -> None:
    steps = pd.DataFrame(
        {
            "size": [16, 16],
            "way": ["baseline", "LICO"],
            "ratio": [1.4, 1.4],
        }
    )
    rows = cost.price_rows(ARMS, steps)
    assert rows["ratio"].tail(2).tolist() == [1.5, 1.4]
    assert rows["kind"].nunique() == 3
    assert rows["ratio"].notna().all()
    energies = cost.energy_rows(ARMS, 400.0, 421.0)
    assert list(energies["kind"].unique())[-1] == "this page"
    assert (energies["kWh"] > 0).all()
