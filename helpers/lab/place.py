"""Where maps lie and how far they gather: the scores of a record beside its first.

A score that is not defined is NaN in a tensor, None in a record.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from helpers.data.catalog import Pictures
from helpers.lab.maps import beside, grad_cam_of, logits, rounded, size_of
from helpers.measure import concentration, grid_pointing, localisation
from helpers.measure.consistency import mask_share
from helpers.streams import stream

Maps = Mapping[str, Tensor]
SIDE = 2  # pictures a row of a grid: a map without knowledge has 1 / 4 in a cell
GRIDS = 64
CONFIDENT = 0.5  # probability of its class, at least, of a picture that is looked for


@dataclass(frozen=True, eq=False)
class Grids:
    """Grids of SIDE x SIDE pictures of different classes, and what is asked of them.

    Attributes:
        rows: positions of the pictures, `[G, 4]`, row by row.
        cells: whose map is made, in which grid: `[T, 2]`, grid and cell.
    """

    rows: Tensor
    cells: Tensor


def best_shares(maps: Maps, pictures: Pictures) -> dict[str, float]:
    """Return each map's threshold of greatest mIoU, to be used on other pictures.

    A share of the map's maximum, `localisation.best_share`; nothing without masks.
    """
    masks, ignored = pictures.masks, pictures.ignored
    if masks is None or localisation.without_object(masks, ignored).all():
        return {}
    return {
        name: localisation.best_share(saliency, masks, ignored).share
        for name, saliency in maps.items()
    }


def place_scores(
    saliency: Tensor,
    pictures: Pictures,
    cells: tuple[int, int],
    share: float | None,
) -> dict[str, Tensor]:
    """Return where a map lies and how far it gathers, `[score]`, a value a picture.

    Entropy and border share of every map. With masks the pointing game, the score
    contrast, and IoU of the pixels above `share` of the maximum, beside what as many
    pixels drawn blindly would have. EPG, as published, of the boxes of the class, also
    less their share of the pixels: with masks instead it would be SCH, since no map
    here is negative.

    Shapes: saliency `[B, H, W]`, of `cells` (h, w) -> `[B]` each.
    """
    masks, ignored = pictures.masks, pictures.ignored
    found = {
        "entropy": concentration.entropy(saliency),
        "border share": concentration.border_share(saliency, cells),
    }
    if masks is not None:
        found["pointing game"] = localisation.pointing_game(saliency, masks, ignored)
        found["score contrast"] = localisation.score_contrast(saliency, masks, ignored)
        if share is not None:
            shown = localisation.above_share(saliency, share, ignored)
            found["iou"] = localisation.iou(shown, masks, ignored)
            found["iou by chance"] = localisation.random_iou(shown, masks, ignored)
    if pictures.boxes is not None:
        size = (saliency.shape[1], saliency.shape[2])
        inside = localisation.box_masks(pictures.boxes, size)
        found["epg"] = localisation.energy_pointing_game(saliency, inside, ignored)
        found["epg less area"] = found["epg"] - mask_share(inside, ignored)
    return found


def draw_grids(labels: Tensor) -> Grids | None:
    """Return grids of test pictures, each cell asked for; None under four classes.

    The same for every network of the data, so that values pair.
    """
    if len(labels.unique()) < SIDE**2:
        return None
    rows = grid_pointing.draw_grids(labels, SIDE, GRIDS, stream(0, "grids"))
    every = torch.cartesian_prod(torch.arange(len(rows)), torch.arange(SIDE**2))
    return Grids(rows, every)


def grids_around(own: int, labels: Tensor) -> Grids | None:
    """Return a grid around each of the last `own` pictures, which alone is asked for.

    It takes one cell, drawn alike, of a grid of the others; `labels [N]` are those of
    the others, which come first: their positions are 0 to N - 1. None under four
    classes.
    """
    if len(labels.unique()) < SIDE**2 or not own:
        return None
    generator = stream(0, "grids around")
    rows = grid_pointing.draw_grids(labels, SIDE, own, generator)
    cells = torch.randint(SIDE**2, (own,), generator=generator)
    numbers = torch.arange(own)
    rows[numbers, cells] = len(labels) + numbers
    return Grids(rows, torch.stack((numbers, cells), 1))


def targets_of(grids: Grids) -> Tensor:
    """Return the position of the picture that is asked for, `[T]`."""
    return grids.rows[grids.cells[:, 0], grids.cells[:, 1]]


def cell_truth(grids: Grids, size: tuple[int, int]) -> Tensor:
    """Return the cell that is asked for as a mask, `[T, SIDE H, SIDE W]`, bool."""
    whole = (SIDE * size[0], SIDE * size[1])
    return grid_pointing.cell_masks(grids.cells[:, 1], SIDE, whole)


def grid_scores(saliency: Tensor, grids: Grids, sure: Tensor) -> Tensor:
    """Return GridPG, a value a grid: the mean over its cells that are asked for.

    A picture that the network does not name right with confidence, alone, is not asked
    for; a grid without any has NaN. Published are grids in which all pictures are
    named with a probability of .95 (Gairola et al. 2025): here the grids are the same
    for every network, so the bar is asked of each target alone.

    Shapes: saliency `[T, SIDE H, SIDE W]`, sure `[T]` bool -> `[G]`. Range: [0, 1]; 1 /
    4 of a uniform map.
    """
    values = grid_pointing.grid_pointing_game(saliency, grids.cells[:, 1], SIDE)
    table = torch.full(grids.rows.shape, torch.nan, dtype=values.dtype)
    kept = values.where(sure, torch.nan)
    table[grids.cells[:, 0], grids.cells[:, 1]] = kept
    return table.nanmean(1)


def chosen_shares(
    model: nn.Module, validation: Pictures, device: str = "cpu"
) -> dict[str, float]:
    """Return the threshold of each map's IoU, as `best_shares` chooses it."""
    saliency, coarse = grad_cam_of(
        model, validation.normalised(), validation.labels, device
    )
    return best_shares(dict(beside(saliency, coarse, validation)), validation)


def placed(
    model: nn.Module,
    pictures: Pictures,
    shares: Mapping[str, float],
    device: str = "cpu",
) -> dict[str, Any]:
    """Return `place_scores` of each map, `[name][score]`, a value a picture."""
    saliency, coarse = grad_cam_of(
        model, pictures.normalised(), pictures.labels, device
    )
    cells = (coarse.shape[1], coarse.shape[2])
    scores: dict[str, Any] = {}
    for name, maps in beside(saliency, coarse, pictures):
        found = place_scores(maps, pictures, cells, shares.get(name))
        scores[name] = {score: rounded(values) for score, values in found.items()}
    return scores


def pointed(
    model: nn.Module, pictures: Pictures, grids: Grids | None, device: str = "cpu"
) -> dict[str, Any]:
    """Return GridPG of each map, `[name]["gridpg"]`, a value a grid; {} without grids.

    Of the references the ceilings know the cell that is asked for, not the object.
    """
    if grids is None:
        return {}
    asked = targets_of(grids)  # [T]
    labels = pictures.labels[asked]
    alone = logits(model, pictures.rows(asked), device).softmax(1)
    sure = alone.gather(1, labels[:, None])[:, 0] >= CONFIDENT
    taken = pictures.rows(grids.rows.flatten()).normalised()  # [4 G, 3, H, W]
    inside = torch.arange(grids.rows.numel()).view_as(grids.rows)
    composed = grid_pointing.grid_pictures(taken, inside)[grids.cells[:, 0]]
    saliency, coarse = grad_cam_of(model, composed, labels, device)
    truth = cell_truth(grids, size_of(pictures.images))
    return {
        name: {"gridpg": rounded(grid_scores(maps, grids, sure))}
        for name, maps in beside(saliency, coarse, pictures, masks=truth)
    }
