"""COCO's annotations: instances as polygons or run lengths, and panoptic segments."""

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from helpers.data.folders import SUFFIXES
from helpers.data.listing import (
    Annotation,
    Drawing,
    Entry,
    Listing,
    Naming,
    category_words,
    without_wordless,
)
from helpers.data.squares import opened, rgb
from helpers.settings import Refused

Instance = Mapping[str, Any]  # one of COCO's annotations
FAULTS = (ValueError, KeyError, TypeError)  # of a file of another form


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
        sizes = {
            n: (int(one["width"]), int(one["height"])) for n, one in images.items()
        }
    except FAULTS as error:
        raise _no_coco(file, "instances", error) from None
    for number, found in objects.items():
        for one in found:
            _check(one, classes, sizes[number], file)
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
            png = segments / str(many["file_name"])
            for one in many["segments_info"]:
                if int(one["category_id"]) in classes:
                    mask = partial(_segment, png, int(one["id"]))
                    objects[int(many["image_id"])].append({**one, "mask": mask})
    except FAULTS as error:
        raise _no_coco(file, "panoptic segments", error) from None
    for found in objects.values():
        for one in found:
            png = one["mask"].args[0]
            if not png.is_file():
                raise Refused(f"segments '{png}' are not there: name their folder")
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
                partial(_pixels, path),
                tuple(objects),
            )
        )
    listing = Listing(words, tuple(entries), dict(found.left_out), missing)
    return without_wordless(listing)


def decoded(segmentation: Any, size: tuple[int, int]) -> Tensor:
    """Return the pixels of COCO's polygons or run lengths, `[H, W]`, bool.

    Raises:
        Refused: pycocotools is not installed.
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
        if isinstance(runs["counts"], list):
            runs = coco.frPyObjects(runs, height, width)
        return torch.tensor(np.asarray(coco.decode(runs), dtype=bool))
    parts = coco.frPyObjects(segmentation, height, width)
    return torch.tensor(np.asarray(coco.decode(coco.merge(parts)), dtype=bool))


def _parsed(folder: Path, file: Path) -> Any:
    if not folder.is_dir():
        raise Refused(f"pictures '{folder}' are not there: give a folder")
    try:
        return json.loads(file.read_text("utf-8"))
    except OSError:
        raise Refused(
            f"annotations '{file}' cannot be read: give a JSON file"
        ) from None
    except ValueError as error:
        raise _no_coco(file, "instances", error) from None


def _images(whole: Any) -> dict[int, Mapping[str, Any]]:
    """Return what a file says of each picture, whose size and name are needed."""
    images = {int(one["id"]): one for one in whole["images"]}
    for one in images.values():
        int(one["width"]), int(one["height"]), one["file_name"]
    return images


def _classes(categories: Any) -> dict[int, str]:
    return {int(one["id"]): str(one["name"]) for one in categories}


def _no_coco(file: Path, what: str, error: Exception) -> Refused:
    return Refused(
        f"annotations '{file}' are no COCO {what} ({type(error).__name__}: "
        f"{str(error)[:60]}): images, categories and annotations are needed"
    )


def _matched(
    folder: Path,
    file: Path,
    classes: Mapping[int, str],
    images: Mapping[int, Mapping[str, Any]],
    objects: Mapping[int, Sequence[Instance]],
) -> Instances:
    """Return the pictures that the file and the folder have in common."""
    listed = {folder / str(one["file_name"]): one for one in images.values()}
    present = {path: one for path, one in listed.items() if path.is_file()}
    if not present:
        raise Refused(
            f"no picture of '{file}' lies in '{folder}', as "
            f"'{next(iter(listed), '')}': name the folder of the pictures themselves"
        )
    there = {path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES}
    left_out = {
        "not in the folder": len(listed) - len(present),
        "not in the annotations": len(there - set(present)),
    }
    told = {cause: n for cause, n in left_out.items() if n}
    return Instances(folder, classes, present, objects, told)


def _pixels(path: Path) -> Tensor:
    return rgb(opened(path))


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
    red, green, blue = rgb(opened(png)).long()
    return red + 256 * green + 65536 * blue


def _check(
    one: Instance, classes: Mapping[int, str], size: tuple[int, int], file: Path
) -> None:
    """Raise `Refused` for an instance without class, mask or box, or outside."""
    what = f"annotations '{file}': instance {one.get('id', '?')}"
    width, height = size
    if one.get("category_id") not in classes:
        raise Refused(
            f"{what} is of category {one.get('category_id')}, which has no name"
        )
    box, mask = one.get("bbox"), one.get("segmentation")
    if not isinstance(box, Sequence) or len(box) != 4:
        raise Refused(f"{what} has no box [left, top, width, height]")
    left, top, wide, high = (float(value) for value in box)
    if not (wide >= 0 and high >= 0 and left < width and top < height) or (
        left + wide <= 0 or top + high <= 0
    ):
        raise Refused(
            f"{what}: its box {[left, top, wide, high]} misses the picture of "
            f"{width} x {height}: boxes are [left, top, width, height] in pixels"
        )
    if isinstance(mask, Mapping):
        if list(mask.get("size", [])) != [height, width]:
            raise Refused(
                f"{what}: its mask is of {mask.get('size')}, the picture [{height}, "
                f"{width}]: run lengths must be those of this picture"
            )
    elif not isinstance(mask, Sequence) or not mask or any(len(p) < 6 for p in mask):
        raise Refused(
            f"{what} has no mask: polygons of 3 points or more, or run lengths"
        )
    else:
        across = [float(x) for part in mask for x in part[0::2]]
        down = [float(y) for part in mask for y in part[1::2]]
        if (
            min(across) >= width
            or min(down) >= height
            or max(across) <= 0
            or max(down) <= 0
        ):
            raise Refused(f"{what}: its mask misses the picture of {width} x {height}")
