"""Figures of chapter 13: every answer with its twin, beside what has no words."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from helpers.report.figures import WIDTH

STYLE: dict[str, Any] = {"uniform": ":", "centred Gaussian": "--", "pooled mask": "-."}
SAYS = {
    "uniform": "the same everywhere",
    "centred Gaussian": "the middle of the picture",
    "pooled mask": "the object at this resolution",
}
GAP = 0.45  # rows between groups
COLUMNS = (1.02, 1.12)  # where top-1 and verdict stand, in widths of the axes
HERE = "this page"


def with_and_without(
    frame: pd.DataFrame, lines: Mapping[str, float], axis_label: str, message: str
) -> Figure:
    """Show each answer with words above its twins, then what has no words at all.

    Columns: title, kind ("words", "twin" or "without"), source, mean, half, top-1,
    verdict; the baseline is the first without. `lines`: scores of reference maps. What
    comes from elsewhere than the page is a diamond; top-1 and verdict stand at the
    right; `message` is the title.
    """
    colours: Any = sns.color_palette("colorblind")
    places = _places(list(frame["kind"]))
    figure, axis = plt.subplots(figsize=(WIDTH, 0.27 * (places[-1] + 1) + 2.1))
    records: Any = frame.to_dict("records")
    for place, row in zip(places, records, strict=True):
        _dot(axis, place, row, colours[1] if row["kind"] == "without" else colours[0])
        _at_the_right(axis, place, row)
    without = frame[frame["kind"] == "without"]
    if len(without):
        own = float(without["mean"].iloc[0])
        axis.axvline(own, color=colours[1], linewidth=1.4, zorder=1)
    for name, value in lines.items():
        axis.axvline(value, color="grey", linestyle=STYLE[name], linewidth=1.2)
    axis.set_yticks(places, [row["title"] for row in records], fontsize=8.5)
    for tick, row in zip(axis.get_yticklabels(), records, strict=True):
        tick.set_fontweight("bold" if row["kind"] == "words" else "normal")
        tick.set_color("dimgrey" if row["kind"] == "twin" else "black")
    axis.set_ylim(places[-1] + 0.7, -0.7)
    axis.set_xlabel(axis_label, fontsize=10)
    axis.tick_params(axis="x", labelsize=9)
    axis.grid(axis="y", alpha=0.4)
    for x, word in zip(COLUMNS, ("top-1", "claim: words help"), strict=True):
        axis.text(x, 1.01, word, transform=axis.transAxes, fontsize=8, va="bottom")
    figure.suptitle(message, fontsize=10.5, fontweight="bold", x=0.01, ha="left")
    elsewhere = bool((frame["source"] != HERE).any())
    figure.legend(
        handles=_handles(colours, lines, elsewhere),
        fontsize=8,
        ncol=2,
        loc="outside lower center",
    )
    return figure


def _dot(axis: Axes, place: float, row: Mapping[str, Any], colour: Any) -> None:
    """Draw a mean with its interval: hollow for a twin, a diamond for elsewhere."""
    if row["half"] == row["half"]:
        ends = [row["mean"] - row["half"], row["mean"] + row["half"]]
        axis.plot(ends, [place, place], color=colour, linewidth=1.4, alpha=0.7)
    axis.plot(
        row["mean"],
        place,
        _shape(row),
        markersize=7,
        markeredgecolor=colour,
        markeredgewidth=1.7,
        color="white" if row["kind"] == "twin" else colour,
        zorder=3,
    )


def _shape(row: Mapping[str, Any]) -> str:
    if row["source"] != HERE:
        return "D"
    return "s" if row["kind"] == "without" else "o"


def _at_the_right(axis: Axes, place: float, row: Mapping[str, Any]) -> None:
    where = axis.get_yaxis_transform()
    given: dict[str, Any] = {"transform": where, "va": "center"}
    axis.text(COLUMNS[0], place, f"{row['top-1']:.2f}", fontsize=8.5, **given)
    words = row["verdict"].replace(": ", ":\n", 1)
    axis.text(COLUMNS[1], place, words, fontsize=8, linespacing=0.95, **given)


def _places(kinds: list[str]) -> list[float]:
    """Return heights, with a gap before each answer with words and before the rest."""
    found: list[float] = []
    at, before = 0.0, ""
    for kind in kinds:
        if found and (kind == "words" or (kind == "without" and before != kind)):
            at += GAP
        found.append(at)
        at, before = at + 1.0, kind
    return found


def _handles(colours: Any, lines: Mapping[str, float], elsewhere: bool) -> list[Line2D]:
    def dot(colour: Any, face: Any, text: str, shape: str = "o") -> Line2D:
        return Line2D(
            [],
            [],
            marker=shape,
            linestyle="",
            color=face,
            markeredgecolor=colour,
            markeredgewidth=1.7,
            markersize=7,
            label=text,
        )

    handles = [
        dot(colours[0], colours[0], "with words"),
        dot(colours[0], "white", "the same, but the words say nothing"),
        dot(colours[1], colours[1], "no words (line: the baseline)", "s"),
    ]
    if elsewhere:
        handles.append(dot("grey", "grey", "diamonds: chapter 03's study", "D"))
    handles += [
        Line2D([], [], color="grey", linestyle=STYLE[name], label=f"map: {SAYS[name]}")
        for name in lines
    ]
    return handles
