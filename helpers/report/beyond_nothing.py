"""Does a difference do more than changing nothing does?"""

import math
from dataclasses import replace

from scipy import stats

from helpers.measure.statistics import p_value
from helpers.report import margins
from helpers.report.factors import BARS, Effect, Nothing
from helpers.report.verdict import Outcome, Verdict


def beyond_nothing(effect: Effect) -> Verdict:
    """Judge that a factor moves a metric by more than changing nothing does.

    With r the size of changing nothing and r- to r+ its own interval: supported where
    the whole interval lies outside +-r+, contradicted where all of it lies inside +-r-.
    What bars the effect's own verdict, too few seeds, or a smallest detectable effect
    above r bars this one; a metric that may not judge does not (`admission`). `p` is
    that of the boundary that decided, else of r.
    """
    found, bar = effect.verdict, effect.nothing.size
    least, most = effect.nothing.interval
    low, high = found.interval
    outcome: Outcome = "undecided"
    reason, boundary = "interval reaches past the size of changing nothing", bar
    if found.reason in BARS:
        reason = found.reason
    elif found.seeds < margins.load().inference.minimal_seeds:
        reason = f"{found.seeds} seed" + ("s" if found.seeds != 1 else "")
    elif found.smallest_effect > bar:
        reason = f"smallest detectable effect {found.smallest_effect:.4g} > {bar:.4g}"
    elif low > most or high < -most:
        outcome, reason = "supported", "interval beyond changing nothing"
        boundary = most
    elif -least <= low and high <= least:
        outcome, reason = "contradicted", "interval within changing nothing"
        boundary = least
    label = margins.metric(found.metric).label
    claim = f"{effect.factor.name} moves {label} by more than changing nothing"
    p = p_value(effect.each, math.copysign(boundary, found.estimate))
    return replace(found, claim=claim, outcome=outcome, reason=reason, margin=bar, p=p)


def chance_of(difference: float, nothing: Nothing) -> float:
    """Return how often two single runs that differ by nothing differ by so much.

    P(|v_s - v_r| >= difference) = 2 P(T > difference / (sqrt(2) SD)), T Student's with
    n - 1 degrees of freedom, since SD is estimated from n seeds. NaN for one seed.
    """
    if not nothing.size > 0:
        return math.nan
    return float(2 * stats.t.sf(abs(difference) / nothing.size, nothing.seeds - 1))
