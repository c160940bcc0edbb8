"""GridPG for several probes of one kind of picture: the same grids for all of them.

Published grids are drawn for each model by itself, unseeded, from the pictures that it
names with confidence (sidgairo18/how-to-probe, e703756): two models then play on
different boards. Here one seeded list is drawn from the pictures that every compared
probe gets right, and the grid is the unit: a value each, so that probes are compared
grid by grid.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from helpers.measure.grid_pointing import (
    cell_masks,
    draw_grids,
    grid_pictures,
    grid_pointing_game,
    smoothed,
)
from helpers.measure.localisation import positive
from helpers.settings import Refused
from helpers.streams import stream

LEAST_GRIDS = 200
PUBLISHED_CELL = 224  # pixels of a cell of the published grids

Saliency = Callable[[Tensor, Tensor], Tensor]  # pictures, classes -> maps
Confidence = Literal["softmax", "sigmoid"]
Order = Literal["smooth, clamp", "clamp, smooth"]


@dataclass(frozen=True, eq=False)
class SharedGrids:
    """Which pictures stand in which grid, for every probe alike.

    Attributes:
        rows: positions of pictures, row by row, `[G, n^2]`.
        side: pictures a row, n.
        usable: number of pictures that every probe gets right, of `pictures`.
        pictures: number of pictures that were asked.
        classes: number of classes that have a usable one.
    """

    rows: Tensor
    side: int
    usable: int
    pictures: int
    classes: int


@dataclass(frozen=True)
class Smoothing:
    """What is done to a map before its share is taken.

    Attributes:
        width: pixels of the mean around each, odd; 1 for none.
        order: negative values are set to 0 after smoothing, as published in 2025, or
            before, as in the older code of B-cos. After, noise of both signs cancels.
    """

    width: int = 1
    order: Order = "smooth, clamp"

    def __post_init__(self) -> None:
        """Refuse what is no smoothing."""
        if self.order not in ("smooth, clamp", "clamp, smooth"):
            raise Refused("order is 'smooth, clamp' or 'clamp, smooth'")
        if self.width < 1 or self.width % 2 == 0:
            raise Refused(f"width must be odd and positive, got {self.width}")


def confidence(logits: Tensor, form: Confidence) -> Tensor:
    """Return the probability of each class, `[B, K]` -> `[B, K]`.

    The published code takes the softmax of standard networks, whatever they were
    trained with, and the sigmoid of B-cos ones.
    """
    if form == "softmax":
        return logits.softmax(1)
    if form == "sigmoid":
        return logits.sigmoid()
    raise Refused(f"confidence is of 'softmax' or 'sigmoid', got '{form}'")


def right_for_all(
    logits: Mapping[str, Tensor],
    labels: Tensor,
    least: float = 0.0,
    form: Confidence = "softmax",
) -> Tensor:
    """Return which pictures every probe gets right, `[B]` bool.

    Right is: the label has the highest logit, and at least this confidence.

    Shapes: logits `[B, K]` by probe, labels `[B]`.

    Raises:
        Refused: no probe, logits of another number of pictures.
    """
    if not logits:
        raise Refused("grids need a probe or more that gets pictures right")
    right = torch.ones(len(labels), dtype=torch.bool)
    for name, found in logits.items():
        if found.ndim != 2 or len(found) != len(labels):
            got = f"{list(found.shape)} for {len(labels)} pictures"
            raise Refused(f"logits of '{name}' must be [B, K], got {got}")
        sure = confidence(found.cpu(), form).gather(1, labels.cpu()[:, None])[:, 0]
        right &= (found.argmax(1) == labels.to(found.device)).cpu() & (sure >= least)
    return right


def shared_grids(
    logits: Mapping[str, Tensor],
    labels: Tensor,
    side: int,
    seed: int,
    count: int = LEAST_GRIDS,
    least: float = 0.0,
    form: Confidence = "softmax",
) -> SharedGrids:
    """Return one seeded list of grids of pictures that every probe gets right.

    Shapes: logits `[B, K]` by probe, labels `[B]` -> rows `[count, side^2]`.

    Raises:
        Refused: under 200 grids; too few classes with a picture that all get right, in
            which case the probe that gets fewest right is named.
    """
    if count < LEAST_GRIDS:
        raise Refused(f"count must be {LEAST_GRIDS} grids or more, got {count}")
    right = right_for_all(logits, labels, least, form)
    classes = len(labels.cpu()[right].unique())
    if classes < side**2:
        alone = {
            name: int(right_for_all({name: found}, labels, least, form).sum())
            for name, found in logits.items()
        }
        worst = min(alone, key=lambda name: alone[name])
        raise Refused(
            f"a grid of {side} x {side} needs {side**2} classes with a picture that "
            f"all {len(logits)} probes get right, {classes} have one: '{worst}' gets "
            f"{alone[worst]} of {len(labels)} right, leave it out or lower `least`"
        )
    rows = draw_grids(labels, side, count, stream(seed, "grids", side), right)
    return SharedGrids(rows, side, int(right.sum()), len(labels), classes)


def grid_scores(
    saliency: Saliency,
    images: Tensor,
    labels: Tensor,
    grids: SharedGrids,
    smoothing: Smoothing,
    *,
    chunk: int = 16,
) -> Tensor:
    """Return GridPG, a value a grid: the mean over its n^2 classes.

    Each class of a grid is asked for in turn; all are a batch. A map that does not
    depend on the class asked for has 1 / n^2 exactly, whatever it shows.

    Shapes: images `[B, 3, H, W]` as the network takes them, labels `[B]` -> `[G]`.
    Range: [0, 1]; high is good.

    Args:
        saliency: pictures and classes -> maps of the picture's size, signed or not.
        images: pictures that the grids' rows point at.
        labels: their classes.
        grids: which pictures stand where.
        smoothing: of all methods that are compared.
        chunk: grids at a time.

    Raises:
        ValueError: as `grid_pictures` and `grid_pointing_game`.
    """
    number = grids.side**2
    cells = torch.arange(number)
    scores = []
    for rows in grids.rows.split(chunk):
        pictures = grid_pictures(images, rows)  # [g, 3, n H, n W]
        asked = pictures.repeat_interleave(number, 0)
        maps = saliency(asked, labels[rows].flatten())
        ready = prepared(maps, smoothing).cpu()
        values = grid_pointing_game(ready, cells.repeat(len(rows)), grids.side)
        scores.append(values.view(len(rows), number).mean(1))
    return torch.cat(scores)


def prepared(maps: Tensor, smoothing: Smoothing) -> Tensor:
    """Return maps smoothed and without negative values, in the order asked for.

    Shapes: maps `[B, H, W]` of any sign -> the same, 0 or more.
    """
    if smoothing.order == "clamp, smooth":
        return smoothed(positive(maps), smoothing.width)
    return positive(smoothed(maps, smoothing.width))


def scaled_width(cell: int, published: int = 5) -> int:
    """Return an odd width that is to a cell what the published is to 224 pixels."""
    exact = published * cell / PUBLISHED_CELL
    return max(1, 2 * round((exact - 1) / 2) + 1)


def ceiling(side: int, cell: int, smoothing: Smoothing) -> float:
    """Return the GridPG of a map that is 1 in its cell and 0 elsewhere, smoothed.

    The mean over the cells of a grid: no map of even cells does better under this
    smoothing.
    """
    return _ceiling(side, cell, lambda maps: prepared(maps, smoothing))


def published_ceiling(side: int, cell: int, width: int = 129) -> float:
    """Return the ceiling under the blur published for two methods alone.

    A Gaussian of `width` pixels with sigma = width / 4, for Input x Gradient and
    Integrated Gradients; the others had a mean of 5 pixels.
    """

    def blurred(maps: Tensor) -> Tensor:
        return tv.gaussian_blur(maps[:, None], [width, width], [width / 4.0])[:, 0]

    return _ceiling(side, cell, blurred)


def _ceiling(side: int, cell: int, smooth: Callable[[Tensor], Tensor]) -> float:
    cells = torch.arange(side**2)
    whole = cell_masks(cells, side, (side * cell, side * cell)).float()
    return float(grid_pointing_game(smooth(whole), cells, side).mean())
