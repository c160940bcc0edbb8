"""Pictures that torchvision downloads the first time: CIFAR-10 and -100, Imagenette.

They lie in the folder of `helpers.paths.data()`. One training picture in ten validates.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torchvision import datasets

from helpers.data.folders import balanced
from helpers.data.squares import Picture, Read, opened, read_squares, rgb
from helpers.settings import Refused

CIFAR = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}
IMAGENETTE = "https://s3.amazonaws.com/fast-ai-imageclas/"
ARCHIVES = {"160px": "imagenette2-160", "full": "imagenette2"}
PICTURES = {"train": 9469, "val": 3925}  # of Imagenette's second version


def read_cifar(
    name: str, root: Path, split: str, count: int, size: int, seed: int = 0
) -> Read:
    """Read CIFAR-10 or CIFAR-100, labels and names in the order of their own files.

    Raises `Refused` where it is not in `root` and cannot be downloaded.
    """
    kind = CIFAR[name]
    whole = _there(
        name,
        root,
        kind.url,
        lambda: kind(root, train=split != "test", download=True),
    )
    rows = _own([int(label) for label in whole.targets], split)
    chosen = balanced(rows, len(whole.classes), count, seed)
    return read_squares(
        (Picture(rgb(whole.data[i])) for i, _ in chosen),
        [label for _, label in chosen],
        tuple(word.replace("_", " ") for word in whole.classes),
        size,
    )


def read_imagenette(
    root: Path, split: str, count: int, size: int, seed: int = 0
) -> Read:
    """Read Imagenette: the version of 160 pixels where that is enough, else the full.

    Labels in the order of the WordNet numbers; a class's name is its first one. The
    published validation set is the test set.

    Raises `Refused` where it is not in `root` and cannot be downloaded, or in part.
    """
    version = "160px" if size <= 160 else "full"
    part = "val" if split == "test" else "train"
    there = root / ARCHIVES[version]
    if not there.is_dir():
        _there(
            "imagenette",
            root,
            f"{IMAGENETTE}{there.name}.tgz",
            lambda: datasets.Imagenette(root, part, version, download=True),
        )
    files = sorted((there / part).glob("*/*.JPEG"))
    if len(files) != PICTURES[part]:  # what an interrupted unpacking leaves
        raise Refused(
            f"'{there}' has {len(files)} of {PICTURES[part]} {part} pictures of "
            "imagenette: remove it and ask again, so that it is unpacked anew"
        )
    whole = datasets.Imagenette(root, part, version)
    rows = _own([whole.wnid_to_idx[file.parent.name] for file in files], split)
    chosen = balanced(rows, len(whole.classes), count, seed)
    return read_squares(
        (Picture(rgb(opened(files[i]))) for i, _ in chosen),
        [label for _, label in chosen],
        tuple(names[0] for names in whole.classes),
        size,
    )


def _own(labels: list[int], split: str) -> list[tuple[int, int]]:
    """Return (row, label) of the split's rows: of training rows, or of all to test."""
    rows = list(enumerate(labels))
    if split == "test":
        return rows
    return [row for row in rows if (row[0] % 10 == 0) == (split == "validation")]


def _there(name: str, root: Path, url: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except (OSError, RuntimeError) as error:
        raise Refused(
            f"{name} is not in '{root}' and could not be downloaded "
            f"({type(error).__name__}): get {url} elsewhere and put {Path(url).name} "
            "there, or use folder:PATH"
        ) from None
