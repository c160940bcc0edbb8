"""EPG of each class by hand, average precision against scikit-learn."""

import pytest
import torch
from sklearn.metrics import average_precision_score

from helpers.measure.several_labels import (
    asked,
    average_precision,
    box_energy,
    class_masks,
    published_box_energy,
    scaled_boxes,
)
from helpers.settings import Refused
from helpers.streams import stream

# Picture 0: class 1 twice and class 2; picture 1: nothing; picture 2: class 0.
PRESENT = torch.tensor([[0, 1, 1], [0, 0, 0], [1, 0, 0]]).bool()
BOXES = torch.tensor(
    [
        [[0, 0, 2, 2], [4, 4, 8, 8], [2, 2, 6, 6]],
        [[-1] * 4] * 3,
        [[0, 0, 8, 4], [-1] * 4, [-1] * 4],
    ]
).float()
BOX_LABELS = torch.tensor([[1, 1, 2], [-1, -1, -1], [0, -1, -1]])


def test_every_class_shown_is_asked_for_with_the_union_of_its_boxes() -> None:
    wanted = asked(PRESENT)
    assert wanted.pictures.tolist() == [0, 0, 2]
    assert wanted.classes.tolist() == [1, 2, 0]
    masks = class_masks(BOXES, BOX_LABELS, wanted, (8, 8))
    assert masks.sum((1, 2)).tolist() == [4 + 16, 16, 32]
    assert masks[0, :2, :2].all()
    assert masks[0, 4:, 4:].all()
    uniform = box_energy(torch.ones(3, 8, 8), masks)
    assert torch.allclose(uniform.epg.double(), uniform.chance.double())
    assert uniform.chance.tolist() == [20 / 64, 16 / 64, 32 / 64]
    corner = torch.zeros(3, 8, 8)
    corner[:, 0, 0], corner[:, 7, 0], corner[:, 7, 7] = 3, 1, -5
    assert box_energy(corner, masks).epg.tolist() == [0.75, 0, 0.75]


def test_rounding_each_map_moves_it_by_half_a_hundredth_at_most() -> None:
    """Defect H4."""
    maps = torch.rand(3, 8, 8, generator=stream(1, "m"))
    masks = class_masks(BOXES, BOX_LABELS, asked(PRESENT), (8, 8))
    exact, rounded = box_energy(maps, masks).epg, published_box_energy(maps, masks)
    assert torch.allclose(rounded * 100, (rounded * 100).round(), atol=1e-4)
    gap = (exact - rounded).abs()
    assert 0 < gap.max() <= 0.005 + 1e-6


def test_boxes_scaled_by_whole_numbers_lose_up_to_a_pixel() -> None:
    boxes = torch.tensor([[[1, 2, 50, 99], [-1, -1, -1, -1]]]).float()
    exact = scaled_boxes(boxes, (100, 60), (64, 64))
    whole = scaled_boxes(boxes, (100, 60), (64, 64), "whole")
    wanted = [64 / 60, 2 * 0.64, 50 * 64 / 60, 99 * 0.64]
    assert exact[0, 0].tolist() == pytest.approx(wanted)
    assert whole[0, 0].tolist() == [1, 1, 53, 63]
    assert (exact[0, 1] == -1).all()
    assert (whole[0, 1] == -1).all()


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_is_that_of_scikit_learn(ties: bool) -> None:
    generator = stream(1, "ap")
    logits = torch.randn(80, 5, generator=generator)
    if ties:
        logits = logits.round()
    present = torch.rand(80, 5, generator=generator) < 0.3
    present[:, 4] = False
    got = average_precision(logits, present)
    for k in range(4):
        wanted = average_precision_score(present[:, k].numpy(), logits[:, k].numpy())
        assert got[k].item() == pytest.approx(wanted)
    assert got[4].isnan()


def test_labels_that_mean_nothing_are_refused() -> None:
    with pytest.raises(Refused, match="bool"):
        asked(PRESENT.int())
    with pytest.raises(Refused, match="no picture shows"):
        asked(torch.zeros(2, 3).bool())
    with pytest.raises(Refused, match="both be"):
        average_precision(torch.zeros(2, 3), PRESENT)
    with pytest.raises(Refused, match="NaN"):
        average_precision(torch.full((3, 3), torch.nan), PRESENT)
    with pytest.raises(Refused, match="rule"):
        scaled_boxes(BOXES, (8, 8), (4, 4), "round")  # type: ignore[arg-type]
