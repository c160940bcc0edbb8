"""Claims by source: published cells by hand, cells of runs with a known truth."""

import math
from typing import Any

import matplotlib.pyplot as plt
import pytest

from helpers.report import claims_by_source as by_source
from helpers.report import ledger, ledger_figures, margins, published
from helpers.report.claims_by_source import NO_NUMBERS, NO_TEST, PAPER, Cell
from tests.report.test_ledger import summary

pytestmark = pytest.mark.usefixtures("all_admitted")

CLAIMS = {claim.name: claim for claim in margins.load().claims}


def cell_of(cells: list[Cell], source: str, data: str) -> Cell:
    (found,) = [cell for cell in cells if (cell.source, cell.data) == (source, data)]
    return found


def test_published_cells_of_accuracy_by_hand() -> None:
    cells = by_source.published_cells(CLAIMS["2 (gain)"], "accuracy")
    assert [cell.source for cell in cells] == [
        PAPER,
        *["fletcher2024lico"] * 3,
        *["lei2024response"] * 3,
        *["bartak2024lico"] * 2,
    ]
    assert cells[0].answer == NO_NUMBERS
    response = cell_of(cells, "lei2024response", "CIFAR-10")
    assert response.gain == pytest.approx(0.9447 - 0.9379)
    assert (response.answer, response.seeds) == (NO_TEST, None)
    assert (response.ways, response.comparisons) == (1, 1)
    tested = cell_of(cells, "bartak2024lico", "ImageNet-S50")
    assert tested.answer == "undecided (3 runs)"
    assert tested.gain == pytest.approx(0.8160 - 0.8218)
    assert tested.interval[0] < tested.gain < tested.interval[1]
    assert tested.ways == 0
    single = cell_of(cells, "bartak2024lico", "CIFAR-100")
    assert (single.answer, single.seeds) == (NO_TEST, 1)


def test_not_worse_than_by_the_margin_goes_the_claims_way() -> None:
    cells = by_source.published_cells(CLAIMS["2"], "accuracy")
    near = cell_of(cells, "fletcher2024lico", "CIFAR-10")
    assert (near.gain, near.ways) == (pytest.approx(-0.003), 1)
    far = cell_of(cells, "fletcher2024lico", "CIFAR-100")
    assert (far.gain, far.ways) == (pytest.approx(-0.008), 0)


def test_a_lower_deletion_is_a_gain() -> None:
    cells = by_source.published_cells(CLAIMS["1"], "deletion")
    assert all(cell.source != PAPER for cell in cells)  # one cell a claim
    found = cell_of(cells, "bartak2024lico", "ImageNet-S50")
    assert found.gain == pytest.approx(0.243 - 0.263)
    assert found.interval[0] < found.gain < found.interval[1] < 0
    assert not found.primary


def test_a_claim_of_four_comparisons_needs_all_of_them() -> None:
    (paper, only) = by_source.published_cells(CLAIMS["3"], "sch")
    assert paper.source == PAPER
    assert (only.source, only.comparisons, only.ways) == ("bartak2024lico", 4, 0)
    assert only.gain == pytest.approx(0.411 - 0.459)  # the weakest: ot over ce
    (only,) = by_source.published_cells(CLAIMS["cgc"], "ses")
    assert (only.gain, only.seeds) == (pytest.approx(0.485 - 0.949), 1)


def test_the_rule_applied_to_published_means() -> None:
    base: dict[str, Any] = {
        "source": "bartak2024lico",
        "table": "t",
        "metric": "accuracy",
        "unit": "fraction",
        "step": 1e-4,
        "data": "d",
    }

    def pair(a: float, b: float, sd: float | None, runs: int) -> published.Contrast:
        rows = [
            published.Published(mean=mean, sd=sd, runs=runs, arm=arm, **base)
            for mean, arm in ((a, "lico"), (b, "ce"))
        ]
        return published.Contrast(*rows)

    answer = by_source.published_answer
    assert answer(pair(0.9, 0.8, None, 5), "superiority") == NO_TEST
    assert answer(pair(0.9, 0.8, 0.001, 4), "superiority") == "undecided (4 runs)"
    assert answer(pair(0.9, 0.8, 0.001, 5), "superiority") == "supported"
    assert answer(pair(0.8, 0.9, 0.001, 5), "superiority") == "contradicted"
    assert answer(pair(0.8, 0.8, 0.001, 5), "superiority") == "no relevant difference"
    assert answer(pair(0.8, 0.8, 0.001, 5), "non-inferiority") == "supported"


def test_cells_of_a_summary() -> None:
    made = summary(lico=0.10, mm=0.05, ot=0.02)
    cells = by_source.cells({"here": made, "not there": None})
    own = {(c.claim, c.metric): c for c in cells if c.source == "here"}
    assert own["1", "sch"].answer == "supported"
    assert own["1", "sch"].gain == pytest.approx(0.10, abs=1e-3)
    assert own["1", "insertion"].answer == "no relevant difference"
    assert own["2", "accuracy"].answer == "supported"
    third = own["3", "sch"]
    assert (third.ways, third.comparisons, third.answer) == (4, 4, "supported")
    assert third.gain == pytest.approx(0.02, abs=1e-3)  # the weakest: ot over ce
    assert ("cgc", "sch") not in own
    assert own["1", "sch"].data == "scenes"
    order = [cell.claim for cell in cells]
    assert order == sorted(order, key=list(by_source.METRICS).index)


def test_a_folder_is_called_what_its_record_is() -> None:
    made = {"parameters": {"dataset": "folder:/a/b"}, "profile": "cifar10"}
    assert by_source.data_of(made) == "cifar10"
    assert by_source.data_of({"parameters": {"dataset": "cifar100"}}) == "cifar100"


def test_tables_of_cells() -> None:
    cells = by_source.cells({"here": summary(lico=0.10)})
    frame = by_source.table(cells)
    assert len(frame) == len(cells)
    words = {"no test possible", "undecided", "supported", "contradicted"}
    words |= {"no relevant difference", "claimed"}
    assert all(text.startswith(tuple(words)) for text in frame["answer"])
    counts = by_source.tallies(cells).set_index(["claim", "source"])
    response = counts.loc[("2 (gain)", "response, 2024")]
    assert response["cells"] == response["all comparisons its way"] == 3
    assert response["a test possible"] == 0
    assert counts.loc[("2 (gain)", "here"), "decided"] == 1


def test_figures_of_cells() -> None:
    cells = by_source.cells({"here": summary(lico=0.10, mm=0.05, ot=0.02)})
    figure = ledger_figures.ledger(cells)
    known = [cell for cell in cells if not math.isnan(cell.gain)]
    assert len(figure.axes[0].patches) == len(known)
    rows = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert rows[:2] == ["1: maps, SCH", "1: maps, insertion"]
    forest = ledger_figures.forest(cells, "1", "sch")
    assert len(forest.axes[0].get_yticks()) == 2
    ledger_figures.forest(cells, "1", "gridpg")
    plt.close("all")


def test_runs_of_the_mechanism_alone_answer_no_claim() -> None:
    """They keep their tiles and numbers; no count and no forest has them."""
    plain = summary(lico=0.10)
    only = {**plain, "language": "real-fixed, mechanism only"}
    own = by_source.own_cell(CLAIMS["2 (gain)"], "accuracy", "a", plain)
    found = by_source.own_cell(CLAIMS["2 (gain)"], "accuracy", "b", only)
    assert own is not None
    assert found is not None
    assert (own.answer, found.answer) == ("supported", "undecided: mechanism only")
    assert (found.gain, found.interval) == (own.gain, own.interval)
    assert found.mechanism
    assert not own.mechanism
    counts = by_source.tallies([own, found])
    assert counts["source"].tolist() == ["a"]
    forest = ledger_figures.forest([own, found], "2 (gain)", "accuracy")
    assert len(forest.axes[0].get_yticks()) == 1
    tiles = ledger_figures.ledger([own, found]).axes[0].patches
    assert [bool(tile.get_hatch()) for tile in tiles] == [False, True]
    plt.close("all")
    full = ledger.full_table(only, ["2 (gain)"]).iloc[0]
    assert full["verdict"] == "undecided: mechanism only"
    assert full["exploratory"] == "numbers go its way"
