"""A picture cut to a square, and whatever lies on it moved by exactly the same.

The short side is resized to the side of the square and the middle is cut out, as
torchvision's Resize(size) and CenterCrop(size) do.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from helpers.settings import Refused


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture and what lies on it, or None where it is not known.

    Shapes: image `[3, H, W]` uint8; mask, the object's pixels, and ignored, those that
    count for nothing, `[H, W]` bool; boxes `[M, 4]` of its instances as (left, top,
    right, bottom) in pixels, right and bottom exclusive, floating-point.
    """

    image: Tensor
    mask: Tensor | None = None
    ignored: Tensor | None = None
    boxes: Tensor | None = None


def square(picture: Picture, size: int) -> Picture:
    """Return the picture as a square of `size` pixels a side.

    A point (x, y) goes to (x w / W - left, y h / H - top), with w = size and h =
    floor(size H / W) of an upright picture, or the other way round, and left = round((w
    - size) / 2), top likewise. The picture is interpolated (bilinear, antialiased), of
    masks each pixel takes its nearest's; boxes are clipped, and one of which no area is
    left is -1 four times.

    Shapes: image `[3, H, W]` -> `[3, size, size]`, uint8; masks likewise, bool; boxes
    `[M, 4]` -> `[M, 4]`.
    """
    height, width = picture.image.shape[1:]
    short = min(height, width)
    h, w = size * height // short, size * width // short
    top, left = round((h - size) / 2), round((w - size) / 2)

    def cut(values: Tensor) -> Tensor:
        return values[..., top : top + size, left : left + size]

    def moved(mask: Tensor | None) -> Tensor | None:
        if mask is None:
            return None
        pixels = mask[None, None].float()  # [1, 1, H, W]
        return cut(F.interpolate(pixels, (h, w), mode="nearest-exact"))[0, 0] > 0.5

    image = picture.image
    if (height, width) != (h, w):
        pixels = image[None].float()
        pixels = F.interpolate(pixels, (h, w), mode="bilinear", antialias=True)
        image = pixels[0].round().clamp(0, 255).to(torch.uint8)
    boxes = picture.boxes
    if boxes is not None:
        scale = boxes.new_tensor([w / width, h / height] * 2)
        start = boxes.new_tensor([left, top] * 2)
        boxes = (boxes * scale - start).clamp(0, size)
        empty = (boxes[:, 2:] <= boxes[:, :2]).any(1)
        boxes = boxes.masked_fill(empty[:, None], -1)
    return Picture(cut(image), moved(picture.mask), moved(picture.ignored), boxes)


@dataclass(frozen=True, eq=False)
class Read:
    """What was read of N pictures; masks, ignored and boxes as `catalog.Pictures`.

    Shapes: images `[N, 3, S, S]` uint8, labels `[N]`, masks and ignored `[N, S, S]`,
    boxes `[N, M, 4]`.
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    masks: Tensor | None = None
    ignored: Tensor | None = None
    boxes: Tensor | None = None


def read_squares(
    pictures: Iterable[Picture],
    labels: list[int],
    class_names: tuple[str, ...],
    size: int,
) -> Read:
    """Return one picture a label, each cut to a square of `size` pixels a side.

    Masks, ignored pixels and boxes are known of all pictures or of none. A picture
    with fewer boxes than another has -1 in their place.
    """
    images = torch.empty((len(labels), 3, size, size), dtype=torch.uint8)
    masks: list[Tensor] = []
    ignored: list[Tensor] = []
    boxes: list[Tensor] = []
    for number, picture in enumerate(pictures):
        one = square(picture, size)
        images[number] = one.image
        for found, where in (
            (one.mask, masks),
            (one.ignored, ignored),
            (one.boxes, boxes),
        ):
            if found is not None:
                where.append(found)
    most = max((len(rows) for rows in boxes), default=0) or 1
    padded = [F.pad(rows, (0, 0, 0, most - len(rows)), value=-1) for rows in boxes]
    return Read(
        images=images,
        labels=torch.tensor(labels),
        class_names=class_names,
        masks=torch.stack(masks) if masks else None,
        ignored=torch.stack(ignored) if ignored else None,
        boxes=torch.stack(padded) if padded else None,
    )


def opened(file: Path) -> Image.Image:
    """Return a picture, decoded; raises `Refused` naming one that cannot be read."""
    try:
        with Image.open(file) as picture:
            picture.load()
            return picture
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Refused(
            f"picture '{file}' cannot be read ({type(error).__name__}): "
            "replace it or take it out of the folder"
        ) from None


def rgb(pixels: np.ndarray | Image.Image) -> Tensor:
    """Return a picture `[H, W, 3]`, or one of Pillow's in any mode, as `[3, H, W]`."""
    if isinstance(pixels, Image.Image):
        pixels = np.asarray(pixels.convert("RGB"))
    return torch.tensor(pixels).permute(2, 0, 1)
