"""Figures of prices: LICO by its baseline, the bench and its bars, energy."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from helpers.report.cost_figures import MARKS, below, plain_ticks
from helpers.report.figures import WIDTH

GOOD, BAD, OPEN = "#0173b2", "#d55e00", "#777777"


def price(rows: pd.DataFrame) -> Figure:
    """Show prices of LICO in units of the baseline, a dot a price, a line at 1.

    `rows`: columns "what", "kind" and "ratio"; a row of the figure for each "what".
    """
    names = list(dict.fromkeys(rows["what"]))
    kinds = list(dict.fromkeys(rows["kind"]))
    figure, axis = plt.subplots(figsize=(WIDTH, 0.34 * len(names) + 1.3))
    for number, kind in enumerate(kinds):
        part = rows[rows["kind"] == kind]
        axis.plot(
            part["ratio"],
            [names.index(what) for what in part["what"]],
            MARKS[number],
            color=f"C{number}",
            markersize=7,
            label=kind,
        )
    axis.axvline(1, color="black", linewidth=1, linestyle="--")
    axis.set_yticks(range(len(names)), names, fontsize=8.5)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.08 * max(1.5, float(rows["ratio"].max())))
    axis.set_xlabel("price of LICO, in units of its baseline")
    below(figure, axis, 3)
    return figure


def bench(benches: Mapping[str, Sequence[Mapping[str, Any]] | None]) -> Figure:
    """Show each ratio beside its bar, on a log scale; the arrow says where is better.

    A marker a bench, its line the quartiles; rows without ratio, or of another unit
    than times, are left out. Blue holds, orange does not, grey has no bar.
    """
    made = {name: rows for name, rows in benches.items() if rows}
    shown = {
        name: {_label(r, rows): r for r in rows if _is_ratio(r)}
        for name, rows in made.items()
    }
    names = list(dict.fromkeys(key for rows in shown.values() for key in rows))
    figure, axis = plt.subplots(figsize=(WIDTH, 0.31 * max(len(names), 3) + 1.2))
    if not names:
        words = "no ratio among the rows" if made else "not recorded yet"
        axis.text(0.5, 0.5, words, ha="center", va="center")
        axis.axis("off")
        return figure
    apart = 0.24 if len(shown) > 1 else 0.0
    for number, rows in enumerate(shown.values()):
        shift = apart * (number - (len(shown) - 1) / 2)
        for key, row in rows.items():
            _bench_row(axis, names.index(key) + shift, row, MARKS[number])
    axis.set(xscale="log", xlabel="ratio (▶ ◀: bar, and the better side)")
    axis.axvline(1, color="black", linewidth=0.8, linestyle=":")
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_ylim(len(names) - 0.4, -0.6)
    plain_ticks(axis.xaxis)
    handles: list[Artist] = [
        Line2D([], [], marker=MARKS[number], color="#444444", linestyle="", label=name)
        for number, name in enumerate(shown)
    ]
    handles += [
        Patch(color=colour, label=words)
        for colour, words in ((GOOD, "holds"), (BAD, "does not"), (OPEN, "no bar"))
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        fontsize=8,
        frameon=False,
    )
    return figure


def _label(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return number and name, and on what it is where several rows share these."""
    own = f"{row['number']}  {row['name']}"
    alike = sum((r["number"], r["name"]) == (row["number"], row["name"]) for r in rows)
    return own if alike == 1 else f"{own}, {row['on']}"


def _is_ratio(row: Mapping[str, Any]) -> bool:
    return row.get("unit") == "x" and row["ratio"] is not None and row["ratio"] > 0


def _bench_row(axis: Axes, place: float, row: Mapping[str, Any], mark: str) -> None:
    colour = {True: GOOD, False: BAD, None: OPEN}[row["holds"]]
    if row["bar"]:
        better = ">" if row["sense"] == "at least" else "<"
        axis.plot(row["bar"], place, better, color="black", markersize=6, zorder=2)
        axis.plot(
            [row["bar"], row["ratio"]], [place] * 2, color=colour, alpha=0.35, zorder=1
        )
    if row.get("spread"):
        axis.plot(row["spread"], [place] * 2, color=colour, linewidth=3, zorder=3)
    axis.plot(row["ratio"], place, mark, color=colour, markersize=6.5, zorder=4)


def energy(rows: pd.DataFrame) -> Figure:
    """Show energy on a log scale, a dot a thing, its mark that of its kind.

    `rows`: columns "what", "kind" and "kWh".
    """
    kinds = list(dict.fromkeys(rows["kind"]))
    figure, axis = plt.subplots(figsize=(WIDTH, 0.27 * len(rows) + 1.2))
    for number, kind in enumerate(kinds):
        here = [at for at, own in enumerate(rows["kind"]) if own == kind]
        values = [rows["kWh"].iloc[at] for at in here]
        axis.plot(
            values,
            here,
            MARKS[number],
            color=f"C{number}",
            markersize=7,
            label=kind,
        )
    axis.set_yticks(range(len(rows)), list(rows["what"]), fontsize=8)
    axis.invert_yaxis()
    axis.set(xscale="log", xlabel="kWh")
    plain_ticks(axis.xaxis)
    below(figure, axis, len(kinds))
    return figure
