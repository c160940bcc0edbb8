"""Figures of chapter 12: where attention is kept, methods by overlap, what it costs."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor
from torch.nn import functional as F

from helpers.measure.statistics import t_interval
from helpers.report.figures import WIDTH

KINDS = ("without training", "trained projection", "rival", "reference")


def kept_places(
    images: Tensor,
    kept: Mapping[str, Tensor],
    titles: Sequence[str],
    masks: Tensor | None = None,
) -> Figure:
    """Show pictures, and under them what each source of attention keeps of them.

    Places that are masked are dark; a white line is the edge of the object.

    Shapes: images `[N, 3, H, W]` uint8, each of `kept` `[N, h, w]` bool, masks
    `[N, H, W]` bool.
    """
    count = len(images)
    height = WIDTH / count * (1 + len(kept)) + 0.4
    figure, axes = plt.subplots(
        1 + len(kept), count, figsize=(WIDTH, height), squeeze=False
    )
    size = (images.shape[2], images.shape[3])
    for i in range(count):
        picture = images[i].permute(1, 2, 0).numpy()
        axes[0, i].imshow(picture)
        axes[0, i].set_title(titles[i], fontsize=7.5, pad=3)
        for row, places in enumerate(kept.values(), 1):
            wide = F.interpolate(
                places[i][None, None].float(), size, mode="nearest-exact"
            )[0, 0].numpy()
            axes[row, i].imshow((picture * (0.15 + 0.85 * wide[..., None])).astype(int))
        if masks is not None:
            for row in range(1, 1 + len(kept)):
                axes[row, i].contour(
                    masks[i].float().numpy(), [0.5], colors="white", linewidths=1
                )
    for row, name in enumerate(kept, 1):
        axes[row, 0].set_ylabel(_two_lines(name), fontsize=8)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
    return figure


def methods(frame: pd.DataFrame) -> Figure:
    """Show mIoU of every method: a dot, its blind floor a tick, all pixels a line.

    Columns: map, kind (of `KINDS`), mIoU, blind, floor.
    """
    colours = dict(zip(KINDS, sns.color_palette("colorblind"), strict=False))
    rows = frame.iloc[::-1].reset_index(drop=True)
    figure, axis = plt.subplots(figsize=(WIDTH, 0.27 * len(rows) + 1.3))
    for i, (_, row) in enumerate(rows.iterrows()):
        colour = colours[row["kind"]]
        axis.plot([row["blind"], row["mIoU"]], [i, i], color=colour, linewidth=1.5)
        axis.plot(row["blind"], i, "|", color=colour, markersize=10)
        axis.plot(row["mIoU"], i, "o", color=colour, markersize=7)
    floor = float(rows["floor"].iloc[0])
    axis.axvline(floor, color="black", linestyle="--", linewidth=1)
    axis.set_yticks(range(len(rows)), rows["map"], fontsize=9)
    axis.set(xlabel="mIoU, higher is better", ylim=(-0.7, len(rows) - 0.3))
    axis.set_xlim(0, 1.03)
    shown = [kind for kind in KINDS if kind in set(rows["kind"])]
    handles = [
        Line2D([], [], marker="o", linestyle="", color=colours[kind], label=kind)
        for kind in shown
    ]
    handles += [
        Line2D([], [], marker="|", linestyle="", color="grey", label="drawn blindly"),
        Line2D([], [], color="black", linestyle="--", linewidth=1, label="all pixels"),
    ]
    figure.legend(handles=handles, fontsize=8, ncol=3, loc="outside lower center")
    return figure


def trade(frame: pd.DataFrame, kept: float) -> Figure:
    """Show what each projection recognises against what its maps overlap.

    Columns: projection, top-1, mIoU. `kept`: the least top-1 that counts as kept.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 3.8))
    colours = sns.color_palette("husl", len(frame))
    markers = "osD^v<>PXhp*"
    for i, (_, row) in enumerate(frame.iterrows()):
        axis.plot(
            row["top-1"],
            row["mIoU"],
            markers[i % len(markers)],
            color=colours[i],
            markersize=9,
            label=row["projection"],
        )
    low, high = frame["top-1"].min(), frame["top-1"].max()
    pad = max(0.02, 0.15 * (high - low))
    left = min(low, kept) - pad
    axis.axvspan(left, kept, color="grey", alpha=0.15, linewidth=0)
    axis.set_xlim(left, high + pad)
    axis.set(xlabel="zero-shot top-1", ylabel="mIoU of its maps")
    axis.text(kept, 0.02, "lost ", ha="right", transform=axis.get_xaxis_transform())
    axis.text(kept, 0.02, " kept", ha="left", transform=axis.get_xaxis_transform())
    figure.legend(fontsize=8, loc="outside right center")
    return figure


def towers(frame: pd.DataFrame) -> Figure:
    """Show the contrast of CLIP's own map, a row a tower: seeds, mean and interval.

    Columns: tower, seed, contrast, fit (whether that seed recognises enough). No row:
    an empty figure. Left of 0 the map is higher off the object than on it.
    """
    names = list(dict.fromkeys(frame["tower"])) if len(frame) else []
    figure, axis = plt.subplots(figsize=(WIDTH, 0.4 * len(names) + 1.6))
    axis.axvline(0, color="black", linewidth=1)
    for place, name in enumerate(names):
        rows = frame[frame["tower"] == name]
        values = rows["contrast"].to_numpy()
        for value, fit in zip(values, rows["fit"], strict=True):
            face = "C0" if fit else "white"
            axis.plot(value, place, "o", color="C0", mfc=face, alpha=0.7, markersize=5)
        if len(values) > 1:
            low, high = t_interval(values)
            axis.plot([low, high], [place + 0.25] * 2, color="black", linewidth=2)
        axis.plot(values.mean(), place + 0.25, "D", color="black", markersize=5)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.3, -0.6)
    axis.set_xlabel(
        "off the object  \N{LEFTWARDS ARROW}  score contrast of CLIP's own "
        "map  \N{RIGHTWARDS ARROW}  on the object"
    )
    handles = [
        Line2D([], [], marker="o", linestyle="", color="C0", label="a seed"),
        Line2D(
            *([], []),
            marker="o",
            linestyle="",
            color="C0",
            mfc="white",
            label="a seed that recognises too little",
        ),
        Line2D([], [], marker="D", color="black", label="mean, 95 % interval"),
    ]
    figure.legend(handles=handles, fontsize=8, ncol=3, loc="outside lower center")
    return figure


def bands(likeness: np.ndarray, shares: np.ndarray) -> Figure:
    """Show the likeness of places to their text by how much of them is object.

    Likeness is shown in standard deviations of its picture. Without masks, shares of
    NaN, nothing is drawn.

    Shapes: both `[N, places]`.
    """
    edges = (-0.01, 0.0, 0.25, 0.5, 0.75, 0.999, 1.01)
    names = ["none", "to 1/4", "to 1/2", "to 3/4", "under 1", "all"]
    centred = likeness - likeness.mean(1, keepdims=True)
    spread = likeness.std(1, keepdims=True)
    scores = (centred / np.where(spread > 0, spread, 1)).ravel()
    groups = {
        name: scores[(shares.ravel() > low) & (shares.ravel() <= high)]
        for name, low, high in zip(names, edges[:-1], edges[1:], strict=True)
    }
    shown = {name: values for name, values in groups.items() if len(values)}
    figure, axis = plt.subplots(figsize=(WIDTH, 3.0))
    if shown:
        boxes = axis.boxplot(
            list(shown.values()),
            tick_labels=list(shown),
            showfliers=False,
            widths=0.7,
            patch_artist=True,
            medianprops={"color": "black"},
        )
        for box in boxes["boxes"]:
            box.set_facecolor(sns.color_palette("colorblind")[0])
    axis.axhline(0, color="black", linewidth=1)
    axis.set(
        xlabel="share of the place that the object covers",
        ylabel="likeness to the text,\nSDs of the picture",
    )
    return figure


def _two_lines(name: str) -> str:
    """Return a name broken after its first hyphen, or else at its first blank."""
    head, mark, rest = name.partition("-" if "-" in name else " ")
    return f"{head}{mark.strip()}\n{rest}" if rest else name
