"""Figures of chapter 03: learning, gradient shares, temperatures, differences."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from helpers.report import intervention, margins
from helpers.report.figures import WIDTH


def learning(history: pd.DataFrame) -> Figure:
    """Show cross-entropy and training accuracy by epoch, a line an arm.

    `history` has columns epoch, arm, accuracy and ce, as `chapters.training.in_one`
    gives them.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.6))
    for axis, (column, label) in zip(
        axes, (("ce", "cross-entropy"), ("accuracy", "training accuracy")), strict=True
    ):
        sns.lineplot(history, x="epoch", y=column, hue="arm", style="arm", ax=axis)
        axis.set_ylabel(label)
    axes[0].legend_.remove()
    axes[1].legend(fontsize=7, ncol=2)
    return figure


def gradient_shares(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Show the gradient shares of the added losses by epoch, and the guard's bar."""
    bar = margins.load().inert.gradient_share
    known = {
        loss for frame in histories.values() for loss in intervention.shares(frame)
    }
    losses = [loss for loss in intervention.LOSSES if loss in known]
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
                pd.concat(lines), x="epoch", y="share", hue="arm", style="arm", ax=axis
            )
            axis.legend(fontsize=7, ncol=2)
        axis.axhline(bar, linestyle="--", color="gray", linewidth=1)
        axis.set(yscale="log", title=loss.upper(), ylabel="share of CE's gradient")
    return figure


def temperatures(history: pd.DataFrame) -> Figure:
    """Show the temperature, and how far the text affinity is from uniform, by arm.

    Right: 1 - entropy / log J: 0 where every picture is as near as any other, 1 where
    each is near to one alone.
    """
    if "tau" not in history:
        history = history.assign(tau=np.nan, **{"text entropy": np.nan})
    known = history.dropna(subset=["tau"])
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.6))
    known = known.assign(apart=(1 - known["text entropy"]).clip(lower=1e-8))
    columns = (("tau", "temperature"), ("apart", "distance from uniform"))
    for axis, (column, label) in zip(axes, columns, strict=True):
        if len(known):
            sns.lineplot(known, x="epoch", y=column, hue="arm", style="arm", ax=axis)
            axis.legend(fontsize=7, ncol=2)
        axis.set(ylabel=label, yscale="log")
    return figure


def against_baseline(
    differences: pd.DataFrame, noise: pd.DataFrame, metrics: Sequence[str] = ()
) -> Figure:
    """Show arm minus baseline, a dot a seed; the band is the baseline's SD over seeds.

    `differences` has columns arm, metric, difference; `noise` metric and SD.
    """
    wanted = list(metrics) or ["accuracy"]
    figure, axes = plt.subplots(
        1, len(wanted), figsize=(WIDTH, 3.4), squeeze=False, sharey=True
    )
    for axis, metric in zip(axes[0], wanted, strict=True):
        rows = differences
        if len(differences):
            rows = differences[differences["metric"] == metric]
        spread = float(noise.set_index("metric")["SD"].get(metric, np.nan))
        if np.isfinite(spread):
            axis.axvspan(-spread, spread, color="gray", alpha=0.25, linewidth=0)
        axis.axvline(0, color="gray", linewidth=1)
        if len(rows):
            sns.stripplot(
                rows, x="difference", y="arm", hue="arm", jitter=False, size=7, ax=axis
            )
        label = margins.load().metrics.get(metric)
        axis.set(xlabel=f"{label.label if label else metric} minus baseline", ylabel="")
    return figure


def forest(rows: pd.DataFrame, metric: str) -> Figure:
    """Show LICO minus baseline of each source with its interval, and the margin's band.

    `rows` as `report.ledger.side_by_side` gives them; `metric` is a name of the
    margins. A difference without an interval is an open circle.
    """
    known = margins.metric(metric)
    chosen = rows[rows["metric"] == known.label].drop_duplicates(["source", "data"])
    chosen = chosen.iloc[::-1]
    figure, axis = plt.subplots(figsize=(WIDTH, 0.8 + 0.34 * len(chosen)))
    axis.axvspan(-known.margin, known.margin, color="gray", alpha=0.25, linewidth=0)
    axis.axvline(0, color="gray", linewidth=1)
    for place, row in enumerate(chosen.to_dict("records")):
        tested = np.isfinite(row["from"])
        if tested:
            axis.plot([row["from"], row["to"]], [place, place], color="C0")
        axis.plot(
            row["LICO - CE"],
            place,
            marker="o",
            color="C0",
            markerfacecolor="C0" if tested else "white",
        )
    names = [f"{row['source']}, {row['data']}" for row in chosen.to_dict("records")]
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_xlabel(f"{known.label}, LICO minus baseline")
    return figure
