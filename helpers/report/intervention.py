"""Did the language losses act? What a training's history says of them.

A column is the mean over an epoch of what LICO's training step returns: gradient norms
of the weighted losses on the feature maps, masses and entropies of the affinities,
what the transport plan saves. Without an intervention there is no verdict.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.report.margins import is_inert

LOSSES = ("mm", "ot", "contrast")


def shares(history: pd.DataFrame) -> pd.DataFrame:
    """Return each language loss's gradient norm in units of CE's, a row an epoch."""
    return pd.DataFrame(
        {"epoch": history["epoch"]}
        | {
            name: history[f"{name} gradient"] / history["ce gradient"]
            for name in LOSSES
            if f"{name} gradient" in history
        }
    )


def off_diagonal(history: pd.DataFrame) -> pd.Series:
    """Return the smaller off-diagonal mass of the two affinities, a row an epoch."""
    both = history[["image off-diagonal", "text off-diagonal"]]
    return both.min(axis=1)


def looked_into(history: pd.DataFrame) -> pd.DataFrame:
    """Return the epochs in which the losses were looked into, every few steps."""
    if "ce gradient" not in history:
        return history
    unseen = history["ce gradient"].isna() & history["loss"].notna()
    return history[~unseen]


def inert_losses(history: pd.DataFrame) -> tuple[str, ...]:
    """Return the added losses of a training that did not act, by `margins.is_inert`.

    An arm with one of them gets no verdict: what it is named for did not happen. Epochs
    too short to be looked into say nothing; where the loss diverged, nothing acted.
    """
    history = looked_into(history)
    found = shares(history)
    inert = []
    for name in LOSSES:
        if name in found:
            mass = list(off_diagonal(history)) if name == "mm" else None
            if is_inert(list(found[name]), mass):
                inert.append(name)
    return tuple(inert)


def describe(history: pd.DataFrame) -> dict[str, float | str]:
    """Return one line on the intervention: shares, masses, plan, and which side moved.

    Medians over epochs, but the values of the last epoch where named so. `fall of MM`:
    MM of the first epoch minus MM of the last; `by the image`: the part of that fall
    that remains where the texts are those of the start.
    """
    line: dict[str, float | str] = {}
    history = looked_into(history)
    found = shares(history)
    for name in LOSSES:
        if name in found:
            line[f"{name} share"] = float(found[name].median())
    first, last = history.iloc[0], history.iloc[-1]
    if "mm" in history:
        line["off-diagonal"] = float(off_diagonal(history).median())
        line["tau, last"] = float(last["tau"])
        line["fall of MM"] = float(first["mm"] - last["mm"])
        start = "mm, texts of the start"
        line["by the image"] = float(first[start] - last[start])
    if "ot" in history:
        line["plan entropy"] = float(history["plan entropy"].median())
        line["plan gain"] = float(history["plan gain"].median())
    if "class token mass" in history:
        line["class token mass"] = float(history["class token mass"].median())
    line["inert"] = ", ".join(inert_losses(history)) or "no"
    return line


def inert_in(runs: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the losses that are inert in any run of a summary: "mm", "ot"."""
    said = [run.get("intervention", {}).get("inert", "no") for run in runs]
    return tuple(sorted({name for text in said for name in text.split(", ")} - {"no"}))


def inert_words(runs: Iterable[Mapping[str, Any]]) -> str:
    """Return `inert_in` for a cell: "mm, ot", or "no"."""
    return ", ".join(inert_in(runs)) or "no"


def mean_of(lines: Sequence[Mapping[str, float | str]]) -> dict[str, float | str]:
    """Return the mean of each number over seeds, and every loss that is inert once."""
    means = pd.DataFrame(list(lines)).drop(columns="inert").mean()
    numbers = {str(name): float(value) for name, value in means.items()}
    return {**numbers, "inert": inert_words({"intervention": line} for line in lines)}


def any_inert(histories: Iterable[pd.DataFrame]) -> bool:
    """Tell whether a language loss was inert in any of these trainings."""
    return bool(np.any([bool(inert_losses(history)) for history in histories]))
