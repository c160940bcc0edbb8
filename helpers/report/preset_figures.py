"""Figures of the presets' texts: prompts, who meets whom, what labels change."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from helpers.report.figures import WIDTH
from helpers.report.text_figures import KINDS, box

OF_ONE, OF_MEAN = "#08519c", "#a63603"
SHADES = KINDS | {
    "context": (KINDS["context"][0], "learnable, shared by all classes"),
    "own context": ("#bcbddc", "learnable, of this class"),
    "padding": ("#ffffff", "padding"),
}


class Strip(NamedTuple):
    """A prompt and what is read of it.

    Attributes:
        words: its tokens, (what it spells, its kind) each.
        single: positions that are a text token each.
        mean: positions of which the mean is one text token.
        note: what is said of it at its end.
    """

    words: tuple[tuple[str, str], ...]
    single: tuple[int, ...]
    mean: tuple[int, ...]
    note: str


class Met(NamedTuple):
    """Costs `[B, M]` of a batch's texts, what each is of, and which is one's own."""

    cost: Tensor
    columns: list[str]
    own: list[int] | None


def preset_strips(strips: Mapping[str, Strip]) -> Figure:
    """Show a prompt as a row of boxes for each preset, with dots at what is read."""
    longest = max(len(strip.words) for strip in strips.values())
    figure, axis = plt.subplots(figsize=(WIDTH, 0.62 * len(strips) + 0.7))
    used = {kind for strip in strips.values() for _, kind in strip.words}
    for row, (names, strip) in enumerate(strips.items()):
        top = 1.75 * row
        axis.text(0, top + 0.5, names, fontsize=9, weight="bold")
        for at, (word, kind) in enumerate(strip.words):
            box(axis, at, top + 0.65, word, SHADES[kind][0], "padding" in kind)
        places = [at + 0.5 for at in strip.single]
        axis.plot(places, [top + 1.46] * len(places), ".", color=OF_ONE, markersize=5)
        places = [at + 0.5 for at in strip.mean]
        axis.plot(places, [top + 1.46] * len(places), ".-", color=OF_MEAN, markersize=5)
        axis.text(len(strip.words) + 0.2, top + 1.08, strip.note, fontsize=9)
    axis.set(xlim=(-0.1, longest + 1.4), ylim=(1.75 * len(strips), -0.1))
    axis.axis("off")
    shown = [
        Patch(facecolor=fill, edgecolor="#aaaaaa", linewidth=0.5, label=label)
        for kind, (fill, label) in SHADES.items()
        if kind in used
    ]
    figure.legend(
        handles=shown,
        loc="outside lower center",
        ncols=4,
        fontsize=8,
        frameon=False,
    )
    return figure


def texts_met(panels: Mapping[str, Met], pictures: Sequence[str]) -> Figure:
    """Show which texts each picture's channels pay for, a panel a text side.

    `pictures` name the rows. A ring marks the picture's own text, where the texts are
    those of others too.
    """
    rows = -(-len(panels) // 2)
    figure, axes = plt.subplots(
        rows, 2, figsize=(WIDTH, 3.5 * rows), sharey=True, squeeze=False
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis, (name, met) in zip(axes.flat, panels.items(), strict=False):
        count = met.cost.shape[1]
        shown = axis.imshow(met.cost.numpy(), cmap="viridis", aspect="auto")
        size = 7 if count < 20 else 5.5
        axis.set_xticks(range(count), met.columns, rotation=90, fontsize=size)
        axis.set_yticks(range(len(pictures)), pictures, fontsize=8)
        if met.own is not None:
            ring: dict[str, Any] = {"mfc": "none", "mec": "white", "markersize": 6}
            axis.plot(met.own, range(len(pictures)), "o", **ring)
        axis.set_title(name, fontsize=9)
        axis.grid(visible=False)
        bar = figure.colorbar(shown, ax=axis, shrink=0.8, aspect=18)
        bar.ax.tick_params(labelsize=7)
    return figure


def label_dots(shuffled: pd.DataFrame, floor: float = 1e-17) -> Figure:
    """Show what other labels change of each side's loss, mean and largest picture.

    `shuffled` has columns "text side", "a picture", "largest". What is 0 stands at the
    left end, at `floor`.
    """
    places = np.arange(len(shuffled))
    figure, axis = plt.subplots(figsize=(WIDTH, 0.3 * len(shuffled) + 0.9))
    columns = {"a picture": ("o", "C0"), "largest": ("|", "C1")}
    first, last = (shuffled[column].clip(lower=floor) for column in columns)
    axis.hlines(places, first, last, color="#bbbbbb", linewidth=2, zorder=1)
    for (column, (mark, colour)), values in zip(
        columns.items(), (first, last), strict=True
    ):
        label = "mean" if column == "a picture" else "largest"
        how: dict[str, Any] = {
            "s": 55 if mark == "o" else 90,
            "color": colour,
            "label": label,
        }
        axis.scatter(values, places, marker=mark, zorder=2, **how)
    ends = [floor, 1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 1.0]
    words = ["0", *(f"$10^{{{round(np.log10(end))}}}$" for end in ends[1:-1]), "1"]
    axis.set_xscale("log")
    axis.set_xticks(ends, words)
    axis.minorticks_off()
    axis.set_yticks(places, shuffled["text side"], fontsize=9)
    axis.invert_yaxis()
    axis.set(xlim=(floor / 4, 2), xlabel="relative change of a picture's OT loss")
    _outside(figure, axis, 2)
    return figure


def _outside(figure: Figure, axis: Axes, columns: int) -> None:
    """Put the axis' legend above the figure."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper right",
        ncols=columns,
        fontsize=8,
        frameon=False,
    )
