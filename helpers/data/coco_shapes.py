"""Boxes, polygons and run lengths of COCO: checked before they are drawn.

The library that draws them takes numbers as they come: of run lengths that end too
early it leaves pixels as the memory was, and an edge costs time by its length.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from helpers.settings import Refused

FAR = 1  # sides of the picture, that a polygon may lie outside of it


def check_box(box: Any, size: tuple[int, int], what: str) -> None:
    """Raise `Refused` unless a box [left, top, width, height] meets its picture.

    `size` is (width, height), `what` the words that begin the line.
    """
    width, height = size
    if not isinstance(box, Sequence) or isinstance(box, str) or len(box) != 4:
        raise Refused(f"{what} has no box [left, top, width, height]")
    left, top, wide, high = (float(value) for value in box)
    shown = [left, top, wide, high]
    if not all(map(math.isfinite, shown)):
        raise Refused(f"{what}: its box {shown} is not finite")
    if not (wide >= 0 and high >= 0 and left < width and top < height) or (
        left + wide <= 0 or top + high <= 0
    ):
        raise Refused(
            f"{what}: its box {shown} misses the picture of "
            f"{width} x {height}: boxes are [left, top, width, height] in pixels"
        )


def check_mask(mask: Any, size: tuple[int, int], what: str) -> None:
    """Raise `Refused` unless polygons, or run lengths, meet their picture."""
    width, height = size
    if isinstance(mask, Mapping):
        given = mask.get("size", [])
        if not isinstance(given, Sequence) or list(given) != [height, width]:
            raise Refused(
                f"{what}: its mask is of {mask.get('size')}, the picture [{height}, "
                f"{width}]: run lengths must be those of this picture"
            )
        if not isinstance(mask.get("counts"), list | str):
            raise Refused(f"{what}: its mask has no counts: run lengths are needed")
        if isinstance(mask["counts"], list):
            check_runs(mask["counts"], height * width, what)
        return
    if (
        not isinstance(mask, Sequence)
        or isinstance(mask, str)
        or not mask
        or any(not isinstance(p, list) or len(p) < 6 or len(p) % 2 for p in mask)
    ):
        raise Refused(
            f"{what} has no mask: polygons of 3 points or more, or run lengths"
        )
    across = [float(x) for part in mask for x in part[0::2]]
    down = [float(y) for part in mask for y in part[1::2]]
    if (
        min(across) >= width
        or min(down) >= height
        or max(across) <= 0
        or max(down) <= 0
    ):
        raise Refused(f"{what}: its mask misses the picture of {width} x {height}")
    for values, side in ((across, width), (down, height)):
        if not all(-FAR * side <= one <= (1 + FAR) * side for one in values):
            raise Refused(
                f"{what}: its mask goes far out of the picture of {width} x {height}: "
                "polygons are in pixels"
            )


def check_runs(counts: Any, pixels: int, what: str = "COCO mask") -> None:
    """Raise `Refused` unless run lengths, or their text, are of so many pixels."""
    runs = counts if isinstance(counts, list) else _unpacked(counts)
    whole = runs is not None and all(type(one) is int and one >= 0 for one in runs)
    if runs is None or not whole or sum(runs) != pixels:
        told = f"sum to {sum(runs)}" if runs is not None and whole else "are no counts"
        raise Refused(f"{what}: its run lengths {told}, the picture has {pixels}")


def _unpacked(text: str | bytes) -> list[int] | None:
    """Return the run lengths of COCO's text, None where it ends too early.

    Five bits a letter, the sixth says that more follow; from the third on each length
    is less the one two before it.
    """
    runs: list[int] = []
    value, bits = 0, 0
    for letter in text.encode() if isinstance(text, str) else text:
        code = letter - 48
        if not 0 <= code < 64 or bits > 60:
            return None
        value |= (code & 31) << bits
        bits += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << bits
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, bits = 0, 0
    return None if bits else runs
