"""Pictures with a COCO file of instances: the largest mapped class of each is judged.

One row a picture: of the classes that are mapped to the network's, the one whose
objects cover most of what is shown after the cut. Its instances are the mask and the
boxes; a crowd of it is ignored, since nobody drew its members apart.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from helpers.data import coco as data_coco
from helpers.data import pictures
from helpers.data.coco import Instance, Instances
from helpers.data.squares import Picture
from helpers.judge.labels import Groups
from helpers.judge.material import Material, stacked
from helpers.judge.sources import Cut, fingerprint, shuffled
from helpers.settings import Refused

Group = tuple[int, ...]  # class indices of the network that mean the same


def find(folder: Path, file: Path) -> Instances:
    """Read COCO's instances, or its panoptic segments, and match the pictures.

    A file `panoptic_*.json` has its PNGs in the folder of the same name beside it.

    Raises `Refused` as `helpers.data.coco`.
    """
    if file.name.startswith("panoptic"):
        return data_coco.find_panoptic(folder, file, file.with_suffix(""))
    return data_coco.find(folder, file)


def read(found: Instances, groups: Groups, cut: Cut, limit: int | None) -> Material:
    """Read the pictures that show an object of a mapped class, up to `limit`.

    Raises `Refused` naming the first picture that cannot be read or whose size is not
    that of the annotations.
    """
    left_out = Counter(found.left_out)
    taken: list[_Taken] = []
    for path in shuffled(found.files):
        by_group = _by_group(found, path, groups)
        if not found.objects[int(found.files[path]["id"])]:
            left_out["without any object"] += 1
        elif not by_group:
            left_out["without object of a mapped class"] += 1
        elif all(one.get("iscrowd") for many in by_group.values() for one in many):
            left_out["with a crowd alone of mapped classes"] += 1
        elif limit is not None and len(taken) >= limit:
            left_out["over the limit"] += 1
        elif one := _largest(found, path, by_group, cut):
            taken.append(one)
        else:
            left_out["with all objects outside the cut"] += 1
    images, masks, ignored, boxes = stacked([one.picture for one in taken], cut.crop)
    note = (
        f"{sum(one.several for one in taken)} of {len(taken)} pictures show several "
        "mapped classes: the one that covers most of what is shown is explained"
    )
    return Material(
        images,
        tuple(one.group for one in taken),
        tuple(one.path.relative_to(found.folder).as_posix() for one in taken),
        tuple(one.name for one in taken),
        masks,
        ignored,
        boxes,
        dict(left_out),
        (note,),
        fingerprint(one.path for one in taken),
    )


@dataclass(frozen=True, eq=False)
class _Taken:
    """A picture with the class that is judged, and whether it shows others too."""

    path: Path
    picture: Picture
    group: Group
    name: str
    several: bool


def _by_group(
    found: Instances, path: Path, groups: Groups
) -> dict[Group, list[Instance]]:
    """Return the objects of mapped classes; those that mean the same are together."""
    together: dict[Group, list[Instance]] = {}
    for one in found.objects[int(found.files[path]["id"])]:
        name = found.classes[int(one["category_id"])]
        if name in groups:
            together.setdefault(groups[name], []).append(one)
    return together


def _largest(
    found: Instances, path: Path, by_group: dict[Group, list[Instance]], cut: Cut
) -> _Taken | None:
    """Return the class that covers most of what is shown; None if none is shown."""
    image, about = pictures.read(path), found.files[path]
    height, width = image.shape[1:]
    if (width, height) != (int(about["width"]), int(about["height"])):
        raise Refused(
            f"picture '{path}' is {width} x {height}, its annotations are for "
            f"{about['width']} x {about['height']}: take the original picture"
        )
    areas: dict[Group, int] = {}
    squares: dict[Group, Picture] = {}
    for group, objects in by_group.items():
        square, mask = _shown(image, objects, cut)
        squares[group], areas[group] = square, int(mask.sum())
    group = max(areas, key=lambda one: areas[one])
    if not areas[group]:
        return None
    biggest = max(by_group[group], key=lambda one: float(one.get("area", 0)))
    name = found.classes[int(biggest["category_id"])]
    several = sum(area > 0 for area in areas.values()) > 1
    return _Taken(path, squares[group], group, name, several)


def _shown(
    image: Tensor, objects: Sequence[Instance], cut: Cut
) -> tuple[Picture, Tensor]:
    """Return the square of a picture with the objects of one class, and their mask."""
    size = (image.shape[1], image.shape[2])
    mask = torch.zeros(size, dtype=torch.bool)
    crowd = torch.zeros_like(mask)
    boxes = []
    for one in objects:
        draw = one.get("mask") or partial(data_coco.decoded, one["segmentation"])
        pixels = draw(size)
        if one.get("iscrowd"):
            crowd |= pixels
        else:
            mask |= pixels
            left, top, width, height = (float(value) for value in one["bbox"])
            boxes.append([left, top, left + width, top + height])
    corners = torch.tensor(boxes or [[-1.0] * 4])
    square = cut.of(Picture(image, mask, crowd & ~mask, corners))
    assert square.mask is not None  # it was given
    return square, square.mask
