"""Chapter 05's assay: outcomes by hand, networks of known order, the mask penalty."""

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from helpers.chapters import mask_penalty, metric_assay, metric_methods, metrics
from helpers.chapters.metric_assay import NOT, ORDERED, UNDECIDED, Pair, judged
from helpers.chapters.metric_methods import Budget
from helpers.data import catalog
from helpers.data.catalog import Pictures
from helpers.explain.cam import coarse_grad_cam
from helpers.measure import consistency
from helpers.report import assay_figures, score_names
from helpers.settings import DataSettings, Refused
from helpers.streams import stream
from helpers.vision import backbone, initialise

FEW = Budget(many=12, few=6, hidden=2, masks=8, samples=70, steps=2)


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return catalog.load(DataSettings(train=64, test=24, explained=4, size=64), "test")


def network(seed: int = 3) -> nn.Module:
    net = backbone("scene-resnet", 24)
    initialise(net, stream(seed, "initialisation"))
    return net.eval()


def bare(pictures: Pictures) -> Pictures:
    return Pictures(
        pictures.images,
        pictures.labels,
        pictures.class_names,
        pictures.mean,
        pictures.std,
    )


# Outcomes


def outcome(better: Any, worse: Any, score: str = "sch") -> str:
    one = [{score: np.array(values, dtype=float)} for values in better]
    two = [{score: np.array(values, dtype=float)} for values in worse]
    (row,) = judged(one, two)
    return row["outcome"]


def test_outcomes_by_hand() -> None:
    """SCH has margin .02, and higher is better."""
    assert outcome([[0.6, 0.7, 0.8]], [[0.5, 0.6, 0.7]]) == ORDERED  # .1 everywhere
    assert outcome([[0.5, 0.6, 0.7]], [[0.6, 0.7, 0.8]]) == NOT  # the wrong way
    assert outcome([[0.51, 0.61]], [[0.5, 0.6]]) == NOT  # too small to matter
    assert outcome([[0.9, 0.5, 0.6]], [[0.5, 0.6, 0.5]]) == UNDECIDED  # too noisy
    assert outcome([[0.9]], [[0.1]]) == UNDECIDED  # one picture has no interval


def test_lower_is_better_where_it_is() -> None:
    assert outcome([[0.1, 0.2]], [[0.3, 0.4]], "deletion") == ORDERED
    assert outcome([[0.3, 0.4]], [[0.1, 0.2]], "deletion") == NOT
    assert outcome([[0.3, 0.4]], [[0.1, 0.2]], "gini") == ORDERED
    assert outcome([[0.3, 0.4]], [[0.1, 0.2]], "entropy") == NOT


def test_every_seed_must_have_the_sign() -> None:
    high, low = [0.9, 0.9, 0.9], [0.1, 0.1, 0.1]
    assert outcome([high, high], [low, low]) == ORDERED
    assert outcome([high, [0.09, 0.1, 0.1]], [low, low]) == UNDECIDED


def test_pictures_without_the_score_do_not_count() -> None:
    one = [{"mosu": np.array([math.nan, 0.1, 0.1])}]
    two = [{"mosu": np.array([9.0, 0.5, math.nan])}]
    (row,) = judged(one, two)
    assert row["pictures"] == 1
    assert row["difference"] == pytest.approx(-0.4)
    assert row["gain"] == pytest.approx(0.4 / 0.03)
    nothing = [{"mosu": np.array([math.nan])}]
    assert judged(nothing, nothing) == []


def test_a_metric_is_admitted_by_every_pair() -> None:
    rows = [
        ("SCH", "a", ORDERED),
        ("SCH", "b", ORDERED),
        ("SES", "a", ORDERED),
        ("SES", "b", NOT),
    ]
    frame = pd.DataFrame(rows, columns=["metric", "pair", "outcome"])
    frame = frame.assign(method="Grad-CAM")
    table = metric_assay.admitted(frame, "Grad-CAM")
    assert list(table) == ["metric", "a", "b", "may judge"]
    assert list(table["may judge"]) == ["yes", "no"]
    assert metric_assay.counted(frame).loc[0].to_dict() == {
        "method": "Grad-CAM",
        "a": "2 of 2",
        "b": "1 of 2",
    }


def test_who_may_judge_is_said_with_what_stands_against() -> None:
    rows = [
        ("SCH", "a", ORDERED),
        ("SCH", "b", NOT),
        ("SES less chance", "a", ORDERED),
        ("SES less chance", "b", ORDERED),
    ]
    frame = pd.DataFrame(rows, columns=["metric", "pair", "outcome"])
    frame = frame.assign(method="Grad-CAM")
    assert metric_assay.may_judge(frame, "Grad-CAM") == ["ses less chance"]
    said = metric_assay.standing(frame, "sch", "Grad-CAM")
    assert said == "SCH with Grad-CAM carries no claim on this page (b: not)."
    said = metric_assay.standing(frame, "ses less chance", "Grad-CAM")
    assert said.endswith("orders every pair: it may judge.")
    assert "not tried" in metric_assay.standing(frame, "epg", "Grad-CAM")


def test_every_score_has_a_margin_a_direction_and_a_label() -> None:
    for score in score_names.SCORES:
        assert score_names.margin(score) > 0
        assert score_names.sign(score) in (-1, 1)
    assert score_names.label("ses less chance") == "SES less chance"
    assert score_names.sign("border share") == score_names.sign("mosu reversed") == -1


# Networks


class Square(nn.Module):
    """Its Grad-CAM is the brightness of channel 0 over the head's weight."""

    def __init__(self, upside_down: bool = False) -> None:
        super().__init__()
        self.upside_down = upside_down
        self.head = nn.Linear(1, 2)
        nn.init.constant_(self.head.weight, 1.0)
        nn.init.zeros_(self.head.bias)

    def features(self, images: Tensor) -> Tensor:
        light = nn.functional.avg_pool2d(images[:, :1].relu(), 8)
        return light.flip(2) if self.upside_down else light

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).mean((2, 3)))


def bright_squares(count: int = 8) -> Pictures:
    """A white square in the upper left of a black picture, which is the object."""
    images = torch.zeros(count, 3, 64, 64, dtype=torch.uint8)
    images[:, :, 8:24, 8:24] = 255
    labels = torch.arange(count) % 2
    third = (1 / 3, 1 / 3, 1 / 3)
    boxes = torch.tensor([[[8, 8, 24, 24], [-1, -1, -1, -1]]]).repeat(count, 1, 1)
    return Pictures(images, labels, ("a", "b"), third, third, images[:, 0] > 0, boxes)


def test_a_network_that_looks_at_the_object_is_ahead() -> None:
    shown = bright_squares()
    pair = Pair("right > upside down", [Square()], [Square(upside_down=True)], shown)
    frame = metric_assay.assay([pair], ["gradcam"], FEW)
    found = dict(zip(frame["metric"], frame["outcome"], strict=True))
    for name in ("SCH", "SCH less area", "EPG", "pointing game", "contrast", "mIoU"):
        assert found[name] == ORDERED, name
    assert found["Gini"] == NOT  # a map turned round gathers as much
    assert "GridPG" not in found  # two classes make no grid
    assert "MOSU" not in found  # one box
    back = metric_assay.assay(
        [Pair("r", pair.worse, pair.better, shown)], ["gradcam"], FEW
    )
    assert set(back.loc[back["metric"] == "SCH", "outcome"]) == {NOT}


def test_scores_are_those_of_the_measures(pictures: Pictures) -> None:
    model = network()
    found = metric_assay.of_pictures("gradcam", model, pictures, FEW)
    shown = pictures.first(12)
    own = metrics.cams(model, shown)["Grad-CAM"]
    wanted = metrics.consistency_scores(own, shown)
    for score in ("sch", "sch less area", "mosu", "mosu reversed", "gini"):
        assert np.allclose(found[score], wanted[score], equal_nan=True, atol=1e-6)
    moved = metrics.moved_maps(model, shown)
    assert np.allclose(found["ses"], moved.ses, atol=1e-5)
    assert np.allclose(found["ses less chance"], moved.excess, atol=1e-5)
    assert found["insertion"].shape == (6,)
    other = metric_assay.of_pictures("ixg", model, pictures, FEW)
    assert (len(other["insertion"]), len(other["sch"])) == (3, 6)
    ratio = found["insertion / full"].mean()
    full = model(shown.first(6).normalised()).softmax(1)
    full = full.gather(1, shown.labels[:6, None]).mean().item()
    assert ratio == pytest.approx(found["insertion"].mean() / full, rel=1e-4)


def test_a_network_in_two_pairs_is_scored_once(
    pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []
    monkeypatch.setattr(
        metric_assay,
        "of_pictures",
        lambda *given: called.append(given[1]) or {"sch": np.array([0.1, 0.2])},
    )
    one, two, three = network(1), network(2), network(3)
    pairs = [Pair("a", [one], [two], pictures), Pair("b", [one], [three], pictures)]
    metric_assay.assay(pairs, ["gradcam"], FEW)
    assert called == [one, two, three]


def test_all_methods_are_tried_on_the_networks_of_this_book(
    pictures: Pictures,
) -> None:
    model = network()
    names = metric_methods.valid_for(model, pictures)
    assert names == metric_methods.SHOWN
    maps = metric_methods.eight(model, pictures, FEW, names)
    assert {name: len(found) for name, found in maps.items()} == {
        **{"Grad-CAM": 12, "Grad-CAM++": 12, "RISE": 6, "Input x Gradient": 6},
        **{"Integrated Gradients": 6, "Guided Backprop": 6, "LRP": 6, "LIME": 2},
    }
    assert metric_methods.signed() <= set(maps)
    rise, lime = (
        metric_assay.of_pictures(n, model, pictures, FEW) for n in ("rise", "lime")
    )
    assert "ses" not in rise
    assert "ses" not in lime
    assert len(lime["sch"]) == 2


def test_a_network_that_a_method_is_not_valid_for_leaves_it_out(
    pictures: Pictures,
) -> None:
    class Smooth(Square):
        def forward(self, images: Tensor) -> Tensor:
            return self.head(nn.functional.gelu(self.features(images)).mean((2, 3)))

        def features(self, images: Tensor) -> Tensor:
            return nn.functional.avg_pool2d(images[:, :1], 8)

    names = metric_methods.valid_for(Smooth(), bright_squares(2))
    assert "guided" not in names
    assert "ixg" in names


def test_pictures_without_masks_have_the_other_scores(pictures: Pictures) -> None:
    pair = Pair("a > b", [network(1)], [network(2)], bare(pictures))
    frame = metric_assay.assay([pair], ["gradcam"], FEW)
    assert {"insertion", "SES", "Gini", "border share"} <= set(frame["metric"])
    assert not {"SCH", "EPG", "MOSU"} & set(frame["metric"])


# The mask penalty


def test_the_share_off_the_mask_by_hand() -> None:
    saliency = torch.tensor([[[3.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    masks = torch.zeros(2, 4, 4, dtype=torch.bool)
    masks[:, :2, :2] = True  # the first cell
    masks[:, 0, 2] = True  # a quarter of the second
    assert mask_penalty.off_mask(saliency, masks).tolist() == pytest.approx(
        [1 - (3 + 0.25) / 4, 1.0]
    )


def test_the_share_off_a_mask_of_whole_cells_is_one_less_sch() -> None:
    saliency = torch.rand(3, 8, 8)
    masks = torch.rand(3, 8, 8) > 0.5
    wide = masks.repeat_interleave(4, 1).repeat_interleave(4, 2)
    wanted = 1 - consistency.sch(saliency, masks)
    assert torch.allclose(mask_penalty.off_mask(saliency, wide), wanted, atol=1e-6)


def test_the_penalty_alone_keeps_the_map_on_the_object() -> None:
    data = DataSettings(train=64, test=16, explained=4, size=64)
    train = catalog.load(data, "train")
    given = network()
    before = {k: v.clone() for k, v in given.state_dict().items()}
    off = {}
    for weight in (0.0, 3.0):
        model = mask_penalty.continued(given, train, weight, epochs=6)
        maps = coarse_grad_cam(model, train.normalised(), train.labels)
        assert train.masks is not None
        off[weight] = mask_penalty.off_mask(maps, train.masks).mean().item()
        assert not model.training
    assert off[3.0] < off[0.0] - 0.1
    after = given.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    again = mask_penalty.continued(given, train, 3.0, epochs=6)
    twice = coarse_grad_cam(again, train.normalised(), train.labels)
    assert torch.equal(maps, twice)


def test_the_penalty_needs_masks_and_a_pooled_head(pictures: Pictures) -> None:
    with pytest.raises(Refused, match="pictures with masks"):
        mask_penalty.continued(network(), bare(pictures), 1.0)
    with pytest.raises(Refused, match="a linear `head`"):
        mask_penalty.continued(nn.Linear(1, 1), pictures, 1.0)


# Figures


def test_figures_are_drawn(pictures: Pictures) -> None:
    rows = [
        {"pair": pair, "metric": metric, "method": "LIME", "outcome": outcome}
        for pair in ("a", "b", "c")
        for metric, outcome in (("SCH", ORDERED), ("SES", NOT), ("EPG", UNDECIDED))
    ]
    figure = assay_figures.outcomes(pd.DataFrame(rows[1:]))
    marks = [text.get_text() for text in figure.axes[1].texts]
    assert marks == ["✓", "×", "·"]
    assert len(figure.axes[0].texts) == 2  # a cell that was not tried is empty
    maps = {"a": torch.rand(64, 64), "b": torch.randn(64, 64), "c": torch.zeros(64, 64)}
    assay_figures.eight_maps(pictures.images[0], maps, {"b", "c"})
    assay_figures.eight_maps(pictures.images[0], maps, ())
    assay_figures.two_networks(pictures.images[0], {"x": maps, "y": maps}, {"b"}, 2)
    plt.close("all")
