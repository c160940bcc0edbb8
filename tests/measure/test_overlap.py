"""mIoU with a threshold of other pictures: by hand, inverted maps, the floor."""

import pytest
import torch
from torch import Tensor

from helpers.explain.similarity import reverse, scaled
from helpers.measure.localisation import score_contrast
from helpers.measure.overlap import FROM_ALL, overlap


def scene(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Maps in [0, 1] that are high on their object, and its mask."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(count, 12, 12, dtype=torch.bool)
    for mask in masks:
        top, left = torch.randint(0, 7, (2,), generator=generator).tolist()
        mask[top : top + 5, left : left + 5] = True
    noise = torch.rand(count, 12, 12, generator=generator)
    return scaled(masks + 0.3 * noise), masks


def test_threshold_by_hand() -> None:
    """.5 finds the object alone; the test's map is scaled by its own maximum."""
    masks = torch.zeros(1, 4, 4, dtype=torch.bool)
    masks[0, :2, :2] = True
    maps = torch.where(masks, 1.0, 0.4)
    found = overlap(4 * maps, masks, (maps, masks))
    assert 0.4 < found.share <= 0.45 + 1e-9
    assert found.iou.tolist() == [1]
    assert found.mean == found.chosen == 1
    assert found.everything.tolist() == [0.25]
    assert found.blind.tolist() == pytest.approx([0.0625 / 0.4375])


def test_the_threshold_is_not_chosen_on_what_is_measured() -> None:
    """Validation wants .3; the test's own best would be .8."""
    masks = torch.zeros(1, 4, 4, dtype=torch.bool)
    masks[0, 0] = True
    low = torch.where(masks, 0.32, 0.25)
    low[0, 0, 0] = 1.0
    high = torch.where(masks, 0.9, 0.7)
    found = overlap(high, masks, (low, masks))
    assert found.share == pytest.approx(0.3)
    assert found.iou.tolist() == [0.25]
    assert found.oracle.tolist() == [1]


def test_an_inverted_map_comes_to_its_floor_and_reversal_repairs_it() -> None:
    """Contrast only changes its sign, whatever the map: mIoU has to tell."""
    maps, masks = scene(40, 0)
    other, others = scene(40, 1)
    good = overlap(maps, masks, (other, others))
    opposite = overlap(reverse(maps), masks, (reverse(other), others))
    assert good.mean > 0.9
    assert opposite.mean == pytest.approx(opposite.floor, abs=0.02)
    assert opposite.share == FROM_ALL[0]
    again = overlap(reverse(reverse(maps)), masks, (other, others))
    assert again.mean == pytest.approx(good.mean, abs=1e-3)
    contrast = score_contrast(maps, masks)
    torch.testing.assert_close(score_contrast(reverse(maps), masks), -contrast)


def test_a_map_that_knows_nothing_has_a_contrast_of_either_sign() -> None:
    """Reversing the worse half by contrast "repairs" noise too: no evidence."""
    generator = torch.Generator().manual_seed(5)
    _, masks = scene(60, 2)
    noise = scaled(torch.rand(60, 12, 12, generator=generator))
    contrast = score_contrast(noise, masks)
    better = torch.where((contrast < 0)[:, None, None], reverse(noise), noise)
    assert (score_contrast(better, masks) >= 0).all()
    assert abs(float(contrast.mean())) < 0.03


def test_rows_without_object_and_ignored_pixels() -> None:
    maps, masks = scene(3, 0)
    masks[1] = False
    found = overlap(maps, masks, scene(5, 1))
    assert found.iou.isnan().tolist() == [False, True, False]
    assert found.everything.isnan().tolist() == [False, True, False]
    assert found.floor == pytest.approx(25 / 144)
    ignored = torch.zeros_like(masks)
    ignored[0] = ~masks[0]
    found = overlap(maps, masks, scene(5, 1), ignored)
    assert found.everything[0] == 1
