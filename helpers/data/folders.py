"""Pictures from class folders.

A folder holds `train/<class>/...` and `test/<class>/...`, or `<class>/...` alone, and
may hold `validation/<class>/...`, masks under `masks/` with the same path below it
(PNG, not zero where the object is), and `classes.txt` with a line `folder<TAB>name` for
each class. What has no split of its own is split by the order of the hashes of its
paths.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from helpers.data.squares import Picture, Read, opened, read_squares, rgb
from helpers.settings import Refused

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".tif", ".tiff"}
SPLITS = ("train", "validation", "test")
T = TypeVar("T")


@dataclass(frozen=True)
class Folder:
    """A folder of class folders: its files by split, its names in label order.

    Attributes:
        path: where it lies.
        class_names: names in the order of the sorted class folders.
        files: for each split, (file, label) pairs in the order of the files' hashes.
        fingerprint: hash of the paths and sizes of pictures and masks, and the names.
    """

    path: Path
    class_names: tuple[str, ...]
    files: dict[str, tuple[tuple[Path, int], ...]]
    fingerprint: str


@cache
def find(path: str) -> Folder:
    """List a folder without reading a picture, once a process.

    Raises `Refused` if it is missing, empty, or has fewer than two classes.
    """
    top = Path(path).expanduser()
    if not top.is_dir():
        raise Refused(f"folder '{path}' is not there: give the path of class folders")
    places = _split_folders(top)
    classes = sorted(
        {
            entry.name
            for place in places.values()
            for entry in place.iterdir()
            if entry.is_dir() and not (entry.name == "masks" and place == top)
        }
    )
    if set(places) == {""} and "test" in classes and "train" not in classes:
        raise Refused(
            f"folder '{path}' has test/ but no train/: name the folder of the classes "
            f"itself, folder:{path}/test, or add train/"
        )
    if len(classes) < 2:
        raise Refused(
            f"folder '{path}' has {len(classes)} class folder(s), two or more are "
            "needed: put pictures into <class>/ or train/<class>/ and test/<class>/"
        )
    names = _names(top, classes)
    rest = sorted((top / "masks").rglob("*.png"))
    return listed(top, places, dict(zip(classes, names, strict=True)), rest)


def listed(
    top: Path,
    places: Mapping[str, Path],
    names: Mapping[str, str],
    rest: Iterable[Path],
) -> Folder:
    """Return the folder whose splits lie at `places`, `{"": place}` if in none.

    `names` are the class names by their folders, in label order; `rest` are the files
    beside the pictures that the fingerprint covers too.

    Raises `Refused` where a class has no picture to train or to test on.
    """
    path, classes = str(top), list(names)
    files: dict[str, list[tuple[Path, int]]] = {split: [] for split in SPLITS}
    total = hashlib.sha256()
    for part, place in sorted(places.items()):
        for label, name in enumerate(classes):
            found = sorted(
                _pictures(place / name), key=lambda f: _number(_tail(f, top))
            )
            for rank, file in enumerate(found):
                split = part
                if part == "":
                    split = _share(rank, ("test", "validation"))
                elif part == "train" and "validation" not in places:
                    split = _share(rank, ("validation",))
                files[split].append((file, label))
            for file in sorted(found):
                line = f"{_tail(file, top)}\t{file.stat().st_size}\n"
                total.update(line.encode())
    for split in ("train", "test"):
        missing = [
            name
            for label, name in enumerate(classes)
            if all(label != found for _, found in files[split])
        ]
        if missing:
            raise Refused(
                f"folder '{path}' has no {split} picture of class '{missing[0]}': "
                f"add some ({', '.join(sorted(SUFFIXES))}), or remove the class"
            )
    ordered = {
        split: tuple(sorted(found, key=lambda item: _number(_tail(item[0], top))))
        for split, found in files.items()
    }
    total.update("\n".join(names.values()).encode())
    for file in rest:
        total.update(f"{_tail(file, top)}\t{file.stat().st_size}\n".encode())
    return Folder(top, tuple(names.values()), ordered, total.hexdigest()[:16])


def read(folder: Folder, split: str, count: int, size: int, seed: int = 0) -> Read:
    """Read at most `count` pictures of a split, as many of each class as possible.

    Pictures are converted to RGB, resized so that the short side has `size` pixels
    (bilinear, antialiased) and cropped in the centre; masks likewise, by nearest pixel.

    Raises `Refused` naming the first picture that cannot be read, or the first mask
    whose size is not its picture's.
    """
    chosen = balanced(folder.files[split], len(folder.class_names), count, seed)
    labels = [label for _, label in chosen]
    pictures = _masked(folder, [file for file, _ in chosen])
    found = read_squares(pictures, labels, folder.class_names, size)
    if found.masks is not None and len(found.masks) != len(labels):
        raise Refused(
            f"folder '{folder.path}' has masks for {len(found.masks)} of {len(labels)} "
            f"{split} pictures: add the others, or remove 'masks'"
        )
    return found


def _masked(folder: Folder, files: Iterable[Path]) -> Iterator[Picture]:
    """Yield each picture, with its mask where there is one."""
    for file in files:
        image = rgb(opened(file))
        at = folder.path / "masks" / file.relative_to(folder.path).with_suffix(".png")
        mask = None
        if at.is_file():
            drawn = opened(at).convert("L")
            check_size(at, drawn.size, image)
            mask = torch.tensor(np.asarray(drawn) > 0)
        yield Picture(image, mask)


def check_size(file: Path, size: tuple[int, int], image: Tensor) -> None:
    """Raise `Refused` unless a file's (width, height) is that of its picture."""
    height, width = image.shape[1:]
    if size != (width, height):
        raise Refused(
            f"mask '{file}' is {size[0]} x {size[1]}, its picture {width} x {height}: "
            "draw it at that size"
        )


def balanced(
    items: Iterable[tuple[T, int]], classes: int, count: int, seed: int
) -> list[tuple[T, int]]:
    """Return up to `count` items, the classes taking turns; `seed` turns the order."""
    piles: list[list[tuple[T, int]]] = [[] for _ in range(classes)]
    for item in items:
        piles[item[1]].append(item)
    if seed:
        rng = np.random.default_rng(seed)
        piles = [[pile[i] for i in rng.permutation(len(pile))] for pile in piles]
    deepest = max((len(pile) for pile in piles), default=0)
    turns = [pile[i] for i in range(deepest) for pile in piles if i < len(pile)]
    return turns[:count]


def _split_folders(top: Path) -> dict[str, Path]:
    """Return the folder of each split, or {"": folder} where pictures must be shared.

    Without a test folder the validation folder is the test set, and the pictures to
    validate on come from the training folder: the two stay apart.
    """
    named = {
        split: top / name
        for split, name in (
            ("train", "train"),
            ("validation", "val"),
            ("validation", "validation"),
            ("test", "test"),
        )
        if (top / name).is_dir()
    }
    if "test" not in named and "validation" in named:
        named["test"] = named.pop("validation")
    if "train" in named and "test" in named:
        return named
    return {"": named.get("train", top)}


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _tail(file: Path, top: Path) -> str:
    return file.relative_to(top).as_posix()


def _share(rank: int, held_out: tuple[str, ...]) -> str:
    """Return the split of a class's picture of this rank in the order of hashes.

    Of every ten pictures one validates and, where there is no test folder, two test;
    a class of two pictures or more has one to test and one to train on.
    """
    turn = rank % 10
    if "test" in held_out:
        return {0: "test", 5: "test", 2: "validation"}.get(turn, "train")
    return "validation" if turn == 1 else "train"


def _names(top: Path, classes: list[str]) -> tuple[str, ...]:
    file = top / "classes.txt"
    if not file.is_file():
        return tuple(name.replace("_", " ") for name in classes)
    lines = [line for line in file.read_text("utf-8").splitlines() if line.strip()]
    given = dict(line.split("\t", 1) for line in lines if "\t" in line)
    missing = [name for name in classes if name not in given]
    if missing:
        raise Refused(
            f"'{file}' names {len(given)} of {len(classes)} classes, '{missing[0]}' is "
            "missing: one line folder<TAB>name for each class folder"
        )
    return tuple(given[name].strip() for name in classes)
