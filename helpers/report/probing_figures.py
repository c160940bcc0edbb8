"""Figures of chapter 11: losses apart, a shift that softmax does not see, controls."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from helpers.report.figures import WIDTH

COLOURS = {"CE": "#0173b2", "BCE": "#d55e00", "BCE-UNIFORM": "#cc78bc"}
MARKS = {"CE": "o", "BCE": "s", "BCE-UNIFORM": "^"}
GREY = "#777777"


def losses_apart(points: pd.DataFrame, floor: float) -> Figure:
    """Show GridPG and accuracy of both losses, a row a head and optimiser.

    `points`: columns head, loss, optimiser, seed, GridPG, top-1; a small mark a seed, a
    large one the mean, an arrow from CE to BCE.
    """
    rows = list(points[["head", "optimiser"]].drop_duplicates().itertuples(index=False))
    figure, axes = plt.subplots(
        1, 2, figsize=(WIDTH, 0.42 * len(rows) + 1.4), sharey=True, width_ratios=[2, 1]
    )
    for axis, score in zip(axes, ("GridPG", "top-1"), strict=True):
        for height, (head, optimiser) in enumerate(rows):
            mine = points[(points["head"] == head) & (points["optimiser"] == optimiser)]
            means = mine.groupby("loss")[score].mean()
            if score == "GridPG" and {"CE", "BCE"} <= set(means.index):
                axis.annotate(
                    "",
                    (means["BCE"], height),
                    (means["CE"], height),
                    arrowprops={"arrowstyle": "->", "color": GREY},
                )
            for loss, mean in ((str(name), one) for name, one in means.items()):
                values = mine.loc[mine["loss"] == loss, score]
                axis.scatter(
                    values, [height] * len(values), s=14, alpha=0.5, color=COLOURS[loss]
                )
                axis.scatter(
                    [mean], [height], s=60, marker=MARKS[loss], color=COLOURS[loss]
                )
    axes[0].axvline(floor, color=GREY, linestyle=":", linewidth=1.4)
    axes[0].text(floor, -0.75, " chance", fontsize=8, color="#555555")
    axes[0].set(
        xlabel="GridPG, 2 x 2",
        xlim=(floor - 0.03, 1.0),
        ylim=(len(rows) - 0.4, -1.1),
        yticks=range(len(rows)),
        yticklabels=[f"{head}, {optimiser}" for head, optimiser in rows],
    )
    low, high = points["top-1"].min(), points["top-1"].max()
    # A span of ten points at least: differences of a point must look small.
    room = max(0.02, (0.1 - (high - low)) / 2)
    axes[1].set(xlabel="top-1 on test pictures", xlim=(low - room, high + room))
    _legend(axes[0], points["loss"].unique())
    return figure


def centring(points: pd.DataFrame, floor: float) -> Figure:
    """Show GridPG of linear heads as they are and with centred weights.

    `points`: columns head, loss, optimiser, GridPG, centred, share. Left against the
    share of the mean weight, right before and after.
    """
    mine = points[points["centred"].notna()]
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.4), sharey=True)
    for key, some in mine.groupby(["loss", "optimiser"], sort=False):
        loss, optimiser = (str(one) for one in cast(tuple[Any, Any], key))
        look, label = _look(loss, optimiser), f"{loss}, {optimiser}"
        axes[0].plot(some["share"], some["GridPG"], linestyle="", label=label, **look)
        for own, even in zip(some["GridPG"], some["centred"], strict=True):
            axes[1].plot([0, 1], [own, even], linewidth=1, **look)
    for axis in axes:
        axis.axhline(floor, color=GREY, linestyle=":", linewidth=1.4)
    axes[0].set(xlabel="length of the mean weight, in weights", ylabel="GridPG, 2 x 2")
    axes[0].legend(fontsize=8)
    axes[1].set(xlim=(-0.25, 1.25), ylim=(floor - 0.03, 1))
    axes[1].set_xticks([0, 1], ["as trained", "centred"])
    return figure


def strip(
    picture: Tensor,
    maps: Tensor,
    deltas: Sequence[float],
    swept: pd.DataFrame,
    place: int,
    reference: float,
    chosen: Sequence[int],
) -> Figure:
    """Show a grid, maps of one class over delta, and what stays and what moves.

    Shapes: picture `[3, H, W]` uint8, maps `[D, H, W]`. `swept`: columns delta, GridPG,
    accuracy; `reference`: GridPG of the head trained with sigmoids; `chosen`: places of
    the deltas whose maps are shown.
    """
    figure = plt.figure(figsize=(WIDTH, 4.5))
    parts: Any = figure.subfigures(2, 1, height_ratios=[1, 1.6])
    above, below = parts
    axes = above.subplots(1, 1 + len(chosen))
    _grid_picture(axes[0], picture, place)
    axes[0].set_title("asked: framed", fontsize=9, pad=3)
    for axis, number in zip(axes[1:], chosen, strict=True):
        _over(axis, picture, maps[number], place)
        sign = f"{deltas[number]:+g}" if deltas[number] else "0"
        axis.set_title(f"$\\delta$ = {sign}", fontsize=9, pad=3)
    axis = below.subplots()
    _curves(axis, swept, reference)
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def frame(
    picture: Tensor,
    one: Tensor,
    delta: float,
    swept: pd.DataFrame,
    place: int,
    reference: float,
) -> Figure:
    """Show one place of the slider: the map at delta, and where it lies on the curve.

    As `strip`, with `one` map `[H, W]`.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.7), width_ratios=[1, 1.7])
    _over(axes[0], picture, one, place)
    _curves(axes[1], swept, reference)
    axes[1].axvline(delta, color="black", linewidth=1.2)
    axes[1].legend(fontsize=8, loc="lower center")
    return figure


def methods(table: pd.DataFrame, heads: Sequence[str], floor: float) -> Figure:
    """Show GridPG by method, a mark a head: columns "method" and the heads' names."""
    figure, axis = plt.subplots(figsize=(WIDTH, 0.4 * len(table) + 1.3))
    for head, step in zip(heads, np.linspace(-0.15, 0.15, len(heads)), strict=True):
        axis.plot(
            table[head],
            np.arange(len(table)) + step,
            MARKS.get(head, "x"),
            color=COLOURS.get(head, "black"),
            markersize=7,
            label=head,
        )
    axis.axvline(floor, color=GREY, linestyle=":", linewidth=1.4, label="chance")
    axis.set(xlabel="GridPG, 2 x 2", xlim=(0, 1), ylim=(len(table) - 0.5, -0.5))
    axis.set_yticks(range(len(table)), table["method"], fontsize=9)
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def switches(table: pd.DataFrame) -> Figure:
    """Show BCE - CE under each switch, by these columns; the first row is ours."""
    figure, axis = plt.subplots(figsize=(WIDTH, 0.32 * len(table) + 1.1))
    heights, base = np.arange(len(table)), table["BCE - CE"].iloc[0]
    axis.axvline(base, color="black", linewidth=1.2, linestyle="--")
    axis.axvline(0, color=GREY, linewidth=1)
    axis.hlines(heights, base, table["BCE - CE"], color=GREY, linewidth=2)
    colours = ["black", *["#029e73"] * (len(table) - 1)]
    axis.scatter(table["BCE - CE"], heights, color=colours, s=46, zorder=3)
    axis.set_yticks(heights, table["switch"], fontsize=9)
    axis.set(xlabel="GridPG with BCE less with CE", ylim=(len(table) - 0.5, -0.5))
    return figure


def by_network(points: Mapping[str, pd.DataFrame], floor: float) -> Figure:
    """Show GridPG of the heads of each network: a column a network, a mark a head."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.4))
    names = list(points)
    for column, name in enumerate(names):
        one = points[name].groupby(["head", "loss", "optimiser"], sort=False)
        means = one["GridPG"].mean().reset_index()
        for step, row in zip(
            np.linspace(-0.3, 0.3, len(means)), means.to_dict("records"), strict=True
        ):
            look = _look(row["loss"], row["optimiser"])
            axis.plot([column + step], [row["GridPG"]], **look)
    for loss in ("CE", "BCE"):
        for optimiser in ("SGD", "Adam"):
            look = _look(loss, optimiser)
            axis.plot([], [], linestyle="", label=f"{loss}, {optimiser}", **look)
    axis.axhline(floor, color=GREY, linestyle=":", linewidth=1.4, label="chance")
    axis.set(ylabel="GridPG, 2 x 2", ylim=(floor - 0.05, 1))
    axis.set_xticks(range(len(names)), names)
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def boxed(
    images: Tensor, maps: Sequence[Tensor], boxes: Sequence[Tensor], names: list[str]
) -> Figure:
    """Show pictures with the boxes of the class asked for, above a map for each head.

    Shapes: images `[N, 3, H, W]` uint8, each of the maps `[N, H, W]`, boxes: of each
    picture `[M, 4]`; `names`: a title a picture, then a name a row of maps.
    """
    count = len(images)
    titles, heads = names[:count], names[count:]
    rows = 1 + len(maps)
    figure, axes = plt.subplots(
        rows, count, figsize=(WIDTH, rows * WIDTH / count + 0.3), squeeze=False
    )
    for column in range(count):
        picture = images[column].permute(1, 2, 0).numpy()
        axes[0, column].imshow(picture)
        axes[0, column].set_title(titles[column], fontsize=8, pad=3)
        for row, some in enumerate(maps, 1):
            _heat(axes[row, column], images[column], some[column])
        for axis in axes[:, column]:
            for left, top, right, bottom in boxes[column].tolist():
                _box(axis, left, top, right - left, bottom - top)
            _bare(axis)
    for row, head in enumerate(heads, 1):
        axes[row, 0].set_ylabel(head, fontsize=9)
    return figure


def unlikeness(values: Mapping[str, np.ndarray]) -> Figure:
    """Show how unlike maps become by each change: a box a change, values a picture."""
    figure, axis = plt.subplots(figsize=(WIDTH, 0.55 * len(values) + 1.0))
    shown = [one[~np.isnan(one)] for one in values.values()]
    axis.boxplot(
        shown,
        orientation="horizontal",
        widths=0.6,
        showfliers=False,
        showmeans=True,
        medianprops={"color": "black"},
        meanprops={"marker": "D", "markerfacecolor": "#d55e00", "markersize": 6},
    )
    axis.set_yticks(range(1, len(values) + 1), list(values))
    axis.invert_yaxis()
    axis.set(xlabel="1 - cosine of the two maps of a picture", xlim=(-0.01, None))
    return figure


def _look(loss: str, optimiser: str) -> dict[str, Any]:
    """Return how a head's mark looks: filled under SGD, open under Adam."""
    return {
        "marker": MARKS[loss],
        "color": COLOURS[loss],
        "markerfacecolor": COLOURS[loss] if optimiser == "SGD" else "white",
        "markersize": 7,
    }


def _curves(axis: Axes, swept: pd.DataFrame, reference: float) -> None:
    axis.plot(
        swept["delta"], swept["GridPG"], "o-", color="#029e73", label="GridPG, CE head"
    )
    axis.plot(
        swept["delta"], swept["accuracy"], "--", color="black", label="top-1, CE head"
    )
    axis.axhline(
        reference, color=COLOURS["BCE"], linestyle=":", label="GridPG, BCE head"
    )
    axis.set(xlabel=r"$\delta$, in mean lengths of a weight", ylim=(0, 1))


def _grid_picture(axis: Axes, picture: Tensor, place: int) -> None:
    axis.imshow(picture.permute(1, 2, 0).numpy())
    _framed(axis, picture, place)


def _over(axis: Axes, picture: Tensor, one: Tensor, place: int) -> None:
    _heat(axis, picture, one)
    _framed(axis, picture, place)


def _heat(axis: Axes, picture: Tensor, one: Tensor) -> None:
    grey = picture.float().mean(0).numpy() / 255
    axis.imshow(grey, cmap="gray", vmin=0, vmax=1)
    share = one / one.max().clamp_min(1e-12)
    axis.imshow(share.numpy(), cmap="inferno", alpha=0.65, vmin=0, vmax=1)


def _framed(axis: Axes, picture: Tensor, place: int, side: int = 2) -> None:
    height, width = picture.shape[1] // side, picture.shape[2] // side
    row, column = divmod(place, side)
    _box(axis, column * width, row * height, width, height)
    _bare(axis)


def _box(axis: Axes, left: float, top: float, width: float, height: float) -> None:
    outline = Rectangle((left - 0.5, top - 0.5), width, height)
    outline.set(fill=False, edgecolor="#00e5ff", linewidth=2)
    axis.add_patch(outline)


def _bare(axis: Axes) -> None:
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set_visible(False)


def _legend(axis: Axes, losses: Iterable[str]) -> None:
    for loss in losses:
        axis.scatter([], [], marker=MARKS[loss], color=COLOURS[loss], label=loss)
    axis.legend(fontsize=8, loc="lower left", framealpha=1)
