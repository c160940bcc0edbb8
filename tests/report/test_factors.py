"""Effects of single differences: by hand, against twins, and by simulation."""

import math
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

from helpers.measure.statistics import smallest_effect
from helpers.methods.factors import FACTORS, Factor, factor
from helpers.methods.presets import PRESETS, differences
from helpers.report import factor_figures, factors, margins, simultaneous, whole_codes
from helpers.report.beyond_nothing import beyond_nothing, chance_of
from helpers.report.records import packed
from helpers.settings import Lico

mpl.use("Agg")
PICTURES = 40
ONE, TWO, TRAINING = "MM: image pooled", "OT: no gradient", "rate 0.1"


def row(
    right: int,
    sch: float | list[float | None] = 0.4,
    inert: str = "no",
    out: bool = True,
) -> dict[str, Any]:
    """Return a run that names `right` of 40 pictures and has these SCH."""
    values = sch if isinstance(sch, list) else [sch] * PICTURES
    return {
        "accuracy": {"test": right / PICTURES, "validation": right / PICTURES},
        "trained_out": out,
        "correct": "1" * right + "0" * (PICTURES - right),
        "means": {"Grad-CAM": {"sch": 0.4, "ses": right / 100}},
        "sch": packed(values),
        "intervention": {"inert": inert},
    }


def baseline(right: int) -> dict[str, Any]:
    found = row(right)
    del found["intervention"]
    return found


def summary(**arms: list[dict[str, Any]]) -> dict[str, Any]:
    rows = {
        name: {str(seed): run for seed, run in enumerate(runs, 1)}
        for name, runs in arms.items()
    }
    return {"parameters": {}, "arms": rows}


def small(**more: list[dict[str, Any]]) -> dict[str, Any]:
    """Return three seeds of CE and LICO, and other arms."""
    return summary(
        ce=[baseline(n) for n in (30, 31, 32)],
        lico=[row(n) for n in (30, 32, 34)],
        **more,
    )


# By hand


def test_changing_nothing_is_root_two_of_the_spread_between_seeds() -> None:
    found = factors.changing_nothing(small(), "accuracy")
    assert found is not None
    sd = 2 / PICTURES  # of 30, 32, 34 pictures
    assert found.sd == pytest.approx(sd)
    assert found.size == pytest.approx(math.sqrt(2) * sd)
    low, high = (
        found.size * math.sqrt(2 / stats.chi2.ppf(q, 2)) for q in (0.975, 0.025)
    )
    assert found.interval == pytest.approx((low, high))


def test_changing_nothing_of_the_training_is_on_lico_less_its_baseline() -> None:
    found = factors.changing_nothing(small(), "accuracy", training=True)
    assert found is not None
    assert found.sd == pytest.approx(1 / PICTURES)  # of 0, 1, 2 pictures


def test_one_seed_has_no_size_of_nothing() -> None:
    found = factors.changing_nothing(
        summary(ce=[baseline(30)], lico=[row(31)]), "accuracy"
    )
    assert found is not None
    assert math.isnan(found.size)
    assert math.isnan(chance_of(0.1, found))
    assert factors.changing_nothing(small(), "mosu") is None


def test_a_difference_of_the_language_is_taken_seed_by_seed() -> None:
    (found,) = factors.effects(
        small(**{ONE: [row(n) for n in (31, 33, 36)]}), "accuracy"
    )
    assert found.each == pytest.approx((1 / 40, 1 / 40, 2 / 40))
    assert found.verdict.estimate == pytest.approx(4 / 120)
    assert found.ratio == pytest.approx((4 / 120) / (math.sqrt(2) * 2 / 40))
    half = stats.t.ppf(0.975, 2) * np.std([1, 1, 2], ddof=1) / 40 / math.sqrt(3)
    assert found.alone == pytest.approx((4 / 120 - half, 4 / 120 + half))


def test_a_difference_of_the_training_is_one_of_gains() -> None:
    more = {
        TRAINING: [row(n) for n in (35, 36, 37)],
        f"ce: {TRAINING}": [baseline(n) for n in (33, 33, 33)],
    }
    (found,) = factors.effects(small(**more), "accuracy")
    # gains 2, 3, 4 with it, 0, 1, 2 without
    assert found.each == pytest.approx((2 / 40,) * 3)
    assert found.nothing.of == "LICO - CE"


def test_a_training_difference_without_its_baseline_is_left_out() -> None:
    alone = small(**{TRAINING: [row(35)] * 3})
    assert factors.present(alone) == []


def test_intervals_hold_together_over_all_that_are_shown() -> None:
    both = {ONE: [row(n) for n in (31, 33, 36)], TWO: [row(n) for n in (29, 33, 30)]}
    found = factors.effects(small(**both), "accuracy")
    for one in found:
        d = np.array(one.each)
        half = stats.t.ppf(1 - 0.05 / 4, 2) * d.std(ddof=1) / math.sqrt(3)
        low, high = one.verdict.interval
        assert (low, high) == pytest.approx((d.mean() - half, d.mean() + half))
    ((lone,),) = [factors.effects(small(**both), "accuracy", [ONE])]
    assert lone.verdict.interval == pytest.approx(lone.alone)


def test_pictures_count_where_all_arms_have_a_map() -> None:
    blind: list[float | None] = [None, 0.9] + [0.5] * (PICTURES - 2)
    arms = {ONE: [row(30, blind)] * 3}
    (found,) = factors.effects(small(**arms), "sch")
    # picture 1 is out; of the others one is .5 better and 38 are .1 better
    assert found.each == pytest.approx(((0.5 + 38 * 0.1) / 39,) * 3)


def test_every_factor_is_of_one_group() -> None:
    groups = {one.name: factors.group_of(one) for one in FACTORS}
    assert groups["names sorted"] == groups["tower trained"] == "words"
    assert groups["full stop"] == groups["dropout in h_psi"] == "prompts"
    assert groups["MM: tau raw"] == "MM"
    assert groups["OT: equal copies"] == "OT"
    assert groups["autocast float16"] == "training"
    assert set(groups.values()) == {"words", "prompts", "MM", "OT", "training"}


def test_every_factor_changes_something_and_no_two_are_alike() -> None:
    plain = Lico().model_dump()
    for one in FACTORS:
        assert set(one.changed) <= set(plain), one.name
        same = [k for k, value in one.changed.items() if plain[k] == value]
        assert not same or one.name == "autocast and scaler", one.name
    made = [tuple(sorted(one.changed.items())) for one in FACTORS]
    assert len(set(made)) == len(FACTORS)
    changed = {one.name: one.changed for one in FACTORS}
    assert changed["averaged weights"] == {"ema": 0.999}
    assert changed["best validation epoch"] == {"keep": "best validation"}
    assert changed["best test epoch"] == {"keep": "best test"}
    assert changed["gradient clipped"] == {"clip_norm": 0.5}
    assert changed["decay 5e-4"] == {"weight_decay": 5e-4}


# Bars


def effect(inert: str = "no", paper: str = "no", out: bool = True) -> factors.Effect:
    arms = summary(
        ce=[baseline(30)] * 5,
        lico=[row(n, inert=paper) for n in (30, 31, 30, 31, 30)],
        **{ONE: [row(n, inert=inert, out=out) for n in (30, 31, 30, 31, 30)]},
    )
    (found,) = factors.effects(arms, "accuracy")
    return found


def test_an_inert_loss_bars_the_verdict_and_only_its_own_bars_the_other() -> None:
    assert effect().verdict.outcome == "no relevant difference"
    barred = effect(paper="mm", inert="mm")
    assert barred.verdict.reason == barred.own.reason == "inert"
    assert barred.inert == ("mm",)
    elsewhere = effect(paper="ot", inert="ot")  # MM, which the factor is of, acts
    assert elsewhere.verdict.reason == "inert"
    assert elsewhere.own.outcome == "no relevant difference"
    awoken = effect(paper="mm")  # the factor makes it act: an intervention
    assert awoken.own.outcome == "no relevant difference"


def test_an_arm_that_still_learns_bars_both() -> None:
    late = effect(out=False)
    assert late.verdict.reason == late.own.reason == "under-trained"
    assert beyond_nothing(late).label == "undecided: under-trained"


def made(d: list[float], spread: list[float]) -> factors.Effect:
    """Return an effect on SCH with differences d of a paper that spreads so."""
    base = [0.4 + x for x in spread]
    arms = summary(
        ce=[baseline(30)] * len(d),
        lico=[row(30, round(b, 4)) for b in base],
        **{ONE: [row(30, round(b + x, 4)) for b, x in zip(base, d, strict=True)]},
    )
    (found,) = factors.effects(arms, "sch")
    return found


SPREAD = [-0.01, 0.01, 0.0, 0.01, -0.01]  # SD .01, so nothing is .0141


@pytest.mark.parametrize(
    ("d", "outcome"),
    [
        ([-0.05, -0.051, -0.049, -0.05, -0.05], "supported"),
        ([0.002, 0.001, 0.003, 0.002, 0.002], "contradicted"),
        ([0.014, 0.016, 0.012, 0.014, 0.014], "undecided"),
    ],
)
def test_beyond_nothing_needs_the_whole_interval_outside(
    d: list[float], outcome: str
) -> None:
    found = beyond_nothing(made(d, SPREAD))
    assert found.outcome == outcome
    assert found.margin == pytest.approx(math.sqrt(2) * 0.01, rel=1e-3)


def test_beyond_nothing_knows_that_its_bar_is_an_estimate() -> None:
    # r is .0141, and five seeds know it no better than .0085 to .0406
    between = beyond_nothing(made([0.03, 0.031, 0.029, 0.03, 0.03], SPREAD))
    assert between.outcome == "undecided"
    assert between.p < 0.001  # of r itself
    inside = beyond_nothing(made([0.01, 0.011, 0.009, 0.01, 0.01], SPREAD))
    assert inside.outcome == "undecided"


def test_beyond_nothing_asks_whether_its_bar_would_have_been_seen() -> None:
    rough = beyond_nothing(made([0.2, 0.22, 0.18, 0.21, 0.19], SPREAD))
    assert rough.label.startswith("undecided: smallest detectable effect")


def test_no_verdict_where_test_pictures_chose_the_epoch() -> None:
    name = "best test epoch"
    rows = [row(n) for n in (30, 31, 30, 31, 30)]
    arms = summary(
        ce=[baseline(30)] * 5,
        lico=rows,
        **{name: rows, f"ce: {name}": [baseline(30)] * 5},
    )
    (found,) = factors.effects(arms, "accuracy")
    assert found.verdict.label == f"undecided: {factors.ON_TEST}"
    assert found.own.reason == factors.ON_TEST
    assert beyond_nothing(found).reason == factors.ON_TEST


def test_four_seeds_are_too_few() -> None:
    few = made([-0.05] * 4, SPREAD[:4])
    assert beyond_nothing(few).label == "undecided (4 seeds)"


def test_ranked_by_size_in_units_of_nothing() -> None:
    arms = {ONE: [row(n) for n in (31, 33, 35)], TWO: [row(n) for n in (25, 27, 29)]}
    found = factors.ranked(factors.effects(small(**arms), "accuracy"))
    assert [one.factor.name for one in found] == [TWO, ONE]


# Many at once


def test_the_largest_of_one_is_students() -> None:
    exact = stats.t.ppf(0.975, 4)
    assert simultaneous.largest_t(1, 5) == pytest.approx(exact, rel=0.03)
    assert simultaneous.bonferroni_t(1, 5) == pytest.approx(exact)


def test_the_largest_of_independent_ones_is_sidaks() -> None:
    sidak = stats.t.ppf(1 - (1 - 0.95 ** (1 / 10)) / 2, 9)
    found = simultaneous.largest_t(10, 10, shared=0.0)
    assert found == pytest.approx(sidak, rel=0.03)


def test_sharing_a_reference_lowers_the_largest() -> None:
    for count in (5, 31):
        shared = simultaneous.largest_t(count, 10)
        assert simultaneous.largest_t(1, 10) < shared
        assert shared < simultaneous.bonferroni_t(count, 10)


def test_seeds_needed_are_the_fewest_that_see_the_margin() -> None:
    one = made([0.01, 0.02, 0.0, 0.01, 0.015], SPREAD)
    count = 7
    seeds = simultaneous.seeds_needed(one, count)
    assert seeds is not None

    def seen(n: int) -> float:
        return smallest_effect(n, 0.8, 0.05 / count) * one.verdict.sd

    assert seen(seeds) <= one.verdict.margin < seen(seeds - 1)


def test_in_studies_of_nothing_few_have_any_false_interval() -> None:
    """Simulated records: the intervals of 8 differences that do nothing."""
    generator = np.random.default_rng(1)
    names = [one.name for one in FACTORS if not one.training][:8]
    false = single = 0
    for _ in range(120):
        paper = 0.4 + 0.02 * generator.standard_normal(5)
        arms = {
            name: [row(30, [v] * 2) for v in 0.4 + 0.02 * generator.standard_normal(5)]
            for name in names
        }
        base = [baseline(30) | {"sch": packed([0.4] * 2)}] * 5
        study = summary(ce=base, lico=[row(30, [v] * 2) for v in paper], **arms)
        found = factors.effects(study, "sch")
        false += any(not _holds(one.verdict.interval) for one in found)
        single += any(not _holds(one.alone) for one in found)
    assert false <= 12  # 5 % of 120 are 6; 12 or fewer in 99 % of such counts
    assert single > 20  # without the correction, far more


def _holds(interval: tuple[float, float]) -> bool:
    return interval[0] <= 0 <= interval[1]


def test_the_size_of_nothing_covers_what_two_new_seeds_do() -> None:
    """P(|v_s - v_r| >= d) from an estimated SD, against simulation."""
    generator = np.random.default_rng(2)
    hits = 0
    for _ in range(4000):
        sd = generator.standard_normal(5).std(ddof=1)
        nothing = factors.Nothing("sch", "lico", 5, float(sd), (0.0, 1.0))
        apart = abs(float(np.diff(generator.standard_normal(2))[0]))
        hits += chance_of(apart, nothing) < 0.1
    assert hits / 4000 == pytest.approx(0.1, abs=0.02)


# Whole codes


def test_a_code_is_parted_into_differences_that_share_no_switch() -> None:
    for name in PRESETS:
        parts, left = whole_codes.partition(name)
        taken = [switch for one in parts for switch in one.changed]
        assert len(set(taken)) == len(taken), name
        assert sorted([*taken, *left]) == sorted(differences(name)), name
        assert set(left) <= {"iterations"}, name


def test_the_larger_difference_is_taken_before_its_parts() -> None:
    parts, _ = whole_codes.partition("lico_fact")
    names = {one.name for one in parts}
    assert "MM: both pooled" in names
    assert not {"MM: text pooled", "MM: image pooled"} & names


def parts_of(shift: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return singles that each add a picture, and a whole of their sum and `shift`."""
    seeds = range(5)
    own = [30 + seed % 2 for seed in seeds]
    parts, _ = whole_codes.partition("repro_shared")
    base = {"ce": [baseline(30)] * 5, "lico": [row(n) for n in own]}
    singles = {one.name: [row(n + 1) for n in own] for one in parts}
    codes = {"repro_shared": [row(n + len(parts) + shift) for n in own]}
    return summary(**base, **singles), summary(**base, **codes)


@pytest.mark.parametrize(
    ("shift", "outcome"), [(0, "no relevant difference"), (-3, "contradicted")]
)
def test_the_gap_is_whole_less_sum(shift: int, outcome: str) -> None:
    singles, codes = parts_of(shift)
    (found,) = whole_codes.whole_codes(singles, codes, "accuracy", ["repro_shared"])
    assert found.total[0] == pytest.approx(5 / 40)
    assert found.whole[0] == pytest.approx((5 + shift) / 40)
    assert found.gap is not None
    assert found.gap.estimate == pytest.approx(shift / 40)
    assert found.gap.outcome == outcome


def test_what_still_learns_in_a_sum_is_named() -> None:
    singles, codes = parts_of(0)
    (found,) = whole_codes.whole_codes(singles, codes, "accuracy", ["repro_shared"])
    assert found.learning == ()
    singles["arms"]["MM: tau bounded"]["1"]["trained_out"] = False
    codes["arms"]["repro_shared"]["2"]["trained_out"] = False
    (found,) = whole_codes.whole_codes(singles, codes, "accuracy", ["repro_shared"])
    assert found.learning == ("repro_shared", "MM: tau bounded")
    assert found.gap is not None
    assert found.gap.reason == "under-trained"


def test_a_code_with_a_part_missing_has_no_sum() -> None:
    singles, codes = parts_of(0)
    del singles["arms"]["MM: tau bounded"]
    (found,) = whole_codes.whole_codes(singles, codes, "accuracy", ["repro_shared"])
    assert found.missing == ("MM: tau bounded",)
    assert found.gap is None
    assert math.isnan(found.total[0])
    assert math.isfinite(found.whole[0])


def test_optimism_is_best_test_less_best_validation() -> None:
    arms = {
        "best test epoch": [row(n) for n in (33, 34, 35)],
        "best validation epoch": [row(n) for n in (32, 32, 34)],
    }
    found = factors.optimism(small(**arms))
    assert list(found["network"]) == ["LICO"]
    assert found["best test - best validation"][0] == pytest.approx(4 / 120)
    assert factors.optimism(small()).empty


# Figures


def test_the_figures_draw_what_they_are_given() -> None:
    arms = {one.name: [row(n) for n in (31, 33, 36)] for one in FACTORS[:6]}
    study = small(**arms)
    found = {m: factors.effects(study, m) for m in ("sch", "accuracy")}
    figure = factor_figures.ranking(found)
    left, right = figure.axes
    names = [text.get_text() for text in left.get_yticklabels()]
    assert set(names) == set(arms)
    assert "in units of changing nothing" in right.get_xlabel()
    plt.close(figure)


def test_nothing_trained_is_said_and_one_seed_has_no_units() -> None:
    empty = factor_figures.ranking({"sch": []})
    assert "trained" in empty.axes[0].texts[0].get_text()
    single = summary(ce=[baseline(30)], lico=[row(30)], **{ONE: [row(31)]})
    shown = {"sch": factors.effects(single, "sch")}
    figure = factor_figures.ranking(shown)
    assert "one seed" in figure.axes[0].texts[0].get_text()
    none = factor_figures.additivity({"sch": []})
    assert "no code" in none.axes[0].texts[0].get_text()
    plt.close("all")


def test_the_margin_stands_in_the_additivity_figure() -> None:
    singles, codes = parts_of(1)
    wholes = whole_codes.whole_codes(singles, codes, "accuracy", ["repro_shared"])
    figure = factor_figures.additivity({"accuracy": wholes})
    (axis,) = figure.axes
    band = axis.collections[0].get_paths()[0].vertices
    edge = [y - x for x, y in np.asarray(band)]
    assert max(edge) == pytest.approx(margins.metric("accuracy").margin)
    plt.close(figure)


def test_sides_of_a_factor() -> None:
    one: Factor = factor(ONE)
    assert factors.sides(one) == ((ONE,), ("lico",))
    assert factors.sides(factor(TRAINING)) == (
        (TRAINING, "ce"),
        (f"ce: {TRAINING}", "lico"),
    )
