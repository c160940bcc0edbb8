"""Chapter 05: RISE's draws, known orders, conventions, degenerate cases."""

import math
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from helpers.chapters import metric_conventions, metric_trials, metrics
from helpers.chapters.metrics import Metrics, RiseDraw
from helpers.chapters.training import Training
from helpers.data import catalog
from helpers.data.catalog import Pictures
from helpers.explain.cam import grad_cam
from helpers.explain.cam_pp import grad_cam_pp
from helpers.explain.rise import rise_from_seed, stability
from helpers.measure import consistency
from helpers.measure.perturbation import insertion_deletion
from helpers.report import metric_figures
from helpers.settings import DataSettings, RunSettings
from helpers.streams import stream
from helpers.vision import backbone, initialise


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return catalog.load(DataSettings(train=8, test=12, explained=4, size=64), "test")


@pytest.fixture(scope="module")
def model() -> nn.Module:
    net = backbone("scene-resnet", 24)
    initialise(net, stream(3, "initialisation"))
    return net.eval()


def bare(pictures: Pictures) -> Pictures:
    return Pictures(
        pictures.images,
        pictures.labels,
        pictures.class_names,
        pictures.mean,
        pictures.std,
    )


# The chapter's runs


def test_arms_differ_in_what_they_are_named_for_alone() -> None:
    arms = Metrics(seeds=[1, 2]).arms()
    assert [len(runs) for runs in arms.values()] == [2] * 5
    plain, cued = arms[metrics.BASELINE][0], arms[metrics.CUED][0]
    assert plain.data.model_copy(update={"cue": 0.9}) == cued.data
    assert arms[metrics.LICO][0].data == plain.data


def test_photographs_have_no_cue_arm() -> None:
    arms = Metrics(dataset="cifar10", size=32, backbone="resnet20").arms()
    assert list(arms) == [metrics.BASELINE, metrics.LICO, metrics.MM, metrics.OT]


def test_the_runs_of_both_losses_are_those_of_chapter_3() -> None:
    own, other = Metrics().arms(), Training().arms()
    for arm in (metrics.BASELINE, metrics.LICO, metrics.MM, metrics.OT):
        assert own[arm][0] == other[arm][0]


# RISE


def test_a_draw_gives_the_maps_of_rise(model: nn.Module, pictures: Pictures) -> None:
    shown = pictures.first(2)
    drawn = metrics.rise_draw(model, shown, 24, 5)
    expected = rise_from_seed(model, shown.normalised(), shown.labels, count=24, seed=5)
    assert torch.allclose(drawn.maps(), expected, atol=1e-6)


def test_by_its_own_mean_a_network_that_sees_nothing_has_a_flat_map() -> None:
    masks = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]])
    drawn = RiseDraw(masks, torch.full((1, 2), 0.3))
    expected = torch.tensor([[[0.6, 0.3], [0.3, 0.0]]])
    assert torch.allclose(drawn.maps(), expected)
    flat = torch.tensor([[[0.3, 0.3], [0.3, 0.0]]])  # a pixel never shown has 0
    assert torch.allclose(drawn.maps(own_mean=True), flat)


def test_fewer_masks_are_the_first_ones() -> None:
    draw = torch.rand(8, 5, 5), torch.rand(2, 8)
    less = RiseDraw(draw[0][:3], draw[1][:, :3])
    assert torch.equal(RiseDraw(*draw).maps(3), less.maps())


def test_a_draw_agrees_with_itself() -> None:
    drawn = RiseDraw(torch.rand(32, 6, 6), torch.rand(2, 32))
    frame = metrics.stabilities(drawn, drawn)
    assert sorted(set(frame["masks"])) == [2, 4, 8, 16, 32]
    assert np.allclose(frame["rank correlation"], 1)


def test_masks_needed_for_an_agreement() -> None:
    assert metrics.masks_needed(1000, 0.9) == pytest.approx(1000)
    assert metrics.masks_needed(1000, 0.5) == pytest.approx(9000)
    assert metrics.masks_needed(1000, 0.0) == math.inf


# Maps and pictures


def test_moved_maps_are_what_the_measure_compares(
    model: nn.Module, pictures: Pictures
) -> None:
    moved = metrics.moved_maps(model, pictures)
    expected = consistency.self_consistency(
        lambda images: grad_cam(model, images, pictures.labels),
        pictures.normalised(),
        moved.crops,
    )
    assert torch.allclose(moved.ses, expected.ses, atol=1e-5)
    assert torch.allclose(moved.excess, expected.excess, atol=1e-5)


def test_the_example_is_named_right_and_has_its_boxes(pictures: Pictures) -> None:
    class Knowing(nn.Module):
        """Names the pictures from the fourth on right."""

        def forward(self, images: Tensor) -> Tensor:
            rows = [
                int((pictures.normalised() - one).abs().flatten(1).sum(1).argmin())
                for one in images
            ]
            named = pictures.labels[rows] + (torch.tensor(rows) < 3)
            return nn.functional.one_hot(named % 24, 24).float()

    assert torch.equal(
        metrics.example(Knowing(), pictures).images, pictures.images[3:4]
    )
    found = metrics.example(Knowing(), pictures, boxes=2)
    assert found.boxes is not None
    assert (found.boxes[..., 0] >= 0).sum() >= 2
    assert len(metrics.example(Knowing(), bare(pictures), boxes=2)) == 1


def test_scores_without_masks_are_left_out(
    model: nn.Module, pictures: Pictures
) -> None:
    maps = metrics.cams(model, pictures)
    full = metrics.score_maps(model, maps, pictures.first(12))
    assert {"sch", "mosu", "insertion"} <= set(full)
    assert "sch" not in metrics.score_maps(model, maps, bare(pictures))
    assert "pooled mask" in metrics.references(model, pictures)
    assert "pooled mask" not in metrics.references(model, bare(pictures))


# Known orders


def record(**scores: float) -> dict[str, Any]:
    names = ("insertion", "deletion")
    maps = {name: [scores.get(name, 0.5)] for name in names}
    others = {name: [v, None] for name, v in scores.items() if name not in names}
    return {
        "full": [0.5],
        "maps": {"Grad-CAM": maps | {"relative insertion": [9.0], "tied": [0.1]}},
        "consistency": {"Grad-CAM": others},
    }


def test_mean_scores_leave_undefined_ones_and_means_of_ratios_out() -> None:
    means = metrics.mean_scores(record(insertion=0.4, sch=0.7))
    assert means == pytest.approx(
        {
            "insertion": 0.4,
            "deletion": 0.5,
            "sch": 0.7,
            "insertion / full": 0.8,
            "deletion / full": 1.0,
        }
    )


def test_the_untrained_network_is_that_of_the_first_step(small: RunSettings) -> None:
    from helpers.methods.baseline import Baseline

    run: Any = SimpleNamespace(settings=small)
    shown = catalog.load(small.data, "train")
    first = Baseline(small.method, shown, small.seed).model.state_dict()  # type: ignore[arg-type]
    found = metric_trials.untrained(run).state_dict()
    assert all(torch.equal(found[name], value) for name, value in first.items())


def test_constant_maps_are_counted() -> None:
    rising = torch.arange(16.0).view(1, 4, 4).repeat(2, 1, 1)
    other = rising.clone()
    other[1] = 0
    frame = metric_trials.correlations({"CAM": rising}, {"CAM": other})
    table = metric_trials.of_methods(frame)
    assert table.loc[0, "mean"] == pytest.approx(1)
    assert table.loc[0, "constant maps"] == 1


def test_arms_stand_side_by_side() -> None:
    arms = {"ce": [record(sch=0.5)], "lico": [record(sch=0.7, insertion=0.25)]}
    table = metric_trials.of_arms(arms, "consistency", ["sch", "ses"])
    assert list(table["arm"]) == ["ce", "lico"]
    assert list(table["sch"]) == [0.5, 0.7]
    areas = metric_trials.of_arms(arms, "maps", ["insertion"])
    assert list(areas["insertion / full"]) == [1.0, 0.5]


def test_floors_that_are_ahead_are_named() -> None:
    names = ["Grad-CAM", "uniform", "random smooth", "pooled mask"]
    frame = pd.DataFrame(
        {"map": names, "ses": [0.8, 1, 0.7, 0.9], "mosu": [0.1, 0, 0.2, 0.3]}
    )
    table = metric_trials.floors_above(frame, ["ses", "mosu", "gini"])
    assert list(table["floors above Grad-CAM"]) == ["uniform", "uniform"]
    assert list(table["masks above"]) == ["pooled mask", "none"]


def test_no_verdict_without_masks_and_with_one_seed() -> None:
    def run(**scores: float) -> Any:
        kept = record(**scores) | {"trained_out": True}
        return SimpleNamespace(record=kept, history=pd.DataFrame({"epoch": [0]}))

    assert "no masks" in str(metric_trials.sch_verdict([run()], [run()]))
    found = metric_trials.sch_verdict([run(sch=0.5)], [run(sch=0.4)])
    assert not isinstance(found, str)
    assert found.label.startswith("undecided (1 seed)")


# Conventions


def test_without_epsilon_the_units_of_the_features_say_nothing(
    model: Any, pictures: Pictures
) -> None:
    images, labels = pictures.normalised(), pictures.labels
    here = grad_cam_pp(model, images, labels, relative=0.0)
    so = metric_conventions.plus_absolute(model, images, labels, 0.0)
    assert torch.allclose(here, so, atol=1e-5)
    wide = metric_conventions.plus_absolute(model, images, labels, 0.0, scale=10.0)
    assert stability(here, wide).nan_to_num(1).min() > 0.999
    fixed = metric_conventions.plus_absolute(model, images, labels, 1e-6, 100.0)
    assert stability(here, fixed).nan_to_num(1).min() < 0.999


def test_slopes_cubed_are_what_torch_cam_computes() -> None:
    """Its coefficients are divided in a copy: of a, only g^2 is left."""
    methods = pytest.importorskip("torchcam.methods")
    net = backbone("scene-resnet", 24)
    initialise(net, stream(3, "initialisation"))
    images = torch.randn(2, 3, 64, 64)
    labels = torch.tensor([4, 0])
    ours = metric_conventions.plus_cubed(net.eval(), images, labels)  # type: ignore[arg-type]
    with methods.GradCAMpp(net, "blocks") as extractor:
        scores = net(images)
        theirs = extractor(labels.tolist(), scores, normalized=False)[0]
    wanted = torch.nn.functional.interpolate(
        theirs.relu()[:, None], (64, 64), mode="bilinear", align_corners=False
    )[:, 0].detach()
    top = wanted.amax((1, 2), keepdim=True)
    assert (top > 0).all()
    assert torch.allclose(ours / top, wanted / top, atol=1e-5)
    paper = grad_cam_pp(net, images, labels, relative=0.0)
    assert not torch.allclose(
        paper / paper.amax((1, 2), keepdim=True), wanted / top, atol=0.01
    )


def test_training_mode_leaves_the_given_network_as_it_was(
    model: nn.Module, pictures: Pictures
) -> None:
    images, labels = pictures.normalised(), pictures.labels
    before = {name: value.clone() for name, value in model.state_dict().items()}
    maps, left = metric_conventions.in_training_mode(model, images, labels, 4)
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not model.training
    assert not left.training
    moved = left.state_dict()["stem.1.running_mean"]
    assert not torch.equal(moved, before["stem.1.running_mean"])
    alone, _ = metric_conventions.in_training_mode(model, images, labels, 6)
    assert not torch.allclose(maps, alone)  # the neighbours have a say


def test_a_flat_map_less_its_least_value_is_zero() -> None:
    assert metric_conventions.lowered(torch.ones(1, 4, 4)).abs().max() == 0


def test_conventions_are_tables_with_and_without_masks(
    model: nn.Module, pictures: Pictures
) -> None:
    maps = metrics.cams(model, pictures)
    plus, some = maps["Grad-CAM++"], pictures.first(4)
    moved = metrics.moved_maps(model, pictures)
    full = metric_conventions.about_scores(model, moved, plus, plus[:2])
    assert {"SES", "SCH", "MOSU"} == set(full["score"])
    own = metrics.moved_maps(model, bare(pictures))
    less = metric_conventions.about_scores(model, own, plus, plus[:2])
    assert {"SES"} == set(less["score"])
    assert len(metric_conventions.about_maps(model, some, batch=2)) == 6


def test_degenerate_cases_have_the_values_of_their_rules() -> None:
    table = metric_conventions.degenerate_cases()
    found = {
        (case, score): value
        for case, score, value in table.itertuples(index=False, name=None)
    }
    assert found["zero map", "SES"] == "0.000"
    assert found["zero map", "SCH, left out"].startswith("not defined")
    assert found["uniform map, mask of half", "SCH"] == "0.500"
    assert found["uniform map less its least value", "SCH"] == "0.000"
    assert found["a box without saliency", "MOSU as written"] == "infinite"
    # boxes of equal area share columns 2 and 3: saliency 4 to 2 of 6 columns
    expected = 0.5 * math.log(0.5 / (4 / 6)) + 0.5 * math.log(0.5 / (2 / 6))
    assert float(found["overlapping boxes", "MOSU"]) == pytest.approx(
        expected, abs=1e-3
    )


def test_zero_maps_are_counted_by_both_rules(pictures: Pictures) -> None:
    maps = torch.ones(12, 64, 64)
    maps[:3] = 0
    table = metric_conventions.degenerate_table({"some": maps}, pictures)
    assert table.loc[0, "zero map"] == 3
    counted, skipped = (table[f"SCH, {way}"] for way in ("zero map is 0", "left out"))
    assert (counted < skipped).all()
    plain = metric_conventions.degenerate_table({"some": maps}, bare(pictures))
    assert plain.loc[0, "zero map"] == 3
    assert "SCH, left out" not in plain


# Figures


def test_figures_are_drawn_with_and_without_masks(
    model: nn.Module, pictures: Pictures
) -> None:
    one = pictures.first(1)
    saliency = metrics.cams(model, one)["Grad-CAM"]
    curves = insertion_deletion(model, one.normalised(), one.labels, saliency)
    soft, fill = metrics.without_pixels(one)
    assert soft.dtype == fill.dtype == torch.uint8
    metric_figures.perturbed_pictures(one.images[0], soft[0], saliency[0], curves, fill)
    assert one.masks is not None
    assert one.boxes is not None
    metric_figures.content(one.images[0], saliency[0], one.masks[0])
    metric_figures.content(one.images[0], saliency[0], None)
    metric_figures.uniformity(one.images[0], saliency[0], one.boxes[0])
    metric_figures.uniformity(one.images[0], torch.zeros(64, 64), None)
    moved = metrics.moved_maps(model, pictures)
    metric_figures.equivariance(
        pictures.images[:2], moved.seen, {"moved": moved.moved}, {"SES": moved.ses}
    )
    plt.close("all")


def test_a_bar_past_the_limit_carries_its_length() -> None:
    rows = {"metric": ["ses", "sch"], "pair": ["a, b", "a, b"], "gain": [-30.0, 2.0]}
    rows |= {"gain from": [-31.0, 1.0], "gain to": [-29.0, 3.0]}
    rows |= {"outcome": ["not", "ordered"]}
    figure = metric_figures.gains(pd.DataFrame(rows), limit=12)
    texts = [text.get_text().strip() for text in figure.axes[0].texts]
    assert texts == ["-30"]
    moved = {"convention": ["x", "y"], "score": ["SES", "SCH"], "in margins": [50.0, 0]}
    figure = metric_figures.movements(pd.DataFrame(moved))
    assert [text.get_text() for text in figure.axes[0].texts] == ["SES", "50", "SCH"]
    both = {"convention": ["x", "x"], "score": ["insertion", "deletion"]}
    figure = metric_figures.movements(pd.DataFrame(both | {"in margins": [1.0, 2.0]}))
    assert len(figure.axes[0].get_yticks()) == 1
    assert figure.axes[0].texts[0].get_text() == "insertion, deletion"
    frame = pd.DataFrame({"method": ["a", "a"], "rank correlation": [0.5, math.nan]})
    metric_figures.strips(frame, "method", "rank correlation")
    plt.close("all")
