"""COCO's captions: pictures and what people wrote of them (Chen et al. 2015)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from helpers.data import pictures
from helpers.data.json_text import FAULTS, fault, read_json
from helpers.data.places import inside, is_there
from helpers.data.squares import Picture, square
from helpers.settings import Refused
from helpers.streams import stream


@dataclass(frozen=True)
class Captions:
    """A COCO file of captions and the folder of its pictures, checked but not decoded.

    Attributes:
        folder: of the pictures.
        texts: the captions of each picture that is in both, by its name, as
            `helpers.data.listing.Entry` has it; in the file's order.
        left_out: how many pictures or captions were not taken, by cause.
    """

    folder: Path
    texts: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, int]

    @property
    def names(self) -> tuple[str, ...]:
        """The pictures' names, in the file's order."""
        return tuple(self.texts)


def find_captions(folder: Path, file: Path) -> Captions:
    """Read a file of captions and match it with a folder of pictures.

    Blanks at the ends and within are one each. Pictures without captions are left out
    and counted.

    Raises:
        Refused: a folder or file that is not there or of another form, a caption that
            is of no picture, or no picture in common.
    """
    if not folder.is_dir():
        raise Refused(f"pictures '{folder}' are not there: give a folder")
    whole = read_json(file, "captions", "give a JSON file of COCO's captions")
    try:
        names = {int(one["id"]): str(one["file_name"]) for one in whole["images"]}
        texts: dict[int, list[str]] = {number: [] for number in names}
        empty = 0
        for one in whole["annotations"]:
            text = " ".join(str(one["caption"]).split())
            of = texts[int(one["image_id"])]
            if text:
                of.append(text)
            else:
                empty += 1
    except FAULTS as error:
        raise _no_captions(file, error) from None
    places = {n: inside(folder, name, file) for n, name in names.items()}
    there = {n: name for n, name in names.items() if is_there(places[n])}
    if not there:
        raise Refused(
            f"no picture of '{file}' lies in '{folder}', as "
            f"'{next(iter(names.values()), '')}': name the folder of the pictures"
        )
    taken = {name: tuple(texts[n]) for n, name in there.items() if texts[n]}
    if not taken:
        raise Refused(f"captions '{file}': no picture has a caption")
    left_out = {
        "not in the folder": len(names) - len(there),
        "without caption": len(there) - len(taken),
        "empty captions": empty,
    }
    told = {cause: n for cause, n in left_out.items() if n}
    return Captions(folder, taken, told)


def read_pictures(captions: Captions, names: Sequence[str], size: int) -> Tensor:
    """Return pictures cut to squares, `[N, 3, size, size]` uint8 (`squares.square`).

    Raises:
        Refused: a name without captions, a picture that cannot be read.
    """
    unknown = [name for name in names if name not in captions.texts]
    if unknown:
        raise Refused(f"picture '{unknown[0]}' has no captions")
    images = torch.empty((len(names), 3, size, size), dtype=torch.uint8)
    for row, name in enumerate(names):
        pixels = pictures.read(captions.folder / name)
        images[row] = square(Picture(pixels), size).image
    return images


def listed(captions: Captions, names: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return all captions of pictures, and which of the pictures each is of.

    The second is what `recognition.captions_of` takes.
    """
    texts = [text for name in names for text in captions.texts[name]]
    of = [row for row, name in enumerate(names) for _ in captions.texts[name]]
    return texts, of


def folds(names: Sequence[str], count: int, seed: int) -> tuple[tuple[str, ...], ...]:
    """Return the names in `count` parts as even as can be, drawn by the seed.

    Each keeps the order of the names; trained on the others, each is tested once.

    Raises:
        Refused: fewer names than parts, or fewer than two parts.
    """
    if not 2 <= count <= len(names):
        raise Refused(f"{len(names)} pictures cannot be cut into {count} folds")
    order = torch.randperm(len(names), generator=stream(seed, "folds")).tolist()
    return tuple(
        tuple(names[row] for row in sorted(order[part::count])) for part in range(count)
    )


def _no_captions(file: Path, error: Exception) -> Refused:
    return Refused(
        f"captions '{file}' are no COCO captions ({fault(error)}): images and "
        "annotations with a caption are needed"
    )
