"""A metric that the recorded trial did not admit decides nothing."""

import json
from pathlib import Path

import pytest

from helpers import paths
from helpers.report import admission, ledger
from helpers.report.admission import heard, may_judge
from helpers.report.verdict import Verdict, verdict
from helpers.report.verdict_words import in_few_words
from tests.report.test_ledger import summary

FIVE = [[0.5], [0.51], [0.52], [0.53], [0.54]]


def claim(metric: str, gap: float) -> Verdict:
    better = [[value[0] + gap] for value in FIVE]
    return verdict(
        better, FIVE, claim="c", metric=metric, trained_out=True, inert=False
    )


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a trial that admitted EPG alone."""
    monkeypatch.setattr(paths, "records", lambda: tmp_path)
    file = tmp_path / f"{admission.TRIAL}.json"
    file.write_text(json.dumps({"may judge": ["epg"]}))
    return file


def test_only_admitted_metrics_of_maps_judge(trial: Path) -> None:
    assert may_judge("epg")
    assert not may_judge("sch")
    assert may_judge("accuracy")
    assert may_judge("recognition")
    assert heard(claim("epg", -0.1)) == claim("epg", -0.1)
    assert heard(claim("accuracy", -0.1)).outcome == "contradicted"


def test_what_is_taken_back_keeps_its_numbers_and_says_its_word(trial: Path) -> None:
    plain = claim("sch", -0.1)
    assert plain.outcome == "contradicted"
    found = heard(plain)
    assert found.outcome == "undecided"
    assert found.reason == "SCH was not admitted; numbers go against it"
    assert (found.estimate, found.interval) == (plain.estimate, plain.interval)
    assert in_few_words(found) == "undecided: metric not admitted"
    undecided = verdict(
        FIVE, FIVE, claim="c", metric="sch", trained_out=True, inert=True
    )
    assert heard(undecided).reason == "inert"  # says more than the metric does


def test_without_a_trial_no_metric_of_maps_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "records", lambda: tmp_path / "none")
    assert not may_judge("epg")
    assert may_judge("accuracy")


def test_the_ledger_asks_the_trial_and_its_exploratory_answers_do_not(
    trial: Path,
) -> None:
    made = summary(lico=-0.10, mm=0.05, ot=0.05)
    found = ledger.full_table(made, ["1", "2 (gain)"]).set_index("metric")
    assert found.loc["SCH", "verdict"] == "undecided: metric not admitted"
    assert found.loc["SCH", "exploratory"] == "numbers go against it"
    assert found.loc["top-1", "verdict"] == "contradicted"
    parts = ledger.parts_of_claim(made, "3")
    row = parts.set_index(["claim", "metric"]).loc[("lico > mm", "SCH")]
    assert row["verdict"] == "undecided: metric not admitted"
    assert row["exploratory"] == "numbers go against it"
    trial.write_text(json.dumps({"may judge": ["sch"]}))
    admission._admitted.cache_clear()
    found = ledger.full_table(made, ["1"])
    assert found.loc[0, "verdict"] == "contradicted"
