"""Figures in one style: colour-blind safe, legible at page width."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from helpers.measure.perturbation import Curves

WIDTH = 7.6  # inches: the text column


def theme() -> None:
    """Set the book's style for all figures that follow."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind")
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "figure.figsize": (WIDTH, 3.4),
            "figure.constrained_layout.use": True,
            "axes.titlesize": "medium",
            "savefig.facecolor": "white",
            "image.interpolation": "nearest",
            "svg.hashsalt": "book",
        }
    )


def picture_grid(
    images: Tensor, titles: Sequence[str] | None = None, columns: int = 6
) -> Figure:
    """Show pictures `[N, 3, H, W]` uint8 in rows of `columns`, each with its title."""
    figure, axes = _axes(len(images), columns, 0.24 if titles else 0.05)
    for i, axis in enumerate(axes):
        if i < len(images):
            axis.imshow(images[i].permute(1, 2, 0).numpy())
            if titles is not None:
                axis.set_title(titles[i], fontsize=9, pad=3, parse_math=False)
    return figure


def anatomy(
    images: Tensor, instances: Tensor, boxes: Tensor, titles: Sequence[str]
) -> Figure:
    """Show scenes over their instance maps, boxes drawn on both.

    Shapes: images `[N, 3, H, W]` uint8, instances `[N, H, W]`, boxes `[N, 4, 4]`.
    """
    count = len(images)
    figure, axes = _axes(2 * count, count, 0.5)
    for i in range(count):
        above, below = axes[i], axes[count + i]
        above.imshow(images[i].permute(1, 2, 0).numpy())
        above.set_title(titles[i], fontsize=8, pad=3, wrap=True, parse_math=False)
        below.imshow(instances[i].numpy(), cmap="tab10", vmin=0, vmax=9)
        for left, top, right, bottom in boxes[i].tolist():
            if left >= 0:
                for axis in (above, below):
                    frame = Rectangle(
                        (left - 0.5, top - 0.5), right - left, bottom - top
                    )
                    frame.set(fill=False, edgecolor="white", linewidth=1.4)
                    axis.add_patch(frame)
    return figure


def overlays(
    images: Tensor, maps: Mapping[str, Tensor], titles: Sequence[str]
) -> Figure:
    """Show pictures above their maps, each map from 0 to its own largest value.

    Shapes: images `[N, 3, H, W]` uint8, each of the maps `[N, H, W]`, not negative.
    """
    count = len(images)
    figure, axes = _axes((1 + len(maps)) * count, count, 0.02)
    for i in range(count):
        axes[i].imshow(images[i].permute(1, 2, 0).numpy())
        axes[i].set_title(titles[i], fontsize=9, pad=3, parse_math=False)
    for row, (name, saliency) in enumerate(maps.items(), 1):
        for i in range(count):
            axis = axes[row * count + i]
            grey = images[i].float().mean(0).numpy() / 255
            axis.imshow(grey, cmap="gray", vmin=0, vmax=1)
            share = saliency[i] / saliency[i].max().clamp_min(1e-12)
            shown = axis.imshow(
                share.numpy(), cmap="inferno", alpha=0.6, vmin=0, vmax=1
            )
        axes[row * count].set_ylabel(name, fontsize=9)
    bar = figure.colorbar(shown, ax=axes[-count:], shrink=0.9, aspect=12)
    bar.set_label("share of maximum", fontsize=8)
    return figure


def distances(matrix: Tensor, names: Sequence[str], groups: Sequence[str]) -> Figure:
    """Show a distance matrix `[K, K]`, its groups of equal size set apart by lines."""
    figure, axis = plt.subplots(figsize=(WIDTH, 6.2))
    frame = pd.DataFrame(matrix.numpy(), index=list(names), columns=list(names))
    sns.heatmap(
        frame, cmap="mako", square=True, ax=axis, cbar_kws={"label": "distance"}
    )
    size = len(names) // len(groups)
    for edge in range(size, len(names), size):
        axis.axhline(edge, color="white", linewidth=1.5)
        axis.axvline(edge, color="white", linewidth=1.5)
    axis.tick_params(labelsize=8)
    return figure


def perturbation_curves(curves: Mapping[str, Curves]) -> Figure:
    """Show insertion and deletion of several maps, the mean over pictures."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.2), sharey=True)
    for (name, found), style in zip(curves.items(), _styles(), strict=False):
        for axis, curve in zip(axes, (found.insertion, found.deletion), strict=True):
            mean = curve.mean(0).cpu()
            axis.plot(found.shares.cpu(), mean, label=name, linestyle=style)
    for axis, word in zip(axes, ("inserted", "deleted"), strict=True):
        axis.set(xlabel=f"share of pixels {word}", ylim=(0, 1))
    axes[0].set_ylabel("mean probability of the class")
    axes[1].legend(fontsize=8)
    return figure


def training_curves(history: pd.DataFrame) -> Figure:
    """Show loss and accuracy by epoch, a line for each arm and seed."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    for axis, column in zip(axes, ("loss", "accuracy"), strict=True):
        sns.lineplot(
            history,
            x="epoch",
            y=column,
            hue="arm",
            style="arm",
            units="seed",
            estimator=None,
            ax=axis,
        )
    axes[0].legend_.remove()
    return figure


def dots(
    frame: pd.DataFrame, x: str, y: str, hue: str, line: float | None = None
) -> Figure:
    """Show a dot a row, values from 0 to 1, and a dashed line at `line`."""
    many = frame[x].nunique() > 8
    figure, axis = plt.subplots(figsize=(WIDTH, 3.9 if many else 3.0))
    sns.stripplot(
        frame, x=x, y=y, hue=hue, dodge=not many, jitter=False, size=8, ax=axis
    )
    if line is not None:
        axis.axhline(line, linestyle="--", color="gray", linewidth=1)
    if many:
        axis.tick_params(axis="x", rotation=90, labelsize=8)
    axis.set(xlabel="" if many else x, ylim=(-0.02, 1.02))
    sns.move_legend(axis, "upper left", bbox_to_anchor=(1, 1))
    return figure


def _styles() -> list[str]:
    return ["-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1))]  # type: ignore[list-item]


def _axes(count: int, columns: int, above: float) -> tuple[Figure, np.ndarray]:
    """Return bare axes in rows of `columns`; `above`: inches for a title."""
    rows = -(-count // columns)
    side = WIDTH / columns
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, rows * (side + above)), squeeze=False
    )
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure, axes.ravel()


def one_legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """Put the first axes' legend above all axes, in place of each one's own."""
    handles, labels = axes[0].get_legend_handles_labels()
    for axis in axes:
        if axis.legend_ is not None:
            axis.legend_.remove()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=len(labels),
        fontsize=8,
        frameon=False,
    )
