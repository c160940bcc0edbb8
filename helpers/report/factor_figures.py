"""Figures of single differences: who has them, what they push for, what they do."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from helpers.report import margins
from helpers.report.factors import ON_TEST, Effect, group_of, on_test, ranked
from helpers.report.whole_codes import Whole

NARROW = 5.6  # inches: rows of words stay legible where a page is a phone's
ROW = 0.235  # inches a row
LINEAR, TICKS = 2, (1, 2, 10, 50)  # in units of changing nothing
COLOURS = {  # as the colour-blind palette, darkened: names are set in them
    "words": "#0173b2",
    "prompts": "#01795a",
    "MM": "#b84d00",
    "OT": "#9e3d8c",
    "training": "#5d4037",
    "code": "#333333",
    "rebuttal": "#333333",
}
MARKS = {
    "yes": ("o", True),
    "part of another": ("o", False),
    "by an option, or not kept": ("^", False),
}
_OTHER = ("s", False)  # of a mark that is neither


def matrix(table: pd.DataFrame, codes: Mapping[str, str]) -> Figure:
    """Show which code has which difference: a row a difference, a column a code.

    `table` as `chapters.which_difference.code_table` gives it; `codes` maps its columns
    to words. Filled: the code has it; open: as part of a larger one; a triangle: by an
    option, or not kept; a square: on one data set alone.
    """
    count = len(table)
    figure, axis = plt.subplots(figsize=(NARROW, ROW * count + 1.6))
    for place, row in enumerate(table.to_dict("records")):
        colour = COLOURS[row["group"]]
        if place % 2:
            axis.axhspan(place - 0.5, place + 0.5, color="#f4f4f4", linewidth=0)
        for column, code in enumerate(codes):
            if row[code]:
                marker, filled = MARKS.get(row[code], _OTHER)
                face = colour if filled else "white"
                axis.plot(
                    column,
                    place,
                    marker,
                    color=colour,
                    markerfacecolor=face,
                    markersize=6.5,
                )
    words = list(codes.values())
    axis.set_xticks(range(len(words)), words, rotation=60, ha="left", fontsize=7.5)
    axis.xaxis.tick_top()
    axis.set(xlim=(-0.5, len(words) - 0.5), ylim=(count - 0.5, -0.5))
    axis.grid(visible=False)
    _row_names(axis, list(table["difference"]), list(table["group"]))
    handles = _group_handles(list(table["group"]))
    handles += [
        _dot("has it", "#333333", filled=True),
        _dot("part of a larger one", "#333333", filled=False),
        _dot("by an option, or not kept", "#333333", filled=False, marker="^"),
        _dot("on CIFAR-100 alone", "#333333", filled=False, marker="s"),
    ]
    _legend(figure, handles)
    return figure


def push(rows: pd.DataFrame) -> Figure:
    """Show what losses push for: norms of MM and OT on a log scale, and the direction.

    `rows` as `chapters.language_push.pushes` gives them: row, group, MM, OT, cosine. A
    loss without gradient stands at "0", left of the scale.
    """
    count = len(rows)
    figure, (left, right) = plt.subplots(
        1,
        2,
        figsize=(NARROW, ROW * count + 1.2),
        sharey=True,
        width_ratios=(3, 2),
    )
    norms = rows[["MM", "OT"]].to_numpy(dtype=float)
    least = norms[norms > 0].min() if (norms > 0).any() else 1.0
    most = max(norms.max(), least)
    first = math.floor(math.log10(least))
    last = max(math.ceil(math.log10(most)), first + 1)
    zero = 10.0 ** (first - 1)
    for name, marker, offset in (("MM", "o", -0.14), ("OT", "s", 0.14)):
        values = rows[name].to_numpy(dtype=float)
        shown = np.where(values > 0, values, zero)
        left.scatter(
            shown,
            np.arange(count) + offset,
            marker=marker,
            s=26,
            edgecolors=COLOURS[name],
            facecolors=[COLOURS[name] if v > 0 else "white" for v in values],
            zorder=3,
        )
    left.set_xscale("log")
    powers = list(range(first, last + 1, 1 + (last - first) // 5))
    left.set_xticks(
        [zero, *(10.0**p for p in powers)],
        ["0", *(f"$10^{{{p}}}$" for p in powers)],
        fontsize=8,
    )
    left.minorticks_off()
    left.set_xlim(zero / 3, 3 * 10.0**last)
    left.axvline(zero * math.sqrt(10), color="gray", linewidth=1, linestyle=":")
    left.set_xlabel("gradient on F, in units of CE's", fontsize=8.5)
    right.axvline(1, color="gray", linewidth=1)
    right.axvline(0, color="gray", linewidth=1)
    for place, row in enumerate(rows.to_dict("records")):
        if math.isfinite(row["cosine"]):
            right.plot(row["cosine"], place, "D", color="#333333", markersize=4.5)
    right.set_xlim(min(-0.15, float(rows["cosine"].min()) - 0.1), 1.1)
    right.set_xticks([0, 0.5, 1])
    right.tick_params(labelsize=8)
    right.set_xlabel("cosine of both\nwith the first row's", fontsize=8.5)
    left.set_ylim(count - 0.5, -0.5)
    _row_names(left, list(rows["row"]), list(rows["group"]))
    handles = [_dot("α MM", COLOURS["MM"]), _dot("β OT", COLOURS["OT"], marker="s")]
    _legend(figure, [*handles, _dot("no gradient", "#333333", filled=False)])
    return figure


def ranking(found: Mapping[str, Sequence[Effect]]) -> Figure:
    """Show all effects in units of changing nothing, a panel a metric, sorted by size.

    The first metric sorts. Thick: the 95 % interval of an effect by itself; thin: that
    which holds together with all others (an arrow where it leaves the panel). The scale
    is even up to `LINEAR` units of nothing and logarithmic beyond. The pale
    band is changing nothing, the darker one the same for a mean over the seeds. Open
    marks are barred from a verdict: a circle where a loss is inert, a diamond where a
    run is not trained out, a square where test pictures chose the epoch.
    """
    first = ranked(next(iter(found.values()), []))
    if not first:
        return _empty("no difference has been trained here")
    order = [one.factor.name for one in first]
    figure, axes = plt.subplots(
        1,
        len(found),
        figsize=(NARROW, ROW * len(order) + 1.5),
        sharey=True,
        squeeze=False,
    )
    for axis, (metric, effects) in zip(axes[0], found.items(), strict=True):
        _panel(axis, metric, {one.factor.name: one for one in effects}, order)
    groups = [group_of(one.factor) for one in first]
    axes[0][0].set_ylim(len(order) - 0.5, -0.5)
    _row_names(axes[0][0], order, groups)
    handles = [
        *_group_handles(groups),
        _dot("may be judged", "#333333"),
        _dot("a loss inert", "#333333", filled=False),
        _dot("under-trained", "#333333", filled=False, marker="D"),
    ]
    if any(on_test(one.factor) for one in first):
        handles.append(_dot(ON_TEST, "#333333", filled=False, marker="s"))
    _legend(figure, handles)
    return figure


def _panel(
    axis: Axes, metric: str, effects: Mapping[str, Effect], order: Sequence[str]
) -> None:
    label = margins.metric(metric).label
    known = [one for one in effects.values() if math.isfinite(one.ratio)]
    axis.axvline(0, color="gray", linewidth=1)
    if not known:
        axis.text(
            *(0.5, 0.5, "one seed: no size\nof changing nothing"),
            transform=axis.transAxes,
            ha="center",
            fontsize=8,
        )
        axis.set_xlabel(label, fontsize=8.5)
        axis.set_xticks([])
        return
    reach = max(abs(x) for one in known for x in (one.ratio, *one.scaled(one.alone)))
    reach = 1.1 * max(reach, 1.5)
    share = 1 / math.sqrt(max(one.verdict.seeds for one in known))
    axis.axvspan(-1, 1, color="gray", alpha=0.16, linewidth=0)
    axis.axvspan(-share, share, color="gray", alpha=0.22, linewidth=0)
    for place, name in enumerate(order):
        if name in effects and math.isfinite(effects[name].ratio):
            _effect(axis, place, effects[name], reach)
    axis.set_xscale("symlog", linthresh=LINEAR)
    axis.set_xlim(-reach, reach)
    ticks = [x for x in TICKS if x < reach]
    signed = [-x for x in reversed(ticks)] + [0] + ticks
    axis.set_xticks(signed, [f"{x:g}".replace("-", "\N{MINUS SIGN}") for x in signed])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.tick_params(labelsize=8)
    axis.set_xlabel(f"{label},\nin units of changing nothing", fontsize=8.5)


def _effect(axis: Axes, place: int, one: Effect, reach: float) -> None:
    colour = COLOURS[group_of(one.factor)]
    low, high = one.scaled(one.verdict.interval)
    ends = (max(low, -reach), min(high, reach))
    axis.plot(ends, (place, place), color=colour, linewidth=0.8)
    for outside, edge, marker in (
        (low < -reach, -0.97 * reach, "<"),
        (high > reach, 0.97 * reach, ">"),
    ):
        if outside:
            axis.plot(edge, place, marker, color=colour, markersize=5)
    axis.plot(one.scaled(one.alone), (place, place), color=colour, linewidth=2.6)
    marker = "D" if not one.trained_out else "s" if on_test(one.factor) else "o"
    barred = bool(one.inert) or marker != "o"
    axis.plot(
        one.ratio,
        place,
        marker=marker,
        color=colour,
        markerfacecolor="white" if barred else colour,
        markersize=6.5,
        zorder=3,
    )


def additivity(found: Mapping[str, Sequence[Whole]]) -> Figure:
    """Show whole codes against the sum of their differences, a panel a metric.

    On the dashed line the sum says what the whole does. Lines are 95 % intervals over
    seeds; the band is the margin on either side of the line.
    """
    shown = {
        metric: [one for one in wholes if math.isfinite(one.total[0])]
        for metric, wholes in found.items()
    }
    names = list(dict.fromkeys(one.preset for w in shown.values() for one in w))
    if not names:
        return _empty("no code of which all differences are recorded")
    figure, axes = plt.subplots(1, len(shown), figsize=(NARROW, 3.4), squeeze=False)
    palette = plt.get_cmap("tab10")
    for axis, (metric, wholes) in zip(axes[0], shown.items(), strict=True):
        label = margins.metric(metric).label
        values = [x for one in wholes for x in (*one.whole, *one.total)]
        values = [x for x in values if math.isfinite(x)] or [0.0]
        low, high = min(*values, 0.0), max(*values, 0.0)
        pad = 0.08 * (high - low) or margins.metric(metric).margin
        ends = np.array([low - pad, high + pad])
        margin = margins.metric(metric).margin
        axis.fill_between(
            ends, ends - margin, ends + margin, color="gray", alpha=0.2, linewidth=0
        )
        axis.plot(ends, ends, "--", color="gray", linewidth=1)
        for one in wholes:
            colour = palette(names.index(one.preset))
            axis.plot(one.total[1:], [one.whole[0]] * 2, color=colour, linewidth=1.2)
            axis.plot([one.total[0]] * 2, one.whole[1:], color=colour, linewidth=1.2)
            axis.plot(one.total[0], one.whole[0], "o", color=colour, markersize=6)
        axis.set(xlim=tuple(ends), ylim=tuple(ends), aspect="equal")
        axis.tick_params(labelsize=7.5)
        axis.locator_params(nbins=4)
        axis.set_xlabel(f"{label}: sum of differences", fontsize=8.5)
        axis.set_ylabel(f"{label}: whole code", fontsize=8.5)
    handles = [_dot(name, palette(i)) for i, name in enumerate(names)]
    _legend(figure, handles)
    return figure


def _row_names(axis: Axes, names: Sequence[str], groups: Sequence[str]) -> None:
    axis.set_yticks(range(len(names)), names, fontsize=8.5)
    for text, group in zip(axis.get_yticklabels(), groups, strict=True):
        text.set_color(COLOURS[group])


def _group_handles(groups: Sequence[str]) -> list[Patch | Line2D]:
    return [
        Patch(color=colour, label=group)
        for group, colour in COLOURS.items()
        if group in set(groups)
    ]


def _dot(label: str, colour: object, filled: bool = True, marker: str = "o") -> Line2D:
    dot = Line2D([], [], linestyle="", marker=marker, markersize=6, label=label)
    dot.set_color(colour)  # type: ignore[arg-type]
    dot.set_markerfacecolor(colour if filled else "white")  # type: ignore[arg-type]
    return dot


def _legend(figure: Figure, handles: Sequence[Patch | Line2D]) -> None:
    figure.legend(
        handles=list(handles),
        loc="outside lower center",
        ncols=3,
        fontsize=8,
        frameon=False,
    )


def _empty(text: str) -> Figure:
    figure, axis = plt.subplots(figsize=(NARROW, 1.2))
    axis.text(0.5, 0.5, text, ha="center", va="center", fontsize=9)
    axis.axis("off")
    return figure
