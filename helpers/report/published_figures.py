"""Figures of the published numbers: the map, the forest, single runs, sums."""

from collections.abc import Sequence
from typing import Literal

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from helpers.report import published
from helpers.report.figures import WIDTH
from helpers.report.published import NAMES, SCORES
from helpers.report.published_checks import ROUNDING, Sum
from helpers.report.published_contrasts import Tested, Untested

BETTER, WORSE, NEITHER, BAND = "#0072b2", "#d55e00", "#5f5f5f", "#d9d9d9"
MARKS = {"lei2024response": "o", "fletcher2024lico": "s", "bartak2024lico": "D"}
# How evidence is drawn: opacity of a tile, its frame, what the legend says.
Line = Literal["-", ":"]
EVIDENCE: dict[str, tuple[float, Line, str]] = {
    "no test possible": (0.16, ":", "no SD printed: no test possible"),
    "interval holds 0": (0.16, "-", "tested, interval holds 0"),
    "before Holm only": (0.5, "-", "tested, clear of 0 before Holm only"),
    "after Holm": (1.0, "-", "tested, clear of 0 after Holm"),
}
TICKS = (-50, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20)


def dispute(tiles: pd.DataFrame) -> Figure:
    """Show LICO minus baseline, a tile a table cell: colour who is better, shade why.

    `tiles` has columns source, data, metric, gain (positive: LICO better), evidence (a
    key of `EVIDENCE`) and mark (after the number), in the order of the rows.
    """
    if tiles.empty:
        return _nothing()
    cells = tiles.to_dict("records")
    columns = sorted(
        {(cell["source"], cell["data"]) for cell in cells},
        key=lambda at: (list(NAMES).index(at[0]), at[1]),
    )
    rows = list(dict.fromkeys(cell["metric"] for cell in cells))
    figure, axis = plt.subplots(figsize=(WIDTH, 2.0 + 0.3 * len(rows)))
    for cell in cells:
        x = columns.index((cell["source"], cell["data"]))
        words = f"{100 * cell['gain']:+.2f}{cell['mark']}".replace("-", "−")
        colour = BETTER if cell["gain"] > 0 else WORSE if cell["gain"] < 0 else NEITHER
        _tile(axis, (x, rows.index(cell["metric"])), colour, cell["evidence"], words)
    axis.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axis.set_yticks(range(len(rows)), rows, fontsize=8)
    data = [name.replace("ImageNet-", "ImageNet-\n") for _, name in columns]
    axis.set_xticks(range(len(columns)), data, fontsize=8)
    axis.tick_params(length=0)
    axis.grid(False)
    for source in dict.fromkeys(source for source, _ in columns):
        at = [i for i, (name, _) in enumerate(columns) if name == source]
        words = NAMES[source].replace(", 2024", ",\n2024")
        head = axis.text(sum(at) / len(at), -0.7, words, fontsize=8.5)
        head.set(ha="center", va="bottom", fontweight="bold")
        if at[0]:
            axis.axvline(at[0] - 0.5, color="black", linewidth=1)
    for spine in axis.spines.values():
        spine.set_visible(False)
    handles = [Patch(color=BETTER), Patch(color=WORSE)]
    for alpha, line, _ in EVIDENCE.values():
        shade = Patch(facecolor=to_rgba(NEITHER, alpha), edgecolor=NEITHER)
        shade.set_linestyle(line)
        handles.append(shade)
    words_of = ["LICO better", "LICO worse", *(said for *_, said in EVIDENCE.values())]
    _legend(figure, handles, words_of, 2)
    return figure


def forest(tests: Sequence[Tested]) -> Figure:
    """Show each tested contrast with its interval; bands are what it could have seen.

    A panel a metric, a row a pair of arms; right of 0 the first arm is the better one.
    The grey band of a row reaches to its smallest detectable difference, the dashed
    lines are the book's margin.
    """
    metrics = [name for name in SCORES if any(_is(one, name) for one in tests)]
    if not metrics:
        return _nothing()
    rows = -(-len(metrics) // 2)
    size = (WIDTH, 0.8 + 1.75 * rows)
    figure, axes = plt.subplots(rows, 2, figsize=size, squeeze=False)
    for axis in axes.flat[len(metrics) :]:
        axis.set_visible(False)
    for axis, metric in zip(axes.flat, metrics, strict=False):
        _panel(axis, [one for one in tests if _is(one, metric)], metric)
    handles = [
        Patch(color=BAND),
        Line2D([], [], color="black", linestyle="--", linewidth=0.8),
        *(_dot(BETTER, BETTER), _dot(WORSE, WORSE)),
        *(_dot(NEITHER, "black"), _dot(NEITHER, "white")),
    ]
    words = [
        "below the detectable difference: seldom found",
        "margin of this book",
        "first arm better, after Holm",
        "first arm worse, after Holm",
        "clear of 0 before Holm only",
        "interval holds 0",
    ]
    _legend(figure, handles, words, 2)
    return figure


def single_runs(pairs: Sequence[Untested]) -> Figure:
    """Show from which between-run SD on each single-run difference is undecided.

    A mark a contrast, shaped by its source. The bar spans the SDs that are printed for
    the same metric, a tick each: a mark inside it or on its left could be chance.
    """
    metrics = [name for name in SCORES if any(_is(one, name) for one in pairs)]
    if not metrics:
        return _nothing()
    figure, axis = plt.subplots(figsize=(WIDTH, 1.5 + 0.42 * len(metrics)))
    for place, name in enumerate(metrics):
        here = [one for one in pairs if _is(one, name)]
        sds = here[0].printed_sds
        if sds:
            corner, width = (min(sds), place - 0.34), max(sds) - min(sds)
            axis.add_patch(Rectangle(corner, width, 0.68, color=BAND, linewidth=0))
            axis.vlines(list(sds), place - 0.34, place + 0.34, color=NEITHER, lw=1)
        for one in here:
            source = one.contrast.source
            height = place + 0.2 * (list(MARKS).index(source) - 1)
            colour = BETTER if one.contrast.gain > 0 else WORSE
            limit = max(one.undecidable_sd, 1e-5)
            dot = axis.plot(limit, height, MARKS[source], color=colour, ms=5.5)[0]
            dot.set(alpha=0.85, markeredgecolor="white")
    axis.set_yticks(range(len(metrics)), [published.metric(m).label for m in metrics])
    axis.set(xscale="log", ylim=(len(metrics) - 0.5, -0.5))
    axis.set_xlabel("between-run SD that hides the difference (left: a small one does)")
    handles = [
        Line2D([], [], color=NEITHER, marker=mark, linestyle="none")
        for mark in MARKS.values()
    ]
    colours = [Patch(color=colour) for colour in (BETTER, WORSE, BAND)]
    words = [*NAMES.values(), "first arm better", "first arm worse", "printed SDs"]
    _legend(figure, [*handles, *colours], words, 3)
    return figure


def sums(found: Sequence[Sum]) -> Figure:
    """Show printed minus recomputed overall scores, in units of the last digit."""
    sources = [name for name in NAMES if any(s.printed.source == name for s in found)]
    if not sources:
        return _nothing()
    figure, axis = plt.subplots(figsize=(WIDTH, 1.1 + 0.9 * len(sources)))
    axis.axvspan(-ROUNDING, ROUNDING, color=BAND, linewidth=0)
    axis.axvline(0, color="gray", linewidth=1)
    for place, source in enumerate(sources):
        here = sorted(
            (one for one in found if one.printed.source == source),
            key=lambda one: one.units,
        )
        held = [one.units for one in here if not one.misses]
        for unit in dict.fromkeys(held):  # equal values side by side, upwards
            count = held.count(unit)
            heights = [place + 0.045 * (i - (count - 1) / 2) for i in range(count)]
            axis.plot([unit] * count, heights, "o", color=NEITHER, markersize=4)
        missed = [one for one in here if one.misses]
        for number, one in enumerate(missed):  # words below and above in turn
            axis.plot(one.units, place, "D", color=WORSE, markersize=7)
            row, above = one.printed, number % 2
            axis.annotate(
                f"{row.data},\n{row.saliency}, {row.arm}",
                (one.units, place),
                xytext=(0, 7 if above else -7),
                textcoords="offset points",
                fontsize=7.5,
                ha="center",
                va="bottom" if above else "top",
            )
    axis.set_xscale("symlog", linthresh=2)
    axis.set_xticks(TICKS, [str(tick) for tick in TICKS])
    axis.minorticks_off()
    axis.set_yticks(range(len(sources)), [NAMES[name] for name in sources], fontsize=8)
    axis.set(ylim=(len(sources) - 0.4, -0.6), xlim=(-110, 60))
    axis.set_xlabel("printed minus (insertion − deletion), units of the last digit")
    return figure


def _tile(
    axis: Axes, at: tuple[int, int], colour: str, evidence: str, words: str
) -> None:
    """Draw one tile with its words."""
    alpha, line, _ = EVIDENCE[evidence]
    corner = (at[0] - 0.47, at[1] - 0.43)
    axis.add_patch(Rectangle(corner, 0.94, 0.86, fc=to_rgba(colour, alpha), lw=0))
    frame = Rectangle(corner, 0.94, 0.86, fill=False, edgecolor=colour)
    frame.set_linestyle(line)
    axis.add_patch(frame)
    text = axis.text(*at, words, fontsize=8)
    text.set(ha="center", va="center", color="white" if alpha == 1 else "black")


def _panel(axis: Axes, tests: Sequence[Tested], metric: str) -> None:
    """Draw the rows of one metric."""
    known = published.metric(metric)
    for place, one in enumerate(tests):
        corner, width = (-one.detectable, place - 0.36), 2 * one.detectable
        axis.add_patch(Rectangle(corner, width, 0.72, color=BAND, linewidth=0))
        clear = one.evidence == "after Holm"
        colour = (BETTER if one.contrast.gain > 0 else WORSE) if clear else NEITHER
        faces = {"after Holm": colour, "before Holm only": "black"}
        face = faces.get(one.evidence, "white")
        axis.plot(one.gains, [place, place], color=colour, linewidth=1.8)
        axis.plot(one.contrast.gain, place, "o", color=colour, mfc=face, ms=5.5)
    for sign in (-1, 1) if known.margin > 0 else ():  # NaN: none was committed
        axis.axvline(sign * known.margin, color="black", linestyle="--", linewidth=0.8)
    axis.axvline(0, color="black", linewidth=1)
    names = [f"{one.contrast.a.arm} − {one.contrast.b.arm}" for one in tests]
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.tick_params(axis="x", labelsize=7.5)
    axis.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.set_title(f"{known.label} ({known.unit})", fontsize=9)
    axis.set_ylim(len(names) - 0.4, -0.6)
    ends = [abs(end) for one in tests for end in (*one.gains, one.detectable)]
    axis.set_xlim(-1.05 * max(ends), 1.05 * max(ends))
    axis.grid(False, axis="y")


def _dot(colour: str, face: str) -> Line2D:
    return Line2D([], [], color=colour, marker="o", markerfacecolor=face)


def _legend(
    figure: Figure, handles: Sequence[Artist], words: list[str], columns: int
) -> None:
    figure.legend(
        list(handles),
        words,
        loc="outside lower center",
        ncol=columns,
        fontsize=8,
        frameon=False,
    )


def _is(one: Tested | Untested, metric: str) -> bool:
    return one.contrast.metric == metric


def _nothing() -> Figure:
    """Say that the chosen documents hold nothing to draw."""
    figure, axis = plt.subplots(figsize=(WIDTH, 1))
    words = "no such number in these documents"
    axis.text(0.5, 0.5, words, ha="center", va="center")
    axis.set_axis_off()
    return figure
