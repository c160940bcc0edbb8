"""Figures of chapter 09: the ledger at a glance, one claim by source, scales."""

import math
from collections.abc import Sequence
from typing import Literal

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from helpers.report import margins
from helpers.report.claims_by_source import NO_TEST, PAPER, SOURCES, Cell
from helpers.report.figures import WIDTH
from helpers.report.lico_figures import nothing
from helpers.report.verdict_words import MECHANISM

WITH, AGAINST, NEITHER = "#0072b2", "#d55e00", "#5f5f5f"
FAINT, FULL = 0.16, 0.9  # opacity of a tile without and with an outcome
HATCH = "...."  # of a tile that answers no claim
HEADS = {
    PAPER: "paper",
    "fletcher2024lico": "Fletcher\net al.",
    "lei2024response": "response",
    "bartak2024lico": "Bartak\net al.",
    "photographs": "photo-\ngraphs",
}
SHORT = {"CIFAR-10": "C10", "CIFAR-100": "C100", "Imagenette": "INette"}
SHORT |= {"ImageNet-S50": "IN-S50", "cifar10": "C10", "cifar100": "C100", "—": ""}
# What a row of the ledger is called.
ROWS = {
    "1": "1: maps",
    "2": "2: not worse",
    "2 (gain)": "2: better",
    "3": "3: both losses",
    "cgc": "LICO over CGC",
}


def ledger(cells: Sequence[Cell]) -> Figure:
    """Show claims by sources, a tile a cell: its way or not, and with what answer.

    A number is the gain of the weakest comparison in hundredths of the metric's unit,
    positive the claim's way (for claim 2, not worse: over minus the margin).
    """
    columns = _columns(cells)
    rows = list(dict.fromkeys((cell.claim, cell.metric) for cell in cells))
    figure, axis = plt.subplots(figsize=(WIDTH, 2.1 + 0.34 * len(rows)))
    for cell in cells:
        x = columns.index((cell.source, cell.data, cell.seeds))
        if cell.source == PAPER:
            same = [i for i, row in enumerate(rows) if row[0] == cell.claim]
            axis.text(x, sum(same) / len(same), "claimed", fontsize=7, ha="center")
        else:
            _tile(axis, x, rows.index((cell.claim, cell.metric)), cell)
    axis.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axis.set_yticks(range(len(rows)), [_row_name(*row) for row in rows], fontsize=8)
    names = [f"{SHORT.get(data, data)}\n{_count(n, s)}" for s, data, n in columns]
    axis.set_xticks(range(len(columns)), names, fontsize=7)
    axis.tick_params(length=0)
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)
    for place in range(1, len(rows)):
        if rows[place][0] != rows[place - 1][0]:
            axis.axhline(place - 0.5, color="black", linewidth=0.8)
    for source in dict.fromkeys(source for source, *_ in columns):
        at = [i for i, (name, *_) in enumerate(columns) if name == source]
        head = HEADS.get(source, source.replace(" ", "\n"))
        axis.text(
            sum(at) / len(at), -0.65, head, fontsize=7.5, ha="center", va="bottom"
        )
        if at[0]:
            axis.axvline(at[0] - 0.5, color="black", linewidth=0.8)
    _legend(figure)
    return figure


def forest(cells: Sequence[Cell], claim: str, metric: str) -> Figure:
    """Show the gain of a claim on a metric by source with its interval, and the margin.

    A gain without an interval is an open circle. Right of 0 is the claim's way. Cells
    that show the mechanism only are left out.
    """
    known = margins.metric(metric)
    chosen = [
        cell
        for cell in cells
        if (cell.claim, cell.metric) == (claim, metric)
        and not (math.isnan(cell.gain) or cell.mechanism)
    ]
    if not chosen:
        return nothing(f"no source has {known.label} for claim '{claim}'")
    figure, axis = plt.subplots(figsize=(WIDTH, 1.0 + 0.34 * len(chosen)))
    axis.axvspan(-known.margin, known.margin, color="gray", alpha=0.25, linewidth=0)
    axis.axvline(0, color="gray", linewidth=1)
    for place, cell in enumerate(chosen):
        tested = all(map(math.isfinite, cell.interval))
        if tested:
            axis.plot(cell.interval, [place, place], color="C0")
        axis.plot(cell.gain, place, "o", color="C0", mfc="C0" if tested else "white")
    names = [
        f"{SOURCES.get(cell.source, cell.source)}, {cell.data}, "
        f"{_count(cell.seeds, cell.source)}"
        for cell in chosen
    ]
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlabel(f"{known.label}: gain, {known.unit}")
    return figure


def scales(rows: pd.DataFrame, parameter: str, label: str) -> Figure:
    """Show arm minus baseline over a parameter, a panel a metric, with intervals."""
    if rows.empty:
        return nothing("no arm is recorded beside its baseline")
    metrics, arms = list(rows["metric"].unique()), list(rows["arm"].unique())
    values = sorted(rows[parameter].unique())
    figure, axes = plt.subplots(1, len(metrics), figsize=(WIDTH, 3.2), squeeze=False)
    for axis, metric in zip(axes[0], metrics, strict=True):
        axis.axhline(0, color="gray", linewidth=1)
        for number, arm in enumerate(arms):
            here = rows[(rows["metric"] == metric) & (rows["arm"] == arm)]
            aside = 0.14 * (number - (len(arms) - 1) / 2)
            x = [values.index(value) + aside for value in here[parameter]]
            ends = (here["arm - CE"] - here["from"], here["to"] - here["arm - CE"])
            axis.errorbar(
                x,
                here["arm - CE"],
                yerr=[end.clip(upper=1) for end in ends],
                fmt="osD^v"[number % 5],
                color=f"C{number}",
                capsize=3,
                label=arm,
            )
        axis.set_xticks(range(len(values)), [str(value) for value in values])
        axis.set(xlim=(-0.5, len(values) - 0.5), xlabel=label)
        axis.set_ylabel(f"{metric} minus baseline")
        axis.yaxis.set_major_locator(MaxNLocator(6))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=len(arms),
        fontsize=8,
        frameon=False,
    )
    return figure


def _columns(cells: Sequence[Cell]) -> list[tuple[str, str, int | None]]:
    """Return sources with their data sets and seeds, in the order of the dispute.

    This book's own come last, as they come on accuracy, which all of them have.
    """
    own = sorted(cells, key=lambda cell: cell.metric != "accuracy")
    order = list(dict.fromkeys([*SOURCES, *(cell.source for cell in own)]))
    found = {(cell.source, cell.data, cell.seeds) for cell in cells}
    return sorted(found, key=lambda at: (order.index(at[0]), at[1], at[2] or 0))


def _tile(axis: Axes, x: int, y: int, cell: Cell) -> None:
    way = cell.ways == cell.comparisons
    colour = WITH if way else AGAINST
    if cell.answer.startswith("no relevant"):
        colour = NEITHER
    tile = Rectangle((x - 0.46, y - 0.42), 0.92, 0.84)
    tile.set(facecolor=to_rgba(colour, FULL if cell.decided else FAINT))
    tile.set(edgecolor=colour, linestyle=":" if cell.answer == NO_TEST else "-")
    if cell.mechanism:
        tile.set(hatch=HATCH, facecolor="none", linewidth=0)
    axis.add_patch(tile)
    words = f"{100 * cell.gain:+.1f}".replace("-", "\N{MINUS SIGN}")
    shade = "white" if cell.decided else "black"
    text = axis.text(x, y, words, ha="center", va="center", fontsize=7.5, color=shade)
    if cell.mechanism:
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})


def _row_name(claim: str, metric: str) -> str:
    return f"{ROWS.get(claim, claim)}, {margins.metric(metric).label}"


def _count(seeds: int | None, source: str) -> str:
    if source == PAPER:
        return ""
    return f"n = {'?' if seeds is None else seeds}"


def _legend(figure: Figure) -> None:
    shades = [
        (Patch(color=WITH), "the claim's way"),
        (Patch(color=AGAINST), "the other way"),
        (Patch(color=NEITHER), "no relevant difference"),
        (_shade(":", FAINT), NO_TEST),
        (_shade("-", FAINT), "undecided"),
        (_shade("-", FULL), "supported or contradicted"),
        (Patch(fill=False, hatch=HATCH, edgecolor=WITH, linewidth=0), MECHANISM),
    ]
    figure.legend(
        [patch for patch, _ in shades],
        [words for _, words in shades],
        loc="outside lower center",
        ncols=3,
        fontsize=8,
        frameon=False,
    )


def _shade(line: Literal["-", ":"], alpha: float) -> Patch:
    patch = Patch(facecolor=to_rgba(WITH, alpha), edgecolor=WITH)
    patch.set_linestyle(line)
    return patch
