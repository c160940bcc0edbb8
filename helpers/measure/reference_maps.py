"""Floors and ceilings: maps that know nothing, and maps that know the answer.

They stand in every table of map scores: a method that does no better than a map
without knowledge has shown nothing, whatever its score.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.explain.cam import upsample


def reference_maps(
    shape: tuple[int, int, int],
    cells: int | tuple[int, int],
    seed: int,
    masks: Tensor | None = None,
) -> dict[str, Tensor]:
    """Return floors and ceilings of map scores, by their names in tables.

    "uniform", "centred Gaussian" and "random smooth" are floors. With masks,
    "ground-truth mask" is the ceiling of any map and "pooled mask" that of a map of
    `cells`; without them the ceilings are left out.

    Shapes: masks `[B, H, W]`, bool -> `[B, H, W]` each, float32. Range: [0, 1]; an
    empty mask stays a zero map.

    Args:
        shape: (B, H, W) of the maps that are judged.
        cells: their cells (h, w), or h = w as one number; of any network they are
            the shape of `coarse_grad_cam`'s maps.
        seed: of the random maps.
        masks: the pixels of the target class, where they are known.

    Raises:
        ValueError: masks of the wrong shape, dtype or size; cells that do not fit.
    """
    grid = (cells, cells) if isinstance(cells, int) else cells
    _, height, width = shape
    if not (1 <= grid[0] <= height and 1 <= grid[1] <= width):
        what = f"got {grid} for maps of {(height, width)}"
        raise ValueError(f"cells must be from 1 to the size of the map, {what}")
    maps = {
        "uniform": uniform(shape),
        "centred Gaussian": centred_gaussian(shape),
        "random smooth": random_smooth(shape, grid, seed),
    }
    if masks is None:
        return maps
    check_masks(masks, (height, width))
    maps["ground-truth mask"] = masks.float()
    maps["pooled mask"] = pooled_mask(masks, grid)
    return {name: values.to(masks.device) for name, values in maps.items()}


def uniform(shape: tuple[int, int, int]) -> Tensor:
    """Return maps `[B, H, W]` of ones: all pixels matter alike."""
    return torch.ones(shape)


def centred_gaussian(shape: tuple[int, int, int], sigma: float = 0.25) -> Tensor:
    """Return exp(-(x^2 + y^2) / (2 sigma^2)), x and y in sides from the centre.

    Photographers put objects in the middle: what a map gets by saying just that.
    Shape: `[B, H, W]`. Range: (0, 1].
    """
    pictures, height, width = shape
    y = (torch.arange(height) + 0.5) / height - 0.5  # [H], centres of the pixels
    x = (torch.arange(width) + 0.5) / width - 0.5  # [W]
    squared = y[:, None] ** 2 + x[None, :] ** 2  # [H, W]
    return torch.exp(-squared / (2 * sigma**2)).expand(pictures, -1, -1)


def random_smooth(
    shape: tuple[int, int, int], cells: tuple[int, int], seed: int
) -> Tensor:
    """Return uniform noise of `cells` (h, w), interpolated as a map of them would be.

    Shape: `[B, H, W]`, a map of its own for each picture. Range: [0, 1).
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand((shape[0], *cells), generator=generator)  # [B, h, w]
    return upsample(noise, shape[1:])


def pooled_mask(masks: Tensor, cells: tuple[int, int]) -> Tensor:
    """Return each cell's share of the mask, interpolated: the best map of such cells.

    Shapes: masks `[B, H, W]`, bool -> `[B, h, w]` -> `[B, H, W]`. Range: [0, 1].
    """
    shares = F.adaptive_avg_pool2d(masks.float()[:, None], cells)[:, 0]  # [B, h, w]
    return upsample(shares, (masks.shape[1], masks.shape[2]))


def check_masks(masks: Tensor, size: tuple[int, int] | None = None) -> None:
    """Raise a ValueError unless masks are bool `[B, H, W]`, of the pictures' size."""
    if masks.ndim != 3 or masks.dtype != torch.bool or not masks.numel():
        what = f"{masks.dtype} of shape {list(masks.shape)}"
        raise ValueError(f"masks must be bool [B, H, W], got {what}")
    if size is not None and tuple(masks.shape[1:]) != tuple(size):
        what = f"masks of {list(masks.shape[1:])} for pictures of {list(size)} pixels"
        raise ValueError(f"{what}: transform mask and picture together")
