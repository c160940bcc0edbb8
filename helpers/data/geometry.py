"""Pictures, maps, masks and boxes, moved together: crop, resize, mirror.

One `Crops` holds the geometry of a batch, so that whatever lies on a picture can be
moved by exactly what moved the picture.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

TRIES = 10  # windows drawn before the centre is taken


@dataclass(frozen=True, eq=False)
class Crops:
    """A window of each picture, enlarged to the picture's size, perhaps mirrored.

    Attributes:
        windows: (top, left, height, width), `[B, 4]`, float, whole pixels.
        mirrored: whether left and right are swapped afterwards, `[B]`, bool.
        size: (H, W) of the pictures, before and after.

    Raises:
        ValueError: other shapes or dtypes, or windows that leave the picture.
    """

    windows: Tensor
    mirrored: Tensor
    size: tuple[int, int]

    def __post_init__(self) -> None:
        windows, mirrored = self.windows, self.mirrored
        if windows.ndim != 2 or windows.shape[1] != 4 or not len(windows):
            what = f"got shape {list(windows.shape)}"
            raise ValueError(f"windows must be (top, left, height, width) rows, {what}")
        if mirrored.dtype != torch.bool or mirrored.shape != windows.shape[:1]:
            what = f"{mirrored.dtype} of shape {list(mirrored.shape)}"
            raise ValueError(f"mirrored must be {len(windows)} bools, got {what}")
        start, extent = windows[:, :2], windows[:, 2:]
        inside = (start >= 0) & (extent >= 1)
        inside &= start + extent <= torch.tensor(self.size, device=windows.device)
        whole = (windows == windows.round()).all(1)
        wrong = (~(inside.all(1) & whole)).nonzero().flatten().tolist()
        if wrong:
            what = f"window {windows[wrong[0]].tolist()} of picture {wrong[0]}"
            raise ValueError(f"{what} is not of whole pixels inside {self.size}")


def random_crops(
    count: int,
    size: tuple[int, int],
    generator: torch.Generator,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
    flip: bool = True,
) -> Crops:
    """Draw the crops of torchvision's RandomResizedCrop and RandomHorizontalFlip.

    A window has a share of the picture's area, uniform in `scale`, and a width / height
    log-uniform in `ratio`. One that does not fit is drawn again; after ten tries the
    largest central window of permitted ratio is taken. The first n of a longer draw are
    the same n, and `flip` changes no window.

    Args:
        count: number of pictures, B.
        size: their (H, W).
        generator: on the CPU; the only source of chance.
        scale: least and greatest share of the area, in (0, 1].
        ratio: least and greatest width / height.
        flip: whether to mirror, with probability 1/2.

    Raises:
        ValueError: count under 1; scale or ratio out of range or order.
    """
    if count < 1:
        raise ValueError(f"count must be positive, got {count}")
    if not 0 < scale[0] <= scale[1] <= 1:
        raise ValueError(f"scale must be (least, greatest) in (0, 1], got {scale}")
    if not 0 < ratio[0] <= ratio[1]:
        raise ValueError(f"ratio must be (least, greatest), positive, got {ratio}")
    windows, coins = [], []
    for _ in range(count):
        windows.append(_window(size, generator, scale, ratio))
        coins.append(torch.rand(1, generator=generator).item() < 0.5)
    mirrored = torch.tensor(coins) & flip
    return Crops(torch.tensor(windows, dtype=torch.float32), mirrored, size)


def crop_images(images: Tensor, crops: Crops) -> Tensor:
    """Return pictures as their crops show them, bilinear (align_corners=False).

    Shapes: images `[B, C, H, W]` -> `[B, C, H, W]`. Range: that of the picture; uint8
    stays uint8, rounded, and floating-point keeps its dtype.

    Raises:
        ValueError: another dtype, or a number or size other than that of the crops.
    """
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"images must be uint8 or floating-point, got {images.dtype}")
    _check(images, crops, "images", "[B, C, H, W]")
    if images.dtype == torch.uint8:
        return _moved(images.float(), crops, "bilinear").round().to(torch.uint8)
    return _moved(images, crops, "bilinear")


def crop_maps(maps: Tensor, crops: Crops) -> Tensor:
    """Return maps `[B, H, W]` moved as `crop_images` moves pictures.

    Range: that of the map, which is not normalised anew.

    Raises:
        ValueError: as `crop_images`, or if they are not floating-point.
    """
    if not maps.is_floating_point():
        raise ValueError(f"maps must be floating-point, got {maps.dtype}")
    _check(maps, crops, "maps", "[B, H, W]")
    return _moved(maps[:, None], crops, "bilinear")[:, 0]


def crop_masks(masks: Tensor, crops: Crops) -> Tensor:
    """Return masks `[B, H, W]`, bool, moved alike; each pixel takes its nearest's.

    A mask may be empty afterwards: its object lay outside the window.

    Raises:
        ValueError: as `crop_images`, or if they are not bool.
    """
    if masks.dtype != torch.bool:
        raise ValueError(f"masks must be bool, got {masks.dtype}")
    _check(masks, crops, "masks", "[B, H, W]")
    return _moved(masks[:, None].float(), crops, "nearest-exact")[:, 0] > 0.5


def crop_boxes(boxes: Tensor, crops: Crops) -> Tensor:
    """Return boxes moved alike and clipped; -1 four times where no area is left.

    A box is (left, top, right, bottom) in pixels, right and bottom exclusive, -1 four
    times for "no box" (as `Scenes.boxes`). Edges may come to lie within pixels.

    Shapes: boxes `[B, N, 4]` -> `[B, N, 4]`, floating-point. Range: 0 to W or H, or -1.

    Raises:
        ValueError: boxes of another shape or number.
    """
    if boxes.ndim != 3 or boxes.shape[2] != 4 or len(boxes) != len(crops.windows):
        wanted = f"[{len(crops.windows)}, N, 4]"
        raise ValueError(f"boxes must be {wanted}, got {list(boxes.shape)}")
    exact = boxes.to(torch.promote_types(boxes.dtype, torch.float32))
    height, width = crops.size
    windows = crops.windows.to(exact)[:, None, :]  # [B, 1, 4]
    start = windows[..., [1, 0]]  # [B, 1, 2]: left and top
    extent = windows[..., [3, 2]]  # [B, 1, 2]: width and height
    side = exact.new_tensor([width, height])  # [2]
    corners = exact.unflatten(2, (2, 2))  # [B, N, 2, 2]: first or second corner, x or y
    moved = (corners - start[:, :, None]) * side / extent[:, :, None]
    left, top, right, bottom = moved.clamp(min=0).minimum(side).flatten(2).unbind(2)
    mirrored = crops.mirrored.to(boxes.device)[:, None]  # [B, 1]
    first = torch.where(mirrored, width - right, left)
    last = torch.where(mirrored, width - left, right)
    found = torch.stack([first, top, last, bottom], 2)
    empty = (last <= first) | (bottom <= top)  # [B, N]
    return found.masked_fill(empty[..., None], -1)


def _window(
    size: tuple[int, int],
    generator: torch.Generator,
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> tuple[int, int, int, int]:
    """Return (top, left, height, width), drawn in the order torchvision draws."""
    rows, columns = size
    low, high = torch.tensor(ratio).log().tolist()
    for _ in range(TRIES):
        share = torch.empty(1).uniform_(*scale, generator=generator).item()
        shape = torch.empty(1).uniform_(low, high, generator=generator).exp().item()
        width = round(math.sqrt(rows * columns * share * shape))
        height = round(math.sqrt(rows * columns * share / shape))
        if 1 <= width <= columns and 1 <= height <= rows:
            top = torch.randint(rows - height + 1, (1,), generator=generator)
            left = torch.randint(columns - width + 1, (1,), generator=generator)
            return int(top), int(left), height, width
    width = min(columns, round(rows * ratio[1]))
    height = min(rows, round(columns / ratio[0]))
    return (rows - height) // 2, (columns - width) // 2, height, width


def _moved(values: Tensor, crops: Crops, mode: str) -> Tensor:
    """Return `[B, C, H, W]`: windows enlarged to (H, W), mirrored where they are."""
    parts = []
    for one, window in zip(values, crops.windows.long().tolist(), strict=True):
        top, left, height, width = window
        inside = one[None, :, top : top + height, left : left + width]
        parts.append(F.interpolate(inside, crops.size, mode=mode))
    moved = torch.cat(parts)
    mirrored = crops.mirrored.to(values.device)[:, None, None, None]
    return torch.where(mirrored, moved.flip(3), moved)


def _check(values: Tensor, crops: Crops, name: str, axes: str) -> None:
    """Raise a ValueError unless values have the axes, number and size of the crops."""
    fits = values.ndim == axes.count(",") + 1 and len(values) == len(crops.windows)
    if not fits or tuple(values.shape[-2:]) != tuple(crops.size):
        wanted = f"{len(crops.windows)} of {list(crops.size)} pixels"
        got = f"got {list(values.shape)}: draw crops for these"
        raise ValueError(f"{name} must be {axes}, {wanted}, {got}")
