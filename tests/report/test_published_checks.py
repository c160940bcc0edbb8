"""Sums of published numbers, and statements against tables."""

from dataclasses import replace

import pytest

from helpers.report import published_checks as checks
from helpers.report.published import Published, load
from helpers.report.published_checks import Statement, Sum

SUMS = checks.overalls()
FOUND = checks.statements()
BASE = Statement(
    source="bartak2024lico",
    section="x",
    quote="x",
    tables=("Table 4",),
    arms=("lico",),
    relation="better",
    against=("ce",),
    metrics=("sch",),
)


def agrees(**changed: object) -> bool | None:
    return checks.check(replace(BASE, **changed)).agrees  # type: ignore[arg-type]


def key(row: Published) -> tuple[str | None, ...]:
    return row.source, row.data, row.saliency, row.arm


def test_all_overall_cells_are_recomputed() -> None:
    assert len(SUMS) == 18 + 18 + 4
    (one,) = (s for s in SUMS if s.printed.source == "bartak2024lico" and s.misses)
    assert (one.printed.table, one.printed.arm) == ("Table 2", "ot")
    assert one.made == pytest.approx(0.707 - 0.258)
    assert one.units == -2
    assert len([s for s in SUMS if s.misses]) == 6


def test_a_unit_is_that_of_the_last_printed_digit() -> None:
    by = {key(one.printed): one for one in SUMS}
    response = by["lei2024response", "Imagenette", "Grad-CAM", "ce"]
    assert response.units == -27  # 39.29 for 71.85 - 32.29 = 39.56
    gray = by["fletcher2024lico", "CIFAR-100", "Grad-CAM", "ce"]
    assert gray.units == 14  # 26.2 for 44.0 - 19.2 = 24.8


def test_three_roundings_explain_one_and_a_half_units() -> None:
    row = SUMS[0].printed
    for units, misses in ((0, False), (1, False), (-1.5, False), (2, True), (-2, True)):
        assert Sum(row, row.mean - units * row.step).misses is misses


def test_a_pair_is_turned_if_its_order_changes() -> None:
    turned = checks.turned()
    assert [key(one.printed) for one, _ in turned] == [
        ("lei2024response", "Imagenette", "Grad-CAM", "ce")
    ]
    for one, two in turned:
        printed = one.printed.mean - two.printed.mean
        assert printed * (one.made - two.made) < 0
    assert checks.turned(["bartak2024lico"]) == []


def test_energy_is_the_product_of_its_factors() -> None:
    energy, emissions, *epochs = checks.energy()
    assert energy.made == pytest.approx(400 * 10000 * 100 / 3.6e6)
    assert emissions.made == pytest.approx(111 * 0.421)
    assert [one.made for one in epochs] == [9800, 12700, 10200]


@pytest.mark.parametrize(
    ("relation", "metric", "expected"),
    [
        ("better", "sch", False),
        ("worse", "sch", True),
        ("not better", "sch", True),
        ("not worse", "sch", False),
        ("worse", "mosu", True),  # .253 after .216, lower is better
        ("better", "mosu", False),
        ("significantly worse", "sch", True),  # p = .015
        ("significantly worse", "mosu", False),  # p = .09
        ("not significantly better", "sch", True),
    ],
)
def test_relations(relation: str, metric: str, expected: bool) -> None:
    assert agrees(relation=relation, metrics=(metric,)) is expected


def test_significance_of_single_runs_cannot_be_checked() -> None:
    shared = {"tables": ("Table 3",), "metrics": ("ses",)}
    assert agrees(relation="significantly better", **shared) is None
    assert agrees(relation="not significantly better", **shared) is None
    assert agrees(relation="significantly worse", **shared) is False  # it is higher


def test_most_is_more_than_half_of_the_cells() -> None:
    changed = {
        "relation": "mostly better",
        "against": ("mm", "ot", "ce"),
        "metrics": ("top-5",),
    }
    checked = checks.check(replace(BASE, **changed))
    assert [len(checked.cells), len(checked.against)] == [3, 1]
    assert checked.agrees is True
    assert agrees(**changed | {"metrics": ("top-5", "sch")}) is False


def test_a_range_is_that_of_the_arms_beside() -> None:
    changed = {
        "arms": ("mm",),
        "relation": "within the range",
        "against": ("ce", "lico"),
        "beside": ("Table 2",),
        "tables": ("Table 2",),
        "metrics": ("deletion",),
    }
    assert agrees(**changed) is True  # .248 in .243 to .263
    assert agrees(**changed | {"metrics": ("insertion",)}) is True
    assert agrees(**changed | {"against": ("ot", "lico")}) is False


def test_every_statement_speaks_of_cells_that_are_there() -> None:
    """A word that is misspelt in the file would leave cells out."""
    rows = load()
    for checked in FOUND:
        said = checked.statement
        assert checked.cells, said.quote
        mine = [row for row in rows if row.source == said.source]
        assert set(said.tables + said.beside) <= {row.table for row in mine}
        used = {row.arm for cell in checked.cells for row in (cell.value, *cell.others)}
        assert set(said.arms) | set(said.against) == used, said.quote
        assert {cell.value.metric for cell in checked.cells} == set(said.metrics)
        for place in said.where:
            assert any(checks._fits(cell.value, place) for cell in checked.cells)


def test_cells_of_failed_runs_say_nothing() -> None:
    (seconds,) = (f for f in FOUND if f.statement.section == "3.5")
    assert len(seconds.cells) == 2 * 6 - 2  # two did not fit into memory


def test_texts_that_their_tables_do_not_bear_out() -> None:
    """Read in the documents, sentence by sentence; the values are the tables' own."""
    against = {
        (f.statement.source, f.statement.section): sorted(
            (c.value.table, c.value.metric, c.value.arm, c.value.mean)
            for c in f.against
        )
        for f in FOUND
        if f.agrees is False and f.statement.section in ("A", "2.1")
    }
    assert against["bartak2024lico", "A"] == [("Appendix A", "deletion", "ce", 0.129)]
    discussed = [f for f in FOUND if f.statement.section == "5" and f.agrees is False]
    cells = sorted(
        (c.value.table, c.value.metric, c.value.arm)
        for f in discussed
        for c in f.against
    )
    assert cells == [
        ("Table 3", "ses", "lico"),
        ("Table 4", "top-5", "mm"),
        ("Table 4", "top-5", "ot"),
        ("Table 5", "accuracy", "lico, name in front"),
        ("Table 5", "top-5", "lico, name in front"),
    ]
    unknown = [f.statement.section for f in FOUND if f.agrees is None]
    assert unknown == ["3.5", "4.2.2"]  # "significantly", without a deviation
