"""Chapter 90: its parameters, tables and figures, for any choice of documents."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from helpers.chapters.published import PublishedNumbers, files
from helpers.report import published, published_checks, published_figures, tables
from helpers.report import published_tables as tables_of
from helpers.settings import Refused

mpl.use("Agg")
ALL = PublishedNumbers.of()
CHOICES = [["all"], ["lei2024response"], ["fletcher2024lico"], ["bartak2024lico"]]


def test_it_needs_no_run() -> None:
    assert ALL.runs() == []
    ALL.check()
    assert ALL.trained() == {}
    assert ALL.summary({})["parameters"] == ALL.model_dump()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"documents": ["lei2023lico"]}, "documents.0"),
        ({"documents": []}, "at least 1 item"),
        ({"confidence": 1.0}, "less than 1"),
        ({"power": 0.2}, "greater than or equal to 0.5"),
        ({"document": ["all"]}, "did you mean 'documents'"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(given: dict, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        PublishedNumbers.of(**given)
    assert "\n" not in str(caught.value)


def test_documents_are_chosen_in_the_order_of_the_book() -> None:
    assert ALL.sources() == list(published.NAMES)
    two = PublishedNumbers.of(documents=["bartak2024lico", "lei2024response"])
    assert two.sources() == ["lei2024response", "bartak2024lico"]


@pytest.mark.parametrize("documents", CHOICES, ids=lambda d: d[0])
def test_every_table_and_figure_can_be_made(documents: list[str]) -> None:
    chapter = PublishedNumbers.of(documents=documents)
    tests, singles = chapter.tested(), chapter.untested()
    found = chapter.statements()
    for frame in (
        tables_of.inventory(chapter.sources()),
        tables_of.scope(tests, singles),
        tables_of.families(tests),
        tables_of.contrasts(tests),
        tables_of.verdicts(tests),
        tables_of.single_runs(singles),
        tables_of.untestable(singles),
        tables_of.misfits(chapter.sums()),
        tables_of.turned(published_checks.turned(chapter.sources())),
        tables_of.agreement(found),
        tables_of.disagreements(found),
        tables_of.statements(found),
        tables_of.products(published_checks.energy()),
        files(),
    ):
        assert "nan" not in tables.show(frame).to_html().lower()
    for figure in (
        published_figures.dispute(tables_of.tiles(tests, singles)),
        published_figures.forest(tests),
        published_figures.single_runs(singles),
        published_figures.sums(chapter.sums()),
    ):
        figure.canvas.draw()
        plt.close(figure)


def test_the_inventory_counts_every_number_once() -> None:
    frame = tables_of.inventory(ALL.sources())
    without = 2  # "-": runs that did not fit into memory
    assert frame["numbers"].sum() == len(published.load()) - without
    assert frame["with SD"].sum() == 12 + 20 + 5


def test_a_tile_a_contrast_of_lico_and_baseline() -> None:
    frame = tables_of.tiles(ALL.tested(), ALL.untested())
    assert not frame.duplicated(["source", "data", "metric"]).any()
    assert len(frame) == 2 * (3 + 27) + 3 + 8  # Tables 2 and 3, twice; 3; 2 and 4
    cells = frame.set_index(["source", "data", "metric"])
    deletion = cells.loc[("bartak2024lico", "ImageNet-S50", "deletion, Grad-CAM")]
    assert deletion["gain"] == pytest.approx(-0.02)  # .263 after .243
    assert list(frame.loc[frame["mark"] != "", "metric"]) == ["overall, Grad-CAM"]


def test_the_scope_counts_the_claims_way() -> None:
    frame = tables_of.scope(ALL.tested(), ALL.untested()).set_index(
        ["claim", "document"]
    )
    response = frame.loc[("2, accuracy", "author response")]
    assert (response["contrasts"], response["the claim's way"]) == (3, 3)
    assert response["can be tested"] == 0
    both = frame.loc[("3, both against one", "Bartak et al.")]
    assert (both["contrasts"], both["can be tested"]) == (16, 16)
    assert both["the claim's way"] == 2  # top-5, over mm and over ot
    alone = frame.loc[("3, one against none", "Bartak et al.")]
    assert (alone["contrasts"], alone["the claim's way"]) == (16, 3)
    assert list(frame.index) == sorted(frame.index, key=lambda at: at[0])
    assert tables_of.scope([], []).empty


def test_numbers_are_shown_with_their_printed_digits() -> None:
    shown = tables_of.disagreements(ALL.statements())
    values = " ".join(shown["A, B"]).replace("\u00a0", " ")
    assert "ce 0.129, ce 0.243 ± 0.006, mm" in values
    assert "mm 0.9468 ± 0.0039, lico 0.9503 ± 0.0023" in values
    assert "lico, name in front 0.8045, lico 0.8160" in values  # with the last 0


def test_the_files_of_the_page_are_named_with_their_digests() -> None:
    frame = files()
    assert list(frame["file"]) == [
        "published.yml",
        "published_statements.yml",
        "margins.yml",
    ]
    assert frame["sha256"].str.fullmatch("[0-9a-f]{12}").all()
