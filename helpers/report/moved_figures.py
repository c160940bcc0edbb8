"""Figures in which a quantity is moved by hand: a slider each, one frame a value."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
from torch import Tensor

from helpers.measure.perturbation import Curves
from helpers.report import frames
from helpers.report.figures import WIDTH, one_legend

STYLES = ("-", "--", "-.", ":")
MARKS = ("o", "s", "D", "^", "v")


def plans_over_epsilon(
    plans: Mapping[float, Tensor],
    means: pd.DataFrame,
    names: Sequence[str],
    setting: float,
) -> frames.Slider:
    """Return a slider over epsilon: the plan of one picture, and what it is worth.

    Channels stand in one order in all frames, by the token to which the plan of the
    smallest epsilon sends most. Epsilon 0 is the exact plan, at the left end.

    Shapes: plans `[C, M]`, an epsilon each. `means` has columns epsilon, entropy and
    gain, means over pictures. `setting`: the epsilon of the frame shown first.
    """
    values = sorted(plans)
    channels, tokens = plans[values[0]].shape
    best = plans[values[0]].max(1)
    order = (best.indices * 1000 - best.values).argsort(stable=True)
    smallest = min((value for value in values if value > 0), default=1.0)
    places = {value: value or smallest / 4 for value in values}
    shown = means[means["epsilon"].isin(values)].sort_values("epsilon")

    def draw(epsilon: float) -> Figure:
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(WIDTH, 3.2), width_ratios=(2.2, 1)
        )
        times = (plans[epsilon] * channels * tokens)[order]
        image = left.imshow(
            times.clamp(1 / tokens, tokens).T.numpy(),
            aspect="auto",
            cmap="RdBu_r",
            norm=LogNorm(1 / tokens, max(tokens, 2)),
        )
        left.set_yticks(range(len(names)), names, fontsize=7)
        left.set_xlabel("channel", fontsize=9)
        left.tick_params(axis="x", labelsize=8)
        left.grid(visible=False)
        bar = figure.colorbar(image, ax=left, pad=0.01)
        bar.set_label("times the uniform plan", fontsize=8)
        ticks = [1 / tokens, 1, tokens]
        bar.set_ticks(ticks, labels=[f"1/{tokens}", "1", f"{tokens}"], fontsize=8)
        bar.ax.yaxis.set_minor_locator(NullLocator())
        at = [places[value] for value in shown["epsilon"]]
        for column, style in zip(("entropy", "gain"), STYLES, strict=False):
            right.plot(at, shown[column], style, marker="o", markersize=3, label=column)
        right.axvline(places[epsilon], color="black", linewidth=1.5)
        right.set(xscale="log", ylim=(-0.05, 1.05))
        right.set_xlabel("epsilon, 0 at the left end", fontsize=9)
        right.tick_params(labelsize=8)
        right.legend(fontsize=8, loc="center left")
        return figure

    def alt(epsilon: float) -> str:
        row = shown[shown["epsilon"] == epsilon].iloc[0]
        top = float(plans[epsilon].max()) * channels * tokens
        return (
            f"Heat map of the plan at epsilon {epsilon:g}, tokens by channels: the "
            f"largest entry is {top:.1f} times the uniform one. Beside it curves of "
            f"entropy, here {row['entropy']:.2f}, and gain, here {row['gain']:.2f}."
        )

    return frames.over(
        values,
        draw,
        "epsilon",
        lambda value: f"{value:g}" if value else "0, the exact plan",
        alt,
        frames.nearest(values, setting),
    )


def tokens_over_contexts(
    counts: Mapping[int, pd.DataFrame], ways: Sequence[str], setting: int
) -> frames.Slider:
    """Return a slider over the number of learnable tokens: a step's tokens, by way.

    `counts`: a table a number, with columns "data", "prompts" and a column a way, NaN
    where it is barred. A line is a form of the prompts; all frames have one scale.
    """
    values = sorted(counts)
    every = np.concatenate([counts[n][list(ways)].to_numpy().ravel() for n in values])
    low, high = np.nanmin(every) / 1.5, np.nanmax(every) * 1.5
    sets = list(dict.fromkeys(counts[values[0]]["data"]))

    def draw(number: int) -> Figure:
        figure, axes = plt.subplots(
            1, len(sets), figsize=(WIDTH, 3.4), sharey=True, squeeze=False
        )
        for axis, data in zip(axes[0], sets, strict=True):
            rows = counts[number][counts[number]["data"] == data].to_dict("records")
            for i, row in enumerate(rows):
                known = [at for at, way in enumerate(ways) if row[way] == row[way]]
                values = [row[ways[at]] for at in known]
                axis.plot(known, values, MARKS[i] + "-", label=row["prompts"])
            axis.set(yscale="log", xlim=(-0.3, len(ways) - 0.7), ylim=(low, high))
            axis.set_title(data, fontsize=9)
            axis.set_xticks(range(len(ways)), ways, rotation=90, fontsize=8)
            axis.tick_params(axis="y", labelsize=8)
            axis.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
            axis.yaxis.set_minor_formatter(NullFormatter())
        axes[0, 0].set_ylabel("tokens of a step", fontsize=9)
        one_legend(figure, axes[0].tolist())
        return figure

    def alt(number: int) -> str:
        first = counts[number].iloc[0]
        return (
            f"Lines of the tokens of a step with n = {number}, a panel a data set. For "
            f"{first['data']} with a {first['prompts']} they fall from "
            f"{first[ways[0]]:,.0f} to {first[ways[-1]]:,.0f}."
        )

    start = frames.nearest(values, setting)
    return frames.over(values, draw, "learnable tokens n", str, alt, start)


def scores_over_strength(steps: pd.DataFrame) -> frames.Slider:
    """Return a slider over the strength of a shortcut: what each score sees of it.

    `steps`: columns metric, strength, seed and "in margins", positive where the sound
    network looks better. The frame shown first is that of the strongest shortcut.
    """
    known = steps[steps["in margins"].notna()]
    values = sorted(known["strength"].unique())
    metrics = list(dict.fromkeys(known["metric"]))
    means = known.groupby(["strength", "metric"])["in margins"].mean()
    bound = max(1.5, 1.6 * float(known["in margins"].abs().max()))
    colours = sns.color_palette(n_colors=3)

    def draw(strength: float) -> Figure:
        figure, axis = plt.subplots(figsize=(WIDTH, 1.2 + 0.27 * len(metrics)))
        axis.axvspan(-1, 1, color="gray", alpha=0.25, linewidth=0)
        for row, metric in enumerate(metrics):
            mean = means.get((strength, metric), np.nan)
            colour = colours[0] if mean >= 0 else colours[1]
            axis.plot([0, mean], [row, row], color=colour, linewidth=3)
            mine = known[(known["metric"] == metric) & (known["strength"] == strength)]
            where = [row] * len(mine)
            axis.plot(mine["in margins"], where, "o", color=colour, markersize=4)
        axis.axvline(0, color="black", linewidth=1)
        axis.set_xscale("symlog", linthresh=1)
        axis.set(
            xlim=(-bound, bound),
            ylim=(len(metrics) - 0.4, -0.6),
            yticks=range(len(metrics)),
            yticklabels=metrics,
        )
        ticks = [t for t in (-100, -10, -1, 0, 1, 10, 100) if abs(t) <= bound]
        axis.set_xticks(ticks, [f"{tick:+d}" if tick else "0" for tick in ticks])
        axis.xaxis.set_minor_locator(NullLocator())
        words = "shortcut looks better    |    sound looks better, in margins"
        axis.set_xlabel(words, fontsize=9)
        axis.tick_params(labelsize=8)
        return figure

    def alt(strength: float) -> str:
        now = means[strength]
        better = ", ".join(str(name) for name in now.index[now < -1]) or "none"
        worse = ", ".join(str(name) for name in now.index[now > 1]) or "none"
        return (
            f"With the dot on {strength:.0%} of the class: scores by which the network "
            f"with the shortcut looks better by more than a margin: {better}; by which "
            f"the sound one does: {worse}."
        )

    return frames.over(
        values,
        draw,
        "share of the class that carries the dot",
        lambda share: f"{share:.0%}",
        alt,
        len(values) - 1,
    )


def pixels_taken(
    pictures: Mapping[str, Tensor],
    curves: Mapping[str, Curves],
    shares: Sequence[float],
) -> frames.Slider:
    """Return a slider over the share of deleted pixels: what is left, and its score.

    Shapes: pictures `[S, 3, H, W]` uint8, one a share and map, what deletion leaves;
    `curves` are of the same pictures and maps, the first picture of each is shown.
    """
    names = list(pictures)

    def at(name: str, share: float) -> float:
        found = curves[name]
        return float(np.interp(share, found.shares.cpu(), found.deletion[0].cpu()))

    def draw(share: float) -> Figure:
        number = list(shares).index(share)
        columns = len(names) + 2
        figure = plt.figure(figsize=(WIDTH, 0.9 + WIDTH / columns))
        grid = figure.add_gridspec(1, columns)
        for i, name in enumerate(names):
            axis = figure.add_subplot(grid[i])
            axis.imshow(pictures[name][number].permute(1, 2, 0).numpy())
            axis.set_title(f"{name}\np = {at(name, share):.2f}", fontsize=8.5)
            axis.set_axis_off()
        axis = figure.add_subplot(grid[len(names) :])
        for i, name in enumerate(names):
            line, mark = STYLES[i % len(STYLES)], MARKS[i % len(MARKS)]
            found = curves[name]
            axis.plot(found.shares.cpu(), found.deletion[0].cpu(), line, label=name)
            axis.plot([share], [at(name, share)], mark, color=f"C{i}")
        axis.set(ylim=(-0.02, 1.02), xlim=(0, 1))
        axis.set_xlabel("share of pixels deleted", fontsize=9)
        axis.set_title("probability of the class", fontsize=8.5)
        axis.tick_params(labelsize=8)
        axis.legend(fontsize=7)
        return figure

    def alt(share: float) -> str:
        told = ", ".join(f"{at(name, share):.2f} by {name}" for name in names)
        return (
            f"One picture with {share:.0%} of its pixels deleted in the order of each "
            f"map, and deletion curves. Probability of the class: {told}."
        )

    return frames.over(
        shares,
        draw,
        "share of pixels deleted",
        lambda share: f"{share:.0%}",
        alt,
    )
