"""GridPG of Grad-CAM from features that were computed once, a value a grid.

A grid's features do not depend on the head: of each head its maps need the head alone.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.cam import upsample, weighted_map
from helpers.explain.hooks import evaluating
from helpers.measure.concentration import entropy
from helpers.measure.consistency import gini
from helpers.measure.grid_pointing import grid_pictures, grid_pointing_game
from helpers.measure.shared_grids import SharedGrids, Smoothing, prepared
from helpers.methods.heads import Head
from helpers.methods.probing import cached, head_logits

PART = 25  # grids at a time


@torch.no_grad()
def grid_cells(
    network: nn.Module, images: Tensor, grids: SharedGrids, chunk: int = 32
) -> Tensor:
    """Return the frozen features of the grids, `[G, C, n h, n w]`, computed once."""
    parts = [
        cached(network, grid_pictures(images, rows), torch.zeros(len(rows))).maps
        for rows in grids.rows.split(chunk)
    ]
    return torch.cat(parts)


def cell_maps(head: Head, cells: Tensor, targets: Tensor) -> Tensor:
    """Return coarse Grad-CAM of several classes of each grid, `[G, T, h, w]`.

    A linear head needs no gradient: relu(w_c f) / (h w). Another has one pass forward,
    and one back for each class.

    Shapes: cells `[G, C, h, w]`, targets `[G, T]`.
    """
    if head.is_linear:
        return signed_maps(head, cells, targets).relu()
    given = cells.detach().clone().requires_grad_()
    maps = []
    with evaluating(head), torch.enable_grad():
        logits = head_logits(head, given)
        for wanted in targets.T:
            score = logits.gather(1, wanted[:, None]).sum()
            (slope,) = torch.autograd.grad(score, given, retain_graph=True)
            maps.append(weighted_map(given.detach(), slope.mean((2, 3))))
    return torch.stack(maps, 1)


def signed_maps(head: Head, cells: Tensor, targets: Tensor) -> Tensor:
    """Return w_c f / (h w) of a linear head, evidence against a class below 0.

    Shapes: as `cell_maps`.
    """
    weights = head.last.weight.detach()[:, :, 0, 0][targets]  # [G, T, C]
    number = cells.shape[2] * cells.shape[3]
    return torch.einsum("gtc,gchw->gthw", weights, cells) / number


def cell_gridpg(
    maps: Tensor, side: int, size: int, smoothing: Smoothing | None = None
) -> Tensor:
    """Return GridPG of coarse maps of all cells of a grid, a value a grid.

    Of maps that are not negative and not smoothed the energies of the wide map are a
    linear function of the coarse one, so no wide map is made (`energies`).

    Shapes: maps `[G, n^2, h, w]`, of any sign -> `[G]`; size: pixels of a picture.
    """
    number = side**2
    places = torch.arange(number)
    if smoothing is None and maps.min() >= 0:
        found = energies(maps, side, size).flatten(2)  # [G, n^2 asked, n^2 cells]
        total = found.sum(2)
        own = found[:, places, places]
        return (own / total.where(total > 0, 1)).mean(1)
    scores = []
    for some in maps.split(PART):
        wide = upsample(some.flatten(0, 1), (side * size, side * size))
        ready = prepared(wide, smoothing or Smoothing())
        game = grid_pointing_game(ready, places.repeat(len(some)), side)
        scores.append(game.view(-1, number).mean(1))
    return torch.cat(scores)


def energies(maps: Tensor, side: int, size: int) -> Tensor:
    """Return the sum of each cell of a grid after bilinear interpolation.

    E = W A W', W `[n, h]` the sums over a cell's pixels of what each coarse value adds.

    Shapes: maps `[..., n h, n w]`, square -> `[..., n, n]`.
    """
    unit = torch.eye(maps.shape[-1], dtype=maps.dtype)[None]
    line = F.interpolate(unit, side * size, mode="linear", align_corners=False)[0]
    shares = line.unflatten(1, (side, size)).sum(2).T  # [n, n h]
    return torch.einsum("ah,...hw,bw->...ab", shares, maps, shares)


def compactness(maps: Tensor, side: int, size: int) -> tuple[Tensor, Tensor]:
    """Return Gini and entropy of coarse maps, a value a grid each, as `cell_gridpg`.

    A map without positive evidence has no entropy and counts in neither.
    """
    wide = upsample(maps.flatten(0, 1), (side * size, side * size))
    spread, number = entropy(wide), maps.shape[1]
    gathered = gini(wide).where(spread.isfinite(), torch.nan)
    two = (gathered.view(-1, number), spread.view(-1, number))
    return two[0].nanmean(1), two[1].nanmean(1)


def head_maps(head: Head, cells: Tensor, labels: Tensor, grids: SharedGrids) -> Tensor:
    """Return `cell_maps` of the classes that stand in the grids, `[G, n^2, h, w]`."""
    rows = zip(cells.split(PART), labels[grids.rows].split(PART), strict=True)
    return torch.cat([cell_maps(head, some, asked) for some, asked in rows])
