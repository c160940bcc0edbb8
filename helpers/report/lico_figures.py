"""Figures of chapter 03: learning, gradient shares, temperatures, differences."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.measure.statistics import t_interval
from helpers.report import arms, intervention, ledger, margins
from helpers.report.figures import WIDTH

# On and off, in points; "" is a full line.
DASHES: tuple[Any, ...] = ("", (4, 1.5), (1, 1), (3, 1.25, 1.5, 1.25), (5, 1, 1, 1))


def learning(history: pd.DataFrame) -> Figure:
    """Show cross-entropy and training accuracy by epoch, a line an arm.

    `history` has columns epoch, arm, accuracy and ce, as `chapters.training.in_one`
    gives them.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.6))
    alike = _alike(list(history["arm"].unique()))
    for axis, (column, label) in zip(
        axes, (("ce", "cross-entropy"), ("accuracy", "training accuracy")), strict=True
    ):
        sns.lineplot(history, x="epoch", y=column, **alike, ax=axis)
        axis.set_ylabel(label)
    _legend(figure, axes)
    return figure


def gradient_shares(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Show the gradient shares of the added losses by epoch, and the guard's bar."""
    bar = margins.load().inert.gradient_share
    known = {
        loss for frame in histories.values() for loss in intervention.shares(frame)
    }
    losses = [loss for loss in intervention.LOSSES if loss in known]
    if not losses:
        return nothing("no arm has a loss beside cross-entropy")
    alike = _alike(list(histories))
    figure, axes = plt.subplots(
        1, len(losses), figsize=(WIDTH, 3.6), sharey=True, squeeze=False
    )
    for axis, loss in zip(axes[0], losses, strict=True):
        lines = [
            frame.assign(arm=arm, share=frame[loss].clip(lower=bar / 1e3))
            for arm, history in histories.items()
            if loss in (frame := intervention.shares(history))
        ]
        if lines:
            sns.lineplot(
                pd.concat(lines),
                x="epoch",
                y="share",
                **alike,
                ax=axis,
            )
        axis.axhline(bar, linestyle="--", color="gray", linewidth=1)
        axis.set(yscale="log", title=loss.upper(), ylabel="share of CE's gradient")
    _legend(figure, list(axes[0]))
    return figure


def temperatures(history: pd.DataFrame) -> Figure:
    """Show the temperature, and how far the text affinity is from uniform, by arm.

    Right: 1 - entropy / log J: 0 where every picture is as near as any other, 1 where
    each is near to one alone.
    """
    if "tau" not in history:
        history = history.assign(tau=np.nan, **{"text entropy": np.nan})
    known = history.dropna(subset=["tau"])
    alike = _alike(list(history["arm"].unique()))
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.6))
    known = known.assign(apart=(1 - known["text entropy"]).clip(lower=1e-8))
    columns = (("tau", "temperature"), ("apart", "distance from uniform"))
    for axis, (column, label) in zip(axes, columns, strict=True):
        if len(known):
            sns.lineplot(known, x="epoch", y=column, **alike, ax=axis)
        axis.set(ylabel=label, yscale="log")
    _legend(figure, axes)
    return figure


def against_baseline(
    differences: pd.DataFrame,
    noise: pd.DataFrame,
    metrics: Sequence[str] = ("accuracy",),
    inert: Sequence[str] = (),
) -> Figure:
    """Show arm minus baseline, a dot a seed, with the interval of their mean.

    `differences` has columns arm, metric, difference; `noise` metric and SD: the band
    is the baseline's SD over seeds. Arms that are `inert` are drawn hollow. A metric
    that the record does not have gets no panel.
    """
    known = [] if differences.empty else list(differences["metric"].unique())
    shown = [metric for metric in metrics if metric in known]
    if not shown:
        return nothing("no arm has a baseline of the same seed")
    names = list(dict.fromkeys(differences["arm"]))
    figure, axes = plt.subplots(
        1,
        len(shown),
        figsize=(WIDTH, 1.0 + 0.3 * len(names)),
        squeeze=False,
        sharey=True,
    )
    for axis, metric in zip(axes[0], shown, strict=True):
        rows = differences[differences["metric"] == metric]
        spread = float(noise.set_index("metric")["SD"].get(metric, np.nan))
        if np.isfinite(spread):
            axis.axvspan(-spread, spread, color="gray", alpha=0.25, linewidth=0)
        axis.axvline(0, color="gray", linewidth=1)
        for place, arm in enumerate(names):
            values = rows[rows["arm"] == arm]["difference"].to_numpy(dtype=float)
            _dots(axis, place, values, hollow=arm in inert)
        axis.set(xlabel=f"{margins.metric(metric).label} minus baseline")
        axis.xaxis.set_major_locator(MaxNLocator(5))
    axes[0, 0].set_yticks(range(len(names)), names, fontsize=9)
    axes[0, 0].set_ylim(len(names) - 0.5, -0.5)
    return figure


def study(record: Mapping[str, Any] | None, metrics: Sequence[str]) -> Figure:
    """Show all arms of a record by `against_baseline`, or that it is not there."""
    if record is None:
        return nothing("not recorded yet")
    shown = arms.marked(record)
    return against_baseline(
        arms.differences(record, metrics),
        arms.seed_to_seed(record, metrics),
        metrics,
        ledger.inert_arms(shown, list(shown["arms"])),
    )


def nothing(words: str) -> Figure:
    """Return a figure that says in words that there is nothing to draw."""
    figure, axis = plt.subplots(figsize=(WIDTH, 0.9))
    axis.text(0.5, 0.5, words, ha="center", va="center", fontsize=10)
    axis.axis("off")
    return figure


def _alike(names: Sequence[str]) -> dict[str, Any]:
    """Return one colour and one dash an arm, the same in every figure of these arms."""
    many = len(names) > len(sns.color_palette("colorblind"))
    colours = sns.color_palette("husl" if many else "colorblind", len(names))
    dashes = [DASHES[number % len(DASHES)] for number in range(len(names))]
    return {
        "hue": "arm",
        "style": "arm",
        "palette": dict(zip(names, colours, strict=True)),
        "dashes": dict(zip(names, dashes, strict=True)),
    }


def _dots(axis: Axes, place: float, values: np.ndarray, hollow: bool) -> None:
    """Draw values as dots of one row, and the t interval of their mean as a line."""
    if values.size > 1:
        low, high = (float(end) for end in t_interval(values))
        axis.plot([low, high], [place, place], color="C0", linewidth=2, alpha=0.6)
    axis.plot(
        values,
        np.full(values.size, place),
        "o",
        color="C0",
        markersize=5,
        alpha=0.8,
        markerfacecolor="white" if hollow else "C0",
    )


def _legend(figure: Figure, axes: Sequence[Axes], columns: int = 5) -> None:
    """Put one legend of all axes under the figure, in place of one in each."""
    handles: dict[str, Artist] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
        if axis.legend_ is not None:
            axis.legend_.remove()
    if handles:
        figure.legend(
            handles=list(handles.values()),
            labels=list(handles),
            loc="outside lower center",
            ncols=min(columns, len(handles)),
            fontsize=8,
            frameon=False,
        )
