"""COCO's annotations in their real format; its 80 names and their 92 words."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.data import coco, reference
from helpers.data import listing as on
from helpers.settings import Refused

WIDTH, HEIGHT = 40, 30
# The names of COCO's 80 categories (Lin et al. 2014), in their order.
NAMES = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,"
    "fire hydrant,stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,"
    "bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,"
    "sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,"
    "bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,"
    "carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,"
    "tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,"
    "refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
)
COCO_NAMES = tuple(NAMES.split(","))


def polygon(left: int, top: int, right: int, bottom: int) -> list[list[float]]:
    return [[left, top, right, top, right, bottom, left, bottom]]


def instance(number: int, image: int, category: int, box: list[int]) -> dict[str, Any]:
    left, top, right, bottom = box
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": polygon(*box),
        "bbox": [left, top, right - left, bottom - top],
        "area": (right - left) * (bottom - top),
        "iscrowd": 0,
    }


def crowd(number: int, image: int, category: int) -> dict[str, Any]:
    """The left ten columns, as run lengths in column order."""
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": {
            "size": [HEIGHT, WIDTH],
            "counts": [0, 10 * HEIGHT, (WIDTH - 10) * HEIGHT],
        },
        "bbox": [0, 0, 10, HEIGHT],
        "area": 10 * HEIGHT,
        "iscrowd": 1,
    }


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    """Three pictures in the folder, a fourth in the file alone, a fifth in neither."""
    folder = tmp_path / "train2017"
    folder.mkdir()
    for number in (1, 2, 3, 9):
        image = Image.new("RGB", (WIDTH, HEIGHT), (10 * number, 0, 0))
        image.save(folder / f"{number}.png")
    whole = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT}
            for n in (1, 2, 3, 4)
        ],
        "categories": [
            {"id": 58, "name": "hot dog"},
            {"id": 18, "name": "dog"},
            {"id": 17, "name": "cat"},
        ],
        "annotations": [
            instance(1, 1, 18, [5, 3, 25, 23]),
            instance(2, 1, 58, [20, 10, 40, 30]),
            crowd(3, 2, 18),
            instance(4, 4, 17, [0, 0, 5, 5]),
        ],
    }
    file = tmp_path / "instances_train2017.json"
    file.write_text(json.dumps(whole))
    return folder, file


def test_eighty_names_have_92_words() -> None:
    assert len(COCO_NAMES) == 80
    words, missing = on.category_words(COCO_NAMES, on.by_token, None)
    assert len(words) == 92
    assert missing == ()
    ones, _ = on.category_words(COCO_NAMES, on.as_one, None)
    assert len(ones) == 80
    known, unknown = on.category_words(COCO_NAMES, on.by_token, {"dog", "hot"})
    assert known == ("dog", "hot")
    assert len(unknown) == 90


def test_a_name_of_two_words_has_two_positives(place: tuple[Path, Path]) -> None:
    listed = coco.list_instances(coco.find(*place), on.by_token)
    assert listed.words == ("cat", "dog", "hot")
    data = reference.read(listed, 30, 30)
    assert data.names == ("dog", "hot dog", "dog")
    assert data.positives().int().tolist() == [[0, 1, 0], [0, 1, 1], [0, 1, 0]]
    assert data.crowd.tolist() == [False, False, True]
    assert data.image_of.tolist() == [0, 0, 1]


def test_masks_are_the_polygons_and_run_lengths(place: tuple[Path, Path]) -> None:
    """30 x 30 of 40 x 30 pixels: five columns are cut away on each side."""
    data = reference.read(coco.list_instances(coco.find(*place), on.by_token), 30, 30)
    rows, columns = torch.meshgrid(torch.arange(30), torch.arange(30), indexing="ij")
    dog = (rows >= 3) & (rows < 23) & (columns < 20)
    assert torch.equal(data.masks[0], dog)
    assert torch.equal(data.masks[2], columns < 5)


def test_pictures_of_one_side_alone_are_counted(place: tuple[Path, Path]) -> None:
    listed = coco.list_instances(coco.find(*place), on.by_token)
    assert listed.left_out == {"not in the folder": 1, "not in the annotations": 1}
    assert [entry.name for entry in listed.entries] == ["1.png", "2.png", "3.png"]
    assert on.count(listed) == on.Counts(3, 1, 3, 1, 2)


def test_names_without_a_known_word_are_left_out_and_named(
    place: tuple[Path, Path],
) -> None:
    listed = coco.list_instances(coco.find(*place), on.by_token, {"hot", "cat"})
    assert listed.unknown == ("dog",)
    assert listed.words == ("cat", "hot")
    assert listed.left_out[on.NO_WORD] == 2
    assert [one.name for e in listed.entries for one in e.annotations] == ["hot dog"]
    whole = coco.list_instances(coco.find(*place), on.as_one, {"hot_dog", "dog"})
    assert whole.words == ("dog", "hot_dog")
    assert whole.unknown == ("cat",)


def test_panoptic_segments_of_things_are_instances(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "images" / "1.png")
    number = 7 + 256 * 5 + 65536 * 2
    pixels = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    pixels[4:10, 12:30] = (7, 5, 2)
    (tmp_path / "segments").mkdir()
    Image.fromarray(pixels).save(tmp_path / "segments" / "1.png")
    segment = {"bbox": [12, 4, 18, 6], "area": 108, "iscrowd": 0}
    whole = {
        "images": [{"id": 1, "file_name": "1.png", "width": WIDTH, "height": HEIGHT}],
        "categories": [
            {"id": 18, "name": "dog", "isthing": 1},
            {"id": 193, "name": "grass-merged", "isthing": 0},
        ],
        "annotations": [
            {
                "image_id": 1,
                "file_name": "1.png",
                "segments_info": [
                    {"id": number, "category_id": 18, **segment},
                    {"id": 3, "category_id": 193, **segment},
                ],
            }
        ],
    }
    file = tmp_path / "panoptic.json"
    file.write_text(json.dumps(whole))
    found = coco.find_panoptic(tmp_path / "images", file, tmp_path / "segments")
    listed = coco.list_instances(found, on.by_token)
    assert listed.words == ("dog",)
    (mask,) = reference.read(listed, 30, 30).masks
    assert torch.equal(mask, torch.tensor(pixels[:, 5:35, 2] == 2))
    with pytest.raises(Refused, match="are not there: name their folder"):
        coco.find_panoptic(tmp_path / "images", file, tmp_path / "images" / "none")


def broken(place: tuple[Path, Path], **change: Any) -> str:
    """Change the first annotation, or a part of the file, and read it."""
    folder, file = place
    whole = json.loads(file.read_text())
    for key, value in change.items():
        if key in whole:
            whole[key] = value
        else:
            whole["annotations"][0][key] = value
    file.write_text(json.dumps(whole))
    with pytest.raises(Refused) as caught:
        coco.find(folder, file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"category_id": 99}, "instance 1 is of category 99, which has no name"),
        ({"bbox": [50, 3, 5, 5]}, "misses the picture of 40 x 30"),
        ({"bbox": [1, 2]}, "no box"),
        ({"segmentation": []}, "has no mask"),
        ({"segmentation": [[100, 1, 120, 1, 110, 9]]}, "its mask misses"),
        ({"segmentation": {"size": [40, 30], "counts": [0]}}, "run lengths must be"),
        ({"image_id": 77}, "no COCO instances (KeyError: 77"),
        ({"images": "none"}, "no COCO instances (TypeError"),
    ],
)
def test_faults_are_named_in_one_line(
    place: tuple[Path, Path], change: dict[str, Any], said: str
) -> None:
    assert said in broken(place, **change)


def test_files_and_folders_that_are_not_there(place: tuple[Path, Path]) -> None:
    folder, file = place
    with pytest.raises(Refused, match="are not there: give a folder"):
        coco.find(folder / "none", file)
    with pytest.raises(Refused, match=r"No such file .*: give a JSON file"):
        coco.find(folder, folder / "none.json")
    with pytest.raises(Refused, match="no picture of"):
        coco.find(file.parent, file)
    file.write_text("{")
    with pytest.raises(Refused, match=r"cannot be read \(JSONDecodeError"):
        coco.find(folder, file)
