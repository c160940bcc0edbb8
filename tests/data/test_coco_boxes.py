"""COCO's format, made here; and 150 real pictures from REAL_DATA."""

import json
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers.data import coco, coco_boxes
from helpers.settings import Refused

FOLDER = Path(os.environ.get("REAL_DATA", "not-given"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "val2014"
    folder.mkdir()
    for number, size in ((9, (40, 20)), (4, (20, 20)), (7, (30, 30))):
        Image.new("RGB", size, (9 * number, 0, 0)).save(folder / f"{number}.png")

    def instance(number: int, picture: int, category: int, box: list, **more):
        left, top, width, height = box
        around = [left, top, left + width, top, left + width, top + height]
        return {
            "id": number,
            "image_id": picture,
            "category_id": category,
            "bbox": box,
            "segmentation": [around],
            "iscrowd": 0,
            "area": width * height,
            **more,
        }

    runs = {"size": [20, 40], "counts": [400, 400]}
    content = {
        "images": [
            {"id": 9, "file_name": "9.png", "width": 40, "height": 20},
            {"id": 4, "file_name": "4.png", "width": 20, "height": 20},
            {"id": 7, "file_name": "7.png", "width": 30, "height": 30},
        ],
        "categories": [
            {"id": 90, "name": "toothbrush"},
            {"id": 1, "name": "person"},
            {"id": 3, "name": "car"},
        ],
        "annotations": [
            instance(1, 9, 3, [20, 0, 20, 10]),
            instance(2, 9, 90, [0, 0, 40, 20], iscrowd=1, segmentation=runs),
            instance(3, 9, 3, [0, 0, 10, 10]),
            instance(4, 4, 1, [5, 5, 10, 10]),
            instance(5, 4, 3, [5, 5, 0, 10]),
        ],
    }
    (tmp_path / "instances_val2014.json").write_text(json.dumps(content))
    return tmp_path


def test_labels_are_the_categories_by_number_and_crowds_count(place: Path) -> None:
    found = coco.find(place / "val2014", place / "instances_val2014.json")
    read = coco_boxes.read(found, 3, 10)
    assert read.class_names == ("person", "car", "toothbrush")
    # Pictures 4, 7, 9: a box without width is no object.
    assert read.present.tolist() == [
        [True, False, False],
        [False, False, False],
        [False, True, True],
    ]
    assert read.box_labels[2].tolist() == [1, 2, 1]
    assert read.boxes[2, 0].tolist() == [5, 0, 10, 5]
    assert read.boxes[0, 0].tolist() == [2.5, 2.5, 7.5, 7.5]
    assert read.images[:, 0, 5, 5].tolist() == [36, 63, 81]
    assert torch.equal(coco_boxes.read(found, 1, 10).images, read.images[:1])


def test_a_picture_of_another_size_and_a_count_are_refused(place: Path) -> None:
    found = coco.find(place / "val2014", place / "instances_val2014.json")
    with pytest.raises(Refused, match="3 pictures"):
        coco_boxes.read(found, 4, 10)
    Image.new("RGB", (8, 8)).save(place / "val2014" / "7.png")
    with pytest.raises(Refused, match="8 x 8"):
        coco_boxes.read(found, 3, 10)
    assert len(coco_boxes.read(found, 1, 10)) == 1
