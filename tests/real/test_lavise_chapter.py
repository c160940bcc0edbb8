"""Chapter 10's check on photographs, with real weights and vectors, from REAL_DATA."""

import os
from pathlib import Path

import pytest

from helpers.chapters.lavise import Lavise

FOLDER = Path(os.environ.get("REAL_DATA", "not-given"))
WEIGHTS = FOLDER / "squeezenet1_0.safetensors"
FILES = (
    FOLDER / "glove/glove.840B.300d.labels.txt",
    FOLDER / "glove/glove.840B.300d.labels_multiword_mean.txt",
)
pytestmark = pytest.mark.skipif(
    not all(file.is_file() for file in (WEIGHTS, *FILES)),
    reason=f"REAL_DATA names no folder with tiny-coco, glove and {WEIGHTS.name}",
)


def test_the_check_on_photographs_beats_what_it_must() -> None:
    """REAL_DATA holds `tiny-coco/`, `glove/` and SqueezeNet's weights."""
    chapter = Lavise.of(
        reference=f"coco:{FOLDER / 'tiny-coco'}",
        vectors=f"file:{','.join(map(str, FILES))}",
        extractor=f"squeezenet1_0:{WEIGHTS}",
    )
    chapter.check()
    found = chapter.photographs()
    assert found is not None
    print(found.recalls, found.words, found.counts, sep="\n")
    recalls = found.recalls.set_index("s")
    assert recalls.loc[20, "chance"] == pytest.approx(20 / 86)
    assert (recalls["from"] > recalls["permuted words"]).all()
    assert (recalls["from"] > recalls["chance"]).all()
    assert len(found.words) == 5
