"""Plain statistics that every chapter shares: the training seed is the unit.

Scores are arrays `[seeds, pictures]`, NaN where a score is not defined. A Welch test
from published means and SDs is `scipy.stats.ttest_ind_from_stats(equal_var=False)`.
No percentile bootstrap over seeds is used: over 3 seeds it covers 76 % instead of 95 %.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def scores(values: ArrayLike, name: str = "scores") -> Floats:
    """Return `values` as float64 `[seeds, pictures]`; NaN stands for "not defined".

    Raises ValueError on another number of axes, an empty axis or an infinite score.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} must be [seeds, pictures], got shape {array.shape}")
    if np.isinf(array).any():
        raise ValueError(f"{name} holds {np.isinf(array).sum()} infinite values")
    return array


def defined(*arms: ArrayLike) -> Bools:
    """Return where every arm has a score: `[seeds, pictures]` of booleans.

    Raises ValueError if the arms differ in shape.
    """
    arrays = [scores(arm, f"arm {i}") for i, arm in enumerate(arms)]
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) != 1:
        raise ValueError(f"arms must share [seeds, pictures], got shapes {shapes}")
    return np.all(~np.isnan(arrays), axis=0)


def seed_means(values: ArrayLike, where: Bools | None = None) -> Floats:
    """Return each seed's mean over the pictures that are defined: `[seeds]`.

    `where [seeds, pictures]` leaves pictures out. Raises ValueError if a seed has none.
    """
    array = scores(values)
    kept = ~np.isnan(array) if where is None else ~np.isnan(array) & where
    count = kept.sum(axis=1)  # [seeds]
    if (count == 0).any():
        raise ValueError(f"seed row {int(count.argmin())} has no picture with a score")
    return np.where(kept, array, 0.0).sum(axis=1) / count


def paired_differences(
    a: ArrayLike, b: ArrayLike, where: Bools | None = None
) -> Floats:
    """Return d_s, the mean over pictures of A - B for each training seed s: `[seeds]`.

    Pictures count where A and B, and `where` if given, are defined for that seed.
    Raises ValueError on shapes that differ or a seed without a picture.
    """
    defined(a, b)  # the shapes agree
    return seed_means(scores(a) - scores(b), where)


def t_interval(
    differences: ArrayLike, confidence: float = 0.95, comparisons: int = 1
) -> tuple[Floats, Floats]:
    """Return the ends of the t interval for the mean over the last axis.

    mean +- t(1 - alpha / 2k; n - 1) SD / sqrt(n), alpha = 1 - confidence, n seeds on
    the last axis of `[..., seeds]`. With `comparisons` k > 1 the k intervals hold
    together (Bonferroni: holds whatever their dependence; Sidak's would be about 1 %
    narrower). One seed gives an unbounded interval. Raises ValueError if k < 1.

    >>> low, high = t_interval([0.1, 0.2, 0.3])
    >>> round(float(low), 3), round(float(high), 3)
    (-0.048, 0.448)
    """
    if comparisons < 1:
        raise ValueError(f"comparisons must be 1 or more, got {comparisons}")
    d = np.asarray(differences, dtype=np.float64)
    n, mean = d.shape[-1], d.mean(axis=-1)
    if n < 2:
        return mean - np.inf, mean + np.inf
    quantile = stats.t.ppf(1 - (1 - confidence) / (2 * comparisons), n - 1)
    half = quantile * d.std(axis=-1, ddof=1) / np.sqrt(n)
    return mean - half, mean + half


def p_value(differences: ArrayLike, null: float = 0.0) -> float:
    """Return the two-sided p of the t test that the mean of `[seeds]` is `null`.

    One seed gives 1: it says nothing. No spread at all gives 1 at the null, else 0.
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.size < 2:
        return 1.0
    gap, sd = abs(d.mean() - null), d.std(ddof=1)
    if sd == 0:
        return float(gap == 0)
    return float(2 * stats.t.sf(gap / sd * np.sqrt(d.size), d.size - 1))


@cache
def smallest_effect(seeds: int, power: float = 0.8, level: float = 0.05) -> float:
    """Return the smallest effect, in SDs of d_s, that the two-sided t test would see.

    The delta at which noncentral t(n - 1, delta sqrt(n)) exceeds t(1 - level / 2;
    n - 1) with probability `power`; the other tail adds under 1e-6. At 80 % and .05:
    3.3, 1.7, 1.0 SD at 3, 5, 10 seeds. Infinite for one seed.

    >>> [round(smallest_effect(seeds), 1) for seeds in (3, 5, 10)]
    [3.3, 1.7, 1.0]
    """
    if seeds < 2:
        return float("inf")
    root, df = np.sqrt(seeds), seeds - 1
    bar = stats.t.ppf(1 - level / 2, df)

    def missing(delta: float) -> float:
        return float(stats.nct.sf(bar, df, delta * root) - power)

    return float(optimize.brentq(missing, 1e-6, 10 * bar / root))


@dataclass(frozen=True)
class Components:
    """Variances of one crossed table of differences, in squared units of the score."""

    seed: float
    picture: float
    residual: float  # seed x picture, and noise

    def standard_error(self, seeds: int, pictures: int) -> float:
        """Return the SE of the grand mean over new seeds and new pictures."""
        cells = seeds * pictures
        return float(
            np.sqrt(self.seed / seeds + self.picture / pictures + self.residual / cells)
        )


def crossed(differences: ArrayLike) -> Components | None:
    """Return the seed, picture and residual variance of `[seeds, pictures]`.

    Method of moments for d_sp = mean + seed_s + picture_p + residual_sp: residual =
    MS_res, seed = (MS_seed - MS_res) / P, picture = (MS_picture - MS_res) / S, cut at 0
    (Searle, Casella and McCulloch 1992, chapter 4). Pictures that any seed lacks are
    left out; None if fewer than two seeds or two pictures remain.
    """
    d = scores(differences, "differences")
    d = d[:, ~np.isnan(d).any(axis=0)]
    S, P = d.shape
    if S < 2 or P < 2:
        return None
    by_seed, by_picture = d.mean(axis=1), d.mean(axis=0)
    rest = d - by_seed[:, None] - by_picture[None, :] + d.mean()
    residual = (rest**2).sum() / ((S - 1) * (P - 1))
    seed = by_seed.var(ddof=1) - residual / P
    picture = by_picture.var(ddof=1) - residual / S
    return Components(max(0.0, float(seed)), max(0.0, float(picture)), float(residual))


def holm(p: ArrayLike) -> Floats:
    """Return Holm's adjusted p values, in the order given: `[k] -> [k]`.

    With p sorted, adjusted_i = max over j <= i of (k - j + 1) p_j, at most 1 (Holm
    1979). Raises ValueError on values outside [0, 1].

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.atleast_1d(np.asarray(p, dtype=np.float64))
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("p values must lie in [0, 1]")
    order = values.argsort(kind="stable")
    steps = np.arange(values.size, 0, -1) * values[order]
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
