"""Figures of chapter 05: each metric on one picture, and trials in units of margins."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from helpers.measure.perturbation import Curves, pixel_ranks
from helpers.report.assay_figures import OUTCOMES
from helpers.report.figures import WIDTH

RIGHT, WRONG = "#0173b2", "#d55e00"  # of seaborn's colour-blind palette
BOXES = ("#56b4e9", "#de8f05", "#029e73", "#cc78bc")


def perturbed_pictures(
    picture: Tensor, softened: Tensor, saliency: Tensor, curves: Curves, fill: Tensor
) -> Figure:
    """Show deletion and insertion of one picture: what the network saw, and the curves.

    Shapes: picture, softened (blurred) `[3, H, W]` uint8, saliency `[H, W]`, `curves`
    of this picture alone, fill `[3]` uint8: the colour of a deleted pixel.
    """
    ranks = pixel_ranks(saliency[None])[0, 0].view_as(saliency)
    last = len(curves.shares) - 1
    chosen = [round(last * share) for share in (0, 0.08, 0.2, 0.45, 1)]
    figure = plt.figure(figsize=(WIDTH, 3.5))
    grid = figure.add_gridspec(2, 7, wspace=0.08)
    rows = (
        ("deletion", fill[:, None, None].expand_as(picture), picture, WRONG),
        ("insertion", picture, softened, RIGHT),
    )
    lines = figure.add_subplot(grid[:, 5:])
    for row, (name, first, other, colour) in enumerate(rows):
        curve = getattr(curves, name)[0].cpu()
        lines.plot(curves.shares.cpu(), curve, color=colour, label=name)
        lines.plot(curves.shares[chosen].cpu(), curve[chosen], "o", color=colour, ms=4)
        for column, step in enumerate(chosen):
            pixels = float(curves.shares[step]) * ranks.numel()
            seen = first.where(ranks < pixels, other)
            axis = figure.add_subplot(grid[row, column])
            _picture(axis, seen, f"{curves.shares[step]:.0%}, p {curve[step]:.2f}")
            if column == 0:
                axis.set_ylabel(name, fontsize=9)
    lines.set(xlabel="share of pixels", ylim=(-0.02, 1.02))
    lines.set_title("probability of the class", fontsize=9)
    lines.legend(fontsize=8, loc="center right")
    lines.tick_params(labelsize=8)
    return figure


def equivariance(
    pictures: Tensor, seen: Tensor, maps: dict[str, Tensor], scores: dict[str, Tensor]
) -> Figure:
    """Show what SES compares: a row a picture, its score as the row's title.

    Shapes: pictures, seen `[N, 3, H, W]` uint8, maps `[N, H, W]` each, scores `[N]`.
    """
    count, columns = len(pictures), 2 + len(maps)
    size = (WIDTH, count * WIDTH / columns * 0.92 + 0.3)
    figure, axes = plt.subplots(count, columns, figsize=size, squeeze=False)
    for row in range(count):
        _picture(axes[row, 0], pictures[row], "picture I" if row == 0 else "")
        _picture(axes[row, 1], seen[row], "moved, t(I)" if row == 0 else "")
        for axis, (name, saliency) in zip(axes[row, 2:], maps.items(), strict=True):
            _map(axis, saliency[row], name if row == 0 else "")
        said = "\n".join(f"{name} {score[row]:.2f}" for name, score in scores.items())
        axes[row, 0].set_ylabel(said, fontsize=8)
    return figure


def content(picture: Tensor, saliency: Tensor, mask: Tensor | None) -> Figure:
    """Show SCH of one picture: mask, map, the map inside, and two shares as bars.

    Shapes: picture `[3, H, W]` uint8, saliency `[H, W]`, mask `[H, W]` bool or None:
    without one only picture and map are drawn.
    """
    figure, axes = plt.subplots(1, 4, figsize=(WIDTH, 2.0))
    _picture(axes[0], picture, "picture and mask")
    _map(axes[1], saliency, "map H")
    for axis in axes[2:]:
        axis.set_axis_off()
    if mask is None:
        return figure
    for axis in axes[:2]:
        axis.contour(mask.float().numpy(), levels=[0.5], colors="white", linewidths=1.4)
    axes[2].set_axis_on()
    _map(axes[2], saliency * mask, "map on the mask, H M", float(saliency.max()))
    axes[3].set_axis_on()
    inside = float((saliency * mask).sum() / saliency.sum().clamp_min(1e-12))
    shares = {"of the area": float(mask.float().mean()), "of the map": inside}
    bars = axes[3].bar(list(shares), list(shares.values()), color=["gray", RIGHT])
    axes[3].bar_label(bars, fmt="%.2f", fontsize=8)
    axes[3].set(ylim=(0, 1.12))
    axes[3].set_title("share on the mask", fontsize=9)
    axes[3].tick_params(labelsize=8)
    return figure


def uniformity(picture: Tensor, saliency: Tensor, boxes: Tensor | None) -> Figure:
    """Show MOSU of one picture: its boxes, and their shares of area and saliency.

    Shapes: picture `[3, H, W]` uint8, saliency `[H, W]`, boxes `[N, 4]` as (left, top,
    right, bottom), -1 for none, or None: then only picture and map are drawn.
    """
    figure, axes = plt.subplots(
        1, 3, figsize=(WIDTH, 2.5), width_ratios=(1, 1, 1.25), squeeze=True
    )
    _picture(axes[0], picture, "picture")
    _map(axes[1], saliency, "map")
    if boxes is None:
        axes[2].set_axis_off()
        return figure
    rows = []
    kept = [box for box in boxes.tolist() if box[0] >= 0]
    for number, (left, top, right, bottom) in enumerate(kept):
        for axis in axes[:2]:
            outline = Rectangle((left - 0.5, top - 0.5), right - left, bottom - top)
            outline.set(fill=False, edgecolor=BOXES[number % 4], linewidth=2)
            axis.add_patch(outline)
        inside = float(saliency[top:bottom, left:right].sum())
        rows.append((f"{number + 1}", (right - left) * (bottom - top), inside))
    frame = pd.DataFrame(rows, columns=["box", "area", "saliency"]).set_index("box")
    shares = frame / frame.sum().replace(0, 1)
    ends = np.arange(len(shares))
    for shift, name, hatch in ((-0.2, "area", "//"), (0.2, "saliency", "")):
        axes[2].bar(
            ends + shift,
            shares[name],
            0.38,
            color=[BOXES[number % 4] for number in ends],
            alpha=0.45 if name == "area" else 1,
            hatch=hatch,
            edgecolor="black",
            label=name,
        )
    axes[2].set(xticks=ends, xlabel="box", ylim=(0, 1.35 * shares.to_numpy().max()))
    axes[2].set_xticklabels(shares.index)
    axes[2].set_title("share of the boxes' sum", fontsize=9)
    axes[2].legend(fontsize=8, ncols=2, loc="upper right")
    axes[2].tick_params(labelsize=8)
    return figure


def stability_lines(frame: pd.DataFrame, wanted: float) -> Figure:
    """Show the agreement of two mask seeds by number of masks, a line an estimator."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.0))
    sns.lineplot(
        frame,
        x="masks",
        y="rank correlation",
        hue="divided by",
        style="divided by",
        markers=True,
        dashes=False,
        ax=axis,
    )
    counts = sorted(frame["masks"].unique())
    axis.axhline(wanted, linestyle="--", color="gray", linewidth=1)
    axis.set_xscale("log", base=2)
    axis.set(xticks=counts, ylim=(min(0, frame["rank correlation"].min()), 1.02))
    axis.set_xticklabels([str(count) for count in counts])
    axis.minorticks_off()
    axis.set_ylabel("rank correlation\nof two mask seeds")
    return figure


def strips(frame: pd.DataFrame, x: str, y: str) -> Figure:
    """Show a dot a picture of values in [-1, 1], the mean of each group as a bar."""
    figure, axis = plt.subplots(figsize=(WIDTH, 2.8))
    shown = frame.dropna(subset=[y])
    sns.stripplot(shown, x=x, y=y, hue=x, legend=False, size=5, alpha=0.6, ax=axis)
    for place, (_, values) in enumerate(shown.groupby(x, sort=False)[y]):
        axis.hlines(values.mean(), place - 0.25, place + 0.25, color="black", lw=2.5)
    axis.axhline(0, linestyle="--", color="gray", linewidth=1)
    names = list(dict.fromkeys(shown[x]))
    axis.set_xticks(
        range(len(names)), [n.replace(" ", "\n") for n in names], fontsize=8
    )
    axis.set(ylim=(-1.05, 1.05), xlabel="")
    return figure


def gains(frame: pd.DataFrame, limit: float = 12) -> Figure:
    """Show how far a metric puts the better network ahead, in margins: a panel a pair.

    `frame`: rows of `metric`, `pair`, `gain` and `outcome`, with the ends `gain from`
    and `gain to` of its interval; a bar past `limit` is cut there and its length
    written.
    """
    pairs = list(dict.fromkeys(frame["pair"]))
    metrics = list(dict.fromkeys(frame["metric"]))
    figure, axes = plt.subplots(
        1,
        len(pairs),
        figsize=(WIDTH, 0.9 + 0.28 * len(metrics)),
        sharey=True,
        squeeze=False,
    )
    for axis, pair in zip(axes[0], pairs, strict=True):
        own = frame[frame["pair"] == pair].set_index("metric").reindex(metrics)
        rows = own["gain"]
        cut = rows.clip(-limit, limit)
        colours = [OUTCOMES[said][0] for said in own["outcome"].fillna("undecided")]
        axis.barh(metrics, cut, color=colours)
        ends = own[["gain from", "gain to"]].clip(-limit, limit)
        axis.hlines(metrics, ends["gain from"], ends["gain to"], color="black", lw=1)
        _beyond(axis, rows, limit)
        axis.axvspan(-1, 1, color="gray", alpha=0.25, linewidth=0)
        axis.axvline(0, color="black", linewidth=0.8)
        axis.set(xlim=(-1.25 * limit, 1.25 * limit), ylim=(-0.7, len(metrics) - 0.3))
        axis.set_xlabel("gain, in margins", fontsize=9)
        axis.set_title(pair.replace(" > ", "\n> "), fontsize=9)
        axis.tick_params(labelsize=8)
    axes[0, 0].invert_yaxis()
    return figure


def movements(frame: pd.DataFrame, limit: float = 12) -> Figure:
    """Show how far each convention moves a score, in margins: a row a convention.

    `frame`: rows of `convention`, `score`, `in margins` (not negative). Scores that
    share conventions, as insertion and deletion, share rows. Within each set of scores
    the widest movement comes first; what lies past `limit` carries its length.
    """
    areas = ("insertion", "deletion")
    of = frame["score"].str.removesuffix(" / full")
    heads = of.where(~of.isin(areas), ", ".join(areas))
    unit = frame["score"].str.endswith("/ full").map({True: " (/ full)", False: ""})
    frame = frame.assign(of=of, head=heads, convention=frame["convention"] + unit)
    colours = {"insertion": RIGHT, "deletion": WRONG}
    labels, places = [], []
    row = 0.0
    count = frame.groupby("head")["convention"].nunique()
    height = 0.19 * (count.sum() + 1.6 * len(count)) + 0.9
    figure, axis = plt.subplots(figsize=(WIDTH, height))
    for head, own in frame.groupby("head", sort=False):
        widest = own.groupby("convention", sort=False)["in margins"].max()
        axis.text(0.06, row, str(head), fontsize=9, weight="bold", va="center")
        for name in widest.sort_values(ascending=False, kind="stable").index:
            row += 1
            labels.append(name)
            places.append(row)
            lines = own[own["convention"] == name].sort_values("in margins")
            for _, one in lines.iloc[::-1].iterrows():
                end = min(one["in margins"], limit)
                colour = colours.get(one["of"], "#7a5195")
                axis.hlines(row, 0, end, color=colour, lw=1.4, alpha=0.7)
                axis.plot(end, row, "o", color=colour, ms=5)
            past = [f"{far:.0f}" for far in lines["in margins"] if far > limit]
            if past:
                how: dict[str, Any] = {"va": "center", "fontsize": 7}
                axis.text(limit + 0.2, row, ", ".join(past), **how)
        row += 1.6
    axis.axvspan(0, 1, color="gray", alpha=0.2, linewidth=0)
    axis.set_yticks(places, labels, fontsize=8)
    axis.grid(visible=False, axis="y")
    axis.set(ylim=(row - 0.8, -0.8), xlim=(0, 1.14 * limit))
    axis.set_xlabel("difference, in margins", fontsize=9)
    handles = [
        plt.Line2D([], [], marker="o", color=colour, label=name)
        for name, colour in colours.items()
    ]
    axis.legend(handles=handles, fontsize=8, loc="lower right")
    return figure


def _beyond(axis: Axes, values: pd.Series, limit: float) -> None:
    """Write the length of each bar that was cut at `limit` beside its end."""
    for place, value in enumerate(values):
        if abs(value) > limit:
            side = "left" if value > 0 else "right"
            end = limit if value > 0 else -limit
            axis.text(end, place, f" {value:.0f} ", ha=side, va="center", fontsize=7)


def _picture(axis: Axes, picture: Tensor, title: str) -> None:
    axis.imshow(picture.permute(1, 2, 0).numpy())
    _bare(axis, title)


def _map(axis: Axes, saliency: Tensor, title: str, top: float | None = None) -> None:
    highest = float(saliency.max()) if top is None else top
    axis.imshow(saliency.numpy(), cmap="inferno", vmin=0, vmax=highest or 1.0)
    _bare(axis, title)


def _bare(axis: Axes, title: str) -> None:
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, fontsize=8, pad=3)
    for spine in axis.spines.values():
        spine.set_visible(False)
