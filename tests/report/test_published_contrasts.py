"""Families, Holm, rounding and single runs of the published contrasts."""

from collections import Counter
from dataclasses import replace
from itertools import product

import pytest
from scipy import stats

from helpers.report import margins, published, published_contrasts
from helpers.report.published_contrasts import (
    all_tested,
    all_untested,
    claim_of,
    largest_p,
    printed_sds,
)
from helpers.report.welch import undecidable_sd

TESTS, SINGLES = all_tested(), all_untested()


def pair_of(one: published_contrasts.Tested) -> tuple[str, str, str]:
    return one.contrast.a.arm or "", one.contrast.b.arm or "", one.contrast.metric


def found(a: str, b: str, metric: str) -> published_contrasts.Tested:
    (one,) = (one for one in TESTS if pair_of(one) == (a, b, metric))
    return one


def test_a_contrast_is_tested_or_listed_as_not_testable() -> None:
    assert len(TESTS) == 6 * 3 + 6 * 5  # Tables 2 and 4
    assert len(TESTS) + len(SINGLES) == len(published.every_contrast())
    for one in SINGLES:
        assert None in (one.contrast.a.sd, one.contrast.b.sd)
        assert one.evidence == "no test possible"


def test_p_values_are_those_of_scipy() -> None:
    for one in TESTS:
        a, b = one.contrast.a, one.contrast.b
        witness = stats.ttest_ind_from_stats(
            *(a.mean, a.sd, a.runs, b.mean, b.sd, b.runs), equal_var=False
        )
        assert one.test.p == pytest.approx(witness.pvalue)


def test_families_are_a_document_and_a_claim() -> None:
    sizes = Counter(one.claim for one in TESTS)
    assert sizes == {"1": 6, "2": 2, "3": 4 * 8, "none": 8}
    assert {one.family for one in TESTS if one.claim == "3"} == {32}
    assert claim_of(found("lico", "ce", "top-5").contrast) == "2"
    assert claim_of(found("lico", "ce", "overall").contrast) == "1"
    assert claim_of(found("mm", "ce", "accuracy").contrast) == "3"
    assert claim_of(found("ot", "mm", "sch").contrast) == "none"


@pytest.mark.parametrize("claim", ["1", "2", "3", "none"])
def test_holm_is_the_step_down_procedure(claim: str) -> None:
    """The textbook loop: smallest first, times what is left, never falling."""
    family = sorted((t for t in TESTS if t.claim == claim), key=lambda t: t.test.p)
    worst = 0.0
    for rank, one in enumerate(family):
        worst = max(worst, min(1.0, one.test.p * (len(family) - rank)))
        assert one.holm == pytest.approx(worst)


def test_a_family_of_fewer_tests_corrects_less() -> None:
    one = found("lico", "ce", "ses")
    assert one.test.p < one.holm < 32 * one.test.p
    assert one.holm == pytest.approx(6 * one.test.p)  # smallest of its family


def test_the_largest_p_holds_every_number_that_rounds_to_what_is_printed() -> None:
    """Corners of means and SDs, and the printed numbers themselves, by scipy."""
    for one in TESTS:
        a, b = one.contrast.a, one.contrast.b
        most = largest_p(one.contrast)
        shifts = product((-0.5, 0, 0.5), repeat=4)
        for mean_a, mean_b, sd_a, sd_b in shifts:
            sds = (a.sd or 0) + sd_a * a.step, (b.sd or 0) + sd_b * b.step
            if min(sds) <= 0:
                continue
            gap = one.contrast.difference + mean_a * a.step - mean_b * b.step
            p = stats.ttest_ind_from_stats(
                *(gap, sds[0], a.runs, 0, sds[1], b.runs), equal_var=False
            ).pvalue
            assert p <= most + 1e-12
        assert one.holm <= one.holm_rounded


def test_the_evidence_follows_p_and_holm() -> None:
    one = found("lico", "ce", "ses")
    level = one.level
    test = replace(one.test, p=level / 2)
    assert replace(one, test=test, holm=level / 2).evidence == "after Holm"
    assert replace(one, test=test, holm=level).evidence == "before Holm only"
    test = replace(one.test, p=level)
    assert replace(one, test=test, holm=1.0).reading == "interval holds 0"
    for one in TESTS:
        low, high = one.test.interval
        assert (low > 0 or high < 0) == (one.evidence != "interval holds 0")
        assert one.gains[0] <= one.contrast.gain <= one.gains[1]


def test_the_rule_of_the_book_answers_when_there_are_runs_enough() -> None:
    one = found("lico", "ce", "sch")
    assert one.verdict == "undecided (3 runs)"
    assert found("lico", "ce", "top-5").verdict == "undecided: no margin committed"
    five = replace(
        one.contrast,
        a=replace(one.contrast.a, runs=5),
        b=replace(one.contrast.b, runs=5),
    )
    margin = margins.metric("sch").margin
    seen = replace(one, contrast=five, detectable=margin / 2)
    assert seen.verdict == "contradicted"  # the interval lies below 0
    blind = replace(seen, detectable=2 * margin)
    assert blind.verdict == "undecided: smallest detectable difference > margin"


def test_lower_is_better_is_turned_around_for_the_verdict() -> None:
    one = found("lico", "ce", "mosu")
    assert one.gains == (-one.test.interval[1], -one.test.interval[0])
    up = found("lico", "ce", "sch")
    assert up.gains == up.test.interval


def test_single_runs_name_the_sd_that_hides_them() -> None:
    for one in SINGLES:
        runs = (one.contrast.a.runs or 1, one.contrast.b.runs or 1)
        limit = undecidable_sd(one.contrast.difference, runs)
        assert one.undecidable_sd == pytest.approx(limit)
        share = sum(sd >= limit for sd in one.printed_sds) / len(one.printed_sds)
        assert one.share == share
    (mixed,) = (
        one
        for one in SINGLES
        if (one.contrast.a.arm, one.contrast.metric) == ("lico, class context", "sch")
    )
    assert mixed.runs == (1, 3)


def test_printed_sds_count_a_repeated_row_once() -> None:
    assert printed_sds("accuracy") == (0.0027, 0.0035, 0.0049, 0.0132)
    assert printed_sds("insertion") == (0.003, 0.003, 0.004, 0.012)


def test_other_settings_give_other_answers() -> None:
    loose = all_tested(confidence=0.8, power=0.5)
    for wide, narrow in zip(TESTS, loose, strict=True):
        assert narrow.test.half < wide.test.half
        assert narrow.detectable < wide.detectable
    assert all_tested(["lei2024response"]) == []
