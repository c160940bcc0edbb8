"""Welch's test from what a table prints: means, SDs over runs, and numbers of runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy import optimize, stats

from helpers.settings import Refused

Pair = tuple[float, float]
NODES = 160  # of the quadrature over either sample's variance


@dataclass(frozen=True)
class Welch:
    """A difference A - B of two means with its test, in the unit of the means."""

    difference: float
    standard_error: float
    freedom: float
    p: float  # two-sided, of no difference
    interval: Pair

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.interval[1] - self.interval[0]) / 2


def welch(
    means: Pair, sds: Pair, runs: tuple[int, int], confidence: float = 0.95
) -> Welch:
    """Return the t test of two means whose variances are not pooled.

    t = (a - b) / se, se^2 = u + v, u = s_a^2 / n_a, v = s_b^2 / n_b, with
    (u + v)^2 / (u^2 / (n_a - 1) + v^2 / (n_b - 1)) degrees of freedom (Welch 1947,
    Satterthwaite 1946). The p is that of `scipy.stats.ttest_ind_from_stats` with
    `equal_var=False`. Raises `Refused` on fewer than two runs, a negative SD, or no
    spread in either arm.
    """
    _check(sds, runs)
    parts = [sd**2 / n for sd, n in zip(sds, runs, strict=True)]
    error, difference = math.sqrt(sum(parts)), means[0] - means[1]
    freedom = sum(parts) ** 2 / sum(
        part**2 / (n - 1) for part, n in zip(parts, runs, strict=True)
    )
    half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * error
    return Welch(
        difference,
        error,
        freedom,
        float(2 * stats.t.sf(abs(difference) / error, freedom)),
        (difference - half, difference + half),
    )


def power(effect: float, sds: Pair, runs: tuple[int, int], level: float) -> float:
    """Return how often Welch's test finds a true difference of normal samples.

    The share of studies with |t| over its critical value, where the SDs of the two
    populations are `sds`. Each study estimates its own SDs and from them its degrees of
    freedom, so this is an integral over both estimates,
    E[P(|Z + effect / sigma| > c(U, V))] with (n - 1) U / sigma_a^2 and V likewise
    chi-squared, by Gauss-Legendre quadrature over their quantiles.
    """
    _check(sds, runs)
    return _found(effect / _sigma(sds, runs), *_bars(sds, runs, level))


@cache
def detectable(
    sds: Pair, runs: tuple[int, int], share: float = 0.8, level: float = 0.05
) -> float:
    """Return the smallest true difference that `share` of such studies would find.

    The effect at which `power` equals `share`, in the unit of the SDs.
    """
    _check(sds, runs)
    bars, most = _bars(sds, runs, level), 1.0
    while _found(most, *bars) < share:
        most *= 2
    shift = optimize.brentq(lambda shift: _found(shift, *bars) - share, 0, most)
    return float(shift) * _sigma(sds, runs)


def undecidable_sd(
    difference: float, runs: tuple[int, int], confidence: float = 0.95
) -> float:
    """Return the SD over runs from which on a difference is no longer clear of 0.

    |difference| / (z sqrt(1 / n_a + 1 / n_b)), z the normal quantile. The most generous
    case: both arms have this SD and it is known, not estimated. With an SD above it the
    interval holds 0.
    """
    z = float(stats.norm.ppf((1 + confidence) / 2))
    return abs(difference) / (z * math.sqrt(1 / runs[0] + 1 / runs[1]))


def _sigma(sds: Pair, runs: tuple[int, int]) -> float:
    return math.hypot(*(sd / math.sqrt(n) for sd, n in zip(sds, runs, strict=True)))


def _found(shift: float, weights: np.ndarray, bars: np.ndarray) -> float:
    """Return the share of studies over their critical values, `shift` in sigmas."""
    over = stats.norm.sf(bars - shift) + stats.norm.cdf(-bars - shift)
    return float((weights * over).sum())


def _bars(
    sds: Pair, runs: tuple[int, int], level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and critical values in units of the true sigma, `[nodes^2]`."""
    points, weights = leggauss(NODES)
    quantiles, weights = (points + 1) / 2, weights / 2
    parts = [
        sd**2 / n * stats.chi2.ppf(quantiles, n - 1) / (n - 1)
        for sd, n in zip(sds, runs, strict=True)
    ]
    u, v = np.meshgrid(*parts, indexing="ij")
    freedom = (u + v) ** 2 / (u**2 / (runs[0] - 1) + v**2 / (runs[1] - 1))
    bars = stats.t.ppf(1 - level / 2, freedom) * np.sqrt(u + v) / _sigma(sds, runs)
    return np.outer(weights, weights).ravel(), bars.ravel()


def _check(sds: Pair, runs: Sequence[int]) -> None:
    if min(runs) < 2:
        raise Refused(f"a test needs two runs an arm, got {tuple(runs)}: give more")
    if min(sds) < 0 or max(sds) == 0:
        raise Refused(f"SDs {tuple(sds)}: give two that are >= 0, one of them above")
