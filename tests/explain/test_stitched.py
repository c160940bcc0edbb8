"""Shift and stitch: places stand where they belong, and one is the tower itself."""

import pytest
import torch
from torch.nn import functional as F

from helpers.explain.clip_tokens import class_attention, image_tokens
from helpers.explain.stitched import (
    shifts_for,
    stitched_attention,
    stitched_tokens,
)
from helpers.language.map_clip import RESNET, VIT, build_map_clip
from helpers.language.tiny_clip import build_tiny_clip
from tests.explain.clips import pictures, resnet, vit


def test_a_stitched_place_is_that_of_a_picture_moved_by_hand() -> None:
    tower = resnet()  # 128 pixels, 4 x 4 places of 32
    images = pictures(tower, 2)
    found = stitched_tokens(tower, images, "value", shifts=2, chunk=1)
    plain = image_tokens(tower, images, "value")
    assert found.places.shape == (2, 8, 8, 64)
    torch.testing.assert_close(found.whole, plain.whole)
    for y in range(8):
        for x in range(8):
            down, right = (8 if one % 2 else -8 for one in (y, x))
            wide = F.pad(images, (8, 8, 8, 8), mode="replicate")
            moved = wide[:, :, 8 + down : 136 + down, 8 + right : 136 + right]
            wanted = image_tokens(tower, moved, "value").places[:, y // 2, x // 2]
            torch.testing.assert_close(found.places[:, y, x], wanted)


@pytest.mark.parametrize("tower", [vit(), resnet()], ids=["vit", "resnet"])
def test_one_shift_is_the_tower_itself(tower) -> None:
    images = pictures(tower, 2)
    found, plain = stitched_tokens(tower, images), image_tokens(tower, images)
    assert torch.equal(found.places, plain.places)
    attention = class_attention(tower, images)
    assert torch.equal(stitched_attention(tower, images), attention)
    fine = stitched_attention(tower, images, shifts=2)
    assert fine.shape == (2, 8, 8)
    assert (fine.sum((1, 2)) <= 1).all()
    beside = stitched_tokens(tower, images, shifts=2).attention
    if not hasattr(tower, "ln_post"):
        torch.testing.assert_close(beside, fine)
    assert (fine > 0).all()


def test_a_bright_spot_is_found_where_it_is() -> None:
    """Each place's token changes most for a spot in its own middle."""
    tower = build_tiny_clip(0).eval()
    grey = torch.zeros(1, 3, 64, 64)
    before = stitched_tokens(tower, grey, "value", shifts=4).places
    # At the bottom right the window of a place may begin at its middle.
    for row, column in ((1, 1), (2, 6), (5, 3)):
        spot = grey.clone()
        y, x = 8 * row + 4, 8 * column + 4
        spot[:, :, y - 2 : y + 2, x - 2 : x + 2] = 4
        moved = (stitched_tokens(tower, spot, "value", shifts=4).places - before).norm(
            dim=-1
        )[0]
        weights = moved / moved.sum()
        middle = torch.arange(8) + 0.5
        found = (weights.sum(1) @ middle, weights.sum(0) @ middle)
        assert abs(float(found[0]) - y / 8) < 1.5
        assert abs(float(found[1]) - x / 8) < 1.5


def test_the_shifts_that_a_tower_needs() -> None:
    assert shifts_for(build_tiny_clip(0)) == 4
    assert shifts_for(build_map_clip(0, VIT)) == 1
    assert shifts_for(build_map_clip(0, RESNET)) == 1
    assert shifts_for(vit(), least=4) == 1
    assert shifts_for(vit()) == 2


def test_what_is_refused() -> None:
    tower = resnet()
    images = pictures(tower, 1)
    for shifts in (0, 3, 32):
        with pytest.raises(ValueError, match="no whole"):
            stitched_tokens(tower, images, shifts=shifts)
    with pytest.raises(ValueError, match="no shifts give 999"):
        shifts_for(tower, 999)
