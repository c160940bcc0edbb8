"""Sums of squares against nested least-squares fits, p values against chance."""

import numpy as np
import pytest
from scipy import stats

from helpers.measure.variance import decompose, spread_difference


def table(probe: float, backbone: float, both: float, noise: float, seeds: int = 4):
    rng = np.random.default_rng(7)
    y = noise * rng.standard_normal((seeds, 5, 3))
    y += probe * rng.standard_normal((1, 5, 1))
    y += backbone * rng.standard_normal((1, 1, 3))
    return y + both * rng.standard_normal((1, 5, 3))


def by_fits(y: np.ndarray) -> dict[str, float]:
    """Residual sums of squares of nested linear models, by least squares."""
    _, P, N = y.shape
    _, p, b = np.indices(y.shape).reshape(3, -1)
    values = y.reshape(-1)
    one = np.ones((values.size, 1))
    probes, backbones = np.eye(P)[p], np.eye(N)[b]
    cells = np.eye(P * N)[p * N + b]

    def left(*columns: np.ndarray) -> float:
        design = np.hstack(columns)
        fit = design @ np.linalg.lstsq(design, values, rcond=None)[0]
        return float(((values - fit) ** 2).sum())

    return {
        "probe": left(one) - left(one, probes),
        "backbone": left(one, probes) - left(one, probes, backbones),
        "both": left(one, probes, backbones) - left(one, cells),
        "within": left(one, cells),
    }


def test_squares_are_those_of_nested_fits() -> None:
    y = table(1.0, 0.5, 0.3, 0.2)
    found, wanted = decompose(y), by_fits(y)
    for name, squares in wanted.items():
        assert getattr(found, name).squares == pytest.approx(squares, rel=1e-9)
    parts = [found.probe, found.backbone, found.both, found.within]
    assert sum(one.share for one in parts) == pytest.approx(1)
    assert sum(one.freedom for one in parts) == y.size - 1
    total = ((y - y.mean()) ** 2).sum()
    assert sum(one.squares for one in parts) == pytest.approx(total)


def test_f_and_p_are_scipys_where_one_factor_does_nothing() -> None:
    """With the other factor's squares put back within, it is a one-way analysis."""
    y = table(0.4, 0.0, 0.0, 1.0)
    found = decompose(y)
    groups = [y[:, p].ravel() for p in range(5)]
    theirs = stats.f_oneway(*groups)
    rest = found.within.squares + found.both.squares + found.backbone.squares
    f = found.probe.squares / 4 / (rest / (y.size - 5))
    assert f == pytest.approx(theirs.statistic)
    noise = found.within.squares / found.within.freedom
    assert found.probe.f == pytest.approx(found.probe.squares / 4 / noise)
    wanted = stats.f.sf(found.probe.f, 4, found.within.freedom)
    assert found.probe.p == pytest.approx(wanted)


def test_a_table_by_hand() -> None:
    y = np.array([[[0.0, 2.0], [4.0, 6.0]]])  # additive: rows +-2, columns +-1
    found = decompose(y)
    assert found.probe.squares == 16
    assert found.backbone.squares == 4
    assert found.both.squares == found.within.squares == 0
    assert found.probe.share == 0.8
    assert np.isnan([found.probe.f, found.probe.p, found.probe.unbiased]).all()
    assert spread_difference(y) == pytest.approx([np.sqrt(8) - np.sqrt(2)])


def test_under_no_effect_omega_is_0_on_average_and_p_uniform() -> None:
    rng = np.random.default_rng(1)
    found = [decompose(rng.standard_normal((3, 4, 3))) for _ in range(400)]
    assert abs(np.mean([one.probe.unbiased for one in found])) < 0.01
    assert np.mean([one.probe.share for one in found]) > 0.05  # eta is biased
    assert 0.02 < np.mean([one.probe.p < 0.05 for one in found]) < 0.09


def test_the_spread_follows_the_factor_that_moves_the_score() -> None:
    assert (spread_difference(table(1.0, 0.1, 0.0, 0.05)) > 0).all()
    assert (spread_difference(table(0.1, 1.0, 0.0, 0.05)) < 0).all()
    y = table(1.0, 0.3, 0.2, 0.1)
    swapped = spread_difference(y.transpose(0, 2, 1))
    assert swapped == pytest.approx(-spread_difference(y))


@pytest.mark.parametrize(
    "wrong", [np.ones((2, 3)), np.ones((2, 1, 3)), np.full((2, 2, 2), np.nan)]
)
def test_tables_with_gaps_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="scores must be"):
        decompose(wrong)
