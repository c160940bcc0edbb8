"""Figures of what costs: prompts padded and shared, tokens, growth, transport."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    NullFormatter,
    NullLocator,
)

from helpers.report.figures import WIDTH
from helpers.report.text_figures import KINDS

PAD = "#ececec"
MARKS = ("o", "s", "D", "^", "v", "P")
Cell = tuple[float, float, str]  # column, row, kind: a key of `KINDS`, or "pad"
Edge = tuple[tuple[float, float], tuple[float, float]]


def squares(
    panels: Mapping[str, tuple[Sequence[Cell], Sequence[Edge]]],
    columns: int,
    names: Sequence[str],
) -> Figure:
    """Show tokens as small squares, a panel a way to run the same prompts.

    Each panel is its tokens and the edges that join them, on one scale of `columns`
    squares; its title is the way and the number of tokens. What a row says stands
    behind it, where there is room.
    """
    rows = [1 + max(row for _, row, _ in cells) for cells, _ in panels.values()]
    figure, axes = plt.subplots(
        len(panels),
        1,
        figsize=(WIDTH, sum(rows) * WIDTH / columns * 1.25 + 0.34 * len(panels) + 0.4),
        height_ratios=rows,
    )
    for axis, (name, (cells, edges)) in zip(
        np.atleast_1d(axes), panels.items(), strict=True
    ):
        for (x, y), (x_end, y_end) in edges:
            axis.plot([x, x_end], [y, y_end], color="#777777", linewidth=1, zorder=0)
        for kind in {kind for _, _, kind in cells}:
            fill = PAD if kind == "pad" else KINDS[kind][0]
            boxes = [
                Rectangle((x - 0.4, y - 0.4), 0.8, 0.8)
                for x, y, own in cells
                if own == kind
            ]
            edge = "#bbbbbb" if kind == "pad" else "#555555"
            drawn = PatchCollection(
                boxes, facecolor=fill, edgecolor=edge, linewidth=0.4
            )
            axis.add_collection(drawn)
        height = 1 + max(row for _, row, _ in cells)
        for row, words in enumerate(names):
            last = max(x for x, y, _ in cells if y == row)
            if last < columns / 2:
                axis.text(last + 0.9, row, words, va="center", fontsize=8)
        axis.set(xlim=(-0.7, columns - 0.3), ylim=(height - 0.4, -0.6))
        axis.set_title(f"{name}: {len(cells)} tokens", fontsize=9, loc="left", pad=3)
        axis.axis("off")
    used = {kind for cells, _ in panels.values() for _, _, kind in cells}
    handles = [
        Patch(facecolor=fill, edgecolor="#555555", label=words)
        for kind, (fill, words) in KINDS.items()
        if kind in used
    ]
    handles.append(Patch(facecolor=PAD, edgecolor="#bbbbbb", label="padding"))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        fontsize=8,
        frameon=False,
    )
    return figure


def staircase(counts: pd.DataFrame, ways: Sequence[str]) -> Figure:
    """Show tokens a step on a log scale, way by way, a line a form of the prompts.

    `counts`: columns "data", "prompts" and a column a way, NaN where it is barred.
    """
    sets = list(dict.fromkeys(counts["data"]))
    lines = -(-len(sets) // 2)
    figure, axes = plt.subplots(
        *(lines, 2),
        figsize=(WIDTH, 1.6 + 2.2 * lines),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for axis in axes.flat[len(sets) :]:
        axis.set_axis_off()
    for axis, data in zip(axes.flat, sets, strict=False):
        rows = counts[counts["data"] == data].to_dict("records")
        for number, row in enumerate(rows):
            known = [at for at, way in enumerate(ways) if row[way] == row[way]]
            values = [row[ways[at]] for at in known]
            axis.plot(
                known,
                values,
                marker=MARKS[number],
                color=f"C{number}",
                markersize=5.5,
                label=row["prompts"],
            )
        axis.set(yscale="log", title=data, xlim=(-0.3, len(ways) - 0.7))
        axis.set_xticks(range(len(ways)), ways, rotation=35, ha="right", fontsize=8)
        axis.tick_params(axis="y", labelsize=8)
        axis.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
    for first in axes[:, 0]:
        first.set_ylabel("tokens of a step")
    below(figure, axes[0][0], 4)
    return figure


def growth(frames: Sequence[pd.DataFrame], exponents: pd.DataFrame) -> Figure:
    """Show time above, memory below, both on log scales, a column a thing that grows.

    `frames`: columns "axis", "size", "way", "seconds", "megabytes". The legend has the
    column "exponent of time" of `exponents`, by its columns "over" and "way".
    """
    slopes = exponents.set_index(["over", "way"])["exponent of time"].to_dict()
    figure, axes = plt.subplots(
        2, len(frames), figsize=(WIDTH, 5.0), sharex="col", squeeze=False
    )
    for column, frame in enumerate(frames):
        name = str(frame["axis"].iloc[0])
        for number, (way, part) in enumerate(frame.groupby("way", sort=False)):
            label = f"{way}: {slopes[name, way]:.2f}"
            for row, value in enumerate(("seconds", "megabytes")):
                scale = 1000 if row == 0 else 1
                axes[row][column].plot(
                    part["size"],
                    scale * part[value],
                    marker=MARKS[number],
                    color=f"C{number}",
                    label=label,
                )
        for axis in axes[:, column]:
            axis.set(xscale="log", yscale="log")
            low, high = axis.get_ylim()
            axis.set_ylim(low / 1.3, high * 1.3)
            plain_ticks(axis.yaxis)
        sizes = sorted(set(frame["size"]))
        axes[1][column].xaxis.set_major_locator(FixedLocator(sizes))
        axes[1][column].xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes[1][column].xaxis.set_minor_locator(NullLocator())
        axes[1][column].tick_params(axis="x", labelsize=8)
        axes[1][column].set_xlabel(name, fontsize=9)
        axes[0][column].legend(
            title="exponent of time",
            title_fontsize=7.5,
            fontsize=7.5,
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            frameon=False,
        )
    axes[0][0].set_ylabel("milliseconds", fontsize=9)
    axes[1][0].set_ylabel("MB kept", fontsize=9)
    return figure


def transport(times: pd.DataFrame, kept: pd.DataFrame) -> Figure:
    """Show what a transport loss takes: time by epsilon, memory by iterations.

    `times`: columns "epsilon", "way", "seconds", "iterations", which stand at the
    points; `kept`: columns "iterations", "way", "megabytes".
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.6))
    for number, (way, part) in enumerate(times.groupby("way", sort=False)):
        style: dict[str, Any] = {"marker": MARKS[number], "color": f"C{number}"}
        left.plot(part["epsilon"], 1000 * part["seconds"], label=way, **style)
        for row in part.dropna(subset="iterations").to_dict("records"):
            left.annotate(
                f"{row['iterations']:.0f}",
                (row["epsilon"], 1000 * row["seconds"]),
                xytext=(0, 6),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
        grown = kept[kept["way"] == way]
        right.plot(grown["iterations"], grown["megabytes"], label=way, **style)
    left.set(xscale="log", yscale="log", xlabel=r"$\varepsilon$")
    left.set_ylabel("milliseconds, value and gradient", fontsize=9)
    low, high = left.get_ylim()
    left.set_ylim(low / 1.3, high * 1.8)
    left.invert_xaxis()
    right.set(xscale="log", yscale="log", xlabel="iterations of the loop")
    right.set_ylabel("MB kept for the backward pass", fontsize=9)
    for axis in (left, right):
        plain_ticks(axis.yaxis)
        axis.xaxis.set_minor_locator(NullLocator())
    left.xaxis.set_major_locator(FixedLocator(sorted(set(times["epsilon"]))))
    right.xaxis.set_major_locator(FixedLocator(sorted(set(kept["iterations"]))))
    for axis in (left, right):
        axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axis.tick_params(axis="x", labelsize=8)
    below(figure, left, 2)
    return figure


def plain_ticks(axis: Axis) -> None:
    """Write the ticks of an axis on a log scale as numbers: 1, 2, 5, 10."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_formatter(NullFormatter())
    axis.set_tick_params(labelsize=8)


def below(figure: Figure, axis: Axes, columns: int) -> None:
    """Put the legend of an axis below the figure."""
    handles, labels = axis.get_legend_handles_labels()
    if (legend := axis.get_legend()) is not None:
        legend.remove()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=columns,
        fontsize=8,
        frameon=False,
    )
