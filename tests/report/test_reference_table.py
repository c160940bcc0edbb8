"""Table 1 of the reproduction, for whatever is loaded."""

from dataclasses import replace
from functools import partial

import pandas as pd
import pytest
import torch

from helpers.data.listing import Annotation, Entry, Listing
from helpers.report.reference_table import reference_table
from helpers.settings import Refused


def listed(*objects: tuple[int, ...]) -> Listing:
    """A picture for each tuple, with an object for each of its words."""
    draw = partial(torch.ones, dtype=torch.bool)
    entries = tuple(
        Entry(
            str(n),
            (4, 4),
            partial(torch.zeros, 3, 4, 4),
            tuple(Annotation("x", (word,), draw) for word in words),
        )
        for n, words in enumerate(objects)
    )
    return Listing(tuple("abcd"), entries)


def number(table: pd.DataFrame, what: str, part: str) -> int:
    (found,) = table[(table.what == what) & (table.part == part)].here
    return int(found)


def test_every_number_has_its_row_and_its_published_neighbour() -> None:
    table = reference_table(listed((0, 0, 1), (2,), ()), listed((1,)), "COCO")
    assert len(table) == 9
    assert number(table, "pictures", "train") == 3
    assert number(table, "pictures", "both") == 4
    assert number(table, "annotations", "train") == 4
    assert number(table, "annotations", "validation") == 1
    assert number(table, "categories", "train") == 3
    assert number(table, "categories", "both") == 3  # b is in both
    assert table.published.tolist()[:3] == ["117k", "5k", "122k"]
    assert table.share.tolist()[:3] == [0.75, 0.25, 1]


def test_a_split_of_categories_and_data_that_nobody_published() -> None:
    parts = listed((0,)), listed((1,))
    table = reference_table(*parts, "VG", words=(("a", "b", "c"), ("d",)))
    assert number(table, "categories", "train") == 3
    assert number(table, "categories", "both") == 4
    assert table.published.tolist()[-3:] == ["70%", "30%", "1128"]
    assert "published" not in reference_table(*parts)


def test_another_name_and_other_words_are_refused() -> None:
    parts = listed((0,)), listed((1,))
    with pytest.raises(Refused, match="'voc' must be one of COCO, VG"):
        reference_table(*parts, "voc")
    with pytest.raises(Refused, match="4 category words"):
        reference_table(parts[0], replace(parts[1], words=("a", "b")))
