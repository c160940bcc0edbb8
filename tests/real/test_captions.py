"""COCO's own captions, beside the objects of the same pictures, from REAL_DATA."""

import os
from pathlib import Path

import pytest

from helpers.data import coco
from helpers.data.captions import find_captions, folds, listed, read_pictures

FOLDER = Path(os.environ.get("REAL_DATA", "not-given")) / "tiny-coco"
CAPTIONS = FOLDER / "annotations" / "captions_train2017.json"


@pytest.mark.skipif(
    not CAPTIONS.is_file(), reason="REAL_DATA names no folder with tiny-coco"
)
def test_fifty_pictures_have_five_captions_or_more() -> None:
    """REAL_DATA holds `tiny-coco/` with `annotations/` and `train2017/`."""
    found = find_captions(FOLDER / "train2017", CAPTIONS)
    assert len(found.names) == 50
    assert found.left_out == {}
    texts, of = listed(found, found.names)
    assert min(of.count(row) for row in range(50)) >= 5
    assert len(texts) == len(of) >= 250
    assert len(set(texts)) > 245
    first, second = folds(found.names, 2, 0)
    assert len(first) == len(second) == 25
    assert not set(first) & set(second)
    images = read_pictures(found, found.names[:4], 64)
    assert images.shape == (4, 3, 64, 64)
    assert images.float().std() > 20
    instances = coco.find(
        FOLDER / "train2017", FOLDER / "annotations" / "instances_train2017.json"
    )
    assert {path.name for path in instances.files} == set(found.names)
