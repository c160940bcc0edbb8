"""COCO's own annotations and GloVe's own vectors, from REAL_DATA."""

import os
from pathlib import Path

import pytest
import torch
from pycocotools.coco import COCO

from helpers.data import coco, reference
from helpers.data import listing as on
from helpers.language import glove
from helpers.language.word_vectors import WordVectors, joined, neighbours

FOLDER = Path(os.environ.get("REAL_DATA", "not-given"))
TINY, COCO128, GLOVE = (FOLDER / name for name in ("tiny-coco", "coco128", "glove"))
INSTANCES = TINY / "annotations" / "instances_train2017.json"
PANOPTIC = COCO128 / "panoptic_segmentation" / "annotations"
VECTORS = GLOVE / "glove.840B.300d.labels.txt"


@pytest.fixture(scope="module")
def vectors() -> WordVectors:
    if not VECTORS.is_file():
        pytest.skip(f"REAL_DATA names no folder with {VECTORS.name}")
    names = (VECTORS.name, "glove.840B.300d.labels_multiword_mean.txt")
    return joined(*(glove.read_glove(GLOVE / name) for name in names))


def test_vectors_of_label_words_have_neighbours_that_make_sense(
    vectors: WordVectors,
) -> None:
    assert vectors.vectors.shape == (86, 300)
    _, words = neighbours(vectors, vectors.vectors[[vectors.index["microwave"]]], 4)
    assert set(words[0]) == {"microwave", "oven", "toaster", "refrigerator"}


@pytest.mark.skipif(
    not INSTANCES.is_file(), reason="REAL_DATA names no folder with tiny-coco"
)
def test_instances_of_50_pictures(vectors: WordVectors) -> None:
    """REAL_DATA holds `tiny-coco/` with `annotations/` and `train2017/`."""
    found = coco.find(TINY / "train2017", INSTANCES)
    names = [found.classes[number] for number in sorted(found.classes)]
    assert len(names) == 80
    listed = coco.list_instances(found, on.by_token)
    assert len(listed.words) == 92
    assert listed.left_out == {}
    assert on.count(listed) == on.Counts(50, 1, 470, 5, 56)
    some = coco.list_instances(found, on.by_token, vectors)
    assert len(some.unknown) == 27
    assert some.left_out == {on.NO_WORD: 21}
    ones = coco.list_instances(found, on.as_one, vectors)
    assert len(ones.words) == 80
    assert ones.unknown == ()
    data = reference.read(listed)
    assert data.images.shape == (50, 3, 224, 224)
    assert data.masks.shape == (470, 224, 224)
    own = COCO(INSTANCES)
    drawn = [
        (one.mask(entry.size), one.crowd)
        for entry in listed.entries
        for one in entry.annotations
    ]
    there = [one for many in found.objects.values() for one in many]
    assert sum(crowd for _, crowd in drawn) == 5
    for (mask, _), one in zip(drawn, there, strict=True):
        assert torch.equal(mask, torch.tensor(own.annToMask(one)) > 0)


@pytest.mark.skipif(
    not PANOPTIC.is_dir(), reason="REAL_DATA names no folder with coco128"
)
def test_panoptic_segments_have_their_areas() -> None:
    """REAL_DATA holds `coco128/` with `images/` and `panoptic_segmentation/`."""
    file = PANOPTIC / "panoptic_train2017.json"
    found = coco.find_panoptic(
        COCO128 / "images" / "train2017", file, PANOPTIC / "panoptic_train2017"
    )
    listed = coco.list_instances(found, on.by_token)
    assert on.count(listed) == on.Counts(100, 2, 746, 6, 78)
    areas = [one["area"] for many in found.objects.values() for one in many]
    drawn = [
        int(one.mask(entry.size).sum())
        for entry in listed.entries
        for one in entry.annotations
    ]
    assert sorted(drawn) == sorted(areas)
