"""Chapter 04: the gate, the trial, the trend, and the published dot by arithmetic."""

import copy
import itertools
from typing import Any

import numpy as np
import pytest
import torch

from helpers.chapters import (
    red_dot,
    red_dot_expected,
    red_dot_published,
    red_dot_tables,
    red_dot_trial,
    red_dot_views,
)
from helpers.chapters.red_dot import EVERYWHERE, FULL, GRAD_CAM, SOUND, RedDot, named
from helpers.chapters.red_dot_trial import MARGIN_OF
from helpers.data.catalog import Pictures
from helpers.report import margins
from helpers.report.records import packed
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


def new_format(old: dict[str, Any], places: tuple[str, ...]) -> dict[str, Any]:
    """The same runs as a summary of today, the dot worth nothing when it is absent."""
    arms = {}
    for place, (arm, seeds) in itertools.product(places, old["arms"].items()):
        rows = {}
        for seed, row in seeds.items():
            kept = ("on the dot", "full", "full_correct", "scores", "means")
            part = {name: row[name] for name in kept}
            for name in kept[:3]:
                part[name] = packed(part[name])
            part["scores"] = {k: packed(v) for k, v in part["scores"].items()}
            sound = old["arms"][SOUND][seed]["scores"]
            absent = part | {"scores": {k: packed(v) for k, v in sound.items()}}
            rest = {name: row[name] for name in row if name not in kept}
            rows[seed] = rest | {"present": part, "absent": absent}
        arms[named(arm, place)] = rows
    return {"parameters": {**old["parameters"], "places": list(places)}, "arms": arms}


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


def test_effects_point_to_the_better_network() -> None:
    frame = red_dot_trial.differences(example()).query("sound == @SOUND")
    means = frame.groupby("metric")["in margins"].mean()
    assert means["deletion"] == pytest.approx(-30, rel=0.02)
    assert means["insertion"] == pytest.approx(-40, rel=0.02)
    assert means["sch"] == pytest.approx(25, rel=0.02)


def test_every_metric_on_trial_has_a_margin_and_a_direction() -> None:
    known = {score: margins.metric(name) for score, name in MARGIN_OF.items()}
    lower = {score for score, one in known.items() if not one.higher_is_better}
    assert lower == {"deletion", "mosu", "mosu reversed", "border share", "entropy"}
    assert known["gini"].margin == 0.02
    assert known["entropy"].margin == 0.005


def test_the_interval_alone_speaks_where_the_rule_is_silent() -> None:
    """SCH falls, MOSU rises, from seed to seed too unevenly for margins of .02."""
    summary = example()
    for arm, middle in ((SOUND, 0.0), (EVERYWHERE, 0.0), (FULL, 0.4)):
        for seed, row in summary["arms"][arm].items():
            wide = middle + (0.03 * int(seed) if arm == FULL else 0.0)
            row["scores"]["sch"] = [0.6 - wide] * PICTURES
            row["scores"]["mosu"] = [0.1 + wide] * PICTURES
    frame = red_dot_expected.words(summary).set_index("metric")
    assert list(frame.loc["sch"]) == ["undecided", "noticed"]
    assert list(frame.loc["mosu"]) == ["undecided", "noticed"]
    assert list(frame.loc["deletion"]) == ["fooled", "fooled"]
    for row in summary["arms"][FULL].values():
        row["scores"]["relative insertion"] = [0.5] * PICTURES
    frame = red_dot_expected.words(summary).set_index("metric")
    assert frame.loc["insertion", "interval alone"] == "fooled / blind / fooled"
    for row in summary["arms"][EVERYWHERE].values():
        row["scores"]["sch"] = [0.0] * PICTURES
    frame = red_dot_expected.words(summary).set_index("metric")
    assert frame.loc["sch", "interval alone"] == "noticed; control: fooled"
    brief = red_dot_expected.words_by_condition({"here": summary})
    found = dict(zip(brief["metric"], brief["here"], strict=True))
    assert found["sch"] == found["insertion"] == "undecided (mixed)"
    assert found["mosu"] == "undecided (noticed)"
    assert found["deletion"] == "fooled"


def test_a_score_that_a_seed_has_nowhere_is_undecided() -> None:
    summary = example()
    for arm in summary["arms"].values():
        for row in arm.values():
            row["scores"]["gridpg"] = [0.5] * PICTURES
    summary["arms"][FULL]["2"]["scores"]["gridpg"] = [None] * PICTURES
    found = red_dot_trial.verdict_on(summary, SOUND, "gridpg")
    assert (found.outcome, found.pictures) == ("undecided", 0)
    assert red_dot_trial.by_interval(found) == "undecided"
    assert outcomes(summary)["sch"] == "noticed"  # nor does it spoil the others
    assert outcomes(summary)["gridpg"] == "undecided"
    assert "gridpg" in set(red_dot_tables.trend(summary)["score"])


def test_the_trend_is_the_slope_over_strengths() -> None:
    summary = example()
    middle = {s: run(FULL, int(s), 0.5) for s in summary["arms"][SOUND]}
    summary["arms"][red_dot.arm_of(0.5)] = middle
    summary["parameters"]["strengths"] = [0.0, 0.5, 1.0]
    frame = red_dot_tables.trend(summary).set_index("score")
    # 0, .5, .9 at 0, .5, 1: slope sum (x - mean)(y - mean) / sum (x - mean)^2 = .9
    assert frame.loc["flips", "slope"] == pytest.approx(0.9)
    assert frame.loc["on the dot", "dot on 50%"] == pytest.approx(0.25)
    assert frame.loc["sch", "to"] < 0
    points = red_dot_tables.by_strength(summary)
    assert len(points.query("score == 'flips'")) == 15


def test_tables_over_arms() -> None:
    table = red_dot_tables.scores_table(example(), ["sch"]).set_index("map")["sch"]
    assert table[f"{GRAD_CAM}, {FULL}"] == 0.1
    assert table["uniform"] == 0.25
    contrast = red_dot_tables.published_contrast(example()).set_index("arm")
    assert contrast.loc[FULL, "deletion, all classes"] == pytest.approx(0.3)
    assert contrast.loc[FULL, "deletion, the class"] == pytest.approx(0.1)
    assert len(red_dot_tables.on_dot(example())) == 3 * 5 * PICTURES


def test_a_record_is_kept_small_and_json_ready() -> None:
    maps = {
        "deletion": [0.123456789, 0.3],
        "insertion": [0.5, 0.5],
        "relative insertion": [90.0, 0.75],
        "tied": [0.0, 1.0],
    }
    consistency = {"mosu": [None, None], "sch": [None, 0.25]}
    part = {
        "on the dot": [0.4, 0.6],
        "full": [0.987654321, 1.0],
        "full_correct": [0, 1],
        "maps": {GRAD_CAM: maps, "uniform": maps},
        "consistency": {GRAD_CAM: consistency, "uniform": consistency},
        "place": {GRAD_CAM: {"iou": [0.5, 1.0]}, "uniform": {"iou": [0.2, 0.2]}},
        "grids": {},
    }
    rates = {"flips": 0.9, "target, with the dot": 1.0, "target, without": 0.1}
    record = {
        "accuracy": {"test": 0.8},
        "trained_out": True,
        "maps": {GRAD_CAM: maps},
        "full_correct": [0, 0],
        "dot": {**rates, **part, "absent": {**part, "maps": {GRAD_CAM: maps}}},
    }
    kept = red_dot._kept(record, short=False, references=True)
    seen = kept["present"]
    assert seen["scores"]["deletion"] == "1235 3000"
    assert seen["scores"]["mosu"] == "- -"
    assert "tied" not in seen["scores"]
    assert seen["means"]["uniform"] == {
        **{"deletion": 0.21173, "insertion": 0.5, "tied": 0.5, "iou": 0.2},
        **{"mosu": None, "sch": 0.25},
        "relative insertion": 0.75,  # on pictures that the network names right
    }
    assert (seen["full"], seen["full_correct"]) == ("9877 10000", "0 10000")
    assert list(kept["absent"]["means"]) == [GRAD_CAM]
    assert kept["all classes"]["relative insertion"] is None
    short = red_dot._kept(record, short=True, references=False)
    assert "scores" not in short["present"]
    assert list(short["present"]["means"]) == [GRAD_CAM]


def test_the_arms_are_the_strengths_and_the_control_at_each_place() -> None:
    chapter = RedDot.of(strengths=[0.0, 0.5, 1.0], places=["top-left", "centre"])
    arms = chapter.arms()
    words = (SOUND, "dot on 50%", FULL, EVERYWHERE)
    assert list(arms) == [
        f"{arm}, {place}" for place in ("top-left", "centre") for arm in words
    ]
    dots = [runs[0].data.dot for runs in arms.values()]
    assert [(d.share, d.elsewhere, d.position) for d in dots[3:6] if d] == [
        (0.5, 0.5, "top-left"),
        (0.0, 0.0, "centre"),
        (0.5, 0.0, "centre"),
    ]


def test_short_runs_are_of_both_ends_at_the_first_place() -> None:
    chapter = RedDot.of(places=["centre", "top-left"], shorter=[8, 3], epochs=52)
    short = {n: r[0] for n, r in chapter.arms().items() if n.endswith("epochs")}
    assert list(short) == [
        f"{arm}, centre, {epochs} epochs" for epochs in (6, 17) for arm in (SOUND, FULL)
    ]
    assert [run.method.epochs for run in short.values()] == [6, 6, 17, 17]


@pytest.mark.parametrize(
    "wrong",
    [
        {"places": ["top"]},
        {"places": ["centre", "centre"]},
        {"shorter": [1]},
        {"shorter": [8], "epochs": 7},
        {"shorter": [50, 51], "epochs": 52},
    ],
)
def test_places_and_divisors_that_mean_nothing_are_refused(wrong: dict) -> None:
    with pytest.raises(Refused, match=r"places|shorter") as refusal:
        RedDot.of(**wrong)
    assert "\n" not in str(refusal.value)


# Views of records


def test_a_view_is_of_one_place_and_condition() -> None:
    old = example()
    both = new_format(old, ("top-left", "centre"))
    both["arms"][named(FULL, "centre")]["1"]["flips"] = 0.7
    view, first = red_dot_views.at(both, "centre"), red_dot_views.at(both)
    assert view is not None
    assert first is not None
    assert list(view["arms"]) == list(old["arms"])
    assert view["arms"][FULL]["1"]["flips"] == 0.7
    assert first["arms"][FULL]["1"]["flips"] == 0.9
    assert outcomes(view) == outcomes(old)
    absent = red_dot_views.at(both, condition=red_dot_views.ABSENT)
    assert absent is not None
    assert set(outcomes(absent).values()) == {"blind"}  # the same scores everywhere
    frame = red_dot_expected.words_by_condition(red_dot_views.every(both))
    assert list(frame)[1:] == [
        *("top-left, with the dot", "top-left, without the dot"),
        *("centre, with the dot", "centre, without the dot"),
    ]
    assert list(frame.set_index("metric").loc["sch"])[:2] == ["noticed", "blind"]
    points = red_dot_expected.by_condition(red_dot_views.every(both))
    assert set(points["sound"]) == {EVERYWHERE}
    assert len(points["series"].unique()) == 4


def test_an_older_record_is_a_view_and_says_what_it_lacks(capsys: Any) -> None:
    old = example() | {"parameters": {"strengths": [0, 1], "dot_position": "centre"}}
    assert red_dot_views.places(old) == ["centre"]
    view = red_dot_views.at(old)
    assert view is not None
    assert outcomes(view) == outcomes(old)
    assert red_dot_views.at(old, condition=red_dot_views.ABSENT) is None
    assert red_dot_views.at(old, "top-left") is None
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert list(red_dot_views.every(old)) == ["centre, with the dot"]
    assert red_dot_views.lacking(view, ["sch", "epg", "iou"]) == (
        "Not recorded yet: epg, iou."
    )
    assert "every" in red_dot_views.lacking(view, ["sch"]).lower()
    assert red_dot_views.at(None) is None


# What was expected


def test_what_came_out_stands_beside_what_was_expected() -> None:
    frame = red_dot_expected.came_out(example()).set_index("about")
    assert list(frame["by the rule"]) == [
        *("learnt", "more than in sound networks"),
        *("fooled", "fooled", "noticed"),
    ]
    assert (frame["by the rule"] == frame["expected"]).all()
    shut = red_dot_expected.came_out(example(flips=0.3))["by the rule"]
    assert list(shut)[2:] == [red_dot_trial.NOT_LEARNT] * 3
    one = red_dot_expected.came_out(example(seeds=1))["by the rule"]
    assert list(one)[1:] == ["undecided (1 seed)", *["undecided"] * 3]
    assert list(red_dot_expected.expected()["about"]) == list(frame.index)


def test_less_mass_on_the_dot_is_said() -> None:
    summary = example()
    for row in summary["arms"][FULL].values():
        row["on the dot"] = [-0.1 * row["flips"]] * PICTURES
    found = red_dot_expected.came_out(summary).set_index("about")
    assert found.loc["on the dot", "by the rule"] == "less than in sound networks"


def test_one_table_holds_effects_words_and_trend() -> None:
    frame = red_dot_expected.one_table(example()).set_index("metric")
    row = frame.loc["sch"]
    assert row["sound - shortcut"].startswith("+0.500 [+0.")
    assert row["answer"] == "noticed"
    assert row["slope over strengths"].startswith("-0.500 [-0.")
    one = red_dot_expected.one_table(example(seeds=1)).set_index("metric")
    assert one.loc["sch", "control - ..."] == "+0.500"  # no interval of one seed


# Training cut short


def test_deletion_over_epochs_by_hand() -> None:
    summary = new_format(example(seeds=2), ("top-left",))
    summary["parameters"]["epochs"] = 52
    for arm in summary["arms"].values():
        for row in arm.values():
            row["accuracy"] = {"validation": 0.8}
    for arm in (SOUND, FULL):
        rows = copy.deepcopy(summary["arms"][named(arm, "top-left")])
        for row in rows.values():
            row["accuracy"] = {"validation": 0.3}
            row["present"]["means"] = {GRAD_CAM: {"deletion": 0.05}}
            row["flips"] = 0.3
        summary["arms"][named(arm, "top-left", 6)] = rows
    frame = red_dot_tables.over_epochs(summary)
    assert list(frame["epochs"]) == [6, 6, 52, 52] * 2
    means = frame.groupby(["trained", "epochs"])["with the dot"].mean()
    assert means["with the dot", 6] == pytest.approx(0.05)
    assert means["with the dot", 52] == pytest.approx(0.1)
    assert means["without a dot", 52] == pytest.approx(0.4)
    assert "dot on 0%, top-left, 6 epochs" in summary["arms"]
    view = red_dot_views.at(summary)
    assert view is not None
    assert list(view["arms"]) == [SOUND, FULL, EVERYWHERE]
    assert view["arms"][FULL]["1"]["flips"] == 0.9  # the short ones are left out


def test_with_and_without_the_dot() -> None:
    summary = example()
    frame = red_dot_tables.with_and_without(summary).set_index("arm")
    assert frame.loc[FULL, "flips"] == pytest.approx(0.9)
    assert frame.loc[FULL, "mass there, with"] == pytest.approx(0.45)
    assert "probability, without" not in frame
    both = red_dot_tables.with_and_without(summary, summary)
    assert both.loc[0, "probability, without"] == 1.0


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


def test_the_crop_leaves_of_the_dot_what_arithmetic_says() -> None:
    """500 x 490: (12 + 1) 224 / 490 = 5.943 columns, of which 2 are cropped."""
    assert red_dot_published.left_of_dot(500, 490) == pytest.approx(
        1 - 2 / (13 * 224 / 490)
    )
    assert red_dot_published.left_of_dot(500, 375) == 0
    assert red_dot_published.left_of_dot(250, 250) == 1
    frame = red_dot_published.survival({(500, 375): 3, (500, 490): 2, (250, 250): 1})
    assert list(frame["pictures"]) == [3, 1]
    assert list(frame["share"]) == [3 / 6, 1 / 6]
    assert sum(red_dot_published.SIZES.values()) == 50


def test_arithmetic_and_pixels_agree_on_what_survives() -> None:
    sizes = [(500, 375), (140, 320), (250, 250), (500, 490), (500, 407)]
    frame = red_dot_published.geometry(sizes)
    kept = [red_dot_published.left_of_dot(*one) > 0 for one in sizes]
    assert list(frame["dot, evaluated"] > 0) == kept


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
