"""Scores of pictures with several labels: average precision, and energy in boxes.

Each class that a picture shows is asked for by itself: the unit is (picture, class).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from helpers.measure.consistency import mask_share
from helpers.measure.localisation import box_masks, energy_pointing_game
from helpers.settings import Refused


@dataclass(frozen=True, eq=False)
class Asked:
    """Every (picture, class) that is shown: pictures and classes, `[T]` each."""

    pictures: Tensor
    classes: Tensor


def asked(present: Tensor) -> Asked:
    """Return each class that each picture shows, picture by picture, `[N, K]` bool.

    Whether the network names it or not: as in sidgairo18/how-to-probe (e703756).

    Raises:
        Refused: labels that are not bool `[N, K]`, or none at all.
    """
    if present.ndim != 2 or present.dtype != torch.bool:
        got = f"{present.dtype} of shape {list(present.shape)}"
        raise Refused(f"labels must be bool [N, K], got {got}")
    pictures, classes = present.nonzero().unbind(1)
    if not len(pictures):
        raise Refused("no picture shows a class: there is nothing to ask for")
    return Asked(pictures, classes)


def class_masks(
    boxes: Tensor, box_labels: Tensor, wanted: Asked, size: tuple[int, int]
) -> Tensor:
    """Return the pixels in any box of the class asked for, `[T, H, W]`, bool.

    Shapes: boxes `[N, M, 4]`, box_labels `[N, M]`, -1 for none.

    Raises:
        ValueError: boxes of another shape.
    """
    own = boxes[wanted.pictures].float()  # [T, M, 4]
    others = box_labels[wanted.pictures] != wanted.classes[:, None]
    return box_masks(own.masked_fill(others[..., None], -1), size)


@dataclass(frozen=True, eq=False)
class BoxEnergy:
    """EPG of each (picture, class), and the share of the area its boxes have, `[T]`."""

    epg: Tensor
    chance: Tensor


def box_energy(maps: Tensor, masks: Tensor) -> BoxEnergy:
    """Return the share of positive saliency in the boxes, and its floor, `[T]` each.

    EPG = sum over the boxes of A+ / sum of A+; a uniform map has the boxes' share of
    the area.

    Shapes: maps `[T, H, W]` of any sign, masks `[T, H, W]` bool. Range: [0, 1].

    Raises:
        ValueError: as `energy_pointing_game`.
    """
    return BoxEnergy(energy_pointing_game(maps, masks), mask_share(masks))


def published_box_energy(maps: Tensor, masks: Tensor) -> Tensor:
    """Return EPG rounded to two decimals a map, as sidgairo18/how-to-probe does, `[T]`.

    Before the mean is taken: a map moves by up to .005, a mean over many hardly.
    """
    return (energy_pointing_game(maps, masks) * 100).round() / 100


def average_precision(logits: Tensor, present: Tensor) -> Tensor:
    """Return AP of each class, `[K]`; NaN of a class that no picture shows.

    AP = sum over ranks of (R_n - R_{n-1}) P_n: the area under the steps of precision
    over recall. Of equal logits all are taken at once. Its mean is mAP.

    Shapes: logits `[N, K]`, present `[N, K]` bool. Range: [0, 1]; chance is about the
    share of pictures that show the class.

    Raises:
        Refused: shapes that differ, labels that are not bool, logits that are NaN.
    """
    if logits.shape != present.shape or present.dtype != torch.bool:
        got = f"{list(logits.shape)} and {present.dtype} {list(present.shape)}"
        raise Refused(f"logits and labels must both be [N, K], labels bool, got {got}")
    if logits.isnan().any():
        raise Refused("logits are NaN: check the network's input")
    found = []
    for scores, shown in zip(logits.T, present.T, strict=True):
        falling, order = scores.sort(descending=True, stable=True)
        hits = shown[order].double().cumsum(0)
        ranks = torch.arange(1, len(scores) + 1, dtype=torch.double)
        last = torch.ones(len(scores), dtype=torch.bool)
        last[:-1] = falling[1:] != falling[:-1]  # the last of equals
        kept, precision = hits[last], (hits.cpu() / ranks)[last]
        gained = kept.diff(prepend=kept.new_zeros(1))
        found.append((gained * precision).sum() / hits[-1])
    return torch.stack(found)


def scaled_boxes(
    boxes: Tensor,
    before: tuple[int, int],
    after: tuple[int, int],
    rule: Literal["exact", "whole"] = "exact",
) -> Tensor:
    """Return boxes of a picture of (H, W) as those of the same picture resized.

    "whole" divides integers, x w // W, as sidgairo18/how-to-probe does: edges fall by
    up to a pixel.

    Shapes: boxes `[N, M, 4]` -> the same; -1 stays -1.
    """
    if rule not in ("exact", "whole"):
        raise Refused(f"rule is 'exact' or 'whole', got '{rule}'")
    new, old = (boxes.new_tensor([w, h] * 2) for h, w in (after, before))
    scaled = boxes * new / old
    if rule == "whole":
        scaled = (boxes.long() * new.long() // old.long()).to(boxes)
    return scaled.where(boxes != -1, boxes)
