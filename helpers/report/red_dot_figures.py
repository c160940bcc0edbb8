"""Figures of chapter 04: the dot's share, the trial, the trend, the published crop."""

from collections.abc import Mapping, Sequence
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from torch import Tensor

from helpers.report.figures import WIDTH


def mass_on_dot(shares: pd.DataFrame, floor: float, ceiling: float) -> Figure:
    """Show the share of the mass on the dot: a point a picture, a diamond the mean.

    `shares` has columns arm and "on the dot"; `floor` is the dot's area, `ceiling`
    what the best map of such cells has.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 1.0 + 0.55 * shares["arm"].nunique()))
    sns.stripplot(
        shares, x="on the dot", y="arm", hue="arm", size=4, alpha=0.5, ax=axis
    )
    means = shares.groupby("arm", sort=False)["on the dot"].mean()
    axis.scatter(means, range(len(means)), marker="D", color="black", s=36, zorder=3)
    for value, style, word in ((floor, ":", "area"), (ceiling, "--", "best map")):
        axis.axvline(value, color="gray", linestyle=style, linewidth=1.2, label=word)
    axis.legend(
        handles=axis.lines[-2:], fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5)
    )
    axis.set(
        xlabel="share of Grad-CAM's mass on the dot", ylabel="", xlim=(-0.02, None)
    )
    return figure


def effects(differences: pd.DataFrame) -> Figure:
    """Show sound minus shortcut in margins, a point a seed, a line over the seeds.

    `differences` has columns metric, series, seed and "in margins": to the right the
    sound network is the better one. The band is a margin either way; the axis is
    linear inside it and logarithmic beyond.
    """
    known = differences[differences["in margins"].notna()]
    metrics = list(dict.fromkeys(known["metric"]))
    series = list(dict.fromkeys(known["series"]))
    inches = 1.6 + max(0.36, 0.14 * len(series)) * len(metrics)
    figure, axis = plt.subplots(figsize=(WIDTH, inches))
    axis.axvspan(-1, 1, color="gray", alpha=0.25, linewidth=0)
    axis.axvline(0, color="gray", linewidth=1)
    for row in range(len(metrics) - 1):
        axis.axhline(row + 0.5, color="gray", alpha=0.3, linewidth=0.5)
    marks = zip(series, sns.color_palette(n_colors=len(series)), "os^D", strict=False)
    step = 0.7 / len(series)
    for number, (name, colour, mark) in enumerate(marks):
        for row, metric in enumerate(metrics):
            mine = known[(known["metric"] == metric) & (known["series"] == name)]
            values = mine["in margins"].to_numpy()
            if not len(values):
                continue
            height = row + step * (number - (len(series) - 1) / 2)
            ends = [values.min(), values.max()]
            axis.plot(ends, [height] * 2, color=colour, linewidth=1.5)
            heights = [height] * len(values)
            axis.plot(values, heights, mark, color=colour, markersize=4)
        axis.plot([], [], mark, color=colour, label=name)
    bound = max(1.5, 1.6 * float(known["in margins"].abs().max()))
    axis.set_xscale("symlog", linthresh=1)
    axis.set(
        xlim=(-bound, bound),
        ylim=(len(metrics) - 0.4, -0.6),
        xlabel="sound minus shortcut network, in margins",
        yticks=range(len(metrics)),
        yticklabels=metrics,
    )
    ticks = [t for t in (-100, -10, -1, 0, 1, 10, 100) if abs(t) <= bound]
    axis.set_xticks(ticks, [f"{tick:+d}" if tick else "0" for tick in ticks])
    for x, word in ((0.01, "shortcut looks better"), (0.99, "sound looks better")):
        axis.text(
            x,
            1.01,
            word,
            transform=axis.transAxes,
            ha="left" if x < 0.5 else "right",
            va="bottom",
            fontsize=8,
        )
    below = -0.62 / (inches - 1.1)
    axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, below), ncols=2)
    return figure


def trends(values: pd.DataFrame) -> Figure:
    """Show each score by the strength of the shortcut, a point a seed, a line the mean.

    `values` has columns score, strength, seed, value.
    """
    scores = list(dict.fromkeys(values["score"]))
    columns = 3
    rows = -(-len(scores) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, 1.9 * rows), squeeze=False, sharex=True
    )
    for axis, score in zip(axes.flat, scores, strict=False):
        mine = values[values["score"] == score]
        means = mine.groupby("strength")["value"].mean()
        axis.plot(mine["strength"], mine["value"], "o", alpha=0.4, markersize=5)
        axis.plot(means.index, means, color="black", linewidth=1.5)
        axis.set_title(score, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.set_xticks(list(means.index), [f"{share:.0%}" for share in means.index])
    for axis in axes.flat[len(scores) :]:
        axis.set_visible(False)
    for axis in axes.flat[max(0, len(scores) - columns) : len(scores)]:
        axis.tick_params(labelbottom=True)  # the lowest of its column
    figure.supxlabel("share of the class that carries the dot", fontsize=9)
    return figure


def crop_panels(
    pictures: Mapping[str, Tensor],
    kept: tuple[float, float, float, float],
    ringed: Sequence[str],
) -> Figure:
    """Show pictures `[3, H, W]` of several sizes at one height.

    On the first, a frame (left, top, width, height) marks what a crop keeps; a ring
    around the upper left corner marks the dot in those named in `ringed`.
    """
    shapes = [image.shape[2] / image.shape[1] for image in pictures.values()]
    figure, axes = plt.subplots(
        1,
        len(pictures),
        figsize=(WIDTH, WIDTH / sum(shapes) + 0.4),
        width_ratios=shapes,
    )
    for axis, (name, image) in zip(np.atleast_1d(axes), pictures.items(), strict=True):
        axis.imshow(image.permute(1, 2, 0).numpy())
        axis.set_title(name, fontsize=9)
        axis.set(xticks=[], yticks=[])
        if name in ringed:
            ring = Circle((0, 0), image.shape[1] / 9, fill=False)
            ring.set(edgecolor="black", linewidth=1.5)
            axis.add_patch(ring)
    left, top, width, height = kept
    frame = Rectangle((left - 0.5, top - 0.5), width, height)
    frame.set(fill=False, edgecolor="white", linewidth=2, linestyle="--")
    np.atleast_1d(axes)[0].add_patch(frame)
    return figure


def deletion_over_epochs(values: pd.DataFrame) -> Figure:
    """Show accuracy and deletion against the epochs of training, a point a seed.

    `values` has columns trained, epochs, validation, "all classes", "with the dot",
    "without the dot", the last three deletion. Lines join the means; dashed: the
    class's pictures without the dot.
    """
    panels = {
        "validation accuracy": ["validation"],
        "deletion, all classes": ["all classes"],
        "deletion, the class": ["with the dot", "without the dot"],
    }
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.9), sharex=True)
    names = list(dict.fromkeys(values["trained"]))
    colours = dict(zip(names, sns.color_palette(n_colors=len(names)), strict=True))
    for axis, (title, columns) in zip(axes, panels.items(), strict=True):
        for name, column in product(names, columns):
            mine = values[(values["trained"] == name) & values[column].notna()]
            if mine.empty:
                continue
            means = mine.groupby("epochs")[column].mean()
            dashed = column == "without the dot"
            axis.plot(
                mine["epochs"],
                mine[column],
                "o",
                color=colours[name],
                alpha=0.35,
                markersize=4,
            )
            axis.plot(
                means.index,
                means,
                linestyle="--" if dashed else "-",
                marker="D",
                markersize=4,
                color=colours[name],
            )
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.set_ylim(0, 1.1 * axis.dataLim.y1)
    ticks = sorted(set(values["epochs"]))
    axes[0].set_xscale("log")
    axes[0].set_xticks(ticks, [str(tick) for tick in ticks])
    axes[0].minorticks_off()
    lines = [Line2D([], [], color=colour) for colour in colours.values()]
    lines.append(Line2D([], [], color="gray", linestyle="--"))
    labels = [f"trained {name}" for name in names]
    figure.legend(
        lines,
        [*labels, "pictures without the dot"],
        fontsize=8,
        ncols=3,
        loc="outside lower center",
    )
    axes[1].set_xlabel("epochs of training", fontsize=9)
    return figure


def left_by_shape(sizes: pd.DataFrame) -> Figure:
    """Show what a crop leaves of the dot against the ratio of a picture's sides.

    `sizes` has columns "width / height", pictures and "left of the dot", 0 to 1; the
    area of a point is the number of pictures.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 2.6))
    axis.scatter(
        sizes["width / height"],
        sizes["left of the dot"],
        s=28 * sizes["pictures"],
        alpha=0.5,
    )
    axis.set_xscale("log")
    ticks = [0.5, 0.75, 1, 4 / 3, 1.5, 2]
    axis.set_xticks(ticks, ["1:2", "3:4", "1:1", "4:3", "3:2", "2:1"])
    axis.minorticks_off()
    axis.set(
        xlabel="width : height of the picture",
        ylabel="part of the dot's box\nleft by the crop",
        ylim=(-0.15, 1.15),
        xlim=(0.4, 2.2),
    )
    return figure
