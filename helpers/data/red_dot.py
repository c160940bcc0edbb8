"""A planted shortcut: a small disc on the pictures of one class (the red-dot trial).

It is drawn on tensors after resizing, so that its radius is that of every picture, no
crop loses it, and the other pixels stay bit-equal: no file is compressed anew.
"""

import torch
from torch import Tensor

from helpers.settings import Dot, Refused, nearest
from helpers.streams import stream

SAMPLES = 4  # points a pixel and side, at which the disc is asked for
POSITIONS = ("top-left", "top-right", "bottom-left", "bottom-right", "centre")


def plant(images: Tensor, labels: Tensor, dot: Dot, seed: int) -> tuple[Tensor, Tensor]:
    """Return a copy of the pictures with the dot on some, and which carry it.

    Shapes: images uint8 `[N, 3, H, W]`, labels `[N]` -> the same and bool `[N]`.
    The seed draws the carriers as `carriers` does; a picture without the dot is left
    bit-equal.

    Raises:
        Refused: as `draw_dot` and `carriers`, or if there is not a label a picture.
    """
    _check_images(images)
    if len(labels) != len(images):
        raise Refused(f"{len(images)} pictures need as many labels, got {len(labels)}")
    generator = stream(seed, "red dot")
    carried = carriers(labels, dot.target, dot.share, dot.elsewhere, generator)
    planted = images.clone()
    planted[carried] = draw_dot(images[carried], dot.radius, dot.colour, dot.position)
    return planted, carried


def draw_dot(
    images: Tensor, radius: float, colour: tuple[int, int, int], position: str
) -> Tensor:
    """Return the pictures with a filled, antialiased disc on each; a copy.

    A pixel becomes (1 - a) pixel + a colour, rounded, where its coverage a is the share
    of its 4 x 4 sample points inside the disc. The disc's centre lies radius + 1 pixels
    from the two borders of its corner, or in the middle of the picture.

    Shapes: uint8 `[N, 3, H, W]` -> the same. Range: 0..255.

    Args:
        images: pictures, not modified; N may be 0.
        radius: of the disc in pixels, at least 1.
        colour: red, green and blue in 0..255.
        position: one of `POSITIONS`.

    Raises:
        Refused: pictures of another type, a disc that does not fit, a colour out of
            range, an unknown position.
    """
    _check_images(images)
    if len(colour) != 3 or not all(0 <= part <= 255 for part in colour):
        raise Refused(f"colour must be three numbers in 0..255, got {colour}")
    height, width = images.shape[2:]
    hits = _hits((height, width), radius, position).to(images.device)
    inside = hits > 0  # [H, W]
    share, full = hits[inside], SAMPLES**2  # [n]: in sixteenths
    ink = torch.tensor(colour, dtype=torch.int32, device=images.device)[:, None]
    under = images[:, :, inside].int()  # [N, 3, n]
    drawn = images.clone()
    mixed = ((full - share) * under + share * ink + full // 2) // full
    drawn[:, :, inside] = mixed.to(torch.uint8)
    return drawn


def dot_mask(size: tuple[int, int], radius: float, position: str) -> Tensor:
    """Return the pixels of which the disc covers more than half, bool `[H, W]`.

    Raises:
        Refused: if the disc does not fit a picture of `size` (H, W), or an unknown
            position.
    """
    return _hits(size, radius, position) > SAMPLES**2 // 2


def carriers(
    labels: Tensor,
    target: int,
    share: float,
    elsewhere: float,
    generator: torch.Generator,
) -> Tensor:
    """Draw the pictures that carry the dot, bool `[N]` on the CPU.

    Of the n pictures of the target class exactly round(share n), of the m others
    exactly round(elsewhere m), each other class within one picture of its part. With
    share = elsewhere the dot says nothing about the class: the control.

    Shapes: labels `[N]`, integers. The generator decides, on the CPU.

    Raises:
        Refused: if no picture is of the target class or a share lies outside 0..1.
    """
    for name, value in (("share", share), ("elsewhere", elsewhere)):
        if not 0 <= value <= 1:
            raise Refused(f"{name} of the dot must lie in 0..1, got {value}")
    labels = labels.cpu()
    classes, sizes = labels.unique(return_counts=True)  # [K], [K]
    own = classes == target
    if not own.any():
        known = f"classes {classes.tolist()}"
        raise Refused(f"no picture is of the dot's target {target}; there are {known}")
    counts = torch.empty_like(sizes)
    counts[own] = _apportioned(sizes[own], share, generator)
    counts[~own] = _apportioned(sizes[~own], elsewhere, generator)
    carried = torch.zeros(len(labels), dtype=torch.bool)
    for label, count in zip(classes.tolist(), counts.tolist(), strict=True):
        places = (labels == label).nonzero()[:, 0]
        drawn = torch.randperm(len(places), generator=generator)[:count]
        carried[places[drawn]] = True
    return carried


def _apportioned(sizes: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return how many of each class, `[K]` -> `[K]`: round(share sum(sizes)) in all.

    By largest remainder: the whole part of share n_k each, then one more where most is
    missing, equal ones in random order.
    """
    wanted = share * sizes.double()
    counts = wanted.floor().long()
    missing = round(share * int(sizes.sum())) - int(counts.sum())
    order = torch.randperm(len(sizes), generator=generator)
    falling = (wanted - counts)[order].argsort(descending=True, stable=True)
    counts[order[falling[:missing]]] += 1
    return counts


def _hits(size: tuple[int, int], radius: float, position: str) -> Tensor:
    """Return how many of a pixel's 16 sample points the disc has, int32 `[H, W]`.

    The points lie at (j + 1/2) / 4 of the pixel's side, j = 0..3; pixel i reaches from
    i to i + 1.
    """
    height, width = size
    if position not in POSITIONS:
        hint = nearest(position, list(POSITIONS))
        raise Refused(f"unknown position '{position}' of the dot{hint}")
    margin = radius + 1
    if not radius >= 1 or 2 * margin > min(size):
        room = f"1..{min(size) / 2 - 1:g} in {height} x {width} pixels"
        raise Refused(f"a dot of radius {radius} does not fit: radius in {room}")
    down, right = height / 2, width / 2
    if position != "centre":
        down = margin if position.startswith("top") else height - margin
        right = margin if position.endswith("left") else width - margin

    def squares(pixels: int, centre: float) -> Tensor:
        """Return the squared distances of the sample lines, `[pixels, 4]`."""
        lines = torch.arange(pixels * SAMPLES, dtype=torch.double)
        return ((lines + 0.5) / SAMPLES - centre).square().view(pixels, SAMPLES)

    rows, columns = squares(height, down), squares(width, right)
    squared = rows[:, None, :, None] + columns[None, :, None, :]  # [H, W, 4, 4]
    return (squared <= radius**2).sum((2, 3), dtype=torch.int32)


def _check_images(images: Tensor) -> None:
    """Refuse anything but uint8 `[N, 3, H, W]`."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        got = f"{images.dtype} of shape {list(images.shape)}"
        raise Refused(f"a dot needs uint8 pictures [N, 3, H, W], got {got}")
