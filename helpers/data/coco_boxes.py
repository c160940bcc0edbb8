"""COCO 2014 as pictures with several labels: its categories and its boxes.

`instances_{train,val}2014.json` with the folder of its pictures, as `coco.find` reads
them. A crowd counts as an object of its class, as in sidgairo18/how-to-probe. Masks are
not decoded.
"""

from collections.abc import Iterator
from itertools import islice

import torch

from helpers.data import pictures
from helpers.data.catalog import IMAGENET
from helpers.data.coco import Instances
from helpers.data.multi_label import Labelled, MultiLabel, gathered
from helpers.settings import Refused


def read(found: Instances, count: int, size: int) -> MultiLabel:
    """Return the first `count` pictures by number, squashed to `size` x `size`.

    Labels are the categories in the order of their numbers. A box without area is left
    out, as a label too; what leaves the picture is cut off.

    Raises:
        Refused: a count under 1 or over the pictures that are there; a picture that
            cannot be read or has another size than the file says.
    """
    if not 1 <= count <= len(found.files):
        raise Refused(f"{len(found.files)} pictures are there, got count {count}")
    names = tuple(found.classes[number] for number in sorted(found.classes))
    return gathered(islice(_labelled(found), count), names, size, IMAGENET)


def _labelled(found: Instances) -> Iterator[Labelled]:
    """Yield the pictures with their boxes, in the order of their numbers."""
    places = {number: place for place, number in enumerate(sorted(found.classes))}
    rows = sorted(found.files.items(), key=lambda one: int(one[1]["id"]))
    for file, about in rows:
        image = pictures.read(file)
        size = (int(about["width"]), int(about["height"]))
        if size != (image.shape[2], image.shape[1]):
            raise Refused(
                f"picture '{file}' is {image.shape[2]} x {image.shape[1]}, its "
                f"annotations are for {size[0]} x {size[1]}: take the original picture"
            )
        boxes, labels = [], []
        for one in found.objects[int(about["id"])]:
            left, top, width, height = (float(value) for value in one["bbox"])
            if width > 0 and height > 0:
                corners = [left, top, left + width, top + height]
                boxes.append([max(value, 0.0) for value in corners])
                labels.append(places[int(one["category_id"])])
        yield Labelled(
            image,
            torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            torch.tensor(labels, dtype=torch.long),
        )
