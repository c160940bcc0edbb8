"""A figure of what the scores of place and spread look at, on one picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from helpers.report.figures import WIDTH

BOTH, FOUND, MISSED = "#029e73", "#d55e00", "#0173b2"


@dataclass(frozen=True, eq=False)
class Looked:
    """A picture and its map, with what the scores compare it to.

    Shapes: picture `[3, H, W]` uint8, saliency `[H, W]`, mask `[H, W]` bool, boxes
    `[N, 4]`, -1 for none; cells (h, w) of the feature map; grid `[3, 2 H, 2 W]` uint8
    with its map `[2 H, 2 W]`, and the number of the cell that is explained.
    """

    picture: Tensor
    saliency: Tensor
    cells: tuple[int, int]
    mask: Tensor | None = None
    boxes: Tensor | None = None
    grid: Tensor | None = None
    grid_map: Tensor | None = None
    cell: int = 0


def where(looked: Looked, values: Mapping[str, float], found: float = 0.5) -> Figure:
    """Show what EPG, pointing game, IoU, border share and GridPG look at: a tile each.

    `values`: of the picture, by the tile's title; a tile whose score is not there is
    left out. `found`: the share of the maximum from which on a pixel is found.
    """
    tiles = {
        "EPG": _energy,
        "pointing game": _pointing,
        "mIoU": _overlap,
        "border share": _border,
        "GridPG": _grid,
    }
    shown = [name for name in tiles if name in values]
    side = WIDTH / max(3, len(shown))
    figure, axes = plt.subplots(
        1, max(1, len(shown)), figsize=(WIDTH, side + 0.55), squeeze=False
    )
    for axis, name in zip(axes[0], shown, strict=False):
        axis.set(xticks=[], yticks=[])
        tiles[name](axis, looked, found)
        axis.set_title(name, fontsize=10, pad=4)
        axis.set_xlabel(f"{values[name]:.2f}", fontsize=10)
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure


def _heat(axis: Axes, picture: Tensor, saliency: Tensor) -> None:
    axis.imshow(picture.float().mean(0).numpy() / 255, cmap="gray", vmin=0, vmax=1)
    top = float(saliency.max()) or 1.0
    axis.imshow(saliency.numpy(), cmap="inferno", alpha=0.65, vmin=0, vmax=top)


def _frame(axis: Axes, left: float, top: float, right: float, bottom: float) -> None:
    box = Rectangle((left - 0.5, top - 0.5), right - left, bottom - top)
    box.set(fill=False, edgecolor="white", linewidth=1.8)
    axis.add_patch(box)


def _energy(axis: Axes, looked: Looked, _: float) -> None:
    _heat(axis, looked.picture, looked.saliency)
    if looked.boxes is not None:
        for corners in looked.boxes.tolist():
            if corners[0] >= 0:
                _frame(axis, *corners)


def _pointing(axis: Axes, looked: Looked, _: float) -> None:
    axis.imshow(looked.picture.permute(1, 2, 0).numpy())
    if looked.mask is not None:
        outline = looked.mask.float().numpy()
        axis.contour(outline, levels=[0.5], colors="white", linewidths=1.6)
    place = int(looked.saliency.argmax())
    row, column = divmod(place, looked.saliency.shape[1])
    how: dict[str, Any] = {"marker": "*", "linestyle": "", "markersize": 15}
    axis.plot(column, row, color="#ece133", markeredgecolor="black", **how)


def _overlap(axis: Axes, looked: Looked, found: float) -> None:
    shown = (looked.saliency >= found * looked.saliency.max()).numpy()
    mask = np.zeros_like(shown) if looked.mask is None else looked.mask.numpy()
    kinds = np.where(mask & shown, 1, np.where(shown, 2, np.where(mask, 3, 0)))
    colours = ListedColormap(["#f4f4f4", BOTH, FOUND, MISSED])
    axis.imshow(kinds, cmap=colours, vmin=-0.5, vmax=3.5)


def _border(axis: Axes, looked: Looked, _: float) -> None:
    _heat(axis, looked.picture, looked.saliency)
    height, width = looked.saliency.shape
    down, across = height / looked.cells[0], width / looked.cells[1]
    _frame(axis, across, down, width - across, height - down)


def _grid(axis: Axes, looked: Looked, _: float) -> None:
    if looked.grid is None or looked.grid_map is None:
        return
    _heat(axis, looked.grid, looked.grid_map)
    height, width = (side // 2 for side in looked.grid_map.shape)
    row, column = divmod(looked.cell, 2)
    left, top = column * width, row * height
    _frame(axis, left, top, left + width, top + height)
