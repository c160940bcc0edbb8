"""Chapter 10's answers from a summary: each outcome, and every figure draws."""

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from helpers.report import lavise_figures as drawing
from helpers.report import lavise_published, naming_answers

CONTROLS = {"permuted words": 0.01, "untaught explainer": 0.02, "most frequent": 0.2}


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def bench_row(taught: float, trained_out: bool = True) -> dict[str, Any]:
    """A row of a record: the same number for all s."""
    found = {"taught": taught, "oracle": 0.8, **CONTROLS}

    def three(value: float) -> dict[str, list[float | None]]:
        return {s: [value, value - 0.05, value + 0.05] for s in ("5", "10", "20")}

    return {
        "filters": 128,
        "dead": 2,
        "vocabulary": 2000,
        "accuracy": {"test": 0.8},
        "trained_out": trained_out,
        "recall": {
            kind: {name: three(value) for name, value in found.items()}
            for kind in ("raw", "centred")
        },
        "above": {
            kind: {name: three(taught - value) for name, value in CONTROLS.items()}
            for kind in ("raw", "centred")
        },
    }


def held_row(own: float) -> dict[str, Any]:
    cases = [("taught", "there", own), ("taught", "not there", 0.1)]
    cases += [("permuted words", "there", 0.1), ("chance", "any", 0.01)]
    return {
        kind: [
            {"explainer": who, "held-out words": where, "named": named}
            for who, where, named in cases
        ]
        for kind in ("raw", "centred")
    }


def summary(ce: list[float], lico: list[float], **changed: bool) -> dict[str, Any]:
    """A record in which arms differ by given recalls, a seed each."""
    seeds = [str(seed) for seed in range(1, len(ce) + 1)]
    rows = {s: bench_row(value) for s, value in zip(seeds, ce, strict=True)}
    other = {
        s: bench_row(value, **changed) for s, value in zip(seeds, lico, strict=True)
    }
    return {
        "settings": {"last layer": rows, "earlier layer": rows},
        "held out": {s: held_row(0.3 + 0.01 * int(s)) for s in seeds},
        "networks": {"ce": rows, "lico": other, "permuted": other},
    }


HIGH, LOW = [0.5, 0.52, 0.51, 0.53, 0.5], [0.3, 0.33, 0.31, 0.34, 0.3]


@pytest.mark.parametrize(
    ("apart", "outcome"),
    [
        ({"a": [0.1, 0.2, 0.15, 0.12, 0.2], "b": [0.3] * 4 + [0.2]}, "supported"),
        ({"a": [0.1, 0.2, 0.15, 0.12, 0.2], "b": [-0.3] * 4 + [-0.2]}, "contradicted"),
        ({"a": [0.1, -0.2, 0.15, -0.12, 0.2]}, "undecided"),
        ({"a": [0.1, 0.2, 0.15, 0.12]}, "undecided"),
        ({}, "undecided"),
    ],
)
def test_a_claim_must_hold_against_every_control(
    apart: dict[str, list[float]], outcome: str
) -> None:
    found = naming_answers.verdict("it holds", apart)
    assert found.outcome == outcome
    assert outcome in found.sentence
    assert "Verdict" in found._repr_html_()
    barred = naming_answers.verdict("it holds", apart, "under-trained")
    assert barred.outcome == "undecided"
    assert "under-trained" in barred.sentence


def test_the_interval_is_that_of_students_t() -> None:
    values = [0.1, 0.2, 0.15, 0.12, 0.2]
    found = naming_answers.difference("a", values)
    low, high = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    alone = naming_answers.difference("a", [0.3])
    assert alone.low == -alone.high == -np.inf


def test_answers_come_from_the_summary() -> None:
    made = summary(LOW, HIGH)
    assert naming_answers.setting_verdict(made, "last layer").outcome == "supported"
    assert naming_answers.held_out_verdict(made).outcome == "supported"
    assert naming_answers.nameable(made).outcome == "supported"
    assert naming_answers.nameable(summary(HIGH, LOW)).outcome == "contradicted"
    assert naming_answers.by_words(made).outcome == "undecided"  # the same as permuted
    untrained = summary(LOW, HIGH, trained_out=False)
    assert "under-trained" in naming_answers.nameable(untrained).sentence
    assert naming_answers.against(made, "lico", "ce")[0] == pytest.approx(0.2)
    table = naming_answers.arms_table(made).set_index("arm")
    assert table.loc["lico", "networks"] == 5


def test_without_a_record_nothing_is_decided() -> None:
    outcomes = naming_answers.verdict_table(None)["verdict"]
    assert set(outcomes) == {"undecided"}
    assert len(naming_answers.arms_table(None)) == 1


def test_tables_have_what_a_record_holds() -> None:
    made = summary(HIGH, LOW)
    row = made["settings"]["last layer"]["1"]
    table = naming_answers.recall_table(row).set_index("words by")
    assert table.loc["most frequent", "taught is above by"] == pytest.approx(0.3)
    shares = naming_answers.share_of_oracle(row)
    assert shares["share"].iloc[0] == pytest.approx(0.5 / 0.8)
    assert shares["chance, s of V"].iloc[0] == 5 / 2000
    settings = naming_answers.settings_table(made)
    assert set(settings["it is"]) == {"most frequent"}
    networks = naming_answers.networks_table(made)
    assert networks["net"].iloc[0] == pytest.approx(0.48)
    printed = lavise_published.printed_table(
        "scene-resnet", "scenes", "coco:PATH", (0.5, 0.6, 0.7)
    )
    assert printed["reference"].tolist()[-1] == "coco"
    assert printed["R@5"].tolist()[-1] == 0.5
    assert len(printed) == len(lavise_published.PRINTED) + 1


def test_a_recall_that_is_not_there_stops_no_table() -> None:
    """Too few pictures leave no pair with anything to be named."""
    made = summary(HIGH, LOW)
    for kind in ("raw", "centred"):
        row = made["settings"]["last layer"]["1"]
        row["recall"][kind]["taught"]["5"] = [None, None, None]
        row["above"][kind]["untaught explainer"]["5"] = [None, None, None]
    assert naming_answers.share_of_oracle(row)["share"].isna().any()
    naming_answers.settings_table(made)
    naming_answers.networks_table(made)
    drawing.recalls(row)
    assert naming_answers.setting_verdict(made, "last layer").outcome == "undecided"


class Shown:
    """A filter with two pictures and words of every kind."""

    number = 3
    images = torch.rand(2, 3, 16, 16) * 255
    words = tuple((f"w{i}", kind) for i, kind in enumerate(drawing.MARKS))


class Stage:
    """A pair of a filter and a picture with one object."""

    number = 3
    image = torch.zeros(3, 16, 16, dtype=torch.uint8)
    map = torch.rand(16, 16)
    region = torch.eye(16) > 0
    objects = (("cat", torch.eye(16) > 0, 1.0),)


class Moved:
    """What a defect moves."""

    name, apart, low, high = "a defect", -0.1, -0.2, 0.1


def test_every_figure_draws() -> None:
    made = summary(HIGH, LOW)
    assert len(drawing.stages(Stage()).axes) == 4
    figure = drawing.filters([Shown(), Shown()])
    assert [text.get_text() for text in figure.axes[2].texts] == [
        f"{word}{drawing.MARKS[kind][1]}" for word, kind in Shown.words
    ]
    recalls = drawing.recalls(made["settings"]["last layer"]["1"])
    assert [label.get_text() for label in recalls.axes[0].get_yticklabels()][-1] == (
        "oracle"
    )
    readings = pd.DataFrame(
        {"attention": name, "vocabulary": kind, "s": s, "recall": 0.5}
        | {"from": 0.4, "to": 0.6}
        for name in ("none", "scalar")
        for kind in ("raw", "centred")
        for s in (5, 10, 20)
    )
    assert len(drawing.readings(readings).axes) == 2
    drawing.switches([Moved(), Moved()])
    kinds = pd.DataFrame({"explainer": ["taught"], "taught word": [0.4], "new": [0.6]})
    drawing.kinds(kinds)
    drawing.against_controls(naming_answers.settings_table(made))
    drawing.by_arm(naming_answers.networks_table(made))
