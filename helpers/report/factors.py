"""What one difference does: effects of factors, in units of changing nothing.

A summary is what chapter 07 keeps of its runs, `summary["arms"][arm][seed]`: `ce`,
`lico` (the preset `paper`), an arm a factor, and "ce: NAME" for factors of the
training. Arms of equal seeds share initialisation and order of pictures.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from helpers.measure.statistics import (
    Floats,
    paired_differences,
    seed_means,
    t_interval,
)
from helpers.methods.factors import FACTORS, Factor, factor
from helpers.report import margins
from helpers.report.admission import heard
from helpers.report.intervention import inert_in
from helpers.report.ledger import (
    BASELINE,
    common_seeds,
    inert_arms,
    is_trained_out,
    scores_of,
)
from helpers.report.verdict import Verdict, verdict

LICO = "lico"
METRICS = ("accuracy", "sch", "ses", "mosu", "insertion", "deletion")
Group = Literal["words", "prompts", "MM", "OT", "training"]
_WORDS = {"names", "tower"}
Summary = Mapping[str, Any]
Pair = tuple[float, float]
ON_TEST = "chosen on test pictures"
BARS = ("inert", "under-trained", ON_TEST)


@dataclass(frozen=True)
class Nothing:
    """The effect of changing nothing, on one metric, in its unit."""

    metric: str
    of: str  # what is done twice
    seeds: int
    sd: float  # of one value between seeds
    interval: Pair  # of `size`, 95 %, by the chi-squared distribution of sd^2

    @property
    def size(self) -> float:
        """The SD of the difference of two independent seeds, sqrt(2) sd."""
        return math.sqrt(2) * self.sd


@dataclass(frozen=True)
class Effect:
    """What a factor does to a metric: an estimate, two intervals, what bars it."""

    factor: Factor
    each: tuple[float, ...]  # d_s, a value a seed
    alone: Pair  # the 95 % interval of this effect by itself
    verdict: Verdict  # its interval holds together with those of all effects shown
    # Exploratory: barred only where no loss that the factor is of acts, by any metric.
    own: Verdict
    nothing: Nothing
    inert: tuple[str, ...]  # losses inert in `paper` or with the factor
    trained_out: bool

    @property
    def ratio(self) -> float:
        """The estimate in units of changing nothing; NaN where that is not known."""
        return self.scaled((self.verdict.estimate, 0.0))[0]

    def scaled(self, values: Pair) -> Pair:
        """Return two values in units of changing nothing."""
        size = self.nothing.size
        if not size > 0:
            return (math.nan, math.nan)
        return values[0] / size, values[1] / size


def group_of(one: Factor) -> Group:
    """Return what a factor is of: words, prompts, a loss, or the training."""
    if one.training:
        return "training"
    if one.name.startswith("MM:"):
        return "MM"
    if one.name.startswith("OT:"):
        return "OT"
    return "words" if _WORDS & set(one.changed) else "prompts"


def sides(one: Factor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the arms that are added and those that are taken away.

    LICO(factor) - LICO(paper); of a factor of the training, which moves the baseline
    too, (LICO - CE)(factor) - (LICO - CE)(paper).
    """
    if one.training:
        return (one.name, BASELINE), (f"{BASELINE}: {one.name}", LICO)
    return (one.name,), (LICO,)


def present(summary: Summary, names: Iterable[str] | None = None) -> list[Factor]:
    """Return the factors of which a summary has all arms, in the order of `FACTORS`."""
    wanted = FACTORS if names is None else [factor(name) for name in names]
    return [
        one
        for one in wanted
        if common_seeds(summary, [*sides(one)[0], *sides(one)[1], BASELINE])
    ]


def differences_of(
    summary: Summary, better: Sequence[str], than: Sequence[str], metric: str
) -> Floats:
    """Return d_s, the sum of arms minus the sum of others, `[seeds]`.

    Each a mean over the pictures on which the score is defined for all of these arms;
    of a score of which a record keeps a seed's mean alone, the difference of means.
    """
    seeds = common_seeds(summary, [*better, *than])
    plus = np.sum([arm_scores(summary, arm, metric, seeds) for arm in better], axis=0)
    minus = np.sum([arm_scores(summary, arm, metric, seeds) for arm in than], axis=0)
    return paired_differences(plus, minus)


def arm_scores(summary: Summary, arm: str, metric: str, seeds: Sequence[str]) -> Floats:
    """Return scores `[seeds, pictures]`; raises KeyError if the arm has none."""
    found = scores_of(summary, arm, metric, seeds)
    if found is None:
        raise KeyError(f"arm '{arm}' has no score '{metric}'")
    return found


def has_metric(summary: Summary, metric: str) -> bool:
    """Tell whether the runs of `paper` have a metric."""
    seeds = common_seeds(summary, [LICO, BASELINE])
    return bool(seeds) and scores_of(summary, LICO, metric, seeds) is not None


def changing_nothing(
    summary: Summary, metric: str, training: bool = False
) -> Nothing | None:
    """Return how far two trainings of `paper` differ that differ by their seed alone.

    With v_s the mean over pictures of `paper` trained with seed s, two independent
    seeds differ by v_s - v_r, whose SD is sqrt(2) SD(v). For factors of the training
    v_s is LICO - CE of seed s, because their effect is a difference of such. SD(v) has
    n - 1 in its denominator; its interval assumes normal values. None where the
    metric is missing.
    """
    if not has_metric(summary, metric):
        return None
    if training:
        values = differences_of(summary, [LICO], [BASELINE], metric)
        return _spread(values, metric, "LICO - CE")
    return seeds_alone(summary, LICO, metric)


def seeds_alone(summary: Summary, arm: str, metric: str) -> Nothing:
    """Return how far two trainings of one arm differ that differ by seed alone."""
    seeds = common_seeds(summary, [arm, BASELINE])
    return _spread(seed_means(arm_scores(summary, arm, metric, seeds)), metric, arm)


def _spread(values: Floats, metric: str, of: str) -> Nothing:
    n = len(values)
    if n < 2:
        return Nothing(metric, of, n, math.nan, (0.0, math.inf))
    sd = float(values.std(ddof=1))
    low, high = (
        sd * math.sqrt(2 * (n - 1) / stats.chi2.ppf(q, n - 1)) for q in (0.975, 0.025)
    )
    return Nothing(metric, of, n, sd, (low, high))


def acts(summary: Summary, one: Factor) -> bool:
    """Tell whether a loss that a factor is of acts, in `paper` or with the factor.

    A factor of a loss is of that loss; any other is of both. If the loss is inert on
    both sides, the switch changed nothing that acts.
    """
    group = group_of(one)
    own = {group.lower()} if group in ("MM", "OT") else {"mm", "ot"}
    rows = [summary["arms"][arm].values() for arm in (LICO, one.name)]
    return any(own - set(inert_in(runs)) for runs in rows)


def effects(
    summary: Summary, metric: str, names: Iterable[str] | None = None
) -> list[Effect]:
    """Return the effect of each factor that a summary has, with its verdict.

    The intervals hold together over all of them, as `margins.yml` has it (Bonferroni:
    t(1 - .05 / 2k; n - 1) for k effects). A verdict says that LICO with the factor is
    better than `paper`; it is barred where any loss of either is inert, where any run
    is not trained out, where test pictures chose the epoch, and on a metric that may
    not judge (`admission`).
    """
    shown = present(summary, names) if has_metric(summary, metric) else []
    return [_effect(summary, one, metric, len(shown)) for one in shown]


def _effect(summary: Summary, one: Factor, metric: str, count: int) -> Effect:
    better, than = sides(one)
    arms = [*better, *than, BASELINE]
    seeds = common_seeds(summary, arms)
    found = {arm: arm_scores(summary, arm, metric, seeds) for arm in arms}
    given: dict[str, Any] = {
        "claim": f"{one.name} is better than paper",
        "metric": metric,
        "baseline": found[BASELINE],
        "trained_out": is_trained_out(summary, arms),
        "fill": 0.0,
        "comparisons": count,
    }
    both = tuple(found[arm] for arm in better), tuple(found[arm] for arm in than)
    each = paired_differences(sum(both[0]), sum(both[1]))
    low, high = t_interval(each, margins.load().inference.confidence)
    nothing = changing_nothing(summary, metric, one.training)
    assert nothing is not None
    judged = {
        "verdict": heard(
            verdict(*both, **given, inert=bool(inert_arms(summary, arms)))
        ),
        "own": verdict(*both, **given, inert=not acts(summary, one)),
    }
    if on_test(one):
        judged = {
            name: replace(found, outcome="undecided", reason=ON_TEST)
            for name, found in judged.items()
        }
    return Effect(
        factor=one,
        each=tuple(float(d) for d in each),
        alone=(float(low), float(high)),
        **judged,
        nothing=nothing,
        inert=inert_in(
            run for arm in (LICO, one.name) for run in summary["arms"][arm].values()
        ),
        trained_out=given["trained_out"],
    )


def on_test(one: Factor) -> bool:
    """Tell whether test pictures choose the epoch, so that they cannot judge it."""
    return bool(one.changed.get("keep") == "best test")


def ranked(effects: Sequence[Effect]) -> list[Effect]:
    """Return effects by their size in units of changing nothing, the largest first."""
    return sorted(effects, key=lambda one: -abs(np.nan_to_num(one.ratio)))


def optimism(summary: Summary) -> pd.DataFrame:
    """Return the accuracy of the best test epoch minus that of the best validation one.

    A row for LICO and for CE, with the 95 % interval over seeds. Pictures that choose
    an epoch cannot judge it: the difference is what choosing on them flatters. It is
    never part of a verdict.
    """
    rows = []
    for label, before in (("LICO", ""), ("CE", f"{BASELINE}: ")):
        arms = [f"{before}best {which} epoch" for which in ("test", "validation")]
        if common_seeds(summary, arms):
            d = differences_of(summary, arms[:1], arms[1:], "accuracy")
            mean, low, high = estimate(d)
            rows.append((label, len(d), mean, low, high))
    columns = ["network", "seeds", "best test - best validation", "from", "to"]
    return pd.DataFrame(rows, columns=columns)


def estimate(d: Floats) -> tuple[float, float, float]:
    """Return the mean of d_s `[seeds]` and the ends of its 95 % t interval."""
    low, high = t_interval(d, margins.load().inference.confidence)
    return float(d.mean()), float(low), float(high)
