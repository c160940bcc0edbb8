"""Figures of prompts and texts: token strips, who is named what, tokens a step."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch

from helpers.report.figures import WIDTH

KINDS = {  # kind of token: (fill, what the legend says)
    "start": ("#d9d9d9", "start"),
    "context": ("#9ecae1", "learnable token"),
    "name": ("#fdae6b", "token of the name"),
    "stop": ("#f0f0f0", "full stop"),
    "end": ("#a1d99b", "end"),
}
RIGHT, WRONG = "#bbbbbb", "#d55e00"


def token_strips(
    strips: Mapping[str, Sequence[Sequence[tuple[str, str]]]],
) -> Figure:
    """Show prompts as rows of coloured boxes, a group of rows a position of the name.

    A token is (text, kind). Dots below mark what becomes a text token: each learnable
    token by itself, and, lower, the name's tokens and the end token, joined by a line.
    """
    longest = max(len(row) for rows in strips.values() for row in rows)
    count = sum(len(rows) for rows in strips.values()) + 0.75 * len(strips)
    figure, axis = plt.subplots(figsize=(WIDTH, 0.36 * count + 0.5))
    top = 0.0
    for group, rows in strips.items():
        axis.text(-0.25, top + 0.45, f"name at: {group}", fontsize=9, weight="bold")
        top += 0.75
        for row in rows:
            for at, (word, kind) in enumerate(row):
                box(axis, at, top, word, KINDS[kind][0])
                if kind == "context":
                    axis.plot(at + 0.5, top + 0.72, ".", color="#08519c", markersize=4)
            bearing = [at + 0.5 for at, (_, kind) in enumerate(row) if kind == "name"]
            bearing.append(len(row) - 0.5)
            axis.plot(
                bearing,
                [top + 0.88] * len(bearing),
                ".-",
                color="#a63603",
                markersize=4,
                linewidth=1,
            )
            top += 1
    axis.set(xlim=(-0.3, longest + 0.1), ylim=(top, -0.3))
    axis.axis("off")
    used = {kind for rows in strips.values() for row in rows for _, kind in row}
    axis.legend(
        handles=[
            Patch(color=fill, label=name)
            for kind, (fill, name) in KINDS.items()
            if kind in used
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=5,
        fontsize=8,
        frameon=False,
    )
    return figure


def box(
    axis: Axes, left: float, top: float, word: str, fill: str, empty: bool = False
) -> None:
    """Draw a token as a box of one unit; an empty one has an outline alone."""
    shape = FancyBboxPatch(
        (left + 0.06, top + 0.06),
        0.88,
        0.6,
        boxstyle="round,pad=0,rounding_size=0.12",
        facecolor=fill,
        edgecolor="#aaaaaa" if empty else "white",
        linestyle=":" if empty else "-",
    )
    axis.add_patch(shape)
    size = 8.0 if len(word) < 6 or word.startswith("$") else 40 / len(word)
    axis.text(left + 0.5, top + 0.38, word, ha="center", va="center", fontsize=size)


def batch_curves(sizes: pd.DataFrame) -> Figure:
    """Show the loss of the same pictures, and memory, by the size of the batch.

    Text sides whose two curves are the same to a thousandth are one line.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.9))
    start = sizes.groupby("text side", sort=False)["OT loss"].transform("first")
    frame = sizes.assign(relative=sizes["OT loss"] / start)
    columns = ("relative", "megabytes")
    alike: dict[tuple[float, ...], list[str]] = {}
    for name, rows in frame.groupby("text side", sort=False):
        key = tuple(float(f"{x:.3g}") for c in columns for x in rows[c])
        alike.setdefault(key, []).append(str(name))
    named = {name: ", ".join(names) for names in alike.values() for name in names}
    frame["texts"] = frame["text side"].map(named)
    frame = frame.drop_duplicates(["texts", "batch"])
    for axis, column in zip(axes, columns, strict=True):
        sns.lineplot(
            frame,
            x="batch",
            y=column,
            hue="texts",
            style="texts",
            markers=True,
            ax=axis,
        )
        axis.set_xscale("log", base=2)
        axis.set_xticks(sorted(frame["batch"].unique()))
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.set_xlabel("pictures in the batch")
    axes[0].set_ylabel("OT loss of the same pictures,\nin units of the smallest batch")
    axes[1].set(ylabel="megabytes of differences", yscale="log")
    handles, labels = axes[0].get_legend_handles_labels()
    for axis in axes:
        axis.legend_.remove()
    figure.legend(
        handles, labels, loc="outside lower center", fontsize=8, frameon=False
    )
    return figure


def spread_map(spread: pd.DataFrame) -> Figure:
    """Show how far features differ between classes, rows positions, columns tokens.

    Zeros, which are exact, are written and left uncoloured.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 2.3))
    values = spread.to_numpy(dtype=float)
    sns.heatmap(
        spread.astype(float),
        mask=values == 0,
        annot=True,
        fmt=".1f",
        annot_kws={"fontsize": 8},
        cmap="YlOrBr",
        vmin=0,
        cbar_kws={"label": "largest difference"},
        linewidths=1,
        ax=axis,
    )
    for row, column in zip(*np.nonzero(values == 0), strict=True):
        axis.text(
            column + 0.5, row + 0.5, "0", ha="center", va="center", color="#555555"
        )
    axis.grid(visible=False)
    axis.set(ylabel="name at", xlabel="text token")
    axis.tick_params(axis="y", rotation=0)
    return figure


def slot_orders(orders: Mapping[str, np.ndarray]) -> Figure:
    """Show which vector stands in which slot of each copy, `[n, n]`, a panel a way."""
    figure, axes = plt.subplots(1, len(orders), figsize=(WIDTH, 3.6))
    for axis, (name, order) in zip(np.atleast_1d(axes), orders.items(), strict=True):
        size = len(order)
        colours = ListedColormap(sns.husl_palette(size, l=0.8))
        axis.imshow(order, cmap=colours, vmin=0, vmax=size)
        for row in range(size):
            for column in range(size):
                word = str(order[row, column] + 1)
                axis.text(column, row, word, ha="center", va="center", fontsize=7)
        axis.set(title=name, xlabel="slot", ylabel="copy", xticks=[], yticks=[])
        axis.grid(visible=False)
    return figure


def connections(panels: Mapping[str, tuple[Sequence[str], Sequence[str]]]) -> Figure:
    """Show what the text of each label says: (names in label order, texts) a panel.

    A grey line is straight: the text fits. An orange one leads to another class.
    """
    tallest = max(len(own) for own, _ in panels.values())
    figure, axes = plt.subplots(
        1, len(panels), figsize=(WIDTH, 0.21 * tallest + 0.7), squeeze=False
    )
    for axis, (title, (own, texts)) in zip(axes[0], panels.items(), strict=True):
        wrong = 0
        for label, (name, text) in enumerate(zip(own, texts, strict=True)):
            to, fits = own.index(text), text == name
            wrong += not fits
            colour = RIGHT if fits else WRONG
            axis.plot([0, 1], [label, to], color=colour, linewidth=1.4, marker=".")
            axis.text(-0.06, label, name, ha="right", va="center", fontsize=8)
            axis.text(1.06, label, name, ha="left", va="center", fontsize=8)
        axis.set(xlim=(-1.15, 2.15), ylim=(len(own) - 0.5, -0.7))
        axis.set_title(
            f"{title}\nlabel → text: {wrong} of {len(own)} wrong", fontsize=9
        )
        axis.axis("off")
    return figure


def token_bars(counts: pd.DataFrame) -> Figure:
    """Show tokens a step for each preset, a panel a data set, on a log scale."""
    sets = list(counts["data set"].unique())
    figure, axes = plt.subplots(
        1,
        len(sets),
        figsize=(WIDTH, 0.9 + 0.42 * counts["preset"].nunique()),
        sharey=True,
        squeeze=False,
    )
    for axis, name in zip(axes[0], sets, strict=True):
        sns.barplot(
            counts[counts["data set"] == name],
            x="tokens",
            y="preset",
            hue="way",
            hue_order=list(counts["way"].unique()),
            ax=axis,
        )
        axis.set(xscale="log", title=name, ylabel="")
        for bars in axis.containers:
            axis.bar_label(bars, fmt="{:,.0f}", fontsize=6, padding=2)
        axis.set_xlim(10, 12 * counts["tokens"].max())
        axis.title.set_fontsize(9)
        axis.legend_.remove()
    handles, words = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncols=3, fontsize=8)
    return figure
