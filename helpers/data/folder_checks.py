"""Folders of others: looked through before their pictures are read for training.

`folders` and `imagenet_s` read what is as it should be. What is not, as a link to
nothing, a pipe, a head that says more than a machine holds, is named here first.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from helpers.data import catalog, folders, imagenet_s, pictures
from helpers.data.json_text import fault
from helpers.data.places import expanded, is_there
from helpers.settings import DataSettings, Refused

READ = {*folders.SUFFIXES, ".xml", ".txt"}  # suffixes of files that are opened
NAMES = ("classes.txt", "LOC_synset_mapping.txt")
DEEPEST = 64  # folders within folders


def check(data: DataSettings) -> None:
    """Raise `Refused` as `catalog.check`, and for a folder that cannot be listed."""
    kind, _, path = data.name.partition(":")
    if kind in catalog.FOLDERS and path:
        check_tree(expanded(path))
    catalog.check(data)


@cache
def check_tree(top: Path) -> None:
    """Look at the names below a folder, once a process; no picture is opened.

    Raises:
        Refused: a name that is not in UTF-8, a link that leads nowhere, a pipe in the
            place of a picture, names of classes that are no text.
    """
    for place, inner, files in os.walk(top):
        if len(Path(place).parts) - len(top.parts) > DEEPEST:
            raise Refused(f"'{top}' has folders in more than {DEEPEST} levels")
        for name in (*inner, *files):
            try:
                name.encode()
            except UnicodeEncodeError:
                raise Refused(
                    f"the name of {os.path.join(place, name)!r} is not in UTF-8: "  # noqa: PTH118
                    "rename it"
                ) from None
        for name in files:
            file = Path(place, name)
            if file.suffix.lower() in READ and not is_there(file):
                raise Refused(
                    f"'{file}' is no file, or a link to none: take it out of the folder"
                )
    for file in (top / name for name in NAMES):
        try:
            if is_there(file):
                file.read_text("utf-8")
        except (OSError, ValueError) as error:
            raise Refused(
                f"'{file}' cannot be read ({fault(error)}): save it as UTF-8"
            ) from None


def load(data: DataSettings, split: str) -> catalog.Pictures:
    """Return the pictures of a split as `catalog.load`, each file looked at first.

    Raises:
        Refused: naming the first file that cannot be read.
    """
    check(data)
    kind, _, path = data.name.partition(":")
    if kind not in catalog.FOLDERS:
        return catalog.load(data, split)
    folder = catalog.FOLDERS[kind](path)
    count = {"train": data.train, "test": data.test, "validation": data.test // 2}
    chosen = folders.balanced(
        folder.files[split],
        len(folder.class_names),
        max(count[split], 1),
        data.seed,
    )
    for file, _ in chosen:
        pictures.check_head(file)
        for mask in _masks(kind, folder.path, file):
            pictures.check_head(mask, deep=kind == "folder")
    try:
        return catalog.load(data, split)
    except Refused:
        raise
    except Exception as error:
        for one in chosen:
            _read_alone(data, folder, split, one)
        raise Refused(f"'{data.name}' cannot be read ({fault(error)})") from None


def _masks(kind: str, top: Path, file: Path) -> Iterator[Path]:
    below = {"folder": "masks", "imagenet-s50": "validation-segmentation"}[kind]
    start = top if kind == "folder" else top / "validation"
    if file.is_relative_to(start):
        mask = top / below / file.relative_to(start).with_suffix(".png")
        if is_there(mask):
            yield mask


def _read_alone(
    data: DataSettings, folder: folders.Folder, split: str, one: tuple[Path, int]
) -> None:
    """Raise `Refused` if a picture, with what lies on it, cannot be read."""
    reader = imagenet_s.read if data.name.startswith("imagenet-s50") else folders.read
    try:
        reader(replace(folder, files={split: (one,)}), split, 1, data.size)
    except Refused:
        raise
    except Exception as error:
        raise Refused(
            f"picture '{one[0]}', its mask or its boxes cannot be read "
            f"({fault(error)}): replace them, or take them out of the folder"
        ) from None
