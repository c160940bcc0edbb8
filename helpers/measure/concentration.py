"""How far a map gathers, and whether it gathers at the border; Gini: `consistency`.

Neither says whether a map is right: they are what a gain elsewhere may have cost. They
take saliency that is not negative, and a zero map has NaN.
"""

import math

import torch
from torch import Tensor

from helpers.measure.checks import check_saliency


def entropy(maps: Tensor) -> Tensor:
    """Return -sum p ln p / ln N, p the map over its sum, N its pixels, `[B]`.

    "Complexity" of Bhatt et al. (2020), in units of its greatest value, so that maps of
    different size compare: times log2 N it is in bits, as Gairola et al. (2025) give
    it. A pixel without saliency adds 0.

    Shapes: maps `[B, H, W]` -> `[B]`. Range: 0 (one pixel) to 1 (uniform); NaN of a
    zero map.

    Raises:
        ValueError: maps that are negative, not finite or under 4 x 4 pixels.

    >>> maps = torch.ones(2, 4, 4)
    >>> maps[1, 1:] = 0  # a row of four pixels: half of the entropy of sixteen
    >>> [round(value, 3) for value in entropy(maps).tolist()]
    [1.0, 0.5]
    """
    shares = _shares(maps).flatten(1)  # [B, N]
    return -torch.xlogy(shares, shares).sum(1) / math.log(shares.shape[1])


def border_share(maps: Tensor, cells: int | tuple[int, int]) -> Tensor:
    """Return the outer ring's share of the saliency over its share of the area, `[B]`.

    The ring is one cell of the feature map wide: there padding shows, and there Bartak
    et al. (2024, section 4.1) saw saliency of LICO at the edges of pictures. They give
    no number for it: the ratio is defined here. A pixel that the ring's edge divides
    counts in parts.

    Shapes: maps `[B, H, W]` -> `[B]`. Range: 0 (nothing at the border) to area / ring;
    1 of a uniform map; NaN of a zero map.

    Args:
        maps: saliency, non-negative.
        cells: the cells (h, w) of the layer, or h = w as one number, as the shape of
            `coarse_grad_cam`'s maps.

    Raises:
        ValueError: maps as `entropy`; under 3 cells a side, or more than pixels.
    """
    check_saliency(maps)
    grid = (cells, cells) if isinstance(cells, int) else cells
    size = (maps.shape[1], maps.shape[2])
    if min(grid) < 3 or grid[0] > size[0] or grid[1] > size[1]:
        what = f"got {grid} for maps of {size}"
        raise ValueError(f"a ring needs 3 cells a side and no more than pixels, {what}")
    shares = _shares(maps)
    down, across = (
        _covered(n, side).to(shares) for n, side in zip(grid, size, strict=True)
    )
    within = torch.einsum("bhw,h,w->b", shares, down, across)  # in the inner cells
    inner = (1 - 2 / grid[0]) * (1 - 2 / grid[1])  # share of the area
    return (1 - within).clamp(min=0) / (1 - inner)


def _shares(maps: Tensor) -> Tensor:
    """Return float64 maps that sum to 1, `[B, H, W]`; NaN of a zero map."""
    check_saliency(maps)
    scaled = maps.double() / maps.double().amax((1, 2), keepdim=True)
    return scaled / scaled.sum((1, 2), keepdim=True)


def _covered(cells: int, length: int) -> Tensor:
    """Return how much of each pixel of a line lies in its inner cells, `[length]`."""
    edges = torch.arange(length, dtype=torch.double)
    cell = length / cells
    return ((edges + 1).clamp(max=length - cell) - edges.clamp(min=cell)).clamp(min=0)
