"""Visual Genome in its own layout: boxes of objects named by WordNet's synsets.

A folder with `objects.json`, `image_data.json` and the pictures in `VG_100K/` and
`VG_100K_2/`. `prepare` does what Buis et al. 2023, section 4.2.1, describe; what they
leave open is a named choice.
"""

import math
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from helpers.data import pictures
from helpers.data.json_text import FAULTS, fault, read_json
from helpers.data.listing import (
    NO_WORD,
    Annotation,
    Entry,
    Listing,
    appearances,
    occurrences,
    restricted,
    split_pictures,
    united,
    without_empty,
)
from helpers.data.places import is_there
from helpers.settings import Refused

FOLDERS = ("VG_100K", "VG_100K_2")
LEAST = 100  # how often a category appears that is kept
Counting = Literal["images", "instances"]
Joining = Literal["united", "single"]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Genome:
    """Visual Genome, checked but not decoded.

    Attributes:
        files: each picture that is there, by its number.
        sizes: its (H, W).
        objects: of each picture: the first synset, or "", and (left, top, width,
            height) in pixels.
        left_out: pictures and objects that cannot be taken, by cause.
    """

    files: Mapping[int, Path]
    sizes: Mapping[int, tuple[int, int]]
    objects: Mapping[int, Sequence[tuple[str, Box]]]
    left_out: Mapping[str, int]


def find(folder: Path) -> Genome:
    """Read the two files of a folder and match them with its pictures.

    Raises:
        Refused: a file that is missing or of another form, or no picture.
    """
    data, objects = (_read(folder / f"{n}.json") for n in ("image_data", "objects"))
    left_out: Counter[str] = Counter()
    try:
        sizes = {
            int(one["image_id"]): (int(one["height"]), int(one["width"]))
            for one in data
        }
        found = {int(one["image_id"]): one["objects"] for one in objects}
        named = {
            number: [(_synset(one), _box(one)) for one in many]
            for number, many in found.items()
        }
    except FAULTS as error:
        raise Refused(
            f"'{folder}' is no Visual Genome ({fault(error)}): take "
            "objects.json and image_data.json of one version"
        ) from None
    files: dict[int, Path] = {}
    for number in sizes:
        places = [folder / part / f"{number}.jpg" for part in FOLDERS]
        there = [place for place in places if is_there(place)]
        if there and number in named:
            files[number] = there[0]
        elif there:
            left_out["pictures without entry in objects.json"] += 1
        else:
            left_out["pictures not in the folder"] += 1
    if not files:
        raise Refused(f"'{folder}' has no pictures in {' or '.join(FOLDERS)}: add them")
    kept = {number: named[number] for number in files}
    return Genome(files, {n: sizes[n] for n in files}, kept, dict(left_out))


def category(synset: str) -> str:
    """Return a synset's word: before the first "." and the first "_" (FACT2023).

    "traffic_light.n.01" is "traffic".
    """
    return synset.partition(".")[0].partition("_")[0]


def list_objects(genome: Genome, known: Container[str] | None = None) -> Listing:
    """List all objects whose word is known, a box each.

    Words are sorted. Boxes are clipped to the picture; one that misses it is left out
    and counted, as are objects without a synset or a known word.
    """
    lost: Counter[str] = Counter(genome.left_out)
    words = {category(name) for many in genome.objects.values() for name, _ in many}
    inside = sorted(w for w in words if w and (known is None or w in known))
    rows = {word: row for row, word in enumerate(inside)}
    entries = []
    for number, file in genome.files.items():
        objects = []
        for synset, box in genome.objects[number]:
            word = category(synset)
            if not word:
                lost["annotations without a synset"] += 1
            elif word not in rows:
                lost[NO_WORD] += 1
            elif not _meets(box, genome.sizes[number]):
                lost["annotations outside of their picture"] += 1
            else:
                draw = partial(boxed, box)
                objects.append(Annotation(synset, (rows[word],), draw))
        name = f"{file.parent.name}/{file.name}"
        image = partial(pictures.read, file)
        entries.append(Entry(name, genome.sizes[number], image, tuple(objects)))
    missing = tuple(sorted(words - set(inside) - {""}))
    return Listing(tuple(inside), tuple(entries), dict(lost), missing)


def prepare(
    genome: Genome,
    known: Container[str] | None,
    least: int = LEAST,
    counted_by: Counting = "images",
    boxes: Joining = "united",
    share: float = 0.9,
    seed: int = 0,
) -> tuple[Listing, Listing]:
    """Return training and validation pictures as the reproduction prepares them.

    Pictures without a known object go first, then `share` of them train; words that are
    too rare there go, and then the pictures that are left without objects.

    Args:
        genome: what `find` returns.
        known: the vocabulary.
        least: how often a word must appear in training to be kept.
        counted_by: "images", in so many pictures (the documents' text: "training
            images"); "instances", on so many boxes (ErikBuis/FACT2023).
        boxes: "united", a word's boxes in a picture are one mask (the documents'
            text); "single", a mask a box (ErikBuis/FACT2023).
        share: of the pictures, to train on.
        seed: of the split.

    Raises:
        Refused: a choice that has no such name, or no word left.
    """
    if counted_by not in ("images", "instances") or boxes not in ("united", "single"):
        raise Refused(
            f"counted_by '{counted_by}' must be images or instances, boxes '{boxes}' "
            "united or single"
        )
    whole = without_empty(list_objects(genome, known))
    train, validation = split_pictures(whole, share, seed)
    tally = appearances if counted_by == "images" else occurrences
    often = tally(train)
    kept = [word for word in whole.words if often[word] >= least]
    if not kept:
        raise Refused(f"no word appears on {least} training {counted_by}: lower least")
    parts = [without_empty(restricted(part, kept)) for part in (train, validation)]
    if boxes == "united":
        parts = [united(part) for part in parts]
    return parts[0], parts[1]


def boxed(box: Box, size: tuple[int, int]) -> Tensor:
    """Return the pixels of a box (left, top, width, height), `[H, W]` bool.

    Rows are counted from the top and columns from the left: ErikBuis/FACT2023 has them
    changed over, so that a box may come to lie outside.
    """
    left, top, width, height = box
    mask = torch.zeros(size, dtype=torch.bool)
    rows = slice(max(0, round(top)), max(0, round(top + height)))
    columns = slice(max(0, round(left)), max(0, round(left + width)))
    mask[rows, columns] = True
    return mask


def _read(file: Path) -> Any:
    return read_json(file, "objects", "unpack it from Visual Genome's downloads")


def _synset(one: Mapping[str, Any]) -> str:
    return str(one["synsets"][0]) if one["synsets"] else ""


def _box(one: Mapping[str, Any]) -> Box:
    left, top, width, height = (float(one[of]) for of in ("x", "y", "w", "h"))
    if not all(map(math.isfinite, (left, top, width, height))):
        raise ValueError("a box is not finite")
    return left, top, width, height


def _meets(box: Box, size: tuple[int, int]) -> bool:
    """Return whether a pixel of the picture is in the box."""
    left, top, width, height = box
    high, wide = size
    across = min(round(left + width), wide) - max(round(left), 0)
    down = min(round(top + height), high) - max(round(top), 0)
    return across > 0 and down > 0
