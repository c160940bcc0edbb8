"""CLIP's own maps on COCO's captioned pictures, from REAL_DATA: every step runs."""

import os
from pathlib import Path

import pytest

from helpers.chapters.eclip_captions import main

FOLDER = Path(os.environ.get("REAL_DATA", "not-given")) / "tiny-coco"
pytestmark = pytest.mark.skipif(
    not (FOLDER / "annotations" / "captions_train2017.json").is_file(),
    reason="REAL_DATA names no folder with tiny-coco",
)


def test_maps_and_retrieval_beside_their_floors() -> None:
    """REAL_DATA holds `tiny-coco/` with `annotations/` and `train2017/`."""
    numbers = main(
        {
            "pictures": FOLDER / "train2017",
            "captions": FOLDER / "annotations" / "captions_train2017.json",
            "instances": FOLDER / "annotations" / "instances_train2017.json",
            "tower": "vit",
            "folds": 2,
            "epochs": 1,
            "seed": 1,
            "size": 64,
        }
    )
    assert numbers["kind"] == "pipeline check"
    assert (numbers["pictures"], numbers["captions"]) == (50, 250)
    assert numbers["rows"] + numbers["rows left out"] > 180
    for one in (numbers["trained"], numbers["untrained"]):
        assert one["R@1 of captions, chance"] == pytest.approx(1 / 25, abs=0.005)
        assert 0.05 < one["all pixels"] < 0.12
        assert one["contrast ITSM, reversed"] == pytest.approx(
            -one["contrast ITSM"], abs=1e-3
        )
