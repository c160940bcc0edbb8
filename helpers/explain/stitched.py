"""Finer maps of a coarse tower: shift the picture, read again, stitch the places.

A tower that leaves 2 x 2 places of a picture says too little for a map. Shifted by a
fraction of a place it says what lies between them (shift-and-stitch: Long et al. 2015,
section 3.2, after OverFeat): no weight is changed, and every token is one that the
tower gives to some picture of the size that it was trained on.

Axes: B pictures, h and w rows and columns of places, n shifts a side, W numbers a
token.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.cam import check_images
from helpers.explain.clip_tokens import (
    Reading,
    Tokens,
    class_attention,
    image_tokens,
    image_tower,
)


def stitched_tokens(
    model: nn.Module,
    images: Tensor,
    reading: Reading = "token",
    *,
    shifts: int = 1,
    blocks: int = 6,
    chunk: int = 64,
) -> Tokens:
    """Return the tokens of `image_tokens`, n x n for each place of the tower.

    With n shifts a side the picture is moved by d (k + 1/2) / n - d / 2 pixels,
    k = 0 .. n - 1, d the pixels between two places, its edges repeated. So place
    (n i + k) stands in the middle of its share of place i. The token of the whole is
    that of the picture as it is; one shift is `image_tokens`. Attention, where the
    reading has it, is divided as `stitched_attention` does.

    Shapes: images `[B, 3, H, W]` -> `[B, n h, n w, W]` and `[B, W]`, no gradient.

    Raises:
        ValueError: as `image_tokens`; shifts that are no whole pixels.
    """

    whole = image_tokens(model, images, reading, blocks=blocks, chunk=chunk)
    if shifts == 1:
        return whole

    def read(part: Tensor) -> list[Tensor]:
        found = image_tokens(model, part, reading, blocks=blocks, chunk=chunk)
        if found.attention is None:
            return [found.places]
        return [found.places, found.attention[..., None] / shifts**2]

    places, *seen = _stitched(images, whole.places.shape[1:3], shifts, read)
    return Tokens(places, whole.whole, seen[0][..., 0] if seen else None)


def stitched_attention(
    model: nn.Module, images: Tensor, *, shifts: int = 1, chunk: int = 64
) -> Tensor:
    """Return `class_attention` by the same shifts, `[B, n h, n w]`.

    Each shift's map is divided by n^2, so that the sum keeps its bound of 1.

    Raises:
        ValueError: as `class_attention` and `stitched_tokens`.
    """
    first = class_attention(model, images, chunk=chunk)
    if shifts == 1:
        return first

    def read(part: Tensor) -> list[Tensor]:
        return [class_attention(model, part, chunk=chunk)[..., None] / shifts**2]

    return _stitched(images, first.shape[1:3], shifts, read)[0][..., 0]


def shifts_for(model: nn.Module, least: int = 7) -> int:
    """Return the fewest shifts that give `least` places a side, 1 if there are enough.

    Raises:
        ValueError: as `image_tower`; a tower that has too few whatever the shifts.
    """
    tower: Any = image_tower(model)
    size = tower.image_size
    side = size if isinstance(size, int) else min(size)
    if hasattr(tower, "grid_size"):
        places = min(tower.grid_size)
    else:  # the attention pool has a position a place, and one for the mean
        places = round((len(tower.attnpool.positional_embedding) - 1) ** 0.5)
    for shifts in range(1, side // places + 1):
        whole = shifts == 1 or side // places % (2 * shifts) == 0
        if shifts * places >= least and whole:
            return shifts
    raise ValueError(f"{places} places a side of {side} pixels: no shifts give {least}")


def _stitched(
    images: Tensor,
    grid: tuple[int, ...],
    shifts: int,
    read: Callable[[Tensor], list[Tensor]],
) -> list[Tensor]:
    """Return `read` of all shifts, `[B, h, w, W]` each, as `[B, n h, n w, W]`."""
    check_images(images)
    steps = [images.shape[2 + axis] // grid[axis] for axis in (0, 1)]
    if shifts < 1 or any(step % (2 * shifts) for step in steps):
        raise ValueError(
            f"{shifts} shifts of places of {steps[0]} x {steps[1]} pixels are no whole "
            "pixels: take a divisor of half of them"
        )
    found = [read(part) for part in _shifted(images, steps, shifts)]
    wide = []
    for parts in zip(*found, strict=True):
        rows = torch.stack(parts, 1).unflatten(1, (shifts, shifts))
        wide.append(rows.permute(0, 3, 1, 4, 2, 5).flatten(3, 4).flatten(1, 2))
    return wide


def _shifted(images: Tensor, steps: list[int], shifts: int) -> Iterator[Tensor]:
    """Yield the pictures at each shift, row by row."""
    height, width = images.shape[2:]
    pad = [step // 2 for step in steps]
    wide = F.pad(images, (pad[1], pad[1], pad[0], pad[0]), mode="replicate")
    for row in range(shifts):
        top = steps[0] * (2 * row + 1) // (2 * shifts)
        for column in range(shifts):
            left = steps[1] * (2 * column + 1) // (2 * shifts)
            yield wide[:, :, top : top + height, left : left + width]
