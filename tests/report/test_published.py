"""The published numbers: schema, counts, units, digits, and who is compared."""

import math
from collections import Counter
from typing import Any

import pytest
import yaml

from helpers.chapters import red_dot_published
from helpers.report import published
from helpers.report.published import Published
from helpers.settings import Refused

ROWS = published.load()


def one(**words: Any) -> Published:
    (found,) = (
        row
        for row in ROWS
        if all(getattr(row, key) == value for key, value in words.items())
    )
    return found


# Numbers, and the sums of their means and SDs, added up apart from the package's file.
CONTROL = {
    ("lei2024response", "Table 1"): (3, 2.8118, 0),
    ("lei2024response", "Table 2"): (2 * 3, 5.1093, 0),
    ("lei2024response", "Table 3"): (6 * 9, 21.2677, 0),
    ("fletcher2024lico", "Table 2 of the response, gray"): (2 * 3, 5.17, 0),
    ("fletcher2024lico", "Table 3 of the response, gray"): (6 * 9, 21.02, 0),
    ("bartak2024lico", "Section 3.2"): (2 * 3, 125333, 0),
    ("bartak2024lico", "Table 1"): (3 * 6, 2013, 0),
    ("bartak2024lico", "Table 1, footnote 3"): (1, 6.9, 0),
    ("bartak2024lico", "Table 2"): (4 * 3, 5.728, 0.097),
    ("bartak2024lico", "Table 3"): (3 * 3, 6.8558, 0),
    ("bartak2024lico", "Table 4"): (4 * 5, 13.3502, 0.1628),
    ("bartak2024lico", "Table 5"): (3 * 5, 9.9164, 0.045),
    ("bartak2024lico", "Appendix A"): (2, 0.155, 0),
    ("bartak2024lico", "Appendix D"): (8, 11081.7, 0),
}


@pytest.mark.parametrize("place", CONTROL, ids=" ".join)
def test_a_table_has_all_its_numbers_and_their_sum(place: tuple[str, str]) -> None:
    rows = [row for row in ROWS if (row.source, row.table) == place]
    means = sum(row.mean for row in rows if not math.isnan(row.mean))
    sds = sum(row.sd or 0 for row in rows)
    assert (len(rows), means, sds) == pytest.approx(CONTROL[place], abs=1e-9)


def test_there_are_no_other_tables() -> None:
    assert {(row.source, row.table) for row in ROWS} == set(CONTROL)
    assert len(ROWS) == 214


def test_no_cell_stands_twice() -> None:
    keys = Counter((row.place, row.arm, row.metric) for row in ROWS)
    assert max(keys.values()) == 1


def test_scores_are_fractions_with_the_place_of_their_last_digit() -> None:
    scores = [row for row in ROWS if row.metric in published.SCORES]
    assert all(0 < row.mean < 1 for row in scores)
    percent = one(source="lei2024response", table="Table 2", data="CIFAR-100", arm="ce")
    assert (percent.mean, percent.step) == (0.729, 0.0001)  # printed as 72.90
    gray = one(
        source="fletcher2024lico",
        data="CIFAR-100",
        saliency="Grad-CAM",
        arm="ce",
        metric="insertion",
    )
    assert (gray.mean, gray.step, gray.sd) == (0.44, 0.001, None)
    spread = one(table="Table 4", arm="ce", metric="accuracy")
    assert (spread.mean, spread.sd, spread.step) == (0.8218, 0.0132, 0.0001)
    assert (spread.runs, spread.unit) == (3, "fraction")


def test_an_sd_comes_with_its_runs_and_smaller_than_its_mean() -> None:
    for row in ROWS:
        if row.sd is not None:
            assert row.runs is not None
            assert row.runs > 1
            assert 0 < row.sd < row.mean


def test_what_did_not_fit_into_memory_is_nan() -> None:
    failed = [row for row in ROWS if math.isnan(row.mean)]
    assert {(row.model, row.note, row.metric) for row in failed} == {
        ("ResNet-50", "batch 128", "seconds an epoch")
    }
    assert {row.arm for row in failed} == {"lico", "cgc"}


def test_the_row_that_two_tables_share_is_the_same_in_both() -> None:
    for metric in ("accuracy", "top-5", "ses", "sch", "mosu"):
        fourth = one(table="Table 4", arm="lico", metric=metric)
        fifth = one(table="Table 5", arm="lico", metric=metric)
        assert (fourth.mean, fourth.sd, fourth.runs) == (
            fifth.mean,
            fifth.sd,
            fifth.runs,
        )


def test_the_red_dot_of_chapter_04_rounds_to_the_printed_scores() -> None:
    printed = [row.mean for row in ROWS if row.table == "Appendix A"]
    recorded = [deletion for _, deletion in red_dot_published.RECORDED.values()]
    assert printed == [round(value, 3) for value in recorded]


def test_every_pair_of_arms_is_found_once() -> None:
    pairs = published.every_contrast()
    count = Counter((pair.source, pair.table) for pair in pairs)
    assert count["bartak2024lico", "Table 2"] == 6 * 3  # pairs of 4 arms, metrics
    assert count["bartak2024lico", "Table 4"] == 6 * 5
    assert count["bartak2024lico", "Table 5"] == 3 * 5
    assert count["bartak2024lico", "Table 3"] == 3 * 3
    assert count["lei2024response", "Table 3"] == 27
    assert ("bartak2024lico", "Table 1") not in count  # seconds are no score
    assert ("bartak2024lico", "Appendix A") not in count  # one arm
    for pair in pairs:
        assert pair.a.place == pair.b.place
        assert pair.a.metric == pair.b.metric
        assert pair.a.arm != pair.b.arm
    assert len({frozenset((pair.a, pair.b)) for pair in pairs}) == len(pairs)
    only = published.every_contrast(["lei2024response"])
    assert {pair.source for pair in only} == {"lei2024response"}


def test_lico_is_the_first_of_its_pairs_with_parts_and_baseline() -> None:
    for pair in published.every_contrast():
        if pair.b.arm == "lico":
            assert pair.a.arm in ("lico, class context", "lico, name in front")


def test_a_gain_is_positive_where_a_is_better() -> None:
    for metric, sign in (("deletion", 1), ("insertion", -1), ("overall", -1)):
        pair = next(
            pair
            for pair in published.contrasts("lico", "ce", metric)
            if pair.source == "bartak2024lico"
        )
        assert pair.difference == pytest.approx(sign * abs(pair.difference))
        assert pair.gain < 0


def test_contrasts_are_of_one_saliency_method() -> None:
    shared = published.contrasts("lico", "ce", "insertion")
    assert {pair.a.saliency for pair in shared} == {"Grad-CAM"}
    assert len(shared) == 3 + 3 + 1
    assert len(published.contrasts("lico", "ce", "insertion", None)) == 9 + 9 + 1
    assert len(published.contrasts("lico", "ce", "insertion", "RISE")) == 6
    assert len(published.contrasts("lico", "ce", "accuracy")) == 3 + 3 + 2


def test_the_table_leaves_out_what_stands_alone_and_other_maps() -> None:
    frame = published.table(["accuracy", "ses"], ["ce", "lico"])
    assert "Table 5" not in set(frame["table"])
    assert not frame.isin(["—"]).any().any()
    maps = published.table(["insertion"], ["ce", "lico"])
    assert maps.groupby(["source", "data"]).size().max() == 1


def test_a_row_of_another_length_is_refused_in_one_line(tmp_path, monkeypatch) -> None:
    text = yaml.safe_load(published.FILE.read_text("utf-8"))
    text["tables"][1]["rows"][0]["cells"].pop()
    file = tmp_path / "published.yml"
    file.write_text(yaml.safe_dump(text), "utf-8")
    monkeypatch.setattr(published, "FILE", file)
    published.load.cache_clear()
    with pytest.raises(Refused, match="row 1: 2 cells for 3 columns") as caught:
        published.load()
    assert "\n" not in str(caught.value)


def test_the_right_file_is_back() -> None:
    published.load.cache_clear()
    assert published.load() == ROWS
