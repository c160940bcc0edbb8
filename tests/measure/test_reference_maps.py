import math

import pytest
import torch

from helpers.explain.cam import upsample
from helpers.measure.reference_maps import (
    centred_gaussian,
    check_masks,
    pooled_mask,
    random_smooth,
    reference_maps,
    uniform,
)


@pytest.fixture
def masks() -> torch.Tensor:
    masks = torch.zeros(3, 8, 12, dtype=torch.bool)
    masks[0, :4, :6] = True
    masks[1, 3:5, 2:9] = True
    return masks  # the last one is empty


def test_the_rows_of_a_table(masks: torch.Tensor) -> None:
    maps = reference_maps((3, 8, 12), (4, 6), 0, masks)
    assert list(maps) == [
        "uniform",
        "centred Gaussian",
        "random smooth",
        "ground-truth mask",
        "pooled mask",
    ]
    for values in maps.values():
        assert values.shape == (3, 8, 12)
        assert values.dtype == torch.float32
        assert values.min() >= 0
        assert values.max() <= 1


def test_they_are_the_maps_of_their_functions(masks: torch.Tensor) -> None:
    maps = reference_maps((3, 8, 12), 4, 3, masks)
    assert torch.equal(maps["uniform"], uniform((3, 8, 12)))
    assert torch.equal(maps["centred Gaussian"], centred_gaussian((3, 8, 12)))
    assert torch.equal(maps["random smooth"], random_smooth((3, 8, 12), (4, 4), 3))
    assert torch.equal(maps["ground-truth mask"].bool(), masks)
    assert torch.equal(maps["pooled mask"], pooled_mask(masks, (4, 4)))


def test_a_uniform_map_puts_the_area_share_on_any_mask(masks: torch.Tensor) -> None:
    maps = reference_maps((3, 8, 12), 4, 0, masks)["uniform"]
    inside = (maps * masks).sum((1, 2)) / maps.sum((1, 2))
    assert torch.equal(inside, masks.float().mean((1, 2)))


def test_the_gaussian_by_hand() -> None:
    maps = centred_gaussian((2, 2, 4), sigma=0.5)
    near, far = 0.125, 0.375  # of the centre, in widths; 0.25 in heights
    row = [math.exp(-(x**2 + 0.25**2) / 0.5) for x in (far, near, near, far)]
    wanted = torch.tensor([row, row])
    assert torch.allclose(maps, wanted.expand(2, 2, 4))


def test_the_gaussian_is_centred_and_symmetric() -> None:
    one = centred_gaussian((1, 9, 13))[0]
    assert one.argmax() == 4 * 13 + 6
    assert one.max() == 1
    assert torch.allclose(one, one.flip(0))
    assert torch.allclose(one, one.flip(1))


def test_random_maps_are_seeded_smooth_and_differ() -> None:
    shape, cells = (3, 32, 48), (4, 6)
    maps = random_smooth(shape, cells, seed=1)
    assert torch.equal(maps, random_smooth(shape, cells, seed=1))
    assert not torch.equal(maps, random_smooth(shape, cells, seed=2))
    assert not torch.equal(maps[0], maps[1])
    assert (maps[:, 1:] - maps[:, :-1]).abs().max() < 1 / 8  # cells of 8 pixels
    assert torch.equal(maps[:2], random_smooth((2, 32, 48), cells, seed=1))


def test_drawing_leaves_the_global_stream_alone() -> None:
    before = torch.get_rng_state()
    random_smooth((1, 8, 8), (4, 4), seed=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_pooled_mask_by_hand() -> None:
    masks = torch.zeros(1, 4, 4, dtype=torch.bool)
    masks[0, :2, :2] = True  # one of 2 x 2 cells
    masks[0, 2, 2] = True  # a quarter of another
    ramp = torch.tensor([1.0, 0.75, 0.25, 0.0])
    wanted = torch.outer(ramp, ramp) + torch.outer(ramp.flip(0), ramp.flip(0)) / 4
    assert torch.allclose(pooled_mask(masks, (2, 2))[0], wanted)


def test_a_mask_of_whole_cells_is_pooled_to_itself_in_cells() -> None:
    coarse = torch.rand(2, 3, 4) > 0.5
    masks = coarse.repeat_interleave(5, 1).repeat_interleave(7, 2)
    assert torch.equal(pooled_mask(masks, (3, 4)), upsample(coarse.float(), (15, 28)))
    assert torch.equal(pooled_mask(masks, (15, 28)).bool(), masks)


def test_cells_that_do_not_divide_the_picture() -> None:
    full = torch.ones(1, 7, 11, dtype=torch.bool)
    assert torch.allclose(pooled_mask(full, (4, 5)), torch.ones(1, 7, 11))


def test_an_empty_mask_stays_a_zero_map(masks: torch.Tensor) -> None:
    maps = reference_maps((3, 8, 12), 4, 0, masks)
    assert maps["ground-truth mask"][2].abs().sum() == 0
    assert maps["pooled mask"][2].abs().sum() == 0


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (torch.zeros(8, 12, dtype=torch.bool), r"bool \[B, H, W\], got .* \[8, 12\]"),
        (torch.zeros(3, 8, 12), "float32"),
        (torch.zeros(0, 8, 12, dtype=torch.bool), r"\[0, 8, 12\]"),
    ],
)
def test_masks_are_checked(wrong: torch.Tensor, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        reference_maps((3, 8, 12), 4, 0, wrong)
    assert "\n" not in str(caught.value)


def test_a_mask_of_another_size_than_its_picture(masks: torch.Tensor) -> None:
    wanted = r"masks of \[8, 12\] for pictures of \[12, 8\] pixels: transform mask and"
    with pytest.raises(ValueError, match=wanted):
        reference_maps((3, 12, 8), 4, 0, masks)
    check_masks(masks, (8, 12))


@pytest.mark.parametrize("cells", [0, 9, (4, 13)])
def test_cells_are_checked(masks: torch.Tensor, cells: int | tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cells must be from 1 to the size"):
        reference_maps((3, 8, 12), cells, 0, masks)


def test_without_masks_there_are_floors_alone() -> None:
    assert list(reference_maps((2, 8, 8), 4, seed=0)) == [
        "uniform",
        "centred Gaussian",
        "random smooth",
    ]
