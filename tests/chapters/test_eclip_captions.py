"""COCO's pictures and captions in small: rows by class, two folds, retrieval."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.chapters import eclip_captions
from helpers.chapters.eclip_captions import labels_of, main, study
from helpers.data import coco
from helpers.data.captions import find_captions
from helpers.settings import Refused

pytest.importorskip("pycocotools")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight pictures of 80 x 64, a dog on the left and cats on the right of most."""
    rng = np.random.default_rng(0)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    images, captions, objects = [], [], []

    def instance(picture: int, category: int, x: int, wide: int, crowd: int = 0):
        polygon = [[x, 10, x + wide, 10, x + wide, 40, x, 40]]
        runs = {"counts": [0, 64 * 4, 64 * 76], "size": [64, 80]}
        objects.append(
            {
                "id": len(objects),
                "image_id": picture,
                "category_id": category,
                "bbox": [x, 10, wide, 30],
                "area": wide * 30,
                "iscrowd": crowd,
                "segmentation": runs if crowd else polygon,
            }
        )

    for number in range(8):
        name = f"{number}.png"
        pixels = rng.integers(0, 255, (64, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(pictures / name)
        images.append({"id": number, "file_name": name, "height": 64, "width": 80})
        for text in (f"a dog number {number}", "a cat on grass"):
            captions.append({"id": len(captions), "image_id": number, "caption": text})
        instance(number, 18, 20, 10)
        instance(number, 17, 40, 8)
        instance(number, 17, 55, 8)
        instance(number, 17, 0, 4, crowd=1)
    categories = [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}]
    for file, rows in (("captions", captions), ("instances", objects)):
        whole = {"images": images, "annotations": rows, "categories": categories}
        (tmp_path / f"{file}.json").write_text(json.dumps(whole), "utf-8")
    return tmp_path


def found(folder: Path) -> tuple:
    pictures = folder / "pictures"
    return (
        find_captions(pictures, folder / "captions.json"),
        coco.find(pictures, folder / "instances.json"),
    )


def test_a_row_is_a_picture_and_a_class(folder: Path) -> None:
    captions, instances = found(folder)
    rows = labels_of(instances, captions.names[:2], 64)
    assert rows.names == ("cat", "dog")
    assert rows.picture.tolist() == [0, 0, 1, 1]
    assert sorted(rows.label.tolist()) == [0, 0, 1, 1]
    cats = rows.masks[rows.label == 0][0]
    # The square is the middle 64 of 80 columns: 8 are cut off on the left.
    assert cats[20, 34]
    assert cats[20, 50]
    assert not cats[20, 43]
    assert not (rows.ignored & rows.masks).any()
    assert rows.unseen == 0
    with pytest.raises(Refused, match=r"'9.png' has no instances"):
        labels_of(instances, ["9.png"], 64)


def test_every_picture_is_asked_once_of_a_clip_that_never_saw_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    looked = eclip_captions.looked

    def noted(reader, known, asked):
        seen.append((known.texts, asked.texts))
        return looked(reader, known, asked)

    monkeypatch.setattr(eclip_captions, "looked", noted)
    numbers = study(*found(folder), tower="vit", epochs=1)
    json.dumps(numbers, allow_nan=False)
    assert len(seen) == 4  # two folds, trained and untrained
    for known, asked in seen:
        own = {text for text in known if "number" in text}
        assert own.isdisjoint(asked)
        assert len(own) == 4
    assert numbers["pictures"] == 8
    assert numbers["captions"] == numbers["rows"] == 16
    for name in ("trained", "untrained"):
        one = numbers[name]
        assert one["contrast ITSM, reversed"] == pytest.approx(-one["contrast ITSM"])
        assert 0 < one["all pixels"] < 0.2
        assert one["R@1 of captions, chance"] == 0.25  # two of eight texts
    assert numbers["trained"] != numbers["untrained"]


def test_its_command_and_what_it_refuses(folder: Path) -> None:
    arguments = {
        "pictures": str(folder / "pictures"),
        "captions": str(folder / "captions.json"),
        "instances": str(folder / "instances.json"),
        "tower": "vit",
        "folds": 2,
        "epochs": 1,
        "seed": 1,
        "size": 64,
    }
    with pytest.raises(Refused, match="unknown tower 'cnn'"):
        main(arguments | {"tower": "cnn"})
    with pytest.raises(Refused, match="cut into 9 folds"):
        main(arguments | {"folds": 9})
    with pytest.raises(Refused, match="are not there"):
        main(arguments | {"pictures": str(folder / "none")})
    assert torch.is_tensor(labels_of(found(folder)[1], ["0.png"], 64).masks)
