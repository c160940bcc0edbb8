"""Figures of many arms' scores: beside floors and ceilings, and in two units."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.report.figures import WIDTH
from helpers.report.score_names import label, sign

HERE, STUDY = "C1", "C0"
LINES: dict[
    str, tuple[str, Any]
] = {  # of maps that know nothing, and of maps that know all
    "uniform": ("#666666", ":"),
    "centred Gaussian": ("#666666", "--"),
    "random smooth": ("#666666", "-."),
    "ground-truth mask": ("#029e73", "-"),
    "pooled mask": ("#029e73", "--"),
}


def arm_scores(frame: pd.DataFrame, levels: pd.DataFrame) -> Figure:
    """Show a row an arm and a panel a score, a dot a seed, groups of arms set apart.

    `frame`: columns "group", "arm", "source", "seed", "score" and "value"; the first
    source is drawn as dots with a bar at their mean, a second as diamonds. `levels`:
    "map", "score" and "value" of floors and ceilings, drawn as vertical lines.
    """
    scores = list(dict.fromkeys(frame["score"]))
    sources = list(dict.fromkeys(frame["source"]))
    places, heads, last = _places(frame)
    figure, axes = plt.subplots(
        1,
        len(scores),
        figsize=(WIDTH, 0.19 * last + 1.6),
        sharey=True,
        squeeze=False,
    )
    for axis, score in zip(axes[0], scores, strict=True):
        lines = levels[levels["score"] == score].set_index("map")["value"]
        for name, value in lines.items():
            colour, style = LINES.get(str(name), ("#666666", "-"))
            axis.axvline(value, color=colour, linestyle=style, linewidth=1.2)
        for number, source in enumerate(sources):
            rows = frame[(frame["score"] == score) & (frame["source"] == source)]
            _seeds(axis, rows, places, number)
        arrow = "→" if sign(score) > 0 else "←"
        wide = label(score).replace(" ", "\n") if len(scores) > 5 else label(score)
        axis.set_title(f"{wide} {arrow}", fontsize=10 if len(scores) <= 5 else 9)
        axis.tick_params(axis="x", labelsize=8)
        axis.xaxis.set_major_locator(plt.MaxNLocator(3 if len(scores) <= 5 else 2))
        axis.grid(visible=False, axis="y")
        for place in heads.values():
            axis.axhline(place - 0.62, color="#dddddd", linewidth=0.8)
    first = axes[0, 0]
    first.set_yticks(list(places.values()), list(places), fontsize=8)
    first.set(ylim=(last - 0.3, -0.7))
    across = first.get_yaxis_transform()
    for head, place in heads.items():
        how: dict[str, Any] = {"ha": "right", "va": "center", "transform": across}
        first.text(-0.03, place, head, fontsize=8, weight="bold", **how)
    _legend(figure, sources, list(dict.fromkeys(levels["map"])))
    return figure


def _places(frame: pd.DataFrame) -> tuple[dict[str, int], dict[str, int], int]:
    """Return the row of each arm and of each group's head, and how many there are."""
    places, heads, row = {}, {}, 0
    pairs = frame[["group", "arm"]].drop_duplicates()
    for group, arms in pairs.groupby("group", sort=False)["arm"]:
        heads[str(group)] = row
        for arm in arms:
            row += 1
            places[str(arm)] = row
        row += 1
    return places, heads, row


def _seeds(axis: Axes, rows: pd.DataFrame, places: dict[str, int], number: int) -> None:
    """Draw the seeds of one source, and of the first the mean of each arm."""
    heights = rows["arm"].map(places)
    if number == 0:
        axis.plot(rows["value"], heights, "o", color=STUDY, ms=4, alpha=0.55, mew=0)
        means = rows.groupby("arm", sort=False)["value"].mean()
        ends = [places[str(arm)] for arm in means.index]
        axis.plot(means, ends, "|", color="black", markersize=7)
        return
    how: dict[str, Any] = {
        "markersize": 5,
        "markeredgecolor": "black",
        "markeredgewidth": 0.6,
    }
    axis.plot(rows["value"], heights, "D", color=HERE, **how)


def _legend(figure: Figure, sources: Sequence[str], maps: Sequence[str]) -> None:
    handles = [
        plt.Line2D([], [], marker="o", linestyle="", color=STUDY, label=sources[0])
    ]
    handles += [
        plt.Line2D([], [], marker="D", linestyle="", color=HERE, label=source)
        for source in sources[1:]
    ]
    for name in maps:
        colour, style = LINES.get(name, ("#666666", "-"))
        handles.append(plt.Line2D([], [], color=colour, linestyle=style, label=name))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=4,
        fontsize=8,
        frameon=False,
    )


def ratio_pictures(pictures: pd.DataFrame, who: pd.DataFrame) -> Figure:
    """Show each picture's area in units of its full probability, over that probability.

    `pictures`: columns "score", "full", "ratio", "named"; `who`: "score", "mean of
    ratios" and "ratio of means", drawn as horizontal lines.
    """
    scores = list(who["score"])
    figure, axes = plt.subplots(1, len(scores), figsize=(WIDTH, 3.6), squeeze=False)
    for axis, row in zip(axes[0], who.to_dict("records"), strict=True):
        rows = pictures[pictures["score"] == row["score"]]
        for named, colour, mark in (("right", "C0", "o"), ("wrong", "C3", "X")):
            shown = rows[(rows["named"] == named) & (rows["ratio"] > 0)]
            axis.plot(
                *(shown["full"], shown["ratio"], mark),
                color=colour,
                alpha=0.7,
                markersize=5,
                label=f"named {named}",
            )
        for name, style in (("mean of ratios", "-"), ("ratio of means", "--")):
            axis.axhline(row[name], color="black", linestyle=style, label=name)
        axis.set(xscale="log", yscale="log", xlabel="full probability of the class")
        axis.set(ylabel=f"{row['score']} / full")
        axis.tick_params(which="both", labelsize=8)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    where: dict[str, Any] = {"loc": "outside lower center", "ncols": 4}
    figure.legend(handles, labels, fontsize=8, frameon=False, **where)
    return figure


def two_ways(ratios: pd.DataFrame) -> Figure:
    """Show relative areas of each arm in two ways: a row an arm, a dot a seed.

    `ratios`: columns "arm", "score", "way" and "value".
    """
    arms, scores = (list(dict.fromkeys(ratios[name])) for name in ("arm", "score"))
    ways = list(dict.fromkeys(ratios["way"]))
    figure, axes = plt.subplots(
        1,
        len(scores),
        figsize=(WIDTH, 0.22 * len(arms) + 1.2),
        sharey=True,
        squeeze=False,
    )
    for axis, score in zip(axes[0], scores, strict=True):
        for way, colour, mark, shift in zip(
            ways, ("C3", "C0"), ("X", "o"), (-0.16, 0.16), strict=False
        ):
            rows = ratios[(ratios["score"] == score) & (ratios["way"] == way)]
            heights = rows["arm"].map({arm: i + shift for i, arm in enumerate(arms)})
            how: dict[str, Any] = {
                "color": colour,
                "alpha": 0.6,
                "markersize": 5,
                "mew": 0,
            }
            axis.plot(rows["value"], heights, mark, label=way, **how)
        axis.set_title(f"{score} / full", fontsize=10)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(plt.NullFormatter())
        axis.tick_params(axis="x", labelsize=8)
    axes[0, 0].set_yticks(range(len(arms)), arms, fontsize=8)
    axes[0, 0].set_ylim(len(arms) - 0.4, -0.6)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    where: dict[str, Any] = {"loc": "outside lower center", "ncols": 2}
    figure.legend(handles, labels, fontsize=8, frameon=False, **where)
    return figure


def table_three(frame: pd.DataFrame) -> Figure:
    """Show LICO less baseline by source, data, method: a panel a score, a dot a table.

    `frame`: columns "source", "data", "method", "score" and "difference". To the right
    of the line LICO has the higher value; the arrow points to what is better.
    """
    scores, sources, methods = (
        list(dict.fromkeys(frame[name])) for name in ("score", "source", "method")
    )
    rows = (
        frame[["source", "data"]]
        .drop_duplicates()
        .sort_values("source", key=lambda s: s.map(sources.index), kind="stable")
    )
    pairs = [(row["source"], row["data"]) for row in rows.to_dict("records")]
    places = {
        (method, *pair): number
        for number, (method, pair) in enumerate(product(methods, pairs))
    }
    figure, axes = plt.subplots(
        1, len(scores), figsize=(WIDTH, 0.2 * len(places) + 1.3), sharey=True
    )
    for axis, score in zip(axes, scores, strict=True):
        for number, source in enumerate(sources):
            own = frame[(frame["score"] == score) & (frame["source"] == source)]
            heights = [
                places[row["method"], source, row["data"]]
                for row in own.to_dict("records")
            ]
            mark: dict[str, Any] = {"color": f"C{number}", "marker": "oDs"[number % 3]}
            axis.hlines(heights, 0, own["difference"], color=mark["color"], lw=1.5)
            axis.plot(own["difference"], heights, linestyle="", label=source, **mark)
        axis.axvline(0, color="black", linewidth=0.8)
        arrow = "←" if score == "deletion" else "→"
        axis.set_title(f"{score} {arrow}", fontsize=10)
        axis.tick_params(axis="x", labelsize=8)
        axis.xaxis.set_major_locator(plt.MaxNLocator(4))
        axis.grid(visible=False, axis="y")
        for edge in range(len(rows), len(places), len(rows)):
            axis.axhline(edge - 0.5, color="#bbbbbb", linewidth=0.8)
    names = [f"{method}, {data}" for method, _, data in places]
    axes[0].set_yticks(list(places.values()), names, fontsize=8)
    axes[0].set_ylim(len(places) - 0.4, -0.6)
    handles, labels = axes[0].get_legend_handles_labels()
    where: dict[str, Any] = {"loc": "outside lower center", "ncols": 3}
    figure.legend(handles, labels, fontsize=8, frameon=False, **where)
    axes[len(axes) // 2].set_xlabel("LICO less baseline", fontsize=9)
    return figure
