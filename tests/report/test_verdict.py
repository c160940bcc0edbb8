import json
import math
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from helpers.measure.statistics import p_value, smallest_effect, t_interval
from helpers.report import margins
from helpers.report.joint import after_holm, agreeing, all_of, weakest
from helpers.report.verdict import decide, red_dot, verdict

NAN = math.nan
RUNS = {"claim": "LICO > CE", "trained_out": True, "inert": False}


def scores_with(*differences, pictures=4):
    """Scores of two arms whose difference per seed is the one given."""
    base = np.tile(np.linspace(0.2, 0.8, pictures), (len(differences), 1))
    return base + np.array(differences)[:, None], base


def judged(*differences, **options):
    return verdict(*scores_with(*differences), **{"metric": "sch"} | RUNS | options)


SUPPORTED = (0.05, 0.051, 0.049, 0.05, 0.05)
CONTRADICTED = (-0.05, -0.051, -0.049, -0.05, -0.05)
SAME = (0.001, -0.001, 0.0, 0.001, -0.001)
NOISY = (0.1, -0.1, 0.2, -0.2, 0.1)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.01, 0.05, "supported"),
        (0.03, 0.05, "supported"),
        (0.005, 0.015, "no relevant difference"),  # excludes 0, too small to matter
        (-0.02, 0.02, "no relevant difference"),
        (-0.01, 0.03, "undecided"),
        (-0.03, 0.03, "undecided"),
        (-0.03, 0.01, "undecided"),
        (-0.05, -0.01, "contradicted"),
        (-0.015, -0.005, "no relevant difference"),
    ],
)
def test_superiority(low, high, outcome):
    assert decide(low, high, 0.02)[0] == outcome


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (-0.015, 0.015, "supported"),
        (-0.019, 0.5, "supported"),
        (-0.021, 0.5, "undecided"),
        (-0.03, -0.01, "undecided"),
        (-0.05, -0.021, "contradicted"),
    ],
)
def test_non_inferiority(low, high, outcome):
    assert decide(low, high, 0.02, "non-inferiority")[0] == outcome


@pytest.mark.parametrize("ends", [(0.2, 0.1, 0.02), (NAN, 0.1, 0.02), (0.1, 0.2, 0)])
def test_no_interval_no_decision(ends):
    with pytest.raises(ValueError, match="need low <= high"):
        decide(*ends)


@pytest.mark.parametrize(
    ("differences", "outcome"),
    [
        (SUPPORTED, "supported"),
        (CONTRADICTED, "contradicted"),
        (SAME, "no relevant difference"),
        ((0.0,) * 5, "no relevant difference"),  # bit-equal arms
        (NOISY, "undecided"),
    ],
)
def test_four_outcomes_from_scores(differences, outcome):
    assert judged(*differences).outcome == outcome


def test_numbers_are_those_of_the_statistics():
    found = judged(*SUPPORTED)
    d = np.array(SUPPORTED)
    assert found.estimate == pytest.approx(0.05)
    assert found.interval == pytest.approx(t_interval(d))
    assert found.sd == pytest.approx(d.std(ddof=1))
    assert found.smallest_effect == pytest.approx(smallest_effect(5) * found.sd)
    assert found.p == pytest.approx(p_value(d))
    assert (found.seeds, found.pictures, found.all_pictures) == (5, 4, 4)
    assert found.components is not None
    assert found.components.picture == pytest.approx(0, abs=1e-12)


def test_lower_is_better():
    worse = judged(*SUPPORTED, metric="deletion")
    assert (worse.outcome, worse.estimate) == ("contradicted", pytest.approx(0.05))
    assert judged(*CONTRADICTED, metric="deletion").outcome == "supported"


def test_non_inferiority_and_superiority_of_the_same_runs():
    options = {"metric": "accuracy"}
    assert judged(*SAME, kind="non-inferiority", **options).outcome == "supported"
    assert judged(*SAME, **options).outcome == "no relevant difference"
    loss = [d - 0.05 for d in SAME]
    assert judged(*loss, kind="non-inferiority", **options).outcome == "contradicted"


@pytest.mark.parametrize("seeds", [1, 2, 3, 4])
def test_few_seeds(seeds):
    noun = "seed" if seeds == 1 else "seeds"
    found = judged(*SUPPORTED[:seeds])
    assert found.label == f"undecided ({seeds} {noun})"
    assert f"; {seeds} {noun};" in found.sentence


def test_no_intervention_no_verdict():
    assert judged(*SUPPORTED, trained_out=False).label == "undecided: under-trained"
    assert judged(*SUPPORTED, inert=True).label == "undecided: inert"
    both = judged(*SUPPORTED[:3], inert=True, trained_out=False)
    assert both.label == "undecided: inert"


def test_a_study_too_small_for_the_margin_says_so_whatever_it_saw():
    wide = [0.5 + d for d in (0.03, -0.03, 0.02, -0.02, 0.0)]
    found = judged(*wide)
    assert found.interval[0] > found.margin  # far above, and yet
    assert found.smallest_effect > found.margin
    assert found.label.startswith("undecided: smallest detectable effect 0.04")


def test_baseline_spread_widens_the_margin_of_superiority_alone():
    a, b = scores_with(*SUPPORTED)
    shift = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])[:, None]
    spread = float(shift.std(ddof=1))
    options = {"metric": "accuracy"} | RUNS
    wide = verdict(a + shift, b + shift, **options)
    assert wide.margin == pytest.approx(spread / 2)
    assert wide.outcome == "no relevant difference"
    strict = verdict(a + shift, b + shift, kind="non-inferiority", **options)
    assert strict.margin == 0.005
    assert verdict(a + shift, b + shift, baseline=b, **options).margin == 0.005


def test_simultaneous_intervals_are_wider_and_see_less():
    one, many = judged(*SUPPORTED), judged(*SUPPORTED, comparisons=12)
    assert np.ptp(many.interval) > np.ptp(one.interval)
    assert many.smallest_effect > one.smallest_effect


def test_undefined_scores_need_a_stated_fill():
    a, b = scores_with(*SUPPORTED)
    a[0, 0] = NAN
    with pytest.raises(ValueError, match="1 of 20 undefined: state `fill`"):
        verdict(a, b, metric="sch", **RUNS)
    found = verdict(a, b, metric="sch", fill=0.2, **RUNS)
    assert (found.pictures, found.all_pictures) == (3, 4)
    assert "3 of 4 pictures" in found.sentence


def test_disagreement_with_the_filled_scores_is_fragile():
    a, b = scores_with(*SUPPORTED)
    a[:, 0] = NAN  # the first picture of b has 0.2
    sound = verdict(a, b, metric="sch", fill=0.25, **RUNS)
    assert (sound.label, sound.fragile) == ("supported", False)
    torn = verdict(a, b, metric="sch", fill=0.0, **RUNS)
    assert torn.label == "supported (fragile)"


def test_pairing_on_pictures_that_a_third_arm_restricts():
    a, b = scores_with(*SUPPORTED)
    a[:, 0] -= 1.0
    where = np.ones(a.shape, dtype=bool)
    where[:, 0] = False
    found = verdict(a, b, metric="sch", where=where, **RUNS)
    assert (found.label, found.pictures) == ("supported (fragile)", 3)


def test_interaction_sums_arms_and_fills_each():
    _, ce = scores_with(*SAME)
    mm, ot = ce + 0.05, ce + 0.1
    lico = ce + 0.25 + np.array(SAME)[:, None]
    options = {"metric": "sch"} | RUNS
    found = verdict((lico, ce), (mm, ot), baseline=ce, **options)
    assert found.outcome == "supported"
    assert found.estimate == pytest.approx(0.1)
    lico[:, 1] = NAN
    filled = verdict((lico, ce), (mm, ot), baseline=ce, fill=0.0, **options)
    assert filled.pictures == 3
    with pytest.raises(ValueError, match="state `baseline`"):
        verdict((lico, ce), (mm, ot), fill=0.0, **options)


@pytest.mark.parametrize(
    ("b", "options", "message"),
    [
        (np.ones((5, 3)), {}, "arms must share"),
        (np.ones((4, 4)), {}, "arms must share"),
        (np.ones(5), {}, "seeds, pictures"),
        (np.full((5, 4), np.inf), {}, "infinite"),
        (np.ones((5, 4)), {"where": np.ones((5, 3))}, "where has shape"),
        (np.ones((5, 4)), {"where": np.zeros((5, 4))}, "seed row 0 has no picture"),
        (np.ones((5, 4)), {"metric": "schh"}, "nearest: 'sch'"),
    ],
)
def test_one_clear_line(b, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        verdict(np.ones((5, 4)), b, **{"metric": "sch"} | RUNS | options)
    assert "\n" not in str(caught.value)


def test_sentence_and_record_hold_all_that_a_verdict_must_print():
    found = judged(*SUPPORTED)
    assert found.sentence == (
        "LICO > CE: supported (interval above the margin). A - B = +0.0500 "
        "[+0.0491, +0.0509] share of mass (SCH, higher is better); margin 0.02; "
        "5 seeds; 4 of 4 pictures; SD of differences 0.0007071; "
        "smallest detectable effect 0.001189."
    )
    record = json.loads(json.dumps(judged(0.1).to_dict(), allow_nan=False))
    assert record["label"] == "undecided (1 seed)"
    assert record["interval"] == [None, None]
    assert "LICO &gt; CE" in found._repr_html_()
    assert "Verdict: supported<" in found._repr_html_()
    few = judged(0.1)
    assert "Verdict: undecided (1 seed)<" in few._repr_html_()
    barred = replace(found, outcome="undecided", reason="inert")
    together = all_of([few, barred], "both")
    assert "Verdict: undecided<" in together._repr_html_()  # two reasons: not a title
    assert "inert" in together._repr_html_()
    with pytest.raises(FrozenInstanceError):
        found.outcome = "supported"


def test_a_verdict_on_means_of_a_seed_names_no_picture():
    a, b = [[0.5], [0.6], [0.5]], [[0.4], [0.45], [0.4]]
    given = {"claim": "c", "metric": "sch", "trained_out": True, "inert": False}
    assert "3 seeds; means of a seed;" in verdict(a, b, **given).sentence


def test_intersection_union():
    good, bad = judged(*SUPPORTED, claim="x"), judged(*CONTRADICTED, claim="y")
    same, open_ = judged(*SAME, claim="z"), judged(*NOISY, claim="w")
    assert all_of([good, good], "c").outcome == "supported"
    assert all_of([good, same], "c").outcome == "no relevant difference"
    assert all_of([good, same, open_], "c").outcome == "undecided"
    joint = all_of([good, same, open_, bad], "c")
    assert (joint.outcome, joint.estimate) == ("contradicted", bad.estimate)
    assert joint.reason.startswith("y: interval below")
    assert len(joint.to_dict()["parts"]) == 4
    assert not joint.fragile
    assert all_of([good, replace(good, fragile=True)], "c").fragile
    with pytest.raises(ValueError, match="at least one"):
        all_of([], "c")


def test_one_part_of_many_contradicts_at_its_share_of_the_level():
    alone = judged(-0.0065, -0.0295, -0.018, -0.0065, -0.0295)
    assert alone.outcome == "contradicted"
    assert 0.0125 < alone.p < 0.05
    good = judged(*SUPPORTED)
    joint = all_of([good, good, good, alone], "c")
    assert joint.outcome == "undecided"
    assert joint.reason.endswith("as one of 4")
    assert joint.estimate == alone.estimate
    assert joint.parts[3].outcome == "contradicted"
    assert all_of([alone], "c").outcome == "contradicted"


def test_intersection_union_shows_its_weakest_part_and_shared_reason():
    strong = judged(*SUPPORTED)
    weak = judged(*(0.02 + 3 * (d - 0.05) for d in SUPPORTED))
    assert all_of([strong, weak], "c").estimate == weak.estimate
    one = [judged(0.05), judged(-0.05), judged(0.02)]
    assert all_of(one, "c").estimate == one[1].estimate
    assert weakest(one) is one[1]
    assert all_of(one, "c").p == 1.0
    noisy = judged(*(0.03 + d / 4 for d in NOISY))
    assert all_of([noisy, judged(*NOISY)], "c").p == max(noisy.p, judged(*NOISY).p)
    few = [judged(*SUPPORTED[:3]), judged(*SAME[:3])]
    assert all_of(few, "c").label == "undecided (3 seeds)"


def test_two_versions_must_agree():
    good, same = judged(*SUPPORTED), judged(*SAME)
    assert agreeing([good, good]).outcome == "supported"
    torn = agreeing([good, same])
    assert torn.label == (
        "undecided: versions disagree: supported, no relevant difference"
    )
    assert agreeing([good, replace(good, fragile=True)]).fragile
    with pytest.raises(ValueError, match="two versions"):
        agreeing([good])


def test_holm_takes_back_the_weaker_of_a_family():
    good, same = judged(*SUPPORTED), judged(*SAME)
    family = [replace(good, p=0.03), replace(good, p=0.001), replace(same, p=0.5)]
    first, second, third = after_holm(family)
    assert first.label == "undecided: Holm-adjusted p 0.060 > 0.05"
    assert (second.outcome, second.p) == ("supported", pytest.approx(0.003))
    assert third.outcome == "no relevant difference"


def test_red_dot():
    assert red_dot(judged(*SUPPORTED).outcome) == "noticed"
    assert red_dot(judged(*CONTRADICTED).outcome) == "fooled"
    assert red_dot(judged(*SAME).outcome) == "blind"
    assert red_dot(judged(*NOISY).outcome) == "undecided"


# Simulated records with known truth. 1,500 a setting: the standard error of a rate is
# 0.4 points at the 2.5 % that theory gives at the boundary of a claim.
STUDIES = 1500


def rate(outcome, effect, seeds, spread, seed, **options):
    """Share of studies with an outcome; `spread` in smallest effects per margin."""
    rng = np.random.default_rng([seed, seeds])
    metric = options.get("metric", "sch")
    m = margins.margin(metric)
    sd = spread * m / smallest_effect(seeds)
    hits = 0
    for _ in range(STUDIES):
        pictures = rng.normal(0.4, 0.1, (1, 6))
        b = pictures + rng.normal(0, m / 10, (seeds, 1))
        noise = rng.normal(0, sd / 2, (seeds, 6))
        by_seed = rng.normal(0, sd * math.sqrt(1 - 1 / 24), (seeds, 1))
        a = b + effect * m + by_seed + noise
        hits += verdict(a, b, **{"metric": metric} | RUNS | options).outcome == outcome
    return hits / STUDIES


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("spread", [0.7, 1.2])
def test_false_supported_without_a_difference(seeds, spread):
    assert rate("supported", 0.0, seeds, spread, seed=1) <= 0.05


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_false_supported_when_worse_by_the_margin(seeds):
    options = {"kind": "non-inferiority", "metric": "accuracy"}
    assert rate("supported", -1.0, seeds, 0.5, seed=2, **options) <= 0.05
    assert rate("supported", -1.0, seeds, 0.5, seed=3) == 0.0


@pytest.mark.parametrize("seeds", [5, 10])
def test_false_sameness_when_better_by_the_margin(seeds):
    assert rate("no relevant difference", 1.0, seeds, 0.5, seed=4) <= 0.05


@pytest.mark.parametrize(("seeds", "least"), [(3, 0.0), (5, 0.9), (10, 0.9)])
def test_large_differences_are_seen(seeds, least):
    found = rate("supported", 3.0, seeds, 0.6, seed=5)
    assert found >= least
    assert (found > 0) == (seeds >= 5)
    assert rate("contradicted", -3.0, seeds, 0.6, seed=6) >= least
