"""Figures of chapter 10: a filter step by step, filters with their words, recalls."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from helpers.report.figures import WIDTH

PAD = 0.02
# Of a word's kind: colour and what follows the word.
MARKS = {
    "taught word": ("black", ""),
    "form of one": ("#0072b2", "°"),
    "of the same world": ("#00795a", "*"),
    "foreign": ("#00795a", "**"),
}


class View(Protocol):
    """What `filters` shows of one: pictures `[n, 3, H, W]`, words with their kinds."""

    @property
    def number(self) -> int:
        """Its place in the layer."""

    @property
    def images(self) -> Tensor:
        """Of 0 to 255."""

    @property
    def words(self) -> Sequence[tuple[str, str]]:
        """Each with one of `MARKS`."""


class Stages(Protocol):
    """What `stages` shows of a pair of a filter and a picture."""

    @property
    def number(self) -> int:
        """The filter's place."""

    @property
    def image(self) -> Tensor:
        """The picture, `[3, H, W]` uint8."""

    @property
    def map(self) -> Tensor:
        """F_u enlarged, `[H, W]`."""

    @property
    def region(self) -> Tensor:
        """R, `[H, W]`, bool."""

    @property
    def objects(self) -> Sequence[tuple[str, Tensor, float]]:
        """Name, mask `[H, W]` and IoU."""


def stages(view: Stages) -> Figure:
    """Show a picture, the filter's map, its region, and the objects with their IoU."""
    shown = view.objects[:3]
    count = 3 + len(shown)
    figure, axes = plt.subplots(1, count, figsize=(WIDTH, WIDTH / count + 0.5))
    grey = view.image.float().mean(0).numpy() / 255
    pixels = view.image.permute(1, 2, 0).numpy()
    axes[0].imshow(pixels)
    axes[0].set_title("picture", fontsize=9)
    axes[1].imshow(grey, cmap="gray", vmin=0, vmax=1)
    axes[1].imshow(view.map.numpy(), cmap="inferno", alpha=0.6)
    axes[1].set_title(f"$F_u$, filter {view.number}", fontsize=9)
    axes[2].imshow(pixels * view.region.numpy()[:, :, None])
    axes[2].set_title("region $R$", fontsize=9)
    for axis, (name, mask, share) in zip(axes[3:], shown, strict=True):
        axis.imshow(grey, cmap="gray", vmin=0, vmax=1.6)
        axis.imshow(np.where(mask.numpy(), 1.0, np.nan), cmap="Blues", vmin=0, vmax=1.4)
        _outline(axis, view.region)
        axis.set_title(f"{name}\nIoU {share:.2f}", fontsize=9)
    for axis in axes:
        _bare(axis)
    return figure


def filters(views: Sequence[View]) -> Figure:
    """Show filters as figure 2 of Buis et al. (2023): five pictures, ten words each.

    Words are black where they were taught, blue with a ring where they are forms of
    such words, green with stars where they are neither.
    """
    columns = max(len(view.images) for view in views)
    figure, axes = plt.subplots(
        len(views),
        columns + 1,
        figsize=(WIDTH, 1.32 * len(views)),
        width_ratios=[1] * columns + [1.75],
        squeeze=False,
    )
    for row, view in zip(axes, views, strict=True):
        for axis in row:
            _bare(axis)
        for axis, image in zip(row, view.images, strict=False):
            axis.imshow(image.permute(1, 2, 0).numpy() / 255)
        row[0].set_ylabel(f"filter {view.number}", fontsize=9)
        _write(row[-1], view.words)
    return figure


def recalls(row: Mapping[str, Any], kind: str = "raw") -> Figure:
    """Show recall@5, 10, 20 of the explainer, its controls and the oracle.

    `row`: as a record keeps it, `recall[kind][name][s]` with mean and both ends.
    """
    found = row["recall"][kind]
    order = sorted(found, key=lambda name: found[name]["5"][0] or 0.0)
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.7), sharey=True)
    colours = sns.color_palette("colorblind")
    special = {"taught": colours[1], "oracle": colours[7]}
    for axis, s in zip(axes, ("5", "10", "20"), strict=True):
        for place, name in enumerate(order):
            mean, low, high = found[name][s]
            colour = special.get(name, colours[0])
            axis.barh(place, mean or 0.0, color=colour, height=0.7)
            _whisker(axis, place, low, high)
        axis.set(title=f"recall@{s}", xlim=(0, 1))
        axis.set_yticks(range(len(order)), order)
        axis.grid(visible=False, axis="y")
    axes[1].set_xlabel(f"share of the words in $G$, {kind} vocabulary")
    return figure


def readings(frame: pd.DataFrame) -> Figure:
    """Show recall@s by the reading of the maps: attention, vocabulary, s."""
    kinds = list(frame["vocabulary"].unique())
    figure, axes = plt.subplots(1, len(kinds), figsize=(WIDTH, 3.1), sharey=True)
    names = list(frame["attention"].unique())
    marks = {5: "o", 10: "s", 20: "D"}
    colours = sns.color_palette("colorblind")
    for axis, kind in zip(np.atleast_1d(axes), kinds, strict=True):
        for colour, (s, rows) in zip(
            colours, frame[frame["vocabulary"] == kind].groupby("s"), strict=False
        ):
            places = [names.index(name) for name in rows["attention"]]
            ends = [rows["recall"] - rows["from"], rows["to"] - rows["recall"]]
            axis.errorbar(
                places,
                rows["recall"],
                yerr=ends,
                fmt=marks.get(int(s), "o"),
                color=colour,
                label=f"recall@{s}",
                markersize=6,
            )
        axis.set(title=f"{kind} vocabulary", ylim=(0, 1))
        axis.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=9)
    figure.legend(
        *np.atleast_1d(axes)[0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=3,
        fontsize=9,
    )
    return figure


def switches(moved: Sequence[Any]) -> Figure:
    """Show what each defect moves: recall@5 with it minus without, with intervals.

    `moved`: name, apart, low, high of each.
    """
    rows = sorted(moved, key=lambda one: one.apart)
    figure, axis = plt.subplots(figsize=(WIDTH, 0.42 * len(rows) + 0.9))
    for place, one in enumerate(rows):
        colour = sns.color_palette("colorblind")[0 if one.low <= 0 <= one.high else 3]
        ends = [[one.apart - one.low], [one.high - one.apart]]
        axis.errorbar(one.apart, place, xerr=ends, fmt="o", color=colour, capsize=3)
    axis.axvline(0, color="gray", linewidth=1, linestyle="--")
    axis.set_yticks(range(len(rows)), [one.name for one in rows])
    axis.set_xlabel("recall@5 with the defect, minus without")
    axis.margins(y=0.12)
    return figure


def kinds(frame: pd.DataFrame) -> Figure:
    """Show what the words of labels are: a bar an explainer, shares by kind."""
    figure, axis = plt.subplots(figsize=(WIDTH, 2.7))
    shares = frame.set_index("explainer")
    left = np.zeros(len(shares))
    places = np.arange(len(shares))
    palette = sns.color_palette("colorblind")
    colours = [palette[k] for k in (7, 0, 1, 2, 4)]
    for colour, kind in zip(colours, shares.columns, strict=False):
        values = shares[kind].to_numpy(dtype=float)
        axis.barh(places, values, left=left, color=colour, label=kind, height=0.7)
        for place, (start, value) in enumerate(zip(left, values, strict=True)):
            if value > 0.06:
                axis.text(
                    start + value / 2,
                    place,
                    f"{value:.0%}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white",
                )
        left = left + values
    axis.set_yticks(places, shares.index)
    axis.set(xlim=(0, 1), xlabel="share of the words in all labels")
    axis.grid(visible=False)
    figure.legend(loc="outside upper center", ncols=3, fontsize=8)
    return figure


def against_controls(frame: pd.DataFrame) -> Figure:
    """Show each network and layer: explainer, best control and oracle, a dot a seed."""
    names = list(frame["network and layer"].unique())
    figure, axis = plt.subplots(figsize=(WIDTH, 0.55 * len(names) + 1.2))
    colours = sns.color_palette("colorblind")
    series = (
        ("oracle", "oracle", "D", colours[7], 0.2),
        ("taught", "taught", "o", colours[1], 0.0),
        ("best control", "best control", "s", colours[0], -0.2),
    )
    for label, column, mark, colour, shift in series:
        places = [names.index(name) + shift for name in frame["network and layer"]]
        axis.scatter(
            frame[column], places, marker=mark, color=colour, label=label, s=46
        )
    axis.set_yticks(range(len(names)), names)
    axis.set(xlim=(0, 1), xlabel="recall@5, raw vocabulary")
    axis.margins(y=0.12)
    figure.legend(loc="outside upper center", ncols=3, fontsize=9)
    return figure


def by_arm(frame: pd.DataFrame) -> Figure:
    """Show recall@5 of each arm's networks less their untaught explainers'.

    `frame`: a row a network: arm, net. A line joins an arm's networks.
    """
    means = frame.groupby("arm")["net"].mean().sort_values()
    names = list(means.index)
    figure, axis = plt.subplots(figsize=(WIDTH, 0.33 * len(names) + 1.0))
    for place, name in enumerate(names):
        values = frame.loc[frame["arm"] == name, "net"]
        language = name not in ("ce", "cgc", "three-views")
        colour = sns.color_palette("colorblind")[0 if language else 1]
        axis.plot([values.min(), values.max()], [place, place], color=colour)
        axis.scatter(values, [place] * len(values), color=colour, s=30)
    baseline = means.get("ce")
    if baseline is not None:
        axis.axvline(baseline, color="gray", linewidth=1, linestyle="--")
    axis.set_yticks(range(len(names)), names, fontsize=9)
    axis.margins(y=0.12)
    axis.set_xlabel("recall@5 minus that of the untaught explainer")
    return figure


def _write(axis: Axes, words: Sequence[tuple[str, str]]) -> None:
    """Write words below each other in two columns, coloured by their kind."""
    half = -(-len(words) // 2)
    for place, (word, kind) in enumerate(words):
        colour, mark = MARKS[kind]
        column, row = divmod(place, half)
        axis.text(
            PAD + 0.52 * column,
            0.92 - row / max(half, 5),
            word + mark,
            color=colour,
            fontsize=8,
            va="center",
            transform=axis.transAxes,
        )


def _whisker(axis: Axes, place: int, low: float | None, high: float | None) -> None:
    if low is not None and high is not None:
        axis.plot([low, high], [place, place], color="black", linewidth=1.2)


def _outline(axis: Axes, region: Tensor) -> None:
    if region.any() and not region.all():
        axis.contour(region.float().numpy(), levels=[0.5], colors="#d55e00")


def _bare(axis: Axes) -> None:
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set_visible(False)
