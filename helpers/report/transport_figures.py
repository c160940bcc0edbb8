"""Figures of transport: what is moved, what it costs, the plan, and its gradients."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from helpers.report.figures import WIDTH, one_legend

PAID = "⟨T, c⟩"  # the column of tables; a bare "<T, c>" would be a tag of the page
STYLES = ((), (4, 1.5), (1, 1), (5, 1, 1, 1))  # dashes: lines that lie on each other
MARKERS = ("o", "s", "D", "^")


def toy(cost: Tensor, plans: Mapping[str, Tensor]) -> Figure:
    """Show a small cost `[C, M]` and plans of it, every number written in its cell."""
    panels = {"cost": cost, **plans}
    figure, axes = plt.subplots(
        1, len(panels), figsize=(WIDTH, 2.5), squeeze=False, sharey=True
    )
    for axis, (name, values) in zip(axes[0], panels.items(), strict=True):
        colours, top = ("Oranges", None) if name == "cost" else ("Blues", 0.4)
        frame = pd.DataFrame(
            values.numpy(),
            index=[f"channel {i + 1}" for i in range(len(values))],
            columns=[f"token {j + 1}" for j in range(values.shape[1])],
        )
        sns.heatmap(
            frame,
            annot=True,
            fmt=".2f",
            cmap=colours,
            cbar=False,
            vmin=0,
            vmax=top,
            linewidths=1,
            ax=axis,
        )
        axis.set_title(name)
        axis.tick_params(labelsize=8, rotation=0, left=False, bottom=False)
    return figure


def maps_and_tokens(
    image: Tensor,
    maps: Tensor,
    channels: Sequence[int],
    tokens: Tensor,
    names: Sequence[str],
) -> Figure:
    """Show a picture with some of its channels, over all tokens of its prompt.

    Shapes: image `[3, H, W]` uint8, maps `[C, h, w]`, tokens `[M, h, w]`. A channel is
    shown from 0 to its largest value, a token symmetric about 0.
    """
    columns = 1 + len(channels)
    rows = 1 + -(-len(tokens) // columns)
    side = WIDTH / columns
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, rows * (side + 0.22)), squeeze=False
    )
    for axis in axes.flat:
        axis.set_axis_off()
    first, *others = axes[0]
    first.imshow(image.permute(1, 2, 0).numpy())
    first.set_title("picture", fontsize=9, pad=3)
    for axis, channel in zip(others, channels, strict=True):
        axis.imshow(maps[channel].numpy(), cmap="magma", vmin=0)
        axis.set_title(f"channel {channel}", fontsize=9, pad=3)
    for axis, values, name in zip(axes[1:].flat, tokens, names, strict=False):
        top = float(values.abs().max()) or 1.0
        axis.imshow(values.numpy(), cmap="PuOr", vmin=-top, vmax=top)
        axis.set_title(name, fontsize=9, pad=3)
    return figure


def cost_matrix(cost: Tensor, names: Sequence[str]) -> Figure:
    """Show the cost `[C, M]` of one picture, a row a token."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.0))
    low, high = float(cost.min()), float(cost.max())
    shown = _heat(axis, cost, names, cmap="rocket_r", vmin=low, vmax=high)
    axis.set_xlabel("channel")
    figure.colorbar(shown, ax=axis, label="cost", pad=0.01)
    return figure


def plans(found: Mapping[str, Tensor], names: Sequence[str]) -> Figure:
    """Show plans `[C, M]` one below the other, in multiples of the uniform plan.

    The channels of each are sorted by the token to which they send most.
    """
    figure, axes = plt.subplots(
        len(found), 1, figsize=(WIDTH, 2.05 * len(found)), squeeze=False
    )
    for axis, (name, plan) in zip(axes[:, 0], found.items(), strict=True):
        channels, tokens = plan.shape
        times = (plan * channels * tokens).clamp(1 / tokens, tokens)
        best = times.max(1)
        order = (best.indices * 1000 * tokens - best.values).argsort(stable=True)
        norm = LogNorm(1 / tokens, max(tokens, 2))
        shown = _heat(axis, times[order], names, cmap="RdBu_r", norm=norm)
        axis.set_title(name)
    axes[-1, 0].set_xlabel("channel, sorted by the token it sends most to")
    bar = figure.colorbar(shown, ax=axes[:, 0], pad=0.01, aspect=40)
    bar.set_label("times the uniform plan")
    ticks = [1 / tokens, 0.25, 0.5, 1, 2, 4, tokens]
    bar.set_ticks(
        ticks, labels=[f"1/{tokens}", "1/4", "1/2", "1", "2", "4", f"{tokens}"]
    )
    return figure


def convergence(frame: pd.DataFrame, floor: float = 1e-12) -> Figure:
    """Show the marginal error over iterations, a line an epsilon, down to `floor`."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.3))
    shown = frame.assign(error=frame["error"].clip(lower=floor))
    shown["epsilon"] = shown["epsilon"].map("{:g}".format)
    sns.lineplot(
        shown, x="iteration", y="error", hue="epsilon", palette="mako", ax=axis
    )
    axis.set(xscale="log", yscale="log", ylabel="error of the rows")
    axis.legend(title="epsilon", fontsize=8, title_fontsize=8)
    return figure


def token_bars(mass: Tensor, distance: Tensor, names: Sequence[str]) -> Figure:
    """Show, for each of M tokens, its mass and how it differs between classes."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
    labels = ("share of the plan's mass", "squared distance between classes")
    for axis, values, label in zip(axes, (mass, distance), labels, strict=True):
        axis.bar(list(names), values.numpy(), color=sns.color_palette()[0])
        axis.tick_params(axis="x", rotation=90, labelsize=8)
        axis.set_ylabel(label)
    axes[0].axhline(1 / len(mass), color="black", linestyle="--", linewidth=1)
    return figure


def sweep(frame: pd.DataFrame) -> Figure:
    """Show entropy, gain and ⟨T, c⟩ over epsilon; epsilon 0 stands at the left end."""
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.4))
    smallest = frame.loc[frame["epsilon"] > 0, "epsilon"].min()
    exact = smallest / 4
    shown = frame.assign(x=frame["epsilon"].where(frame["epsilon"] > 0, exact))
    high = frame["epsilon"].max() * 1.5
    ticks = [exact, *(10.0**p for p in range(-6, 3) if smallest < 10.0**p < high)]
    for axis, column in zip(axes, ("entropy", "gain", PAID), strict=True):
        _lines(axis, shown, "x", column, "features")
        axis.set(xscale="log", xlabel="epsilon")
        axis.axvline((smallest * exact) ** 0.5, color="gray", linewidth=0.8)
        words = ["exact", *(f"{tick:g}" for tick in ticks[1:])]
        axis.set_xticks(ticks, words, fontsize=8)
        axis.minorticks_off()
    one_legend(figure, axes.tolist())
    return figure


def gradients(frame: pd.DataFrame) -> Figure:
    """Show each gradient against the exact one over epsilon, a row a feature set."""
    kinds = frame["features"].unique()
    figure, axes = plt.subplots(
        len(kinds),
        2,
        figsize=(WIDTH, 2.3 * len(kinds) + 0.5),
        squeeze=False,
        sharex=True,
        sharey="col",
    )
    for row, name in zip(axes, kinds, strict=True):
        part = frame[frame["features"] == name]
        for axis, column in zip(row, ("relative difference", "cosine"), strict=True):
            _lines(axis, part, "epsilon", column, "gradient")
            axis.set(xscale="log")
            axis.set_title(name, fontsize=9)
    one_legend(figure, axes.ravel().tolist())
    return figure


def history(frame: pd.DataFrame) -> Figure:
    """Show what training did to the transport, a line a seed.

    Columns: epoch, seed, ot, plan entropy, plan gain, ot gradient, mm gradient and
    ce gradient (norms on the feature maps).
    """
    figure, axes = plt.subplots(1, 4, figsize=(WIDTH, 2.7))
    ratio = frame.assign(
        **{"OT / CE gradient": frame["ot gradient"] / frame["ce gradient"]}
    )
    columns = ("ot", "plan entropy", "plan gain", "OT / CE gradient")
    titles = (PAID, "plan entropy", "plan gain", "OT / CE gradient")
    for axis, column, title in zip(axes, columns, titles, strict=True):
        sns.lineplot(
            ratio,
            x="epoch",
            y=column,
            units="seed",
            estimator=None,
            marker="." if frame["epoch"].nunique() < 3 else None,
            ax=axis,
        )
        axis.set_title(_mathematics(title), fontsize=10)
        axis.set_ylabel("")
        axis.tick_params(labelsize=8)
    axes[-1].set_yscale("log")
    return figure


def _heat(axis: Axes, values: Tensor, names: Sequence[str], **how: Any) -> AxesImage:
    """Draw `[C, M]` with a row a token."""
    shown = axis.imshow(values.T.numpy(), aspect="auto", **how)
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.grid(visible=False)
    axis.tick_params(axis="x", labelsize=8)
    return shown


def _lines(axis: Axes, frame: pd.DataFrame, x: str, y: str, hue: str) -> None:
    sns.lineplot(
        frame,
        x=x,
        y=y,
        hue=hue,
        style=hue,
        markers=list(MARKERS[: frame[hue].nunique()]),
        dashes=list(STYLES[: frame[hue].nunique()]),
        ax=axis,
    )
    axis.set_title(_mathematics(y) if hue == "features" else "", fontsize=10)
    axis.set_ylabel("" if hue == "features" else y)


def _mathematics(word: str) -> str:
    return r"$\langle T, c \rangle$" if word == PAID else word
