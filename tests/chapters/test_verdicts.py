"""Chapter 09: what its page is called, and CGC's crops taken from LICO against CGC."""

from typing import Any

import pytest

from helpers.chapters import in_short, verdicts
from helpers.report import arms, ledger, lico_figures
from helpers.report.claims_by_source import cells
from helpers.report.records import packed


def row(method: str, right: int, sch: float) -> dict[str, Any]:
    return {
        "method": method,
        "trained_out": True,
        "correct": "1" * right + "0" * (40 - right),
        "full_correct": "1" * 40,
        "means": {"Grad-CAM": {"sch": sch, "ses": sch, "mosu": sch}},
        "sch": packed([sch] * 40),
    }


def summary(**arms: tuple[str, int, float]) -> dict[str, Any]:
    return {
        "parameters": {"dataset": "scenes"},
        "language": "planted",
        "arms": {
            arm.replace("_", "-"): {
                str(seed): row(method, right, sch + 0.001 * seed)
                for seed in range(1, 6)
            }
            for arm, (method, right, sch) in arms.items()
        },
    }


def test_a_page_with_an_arm_that_is_another_says_so() -> None:
    made = summary(ce=("ce", 30, 0.4), lico=("paper", 31, 0.4))
    assert verdicts.page_name(made | {"modified": []}) == "this page"
    changed = made | {"modified": ["lico"]}
    assert verdicts.page_name(changed) == "this page, modified"


def test_a_modified_arm_is_marked_in_all_that_shows_it() -> None:
    made = summary(ce=("ce", 30, 0.4), lico=("paper, modified: alpha 5", 31, 0.4))
    for seeds in made["arms"].values():
        for run in seeds.values():
            run["intervention"] = {"inert": "no", "mm share": 0.1}
            run["accuracy"] = {"test": 0.7, "validation": 0.7}
            run["training_accuracy"] = 1.0
    made["modified"] = ["lico"]
    for table in (
        arms.accuracy(made)["arm"],
        arms.interventions(made)["arm"],
        arms.scores(made, ["sch"])["map"].str.removeprefix("Grad-CAM, "),
        arms.differences(made, ["sch"])["arm"],
    ):
        names = {name for name in table if name.startswith("lico")}
        assert names == {"lico (modified)"}
    ticks = lico_figures.study(made, ["sch"]).axes[0].get_yticklabels()
    assert [tick.get_text() for tick in ticks] == ["lico (modified)"]
    claims = ledger.full_table(made, ["1", "2"])["claim"]
    assert set(claims) == {"1 (modified)", "2 (modified)"}


def test_the_crops_of_cgc_are_taken_away() -> None:
    made = summary(
        ce=("ce", 30, 0.40),
        lico=("paper", 30, 0.35),
        cgc=("cgc", 36, 0.72),
        three_views=("cgc", 36, 0.70),
    )
    table = verdicts.gains_apart(made).set_index("metric")
    assert table.loc["SCH", "A - B"] == pytest.approx(-0.05 - 0.02)
    assert table.loc["top-1", "A - B"] == pytest.approx(0)
    without = summary(ce=("ce", 30, 0.4), lico=("paper", 30, 0.35))
    assert "not recorded" in verdicts.gains_apart(without).iloc[0, 0]


@pytest.mark.usefixtures("all_admitted")
def test_a_secondary_cell_is_corrected_together_with_its_family() -> None:
    made = summary(ce=("ce", 30, 0.40), lico=("paper", 30, 0.45), cgc=("cgc", 36, 0.40))
    spread = (0.0, 0.0115, -0.0115, 0.0115, -0.0115)
    for seed, off in zip(range(1, 6), spread, strict=True):
        means = made["arms"]["lico"][str(seed)]["means"]["Grad-CAM"]
        means["ses"] = made["arms"]["cgc"][str(seed)]["means"]["Grad-CAM"]["ses"]
        means["ses"] += 0.0175 + off  # p of .027 alone, .054 after Holm over two
        means["mosu"] = 0.4 + 0.001 * seed
    alone = ledger.judge(made, ["lico"], ["cgc"], "ses", "alone")
    assert alone is not None
    assert alone.outcome == "supported"
    (cell,) = [
        one
        for one in cells({"here": made})
        if (one.claim, one.metric, one.source) == ("cgc", "ses", "here")
    ]
    assert not cell.primary
    assert cell.answer.startswith("undecided")


@pytest.mark.usefixtures("all_admitted")
def test_the_questions_have_the_answers_of_the_ledger() -> None:
    better = dict.fromkeys(("ce", "mm", "ot", "cgc", "permuted"), ("paper", 20, 0.2))
    made = summary(**better, lico=("paper", 38, 0.5), rebuttal=("paper", 39, 0.1))
    found = in_short.table(made, None).set_index(["question", "metric"])
    assert found.loc[(in_short.CLAIMED[0][0], "SCH"), "answer"] == "supported"
    assert found.loc[(in_short.CLAIMED[0][0], "SCH"), "numbers alone"] == "the same"
    shown = found.loc[(in_short.CLAIMED[0][0], "SCH"), "difference"]
    assert str(shown).startswith("+0.300 [+0.300, +0.300]")
    assert found.loc[(in_short.CORRECTED, "top-1"), "answer"] == "supported"
    assert found.loc[(in_short.CORRECTED, "SCH"), "answer"] == "contradicted"
    asked = {question for question, _ in found.index}
    assert not any("control" in question for question in asked)  # three are missing
    assert in_short.tally(found.reset_index()).startswith("8 of 8 questions decided")
    for run in made["arms"]["lico"].values():
        run["intervention"] = {"inert": "mm"}
    barred = in_short.table(made, None)
    assert barred.loc[0, "answer"] == "undecided: inert"
    assert barred.loc[0, "numbers alone"] == "numbers go its way"


def test_questions_without_a_record_have_one_line() -> None:
    none = in_short.table(None, None)
    assert none["question"].tolist() == ["not recorded"]
    assert in_short.tally(none) == "not recorded"
    alone = in_short.table(None, {"parameters": {}, "arms": {"ce": {}, "lico": {}}})
    assert alone["question"].tolist() == [in_short.NAMED]
    assert alone.loc[0, "answer"].startswith("no verdict")
    assert in_short.tally(alone) == "0 of 1 questions decided"
