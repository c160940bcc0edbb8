"""Chapter 05's arms: scores of a study beside a page's own, and two relative areas."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from helpers.chapters import metric_arms
from helpers.chapters.training import GROUPS
from helpers.report import records, score_figures

MAPS = (metric_arms.GRAD_CAM, *metric_arms.FLOORS, *metric_arms.CEILINGS)


def run(ses: float = 0.8, deletion: float = 0.2) -> dict[str, Any]:
    """Return a row of a record; floors score .5, ceilings 1, whatever the score."""
    values = {"ses": ses, "sch": 0.6, "mosu": 0.1, "insertion": 0.7}
    means = {
        name: dict.fromkeys(metric_arms.SCORES, 0.5 if name in FLOORS else 1.0)
        for name in MAPS[1:]
    }
    relative = {"relative insertion": 3.0, "relative deletion": 2.0}
    own = values | relative | {"deletion": deletion}
    full = records.packed([0.9, 0.1])
    return {"means": means | {MAPS[0]: own}, "full": full}


FLOORS = metric_arms.FLOORS


def study(*arms: str) -> dict[str, Any]:
    rows = {arm: {"1": run(0.8), "2": run(0.6)} for arm in arms}
    return {"arms": rows, "parameters": {"epochs": 64, "seeds": [1, 2]}}


def test_arms_stand_in_their_groups() -> None:
    sources = {
        "the study": study("one-hot", "mine", "ot", "ce"),
        "this page": study("ce"),
        "nowhere": None,
    }
    frame = metric_arms.scores_of_arms(sources)
    pairs = frame[["group", "arm"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [
        ["losses", "ce"],
        ["losses", "ot"],
        ["controls", "one-hot"],
        ["others", "mine"],
    ]
    assert len(frame) == 5 * 2 * len(metric_arms.SCORES)
    assert set(frame["source"]) == {"the study", "this page"}
    assert frame["source"].iloc[0] == "the study"


def test_what_a_study_lacks_is_said() -> None:
    every = [arm for arms in GROUPS.values() for arm in arms]
    said = metric_arms.what_is_missing(study(*every))
    assert said == f"The study holds {len(every)} of {len(every)} arms."
    missing = {"mm", *GROUPS["captions"]}
    some = [arm for arm in every if arm not in missing]
    said = metric_arms.what_is_missing(study(*some))
    assert said.endswith("not in this record: mm; captions.")
    assert metric_arms.what_is_missing(None).startswith("The study holds 0 of")


def test_floors_are_counted_in_the_metrics_own_direction() -> None:
    """SES .7 and SCH .6 are above floors of .5, MOSU .1 and deletion .2 below them."""
    given = study("ce", "lico")
    worse = {"ce": {"1": run(ses=0.1)}}
    sources = {"the study": given, "this page": {"arms": worse}}
    known = metric_arms.levels(given)
    assert set(known["kind"]) == {"floor", "ceiling"}
    frame = metric_arms.ahead_of_floors(metric_arms.scores_of_arms(sources), known)
    rows = frame.set_index("score").to_dict("index")
    assert all(row["arms ahead of it"] == 2 for row in rows.values())
    assert rows["SES"]["from"] == pytest.approx(0.7)
    poor = metric_arms.scores_of_arms({"a": {"arms": {"ce": {"1": run(0.4, 0.9)}}}})
    few = metric_arms.ahead_of_floors(poor, known).set_index("score")
    assert few["arms ahead of it"].to_dict() == {
        **{"SES": 0, "SCH": 1, "MOSU": 1},
        **{"insertion": 1, "deletion": 0},
    }


def test_a_study_without_masks_has_no_ceilings() -> None:
    given = study("ce")
    for one in given["arms"]["ce"].values():
        for name in metric_arms.CEILINGS:
            del one["means"][name]
    assert set(metric_arms.levels(given)["kind"]) == {"floor"}


# Relative areas


def test_two_ratios_by_hand() -> None:
    """Full probabilities .9 and .1: an area of .7 is 1.4 of their mean."""
    frame = metric_arms.two_ratios({"arms": {"ce": {"1": run()}}})
    values = frame.set_index(["score", "way"])["value"].to_dict()
    assert values == pytest.approx(
        {
            ("insertion", "mean of ratios"): 3.0,
            ("insertion", "ratio of means"): 1.4,
            ("deletion", "mean of ratios"): 2.0,
            ("deletion", "ratio of means"): 0.4,
        }
    )


def test_the_spread_over_seeds_is_the_mean_over_arms() -> None:
    rows = [
        (arm, seed, "deletion", "mean of ratios", value)
        for arm, values in (("a", (1.0, 3.0)), ("b", (1.0, 1.0)))
        for seed, value in enumerate(values)
    ]
    frame = pd.DataFrame(rows, columns=["arm", "seed", "score", "way", "value"])
    (row,) = metric_arms.spread_of_ways(frame).to_dict("records")
    assert row["SD over seeds"] == pytest.approx(2**0.5 / 2)


def one_record() -> dict[str, Any]:
    """Return a right picture of ratio 1/2 and 1/4, a wrong one of 10, one of none."""
    scores = {
        "insertion": [0.4, 0.1, 0.0],
        "deletion": [0.2, 0.1, 0.0],
        "relative insertion": [0.5, 10.0, None],
        "relative deletion": [0.25, 10.0, None],
    }
    maps = {metric_arms.GRAD_CAM: scores}
    return {"maps": maps, "full": [0.8, 0.01, 0.0], "full_correct": [1, 0, 0]}


def test_one_wrong_picture_decides_a_mean_of_ratios() -> None:
    frame = metric_arms.of_pictures(one_record())
    insertion, deletion = metric_arms.who_decides(frame).to_dict("records")
    assert insertion["mean of ratios"] == 5.25
    assert insertion["of pictures named right"] == 0.5
    assert insertion["ratio of means"] == pytest.approx(0.5 / 0.81)
    assert insertion["named wrong"] == pytest.approx(2 / 3)
    assert insertion["of the sum of ratios"] == pytest.approx(10 / 10.5)
    assert deletion["of the sum of areas"] == pytest.approx(1 / 3)
    rows = metric_arms.about_ratios(frame).to_dict("records")
    assert rows[0]["in margins"] == pytest.approx((5.25 - 0.5 / 0.81) / 0.01)
    assert [row["score"] for row in rows] == ["insertion / full", "deletion / full"]


# Figures


def test_every_arm_has_a_row_and_every_group_a_head() -> None:
    given = study("ce", "lico", "one-hot")
    sources = {"the study": given, "this page": study("ce")}
    frame = metric_arms.scores_of_arms(sources)
    figure = score_figures.arm_scores(frame, metric_arms.levels(given))
    first, *_ = figure.axes
    names = [label.get_text() for label in first.get_yticklabels()]
    assert names == ["ce", "lico", "one-hot"]
    assert [text.get_text() for text in first.texts] == ["losses", "controls"]
    marks = [line.get_marker() for line in first.lines]
    assert (marks.count("o"), marks.count("D"), marks.count("|")) == (1, 1, 1)
    assert first.get_title() == "SES →"
    assert figure.axes[2].get_title() == "MOSU ←"
    plt.close(figure)


def test_ratios_are_drawn_with_their_two_means() -> None:
    frame = metric_arms.of_pictures(one_record())
    figure = score_figures.ratio_pictures(frame, metric_arms.who_decides(frame))
    first, _ = figure.axes
    words = [line.get_label() for line in first.lines]
    assert words == ["named right", "named wrong", "mean of ratios", "ratio of means"]
    plt.close(figure)
    ratios = metric_arms.two_ratios(study("ce", "lico"))
    figure = score_figures.two_ways(ratios)
    assert [len(axis.lines) for axis in figure.axes] == [2, 2]
    plt.close(figure)
