"""Verdicts: one of four outcomes from one interval over seeds and a margin."""

import html
import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from helpers.measure.statistics import (
    Bools,
    Components,
    Floats,
    crossed,
    defined,
    p_value,
    scores,
    seed_means,
    smallest_effect,
    t_interval,
)
from helpers.report import margins
from helpers.report.margins import Kind

Outcome = Literal["supported", "contradicted", "no relevant difference", "undecided"]
Sight = Literal["noticed", "fooled", "blind", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """An outcome with the numbers it rests on, in the metric's own unit."""

    claim: str
    metric: str
    kind: Kind
    outcome: Outcome
    reason: str
    estimate: float  # mean over seeds of A - B
    interval: tuple[float, float]
    margin: float
    seeds: int
    pictures: int  # fewest that a seed was paired on
    all_pictures: int
    sd: float  # of the differences, over seeds
    smallest_effect: float  # that 80 % of such studies would have seen
    p: float  # two-sided, of the boundary of the claim; after Holm if that was applied
    components: Components | None  # None: fewer than two seeds or complete pictures
    fragile: bool = False  # another treatment of undefined scores decides otherwise
    parts: tuple["Verdict", ...] = ()

    @property
    def label(self) -> str:
        """The outcome for a table cell, such as "undecided (3 seeds)"."""
        text: str = self.outcome
        if text == "undecided":
            few = self.reason == _count(self.seeds, "seed")
            text += f" ({self.reason})" if few else f": {self.reason}"
        return f"{text} (fragile)" if self.fragile else text

    @property
    def gain(self) -> float:
        """The estimate, positive where A is better."""
        higher = margins.metric(self.metric).higher_is_better
        return self.estimate if higher else -self.estimate

    @property
    def sentence(self) -> str:
        """One line with everything that a verdict must print."""
        metric = margins.metric(self.metric)
        why = "" if self.outcome == "undecided" else f" ({self.reason})"
        better = "higher" if metric.higher_is_better else "lower"
        low, high = self.interval
        spread = (
            f"SD of differences {self.sd:.4g}; smallest detectable effect "
            f"{self.smallest_effect:.4g}"
            if self.seeds > 1
            else "one seed has no SD and detects no effect"
        )
        return (
            f"{self.claim}: {self.label}{why}. A - B = {self.estimate:+.4f} "
            f"[{low:+.4f}, {high:+.4f}] {metric.unit} ({metric.label}, {better} is "
            f"better); margin {self.margin:.4g}; {_count(self.seeds, 'seed')}; "
            f"{self._on}; {spread}."
        )

    @property
    def _on(self) -> str:
        if self.all_pictures == 1:  # a record that keeps no score per picture
            return "means of a seed"
        return f"{self.pictures} of {_count(self.all_pictures, 'picture')}"

    def to_dict(self) -> dict[str, Any]:
        """Return what a JSON record holds; numbers that are not finite are None."""
        record: dict[str, Any] = _finite(asdict(self) | {"label": self.label})
        return record

    def _repr_html_(self) -> str:
        slug = self.outcome.replace(" ", "-")
        several = len({part.reason for part in self.parts}) > 1  # the sentence has them
        title = self.outcome if several else self.label
        return (
            f'<div class="admonition verdict {slug}"><p class="admonition-title">'
            f"Verdict: {html.escape(title)}</p>"
            f"<p>{html.escape(self.sentence)}</p></div>"
        )


def decide(
    low: float, high: float, margin: float, kind: Kind = "superiority"
) -> tuple[Outcome, str]:
    """Return outcome and reason for an interval of A - B, positive where A is better.

    Superiority, "A is better than B", tested against 0, in this order:
    inside [-m, m] -> no relevant difference, even where 0 is excluded: a difference
    too small to matter supports nothing; low > 0 -> supported; high < 0 ->
    contradicted; else undecided. The bar is 0 and not m, because the smallest
    detectable effect, which m is held against, is that of a test against 0: with m as
    the bar an effect of m would be supported in only 2.5 % of studies.
    Non-inferiority, "A is not worse than B by more than m", tested against -m:
    low > -m -> supported; high < -m -> contradicted; else undecided. "No relevant
    difference" implies this claim, so it is not a separate answer to it.

    With a 95 % t interval (never a percentile bootstrap, which over few seeds is too
    narrow) a claim whose truth lies at its boundary, 0 or -m, or beyond, is
    "supported" in at most 2.5 % of studies. Raises ValueError if low > high or m <= 0.

    >>> decide(0.006, 0.010, 0.005)[0], decide(-0.002, 0.003, 0.005)[0]
    ('supported', 'no relevant difference')
    """
    if not (low <= high and margin > 0):
        raise ValueError(f"need low <= high and margin > 0: {low}, {high}, {margin}")
    if kind == "non-inferiority":
        if low > -margin:
            return "supported", "interval above minus the margin"
        if high < -margin:
            return "contradicted", "interval below minus the margin"
        return "undecided", "interval reaches past minus the margin on both sides"
    if -margin <= low and high <= margin:
        return "no relevant difference", "interval within the margin"
    if low > 0:
        return "supported", f"interval above {'the margin' if low > margin else '0'}"
    if high < 0:
        beyond = "minus the margin" if high < -margin else "0"
        return "contradicted", f"interval below {beyond}"
    return "undecided", "interval holds 0 and reaches past the margin"


def verdict(
    a: ArrayLike | tuple[ArrayLike, ...],
    b: ArrayLike | tuple[ArrayLike, ...],
    *,
    claim: str,
    metric: str,
    trained_out: bool,
    inert: bool,
    kind: Kind = "superiority",
    baseline: ArrayLike | None = None,
    where: Bools | None = None,
    fill: float | None = None,
    comparisons: int = 1,
) -> Verdict:
    """Judge the claim that arm A is better than arm B, or not worse, on one metric.

    `a`, `b`: score per picture, `[seeds, pictures]`, row s from training seed s of
    either arm, NaN where not defined. A tuple of arms is summed: an interaction
    LICO - MM - OT + CE is a = (LICO, CE), b = (MM, OT), baseline = CE. The unit is the
    seed: d_s = mean over pictures of A - B, with a t interval over d_s.

    `baseline` (default b): its between-seed SD may widen the margin of superiority.
    `where [seeds, pictures]`: pictures to pair on, if other arms restrict them
    further (`statistics.defined`). `fill`: the score that stands for "not defined" in
    a second pass over all pictures; another outcome there marks the verdict fragile.
    `comparisons`: how many intervals must hold together.

    Answered "undecided", in this order: an inert arm; runs not trained out; too few
    seeds; a smallest detectable effect above the margin. Then `decide`. As the last
    bar rests on an estimated SD, the bound on false "supported" holds over all
    studies, not over those alone that passed it by luck.
    Raises ValueError on shapes that differ, infinite scores, undefined ones without
    `fill`, a seed without a picture, a sum without `baseline`, an unknown metric.
    """
    plus = a if isinstance(a, tuple) else (a,)
    minus = b if isinstance(b, tuple) else (b,)
    if baseline is None and len(minus) > 1:
        raise ValueError("state `baseline` where a side sums several arms")
    arms = [*plus, *minus, minus[0] if baseline is None else baseline]
    known = defined(*arms)  # [seeds, pictures]
    if not known.all() and fill is None:
        raise ValueError(f"{(~known).sum()} of {known.size} undefined: state `fill`")
    kept = np.ones_like(known) if where is None else np.asarray(where, dtype=bool)
    if kept.shape != known.shape:
        raise ValueError(f"where has shape {kept.shape}, the arms have {known.shape}")
    paired = known & kept

    def judge(stack: Floats, paired: Bools) -> Verdict:
        split = len(plus)
        difference = stack[:split].sum(axis=0) - stack[split:-1].sum(axis=0)
        barred = "inert" if inert else "" if trained_out else "under-trained"
        judged = {"claim": claim, "metric": metric, "kind": kind}
        return _judge(difference, stack[-1], paired, barred, comparisons, judged)

    stack = np.array([scores(arm) for arm in arms])  # [arms, seeds, pictures]
    result = judge(stack, paired)
    if paired.all():
        return result
    filled = judge(np.where(np.isnan(stack), fill or 0.0, stack), np.ones_like(paired))
    return replace(result, fragile=filled.outcome != result.outcome)


def _judge(
    difference: Floats,
    baseline: Floats,
    paired: Bools,
    barred: str,
    comparisons: int,
    judged: dict[str, Any],
) -> Verdict:
    rules = margins.load().inference
    metric, kind = margins.metric(judged["metric"]), judged["kind"]
    d = seed_means(difference, paired)  # [seeds]
    n = d.size
    low, high = (float(x) for x in t_interval(d, rules.confidence, comparisons))
    sd = float(d.std(ddof=1)) if n > 1 else math.nan
    widens = kind == "superiority" and n > 1
    spread = float(seed_means(baseline, paired).std(ddof=1)) if widens else 0.0
    m = margins.margin(metric.name, spread)
    alpha = (1 - rules.confidence) / comparisons
    least = smallest_effect(n, rules.power, alpha) * sd if n > 1 else math.inf

    sign = 1 if metric.higher_is_better else -1
    ends = (low, high) if sign > 0 else (-high, -low)
    outcome: Outcome = "undecided"
    if barred:
        reason = barred
    elif n < rules.minimal_seeds:
        reason = _count(n, "seed")
    elif least > m:
        reason = f"smallest detectable effect {least:.4g} > margin {m:.4g}"
    else:
        outcome, reason = decide(*ends, m, kind)
    return Verdict(
        **judged,
        outcome=outcome,
        reason=reason,
        estimate=float(d.mean()),
        interval=(low, high),
        margin=m,
        seeds=n,
        pictures=int(paired.sum(axis=1).min()),
        all_pictures=paired.shape[1],
        sd=sd,
        smallest_effect=least,
        p=p_value(sign * d, -m if kind == "non-inferiority" else 0.0),
        components=crossed(np.where(paired, difference, np.nan)),
    )


def red_dot(outcome: Outcome) -> Sight:
    """Say what a metric saw, from the verdict that the shortcut model is worse.

    That verdict has A = sound model, B = shortcut model, kind superiority.
    """
    sights: dict[Outcome, Sight] = {
        "supported": "noticed",
        "contradicted": "fooled",
        "no relevant difference": "blind",
        "undecided": "undecided",
    }
    return sights[outcome]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
