"""Pictures in class folders, with masks beside them where there are some."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from helpers.data.folder_checks import check_tree
from helpers.data.folders import SPLITS, SUFFIXES, balanced, check_size
from helpers.data.pictures import opened
from helpers.data.pictures import read as read_picture
from helpers.data.places import is_there
from helpers.data.squares import Picture, square
from helpers.judge.labels import Groups
from helpers.judge.material import Material, stacked
from helpers.settings import Refused

SINGLE = ("1", "L", "I", "I;16", "I;16B", "F")  # modes of one number a pixel


@dataclass(frozen=True)
class Cut:
    """How a picture becomes a square: its short side to `size`, then the middle.

    Attributes:
        size: of the short side after resizing, in pixels.
        crop: side of the square that is cut from the middle.

    Raises:
        Refused: a crop over the size, or either under 1.
    """

    size: int
    crop: int

    def __post_init__(self) -> None:
        if not 1 <= self.crop <= self.size:
            raise Refused(
                f"--crop {self.crop} must be from 1 to --size, which is {self.size}"
            )

    def of(self, picture: Picture) -> Picture:
        """Return the square, with what lies on the picture moved alike."""
        whole = square(picture, self.size)
        if self.crop == self.size:
            return whole
        start = round((self.size - self.crop) / 2)
        part = (..., slice(start, start + self.crop), slice(start, start + self.crop))
        boxes = whole.boxes
        if boxes is not None:
            moved = (boxes - start).clamp(0, self.crop)
            empty = (moved[:, 2:] <= moved[:, :2]).any(1) | (boxes < 0).all(1)
            boxes = moved.masked_fill(empty[:, None], -1)
        mask, ignored = whole.mask, whole.ignored
        return replace(
            whole,
            image=whole.image[part],
            mask=None if mask is None else mask[part],
            ignored=None if ignored is None else ignored[part],
            boxes=boxes,
        )


@dataclass(frozen=True)
class ClassFolders:
    """A folder of class folders, listed but not read.

    Attributes:
        path: where it lies.
        classes: names of the class folders, sorted.
        files: the pictures of each, sorted.
        masks: the folder with a PNG of the same path below it a picture; None for none.
    """

    path: Path
    classes: tuple[str, ...]
    files: Mapping[str, tuple[Path, ...]]
    masks: Path | None


def find(path: Path, masks: Path | None = None) -> ClassFolders:
    """List class folders; `masks` may be left out where they lie in `path/masks`.

    Raises `Refused` if there is none, if the folder holds splits, or a mask is missing.
    """
    if not path.is_dir():
        raise Refused(f"pictures '{path}' are not there: give a folder")
    check_tree(path)
    inside = sorted(
        entry.name
        for entry in path.iterdir()
        if entry.is_dir() and entry.name != "masks"
    )
    if splits := [name for name in inside if name in (*SPLITS, "val")]:
        raise Refused(
            f"'{path}' holds {', '.join(splits)}: name the one to judge on, as "
            f"'{path / splits[0]}'"
        )
    files = {name: tuple(pictures(path / name)) for name in inside}
    files = {name: found for name, found in files.items() if found}
    if not files:
        raise Refused(
            f"'{path}' has no class folders with pictures: make <class>/ folders, or "
            "give the pictures' annotations by --masks coco.json"
        )
    if masks is None and (path / "masks").is_dir():
        masks = path / "masks"
    if masks is not None:
        for name, found in files.items():
            for file in found:
                at = mask_of(file, path, masks)
                if not is_there(at):
                    raise Refused(
                        f"no mask '{at}' for a picture of class '{name}': give one for "
                        "each, or none"
                    )
    return ClassFolders(path, tuple(files), files, masks)


def read(folder: ClassFolders, groups: Groups, cut: Cut, limit: int | None) -> Material:
    """Read pictures of the mapped classes, which take turns where `limit` ends them.

    Raises `Refused` naming the first file that cannot be read, or whose mask has
    another size.
    """
    left_out: Counter[str] = Counter()
    items = []
    for number, name in enumerate(folder.classes):
        if name in groups:
            items += [(file, number) for file in shuffled(folder.files[name])]
        else:
            left_out["outside the label map"] += len(folder.files[name])
    chosen = balanced(items, len(folder.classes), len(items), 0)
    if limit is not None and limit < len(chosen):
        left_out["over the limit"] += len(chosen) - limit
        chosen = chosen[:limit]
    squares = _squares(folder, [file for file, _ in chosen], cut)
    images, masks, _, _ = stacked(squares, cut.crop)
    names = [folder.classes[number] for _, number in chosen]
    return Material(
        images,
        tuple(groups[name] for name in names),
        tuple(file.relative_to(folder.path).as_posix() for file, _ in chosen),
        tuple(names),
        masks if len(masks) else None,
        left_out=dict(left_out),
        fingerprint=fingerprint(file for file, _ in chosen),
    )


def _squares(
    folder: ClassFolders, files: Iterable[Path], cut: Cut
) -> Iterator[Picture]:
    for file in files:
        image, mask = read_picture(file), None
        if folder.masks is not None:
            at = mask_of(file, folder.path, folder.masks)
            drawn = opened(at, deep=True)
            check_size(at, drawn.size, image)
            mask = marked(drawn)
        yield cut.of(Picture(image, mask))


def marked(drawn: Image.Image) -> torch.Tensor:
    """Return where a mask is not black, `[H, W]`, bool, whatever its mode.

    Grey would lose dark colours of a palette: it rounds (0, 0, 1) to 0.
    """
    if drawn.mode in SINGLE:
        return torch.tensor(np.asarray(drawn) > 0)
    return torch.tensor((np.asarray(drawn.convert("RGB")) > 0).any(-1))


def mask_of(file: Path, top: Path, masks: Path) -> Path:
    """Return where the mask of a picture lies: the same path, a PNG."""
    return masks / file.relative_to(top).with_suffix(".png")


def pictures(folder: Path) -> list[Path]:
    """Return the pictures below a folder, sorted."""
    return sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES)


def shuffled(files: Iterable[Path]) -> list[Path]:
    """Return files in the order of the hashes of their names: no order of a camera."""
    return sorted(files, key=lambda f: hashlib.sha256(os.fsencode(f.name)).digest())


def fingerprint(files: Iterable[Path]) -> str:
    """Return a hash of the names and contents of files, 16 digits."""
    total = hashlib.sha256()
    for file in files:
        total.update(os.fsencode(file.name))
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]
