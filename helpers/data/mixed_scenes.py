"""Scenes of several classes: each of up to four objects is of a class of its own."""

import numpy as np
import torch
from numpy.typing import NDArray

from helpers.data.catalog import NORMALISATION
from helpers.data.multi_label import MultiLabel
from helpers.data.painting import COLOURS, MARKS, PLACES, paint
from helpers.data.scenes import (
    CLASS_NAMES,
    FAMILY_OF,
    MAX_INSTANCES,
    SPLITS,
    boxes_of,
)

Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]


def mixed_scenes(count: int, split: str, size: int = 64, seed: int = 0) -> MultiLabel:
    """Draw scenes of one to four objects of different classes, a quadrant each.

    The objects are those of `scenes.draw_scenes`, painted on one background: numbers
    and classes uniform, the background drawn without regard to them. The first n of a
    longer draw are the same n.

    Raises:
        ValueError: an unknown split, a size or count out of range.
    """
    if split not in SPLITS:
        raise ValueError(f"split '{split}' is not one of {', '.join(SPLITS)}")
    if not 32 <= size <= 256 or count < 1:
        raise ValueError(f"size {size} must be 32 to 256 and count {count} over 0")

    def stream(number: int) -> np.random.Generator:
        # A family of streams of its own, beside those of `draw_scenes`.
        return np.random.default_rng([seed, SPLITS[split], 1, number])

    slots, classes = MAX_INSTANCES, len(CLASS_NAMES)
    everything = np.tile(np.arange(classes), (count, 1))
    shown = stream(0).permuted(everything, axis=1)[:, :slots]  # [N, 4], all different
    counts = 1 + stream(1).integers(slots, size=count)
    place = stream(2).integers(len(PLACES), size=count)
    radius = stream(3).uniform(0.17, 0.24, (count, slots))
    quadrant = stream(4).permuted(np.tile(np.arange(slots), (count, 1)), axis=1)
    corner = np.stack([quadrant % 2, quadrant // 2], axis=-1) * 0.5
    room = (0.5 - 2 * radius)[..., None]
    centre = corner + radius[..., None] + room * stream(5).random((count, slots, 2))
    angle = stream(6).uniform(-0.4, 0.4, (count, slots))
    family = np.array(FAMILY_OF)[shown]
    body = 2 * family + stream(7).integers(2, size=(count, slots))
    shift = 1 + stream(8).integers(len(COLOURS) - 1, size=(count, slots))
    colour = (body + shift) % len(COLOURS)

    def painted(slot: int, present: Bools) -> tuple[Bytes, Bytes]:
        """Return scenes with one slot's objects; background and noise stay the same."""
        return paint(
            size,
            family=family[:, slot],
            mark=shown[:, slot] % len(MARKS),
            place=place,
            present=present,
            centre=centre,
            radius=radius,
            angle=angle,
            body=body[:, slot],
            colour=colour[:, slot],
            streams=(stream(9), stream(10), stream(11)),
        )

    inside = np.arange(slots) < counts[:, None]
    empty, _ = painted(0, np.zeros_like(inside))
    images = empty.astype(np.int64)
    instances = np.zeros((count, size, size), dtype=np.uint8)
    for slot in range(slots):
        with_one, found = painted(slot, inside & (np.arange(slots) == slot))
        images += with_one.astype(np.int64) - empty  # the quadrants share no object
        instances = np.maximum(instances, found)
    labels = torch.from_numpy(np.where(inside, shown, -1))
    present = torch.zeros(count, classes + 1, dtype=torch.bool)
    present.scatter_(1, labels.where(labels >= 0, classes), True)
    return MultiLabel(
        torch.from_numpy(images.clip(0, 255).astype(np.uint8)),
        present[:, :classes],
        boxes_of(torch.from_numpy(instances)).float(),
        labels,
        CLASS_NAMES,
        *NORMALISATION["scenes"],
    )
