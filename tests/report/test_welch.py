"""Welch's test from printed numbers: scipy and simulated studies as witnesses."""

import math

import numpy as np
import pytest
from scipy import stats

from helpers.report.welch import detectable, power, undecidable_sd, welch
from helpers.settings import Refused

CASES = [
    ((0.816, 0.8218), (0.0027, 0.0132), (3, 3)),
    ((0.706, 0.727), (0.012, 0.003), (3, 3)),
    ((1.0, 1.0), (0.5, 0.2), (4, 9)),
    ((2.0, -1.0), (0.3, 0.0), (5, 3)),
]


@pytest.mark.parametrize(("means", "sds", "runs"), CASES)
def test_the_test_is_that_of_scipy(means, sds, runs) -> None:
    found = welch(means, sds, runs)
    t, p = stats.ttest_ind_from_stats(
        *(means[0], sds[0], runs[0], means[1], sds[1], runs[1]), equal_var=False
    )
    assert found.difference / found.standard_error == pytest.approx(t)
    assert found.p == pytest.approx(p)


def test_the_interval_is_that_of_scipy_on_samples_with_these_means_and_sds() -> None:
    rng = np.random.default_rng(1)
    for means, sds, runs in CASES[:3]:  # both arms with spread
        samples = []
        for mean, sd, n in zip(means, sds, runs, strict=True):
            drawn = rng.normal(size=n)
            unit = (drawn - drawn.mean()) / drawn.std(ddof=1)
            samples.append(mean + sd * unit)
        for confidence in (0.8, 0.95):
            witness = stats.ttest_ind(*samples, equal_var=False)
            low, high = witness.confidence_interval(confidence)
            found = welch(means, sds, runs, confidence)
            assert found.interval == pytest.approx((low, high))
            assert found.freedom == pytest.approx(witness.df)


def test_an_interval_ends_at_0_where_p_is_the_level() -> None:
    end = welch((0.0, 0.0), (0.3, 0.1), (3, 4)).interval[1]
    assert welch((end, 0.0), (0.3, 0.1), (3, 4)).p == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("sds", "runs"),
    [
        ((1.0, 1.0), (3, 3)),
        ((0.2, 1.0), (3, 3)),
        ((1.0, 0.0), (3, 3)),
        ((1, 2), (3, 8)),
    ],
)
def test_power_is_the_share_of_simulated_studies_that_find_the_effect(
    sds, runs
) -> None:
    """Each study draws its runs and is tested by scipy; 0.4 % is 3 standard errors."""
    rng = np.random.default_rng(0)
    effect = detectable(sds, runs)
    noise = [rng.normal(0, sd, (100_000, n)) for sd, n in zip(sds, runs, strict=True)]
    for true in (0.0, effect / 2, effect):
        studies = (noise[0] + true, noise[1])
        with np.errstate(all="ignore"):
            p = stats.ttest_ind(*studies, axis=1, equal_var=False).pvalue
        assert power(true, sds, runs, 0.05) == pytest.approx(
            (p < 0.05).mean(), abs=5e-3
        )
    assert power(effect, sds, runs, 0.05) == pytest.approx(0.8)


def test_many_runs_need_what_the_normal_law_says() -> None:
    sigma = math.sqrt(2 / 2000)
    normal = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * sigma
    assert detectable((1.0, 1.0), (2000, 2000)) == pytest.approx(normal, rel=2e-3)


def test_the_detectable_difference_has_the_unit_of_the_sds() -> None:
    small, large = detectable((0.1, 0.2), (3, 3)), detectable((1.0, 2.0), (3, 3))
    assert large == pytest.approx(10 * small)
    assert detectable((1, 1), (3, 3), share=0.9) > detectable((1, 1), (3, 3))
    assert detectable((1, 1), (5, 5)) < detectable((1, 1), (3, 3))


def test_an_sd_above_the_limit_hides_the_difference() -> None:
    """Worked by hand: 0.02 of single runs, 0.02 / (1.959964 * sqrt 2) = 0.0072154."""
    assert undecidable_sd(0.02, (1, 1)) == pytest.approx(0.0072154, rel=1e-4)
    assert undecidable_sd(-0.02, (1, 1)) == undecidable_sd(0.02, (1, 1))
    limit = undecidable_sd(0.02, (1, 3))
    half = stats.norm.ppf(0.975) * limit * math.sqrt(1 + 1 / 3)
    assert half == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("sds", "runs", "words"),
    [
        ((0.1, 0.1), (3, 1), "two runs an arm"),
        ((0.0, 0.0), (3, 3), "one of them above"),
        ((-0.1, 0.1), (3, 3), "give two that are >= 0"),
    ],
)
def test_what_has_no_test_is_refused_in_one_line(sds, runs, words) -> None:
    for call in (
        lambda: welch((1.0, 0.0), sds, runs),
        lambda: power(0.1, sds, runs, 0.05),
        lambda: detectable(sds, runs),
    ):
        with pytest.raises(Refused, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)
