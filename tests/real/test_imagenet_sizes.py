"""The sizes in chapter 04 are those of the sample pictures' list, from REAL_DATA."""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from helpers.chapters import red_dot_published

LIST = Path(os.environ.get("REAL_DATA", "not-given"), "imagenet-samples", "labels.csv")
pytestmark = pytest.mark.skipif(
    not LIST.is_file(), reason="REAL_DATA names no folder with imagenet-samples"
)


def test_the_sizes_are_those_of_the_classes_of_imagenet_s50() -> None:
    with LIST.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["in_imagenet_s50"] == "1"]
    found = Counter((int(row["width"]), int(row["height"])) for row in rows)
    assert found == red_dot_published.SIZES
