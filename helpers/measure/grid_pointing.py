"""GridPG: does a map point at its class among n x n pictures of different classes?

A grid of pictures shows n x n classes at once. The map of one of them should lie in
that picture's cell; one that ignores the class has 1 / n^2 on average over the cells
of a grid, whatever else it shows (Böhle et al. 2021; Gairola et al. 2025).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.explain.cam import check_images, check_targets
from helpers.measure.checks import check_maps
from helpers.measure.consistency import sch
from helpers.measure.localisation import positive


def draw_grids(
    labels: Tensor,
    side: int,
    count: int,
    generator: torch.Generator,
    usable: Tensor | None = None,
) -> Tensor:
    """Draw which pictures stand in which grid: side x side of different classes each.

    Classes are drawn alike, whatever the number of their pictures, then a picture of
    each. Draw once for all models that are compared, from pictures that all of them
    get right with confidence: published are a probability of .95 and 500 grids. The
    first n of a longer draw are the same n.

    Shapes: labels `[B]` -> `[count, side^2]`, positions in the labels, row by row.

    Args:
        labels: the class of each picture.
        side: pictures a row, n.
        count: number of grids.
        generator: on the CPU; the only source of chance.
        usable: which pictures may be taken, `[B]`, bool; None for all.

    Raises:
        ValueError: labels or usable of another shape or dtype, side or count under 1,
            fewer than side^2 classes with a usable picture.
    """
    check_targets(labels, len(labels))
    if side < 1 or count < 1:
        raise ValueError(f"side and count must be positive, got {side} and {count}")
    if usable is None:
        usable = torch.ones(len(labels), dtype=torch.bool)
    if usable.shape != labels.shape or usable.dtype != torch.bool:
        got = f"{usable.dtype} of shape {list(usable.shape)}"
        raise ValueError(f"usable must be {len(labels)} bools, got {got}")
    kept = usable.cpu()
    pools = [
        ((labels.cpu() == one) & kept).nonzero().flatten()
        for one in labels.cpu()[kept].unique()
    ]
    if len(pools) < side**2:
        what = f"{len(pools)} classes have a usable picture"
        raise ValueError(f"a grid of {side} x {side} needs {side**2} classes, {what}")
    grids = []
    for _ in range(count):
        classes = torch.randperm(len(pools), generator=generator)[: side**2].tolist()
        grids.append([_one_of(pools[place], generator) for place in classes])
    return torch.tensor(grids)


def grid_pictures(images: Tensor, grids: Tensor) -> Tensor:
    """Return composites of pictures, `[B, C, H, W]` -> `[G, C, n H, n W]`.

    Args:
        images: pictures as the model takes them.
        grids: their positions, `[G, n^2]`, row by row, as `draw_grids` gives them.

    Raises:
        ValueError: shapes or dtypes that do not fit, positions without a picture.
    """
    check_images(images)
    side = math.isqrt(grids.shape[-1])
    if grids.ndim != 2 or side**2 != grids.shape[1] or not grids.numel():
        raise ValueError(f"grids must be [G, n^2], got {list(grids.shape)}")
    check_targets(grids.flatten(), grids.numel(), len(images))
    rows = images[grids.to(images.device, torch.long)]  # [G, n^2, C, H, W]
    square = rows.unflatten(1, (side, side)).permute(0, 3, 1, 4, 2, 5)
    # [G, C, n, H, n, W]: rows and columns become one axis each
    return square.flatten(4, 5).flatten(2, 3)


def cell_masks(cells: Tensor, side: int, size: tuple[int, int]) -> Tensor:
    """Return the cell of each target in a grid of n x n, `[B, n H, n W]`, bool.

    Args:
        cells: number of the cell, `[B]`, row by row, in 0..n^2-1.
        side: cells a row, n.
        size: (n H, n W), the size of the grid in pixels.

    Raises:
        ValueError: cells out of range, or a grid that n does not divide.
    """
    if side < 1 or size[0] % side or size[1] % side:
        raise ValueError(f"a map of {size[0]} x {size[1]} has no {side} x {side} cells")
    check_targets(cells, len(cells), side**2)
    down = torch.arange(size[0], device=cells.device) // (size[0] // side)  # [n H]
    across = torch.arange(size[1], device=cells.device) // (size[1] // side)  # [n W]
    return down[:, None] * side + across == cells[:, None, None]


def grid_pointing_game(maps: Tensor, cells: Tensor, side: int) -> Tensor:
    """Return the share of positive saliency in the target's cell, `[B]`.

    GridPG = sum over the cell of A+ / sum of A+, A+ = max(A, 0) (Böhle et al. 2021). A
    map without positive value has 0. What is smoothed is smoothed before the positive
    part is taken (`smoothed`): the order changes the score, since noise of both signs
    cancels.

    Shapes: maps `[B, n H, n W]` of grids, of any sign, cells `[B]` -> `[B]`.
    Range: [0, 1]; high is good; 1 / n^2 of a uniform map.

    Raises:
        ValueError: maps that are not finite or under 4 x 4 pixels; as `cell_masks`.
    """
    energy = positive(maps)
    check_targets(cells, len(maps))
    inside = cell_masks(cells, side, (maps.shape[1], maps.shape[2]))
    return sch(energy, inside)


def smoothed(maps: Tensor, width: int = 5) -> Tensor:
    """Return the mean over width x width pixels around each, of those in the map.

    Published with 5 pixels at 224 (Gairola et al. 2025), for some methods with 129: the
    wider, the less even a perfect map can have, so compare under one width alone.

    Shapes: maps `[B, H, W]` -> `[B, H, W]`; a constant map stays as it is.

    Raises:
        ValueError: maps as `positive`; a width that is even or not positive.
    """
    check_maps(maps)
    if width < 1 or width % 2 == 0:
        raise ValueError(f"width must be odd and positive, got {width}")
    precise = maps.to(torch.promote_types(maps.dtype, torch.float32))[:, None]
    around = F.avg_pool2d(precise, width, 1, width // 2, count_include_pad=False)
    return around[:, 0]


def _one_of(pool: Tensor, generator: torch.Generator) -> int:
    """Return one of the positions, drawn alike."""
    return int(pool[torch.randint(len(pool), (1,), generator=generator)])
