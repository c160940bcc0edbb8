"""COCO's polygons, run lengths and crowds, on the pictures as the network sees them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.judge import coco
from helpers.judge.sources import Cut
from helpers.settings import Refused

GROUPS = {"cat": (2, 1), "dog": (3,), "car": (4,)}
WHOLE = Cut(36, 36)  # of 48 x 36: the middle, 6 to 42


def read(place: tuple[Path, Path], groups: dict = GROUPS, cut: Cut = WHOLE) -> Any:
    return coco.read(coco.find(*place), groups, cut, None)


def test_pictures_without_a_mapped_object_are_counted_by_cause(annotated) -> None:
    found = read(annotated())
    assert sorted(found.names) == ["1.png", "2.png", "3.png"]
    assert found.left_out == {
        "not in the folder": 1,
        "not in the annotations": 1,
        "without any object": 1,
        "without object of a mapped class": 1,
        "with a crowd alone of mapped classes": 1,
        "with all objects outside the cut": 1,
    }
    assert found.notes[0].startswith("1 of 3 pictures show several mapped classes")


def test_masks_are_of_the_largest_class_and_boxes_of_its_instances(annotated) -> None:
    found = read(annotated())
    by_name = {name: i for i, name in enumerate(found.names)}
    cats, dog, car = (by_name[f"{n}.png"] for n in (1, 2, 3))
    assert [found.groups[i] for i in (cats, dog, car)] == [(2, 1), (3,), (4,)]
    assert [found.classes[i] for i in (cats, dog, car)] == ["cat", "dog", "car"]
    both = torch.zeros(36, 36, dtype=torch.bool)
    both[4:20, 2:14] = both[10:30, 18:34] = True
    assert torch.equal(found.masks[cats], both)
    assert found.boxes[cats].tolist() == [[2, 4, 14, 20], [18, 10, 34, 30]]
    assert found.boxes[dog].tolist() == [[4, 5, 34, 30], [-1] * 4]
    assert int(found.masks[dog].sum()) == 30 * 25
    assert not found.ignored[cats].any()


def test_a_crowd_is_ignored_where_no_instance_is(annotated) -> None:
    found = read(annotated())
    car = found.names.index("3.png")
    assert found.boxes[car].tolist() == [[2, 8, 18, 24], [-1] * 4]
    assert int(found.masks[car].sum()) == 16 * 16
    ignored = torch.zeros(36, 36, dtype=torch.bool)
    ignored[8:24, 18:34] = True
    assert torch.equal(found.ignored[car], ignored)


def test_picture_mask_and_boxes_are_resized_and_cut_alike(annotated) -> None:
    """Twice the size, of which the middle 60 are cut: pixel p goes to 2 p - 6."""
    found = read(annotated(), cut=Cut(72, 60))
    dog = found.names.index("2.png")
    assert found.images.shape == (3, 3, 60, 60)
    assert found.boxes[dog].tolist()[0] == [2, 4, 60, 54]
    inside = torch.zeros(60, 60, dtype=torch.bool)
    inside[4:54, 2:60] = True
    assert torch.equal(found.masks[dog], inside)


def test_classes_that_mean_the_same_are_one(annotated) -> None:
    found = read(annotated(), {"cat": (2,), "dog": (4,), "car": (4,)})
    dog = found.names.index("2.png")
    assert found.boxes[dog, 1].tolist() == [6, 30, 18, 35]
    assert found.classes[dog] == "dog"  # its largest instance


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"bbox": [100, 5, 3, 3]}, "its box .* misses the picture of 48 x 36"),
        ({"bbox": [3, 3, -5, 3]}, "misses the picture"),
        ({"bbox": [3, 3]}, "has no box"),
        ({"segmentation": [[60, 5, 70, 5, 70, 9]]}, "its mask misses the picture"),
        ({"segmentation": [[1, 2, 3, 4]]}, "has no mask: polygons of 3 points"),
        ({"segmentation": {"size": [9, 9], "counts": []}}, r"its mask is of \[9, 9\]"),
        ({"category_id": 7}, "of category 7, which has no name"),
        ({"image_id": 77}, "no COCO instances"),
    ],
)
def test_what_misses_its_picture_is_refused(
    annotated: Callable, instances: dict, change: dict, text: str
) -> None:
    instances["annotations"][2] |= change
    with pytest.raises(Refused, match=text) as caught:
        coco.find(*annotated(instances))
    assert "\n" not in str(caught.value)


def test_files_of_another_form_are_refused(tmp_path: Path, annotated) -> None:
    top, file = annotated()
    for text, words in (
        ("{", "cannot be read .JSONDecodeError"),
        ('{"images": []}', "no COCO instances"),
        ('{"images": [], "annotations": [], "categories": []}', "no picture of"),
    ):
        file.write_text(text)
        with pytest.raises(Refused, match=words):
            coco.find(top, file)
    with pytest.raises(Refused, match="cannot be read"):
        coco.find(top, tmp_path / "none.json")
    with pytest.raises(Refused, match="are not there"):
        coco.find(tmp_path / "none", file)


def test_a_picture_of_another_size_is_refused(annotated, instances) -> None:
    instances["images"][0]["width"] = 49
    instances["annotations"] = [
        a for a in instances["annotations"] if a["image_id"] != 1
    ] + [instances["annotations"][0]]
    with pytest.raises(Refused, match=r"1.png' is 48 x 36, its annotations are for 49"):
        read(annotated(instances))


def test_panoptic_segments_give_the_same(annotated, instances, tmp_path: Path) -> None:
    """Of the cats' picture, whose segments are drawn in a PNG by their numbers."""
    top, _ = annotated()
    pixels = np.zeros((36, 48, 3), dtype=np.uint8)
    pixels[4:20, 8:20] = (7, 1, 0)  # 263
    pixels[10:30, 24:40] = (9, 0, 1)  # 65545
    (tmp_path / "panoptic_made").mkdir()
    Image.fromarray(pixels).save(tmp_path / "panoptic_made" / "1.png")
    boxes = {263: [8, 4, 12, 16], 65545: [24, 10, 16, 20]}
    segments = [
        {"id": n, "category_id": 1, "iscrowd": 0, "bbox": box, "area": 1}
        for n, box in boxes.items()
    ]
    whole = {
        "images": instances["images"][:1],
        "categories": [{"id": 1, "name": "cat", "isthing": 1}],
        "annotations": [
            {"image_id": 1, "file_name": "1.png", "segments_info": segments}
        ],
    }
    file = tmp_path / "panoptic_made.json"
    file.write_text(json.dumps(whole))
    found = read((top, file))
    wanted = read(annotated())
    cats = wanted.names.index("1.png")
    assert torch.equal(found.masks[0], wanted.masks[cats])
    assert torch.equal(found.boxes[0], wanted.boxes[cats])
