"""Contrastive Grad-CAM consistency (Pillai et al. 2022): a map moves with its picture.

The published loss compares maps of the picture's size. Enlarging, cropping and
mirroring are linear along each axis, and each row of their matrices sums to 1. So
every inner product of such maps is one of maps of the layer's cells, and a constant
added to a map is one added to its cells: no map is ever enlarged, and nothing is
approximated.

Axes: B pictures of H x W pixels, maps of h x w cells. All is computed in float64;
gradients flow back in the type that came in.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

EPS = 1e-8  # of the published code: below a map's sum, and on top of each pixel


def stretched(lines: Tensor, start: Tensor, extent: Tensor, length: int) -> Tensor:
    """Return windows of lines, resized to `length` lines: linear, align_corners=False.

    Shapes: lines `[n, c]`, start and extent `[B]`, in lines -> `[B, length, c]`. With
    the identity as lines it is the matrix that does so to a column of n values.
    """
    places = torch.arange(length, device=lines.device) + 0.5
    start, extent = start.to(lines)[:, None], extent.to(lines)[:, None]
    along = (places * extent / length - 0.5).clamp(min=0)
    low = along.floor()
    high = (low + 1).minimum(extent - 1)
    share = (along - low)[..., None]  # [B, length, 1]
    below, above = lines[(start + low).long()], lines[(start + high).long()]
    return (1 - share) * below + share * above


def enlarging(cells: int, pixels: int, device: torch.device) -> Tensor:
    """Return the matrix `[pixels, cells]` of bilinear interpolation along an axis."""
    whole = torch.eye(cells, dtype=torch.float64, device=device)
    start, extent = torch.tensor([[0], [cells]], device=device)
    return stretched(whole, start, extent, pixels)[0]


def shares(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the cells of g / (sum g + 1e-8) + 1e-8, g the map enlarged to `size`.

    Shapes: maps `[B, h, w]`, not negative -> `[B, h, w]`, float64. Range: over 0; the
    enlarged map sums to nearly 1, and is uniform where the map is zero.
    """
    maps = maps.double()
    down = enlarging(maps.shape[1], size[0], maps.device).sum(0)  # [h]
    across = enlarging(maps.shape[2], size[1], maps.device).sum(0)  # [w]
    total = maps @ across @ down  # [B]: sum g
    return maps / (total + EPS)[:, None, None] + EPS


def cosines(
    augmented: Tensor,
    original: Tensor,
    windows: Tensor,
    mirrored: Tensor,
    size: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Return a_b . o_b and a_b . a_j of maps of the picture's size, of length 1.

    a is the map of the augmented picture, o that of the original, cropped, resized and
    mirrored as the original was to become the augmented one; both are `shares`, made
    flat (Pillai et al. 2022).

    Shapes: augmented and original `[B, h, w]`, windows (top, left, height, width) in
    pixels `[B, 4]`, mirrored `[B]`, bool -> `[B]` and `[B, B]`. Range: [0, 1].

    Raises:
        ValueError: maps of different shapes, or windows of another number.
    """
    if augmented.shape != original.shape or augmented.ndim != 3:
        what = f"{list(augmented.shape)} and {list(original.shape)}"
        raise ValueError(f"maps must both be [B, h, w], got {what}")
    if windows.shape != (len(original), 4) or mirrored.shape != (len(original),):
        what = f"{list(windows.shape)} and {list(mirrored.shape)}"
        raise ValueError(f"{len(original)} maps need as many windows, got {what}")
    a, o = shares(augmented, size), shares(original, size)
    windows, mirrored = windows.to(a.device), mirrored.to(a.device)
    down = enlarging(a.shape[1], size[0], a.device)  # [H, h]
    across = enlarging(a.shape[2], size[1], a.device)  # [W, w]
    top, left, height, width = windows.unbind(1)
    rows = stretched(down, top, height, size[0])  # [B, H, h]
    columns = stretched(across, left, width, size[1])  # [B, W, w]
    columns = torch.where(mirrored[:, None, None], columns.flip(1), columns)

    seen = (down.T @ down) @ a @ (across.T @ across)  # [B, h, w]
    products = a.flatten(1) @ seen.flatten(1).T  # [B, B]
    moved = (down.T @ rows) @ o @ (columns.mT @ across)  # [B, h, w]
    again = (rows.mT @ rows) @ o @ (columns.mT @ columns)  # [B, h, w]
    length = products.diagonal().sqrt()
    same = (a * moved).sum((1, 2)) / (length * (o * again).sum((1, 2)).sqrt())
    return same, products / (length[:, None] * length[None, :])


def info_nce(same: Tensor, others: Tensor, temperature: float) -> Tensor:
    """Return -log softmax_0([a_b . o_b, a_b . a_j for j != b] / T) of each row, `[B]`.

    The contrast of Pillai et al. (2022) is its mean. Negatives are the augmented maps
    of the batch alone; nothing is detached.

    Shapes: same `[B]`, others `[B, B]`, of which the diagonal is not read. Range: of
    cosines in [0, 1] from 0 to log B + 1 / T, nats; 0 of a single picture.
    """
    itself = torch.eye(len(same), dtype=torch.bool, device=same.device)
    logits = torch.where(itself, same[:, None], others) / temperature
    which = torch.arange(len(same), device=same.device)
    return F.cross_entropy(logits, which, reduction="none")
