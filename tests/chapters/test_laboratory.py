"""Chapter 00: the laboratory has the properties that it must have."""

import os
from typing import Any

import pytest

from helpers.chapters import laboratory
from helpers.chapters.laboratory import Laboratory
from helpers.report import records
from helpers.settings import Refused


def failing(summary: dict[str, Any]) -> list[tuple]:
    return [row for row in laboratory.checks(summary) if not row[3]]


def test_the_committed_study_has_every_property() -> None:
    study = records.load("00_laboratory-study")
    assert len(study["parameters"]["seeds"]) >= 5
    rows = laboratory.checks(study)
    assert len(rows) >= 13
    assert failing(study) == []


@pytest.mark.slow
def test_the_books_own_runs_have_every_property() -> None:
    """Trained here, unless `make book` has trained them: a few minutes."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    chapter = Laboratory()
    assert failing(chapter.summary(chapter.trained())) == []


def example(**changes: Any) -> dict[str, Any]:
    clip = {"zero-shot": 0.8}
    for kind in ("pooled", "token"):
        clip |= {f"{kind} rho": 0.5, f"{kind} p": 0.001}
        clip |= {f"{kind} rho, random tower": 0.05}
    plain = {
        "accuracy": {"test": 0.8, "on": 0.81, "decorrelated": 0.8, "off": 0.79},
        "trained_out": True,
        "correct": "1110" * 25,
    }
    cued = {**plain, "accuracy": {**plain["accuracy"], "on": 0.95, "decorrelated": 0.5}}
    arms: dict[str, Any] = {
        laboratory.BASELINE: {"1": plain},
        laboratory.CUED: {"1": cued},
        laboratory.CLIP: {"1": clip | changes},
        laboratory.SHUFFLED: {"1": {**clip, "zero-shot": 0.04}},
    }
    return {"parameters": {"dataset": "scenes", "cue": 0.9}, "arms": arms}


def test_a_sound_laboratory_passes() -> None:
    assert failing(example()) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("zero-shot", 0.59),
        ("pooled rho", 0.39),
        ("token p", 0.02),
        ("token rho, random tower", -0.2),
    ],
)
def test_a_text_model_that_knows_too_little_fails(key: str, value: float) -> None:
    assert failing(example(**{key: value}))


@pytest.mark.parametrize(
    ("arm", "place", "value"),
    [
        (laboratory.BASELINE, "test", 0.6),
        (laboratory.BASELINE, "test", 0.95),
        (laboratory.BASELINE, "on", 0.84),
        (laboratory.CUED, "on", 0.55),
    ],
)
def test_a_baseline_out_of_bounds_fails(arm: str, place: str, value: float) -> None:
    summary = example()
    summary["arms"][arm]["1"]["accuracy"][place] = value
    assert len(failing(summary)) == 1


def test_seeds_that_scatter_fail() -> None:
    summary = example()
    plain = summary["arms"][laboratory.BASELINE]["1"]
    for seed, accuracy in (("2", 0.85), ("3", 0.75)):
        again = {**plain, "accuracy": {**plain["accuracy"], "test": accuracy}}
        summary["arms"][laboratory.BASELINE][seed] = again
    assert [row[0] for row in failing(summary)] == ["baseline: SD between seeds"]


def test_one_seed_gives_no_verdict() -> None:
    assert laboratory.cue_verdict(example()).label == "undecided (1 seed)"


def test_a_run_that_is_not_trained_out_gives_no_verdict() -> None:
    summary = example()
    summary["arms"][laboratory.CUED]["1"]["trained_out"] = False
    assert "under-trained" in laboratory.cue_verdict(summary).label


def test_arms_differ_in_what_they_are_named_for_alone() -> None:
    arms = Laboratory(seeds=[1, 2]).arms()
    assert [len(runs) for runs in arms.values()] == [2, 2, 2, 2]
    plain, cued = arms[laboratory.BASELINE][0], arms[laboratory.CUED][0]
    assert plain.data.model_copy(update={"cue": 0.9}) == cued.data
    assert plain.method == cued.method


def test_photographs_have_no_cue_arm() -> None:
    arms = Laboratory(dataset="cifar10", size=32, backbone="resnet20").arms()
    assert laboratory.CUED not in arms
    assert {run.data.name for run in arms[laboratory.CLIP]} == {"scenes"}


def test_a_record_that_is_not_there_is_named() -> None:
    with pytest.raises(Refused, match="did you mean '00_laboratory-study'"):
        records.load("00_laboratory-studdy")
