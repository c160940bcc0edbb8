"""The committed margins and endpoints of `margins.yml`, read once."""

import difflib
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

Kind = Literal["superiority", "non-inferiority"]
FILE = Path(__file__).with_name("margins.yml")


@dataclass(frozen=True)
class Metric:
    """A metric, the difference in it that matters, and which way is better."""

    name: str
    label: str
    margin: float
    unit: str
    higher_is_better: bool


@dataclass(frozen=True)
class Comparison:
    """Two sides of arms; the arms of a side are summed."""

    better: tuple[str, ...]
    than: tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """A primary claim: its comparisons hold together, on each metric separately."""

    name: str
    says: str
    kind: Kind
    metrics: tuple[str, ...]
    compare: tuple[Comparison, ...]
    maps: str | None = None  # the saliency method of map scores


@dataclass(frozen=True)
class Inference:
    """How an interval is formed and when it may be judged."""

    confidence: float
    power: float
    minimal_seeds: int
    widening: float  # share of the baseline's between-seed SD
    secondary: str
    simultaneous: str


@dataclass(frozen=True)
class Inert:
    """Under which values, and for how long, a language loss did not act."""

    gradient_share: float
    off_diagonal: float
    share_of_training: float


@dataclass(frozen=True)
class TrainedOut:
    """How little the end of training may move training accuracy."""

    share_of_training: float
    movement: float


@dataclass(frozen=True)
class RedDot:
    """Flip rates that show a shortcut learnt."""

    flips_at_full: float
    flips_at_none: float


@dataclass(frozen=True)
class Margins:
    """All of `margins.yml`."""

    inference: Inference
    metrics: Mapping[str, Metric]
    claims: tuple[Claim, ...]
    inert: Inert
    trained_out: TrainedOut
    red_dot: RedDot


def _claim(entry: dict[str, Any]) -> Claim:
    pairs = [
        Comparison(tuple(pair["better"]), tuple(pair["than"]))
        for pair in entry["compare"]
    ]
    return Claim(
        **entry | {"metrics": tuple(entry["metrics"]), "compare": tuple(pairs)}
    )


@cache
def load() -> Margins:
    """Return the content of `margins.yml`, read once a process."""
    text = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return Margins(
        inference=Inference(**text["inference"]),
        metrics={name: Metric(name, **row) for name, row in text["metrics"].items()},
        claims=tuple(_claim(entry) for entry in text["claims"]),
        inert=Inert(**text["inert"]),
        trained_out=TrainedOut(**text["trained_out"]),
        red_dot=RedDot(**text["red_dot"]),
    )


def digest() -> str:
    """Return the sha256 of `margins.yml` (line ends as \\n): a record carries it."""
    return hashlib.sha256(FILE.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def metric(name: str) -> Metric:
    """Return a metric by its name in lower case, as in `margins.yml`.

    Raises ValueError, with the nearest name, if no margin was committed for it.
    """
    known = load().metrics
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.0)[0]
    raise ValueError(
        f"no margin for metric {name!r}; nearest: {near!r}; all: {', '.join(known)}"
    )


def margin(name: str, baseline_sd: float = 0.0) -> float:
    """Return the smallest difference that matters, in the metric's unit.

    max(committed margin, baseline_sd / 2), with the SD over training seeds of the
    baseline's mean score. Raises ValueError on an unknown metric or an SD that is
    negative or not finite.

    >>> margin("accuracy"), margin("accuracy", baseline_sd=0.02)
    (0.005, 0.01)
    """
    if not (math.isfinite(baseline_sd) and baseline_sd >= 0):
        raise ValueError(f"baseline_sd must be finite and >= 0, got {baseline_sd}")
    return max(metric(name).margin, load().inference.widening * baseline_sd)


def is_inert(
    gradient_share: Sequence[float], off_diagonal: Sequence[float] | None = None
) -> bool:
    """Tell whether a language loss did not act for more than half of the epochs.

    `gradient_share [epochs]`: norm of the weighted loss gradient on the image features
    relative to that of CE; `off_diagonal [epochs]`: mass of the affinity off its
    diagonal, in [0, 1] (None for a loss without one). An epoch is idle if either is
    under its bar; NaN counts as under. Raises ValueError without an epoch.
    """
    bars = load().inert
    idle = ~(np.asarray(gradient_share, dtype=float) >= bars.gradient_share)
    if off_diagonal is not None:
        idle |= ~(np.asarray(off_diagonal, dtype=float) >= bars.off_diagonal)
    if idle.size == 0:
        raise ValueError("gradient_share holds no epoch")
    return bool(idle.mean() > bars.share_of_training)


def is_trained_out(training_accuracy: Sequence[float]) -> bool:
    """Tell whether the last quarter of training moved accuracy by under 2 points.

    `training_accuracy [epochs]`, fractions in [0, 1]: |last - value before the last
    quarter| < 0.02, the quarter being at least one epoch. One epoch is never enough.
    """
    bars = load().trained_out
    epochs = len(training_accuracy)
    quarter = max(1, math.ceil(epochs * bars.share_of_training))
    if epochs <= quarter:
        return False
    moved = abs(training_accuracy[-1] - training_accuracy[-1 - quarter])
    return bool(moved < bars.movement)


def learnt_shortcut(flips_at_full: float, flips_at_none: float) -> bool:
    """Tell whether the dot moves other classes' pictures to its class, and only it.

    Flip rates in [0, 1] at full strength and at none; False is "no shortcut learnt".
    """
    gate = load().red_dot
    return flips_at_full >= gate.flips_at_full and flips_at_none <= gate.flips_at_none
