"""Figures of saliency methods on trial: their maps of one picture, and the outcomes."""

from collections.abc import Collection, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from helpers.report.figures import WIDTH

# Outcome: its colour, of seaborn's colour-blind palette, and its sign.
OUTCOMES = {
    "ordered": ("#0173b2", "✓", "white"),
    "undecided": ("#e0d6c6", "·", "#555555"),
    "not": ("#d55e00", "×", "white"),
}
SIGNED = "RdBu_r"


def eight_maps(
    picture: Tensor,
    maps: Mapping[str, Tensor],
    signed: Collection[str],
    columns: int = 3,
) -> Figure:
    """Show one picture and its maps, large: a tile each.

    A map of a `signed` method is drawn from blue (against the class) over white to red
    (for it), the others as heat over the grey picture; each up to the value that one
    pixel in 200 exceeds, so that a single point does not dim the rest.

    Shapes: picture `[3, H, W]` uint8, maps `[H, W]` each.
    """
    rows = -(-(1 + len(maps)) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(WIDTH, rows * (WIDTH / columns + 0.16)),
        squeeze=False,
    )
    tiles = axes.ravel()
    for axis in tiles:
        axis.set_axis_off()
    tiles[0].imshow(picture.permute(1, 2, 0).numpy())
    tiles[0].set_title("picture", fontsize=11, pad=4)
    for axis, (name, saliency) in zip(tiles[1:], maps.items(), strict=False):
        one_map(axis, picture, saliency, name in signed)
        axis.set_title(name, fontsize=11, pad=4)
    return figure


def two_networks(
    picture: Tensor,
    rows: Mapping[str, Mapping[str, Tensor]],
    signed: Collection[str],
    columns: int = 4,
) -> Figure:
    """Show each method's map of a picture under several networks: a row a network.

    Shapes: picture `[3, H, W]` uint8, maps `[H, W]` each, `rows[network][method]`.
    """
    networks = list(rows)
    names = list(next(iter(rows.values())))
    bands = [names[i : i + columns] for i in range(0, len(names), columns)]
    side = WIDTH / (columns + 0.25)
    figure, axes = plt.subplots(
        len(bands) * len(networks),
        columns,
        figsize=(WIDTH, len(bands) * (len(networks) * side + 0.3)),
        squeeze=False,
    )
    for band, shown in enumerate(bands):
        for line, network in enumerate(networks):
            row = axes[band * len(networks) + line]
            for axis in row:
                _bare(axis)
            for axis, name in zip(row, shown, strict=False):
                one_map(axis, picture, rows[network][name], name in signed)
                if line == 0:
                    axis.set_title(name, fontsize=9, pad=3)
            row[0].set_ylabel(network, fontsize=9)
    return figure


def one_map(axis: Axes, picture: Tensor, saliency: Tensor, signed: bool) -> None:
    """Draw a map `[H, W]`: in two colours if it is signed, else as heat."""
    values = saliency.float().numpy()
    top = float(np.quantile(np.abs(values), 0.995)) or float(np.abs(values).max())
    if signed:
        axis.imshow(values, cmap=SIGNED, vmin=-top or -1, vmax=top or 1)
        return
    low = float(values.min())
    grey = picture.float().mean(0).numpy() / 255
    axis.imshow(grey, cmap="gray", vmin=0, vmax=1)
    high = top if top > low else low + 1
    axis.imshow(values, cmap="inferno", alpha=0.65, vmin=low, vmax=high)


def outcomes(frame: pd.DataFrame, columns: int = 2) -> Figure:
    """Show which metric orders which pair, with the maps of which method.

    `frame`: a row a "method", "pair" and "metric" with its "outcome". A panel a pair, a
    row a metric, a column a method; an empty cell was not tried.
    """
    pairs, metrics, methods = (
        list(dict.fromkeys(frame[name])) for name in ("pair", "metric", "method")
    )
    across = min(columns, len(pairs))
    down = -(-len(pairs) // across)
    figure, axes = plt.subplots(
        down,
        across,
        figsize=(WIDTH, down * (0.205 * len(metrics) + 0.45) + 1.0),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    colours = ListedColormap([colour for colour, _, _ in OUTCOMES.values()])
    for axis in axes.ravel():
        axis.set_axis_off()
    for axis, pair in zip(axes.ravel(), pairs, strict=False):
        axis.set_axis_on()
        cells = frame[frame["pair"] == pair].set_index(["metric", "method"])["outcome"]
        grid = np.full((len(metrics), len(methods)), np.nan)
        for (metric, method), outcome in cells.items():
            place = metrics.index(metric), methods.index(method)
            grid[place] = list(OUTCOMES).index(outcome)
            _, mark, ink = OUTCOMES[outcome]
            how: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8}
            axis.text(place[1], place[0], mark, color=ink, **how)
        axis.imshow(grid, cmap=colours, vmin=-0.5, vmax=2.5, aspect="auto")
        axis.set_title(pair, fontsize=10)
        axis.set_xticks(range(len(methods)), methods, rotation=90, fontsize=8)
        axis.set_yticks(range(len(metrics)), metrics, fontsize=8)
        axis.set_xticks(np.arange(-0.5, len(methods)), minor=True)
        axis.set_yticks(np.arange(-0.5, len(metrics)), minor=True)
        axis.grid(visible=False)
        axis.grid(which="minor", color="white", linewidth=1.5)
        axis.tick_params(which="both", length=0)
    handles = [
        plt.Line2D([], [], marker="s", linestyle="", color=colour, label=name, ms=9)
        for name, (colour, _, _) in OUTCOMES.items()
    ]
    where: dict[str, Any] = {"loc": "outside lower center", "ncols": 3}
    figure.legend(handles=handles, fontsize=9, frameon=False, **where)
    return figure


def _bare(axis: Axes) -> None:
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set_visible(False)
