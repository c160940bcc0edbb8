"""Every published contrast tested: Welch, Holm by document and claim, power.

A family is a document and a claim. Claim 1: LICO against the baseline on scores of
maps. Claim 2: the same on accuracy, top-1 and top-5. Claim 3: LICO against either loss
alone, and either loss against the baseline, on all scores. Contrasts that no claim is
about, such as one loss against the other, make a family of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from helpers.measure.statistics import holm
from helpers.report import margins, published
from helpers.report.published import NAMES, NAMING, Contrast
from helpers.report.verdict import decide
from helpers.report.welch import Welch, detectable, undecidable_sd, welch

Claim = Literal["1", "2", "3", "none"]
Evidence = Literal[
    "no test possible", "interval holds 0", "before Holm only", "after Holm"
]
LICO, BASELINE, ALONE = "lico", "ce", ("mm", "ot")


@dataclass(frozen=True)
class Tested:
    """A contrast with its test and the place of that test in a family."""

    contrast: Contrast
    claim: Claim
    test: Welch
    holm: float  # p over the family
    holm_rounded: float  # the same with the largest p values that rounding allows
    family: int  # tests in it
    detectable: float  # smallest true difference that `power` of such studies find
    level: float

    @property
    def gains(self) -> tuple[float, float]:
        """The interval of the gain: above 0 where A is the better."""
        low, high = self.test.interval
        up = published.metric(self.contrast.metric).higher_is_better
        return (low, high) if up else (-high, -low)

    @property
    def evidence(self) -> Evidence:
        """Whether the interval is clear of 0, before and after Holm's correction."""
        if self.test.p >= self.level:
            return "interval holds 0"
        return "after Holm" if self.holm < self.level else "before Holm only"

    @property
    def reading(self) -> str:
        """What A is, and by which evidence."""
        if self.evidence == "interval holds 0":
            return self.evidence
        word = "better" if self.contrast.gain > 0 else "worse"
        return f"{word}, {self.evidence}"

    @property
    def sees_margin(self) -> bool | None:
        """Whether the smallest detectable difference is within the book's margin.

        None for a metric without a committed margin.
        """
        margin = published.metric(self.contrast.metric).margin
        return None if margin != margin else self.detectable <= margin

    @property
    def verdict(self) -> str:
        """The answer of the book's rule for superiority, as for runs of its own."""
        rules = margins.load().inference
        runs = self.contrast.runs or 0
        if self.sees_margin is None:
            return "undecided: no margin committed"
        if runs < rules.minimal_seeds:
            return f"undecided ({runs} runs)"
        if not self.sees_margin:
            return "undecided: smallest detectable difference > margin"
        outcome, _ = decide(
            *self.gains, published.metric(self.contrast.metric).margin, "superiority"
        )
        return outcome


@dataclass(frozen=True)
class Untested:
    """A contrast in which an arm has no SD: no test is possible."""

    contrast: Contrast
    claim: Claim
    runs: tuple[int, int]  # as stated, else taken to be 1
    undecidable_sd: float  # between-run SD from which on an interval would hold 0
    printed_sds: tuple[float, ...]  # of this metric, wherever one is printed
    evidence: Evidence = "no test possible"

    @property
    def share(self) -> float:
        """Share of the printed SDs with which the difference would be undecided."""
        over = [sd >= self.undecidable_sd for sd in self.printed_sds]
        return sum(over) / len(over)


def claim_of(contrast: Contrast) -> Claim:
    """Return the claim that a contrast is evidence on, "none" if on none."""
    a, b = contrast.a.arm, contrast.b.arm
    if (a, b) == (LICO, BASELINE):
        return "2" if contrast.metric in NAMING else "1"
    if (a == LICO and b in ALONE) or (a in ALONE and b == BASELINE):
        return "3"
    return "none"


def all_tested(
    sources: Sequence[str] = tuple(NAMES),
    confidence: float = 0.95,
    power: float = 0.8,
) -> list[Tested]:
    """Return all contrasts of two arms with SDs; a family a document and claim.

    `power`: of the smallest detectable difference, of a single test without Holm's
    correction, with the SDs and runs of the contrast itself.
    """
    level = 1 - confidence
    found = [
        (claim_of(pair), pair, test)
        for pair in published.every_contrast(sources)
        if (test := pair.tested(confidence)) is not None
    ]
    families: dict[tuple[str, Claim], list[int]] = {}
    for index, (claim, pair, _) in enumerate(found):
        families.setdefault((pair.source, claim), []).append(index)
    adjusted: dict[int, tuple[float, float, int]] = {}
    for members in families.values():
        as_printed = holm([found[index][2].p for index in members])
        at_worst = holm([largest_p(found[index][1]) for index in members])
        for index, p, worst in zip(members, as_printed, at_worst, strict=True):
            adjusted[index] = (float(p), float(worst), len(members))
    return [
        Tested(pair, claim, test, *adjusted[index], _least(pair, power, level), level)
        for index, (claim, pair, test) in enumerate(found)
    ]


def largest_p(pair: Contrast, points: int = 9) -> float:
    """Return the largest p of Welch's test that the rounding of a table allows.

    The means half a last digit nearer to each other, each; each SD at `points` values
    up to half a last digit around the printed one. An SD of .001 may be .0005 or .0015.
    """
    sds, runs = _spread(pair)
    gap = max(0.0, abs(pair.difference) - (pair.a.step + pair.b.step) / 2)
    around = [i / (points - 1) - 0.5 for i in range(points)]
    spreads = [
        [sd + shift * row.step for shift in around if sd + shift * row.step > 0]
        for sd, row in zip(sds, (pair.a, pair.b), strict=True)
    ]
    return max(welch((gap, 0.0), (a, b), runs).p for a, b in product(*spreads))


def all_untested(
    sources: Sequence[str] = tuple(NAMES), confidence: float = 0.95
) -> list[Untested]:
    """Return all contrasts in which an arm has no SD, and what SD would hide each.

    An arm of which no number of runs is stated counts as one run.
    """
    found = []
    for pair in published.every_contrast(sources):
        if pair.test is None:
            runs = (pair.a.runs or 1, pair.b.runs or 1)
            limit = undecidable_sd(pair.difference, runs, confidence)
            sds = printed_sds(pair.metric)
            found.append(Untested(pair, claim_of(pair), runs, limit, sds))
    return found


def printed_sds(metric: str) -> tuple[float, ...]:
    """Return all SDs over runs that are printed for a metric, from small to large.

    A row that a table repeats from another one counts once.
    """
    rows = {
        (row.source, row.data, row.arm, row.sd)
        for row in published.load()
        if row.metric == metric and row.sd is not None
    }
    return tuple(sorted(sd for *_, sd in rows if sd is not None))


def _least(pair: Contrast, power: float, level: float) -> float:
    return detectable(*_spread(pair), power, level)


def _spread(pair: Contrast) -> tuple[tuple[float, float], tuple[int, int]]:
    """Return the SDs and runs of a pair that has them."""
    one, two = pair.a, pair.b
    assert one.sd is not None
    assert two.sd is not None
    assert one.runs is not None
    assert two.runs is not None
    return (one.sd, two.sd), (one.runs, two.runs)
