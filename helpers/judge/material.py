"""The pictures that a network is judged on, and what was left out of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.data.squares import Picture
from helpers.explain.cam import check_targets
from helpers.settings import Refused


@dataclass(frozen=True, eq=False)
class Material:
    """Pictures in memory, each with the classes of the network that are right for it.

    Attributes:
        images: `[N, 3, H, W]` uint8.
        groups: the network's class indices that a picture's own class stands for, one
            or several: of "dog", all of ImageNet's breeds.
        names: of the pictures' files.
        classes: the pictures' classes, as their data set calls them.
        masks: pixels of that class, `[N, H, W]`, bool; None where not known.
        ignored: pixels that count nowhere, likewise.
        boxes: instances of that class, `[N, M, 4]`, (left, top, right, bottom) in
            pixels, -1 four times for none.
        left_out: pictures that were not taken, by cause.
        notes: what else a reader should know of the choice, in sentences.
        fingerprint: hash of names and sizes of all files.

    Raises:
        Refused: no picture, parts of different number or shape, or a box that misses
            its picture.
    """

    images: Tensor
    groups: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    masks: Tensor | None = None
    ignored: Tensor | None = None
    boxes: Tensor | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    fingerprint: str = ""

    def __post_init__(self) -> None:
        images, count = self.images, len(self.images)
        if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.uint8:
            got = f"{images.dtype} {list(images.shape)}"
            raise Refused(f"pictures must be uint8 [N, 3, H, W], got {got}")
        if not count:
            told = ", ".join(f"{n} {cause}" for cause, n in self.left_out.items())
            raise Refused(f"no picture is left to judge: {told or 'none was given'}")
        if not len(self.groups) == len(self.names) == len(self.classes) == count:
            raise Refused(f"{count} pictures need as many labels and names")
        for name, mask in (("masks", self.masks), ("ignored", self.ignored)):
            wanted = [count, *images.shape[2:]]
            if mask is not None and (
                list(mask.shape) != wanted or mask.dtype != torch.bool
            ):
                what = f"{mask.dtype} {list(mask.shape)}"
                raise Refused(f"{name} must be bool {wanted}, as the pictures: {what}")
        if self.boxes is not None and (
            self.boxes.ndim != 3 or len(self.boxes) != count or self.boxes.shape[2] != 4
        ):
            shape = list(self.boxes.shape)
            raise Refused(f"boxes must be [{count}, M, 4], as the pictures: {shape}")
        if self.boxes is not None:
            _check_boxes(self.boxes, (images.shape[2], images.shape[3]))

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> "Material":
        """Return the first `count` pictures."""
        part = slice(count)
        return replace(
            self,
            images=self.images[part],
            groups=self.groups[part],
            names=self.names[part],
            classes=self.classes[part],
            masks=None if self.masks is None else self.masks[part],
            ignored=None if self.ignored is None else self.ignored[part],
            boxes=None if self.boxes is None else self.boxes[part],
        )


def _check_boxes(boxes: Tensor, size: tuple[int, int]) -> None:
    """Raise `Refused` naming the first box that has no pixel of its picture."""
    height, width = size
    left, top, right, bottom = boxes.unbind(-1)
    inside = (left < width) & (top < height) & (right > 0) & (bottom > 0)
    whole = (left < right) & (top < bottom)  # false of NaN
    wrong = ~(inside & whole | (boxes == -1).all(-1))
    if wrong.any():
        picture, number = wrong.nonzero()[0].tolist()
        raise Refused(
            f"box {boxes[picture, number].tolist()} of picture {picture} misses its "
            f"{width} x {height} pixels: boxes are (left, top, right, bottom), -1 four "
            "times for none"
        )


def of_tensors(
    images: Tensor,
    labels: Tensor,
    masks: Tensor | None = None,
    boxes: Tensor | None = None,
    ignored: Tensor | None = None,
    class_names: Sequence[str] = (),
) -> Material:
    """Return the material of pictures that are in memory already.

    Shapes: images `[N, 3, H, W]` uint8, labels `[N]` in 0..K-1, the others as
    `Material`. Masks and boxes are of each picture's own class.

    Raises `Refused` as `Material`, and for labels that are not `[N]` integers, 0 or
    more, with a name each where there are names.
    """
    try:
        check_targets(labels, len(images), len(class_names) or None)
    except ValueError as error:
        raise Refused(str(error).replace("targets", "labels")) from None
    numbers = labels.tolist()
    return Material(
        images,
        tuple((label,) for label in numbers),
        tuple(f"picture {number}" for number in range(len(images))),
        tuple(
            class_names[label] if class_names else f"class {label}" for label in numbers
        ),
        masks,
        ignored,
        boxes,
    )


def stacked(pictures: Iterable[Picture], sides: int) -> tuple[Tensor, ...]:
    """Return images, masks, ignored and boxes of squares; empty where there is none.

    Shapes: `[N, 3, S, S]` uint8, `[N, S, S]` bool twice, `[N, M, 4]`. A picture with
    fewer boxes than another has -1 in their place.
    """
    parts = list(pictures)
    if not parts:
        return torch.empty(0, 3, sides, sides, dtype=torch.uint8), *[torch.empty(0)] * 3
    most = max((len(one.boxes) for one in parts if one.boxes is not None), default=0)
    boxes = [
        F.pad(one.boxes, (0, 0, 0, max(most, 1) - len(one.boxes)), value=-1)
        for one in parts
        if one.boxes is not None
    ]
    masks = [one.mask for one in parts if one.mask is not None]
    ignored = [one.ignored for one in parts if one.ignored is not None]
    return (
        torch.stack([one.image for one in parts]),
        torch.stack(masks) if masks else torch.empty(0),
        torch.stack(ignored) if ignored else torch.empty(0),
        torch.stack(boxes) if boxes else torch.empty(0),
    )
