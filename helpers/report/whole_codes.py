"""Whole codes: does the sum of single differences say what all of them do together?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers.measure.statistics import Floats, paired_differences, seed_means
from helpers.methods.factors import FACTORS, Factor
from helpers.methods.presets import differences
from helpers.report.admission import heard
from helpers.report.factors import (
    LICO,
    Summary,
    arm_scores,
    differences_of,
    estimate,
    has_metric,
    present,
)
from helpers.report.ledger import (
    BASELINE,
    common_seeds,
    inert_arms,
    is_trained_out,
)
from helpers.report.verdict import Verdict, verdict


def partition(preset: str) -> tuple[list[Factor], list[str]]:
    """Return single differences that make up a code, and switches that none covers.

    Greedy: differences of more switches first, each switch taken once. Of the language
    alone: the training of a code is not part of its preset.
    """
    left = {switch: value for switch, (_, value) in differences(preset).items()}
    taken = []
    for one in sorted(FACTORS, key=lambda one: -len(one.changed)):
        if not one.training and one.changed.items() <= left.items():
            taken.append(one)
            left = {k: v for k, v in left.items() if k not in one.changed}
    return [one for one in FACTORS if one in taken], sorted(left)


@dataclass(frozen=True)
class Whole:
    """A whole code beside the sum of its single differences, on one metric."""

    preset: str
    parts: tuple[str, ...]
    missing: tuple[str, ...]  # parts that the summary does not have
    whole: tuple[float, float, float]  # effect, and its 95 % interval
    total: tuple[float, float, float]  # the sum, NaN if parts are missing
    gap: Verdict | None  # of whole - sum: "no relevant difference" is additive
    learning: tuple[str, ...] = ()  # of code and parts, those not trained out


def whole_codes(
    singles: Summary, codes: Summary, metric: str, presets: Sequence[str]
) -> list[Whole]:
    """Return each preset against `paper`, beside the sum of its single effects.

    `singles` has the factors, `codes` the presets as arms; both have `ce` and `lico`.
    The sum is taken seed by seed, so that its interval knows that all single effects
    share the runs of `paper`. Presets without runs are left out.
    """
    if not (has_metric(codes, metric) and has_metric(singles, metric)):
        return []
    shown = [name for name in presets if common_seeds(codes, [name, LICO])]
    return [_whole(singles, codes, metric, name, len(shown)) for name in shown]


def _whole(
    singles: Summary, codes: Summary, metric: str, name: str, count: int
) -> Whole:
    parts, _ = partition(name)
    there = present(singles, [one.name for one in parts])
    missing = tuple(one.name for one in parts if one not in there)
    whole = estimate(differences_of(codes, [name], [LICO], metric))
    names = tuple(one.name for one in parts)
    if missing or not parts:
        nowhere = (math.nan, math.nan, math.nan)
        return Whole(name, names, missing, whole, nowhere, None)
    seeds = common_seeds(singles, [*names, LICO, BASELINE])
    seeds = [s for s in seeds if s in common_seeds(codes, [name, LICO, BASELINE])]
    if not seeds:
        return Whole(name, names, names, whole, (math.nan,) * 3, None)
    paper, *found = (_means(singles, arm, metric, seeds) for arm in (LICO, *names))
    arms = [name, LICO, BASELINE]
    code, own, base = (_means(codes, arm, metric, seeds) for arm in arms)
    repeated = len(found) * paper
    learning = [one for one in names if not is_trained_out(singles, [one])]
    if not is_trained_out(codes, [name]):
        learning.insert(0, name)
    gap = verdict(
        (code, repeated),
        (own, *found),
        claim=f"{name} does more than its differences one by one",
        metric=metric,
        trained_out=is_trained_out(codes, arms) and is_trained_out(singles, names),
        inert=bool(inert_arms(codes, arms) or inert_arms(singles, [LICO, *names])),
        baseline=base,
        fill=0.0,
        comparisons=count,
    )
    total = estimate(paired_differences(np.sum(found, axis=0), repeated))
    return Whole(name, names, (), whole, total, heard(gap), tuple(learning))


def _means(summary: Summary, arm: str, metric: str, seeds: Sequence[str]) -> Floats:
    """Return a seed's mean, `[seeds, 1]`: one record has pictures, another means."""
    return seed_means(arm_scores(summary, arm, metric, seeds))[:, None]
