"""Figures of the presets' transport: each one's plan, and what it is worth."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from torch import Tensor

from helpers.report.figures import WIDTH

MARKS = ("o", "s", "D", "^", "v")


def plans_and_rows(plans: Mapping[str, Tensor]) -> Figure:
    """Show plans `[C, M]` one below the other, and what each channel sends in all.

    The last plan's order of channels, by the token to which they send most, is that of
    all. Left: multiples of the uniform plan. Right: C times the sum of a row, largest
    first; the dashed line is 1, which a plan has everywhere.
    """
    *_, last = plans.values()
    channels, tokens = last.shape
    best = last.max(1)
    order = (best.indices * 1000 - best.values).argsort(stable=True)
    figure, axes = plt.subplots(
        len(plans),
        2,
        figsize=(WIDTH, 1.5 * len(plans) + 0.3),
        width_ratios=(3, 1),
        squeeze=False,
        sharex="col",
    )
    norm = LogNorm(1 / tokens, tokens)
    highest = max(float(plan.sum(1).max()) for plan in plans.values()) * channels
    for (left, right), (name, plan) in zip(axes, plans.items(), strict=True):
        times = (plan[order] * channels * tokens).clamp(1 / tokens, tokens)
        shown = left.imshow(times.T.numpy(), aspect="auto", cmap="RdBu_r", norm=norm)
        left.set_title(name, fontsize=8.5, loc="left")
        left.set(ylabel="token", yticks=[])
        left.grid(visible=False)
        sums = np.sort(plan.sum(1).numpy() * channels)[::-1]
        right.fill_between(range(channels), sums, color="C0", alpha=0.5, linewidth=0)
        right.axhline(1, color="black", linestyle="--", linewidth=1)
        right.set(ylim=(0, 1.08 * max(highest, 1.2)))
        right.tick_params(labelsize=8)
    axes[0, 1].set_title("sent, times 1/C", fontsize=9)
    for axis, words in zip(axes[-1], ("channel", "channel, sorted"), strict=True):
        axis.set_xlabel(words, fontsize=9)
        axis.tick_params(axis="x", labelsize=8)
    bar = figure.colorbar(shown, ax=axes[:, 0], pad=0.01, aspect=50)
    bar.set_ticks(
        [1 / tokens, 0.25, 1, 4, tokens],
        labels=[f"1/{tokens}", "1/4", "1", "4", f"{tokens}"],
    )
    bar.ax.tick_params(labelsize=8)
    bar.set_label("times the uniform plan", fontsize=9)
    return figure


def preset_dots(frame: pd.DataFrame) -> Figure:
    """Show what each solver's plan and gradient are worth, a dot a kind of features.

    `frame`: columns "presets", "features", "row error", "iterations", "way", "times"
    (the gradient's length, in units of the exact one) and "cosine".
    """
    columns = {
        "row error": "row error",
        "iterations": "iterations\nof the loop",
        "way": "value:\n0 half-relaxed,\n1 converged",
        "times": "length of the\ngradient,\nexact = 1",
        "cosine": "cosine with\nthe exact\ngradient",
    }
    names = list(dict.fromkeys(frame["presets"]))
    kinds = list(dict.fromkeys(frame["features"]))
    height = 0.62 * len(names) + 1.7
    figure, axes = plt.subplots(1, len(columns), figsize=(WIDTH, height), sharey=True)
    for axis, (column, words) in zip(axes, columns.items(), strict=True):
        for number, kind in enumerate(kinds):
            rows = frame[frame["features"] == kind].set_index("presets").loc[names]
            shift = 0.16 * (number - (len(kinds) - 1) / 2)
            _dots(axis, rows[column], shift, number, kind.removeprefix("control: "))
        axis.set_title(words, fontsize=9)
        axis.tick_params(labelsize=8)
    axes[0].set_xscale("symlog", linthresh=1e-6)
    axes[0].set_xticks([0, 1e-4, 1], ["0", "$10^{-4}$", "1"])
    axes[1].set(xlim=(0, 1.15 * max(1.0, float(frame["iterations"].max()))))
    axes[3].set_xscale("symlog", linthresh=1)
    top = max(2.0, 1.5 * float(frame["times"].max()))
    ticks = [tick for tick in (0, 1, 10, 100, 1000) if tick < top]
    axes[3].set_xticks(ticks, [str(tick) for tick in ticks])
    axes[3].set_xlim(-0.15, top)
    axes[2].set(xlim=(-0.1, 1.1), xticks=[0, 1])
    axes[4].set(xlim=(-0.25, 1.1), xticks=[0, 1])
    rows_of = [name.replace(", ", ",\n") for name in names]
    axes[0].set_yticks(range(len(names)), rows_of, fontsize=8)
    axes[0].invert_yaxis()
    for axis in axes:
        axis.minorticks_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=2,
        fontsize=8,
        frameon=False,
    )
    return figure


def _dots(axis: Axes, values: pd.Series, shift: float, number: int, label: str) -> None:
    """Draw a dot a row; where there is no value, "none" once for all kinds."""
    places = np.arange(len(values))
    axis.plot(
        values,
        places + shift,
        MARKS[number],
        color=sns.color_palette()[number],
        markersize=5,
        label=label,
    )
    if number == 0:
        for place in places[values.isna()]:
            middle = axis.get_yaxis_transform()
            where: dict[str, Any] = {
                "ha": "center",
                "va": "bottom",
                "transform": middle,
            }
            axis.text(0.5, place, "none", fontsize=8, **where)
