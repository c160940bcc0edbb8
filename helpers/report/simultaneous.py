"""Many effects at once: what the largest of them must exceed, and at what price."""

import math
from functools import cache

import numpy as np
from scipy import stats

from helpers.measure.statistics import smallest_effect
from helpers.report import margins
from helpers.report.factors import Effect


@cache
def largest_t(
    comparisons: int, seeds: int, shared: float = 0.5, draws: int = 20_000
) -> float:
    """Return the .95 quantile of the largest |t| of k effects that are all nothing.

    t = mean(d) sqrt(n) / SD(d) over n seeds; the k rows of d are normal with variance 1
    and correlation `shared`: 1/2 where each is an arm minus the same arm of `paper`,
    all arms being alike. By simulation with a fixed seed.
    """
    generator = np.random.default_rng(0)
    common = generator.standard_normal((draws, 1, seeds))
    rows = generator.standard_normal((draws, comparisons, seeds))
    d = math.sqrt(shared) * common + math.sqrt(1 - shared) * rows
    t = d.mean(2) * math.sqrt(seeds) / d.std(2, ddof=1)
    level = margins.load().inference.confidence
    return float(np.quantile(np.abs(t).max(1), level))


def bonferroni_t(comparisons: int, seeds: int) -> float:
    """Return t(1 - .05 / 2k; n - 1), the bar of k simultaneous intervals."""
    level = 1 - margins.load().inference.confidence
    return float(stats.t.ppf(1 - level / (2 * comparisons), seeds - 1))


def t_value(one: Effect) -> float:
    """Return |mean(d)| sqrt(n) / SD(d); NaN for one seed or no spread."""
    d = np.array(one.each)
    sd = d.std(ddof=1) if d.size > 1 else 0.0
    return float(abs(d.mean()) * math.sqrt(d.size) / sd) if sd > 0 else math.nan


def seeds_needed(one: Effect, comparisons: int, most: int = 100) -> int | None:
    """Return how many seeds would let an effect be judged beside k - 1 others.

    The fewest with smallest detectable effect <= margin, the SD of d_s staying as it
    is; None for one seed or over `most`.
    """
    rules, found = margins.load().inference, one.verdict
    if not found.sd > 0:
        return None
    level = (1 - rules.confidence) / comparisons
    for seeds in range(rules.minimal_seeds, most + 1):
        if smallest_effect(seeds, rules.power, level) * found.sd <= found.margin:
            return seeds
    return None
