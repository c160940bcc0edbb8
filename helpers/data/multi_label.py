"""Pictures with several labels: which classes each shows, and a box an object.

Photographs are squashed to a square, so that no object is cut off and the labels stay
true; `squares`, for one label a picture, cuts the middle out instead.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.data.catalog import normalise
from helpers.settings import Refused

Numbers = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class MultiLabel:
    """Pictures with several labels, in memory.

    Shapes: images `[N, 3, S, S]` uint8; present `[N, K]` bool: which classes a picture
    shows; boxes `[N, M, 4]` (left, top, right, bottom; right and bottom exclusive) in
    pixels, -1 four times for none; box_labels `[N, M]` int64, -1 for none. `mean` and
    `std`, per channel, normalise the pictures for a network.
    """

    images: Tensor
    present: Tensor
    boxes: Tensor
    box_labels: Tensor
    class_names: tuple[str, ...]
    mean: Numbers
    std: Numbers

    def __post_init__(self) -> None:
        """Refuse labels that no class or no picture has."""
        rows = {len(one) for one in (self.images, self.present, self.boxes)}
        if rows != {len(self.box_labels)}:
            raise Refused("pictures, labels and boxes must be as many as one another")
        if self.present.shape[1] != len(self.class_names):
            raise Refused(
                f"{len(self.class_names)} class names for {self.present.shape[1]} "
                "labels: give one name a label, in label order"
            )
        if len(self.images) and int(self.box_labels.max()) >= len(self.class_names):
            raise Refused(f"a box has label {int(self.box_labels.max())}, no class has")

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> "MultiLabel":
        """Return the first `count` pictures."""
        return self.rows(slice(count))

    def rows(self, chosen: Tensor | slice) -> "MultiLabel":
        """Return the chosen pictures."""
        return replace(
            self,
            images=self.images[chosen],
            present=self.present[chosen],
            boxes=self.boxes[chosen],
            box_labels=self.box_labels[chosen],
        )

    def normalised(self) -> Tensor:
        """Return the pictures as a network takes them, float `[N, 3, S, S]`."""
        return normalise(self.images, self.mean, self.std)


@dataclass(frozen=True, eq=False)
class Labelled:
    """One picture of any size and its objects.

    Shapes: image `[3, H, W]` uint8; boxes `[M, 4]` float (left, top, right, bottom) in
    pixels; labels `[M]` int64, a class each.
    """

    image: Tensor
    boxes: Tensor
    labels: Tensor


def squashed(one: Labelled, size: int) -> Labelled:
    """Return a picture and its boxes resized to `size` x `size`, whatever its shape.

    Bilinear and antialiased; boxes are scaled exactly, not by whole numbers.
    """
    height, width = one.image.shape[1:]
    image = F.interpolate(
        one.image[None].float(), (size, size), mode="bilinear", antialias=True
    )
    scale = one.boxes.new_tensor([size / width, size / height] * 2)
    boxes = (one.boxes * scale).clamp(0, size)
    return Labelled(image[0].round().clamp(0, 255).to(torch.uint8), boxes, one.labels)


def gathered(
    pictures: Iterable[Labelled],
    class_names: tuple[str, ...],
    size: int,
    normalisation: tuple[Numbers, Numbers],
) -> MultiLabel:
    """Return pictures, each squashed to `size` x `size`, with their labels.

    A picture without any object stays: of it all classes are absent.

    Raises:
        Refused: no picture; a box that is empty, by its picture's number.
    """
    images, boxes, labels = [], [], []
    for number, one in enumerate(pictures):
        small = squashed(one, size)
        if not (small.boxes[:, 2:] > small.boxes[:, :2]).all():
            raise Refused(
                f"a box of picture {number} has no area: boxes are (left, top, right, "
                "bottom) inside the picture"
            )
        images.append(small.image)
        boxes.append(small.boxes.float())
        labels.append(small.labels.long())
    if not images:
        raise Refused("no picture to read: the list is empty")
    most = max(1, *(len(rows) for rows in labels))
    present = torch.zeros(len(images), len(class_names), dtype=torch.bool)
    for number, rows in enumerate(labels):
        present[number, rows] = True
    return MultiLabel(
        torch.stack(images),
        present,
        torch.stack([F.pad(b, (0, 0, 0, most - len(b)), value=-1) for b in boxes]),
        torch.stack([F.pad(one, (0, most - len(one)), value=-1) for one in labels]),
        class_names,
        *normalisation,
    )
