"""Chapter 04: the gate, the trial, the trend, and the published dot by arithmetic."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from helpers.chapters import red_dot, red_dot_published, red_dot_trial
from helpers.chapters.red_dot import EVERYWHERE, FULL, GRAD_CAM, SOUND, RedDot
from helpers.data.catalog import Pictures
from helpers.settings import Refused

PICTURES = 10
# Means of a sound and of a shortcut network: deletion and insertion are fooled, SCH
# notices, SES is blind.
MEANS = {
    SOUND: {"deletion": 0.4, "insertion": 0.5, "ses": 0.9, "sch": 0.6},
    FULL: {"deletion": 0.1, "insertion": 0.9, "ses": 0.9, "sch": 0.1},
}


def run(arm: str, seed: int, flips: float, **changes: Any) -> dict[str, Any]:
    """One run's row of a summary; scores differ a little by picture and seed."""
    noise = np.random.default_rng(seed).normal(0, 1e-4, PICTURES)
    scores: dict[str, list[float | None]] = {
        score: list(mean + noise * (1 + index))
        for index, (score, mean) in enumerate(MEANS[arm].items())
    }
    for score in ("deletion", "insertion"):
        scores[f"relative {score}"] = scores[score]
    scores["gini"] = [0.5] * PICTURES
    row = {
        "accuracy": {"test": 0.8},
        "trained_out": True,
        "flips": flips,
        "target, with the dot": 1.0,
        "target, without": 0.8,
        "on the dot": [flips / 2] * PICTURES,
        "full": [1.0] * PICTURES,
        "full_correct": [1] * PICTURES,
        "scores": scores,
        "means": {
            GRAD_CAM: dict(MEANS[arm]),
            "uniform": dict.fromkeys(MEANS[arm], 0.25),
        },
        "all classes": {"deletion": 0.3, "insertion": 0.4},
    }
    return row | changes


def example(seeds: int = 5, flips: float = 0.9, **changes: Any) -> dict[str, Any]:
    arms = {
        SOUND: {str(s): run(SOUND, s, 0.0) for s in range(1, seeds + 1)},
        FULL: {
            str(s): run(FULL, 100 + s, flips, **changes) for s in range(1, seeds + 1)
        },
    }
    parameters = {"strengths": [0.0, 1.0]}
    control = copy.deepcopy(arms[SOUND])
    for row in control.values():
        row["flips"] = 0.01
    return {"parameters": parameters, "arms": arms | {EVERYWHERE: control}}


def outcomes(summary: dict[str, Any], against: str = SOUND) -> dict[str, str]:
    frame = red_dot_trial.trial(summary)
    mine = frame[frame["sound network"] == against]
    return dict(zip(mine["metric"], mine["outcome"], strict=True))


def test_each_metric_gets_the_word_that_its_scores_deserve() -> None:
    expected = {
        "deletion": "fooled",
        "insertion": "fooled",
        "ses": "blind",
        "sch": "noticed",
    }
    assert outcomes(example()) == expected
    assert outcomes(example(), EVERYWHERE) == expected


def test_an_answer_is_what_both_comparisons_say() -> None:
    summary = example()
    for row in summary["arms"][EVERYWHERE].values():
        for score in ("deletion", "relative deletion"):
            row["scores"][score] = [value - 0.39 for value in row["scores"][score]]
    frame = red_dot_trial.answers(summary).set_index("metric")
    assert list(frame.loc["deletion"]) == ["fooled", "noticed", "undecided"]
    assert list(frame.loc["sch"]) == ["noticed"] * 3
    assert list(frame.index) == ["deletion", "insertion", "ses", "sch"]


def test_one_seed_decides_nothing_and_says_why() -> None:
    frame = red_dot_trial.trial(example(seeds=1))
    assert set(frame["outcome"]) == {"undecided"}
    assert set(frame["because"]) == {"1 seed"}
    assert np.isinf(frame["to"]).all()


def test_runs_that_are_not_trained_out_decide_nothing() -> None:
    frame = red_dot_trial.trial(example(trained_out=False))
    assert set(frame["because"]) == {"under-trained"}


def test_a_shut_gate_gives_no_outcome() -> None:
    summary = example(flips=0.3)
    assert not red_dot_trial.shortcut_learnt(summary)
    assert set(outcomes(summary).values()) == {red_dot_trial.NOT_LEARNT}


def test_one_seed_without_the_shortcut_shuts_the_gate() -> None:
    summary = example()
    summary["arms"][FULL]["3"]["flips"] = 0.49
    assert not red_dot_trial.shortcut_learnt(summary)
    learnt = red_dot_trial.gate(summary).query("arm == @FULL")["learnt"]
    assert list(learnt) == [True, True, False, True, True]


@pytest.mark.parametrize("arm", [SOUND, EVERYWHERE])
def test_a_sound_network_that_flips_shuts_the_gate(arm: str) -> None:
    summary = example()
    assert red_dot_trial.shortcut_learnt(summary)
    for row in summary["arms"][arm].values():
        row["flips"] = 0.06
    assert not red_dot_trial.shortcut_learnt(summary)


def test_deletion_is_undecided_where_its_versions_disagree() -> None:
    """Raw, the shortcut looks better; relative to its full pictures it does not."""
    summary = example()
    for seed, row in summary["arms"][FULL].items():
        sound = summary["arms"][SOUND][seed]["scores"]["relative deletion"]
        row["scores"]["relative deletion"] = [value + 0.2 for value in sound]
    found = red_dot_trial.verdict_on(summary, SOUND, "deletion")
    assert found.outcome == "undecided"
    assert found.reason.startswith("versions disagree: contradicted, supported")


def test_deletion_needs_a_picture_that_both_name_right() -> None:
    found = red_dot_trial.verdict_on(
        example(full_correct=[0] * PICTURES), SOUND, "deletion"
    )
    assert found.outcome == "undecided"
    assert "both networks name right" in found.reason


def test_undefined_scores_are_left_out_of_means_and_pairs() -> None:
    summary = example()
    for arm in (SOUND, FULL, EVERYWHERE):
        for row in summary["arms"][arm].values():
            low = 0.5 if arm == FULL else 0.1
            row["scores"]["mosu"] = [low, low, *[None] * (PICTURES - 2)]
    frame = red_dot_trial.differences(summary).query("metric == 'mosu'")
    assert np.allclose(frame["difference"], -0.4)
    assert np.allclose(frame["in margins"], 0.4 / 0.03)  # lower is better
    found = red_dot_trial.verdict_on(summary, SOUND, "mosu")
    assert (found.pictures, found.all_pictures) == (2, PICTURES)


def test_a_score_that_no_picture_has_is_no_row() -> None:
    summary = example()
    for arm in summary["arms"].values():
        for row in arm.values():
            row["scores"]["mosu"] = [None] * PICTURES
    assert "mosu" not in outcomes(summary)


def test_effects_point_to_the_better_network_and_gini_has_no_margin() -> None:
    frame = red_dot_trial.differences(example()).query("sound == @SOUND")
    means = frame.groupby("metric")["in margins"].mean()
    assert means["deletion"] == pytest.approx(-30, rel=0.02)
    assert means["insertion"] == pytest.approx(-40, rel=0.02)
    assert means["sch"] == pytest.approx(25, rel=0.02)
    assert np.isnan(means["gini"])


def test_the_trend_is_the_slope_over_strengths() -> None:
    summary = example()
    middle = {s: run(FULL, int(s), 0.5) for s in summary["arms"][SOUND]}
    summary["arms"][red_dot.arm_of(0.5)] = middle
    summary["parameters"]["strengths"] = [0.0, 0.5, 1.0]
    frame = red_dot_trial.trend(summary).set_index("score")
    # 0, .5, .9 at 0, .5, 1: slope sum (x - mean)(y - mean) / sum (x - mean)^2 = .9
    assert frame.loc["flips", "slope"] == pytest.approx(0.9)
    assert frame.loc["on the dot", "dot on 50%"] == pytest.approx(0.25)
    assert frame.loc["sch", "to"] < 0
    points = red_dot_trial.by_strength(summary)
    assert len(points.query("score == 'flips'")) == 15


def test_tables_over_arms() -> None:
    table = red_dot_trial.scores_table(example(), ["sch"]).set_index("map")["sch"]
    assert table[f"{GRAD_CAM}, {FULL}"] == 0.1
    assert table["uniform"] == 0.25
    contrast = red_dot_trial.published_contrast(example()).set_index("arm")
    assert contrast.loc[FULL, "deletion, all classes"] == pytest.approx(0.3)
    assert contrast.loc[FULL, "deletion, the class"] == pytest.approx(0.1)
    assert len(red_dot_trial.on_dot(example())) == 3 * 5 * PICTURES


def test_a_record_is_kept_small_and_json_ready() -> None:
    maps = {
        "deletion": [0.123456789, 0.3],
        "insertion": [0.5, 0.5],
        "relative insertion": [90.0, 0.75],
    }
    consistency = {"mosu": [None, None], "sch": [None, 0.25]}
    record = {
        "accuracy": {"test": 0.8},
        "trained_out": True,
        "maps": {GRAD_CAM: maps},
        "full_correct": [0, 0],
        "dot": {
            "flips": 0.9,
            "target, with the dot": 1.0,
            "target, without": 0.1,
            "on the dot": [0.4, 0.6],
            "full": [0.987654321, 1.0],
            "full_correct": [0, 1],
            "maps": {GRAD_CAM: maps, "uniform": maps},
            "consistency": {GRAD_CAM: consistency, "uniform": consistency},
        },
    }
    kept = red_dot._kept(record)
    assert kept["scores"]["deletion"] == [0.12346, 0.3]
    assert kept["scores"]["mosu"] == [None, None]
    assert kept["means"]["uniform"]["mosu"] is None
    assert kept["means"][GRAD_CAM]["sch"] == 0.25
    # relative scores: on pictures that the network names right
    assert kept["means"]["uniform"]["relative insertion"] == 0.75
    assert kept["all classes"]["relative insertion"] is None
    assert kept["all classes"]["deletion"] == pytest.approx(0.2117283945)


def test_the_arms_are_the_strengths_and_the_control() -> None:
    arms = RedDot.of(strengths=[0.0, 0.5, 1.0]).arms()
    assert list(arms) == [SOUND, "dot on 50%", FULL, EVERYWHERE]
    dots = {name: runs[0].data.dot for name, runs in arms.items()}
    assert [(d.share, d.elsewhere) for d in dots.values() if d] == [
        (0.0, 0.0),
        (0.5, 0.0),
        (1.0, 0.0),
        (0.5, 0.5),
    ]


@pytest.mark.parametrize("strengths", [[0.0], [0.0, 0.5], [1.0, 0.0], [0.5, 1.0]])
def test_a_trial_needs_both_ends(strengths: list[float]) -> None:
    with pytest.raises(Refused):
        RedDot.of(strengths=strengths)


def test_the_distance_to_a_colour_is_that_of_the_nearest_pixel() -> None:
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    images[0, :, 4, 5] = torch.tensor([255, 3, 251])
    one = Pictures(images, torch.zeros(1).long(), ("one",), (0.5,) * 3, (0.5,) * 3)
    assert red_dot.colour_distance(one, [255, 0, 255]).tolist() == [5.0]


def test_the_dot_is_drawn_on_a_copy() -> None:
    chapter = RedDot.of(test_pictures=64)
    own = red_dot.own_pictures(chapter)
    dotted = red_dot.with_dot(own, chapter)
    place = red_dot.dot_pixels(chapter)
    ink = torch.tensor(chapter.dot_colour)
    assert set(own.labels.tolist()) == {0}
    assert (dotted.images[:, :, 8, 8] == ink).all()
    differs = (dotted.images != own.images).any(1)
    assert not differs[:, 16:].any()
    assert not differs[:, :, 16:].any()
    assert place.float().mean() == pytest.approx(np.pi * 49 / 64**2, rel=0.03)


# As published


def test_the_crop_of_a_wide_picture_takes_the_dot_away() -> None:
    found = red_dot_published.arithmetic(500, 375)
    # 375 -> 224 and 500 -> int(298.67): 74 columns over, 37 on either side; the box
    # ends at pixel 12, so the dot at 13 * 224 / 375
    assert found["columns cropped"] == 37
    assert found["rows cropped"] == 0
    assert found["dot ends at x"] == pytest.approx(7.765, abs=1e-3)
    frame = red_dot_published.geometry([(500, 375), (375, 500), (400, 400)])
    assert list(frame["dot, evaluated"] > 0) == [False, False, True]
    assert (frame["dot, trained"] > 0).all()


def test_the_published_dot_is_an_ellipse_in_the_corner() -> None:
    blank = torch.zeros(3, 375, 500, dtype=torch.uint8)
    dotted = red_dot_published.draw(blank)
    assert not blank.any()
    rows, columns = (dotted[0] == 255).nonzero(as_tuple=True)
    assert (int(rows.max()), int(columns.max())) == (375 // 40, 500 // 40)
    assert not dotted[1:].any()
    assert red_dot_published.as_trained(dotted).shape == (3, 224, 224)
    assert red_dot_published.as_evaluated(dotted).shape == (3, 224, 224)


def test_writing_a_photograph_again_changes_pixels_far_from_the_dot() -> None:
    picture = red_dot_published.photograph(120, 90)
    assert picture.shape == (3, 90, 120)
    assert 0 < red_dot_published.encoded_again(picture) <= 1
    flat = torch.full((3, 96, 96), 128, dtype=torch.uint8)
    assert red_dot_published.encoded_again(flat) == 0
