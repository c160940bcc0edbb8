"""PASCAL VOC 2007 in its own layout, made here, against torchvision's reader."""

import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.datasets import VOCDetection

from helpers.data import voc
from helpers.settings import Refused

OBJECT = """<object><name>{}</name><pose>Left</pose><truncated>0</truncated>
<difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>
<ymax>{}</ymax></bndbox></object>"""
PICTURES = {
    "000005": (40, 20, [("dog", 0, 1, 1, 20, 20), ("person", 1, 5, 5, 9, 9)]),
    "000007": (20, 30, [("person", 1, 1, 1, 20, 30)]),
    "000009": (
        50,
        50,
        [
            ("tvmonitor", 0, 11, 21, 50, 50),
            ("dog", 0, 1, 1, 10, 10),
            ("dog", 0, 41, 1, 50, 10),
        ],
    ),
}


@pytest.fixture
def top(tmp_path: Path) -> Path:
    base = tmp_path / "VOCdevkit" / "VOC2007"
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (base / name).mkdir(parents=True)
    for name, (width, height, objects) in PICTURES.items():
        picture = Image.new("RGB", (width, height), (200, 30, 30))
        picture.save(base / "JPEGImages" / f"{name}.jpg")
        text = "".join(OBJECT.format(*one) for one in objects)
        (base / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><size><width>{width}</width><height>{height}</height>"
            f"<depth>3</depth></size><segmented>0</segmented>{text}</annotation>"
        )
    (base / "ImageSets/Main/test.txt").write_text("\n".join(PICTURES) + "\n")
    return tmp_path


def test_labels_and_boxes_are_those_of_the_annotations(top: Path) -> None:
    found = voc.find(str(top), "test")
    assert found.names == tuple(PICTURES)
    read = voc.read(found, 3, 20)
    dog, tv = (voc.CLASS_NAMES.index(name) for name in ("dog", "tvmonitor"))
    assert read.present.sum(1).tolist() == [1, 0, 2]  # difficult ones dropped
    assert read.present[0, dog]
    assert read.present[2, [dog, tv]].all()
    assert read.box_labels.tolist() == [[dog, -1, -1], [-1] * 3, [tv, dog, dog]]
    # VOC's pixels 1 to 20 of 40 are the left half.
    assert read.boxes[0, 0].tolist() == [0, 0, 10, 20]
    assert read.boxes[2, 0].tolist() == [4, 8, 20, 20]
    assert read.class_names == voc.CLASS_NAMES
    assert len(voc.CLASS_NAMES) == 20 == len(set(voc.CLASS_NAMES))
    assert list(voc.CLASS_NAMES) == sorted(voc.CLASS_NAMES)


def test_torchvision_reads_the_same_objects(top: Path) -> None:
    theirs = VOCDetection(top, "2007", "test")
    found = voc.read(voc.find(str(top), "test"), 3, 100)
    for number, (image, about) in enumerate(theirs):
        kept = [
            one["name"]
            for one in about["annotation"]["object"]
            if one["difficult"] == "0"
        ]
        labels = found.box_labels[number]
        ours = [voc.CLASS_NAMES[k] for k in labels[labels >= 0].tolist()]
        assert ours == kept
        resized = torch.tensor(list(image.resize((1, 1)).getpixel((0, 0))))
        middle = found.images[number].float().mean((1, 2))
        assert (resized - middle).abs().max() < 3


def test_the_folder_itself_will_do_and_its_hash_follows_its_files(top: Path) -> None:
    below = top / "VOCdevkit" / "VOC2007"
    first = voc.find(str(top), "test")
    assert voc.find(str(below), "test") == first
    file = below / "Annotations" / "000005.xml"
    file.write_text(file.read_text() + "\n")
    assert voc.find(str(top), "test").fingerprint != first.fingerprint


def test_what_is_not_there_or_broken_is_refused_in_one_line(top: Path) -> None:
    below = top / "VOCdevkit" / "VOC2007"
    xml = below / "Annotations" / "000005.xml"
    whole = xml.read_text()

    def refused(call, what: str) -> None:
        with pytest.raises(Refused) as raised:
            call()
        assert re.search(what, str(raised.value))
        assert "\n" not in str(raised.value)

    def read():
        return voc.read(voc.find(str(top), "test"), 3, 20)

    refused(lambda: voc.find(str(top), "tset"), "did you mean 'test'")
    refused(lambda: voc.find(str(top), "train"), "VOCdevkit")
    refused(lambda: voc.find(str(top / "no"), "test"), "VOCdevkit")
    refused(lambda: voc.read(voc.find(str(top), "test"), 4, 20), "3 pictures")
    for broken, what in (
        ("<annotation>", "ParseError"),
        (whole.replace("<name>dog", "<name>wolf"), "wolf"),
        (whole.replace("<xmin>1</xmin>", ""), "xmin"),
        (whole.replace("<width>40", "<width>41"), "41 x 20"),
    ):
        xml.write_text(broken)
        refused(read, what)
    xml.write_text(whole)
    (below / "JPEGImages" / "000007.jpg").write_bytes(b"no picture")
    refused(read, "000007.jpg")
    (below / "JPEGImages" / "000007.jpg").unlink()
    refused(lambda: voc.find(str(top), "test"), "000007.jpg")
