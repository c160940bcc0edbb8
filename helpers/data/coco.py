"""COCO's annotations: instances as polygons or run lengths, and panoptic segments."""

import os
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from helpers.data import pictures
from helpers.data.coco_shapes import check_box, check_mask, check_runs
from helpers.data.folders import SUFFIXES
from helpers.data.json_text import FAULTS, fault, read_json
from helpers.data.listing import (
    Annotation,
    Drawing,
    Entry,
    Listing,
    Naming,
    category_words,
    without_wordless,
)
from helpers.data.places import inside, is_there
from helpers.settings import Refused

Instance = Mapping[str, Any]  # one of COCO's annotations


@dataclass(frozen=True)
class Instances:
    """A COCO file and the folder of its pictures, checked but not decoded.

    Attributes:
        folder: of the pictures.
        classes: names of the categories, by their numbers.
        files: pictures that are in both, with what the file says of each.
        objects: the instances of each picture, by its number.
        left_out: pictures that are in one of the two alone, by cause.
    """

    folder: Path
    classes: Mapping[int, str]
    files: Mapping[Path, Mapping[str, Any]]
    objects: Mapping[int, Sequence[Instance]]
    left_out: Mapping[str, int]


def find(folder: Path, file: Path) -> Instances:
    """Read a file of instances and match it with a folder of pictures.

    Raises:
        Refused: a file of another form, an instance that misses its picture, or no
            picture in common.
    """
    whole = _parsed(folder, file)
    try:
        images, classes = _images(whole), _classes(whole["categories"])
        objects: dict[int, list[Instance]] = {number: [] for number in images}
        for one in whole["annotations"]:
            objects[int(one["image_id"])].append(one)
        for number, found in objects.items():
            for one in found:
                what, size = _said(file, one), _size(images[number])
                _check_class(one, classes, what)
                check_box(one.get("bbox"), size, what)
                check_mask(one.get("segmentation"), size, what)
    except Refused:
        raise
    except FAULTS as error:
        raise _no_coco(file, "instances", error) from None
    return _matched(folder, file, classes, images, objects)


def find_panoptic(folder: Path, file: Path, segments: Path) -> Instances:
    """Read a panoptic file: the segments of things, drawn in a folder of PNGs.

    The number of a segment is R + 256 G + 65536 B of its pixels; stuff is left out.

    Raises:
        Refused: as `find`, or a picture without its PNG.
    """
    whole = _parsed(folder, file)
    try:
        images = _images(whole)
        things = [one for one in whole["categories"] if one["isthing"]]
        classes = _classes(things)
        objects: dict[int, list[Instance]] = {number: [] for number in images}
        for many in whole["annotations"]:
            number = int(many["image_id"])
            png = inside(segments, str(many["file_name"]), file)
            if not is_there(png):
                raise Refused(f"segments '{png}' are not there: name their folder")
            for one in many["segments_info"]:
                if int(one["category_id"]) in classes:
                    what = _said(file, one)
                    _check_class(one, classes, what)
                    check_box(one.get("bbox"), _size(images[number]), what)
                    if not 0 <= int(one["id"]) < 2**24:
                        raise Refused(f"{what}: segments are 0 to {2**24 - 1}")
                    mask = partial(_segment, png, int(one["id"]))
                    objects[number].append({**one, "mask": mask})
    except Refused:
        raise
    except FAULTS as error:
        raise _no_coco(file, "panoptic segments", error) from None
    return _matched(folder, file, classes, images, objects)


def list_instances(
    found: Instances,
    naming: Naming,
    known: Container[str] | None = None,
) -> Listing:
    """List the pictures of a COCO file, an annotation an instance, crowds too.

    The words are those of all categories in the file, in its order: COCO's 80 names
    have 92 by `listing.by_token`, 80 by `as_one`. Without a vocabulary (None) all are
    known.
    """
    names = [found.classes[number] for number in sorted(found.classes)]
    words, missing = category_words(names, naming, known)
    rows = {word: row for row, word in enumerate(words)}
    entries = []
    for path, about in found.files.items():
        objects = []
        for one in found.objects[int(about["id"])]:
            name = found.classes[int(one["category_id"])]
            positives = tuple(rows[word] for word in naming(name) if word in rows)
            crowd = bool(one.get("iscrowd"))
            objects.append(Annotation(name, positives, _mask_of(one), crowd))
        entries.append(
            Entry(
                path.relative_to(found.folder).as_posix(),
                (int(about["height"]), int(about["width"])),
                partial(pictures.read, path),
                tuple(objects),
            )
        )
    listing = Listing(words, tuple(entries), dict(found.left_out), missing)
    return without_wordless(listing)


def decoded(segmentation: Any, size: tuple[int, int]) -> Tensor:
    """Return the pixels of COCO's polygons or run lengths, `[H, W]`, bool.

    Raises:
        Refused: pycocotools is not installed, or run lengths of another number.
    """
    try:
        from pycocotools import mask as coco
    except ImportError:
        raise Refused(
            "COCO masks need pycocotools: pip install 'does-language-explain[judge]'"
        ) from None
    height, width = size
    if isinstance(segmentation, Mapping):
        runs = segmentation
        check_runs(runs["counts"], height * width)
        if isinstance(runs["counts"], list):
            runs = coco.frPyObjects(runs, height, width)
        return torch.tensor(np.asarray(coco.decode(runs), dtype=bool))
    parts = coco.frPyObjects(segmentation, height, width)
    return torch.tensor(np.asarray(coco.decode(coco.merge(parts)), dtype=bool))


def _parsed(folder: Path, file: Path) -> Any:
    if not folder.is_dir():
        raise Refused(f"pictures '{folder}' are not there: give a folder")
    return read_json(file, "annotations", "give a JSON file of COCO")


def _images(whole: Any) -> dict[int, Mapping[str, Any]]:
    """Return what a file says of each picture, whose size and name are needed."""
    images = {int(one["id"]): one for one in whole["images"]}
    _once("picture", (one["id"] for one in whole["images"]))
    _once("file_name", (one["file_name"] for one in whole["images"]))
    for one in images.values():
        _size(one)
    return images


def _size(about: Mapping[str, Any]) -> tuple[int, int]:
    return int(about["width"]), int(about["height"])


def _classes(categories: Any) -> dict[int, str]:
    categories = list(categories)
    _once("category", (one["id"] for one in categories))
    return {int(one["id"]): str(one["name"]) for one in categories}


def _once(what: str, values: Iterable[Any]) -> None:
    for value, times in Counter(values).items():
        if times > 1:
            raise ValueError(f"{what} {value} is there {times} times")


def _said(file: Path, one: Instance) -> str:
    return f"annotations '{file}': instance {str(one.get('id', '?'))[:20]}"


def _no_coco(file: Path, what: str, error: Exception) -> Refused:
    return Refused(
        f"annotations '{file}' are no COCO {what} ({fault(error)}): images, "
        "categories and annotations are needed"
    )


def _matched(
    folder: Path,
    file: Path,
    classes: Mapping[int, str],
    images: Mapping[int, Mapping[str, Any]],
    objects: Mapping[int, Sequence[Instance]],
) -> Instances:
    """Return the pictures that the file and the folder have in common."""
    listed = {
        inside(folder, str(one["file_name"]), file): one for one in images.values()
    }
    present = {path: one for path, one in listed.items() if is_there(path)}
    if not present:
        raise Refused(
            f"no picture of '{file}' lies in '{folder}', as "
            f"'{next(iter(listed), '')}': name the folder of the pictures themselves"
        )
    there = {
        Path(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if Path(name).suffix.lower() in SUFFIXES
    }
    left_out = {
        "not in the folder": len(listed) - len(present),
        "not in the annotations": len(there - set(present)),
    }
    told = {cause: n for cause, n in left_out.items() if n}
    return Instances(folder, classes, present, objects, told)


def _mask_of(one: Instance) -> Drawing:
    """Return what draws an instance, or a segment of a panoptic file."""
    if "mask" in one:
        return cast(Drawing, one["mask"])
    return partial(decoded, one["segmentation"])


def _segment(png: Path, number: int, size: tuple[int, int]) -> Tensor:
    """Return the pixels of a segment, `[H, W]` bool."""
    found = _segments(png) == number
    if found.shape != size:
        raise Refused(f"segments '{png}' are not of the size of their picture")
    return found


@lru_cache(maxsize=1)  # the segments of one picture are drawn one after another
def _segments(png: Path) -> Tensor:
    red, green, blue = pictures.read(png).long()
    return red + 256 * green + 65536 * blue


def _check_class(one: Instance, classes: Mapping[int, str], what: str) -> None:
    """Raise `Refused` for an instance of no class, or one that may be a crowd."""
    if one["category_id"] not in classes:
        raise Refused(f"{what} is of category {one['category_id']}, which has no name")
    if one.get("iscrowd", 0) not in (0, 1, None):
        raise Refused(f"{what}: iscrowd is {one['iscrowd']!r}, 0 or 1 is needed")
    if not float(one.get("area", 0)) >= 0:
        raise Refused(f"{what}: its area is {one['area']!r}")
