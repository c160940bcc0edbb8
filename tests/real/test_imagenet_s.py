"""ImageNet-S50's own class list and one real picture a class, from REAL_DATA."""

import csv
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.data import catalog, imagenet_s
from helpers.settings import DataSettings

FOLDER = Path(os.environ.get("REAL_DATA", "not-given"))
SAMPLES = FOLDER / "imagenet-samples"
LIST = FOLDER / "imagenet-s-lists" / "ImageNetS_categories_im50.txt"
pytestmark = pytest.mark.skipif(
    not ((SAMPLES / "classes.tsv").is_file() and LIST.is_file()),
    reason="REAL_DATA names no folder with imagenet-samples and imagenet-s-lists",
)


def test_the_published_list_is_sorted_and_has_the_names_of_imagenet() -> None:
    """REAL_DATA holds `imagenet-samples/classes.tsv`: wnid, index, name."""
    wnids = LIST.read_text().split()
    assert len(wnids) == imagenet_s.CLASSES
    assert wnids == sorted(wnids)
    with (SAMPLES / "classes.tsv").open(encoding="utf-8") as file:
        known = {row[0]: row[2] for row in csv.reader(file, delimiter="\t")}
    names = imagenet_s.class_names(FOLDER, wnids)
    assert {wnid: name.lower() for wnid, name in names.items()} == {
        wnid: known[wnid].replace("_", " ").lower() for wnid in wnids
    }


def test_real_pictures_of_any_size_and_mode_lie_under_their_masks(
    tmp_path: Path,
) -> None:
    """The mask of each is the left half and is ignored on the right quarter."""
    files = {file.name.split("_")[0]: file for file in SAMPLES.glob("*.JPEG")}
    sizes = {}
    for label, wnid in enumerate(LIST.read_text().split()):
        for part, stem in (("train", f"{wnid}_1"), ("train", f"{wnid}_2")):
            (tmp_path / part / wnid).mkdir(parents=True, exist_ok=True)
            shutil.copy(files[wnid], tmp_path / part / wnid / f"{stem}.JPEG")
        (tmp_path / "validation" / wnid).mkdir(parents=True)
        shutil.copy(files[wnid], tmp_path / "validation" / wnid / f"{wnid}.JPEG")
        width, height = sizes[label] = Image.open(files[wnid]).size
        ids = np.zeros((height, width), dtype=np.int64)
        ids[:, : width // 2], ids[:, width - width // 4 :] = label + 1, 1000
        channels = np.stack([ids % 256, ids // 256, 0 * ids], -1).astype(np.uint8)
        mask = tmp_path / "validation-segmentation" / wnid / f"{wnid}.png"
        mask.parent.mkdir(parents=True)
        Image.fromarray(channels).save(mask)
    data = DataSettings(name=f"imagenet-s50:{tmp_path}", size=112, test=50)
    test = catalog.load(data, "test")
    assert test.images.shape == (50, 3, 112, 112)
    assert test.masks is not None
    assert test.ignored is not None
    assert (test.masks.float().mean((1, 2)) - 0.5).abs().max() < 0.01
    for label, ignored in zip(test.labels.tolist(), test.ignored, strict=True):
        width, height = sizes[label]
        shown = min(1.0, height / width)  # of the width, after the middle is cut out
        expected = max(0.0, (shown - 0.5) / 2 / shown)
        assert abs(ignored.float().mean() - expected) < 0.02
    images = test.normalised()
    assert images.isfinite().all()
    assert torch.unique(test.images.flatten(1).float().mean(1)).numel() == 50
