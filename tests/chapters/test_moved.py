"""What the sliders move: the same numbers as the chapters' own tables and figures."""

import json
import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch

from helpers import paths
from helpers.chapters import cost_tokens, moved, ot_plans, red_dot_trial, red_dot_views
from helpers.chapters.ot_alignment import Features
from helpers.measure.perturbation import insertion_deletion
from helpers.report import moved_figures

mpl.use("Agg")


@pytest.fixture(scope="module")
def features() -> Features:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 24, 9, generator=generator).clamp_min(0)
    return Features(maps, torch.randn(2, 5, 9, generator=generator))


def test_plans_go_from_the_exact_one_to_the_uniform(features: Features) -> None:
    plans = moved.plans(features, [1.0, 0.1])
    cost = features.first(1).cost()[0]
    paid = {epsilon: float((plan * cost).sum()) for epsilon, plan in plans.items()}
    assert paid[0.0] < paid[0.1] < paid[1.0]
    for plan in plans.values():
        assert torch.allclose(plan.sum(1), torch.full((24,), 1 / 24).double())


def test_the_slider_over_epsilon_starts_with_the_setting(features: Features) -> None:
    epsilons = [1.0, 0.3, 0.1]
    means = ot_plans.sweep({"a": features}, epsilons)
    slider = moved_figures.plans_over_epsilon(
        moved.plans(features, epsilons), means, list("abcde"), 0.3
    )
    assert slider.labels == ("0, the exact plan", "0.1", "0.3", "1")
    assert slider.labels[slider.start] == "0.3"
    gain = means.loc[means["epsilon"] == 0.3, "gain"].item()
    assert f"gain, here {gain:.2f}" in slider.alts[slider.start]


def test_the_slider_over_tokens_has_one_scale_and_the_chapters_counts() -> None:
    tables = moved.token_tables([1, 12])
    pd.testing.assert_frame_equal(tables[12], cost_tokens.token_table(64))
    first = tables[1].iloc[0]
    assert first[cost_tokens.CUT] == tables[12].iloc[0][cost_tokens.CUT] - 11 * 10
    slider = moved_figures.tokens_over_contexts(tables, cost_tokens.WAYS, 12)
    assert slider.start == 1
    assert "n = 1," in slider.alts[0]


def test_full_strength_is_the_chapters_trial() -> None:
    record = json.loads((paths.records() / "04_red_dot-study.json").read_text("utf-8"))
    view = red_dot_views.at(record)
    assert view is not None
    seen = moved.seen_by_strength(view)
    full = seen[seen["strength"] == 1.0].drop(columns="strength")
    trial = red_dot_trial.differences(view)
    sound = trial[trial["sound"] == "dot on 0%"]
    pd.testing.assert_frame_equal(full.reset_index(drop=True), sound)
    slider = moved_figures.scores_over_strength(seen)
    assert slider.labels[-1] == "100%"
    mean = sound.groupby("metric")["in margins"].mean()
    fooled = slider.alts[-1].split("margin: ")[1].split(";")[0].split(", ")
    assert set(fooled) == set(mean.index[mean < -1])


def test_deleted_pixels_are_the_first_of_the_map() -> None:
    image = torch.full((3, 4, 4), 7, dtype=torch.uint8)
    saliency = torch.arange(16.0).view(4, 4)
    left = moved.deleted(image, saliency, [0.0, 0.25, 1.0])
    gone = (left == moved.GREY).all(1).flatten(1)
    assert gone.sum(1).tolist() == [0, 4, 16]
    assert gone[1].nonzero()[:, 0].tolist() == [12, 13, 14, 15]


def test_the_slider_over_pixels_reads_the_curves() -> None:
    image = torch.randint(0, 255, (3, 8, 8), dtype=torch.uint8)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3))
    saliency = torch.rand(8, 8)
    curves = insertion_deletion(
        net, image[None] / 255, torch.tensor([1]), saliency[None], steps=4
    )
    shares = [0.0, 0.5, 1.0]
    slider = moved_figures.pixels_taken(
        {"map": moved.deleted(image, saliency, shares)}, {"map": curves}, shares
    )
    told = [float(re.findall(r"([\d.]+) by map", alt)[0]) for alt in slider.alts]
    expected = curves.deletion[0, [0, 2, 4]].tolist()
    assert np.allclose(told, expected, atol=0.0051)
