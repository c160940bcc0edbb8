"""COCO's captions in their real format, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from helpers.data.captions import find_captions, folds, listed, read_pictures
from helpers.measure.recognition import captions_of
from helpers.settings import Refused


def written(folder: Path, whole: Any) -> Path:
    file = folder / "captions.json"
    file.write_text(whole if isinstance(whole, str) else json.dumps(whole), "utf-8")
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures = tmp_path / "val"
    pictures.mkdir()
    for number, colour in ((7, (255, 0, 0)), (3, (0, 255, 0)), (5, (0, 0, 255))):
        Image.new("RGB", (40, 30), colour).save(pictures / f"{number:03}.png")
    return pictures


WHOLE = {
    "images": [
        {"id": number, "file_name": f"{number:03}.png", "width": 40, "height": 30}
        for number in (7, 3, 5, 9)
    ],
    "annotations": [
        {"id": 1, "image_id": 3, "caption": "Green, all over.\n"},
        {"id": 2, "image_id": 7, "caption": " A red  picture. "},
        {"id": 3, "image_id": 3, "caption": "A lawn"},
        {"id": 4, "image_id": 9, "caption": "Not there."},
        {"id": 5, "image_id": 7, "caption": "  "},
    ],
}


def test_captions_stand_at_their_pictures(folder: Path, tmp_path: Path) -> None:
    found = find_captions(folder, written(tmp_path, WHOLE))
    assert found.texts == {
        "007.png": ("A red picture.",),
        "003.png": ("Green, all over.", "A lawn"),
    }
    assert found.names == ("007.png", "003.png")
    assert found.left_out == {
        "not in the folder": 1,
        "without caption": 1,
        "empty captions": 1,
    }
    images = read_pictures(found, ("003.png", "007.png"), 16)
    assert images.shape == (2, 3, 16, 16)
    assert images.dtype == torch.uint8
    assert images[0, 1].eq(255).all()
    assert images[1, 0].eq(255).all()
    texts, of = listed(found, ("003.png", "007.png"))
    assert texts == ["Green, all over.", "A lawn", "A red picture."]
    assert captions_of(of, 2).int().tolist() == [[1, 1, 0], [0, 0, 1]]


def test_folds_are_even_disjoint_and_of_the_seed() -> None:
    names = [f"{n}" for n in range(11)]
    parts = folds(names, 3, 0)
    assert sorted(len(part) for part in parts) == [3, 4, 4]
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert all(list(part) == sorted(part, key=names.index) for part in parts)
    assert parts == folds(names, 3, 0)
    assert parts != folds(names, 3, 1)


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    images = WHOLE["images"]
    lost = [{"id": 1, "image_id": 99, "caption": "x"}]
    for whole, text in (
        ("no json", "cannot be read .JSONDecodeError"),
        ([1], "no COCO captions"),
        ({"images": images}, "annotations"),
        ({"images": images, "annotations": lost}, "KeyError: 99"),
        ({"images": images[3:], "annotations": []}, "no picture of"),
        ({"images": images, "annotations": []}, "no picture has a caption"),
    ):
        with pytest.raises(Refused, match=text) as caught:
            find_captions(folder, written(tmp_path, whole))
        assert "\n" not in str(caught.value)
    with pytest.raises(Refused, match="give a folder"):
        find_captions(folder / "none", written(tmp_path, WHOLE))
    with pytest.raises(Refused, match="cannot be read"):
        find_captions(folder, tmp_path / "none.json")
    found = find_captions(folder, written(tmp_path, WHOLE))
    with pytest.raises(Refused, match="has no captions"):
        read_pictures(found, ("005.png",), 16)
    (folder / "003.png").write_bytes(b"broken")
    with pytest.raises(Refused, match="cannot be read"):
        read_pictures(found, ("003.png",), 16)
    for count in (1, 4):
        with pytest.raises(Refused, match="cannot be cut"):
            folds(("a", "b", "c"), count, 0)
