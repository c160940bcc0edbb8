"""Rows to teach with, against loops over instances; the switches that change them."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.methods import lavise_rows
from helpers.methods.lavise_settings import DEFECTS, Naming, Teaching, with_defects
from helpers.settings import Refused
from helpers.streams import stream

Case = tuple[Tensor, Tensor, Tensor, Tensor]


@pytest.fixture
def case() -> Case:
    """Five pictures, eight instances: two of one category in picture 3."""
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(5, 4, 3, 3, generator=generator)
    masks = torch.rand(8, 12, 12, generator=generator) > 0.5
    masks[4] = False
    masks[4, 0, 0] = True  # in no cell's middle
    image_of = torch.tensor([3, 0, 3, 3, 1, 2, 4, 4])
    positives = F.one_hot(torch.tensor([2, 0, 2, 1, 3, 0, 1, 2]), 4).bool()
    positives[3, 3] = True
    positives[5] = False  # no category is its
    return features, masks, image_of, positives


def test_rows_are_pooled_masked_maps(case: Case) -> None:
    features, masks, image_of, positives = case
    rows = lavise_rows.teaching_rows(*case, Teaching(united=False))
    assert (rows.unnamed, rows.unseen) == (1, 1)
    kept = [0, 1, 2, 3, 6, 7]
    assert torch.equal(rows.positives, positives[kept])
    for row, j in enumerate(kept):
        small = masks[j, 2::4, 2::4]  # the pixel in the middle of each cell
        wanted = (features[image_of[j]] * small).mean((1, 2))
        assert torch.allclose(rows.inputs[row], wanted, atol=1e-6)
    flat = lavise_rows.teaching_rows(*case, Teaching(united=False), cells=3)
    assert flat.inputs.shape == (6, 36)


def test_instances_of_one_category_in_a_picture_become_one(case: Case) -> None:
    _, masks, image_of, positives = case
    joined, of, named = lavise_rows.unite(masks, image_of, positives)
    assert len(joined) == 7
    row = ((of == 3) & named[:, 2]).nonzero().item()
    assert torch.equal(joined[row], masks[0] | masks[2])
    alone = ((of == 3) & named[:, 1]).nonzero().item()  # two tokens: another category
    assert torch.equal(joined[alone], masks[3])
    rows = lavise_rows.teaching_rows(*case, Teaching())
    assert len(rows.inputs) == 5


def test_empty_masks_follow_the_settings(case: Case) -> None:
    features, *_ = case
    pooled = features.mean((2, 3))
    for rule, wanted in (("whole", pooled[1]), ("nothing", 0 * pooled[1])):
        rows = lavise_rows.teaching_rows(*case, Teaching(empty=rule, united=False))
        assert len(rows.inputs) == 7
        assert torch.allclose(rows.inputs[4], wanted, atol=1e-6)
    for batch, wanted in ((1, pooled[1]), (7, 0 * pooled[1])):
        teaching = Teaching(empty="batch", batch=batch, united=False)
        rows = lavise_rows.teaching_rows(*case, teaching)
        assert torch.allclose(rows.inputs[4], wanted, atol=1e-6)


def test_the_scale_of_a_mask_is_that_of_its_rows(case: Case) -> None:
    sound = lavise_rows.teaching_rows(*case, Teaching())
    teaching, _ = with_defects(("mask scale",))
    scaled = lavise_rows.teaching_rows(*case, teaching)
    assert torch.allclose(255 * scaled.inputs, sound.inputs, atol=1e-6)


def test_masks_move_with_their_pictures_or_are_left_behind() -> None:
    images = torch.zeros(6, 3, 16, 16)
    masks = torch.zeros(9, 16, 16, dtype=torch.bool)
    image_of = torch.tensor([0, 0, 1, 2, 3, 3, 3, 4, 5])
    for j in range(9):
        masks[j, j : j + 5, 3:9] = True
        images[image_of[j], j % 3] += masks[j]  # the picture shows its masks
    moved, own = lavise_rows.augmented(images, masks, image_of, stream(1, "views"))
    for j in (2, 3, 7, 8):  # alone in picture and channel
        shown = moved[image_of[j], j % 3]
        assert own[j].float().sub(shown).abs().mean() < 0.08  # but for their edges
    again, left = lavise_rows.augmented(
        images, masks, image_of, stream(1, "views"), follow=False
    )
    assert torch.equal(again, moved)
    assert torch.equal(left, masks)
    assert not torch.equal(own, masks)
    none, empty = lavise_rows.augmented(
        images, masks[:0], image_of[:0], stream(1, "views")
    )
    assert torch.equal(none, moved)
    assert len(empty) == 0


def test_views_are_rows_of_their_own(case: Case) -> None:
    _, masks, image_of, positives = case
    images = torch.rand(5, 3, 12, 12, generator=torch.Generator().manual_seed(4))

    def encode(shown: Tensor) -> Tensor:
        return F.avg_pool2d(shown, 4)

    given = (encode, images, masks, image_of, positives)
    plain = lavise_rows.view_rows(*given, Teaching(empty="whole"), 1)
    rest = (masks, image_of, positives)
    wanted = lavise_rows.teaching_rows(encode(images), *rest, Teaching(empty="whole"))
    assert torch.equal(plain.inputs, wanted.inputs)
    found = {}
    for follow in (True, False):
        teaching = Teaching(empty="whole", views=3, masks_follow=follow)
        rows = lavise_rows.view_rows(*given, teaching, 1)
        assert len(rows.inputs) == 3 * len(plain.inputs)
        assert rows.unnamed == 3
        again = lavise_rows.view_rows(*given, teaching, 1)
        assert torch.equal(again.inputs, rows.inputs)
        first, second, _ = rows.inputs.split(len(plain.inputs))
        assert not torch.allclose(first, second, atol=1e-3)
        found[follow] = rows.inputs
    assert not torch.allclose(found[True], found[False], atol=1e-3)


def test_a_swapped_canvas_loses_boxes_of_wide_pictures_alone() -> None:
    masks = torch.zeros(2, 375, 500, dtype=torch.bool)
    masks[0, 10:100, 390:490] = True  # 9,000 pixels beyond the canvas' 375
    masks[1, 10:100, 10:110] = True
    found = lavise_rows.on_swapped_canvas(masks)
    assert found[0].sum() == 0
    assert found[1].sum() > 0
    assert not torch.equal(found[1], masks[1])
    square = masks[:, :, :375]
    assert torch.equal(lavise_rows.on_swapped_canvas(square), square)


def test_defects_are_settings(case: Case) -> None:
    sound = (Teaching(), Naming())
    for name, defect in DEFECTS.items():
        found = with_defects((name,))
        assert found != sound, name
        assert set(defect.teaching) <= set(Teaching.model_fields)
        assert set(defect.naming) <= set(Naming.model_fields)
        assert found == (Teaching(**defect.teaching), Naming(**defect.naming))
    both, _ = with_defects(("mask scale", "frozen norms"), Teaching(epochs=2))
    assert (both.mask_scale, both.frozen_norms, both.epochs) == (1 / 255, True, 2)
    with pytest.raises(Refused, match="unknown defect 'mask scal'; did you mean"):
        with_defects(("mask scal",))


def test_nothing_to_teach_with_is_refused(case: Case) -> None:
    features, masks, image_of, positives = case
    nothing = torch.zeros_like(positives)
    with pytest.raises(Refused, match="no instance is left to teach with: 8 have no"):
        lavise_rows.teaching_rows(features, masks, image_of, nothing, Teaching())
    with pytest.raises(Refused, match="masks must be bool"):
        lavise_rows.teaching_rows(features, masks.int(), image_of, nothing, Teaching())
