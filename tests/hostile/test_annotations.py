"""COCO, VOC, Visual Genome and captions: values lost, wrong, endless, elsewhere."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as tools

from helpers.data import captions, coco, coco_boxes, reference, visual_genome, voc
from helpers.data.listing import by_token
from helpers.judge import coco as judged
from helpers.judge.sources import Cut
from tests.hostile.broken import (
    MARKUP,
    NAMES,
    answer,
    assert_answered,
    bytes_of,
    fuzzed,
    json_of,
)

SIDE = 12
RUNS = {"size": [SIDE, SIDE], "counts": [10, 20, SIDE * SIDE - 30]}


def instance(number: int, image: int, kind: int, **more: Any) -> dict[str, Any]:
    corners = [1.5, 1, 9, 1, 9, 9]
    one = {"id": number, "image_id": image, "category_id": kind, "iscrowd": 0}
    box = {"bbox": [1, 1, 8, 8], "area": 32.5, "segmentation": [corners]}
    return {**one, **box, **more}


WHOLE: dict[str, Any] = {
    "images": [
        {"id": n, "file_name": f"{n}.png", "width": SIDE, "height": SIDE}
        for n in (1, 2, 3)
    ],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "hot dog"}],
    "annotations": [
        instance(1, 1, 1),
        instance(2, 1, 2, iscrowd=1, segmentation=RUNS),
        instance(3, 2, 2),
        instance(4, 3, 1, segmentation=RUNS),
    ],
}
SEGMENTS = {
    "images": WHOLE["images"],
    "categories": [{**one, "isthing": 1} for one in WHOLE["categories"]],
    "annotations": [
        {
            "image_id": n,
            "file_name": f"{n}.png",
            "segments_info": [
                {"id": 5, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 9}
            ],
        }
        for n in (1, 2, 3)
    ],
}


@pytest.fixture
def shown(fence: Path) -> Path:
    """Three pictures, and one up the tree that no file may name."""
    folder = fence / "shown"
    for number in (1, 2, 3):
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (SIDE, SIDE), (5, 0, 0)).save(folder / f"{number}.png")
    Image.new("RGB", (SIDE, SIDE)).save(fence / "up", "PNG")
    return folder


def drawn(folder: Path, file: Path) -> None:
    """Read as the judge does, as LaViSE does, and as the probing study does."""
    found = judged.find(folder, file)
    judged.read(found, {"cat": (0,), "hot dog": (1,)}, Cut(8, 8), None)
    reference.read(coco.list_instances(found, by_token), 8, 8)
    coco_boxes.read(found, 1, 8)


@fuzzed()
def test_instances_changed(shown: Path, case: int) -> None:
    file = shown.parent / "instances.json"
    file.write_text(json_of(case, WHOLE))
    assert_answered(
        shown.parent, lambda: coco.find(shown, file), "instances.json", "shown"
    )


@fuzzed(0.2)  # 6 pictures are decoded
def test_instances_changed_and_drawn(shown: Path, case: int) -> None:
    file = shown.parent / "instances.json"
    file.write_text(json_of(case, WHOLE))
    assert_answered(shown.parent, lambda: drawn(shown, file))


@fuzzed(0.2)  # 6 pictures are decoded
def test_segments_changed_and_drawn(shown: Path, case: int) -> None:
    file = shown.parent / "panoptic.json"
    (shown.parent / "panoptic").mkdir(exist_ok=True)
    for number in (1, 2, 3):
        png = Image.new("RGB", (SIDE, SIDE), (number + 3, 0, 0))
        png.save(shown.parent / "panoptic" / f"{number}.png")
    file.write_text(json_of(case, SEGMENTS))
    assert_answered(shown.parent, lambda: drawn(shown, file))


@pytest.mark.parametrize("number", [-1, -(10**30), 2**24, 10**30])
def test_segments_have_numbers_that_a_pixel_can_say(shown: Path, number: int) -> None:
    whole = json.loads(json.dumps(SEGMENTS))
    whole["annotations"][0]["segments_info"][0]["id"] = number
    (shown.parent / "panoptic").mkdir()
    for n in (1, 2, 3):
        png = Image.new("RGB", (SIDE, SIDE))
        png.save(shown.parent / "panoptic" / f"{n}.png")
    file = shown.parent / "panoptic.json"
    file.write_text(json.dumps(whole))
    line = answer(shown.parent, lambda: drawn(shown, file), "panoptic.json")
    assert "segments are 0 to 16777215" in (line or "")


def with_instance(**change: Any) -> dict[str, Any]:
    return {**WHOLE, "annotations": [instance(9, 1, 1, **change)]}


def with_image(**change: Any) -> dict[str, Any]:
    return {**WHOLE, "images": [*WHOLE["images"], {**WHOLE["images"][0], **change}]}


@pytest.mark.parametrize(
    ("whole", "said"),
    [
        ({"images": []}, "no COCO instances (KeyError: 'categories')"),
        ({"images": [{}], "categories": [], "annotations": []}, "KeyError: 'id'"),
        (with_instance(image_id=99), "KeyError: 99"),
        (with_instance(category_id=[1]), "no COCO instances"),
        (with_instance(bbox=[50, 1, 2, 2]), "misses the picture of 12 x 12"),
        (with_instance(bbox=[1, 1, float("inf"), 2]), "Infinity is no number"),
        (with_instance(bbox=None), "has no box"),
        (with_instance(segmentation=[[1, 1, 5, 5]]), "polygons of 3 points or more"),
        (with_instance(segmentation=[[1, 1, 5, 5, 3]]), "polygons of 3 points"),
        (with_instance(segmentation=[[1, 1, 5, 5, 1e7, 3]]), "far out of the picture"),
        (with_instance(segmentation=[[1, 1, 5, 5, None, 3]]), "no COCO instances"),
        (with_instance(segmentation="abcdef"), "has no mask"),
        (with_instance(segmentation={**RUNS, "counts": [5, 2]}), "sum to 7"),
        (with_instance(segmentation={**RUNS, "counts": [5, -2]}), "are no counts"),
        (with_instance(segmentation={**RUNS, "counts": None}), "has no counts"),
        (with_instance(iscrowd="0"), "iscrowd is '0', 0 or 1 is needed"),
        (with_instance(area=None), "no COCO instances"),
        (with_image(), "picture 1 is there 2 times"),
        (with_image(id=7), "file_name 1.png is there 2 times"),
        (with_image(id=7, file_name="../up"), "leads out of"),
        (with_image(id=7, file_name="/etc/passwd"), "leads out of"),
        (with_image(id=7, file_name="C:\\x.png"), "leads out of"),
        (with_image(id=10**400, file_name="b"), None),
        (with_image(id=7, file_name="x" * 300), None),
        (with_image(id=7, file_name="b", width=1e308), None),
    ],
)
def test_each_fault_has_its_line(shown: Path, whole: Any, said: str | None) -> None:
    file = shown.parent / "instances.json"
    file.write_text(json.dumps(whole))
    line = answer(shown.parent, lambda: coco.find(shown, file), "instances.json")
    assert line is None if said is None else said in (line or ""), line


@pytest.mark.parametrize(
    "counts", ["", "P", "zzzzzz", "\u00e9", "0" * 9, "o" * 40], ids=range(6)
)
def test_run_lengths_in_letters_must_fill_the_picture(shown: Path, counts: str) -> None:
    """The library would leave the rest of the mask as the memory was."""
    file = shown.parent / "instances.json"
    mask = {"size": [SIDE, SIDE], "counts": counts}
    file.write_text(json.dumps(with_instance(segmentation=mask)))
    line = answer(shown.parent, lambda: drawn(shown, file))
    assert "run lengths" in (line or "")


def test_run_lengths_are_those_of_the_library(shown: Path) -> None:
    rng = np.random.default_rng(0)
    for share in (0, 0.01, 0.5, 0.99, 1):
        pixels = np.asfortranarray(rng.random((37, 300)) < share, dtype=np.uint8)
        packed = tools.encode(pixels)
        found = coco.decoded({**packed, "counts": packed["counts"].decode()}, (37, 300))
        assert np.array_equal(found.numpy(), pixels.astype(bool))


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_of_a_class_works(shown: Path, name: str) -> None:
    whole = {**WHOLE, "categories": [{"id": 1, "name": name}, {"id": 2, "name": "b"}]}
    file = shown.parent / "instances.json"
    file.write_text(json.dumps(whole))
    found = judged.find(shown, file)
    assert found.classes[1] == name
    material = judged.read(found, {name: (0,)}, Cut(8, 8), None)
    assert set(material.classes) == {name}


# -- captions ----------------------------------------------------------------------

TOLD = {
    "images": WHOLE["images"],
    "annotations": [
        {"id": n, "image_id": n, "caption": f"a cat, {MARKUP}"} for n in (1, 2, 3)
    ],
}


@fuzzed()
def test_captions_changed(shown: Path, case: int) -> None:
    file = shown.parent / "captions.json"
    file.write_text(json_of(case, TOLD))

    def read() -> None:
        found = captions.find_captions(shown, file)
        captions.listed(found, found.names)

    assert_answered(shown.parent, read, "captions.json", "shown")


# -- Visual Genome -----------------------------------------------------------------

ABOUT = [{"image_id": n, "width": SIDE, "height": SIDE} for n in (1, 2)]
THINGS = [
    {
        "image_id": n,
        "objects": [{"synsets": ["cat.n.01"], "x": 1, "y": 2, "w": 5, "h": 5}],
    }
    for n in (1, 2)
]


@pytest.mark.parametrize("which", ["image_data", "objects"])
@fuzzed(0.5)  # of each of two files
def test_visual_genome_changed(fence: Path, which: str, case: int) -> None:
    top = fence / "genome"
    (top / "VG_100K").mkdir(parents=True, exist_ok=True)
    if not (top / "VG_100K" / "2.jpg").is_file():
        for number in (1, 2):
            picture = Image.new("RGB", (SIDE, SIDE))
            picture.save(top / "VG_100K" / f"{number}.jpg")
    for name, whole in (("image_data", ABOUT), ("objects", THINGS)):
        text = json_of(case, whole) if name == which else json.dumps(whole)
        (top / f"{name}.json").write_text(text)

    def read() -> None:
        listed = visual_genome.list_objects(visual_genome.find(top))
        for entry in listed.entries:
            for one in entry.annotations:
                one.mask((SIDE, SIDE))

    assert_answered(fence, read, "genome")


# -- PASCAL VOC --------------------------------------------------------------------

XML = """<annotation><size><width>12</width><height>12</height></size>
<object><name>cat</name><difficult>0</difficult><bndbox><xmin>2</xmin><ymin>2</ymin>
<xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"""


@pytest.fixture
def devkit(fence: Path) -> Path:
    top = fence / "VOCdevkit" / "VOC2007"
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (top / name).mkdir(parents=True)
    Image.new("RGB", (12, 12)).save(top / "JPEGImages" / "1.jpg")
    (top / "Annotations" / "1.xml").write_text(XML)
    (top / "ImageSets" / "Main" / "test.txt").write_text("1\n")
    return top


def voc_of(top: Path) -> Callable[[], Any]:
    return lambda: voc.read(voc.find(str(top), "test"), 1, 8)


@fuzzed()
def test_voc_changed(devkit: Path, case: int) -> None:
    if case % 4:
        file = devkit / "Annotations" / "1.xml"
        (devkit / "ImageSets" / "Main" / "test.txt").write_text("1\n")
        file.write_bytes(bytes_of(case, XML.encode()))
    else:
        file = devkit / "ImageSets" / "Main" / "test.txt"
        file.write_bytes(bytes_of(case, b"1\n1 1\n"))
    assert_answered(devkit, voc_of(devkit), "1.xml", "test.txt", "picture", "VOC")


LAUGHS = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(12))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'<!DOCTYPE a [<!ENTITY a0 "ha">{LAUGHS}]><a>&a12;</a>', "cannot be read"),
        ('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>', "read"),
        ("<a>" * 200_000, "cannot be read"),
        ("", "cannot be read"),
        (XML.replace(">9<", ">nan<"), "not finite"),
        (XML.replace(">9<", ">1e999<"), "not finite"),
        (XML.replace(">9<", "><"), "cannot be read"),
        (XML.replace("cat", MARKUP), "cannot be read"),
        (XML.replace("cat", "unicorn"), "'unicorn' is no class of VOC"),
        (XML.replace(">9<", ">1<"), "has no area"),
        (XML.replace(">12<", ">" + "9" * 5000 + "<"), "cannot be read"),
    ],
)
def test_an_annotation_of_voc(devkit: Path, text: str, said: str) -> None:
    (devkit / "Annotations" / "1.xml").write_text(text)
    assert said in (answer(devkit, voc_of(devkit)) or "")


@pytest.mark.parametrize("line", ["../../../up", "/etc/passwd", "x" * 300, "  \n", "2"])
def test_a_list_of_voc(devkit: Path, line: str) -> None:
    (devkit / "ImageSets" / "Main" / "test.txt").write_text(f"{line}\n")
    assert answer(devkit, voc_of(devkit), "test.txt", "is not there") is not None
