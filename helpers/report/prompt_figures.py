"""Figures of chapter 06: who hears the name, distances of classes, what came out."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from helpers.report import margins
from helpers.report.figures import WIDTH

FILLS = ("#d9d9d9", "#9ecae1", "#fdae6b")  # same for all, own context, hears the name
MARKERS = {"published": "D"}
HATCH = "////"  # what no learnable vector stands before
Strip = tuple[str, Sequence[tuple[str, str, bool]]]


def knows(strips: Sequence[Strip], kinds: Sequence[str]) -> Figure:
    """Show text tokens as boxes, coloured by what each can know of its class.

    A strip is (its name, its tokens), a token (what it is, one of the `kinds`, is it
    learnt); the colours are `FILLS`, in the order of `kinds`.
    """
    longest = max(len(tokens) for _, tokens in strips)
    colours = dict(zip(kinds, FILLS, strict=True))
    figure, axis = plt.subplots(figsize=(WIDTH, 0.33 * len(strips) + 0.5))
    for row, (name, tokens) in enumerate(strips):
        axis.text(-0.2, row + 0.45, name, ha="right", va="center", fontsize=8)
        for at, (word, kind, learnt) in enumerate(tokens):
            box = Rectangle((at + 0.03, row + 0.08), 0.94, 0.76, linewidth=0)
            box.set(facecolor=colours[kind], edgecolor="white")
            box.set_hatch("" if learnt else HATCH)
            axis.add_patch(box)
            size = 7.5 if len(word) < 5 or word.startswith("$") else 32 / len(word)
            axis.text(
                at + 0.5, row + 0.46, word, ha="center", va="center", fontsize=size
            )
    axis.set(xlim=(-0.1, longest), ylim=(len(strips), -0.1))
    axis.axis("off")
    handles = [Patch(color=colours[kind], label=kind) for kind in kinds]
    if not all(learnt for _, tokens in strips for _, _, learnt in tokens):
        bare = Patch(facecolor=FILLS[-1], edgecolor="white", label="not learnt")
        bare.set_hatch(HATCH)
        handles.append(bare)
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        fontsize=8,
        frameon=False,
    )
    return figure


def token_maps(panels: Mapping[str, pd.DataFrame], label: str) -> Figure:
    """Show a number for each token, a panel below the other; a bare 0 is exact.

    Frames have a row a text side and a column a token, numbers that are not negative;
    all panels share their colours.
    """
    top = max(float(frame.to_numpy(dtype=float).max()) for frame in panels.values())
    rows = sum(len(frame) for frame in panels.values())
    figure, axes = plt.subplots(
        len(panels),
        1,
        figsize=(WIDTH, 0.36 * rows + 0.75 * len(panels)),
        squeeze=False,
        sharex=True,
        height_ratios=[len(frame) for frame in panels.values()],
    )
    for axis, (title, frame) in zip(axes[:, 0], panels.items(), strict=True):
        values = frame.to_numpy(dtype=float)
        shown = axis.imshow(values, cmap="YlOrBr", vmin=0, vmax=top, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            word = f"{value:.2f}".replace("0.", ".", 1) if value else "0"
            colour = "white" if value > 0.6 * top else "#333333"
            axis.text(
                column, row, word, ha="center", va="center", fontsize=7, color=colour
            )
        axis.set_yticks(range(len(frame)), list(frame.index), fontsize=8)
        axis.set_xticks(range(frame.shape[1]), list(frame.columns), fontsize=8)
        axis.set_title(title, fontsize=9)
        axis.grid(visible=False)
    bar = figure.colorbar(shown, ax=axes[:, 0], pad=0.01, aspect=24)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def class_maps(rows: Mapping[str, Mapping[str, Tensor]], groups: int) -> Figure:
    """Show distances between classes `[K, K]`, a row a stage, a column a text side.

    Each panel is in units of its own mean, written above it, so that patterns show
    whatever the size; lines part `groups` groups of equal size.
    """
    columns = max(len(stage) for stage in rows.values())
    side = WIDTH / columns
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(WIDTH, len(rows) * (side + 0.18)), squeeze=False
    )
    for line, (stage, matrices) in zip(axes, rows.items(), strict=True):
        for axis, (name, matrix) in zip(line, matrices.items(), strict=True):
            classes = len(matrix)
            mean = float(matrix.sum()) / (classes * max(classes - 1, 1))
            units = matrix.numpy() / (mean or 1.0)
            shown = axis.imshow(units, cmap="mako", vmin=0.4, vmax=1.6)
            for edge in np.arange(1, groups) * classes / groups - 0.5:
                axis.axhline(edge, color="white", linewidth=0.7)
                axis.axvline(edge, color="white", linewidth=0.7)
            axis.set(xticks=[], yticks=[])
            axis.grid(visible=False)
            axis.set_title(f"{name}: {mean:.2g}", fontsize=8.5)
        line[0].set_ylabel(stage, fontsize=9)
    bar = figure.colorbar(shown, ax=axes, pad=0.01, aspect=30, extend="both")
    bar.set_label("in units of the panel's mean", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def lengths(frame: pd.DataFrame) -> Figure:
    """Show three columns over n, a line a form of the prompts, each named at its end.

    Columns of the frame: prompts, n, "mean D", "by the name", "mass".
    """
    wanted = {
        "mean D": "distance of two classes",
        "by the name": "share made by the name",
        "mass": "transport mass that hears",
    }
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.2), sharex=True)
    for axis, (column, label) in zip(axes, wanted.items(), strict=True):
        sns.lineplot(
            frame,
            x="n",
            y=column,
            hue="prompts",
            style="prompts",
            markers=True,
            ax=axis,
        )
        axis.set_xscale("log", base=2)
        axis.set_xticks(sorted(frame["n"].unique()))
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.tick_params(labelsize=8)
        axis.set_title(label, fontsize=9)
        axis.set(xlabel="learnable tokens n", ylabel="", ylim=(0, None))
        axis.xaxis.label.set_size(9)
        axis.legend_.remove()
    _legend_below(figure, axes[0])
    return figure


def changes(frame: pd.DataFrame) -> Figure:
    """Show variants minus the shared context at the end, a panel a metric.

    Columns of the frame: metric, prompts, source, difference; a dot a row, published
    ones as diamonds. The band is the committed margin; the arrow points to better.
    """
    metrics = list(dict.fromkeys(frame["metric"]))
    variants = list(dict.fromkeys(frame["prompts"]))
    sources = list(dict.fromkeys(frame["source"]))
    colours = dict(zip(sources, sns.color_palette(n_colors=len(sources)), strict=True))
    figure, axes = plt.subplots(
        2, -(-len(metrics) // 2), figsize=(WIDTH, 4.6), sharey=True, squeeze=False
    )
    for axis in axes.flat[len(metrics) :]:
        axis.set_axis_off()
    for axis, metric in zip(axes.flat, metrics, strict=False):
        known = margins.metric(metric)
        axis.axvspan(-known.margin, known.margin, color="gray", alpha=0.2, linewidth=0)
        axis.axvline(0, color="gray", linewidth=1)
        for row in frame[frame["metric"] == metric].to_dict("records"):
            step = sources.index(row["source"]) - (len(sources) - 1) / 2
            axis.plot(
                row["difference"],
                variants.index(row["prompts"]) + 0.22 * step,
                MARKERS.get(row["source"], "o"),
                color=colours[row["source"]],
                label=row["source"],
                markersize=6,
            )
        better = "better →" if known.higher_is_better else "← better"
        axis.set_title(f"{known.label}   ({better})", fontsize=9)
        axis.set_yticks(range(len(variants)), variants, fontsize=8)
        axis.set_ylim(len(variants) - 0.5, -0.5)
        axis.tick_params(axis="x", labelsize=8)
        axis.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    _legend_below(figure, axes.flat[0], sources)
    return figure


def _legend_below(figure: Figure, axis: Axes, order: Sequence[str] = ()) -> None:
    """Put one legend of a panel's lines below the figure, each name once."""
    handles, names = axis.get_legend_handles_labels()
    once = dict(zip(names, handles, strict=True))
    shown = [name for name in order if name in once] or list(once)
    figure.legend(
        [once[name] for name in shown],
        shown,
        loc="outside lower center",
        ncols=len(shown),
        fontsize=8,
        frameon=False,
    )
