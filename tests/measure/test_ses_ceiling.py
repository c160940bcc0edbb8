"""The ceiling of SES: by least squares, and no map of cells is above it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from helpers.data.geometry import Crops, crop_images, crop_maps, random_crops
from helpers.explain.cam import upsample
from helpers.measure.consistency import ses
from helpers.measure.ses_ceiling import ses_ceiling

some = settings(max_examples=25, deadline=None, derandomize=True, database=None)


def drawn(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.double)


def cell_means(images: Tensor, side: int = 4) -> Tensor:
    """A saliency method that moves with its picture, in cells of 4 x 4 pixels."""
    coarse = torch.nn.functional.avg_pool2d(images.mean(1, keepdim=True), side)[:, 0]
    return upsample(coarse, (images.shape[2], images.shape[3]))


def test_slow_twin_by_least_squares() -> None:
    """Over all pixels at once, by the interpolation of each cell's own map."""
    maps = drawn(0, 3, 12, 20)
    each = torch.eye(3 * 5, dtype=torch.double).view(15, 3, 5)
    columns = upsample(each, (12, 20)).flatten(1).T  # [240, 15]
    wanted = []
    for one in maps.flatten(1):
        best = columns @ torch.linalg.lstsq(columns, one[:, None]).solution[:, 0]
        wanted.append(torch.cosine_similarity(one, best, dim=0))
    assert torch.allclose(ses_ceiling(maps, (3, 5)), torch.stack(wanted), atol=1e-12)


@given(seed=st.integers(0, 10**6), flipped=st.booleans())
@some
def test_maps_of_cells_reach_it_and_stay_so_when_mirrored(
    seed: int, flipped: bool
) -> None:
    maps = upsample(drawn(seed, 2, 4, 6), (32, 24))
    maps = maps.flip(-1) if flipped else maps
    assert ses_ceiling(maps, (4, 6)).tolist() == pytest.approx([1, 1], abs=1e-9)


@given(seed=st.integers(0, 10**6))
@some
def test_no_map_of_cells_is_above_it(seed: int) -> None:
    """Neither one drawn blindly nor that of a method that moves with its picture."""
    images = drawn(seed, 4, 3, 32, 32)
    crops = random_crops(4, (32, 32), torch.Generator().manual_seed(seed))
    moved = crop_maps(cell_means(images), crops)
    ceiling = ses_ceiling(moved, (8, 8))
    anew = cell_means(crop_images(images, crops))
    blind = upsample(drawn(seed + 1, 4, 8, 8), (32, 32))
    for maps in (anew, blind):
        assert (ses(moved, maps) <= ceiling + 1e-6).all()
    assert (ceiling <= 1).all()


def test_a_crop_between_cells_has_a_ceiling_under_one() -> None:
    """A checkerboard of 8 x 8 cells, of which a crop shows 5.5 x 5.5, enlarged."""
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2
    maps = upsample(board[None].double(), (64, 64))
    window = torch.tensor([[3, 3, 44, 44]])
    crops = Crops(window, torch.tensor([False]), (64, 64))
    ceiling = ses_ceiling(crop_maps(maps, crops), (8, 8)).item()
    assert 0.5 < ceiling < 0.999
    whole = Crops(torch.tensor([[0, 0, 64, 64]]), torch.tensor([True]), (64, 64))
    assert ses_ceiling(crop_maps(maps, whole), (8, 8)).item() == pytest.approx(1)


def test_zero_maps_and_tiny_maps() -> None:
    maps = torch.zeros(2, 8, 8)
    maps[1, 2, 2] = 1e-30
    ceiling = ses_ceiling(maps, (4, 4))
    assert ceiling[0] == 0
    wide = torch.zeros(1, 8, 8)
    wide[0, 2, 2] = 1
    assert ceiling[1].item() == pytest.approx(ses_ceiling(wide, (4, 4)).item())


@pytest.mark.parametrize("cells", [(0, 4), (4, 9)])
def test_cells_are_checked(cells: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cells must be"):
        ses_ceiling(torch.rand(1, 8, 8), cells)
    with pytest.raises(ValueError, match="picture 0 is not finite"):
        ses_ceiling(torch.full((1, 8, 8), torch.nan), (4, 4))
