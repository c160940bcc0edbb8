import math

import numpy as np
import pytest
from scipy import stats

from helpers.measure.statistics import (
    Components,
    crossed,
    defined,
    holm,
    p_value,
    paired_differences,
    scores,
    seed_means,
    smallest_effect,
    t_interval,
)

NAN = math.nan


def test_paired_differences_by_hand():
    a = [[1.0, 2.0, 3.0], [4.0, NAN, 6.0]]
    b = [[0.0, 1.0, NAN], [1.0, 1.0, 1.0]]
    assert paired_differences(a, b).tolist() == [1.0, 4.0]  # (1 + 1)/2, (3 + 5)/2
    where = np.array([[True, False, True], [False, True, True]])
    assert paired_differences(a, b, where).tolist() == [1.0, 5.0]


def test_pictures_count_where_every_arm_has_a_score():
    one, two = [[1.0, NAN, 3.0]], [[NAN, 2.0, 3.0]]
    assert defined(one, two).tolist() == [[False, False, True]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scores([1.0, 2.0], "a"), r"a must be \[seeds, pictures\].*\(2,\)"),
        (lambda: scores([[1.0, math.inf]]), "holds 1 infinite"),
        (lambda: paired_differences([[1.0]], [[1.0, 2.0]]), "share .seeds, pictures"),
        (lambda: seed_means([[1.0], [NAN]]), "seed row 1 has no picture"),
        (lambda: t_interval([1.0, 2.0], comparisons=0), "comparisons"),
        (lambda: holm([0.5, 1.2]), r"\[0, 1\]"),
        (lambda: holm([NAN]), r"\[0, 1\]"),
    ],
)
def test_one_clear_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_interval_by_hand():
    # mean 2, SD 1, n 3: 2 +- 4.3027 / sqrt(3)
    low, high = t_interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-4)


def test_interval_and_p_are_those_of_scipy():
    d = np.random.default_rng(0).normal(0.3, 1, (4, 7))
    low, high = t_interval(d)
    for row, lo, hi in zip(d, low, high, strict=True):
        oracle = stats.ttest_1samp(row, 0.1)
        assert (lo, hi) == pytest.approx(tuple(oracle.confidence_interval(0.95)))
        assert p_value(row, 0.1) == pytest.approx(oracle.pvalue)


def test_simultaneous_interval_is_bonferroni_and_close_to_sidak():
    d = np.random.default_rng(1).normal(size=5)
    assert t_interval(d, comparisons=10) == pytest.approx(t_interval(d, 0.995))
    sidak = t_interval(d, 0.95**0.1)
    width, narrower = np.ptp(t_interval(d, comparisons=10)), np.ptp(sidak)
    assert 0.98 * width < narrower < width


def test_one_seed_and_no_spread():
    assert t_interval([2.0]) == (-math.inf, math.inf)
    assert p_value([2.0]) == 1.0
    assert t_interval([2.0, 2.0]) == (2.0, 2.0)
    assert (p_value([2.0, 2.0]), p_value([2.0, 2.0], 2.0)) == (0.0, 1.0)


@pytest.mark.parametrize(("seeds", "effect"), [(3, 3.3), (5, 1.7), (10, 1.0)])
def test_smallest_effect_of_the_method(seeds, effect):
    assert round(smallest_effect(seeds), 1) == effect


@pytest.mark.parametrize("seeds", [2, 3, 5, 10, 40])
@pytest.mark.parametrize("level", [0.05, 0.05 / 12])
def test_smallest_effect_is_seen_at_the_power_asked_for(seeds, level):
    delta = smallest_effect(seeds, 0.8, level)
    bar = stats.t.ppf(1 - level / 2, seeds - 1) ** 2
    power = stats.ncf.sf(bar, 1, seeds - 1, delta**2 * seeds)  # both tails: F = t^2
    assert power == pytest.approx(0.8, abs=1e-5)


def test_smallest_effect_in_simulation():
    rng = np.random.default_rng(2)
    d = smallest_effect(5) + rng.standard_normal((20_000, 5))
    low, _ = t_interval(d)
    assert (low > 0).mean() == pytest.approx(0.8, abs=0.01)  # 3.5 standard errors


def test_smallest_effect_of_one_seed_is_infinite():
    assert smallest_effect(1) == math.inf


def test_crossed_by_hand():
    # seed means 2, 4; picture means 2, 4; cells leave a residual of +-1
    d = [[2.0, 2.0], [2.0, 6.0]]  # residuals 1, -1, -1, 1: MS_res = 4 / 1
    # seed: var(2, 4) - 4 / 2 = 0; picture the same
    assert crossed(d) == Components(seed=0.0, picture=0.0, residual=4.0)
    # additive: residual 0, seed var(0, 2) = 2, picture var(0, 4) = 8
    both = crossed([[0.0, 4.0, NAN], [2.0, 6.0, 1.0]])
    assert both == Components(seed=2.0, picture=8.0, residual=0.0)
    assert both is not None
    assert both.standard_error(2, 4) == pytest.approx(math.sqrt(2 / 2 + 8 / 4))


def test_crossed_against_a_slow_twin():
    d = np.random.default_rng(3).normal(size=(4, 6)) + np.arange(4)[:, None]
    S, P, grand = 4, 6, d.mean()
    ms_seed = P * sum((d[s].mean() - grand) ** 2 for s in range(S)) / (S - 1)
    ms_res = sum(
        (d[s, p] - d[s].mean() - d[:, p].mean() + grand) ** 2
        for s in range(S)
        for p in range(P)
    ) / ((S - 1) * (P - 1))
    found = crossed(d)
    assert found is not None
    assert found.seed == pytest.approx((ms_seed - ms_res) / P)
    assert found.residual == pytest.approx(ms_res)


def test_crossed_finds_the_variances_that_were_put_in():
    rng = np.random.default_rng(4)
    found = np.zeros(3)
    for _ in range(300):
        d = rng.normal(0, 2, (8, 1)) + rng.normal(0, 3, (1, 20))
        one = crossed(d + rng.normal(0, 1, (8, 20)))
        assert one is not None
        found += np.array([one.seed, one.picture, one.residual]) / 300
    assert found == pytest.approx([4, 9, 1], rel=0.1)


@pytest.mark.parametrize("d", [[[1.0, 2.0]], [[1.0], [2.0]], [[1.0, NAN], [2.0, 3.0]]])
def test_crossed_needs_two_seeds_and_two_complete_pictures(d):
    assert crossed(d) is None


def test_holm_by_hand():
    # sorted .01, .02, .03, .04 -> 4 x .01, 3 x .02, 2 x .03, 1 x .04, made monotone
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    assert holm([0.2]).tolist() == [0.2]


def test_holm_keeps_the_family_error():
    rng = np.random.default_rng(5)
    false = [holm(rng.uniform(size=6)).min() <= 0.05 for _ in range(4000)]
    assert np.mean(false) == pytest.approx(0.05, abs=0.014)  # 4 standard errors


@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("effect", [0.0, 0.02, 0.1])
def test_interval_covers_the_truth(seeds, effect):
    """Crossed records with known truth; 4,000 of them: standard error 0.35 points."""
    rng = np.random.default_rng([seeds, int(1000 * effect)])
    shape = (4000, seeds, 12)
    by_seed = rng.normal(0, 0.01, (*shape[:2], 1))
    noise = rng.normal(0, 0.03, shape)
    low, high = t_interval((effect + by_seed + noise).mean(axis=2))
    assert 0.93 <= ((low <= effect) & (effect <= high)).mean() <= 0.97
