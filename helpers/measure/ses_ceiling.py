"""How high SES can be at all: what crops leave to a map of few cells.

A crop enlarges what it shows. The moved map t(s(I)) then has edges that lie between the
cells of the map that a network makes anew, s(t(I)), so that no such map equals it.
"""

import torch
from torch import Tensor

from helpers.explain.cam import upsample
from helpers.measure.checks import check_maps


def ses_ceiling(moved: Tensor, cells: tuple[int, int]) -> Tensor:
    """Return the greatest cosine of moved maps with any map of h x w cells, `[B]`.

    max_C cos(M, U C V') = ||P M|| / ||M||, where U `[H, h]` and V `[W, w]` interpolate
    bilinearly and P projects on what they can give: with thin QR factors of both,
    ||P M|| = ||Q_U' M Q_V||. An upper bound of `consistency.ses`, which a network may
    not reach: the map that does may be negative somewhere.

    Shapes: moved `[B, H, W]` -> `[B]`, double. Range: [0, 1]; 1 of a map that keeps its
    cells, as after a flip; 0 of a zero map, as SES.

    Raises:
        ValueError: maps that are not finite or under 4 x 4 pixels, more cells than
            pixels or fewer than one.
    """
    check_maps(moved)
    size = (moved.shape[1], moved.shape[2])
    if not all(1 <= few <= many for few, many in zip(cells, size, strict=True)):
        raise ValueError(f"cells must be 1 to {size}, got {cells}")
    down, across = (
        _basis(few, many).to(moved.device)
        for few, many in zip(cells, size, strict=True)
    )
    top = moved.double().abs().amax((1, 2), keepdim=True)
    scaled = moved.double() / top.where(top > 0, 1)  # squares of tiny values would be 0
    kept = torch.linalg.norm(down.mT @ scaled @ across, dim=(1, 2))
    whole = torch.linalg.norm(scaled, dim=(1, 2))
    return (kept / whole.where(whole > 0, 1)).clamp(max=1)


def _basis(cells: int, pixels: int) -> Tensor:
    """Return an orthonormal basis of lines of `pixels` that `cells` can give."""
    each = torch.eye(cells, dtype=torch.double)[None]  # [1, cells, cells]
    wide = upsample(each, (pixels, cells))[0]  # [pixels, cells]
    return torch.linalg.qr(wide).Q
