"""Filter attention of LaViSE (Yang et al. 2022): what an explainer reads for a filter.

To explain filter u in a picture, the maps of all filters are weighted before they are
pooled. Text and codes weigh them differently, and both are here, beside the readings
without attention, with an activation mask and with a masked picture.

Axes: P pairs of a filter and a picture, d filters of h x w cells, c = cells^2 pooled
numbers a filter (1 is the mean).
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.settings import Refused


class Attention(Protocol):
    """What `ATTENTION` holds: a reading of one picture for m of its filters."""

    def __call__(
        self, features: Tensor, filters: Tensor, thresholds: Tensor, cells: int
    ) -> Tensor:
        """Return `[m, d c]` of features `[d, h, w]`, filters and thresholds `[m]`."""


def pool(features: Tensor, cells: int = 1) -> Tensor:
    """Return `[..., d, h, w]` pooled and flattened, `[..., d c]`, in float32 or more.

    Adaptive average pooling to cells x cells: 1 is that of ResNets, the mean of each
    map. AlexNet pools its 6 x 6 maps to 6 x 6 and flattens them: all 9,216 numbers
    reach the explainer, not one a filter.

    Raises:
        Refused: less than 1 cell.
    """
    features = _least(features)
    matrix = _pooling(features.shape[-2], features.shape[-1], cells).to(features)
    return (features.flatten(-2) @ matrix.T).flatten(-2)


def scalar_cosine(
    features: Tensor, filters: Tensor, thresholds: Tensor, cells: int = 1
) -> Tensor:
    """Return pooled F_k cos(F_u, F_k), `[m, d c]`: Yang et al. (2022) as printed.

    One number weighs a whole map; a map of zeros has cosine 0. `thresholds` are not
    read.
    """
    flat = _least(features).flatten(1)  # [d, h w]
    directions = F.normalize(flat, dim=1, eps=_tiny(flat))
    weights = directions[filters] @ directions.T  # [m, d]
    return (weights[:, :, None] * pool(features, cells).view(len(flat), -1)).flatten(1)


def elementwise(
    features: Tensor, filters: Tensor, thresholds: Tensor, cells: int = 1
) -> Tensor:
    """Return pooled F_k * F_u / |F_u|, cell by cell, `[m, d c]`: both codes.

    Pooled to one number it is |F_k| cos(F_u, F_k) / h w: the direction of
    `scalar_cosine` for dense maps, but smaller. `thresholds` are not read.
    """
    flat = _least(features).flatten(1)
    weights = F.normalize(flat[filters], dim=1, eps=_tiny(flat))  # [m, h w]
    return _weighted(features, weights, cells)


def no_attention(
    features: Tensor, filters: Tensor, thresholds: Tensor, cells: int = 1
) -> Tensor:
    """Return the pooled maps as they are, the same for every filter, `[m, d c]`."""
    return pool(features, cells).expand(len(filters), -1)


def activation_mask(
    features: Tensor, filters: Tensor, thresholds: Tensor, cells: int = 1
) -> Tensor:
    """Return pooled F_k [F_u > T_u], `[m, d c]`: the cells where the filter is high."""
    flat = _least(features).flatten(1)
    weights = (flat[filters] > thresholds[:, None]).to(flat)  # [m, h w]
    return _weighted(features, weights, cells)


ATTENTION: dict[str, Attention] = {
    "scalar": scalar_cosine,
    "elementwise": elementwise,
    "none": no_attention,
    "activation": activation_mask,
}


def attended(
    features: Tensor,
    filters: Tensor,
    pictures: Tensor,
    thresholds: Tensor,
    attention: str = "scalar",
    cells: int = 1,
) -> Tensor:
    """Return what the explainer reads for each pair, `[P, d c]`, float32 or more.

    Args:
        features: of all pictures, `[N, d, h, w]`.
        filters: the pair's filter u, `[P]`.
        pictures: the pair's picture, `[P]`.
        thresholds: T_u of every filter, `[d]`.
        attention: a name of `ATTENTION`.
        cells: of the pooling.

    Raises:
        Refused: an unknown attention.
    """
    if attention not in ATTENTION:
        known = ", ".join(ATTENTION)
        raise Refused(f"attention must be one of {known}, got '{attention}'")
    read = ATTENTION[attention]
    width = features.shape[1] * cells**2
    kind = torch.promote_types(features.dtype, torch.float32)
    found = torch.empty(len(filters), width, dtype=kind, device=features.device)
    for picture, rows in by_picture(pictures):
        chosen = filters[rows]
        found[rows] = read(features[picture], chosen, thresholds[chosen], cells)
    return found


def attended_pictures(
    images: Tensor,
    pictures: Tensor,
    regions: Iterator[Tensor],
    encode: Callable[[Tensor], Tensor],
    cells: int = 1,
) -> Tensor:
    """Return pooled maps of pictures shown in their regions alone, `[P, d c]`.

    Outside, a normalised picture is 0: the mean colour. The pictures that were given
    stay as they are; ErikBuis/FACT2023 masks them in place, and shows them so.

    Args:
        images: as the network reads them, `[N, 3, H, W]`.
        pictures: the pair's picture, `[P]`.
        regions: blocks `[b, H, W]`, bool, of the pairs in order.
        encode: pictures `[b, 3, H, W]` to maps `[b, d, h, w]`.
        cells: of the pooling.
    """
    found, start = [], 0
    for block in regions:
        shown = images[pictures[start : start + len(block)]] * block[:, None]
        found.append(pool(encode(shown), cells))
        start += len(block)
    return torch.cat(found)


def by_picture(pictures: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield each picture of `[P]` with the rows that name it, `[m]`."""
    order = pictures.argsort(stable=True)
    named, counts = pictures[order].unique_consecutive(return_counts=True)
    parts = order.split(counts.tolist())
    yield from zip(named.tolist(), parts, strict=True)


@cache
def _pooling(height: int, width: int, cells: int) -> Tensor:
    """Return the matrix of adaptive average pooling, `[c, h w]`."""
    if cells < 1:
        raise Refused(f"cells must be 1 or more a side, got {cells}")
    one_hot = torch.eye(height * width).view(1, -1, height, width)
    return F.adaptive_avg_pool2d(one_hot, cells)[0].flatten(1).T


def _weighted(features: Tensor, weights: Tensor, cells: int) -> Tensor:
    """Return the pooled maps, weighted cell by cell by `[m, h w]`: `[m, d c]`."""
    flat = _least(features).flatten(1)  # [d, h w]
    matrix = _pooling(features.shape[1], features.shape[2], cells).to(flat)
    found = (flat[:, None, :] * matrix) @ weights.T  # [d, c, m]
    return found.flatten(0, 1).T


def _least(features: Tensor) -> Tensor:
    """Return features in single precision at least."""
    return features.to(torch.promote_types(features.dtype, torch.float32))


def _tiny(values: Tensor) -> float:
    return torch.finfo(values.dtype).tiny
