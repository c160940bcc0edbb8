"""Scores of place in a record: by hand, against slow twins, and with a planted dot."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers.data.catalog import Pictures
from helpers.lab import maps, place, score
from helpers.settings import DataSettings, Dot, RunSettings

HALF = (0.5, 0.5, 0.5)


COLOURS = [[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 250], [250, 250, 0]]


class Bright(nn.Module):
    """Says which colour stands out; its features are the picture's cells of 4."""

    def __init__(self, scale: float = 400.0) -> None:
        super().__init__()
        self.head = nn.Linear(3, 5, bias=False)
        colours = torch.tensor(COLOURS) / 250  # of equal length, nearest is first
        self.head.weight.data = scale * nn.functional.normalize(colours, dim=1)

    def features(self, images: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(images + 1, 4)  # from 0 up

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).mean((2, 3)))


def pictures(count: int = 15, size: int = 32, classes: int = 5) -> Pictures:
    """Squares of the class's colour at random places on black, with mask and box."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    images = torch.zeros(count, 3, size, size, dtype=torch.uint8)
    boxes = torch.full((count, 2, 4), -1.0)
    masks = torch.zeros(count, size, size, dtype=torch.bool)
    colours = torch.tensor(COLOURS)
    for row, label in enumerate(labels.tolist()):
        top, left = (int(torch.randint(size - 8, (1,), generator=generator)), row)
        images[row, :, top : top + 8, left : left + 8] = colours[label][:, None, None]
        masks[row, top + 1 : top + 7, left + 1 : left + 7] = True
        boxes[row, 0] = torch.tensor([left, top, left + 8, top + 8])
    names = tuple(f"class {k}" for k in range(classes))
    return Pictures(images, labels, names, HALF, HALF, masks, boxes)


def test_scores_of_a_map_by_hand() -> None:
    """Mass 1 on each of 4 x 4 pixels, of which 8 lie in the mask, all in the box."""
    saliency = torch.zeros(1, 16, 16)
    saliency[0, 4:8, 4:8] = 1.0
    masks = torch.zeros(1, 16, 16, dtype=torch.bool)
    masks[0, 4:6, 4:12] = True  # 16 pixels
    boxes = torch.tensor([[[4.0, 4.0, 12.0, 12.0], [-1, -1, -1, -1]]])
    one = replace(pictures(1, 16), masks=masks, boxes=boxes)
    found = place.place_scores(saliency, one, (4, 4), 0.5)
    by_hand = {
        "entropy": math.log(16) / math.log(256),
        "border share": 0.0,  # the ring is one cell of 4 pixels wide
        "pointing game": 0.5,
        "score contrast": 8 / 16 - 8 / 240,
        "iou": 8 / 24,
        "iou by chance": (1 / 256) / (1 / 16 + 1 / 16 - 1 / 256),
        "epg": 1.0,
        "epg less area": 1.0 - 64 / 256,
    }
    assert list(found) == list(by_hand)
    assert {k: v.item() for k, v in found.items()} == pytest.approx(by_hand, abs=1e-6)


def test_scores_that_need_masks_or_boxes_are_left_out_without_them() -> None:
    one = replace(pictures(3), masks=None, boxes=None)
    saliency = torch.rand(3, 32, 32)
    assert list(place.place_scores(saliency, one, (8, 8), None)) == [
        *("entropy", "border share")
    ]
    assert place.best_shares({"a": saliency}, one) == {}
    empty = replace(pictures(3), masks=torch.zeros(3, 32, 32, dtype=torch.bool))
    assert place.best_shares({"a": saliency}, empty) == {}
    assert "iou" not in place.place_scores(saliency, empty, (8, 8), None)


def test_the_threshold_is_that_of_greatest_overlap() -> None:
    one = pictures(6)
    assert one.masks is not None
    inner = one.masks.float() * 0.5 + 0.2  # .7 in the object, .2 outside
    assert place.best_shares({"a": inner}, one)["a"] == pytest.approx(0.3)


def twin_gridpg(model: nn.Module, some: Pictures, grids: place.Grids) -> list[Any]:
    """GridPG pixel by pixel, from the picture put together by hand."""
    size = some.images.shape[-1]
    values: dict[int, list[float]] = {}
    for number, cell in grids.cells.tolist():
        row = grids.rows[number].tolist()
        upper = torch.cat([some.images[row[0]], some.images[row[1]]], 2)
        lower = torch.cat([some.images[row[2]], some.images[row[3]]], 2)
        whole = torch.cat([upper, lower], 1)[None].float() / 255 * 2 - 1
        label = int(some.labels[row[cell]])
        coarse = torch.einsum(
            "k,khw->hw", model.head.weight[label], model.features(whole)[0]
        ).relu()
        full = nn.functional.interpolate(
            coarse[None, None].detach(), scale_factor=4, mode="bilinear"
        )[0, 0]
        down, right = divmod(cell, 2)
        own = full[down * size :, right * size :][:size, :size]
        alone = model(some.images[row[cell]][None].float() / 255 * 2 - 1).softmax(1)
        if alone[0, label] >= 0.5:
            values.setdefault(number, []).append(float(own.sum() / full.sum()))
    rows = range(len(grids.rows))
    return [sum(values[n]) / len(values[n]) if n in values else None for n in rows]


def test_gridpg_of_a_grid_against_a_slow_twin() -> None:
    model, some = Bright(), pictures()
    grids = place.draw_grids(some.labels)
    assert grids is not None
    few = place.Grids(grids.rows[:5], grids.cells[:20])
    found = place.pointed(model, some, few)
    assert found["Grad-CAM"]["gridpg"] == pytest.approx(
        twin_gridpg(model, some, few), abs=2e-5
    )
    assert found["uniform"]["gridpg"] == pytest.approx([0.25] * 5, abs=1e-5)
    assert found["centred Gaussian"]["gridpg"] == pytest.approx([0.25] * 5, abs=1e-5)
    assert found["ground-truth mask"]["gridpg"] == pytest.approx([1.0] * 5, abs=1e-5)
    assert 0.9 < found["pooled mask"]["gridpg"][0] < 1


def test_a_grid_whose_pictures_are_not_named_with_confidence_has_no_value() -> None:
    some = pictures()
    grids = place.draw_grids(some.labels)
    unsure = place.pointed(Bright(scale=1e-3), some, grids)["Grad-CAM"]["gridpg"]
    assert unsure == [None] * place.GRIDS


def test_grids_are_the_same_for_every_network_and_of_different_classes() -> None:
    labels = torch.arange(40) % 5
    one, again = place.draw_grids(labels), place.draw_grids(labels)
    assert one is not None
    assert again is not None
    assert torch.equal(one.rows, again.rows)
    assert (labels[one.rows].sort(1).values.diff(dim=1) > 0).all()
    assert len(one.cells) == 4 * place.GRIDS
    assert place.draw_grids(torch.arange(9) % 3) is None


def test_a_grid_around_a_picture_asks_for_it_alone() -> None:
    labels = torch.arange(30) % 5
    grids = place.grids_around(7, labels)
    assert grids is not None
    assert place.targets_of(grids).tolist() == list(range(30, 37))
    assert ((grids.rows < 30).sum(1) == 3).all()
    assert len(grids.cells[:, 1].unique()) > 1  # not always the same corner
    truth = place.cell_truth(grids, (4, 4))
    assert truth.flatten(1).sum(1).tolist() == [16] * 7
    assert place.grids_around(7, torch.arange(9) % 3) is None
    assert place.grids_around(0, labels) is None


def test_a_record_holds_them_with_the_dot_and_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The dot is red and class 0 is red: at class 2 it makes the network unsure."""
    some = pictures(30)
    monkeypatch.setattr(score.catalog, "load", lambda *_, **__: some)
    dot = Dot.of(target=2, radius=8.0, colour=(255, 0, 0))
    settings = RunSettings(data=DataSettings(size=32, explained=4, dot=dot))
    found = score.score_classifier(settings, Bright())
    assert set(found["shares"]) == set(found["place"]) == set(found["consistency"])
    for scores in found["place"].values():
        assert {len(values) for values in scores.values()} == {30}
    assert len(found["grids"]["Grad-CAM"]["gridpg"]) == place.GRIDS
    seen, absent = found["dot"], found["dot"]["absent"]
    assert set(absent) == {
        *("on the dot", "full", "full_correct", "maps"),
        *("consistency", "place", "grids"),
    }
    assert list(absent["maps"]) == ["Grad-CAM"]
    own = (some.labels == 2).nonzero()[:, 0].tolist()
    everywhere = found["place"]["Grad-CAM"]["epg"]
    assert absent["place"]["Grad-CAM"]["epg"] == [everywhere[k] for k in own]
    assert absent["grids"]["Grad-CAM"]["gridpg"] != [None] * 6
    assert seen["grids"]["Grad-CAM"]["gridpg"] == [None] * 6  # named red now
    assert sum(absent["full"]) > sum(seen["full"])


def test_maps_come_in_parts_that_do_not_change_them() -> None:
    some = pictures(9)
    model = Bright()
    whole, coarse = maps.grad_cam_of(model, some.normalised(), some.labels, "cpu")
    assert coarse.shape == (9, 8, 8)
    names = [name for name, _ in maps.beside(whole, coarse, some)]
    assert names[0] == "Grad-CAM"
    assert names[-2:] == ["ground-truth mask", "pooled mask"]
    parts = [
        maps.grad_cam_of(model, one.normalised(), one.labels, "cpu")[0]
        for one in (some.rows(slice(0, 4)), some.rows(slice(4, 9)))
    ]
    torch.testing.assert_close(torch.cat(parts), whole)
    assert maps.rounded(torch.tensor([0.123456789, math.nan])) == [0.12346, None]
