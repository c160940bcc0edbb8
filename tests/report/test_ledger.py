"""The ledger on summaries whose truth is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.report import arms, intervention, ledger, margins, published, records
from helpers.report.margins import load
from helpers.report.secondary import secondary_verdicts, table
from helpers.report.verdict import Verdict
from helpers.report.verdict_words import in_few_words

pytestmark = pytest.mark.usefixtures("all_admitted")

SEEDS = ("1", "2", "3", "4", "5", "6")
PICTURES = 400


def row(hits: float, sch: float, rng: np.random.Generator, inert: str = "no") -> dict:
    """Return one run's part of a summary, exact to a picture."""
    right = np.zeros(PICTURES, dtype=int)
    right[: round(hits * PICTURES)] = 1
    values = np.clip(sch + rng.normal(0, 1e-4, PICTURES), 0, 1)
    shown = {
        "ses": 0.5,
        "sch": float(values.mean()),
        "sch less area": float(values.mean()) - 0.2,
        "mosu": 0.1,
        "insertion": 0.6,
        "deletion": 0.2,
    }
    return {
        "accuracy": {"test": hits, "validation": hits},
        "training_accuracy": 1.0,
        "trained_out": True,
        "correct": "".join(map(str, right)),
        "full_correct": "1" * 8,
        "insertion": records.packed([0.6] * 8),
        "deletion": records.packed([0.2] * 8),
        "full": records.packed([0.9] * 8),
        "sch": records.packed(values.tolist()),
        "means": {"Grad-CAM": shown, "uniform": {"ses": 1.0, "sch": 0.2, "mosu": 0.0}},
        "intervention": {"inert": inert, "mm share": 0.1, "ot share": 0.2},
    }


def summary(**gaps: float) -> dict:
    """Return a summary: baseline .70 and .40; each arm better by its gap in both."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 4e-4, len(SEEDS))
    found: dict = {"parameters": {"dataset": "scenes"}, "language": "planted"}
    found["arms"] = {
        arm: {
            seed: row(0.70 + gap, 0.40 + gap + noise[i] * (arm != "ce"), rng)
            for i, seed in enumerate(SEEDS)
        }
        for arm, gap in {"ce": 0.0, **gaps}.items()
    }
    for seeds in found["arms"]["ce"].values():
        del seeds["intervention"]
    return found


def outcomes(made: dict) -> dict[tuple[str, str], str]:
    return {
        (claim.name, found.metric): found.outcome
        for claim, found in ledger.claim_verdicts(made)
    }


def test_claims_with_a_known_truth() -> None:
    made = summary(lico=0.10, mm=0.05, ot=0.05)
    found = outcomes(made)
    assert found["1", "sch"] == "supported"
    assert found["2", "accuracy"] == "supported"
    assert found["2 (gain)", "accuracy"] == "supported"
    assert found["3", "sch"] == "supported"
    assert found["3 (interaction)", "sch"] == "no relevant difference"
    worse = outcomes(summary(lico=-0.10, mm=0.05, ot=0.05))
    assert worse["1", "sch"] == "contradicted"
    assert worse["2", "accuracy"] == "contradicted"
    assert worse["3", "sch"] == "contradicted"


def test_a_claim_whose_arms_are_missing_is_left_out() -> None:
    found = outcomes(summary(lico=0.10))
    assert ("1", "sch") in found
    assert not any(name == "3" for name, _ in found)
    assert not any(name == "language" for name, _ in found)
    controls = {"permuted": 0.1, "random-tower": 0, "random-vectors": 0, "one-hot": 0}
    found = outcomes(summary(lico=0.10, **controls))
    assert found["language", "sch"] == "no relevant difference"  # permuted does as well


def test_an_inert_loss_bars_its_arm_and_no_other() -> None:
    made = summary(lico=0.10, mm=0.05, ot=0.05, active=0.1)
    for run in made["arms"]["mm"].values():
        run["intervention"]["inert"] = "mm"
    assert ledger.inert_arms(made, ["ce", "lico", "mm"]) == ["mm"]
    found = {
        claim.name: verdict
        for claim, verdict in ledger.claim_verdicts(made)
        if verdict.metric == "accuracy"
    }
    assert found["3"].outcome == "undecided"
    assert "inert" in found["3"].reason
    assert found["2"].outcome == "supported"
    assert found["2 (active)"].outcome == "supported"


def test_without_the_bar_an_inert_arm_is_judged_by_its_numbers() -> None:
    made = summary(lico=0.10, mm=0.05, ot=0.05)
    for run in made["arms"]["lico"].values():
        run["intervention"]["inert"] = "mm"
    strict = ledger.judge(made, ["lico"], ["ce"], "sch", "claim")
    free = ledger.judge_whatever_acted(made, ["lico"], ["ce"], "sch", "claim")
    assert strict is not None
    assert free is not None
    assert (strict.outcome, strict.reason) == ("undecided", "inert")
    assert free.outcome == "supported"
    assert strict.interval == free.interval
    frame = ledger.full_table(made).set_index(["claim", "metric"])
    assert frame.loc[("1", "SCH"), "verdict"] == "undecided: inert"
    assert frame.loc[("1", "SCH"), "exploratory"] == "numbers go its way"
    few = ledger.full_table(made, ["2"])
    assert few["claim"].tolist() == ["2"]
    acting = ledger.full_table(summary(lico=0.10))
    assert set(acting["exploratory"]) == {"the same"}
    assert len(ledger.full_table(made, ["cgc"])) == 1


def test_an_answer_or_why_there_is_none() -> None:
    made = summary(lico=0.10)
    found = ledger.answer(made, "2 (gain)")
    assert isinstance(found, Verdict)
    assert found.outcome == "supported"
    missing = ledger.answer(made, "cgc", "sch")
    assert missing.label == "no verdict: an arm or a score of it is not recorded"
    assert "Claim cgc" in missing._repr_html_()
    assert ledger.answer(None, "1").label == "no verdict: the record is not there"


def test_a_label_in_few_words() -> None:
    found = ledger.judge(summary(lico=0.1), ["lico"], ["ce"], "sch", "claim")
    assert found is not None
    assert in_few_words(found) == "supported"
    for reason, words in {
        "lico > mm: inert; mm > ce: smallest detectable effect .1 > .01": "inert",
        "under-trained": "under-trained",
        "smallest detectable effect .1 > .01": "seen, too few seeds for the margin",
        "3 seeds": "3 seeds",
    }.items():
        one = replace(found, outcome="undecided", reason=reason)
        assert in_few_words(one) == f"undecided: {words}"


@pytest.mark.parametrize(
    ("metric", "kind", "interval", "seen"),
    [
        ("sch", "superiority", (0.01, 0.09), True),
        ("sch", "superiority", (-0.09, -0.01), True),
        ("sch", "superiority", (-0.01, 0.09), False),
        ("accuracy", "non-inferiority", (-0.001, 0.02), True),  # above -.005
        ("accuracy", "non-inferiority", (-0.09, -0.01), True),
        ("accuracy", "non-inferiority", (-0.01, -0.001), False),
        ("deletion", "non-inferiority", (-0.02, 0.001), True),  # lower is better
        ("deletion", "non-inferiority", (-0.001, 0.02), False),
    ],
)
def test_seen_and_not_judged(
    metric: str, kind: margins.Kind, interval: tuple[float, float], seen: bool
) -> None:
    found = ledger.judge(summary(lico=0.1), ["lico"], ["ce"], "sch", "claim")
    assert found is not None
    one = replace(
        found,
        outcome="undecided",
        reason="smallest detectable effect .1 > .01",
        metric=metric,
        kind=kind,
        interval=interval,
        margin=0.005,
    )
    assert in_few_words(one).startswith("undecided: seen, ") is seen


def test_runs_that_still_learn_bar_their_arm() -> None:
    made = summary(lico=0.10)
    made["arms"]["lico"]["3"]["trained_out"] = False
    (found,) = {v.reason for _, v in ledger.claim_verdicts(made)}
    assert found == "under-trained"


def test_only_seeds_that_both_arms_have_are_paired() -> None:
    made = summary(lico=0.10)
    del made["arms"]["lico"]["2"]
    assert ledger.common_seeds(made, ["ce", "lico"]) == ["1", "3", "4", "5", "6"]
    found = ledger.judge(made, ["lico"], ["ce"], "accuracy", "claim")
    assert found is not None
    assert found.seeds == 5
    assert ledger.judge(made, ["lico"], ["ot"], "accuracy", "claim") is None
    assert ledger.judge(made, ["lico"], ["ce"], "gridpg", "claim") is None


def test_secondary_metrics_are_corrected_and_agree() -> None:
    found = secondary_verdicts(summary(lico=0.10))
    assert [one.metric for one in found] == ["ses", "mosu", "insertion", "deletion"]
    assert all(one.outcome == "no relevant difference" for one in found)
    assert [len(one.parts) for one in found] == [0, 0, 3, 3]


def test_a_picture_without_probability_is_no_obstacle() -> None:
    made = summary(lico=0.10)
    for seeds in made["arms"].values():
        for run in seeds.values():
            run["full"] = records.packed([0.9] * 7 + [0.0])
            run["full_correct"] = "11111110"
    found = secondary_verdicts(made)
    assert all(one.outcome == "no relevant difference" for one in found)


def test_secondary_metrics_without_a_picture_that_both_get_right() -> None:
    made = summary(lico=0.10)
    made["arms"]["lico"]["2"]["full_correct"] = "0" * 8
    frame = table(made).set_index("metric")
    assert frame.loc["insertion", "verdict"].startswith("undecided: a seed without")
    assert frame.loc["SES", "verdict"] == "no relevant difference"


def test_seeds_needed_reach_the_margin() -> None:
    found = ledger.judge(summary(lico=0.1), ["lico"], ["ce"], "sch", "claim")
    assert found is not None
    assert ledger.seeds_needed(found) == 5
    wide = replace(found, sd=0.02)
    needed = ledger.seeds_needed(wide)
    assert needed is not None
    assert needed > 5
    assert ledger.seeds_needed(replace(found, sd=float("nan"))) is None


def test_the_table_names_every_claim() -> None:
    frame = ledger.table(ledger.claim_verdicts(summary(lico=0.1, mm=0.05, ot=0.05)))
    assert list(frame["claim"]) == [
        "1",
        "2",
        "2 (gain)",
        "3",
        "3",
        "3 (interaction)",
        "3 (interaction)",
    ]
    assert len(ledger.claims()) == len(load().claims)
    with pytest.raises(KeyError, match="not judged"):
        ledger.of_claim([], "7")


def test_published_numbers_and_their_welch_interval() -> None:
    (found,) = [
        c
        for c in published.contrasts("lico", "ce", "accuracy")
        if (c.source, c.table) == ("bartak2024lico", "Table 4")
    ]
    assert found.difference == pytest.approx(0.816 - 0.8218)
    assert found.interval is not None
    se = (0.0027**2 / 3 + 0.0132**2 / 3) ** 0.5
    df = se**4 / ((0.0027**2 / 3) ** 2 / 2 + (0.0132**2 / 3) ** 2 / 2)
    half = stats.t.ppf(0.975, df) * se
    assert found.interval == pytest.approx((-0.0058 - half, -0.0058 + half))
    p = stats.ttest_ind_from_stats(
        0.816, 0.0027, 3, 0.8218, 0.0132, 3, equal_var=False
    ).pvalue
    assert 2 * stats.t.sf(0.0058 / se, df) == pytest.approx(p)  # scipy's Welch
    single = [
        c
        for c in published.contrasts("lico", "ce", "accuracy")
        if c.source == "lei2024response"
    ]
    assert len(single) == 3
    assert all(c.interval is None for c in single)
    assert (
        "± 0.0132" in published.table(["accuracy"], ["ce", "lico"])["ce"].to_list()[-1]
    )


def test_packed_scores_come_back() -> None:
    text = records.packed([0.12344, None, 1.0])
    assert text == "1234 - 10000"
    assert records.unpacked(text)[::2] == [0.1234, 1.0]
    assert np.isnan(records.unpacked(text)[1])


def history(mm: float, off: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "epoch": [1, 2, 3, 4],
            "loss": 3.0,
            "ce gradient": 2.0,
            "mm gradient": 2 * mm,
            "ot gradient": 0.2,
            "image off-diagonal": 0.9,
            "text off-diagonal": off,
            "mm": [0.4, 0.3, 0.2, 0.1],
            "mm, texts of the start": [0.4, 0.4, 0.3, 0.3],
            "ot": 1.0,
            "tau": [1.0, 2.0, 3.0, 4.0],
            "plan entropy": 0.9,
            "plan gain": 0.3,
        }
    )


def test_an_intervention_by_hand() -> None:
    line = intervention.describe(history(0.5, 0.8))
    assert line["mm share"] == 0.5
    assert line["ot share"] == pytest.approx(0.1)
    assert line["off-diagonal"] == 0.8
    assert line["fall of MM"] == pytest.approx(0.3)
    assert line["by the image"] == pytest.approx(0.1)
    assert line["inert"] == "no"
    assert "class token mass" not in line
    assert intervention.inert_losses(history(1e-4, 0.8)) == ("mm",)
    assert intervention.inert_losses(history(0.5, 1e-3)) == ("mm",)
    assert intervention.any_inert([history(0.5, 0.8), history(1e-4, 0.8)])
    both = intervention.mean_of([line, intervention.describe(history(1e-4, 0.8))])
    assert both["inert"] == "mm"
    assert both["off-diagonal"] == pytest.approx(0.8)


def test_a_record_with_and_without_top_k() -> None:
    made = summary(lico=0.10)
    plain = arms.accuracy(made)
    assert "top-5" not in plain
    assert set(plain["near ceiling"]) == {"no"}
    assert set(plain["what it is"]) == {"—"}
    for seeds in made["arms"].values():
        for run in seeds.values():
            run["accuracy"]["top-2"] = 0.99
            run["method"] = "paper"
    frame = arms.accuracy(made)
    assert frame["top-2"].tolist() == pytest.approx([0.99, 0.99])
    assert set(frame["near ceiling"]) == {"top-2"}
    assert set(frame["what it is"]) == {"paper"}
    made["arms"]["ce"]["1"]["accuracy"]["test"] = 6.0  # mean over seeds above .98
    assert arms.accuracy(made)["near ceiling"][0] == "top-1, top-2"


def test_a_record_says_what_was_trained() -> None:
    asked = {"pictures": 10, "test_pictures": 5, "size": 32, "epochs": 8, "lr": 0.1}
    made = {"parameters": asked | {"backbone": "resnet20"}, "language": "planted"}
    (row,) = arms.setting(made).to_dict("records")
    assert list(row.values()) == [10, 5, 32, 8, "resnet20", "planted"]
    assert "test pictures" in row


def test_metrics_that_a_record_lacks_are_left_out() -> None:
    made = summary(lico=0.10)
    for seeds in made["arms"].values():
        for run in seeds.values():
            del run["means"]["Grad-CAM"]["sch"]
    gaps = arms.differences(made, ["sch", "ses"])
    assert set(gaps["metric"]) == {"accuracy", "ses"}
    noise = arms.seed_to_seed(made, ["sch", "ses"])
    assert noise["metric"].tolist() == ["accuracy", "ses"]
    bare = {"arms": {"ce": made["arms"]["ce"]}}
    assert len(arms.interventions(bare)) == 1


def test_some_arms_of_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    made = summary(lico=0.10, mm=0.05)
    kept = arms.only(made, ["ce", "mm", "ot"])
    assert kept is not None
    assert list(kept["arms"]) == ["ce", "mm"]
    assert kept["language"] == "planted"
    assert "record: ot." in capsys.readouterr().out
    assert arms.only(made, ["ce", "ot"]) is None
    assert arms.only(None, ["ce"]) is None


def test_tables_of_arms() -> None:
    made = summary(lico=0.10)
    frame = arms.accuracy(made)
    assert frame["top-1"].tolist() == pytest.approx([0.70, 0.80])
    scores = arms.scores(made, ["ses", "sch", "mosu"])
    assert scores["map"].tolist() == ["Grad-CAM, ce", "Grad-CAM, lico", "uniform"]
    gaps = arms.differences(made, ["sch"])
    accuracy = gaps[gaps["metric"] == "accuracy"]["difference"]
    assert accuracy.to_list() == pytest.approx([0.1] * 6)
    assert len(gaps) == 12
    assert len(arms.differences(made, ["accuracy", "sch"])) == 12  # none twice
    noise = arms.seed_to_seed(made, ["sch"])
    assert noise["metric"].tolist() == ["accuracy", "sch"]
    assert noise["of a difference"].to_list() == pytest.approx(
        (2**0.5 * noise["SD"]).to_list()
    )
    assert arms.interventions(made)["arm"].tolist() == ["lico"]
