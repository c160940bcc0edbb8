"""What the scores of maps refuse: maps and boxes that mean nothing to them."""

from torch import Tensor

from helpers.explain.cam import SMALLEST


def check_maps(maps: Tensor) -> None:
    """Raise a ValueError unless maps are finite `[B, H, W]` of 4 x 4 pixels or more."""
    if maps.ndim != 3 or not len(maps):
        raise ValueError(f"maps must be [B, H, W], got {list(maps.shape)}")
    if min(maps.shape[1:]) < SMALLEST:
        what = f"maps of {maps.shape[1]} x {maps.shape[2]} pixels are too coarse"
        raise ValueError(f"{what}: interpolate them to the picture's size")
    broken = (~maps.isfinite()).flatten(1).any(1).nonzero().flatten().tolist()
    if broken:
        raise ValueError(f"the map of picture {broken[0]} is not finite (NaN or inf)")


def check_saliency(maps: Tensor) -> None:
    """Raise a ValueError unless maps are as `check_maps` asks, and not negative."""
    check_maps(maps)
    broken = (maps < 0).flatten(1).any(1).nonzero().flatten().tolist()
    if broken:
        remedy = "apply ReLU first, or measure by insertion and deletion"
        raise ValueError(f"the map of picture {broken[0]} is negative: {remedy}")


def check_boxes(maps: Tensor, boxes: Tensor) -> None:
    """Raise a ValueError unless boxes are `[B, N, 4]` corners, one row a map."""
    if boxes.ndim != 3 or boxes.shape[2] != 4 or len(boxes) != len(maps):
        wanted = f"[{len(maps)}, N, 4]"
        raise ValueError(
            f"boxes must be {wanted}, one row a map, got {list(boxes.shape)}"
        )
    if not (boxes[..., 2:] >= boxes[..., :2]).all():
        wanted = "(left, top, right, bottom), not (left, top, width, height)"
        raise ValueError(
            f"boxes must be {wanted}: right or bottom is too small, or NaN"
        )
