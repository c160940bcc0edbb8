"""What moves a score more, the probe or the pre-training? Two factors, crossed.

Scores are a balanced table `[seeds, probes, backbones]`, each cell a mean over grids or
pictures. The sum of squares about the mean divides exactly into probes, backbones,
their interaction and what differs between seeds within a cell.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Source:
    """One source of variance.

    Attributes:
        squares: its sum of squares.
        freedom: its degrees of freedom.
        share: its part of all squares, eta^2, from 0 to 1.
        unbiased: the same less what chance would give, omega^2; may be under 0.
        f: its mean square over that within cells.
        p: of the F test that it does nothing.
    """

    squares: float
    freedom: int
    share: float
    unbiased: float
    f: float
    p: float


@dataclass(frozen=True)
class Decomposition:
    """The variance of a table of scores, by its sources."""

    probe: Source
    backbone: Source
    both: Source
    within: Source


def decompose(scores: np.ndarray) -> Decomposition:
    """Return the two-way analysis of variance of a balanced table.

    SS_probe = S N_b sum_p (m_p - m)^2, backbone likewise, SS_both = S sum_pb (m_pb -
    m_p - m_b + m)^2, SS_within = sum (y - m_pb)^2 (Fisher 1925; Montgomery 2017, 5.3).
    omega^2 = (SS - df MS_within) / (SS_total + MS_within). With one seed nothing is
    known within cells: F, p and omega^2 are NaN.

    Shapes: scores `[seeds, probes, backbones]`.

    Raises:
        ValueError: other axes, a factor of one level, scores that are not finite.
    """
    y = _checked(scores)
    S, P, N = y.shape
    cells, middle = y.mean(0), y.mean()
    by_probe, by_backbone = cells.mean(1), cells.mean(0)
    crossed = cells - by_probe[:, None] - by_backbone[None, :] + middle
    squares = {
        "probe": S * N * ((by_probe - middle) ** 2).sum(),
        "backbone": S * P * ((by_backbone - middle) ** 2).sum(),
        "both": S * (crossed**2).sum(),
        "within": ((y - cells) ** 2).sum(),
    }
    freedom = {
        "probe": P - 1,
        "backbone": N - 1,
        "both": (P - 1) * (N - 1),
        "within": P * N * (S - 1),
    }
    total = sum(squares.values())
    noise = squares["within"] / freedom["within"] if S > 1 else np.nan
    sources = {}
    for name, ss in squares.items():
        df = freedom[name]
        share = ss / total if total > 0 else np.nan
        unbiased, f, p = np.nan, np.nan, np.nan
        if name != "within" and S > 1:
            unbiased = (ss - df * noise) / (total + noise) if total > 0 else np.nan
            f = ss / df / noise if noise > 0 else np.inf if ss > 0 else np.nan
            p = float(stats.f.sf(f, df, freedom["within"]))
        sources[name] = Source(
            float(ss), df, float(share), float(unbiased), float(f), float(p)
        )
    return Decomposition(**sources)


def spread_difference(scores: np.ndarray) -> np.ndarray:
    """Return how much more a score moves with the probe than with the backbone, `[S]`.

    d_s = sqrt(mean_b Var_p y_spb) - sqrt(mean_p Var_b y_spb) for each seed s, in units
    of the score: the seed is the unit, so a t interval over d says which factor matters
    more. Variances are of the levels at hand (over n - 1).

    Shapes: scores `[seeds, probes, backbones]` -> `[seeds]`.

    Raises:
        ValueError: as `decompose`.
    """
    y = _checked(scores)
    over_probes = np.sqrt(y.var(axis=1, ddof=1).mean(axis=1))
    over_backbones = np.sqrt(y.var(axis=2, ddof=1).mean(axis=1))
    return over_probes - over_backbones


def _checked(scores: np.ndarray) -> np.ndarray:
    y = np.asarray(scores, dtype=np.float64)
    if y.ndim != 3 or min(y.shape[1:], default=0) < 2 or not len(y):
        raise ValueError(
            "scores must be [seeds, probes, backbones], two probes and two backbones "
            f"or more, got {list(y.shape)}"
        )
    if not np.isfinite(y).all():
        raise ValueError("scores must be finite: every cell needs its runs")
    return y
