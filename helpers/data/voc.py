"""PASCAL VOC 2007 as pictures with several labels, from torchvision's folder.

`VOCdevkit/VOC2007` with `JPEGImages/*.jpg`, `Annotations/*.xml` and
`ImageSets/Main/{train,val,trainval,test}.txt`. Objects marked `difficult` do not count,
neither as label nor as box: as in its own evaluation.
"""

import hashlib
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from helpers.data import pictures
from helpers.data.catalog import IMAGENET
from helpers.data.json_text import fault
from helpers.data.multi_label import Labelled, MultiLabel, gathered
from helpers.data.places import expanded, inside, is_there
from helpers.settings import Refused, nearest

CLASS_NAMES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair"),
    *("cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)
SPLITS = ("train", "val", "trainval", "test")
BELOW = Path("VOCdevkit") / "VOC2007"


@dataclass(frozen=True)
class Voc:
    """A folder of PASCAL VOC 2007 with one of its splits, listed but not decoded.

    Attributes:
        folder: that of `JPEGImages` and `Annotations`.
        names: of the pictures, in the order of the split's file.
        fingerprint: hash of the names and of the sizes of pictures and annotations.
    """

    folder: Path
    names: tuple[str, ...]
    fingerprint: str


def find(path: str, split: str) -> Voc:
    """List a split of PASCAL VOC 2007 under `path`, without reading a picture.

    `path` is the folder that holds `VOCdevkit`, or `VOC2007` itself.

    Raises:
        Refused: a folder, split, picture or annotation that is not there.
    """
    if split not in SPLITS:
        raise Refused(f"unknown split '{split}' of VOC{nearest(split, [*SPLITS])}")
    top = expanded(path)
    folder = top / BELOW if (top / BELOW).is_dir() else top
    listed = folder / "ImageSets" / "Main" / f"{split}.txt"
    if not listed.is_file():
        raise Refused(
            f"'{listed}' is not there: give the folder that holds VOCdevkit/VOC2007, "
            "as torchvision.datasets.VOCDetection unpacks it"
        )
    try:
        lines = listed.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise Refused(
            f"'{listed}' cannot be read ({fault(error)}): copy the file again"
        ) from None
    names = tuple(line.split()[0] for line in lines if line.strip())
    if not names:
        raise Refused(f"'{listed}' names no picture: copy the file again")
    total = hashlib.sha256()
    for name in names:
        inside(folder, name, listed)
        for file in (_picture(folder, name), _annotation(folder, name)):
            if not is_there(file):
                raise Refused(f"'{file}' of split '{split}' is not there: unpack again")
            total.update(f"{file.name} {file.stat().st_size}\n".encode())
    return Voc(folder, names, total.hexdigest()[:12])


def read(found: Voc, count: int, size: int) -> MultiLabel:
    """Return the first `count` pictures of a split, squashed to `size` x `size`.

    Raises:
        Refused: a count under 1 or over the split's pictures; a picture or annotation
            that cannot be read, by its file.
    """
    if not 1 <= count <= len(found.names):
        raise Refused(
            f"VOC has {len(found.names)} pictures in this split, got count {count}"
        )
    return gathered(_read(found, count), CLASS_NAMES, size, IMAGENET)


def _read(found: Voc, count: int) -> Iterator[Labelled]:
    for name in found.names[:count]:
        image = pictures.read(_picture(found.folder, name))
        yield _labelled(image, _annotation(found.folder, name))


def _labelled(image: torch.Tensor, file: Path) -> Labelled:
    """Return a picture with its objects, boxes from VOC's pixels that start at 1."""
    boxes, labels = [], []
    try:
        root = ET.fromstring(file.read_text("utf-8"))
        shown = root.find("size")
        width, height = (
            int(_text(shown, side)) if shown is not None else 0
            for side in ("width", "height")
        )
        for one in root.iter("object"):
            if one.findtext("difficult", "0").strip() == "1":
                continue
            box = one.find("bndbox")
            left, top, right, bottom = (
                float(_text(box, side)) for side in ("xmin", "ymin", "xmax", "ymax")
            )
            if not all(map(math.isfinite, (left, top, right, bottom))):
                raise ValueError("a box is not finite")
            # Both ends are counted, from 1: pixels left - 1 to right - 1.
            boxes.append([left - 1, top - 1, right, bottom])
            name = _text(one, "name")
            if name not in CLASS_NAMES:
                raise ValueError(f"'{name}' is no class of VOC")
            labels.append(CLASS_NAMES.index(name))
    except (ET.ParseError, OSError, ValueError) as error:
        raise Refused(
            f"annotation '{file}' cannot be read ({fault(error)}): copy the file again"
        ) from None
    if (height, width) != tuple(image.shape[1:]):
        raise Refused(
            f"annotation '{file}' is for {width} x {height} pixels, its picture has "
            f"{image.shape[2]} x {image.shape[1]}: take the original picture"
        )
    return Labelled(
        image,
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(labels, dtype=torch.long),
    )


def _text(element: ET.Element | None, name: str) -> str:
    """Return the text of an element's child; raises ValueError where it is missing."""
    found = None if element is None else element.findtext(name)
    if found is None:
        raise ValueError(f"no <{name}>")
    return found.strip()


def _picture(folder: Path, name: str) -> Path:
    return folder / "JPEGImages" / f"{name}.jpg"


def _annotation(folder: Path, name: str) -> Path:
    return folder / "Annotations" / f"{name}.xml"
