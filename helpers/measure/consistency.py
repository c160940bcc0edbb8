"""SES, SCH and MOSU (Bartak et al. 2024), and Gini beside them, one value a picture.

They are defined in "Reproducibility Study of LICO" (Bartak et al., TMLR 2024, eq. 1 to
3): does a map move with its picture, does it lie on the object, does it share itself
out among several? A uniform map has SES 1 and MOSU 0 and so looks perfect: SES comes
with its value by chance and Gini, SCH with the mask's share, MOSU never without SCH.

No score depends on the scale of a map, and none takes its minimum away: published code
does, which makes a uniform map a zero one. Deviations from the equations are named.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.data.geometry import Crops, crop_images, crop_maps
from helpers.explain.cam import check_images
from helpers.measure.checks import check_boxes, check_maps, check_saliency
from helpers.measure.reference_maps import check_masks

SMOOTHING = 1e-6  # of the saliency in all boxes, added to each box


@dataclass(frozen=True, eq=False)
class Consistency:
    """SES of a saliency method, with what another picture's map would have had.

    Attributes:
        ses: cos(t(s(I)), s(t(I))), `[B]`.
        by_chance: cos(t(s(J)), s(t(I))) with J the next picture, `[B]`.
        zero: whether t(s(I)) or s(t(I)) is a zero map, so that ses is 0, `[B]`, bool.
    """

    ses: Tensor
    by_chance: Tensor
    zero: Tensor

    @property
    def excess(self) -> Tensor:
        """SES less its value by chance, `[B]`; 0 of any map that ignores pictures."""
        return self.ses - self.by_chance


@dataclass(frozen=True, eq=False)
class Mosu:
    """Divergence of area and saliency over the boxes of a picture, in nats.

    Attributes:
        area_to_saliency: KL(v_area || v_saliency), eq. 3, `[B]`; NaN under two boxes.
        saliency_to_area: the reverse, which the published code computes, `[B]`; NaN
            under two boxes.
        boxes: boxes with area inside the picture, `[B]`.
        overlapping: whether two of them share area, `[B]`, bool.
    """

    area_to_saliency: Tensor
    saliency_to_area: Tensor
    boxes: Tensor
    overlapping: Tensor


def ses(moved: Tensor, anew: Tensor) -> Tensor:
    """Return SES = cos(t(s(I)), s(t(I))) (Bartak et al. 2024, eq. 1).

    Shapes: `[B, H, W]` twice -> `[B]`. Range: [0, 1], of signed maps [-1, 1]; high is
    good, uniform maps have 1. A zero map on either side has 0, as the published code.

    Args:
        moved: t(s(I)), the map of the picture, transformed.
        anew: s(t(I)), the map of the transformed picture.

    Raises:
        ValueError: shapes that differ, maps under 4 x 4 pixels or not finite.

    >>> ramp = torch.arange(16.0).view(1, 4, 4)
    >>> [round(ses(ramp, other).item(), 2) for other in (ramp, ramp.flip(2))]
    [1.0, 0.97]
    """
    check_maps(moved)
    check_maps(anew)
    if moved.shape != anew.shape:
        what = f"{list(moved.shape)} and {list(anew.shape)}"
        raise ValueError(f"maps of {what} differ: move the first with crop_maps")
    first, second = _scaled(moved).flatten(1), _scaled(anew).flatten(1)  # [B, N]
    lengths = first.norm(dim=1) * second.norm(dim=1)
    return _ratio((first * second).sum(1), lengths).clamp(-1, 1)


def self_consistency(
    saliency: Callable[[Tensor], Tensor], images: Tensor, crops: Crops
) -> Consistency:
    """Return SES of a saliency method (Bartak et al. 2024, eq. 1), and by chance.

    By chance is the cosine with the map of the next picture (of the last: the first)
    under the same transform. It is what is owed to the middle of the picture, to blur
    and to the crop alone.

    Shapes: images `[B, 3, H, W]` -> `[B]` each. Range: as `ses`.

    Args:
        saliency: any function images -> maps `[B, H, W]` of the picture's size, called
            twice on the whole batch; the class to explain and chunks are its own.
        images: pictures as it takes them, normalised, two or more.
        crops: the transform t of each picture.

    Raises:
        ValueError: fewer than two pictures, crops that do not fit, maps as `ses`.
    """
    check_images(images)
    if len(images) < 2:
        raise ValueError("SES by chance needs another picture: give two or more")
    original = _maps(saliency, images)
    anew = _maps(saliency, crop_images(images, crops))
    moved = crop_maps(original, crops)
    other = crop_maps(original.roll(-1, 0), crops)
    return Consistency(
        ses=ses(moved, anew),
        by_chance=ses(other, anew),
        zero=_is_zero(moved) | _is_zero(anew),
    )


def sch(maps: Tensor, masks: Tensor, ignored: Tensor | None = None) -> Tensor:
    """Return SCH = sum(H M) / sum(H) (Bartak et al. 2024, eq. 2).

    Masks hold the target class alone; the published code takes any labelled pixel.
    Ignored pixels, of which nobody said what they show, count in neither sum.

    Shapes: maps, masks and ignored `[B, H, W]`, the latter bool -> `[B]`. Range: [0,
    1]; high is good, `mask_share` is chance. A map of zeros where it counts has 0, as
    in the code of Bartak et al.; an empty mask has NaN, to be dropped and counted.

    Raises:
        ValueError: shapes that differ, masks that are not bool, maps that are negative,
            not finite or under 4 x 4 pixels.

    >>> maps = torch.zeros(1, 4, 4)
    >>> maps[0, 0] = 3  # a row of four pixels
    >>> maps[0, 1, 0] = 4  # one more, outside the object
    >>> masks = torch.zeros(1, 4, 4, dtype=torch.bool)
    >>> masks[0, 0] = True
    >>> sch(maps, masks).tolist()
    [0.75]
    """
    check_saliency(maps)
    check_masks(masks, (maps.shape[1], maps.shape[2]))
    if len(masks) != len(maps):
        raise ValueError(f"{len(maps)} maps need as many masks, got {len(masks)}")
    counted = _counted(masks, ignored).to(maps.device)
    values, inside = _scaled(maps) * counted, masks.to(maps.device) & counted
    share = _ratio((values * inside).sum((1, 2)), values.sum((1, 2)))
    return share.where(inside.flatten(1).any(1), math.nan)


def sch_skipping_zero(
    maps: Tensor, masks: Tensor, ignored: Tensor | None = None
) -> Tensor:
    """Return `sch`, `[B]`, with NaN for a zero map, as CGC (Pillai et al. 2022) skips.

    Raises:
        ValueError: as `sch`.
    """
    found, counted = sch(maps, masks, ignored), _counted(masks, ignored)
    return found.masked_fill(_is_zero(maps * counted.to(maps.device)), math.nan)


def mask_share(masks: Tensor, ignored: Tensor | None = None) -> Tensor:
    """Return the mask's share of what counts, `[B]`: SCH of a uniform map; [0, 1].

    Raises:
        ValueError: unless masks and ignored are bool `[B, H, W]`.
    """
    check_masks(masks)
    counted = _counted(masks, ignored)
    return (masks & counted).sum((1, 2)) / counted.sum((1, 2))


def mosu(maps: Tensor, boxes: Tensor, smoothing: float = SMOOTHING) -> Mosu:
    """Return MOSU = KL(v_area || v_saliency) (Bartak et al. 2024, eq. 3), both ways.

    v_area are the areas of the boxes inside the picture over their sum, v_saliency the
    saliency in them over its sum; a pixel that an edge divides counts in parts. Where
    boxes overlap a pixel counts in each, in area and in saliency, as published. Boxes
    are of the target class alone; the published code takes those of any.

    Each box gets `smoothing` of the saliency in all boxes on top, as a box without any
    makes eq. 3 infinite. With no saliency in any box v_saliency is uniform over them.
    `smoothing=0` is eq. 3 as written: inf, and NaN with no saliency in any.

    Shapes: maps `[B, H, W]`, boxes `[B, N, 4]` -> `[B]` each. Range: [0, inf); low is
    good, and 0 of a uniform map. Read it with `sch`.

    Args:
        maps: saliency, non-negative.
        boxes: (left, top, right, bottom) in pixels, right and bottom exclusive, -1 four
            times for none; one without area inside the picture is left out.
        smoothing: share of the saliency in all boxes, not negative.

    Raises:
        ValueError: as `sch`; boxes of another shape or with right before left.
    """
    check_saliency(maps)
    check_boxes(maps, boxes)
    if not 0 <= smoothing < math.inf:
        raise ValueError(f"smoothing must be a share of 0 or more, got {smoothing}")
    values = _scaled(maps)
    sides = values.new_tensor([maps.shape[2], maps.shape[1]] * 2)  # [4]
    corners = boxes.to(values).clamp(min=0).minimum(sides)  # [B, N, 4]
    areas = (corners[..., 2:] - corners[..., :2]).prod(2)  # [B, N]
    down = _cover(corners[..., 1], corners[..., 3], maps.shape[1])  # [B, N, H]
    across = _cover(corners[..., 0], corners[..., 2], maps.shape[2])  # [B, N, W]
    sums = torch.einsum("bnh,bhw,bnw->bn", down, values, across)
    known = areas > 0
    by_area = _ratio(areas, areas.sum(1, keepdim=True))
    by_saliency = (_ratio(sums, sums.sum(1, keepdim=True)) + smoothing) * known
    by_saliency = by_saliency / by_saliency.sum(1, keepdim=True)
    count = known.sum(1)
    return Mosu(
        area_to_saliency=_kl(by_area, by_saliency).where(count > 1, math.nan),
        saliency_to_area=_kl(by_saliency, by_area).where(count > 1, math.nan),
        boxes=count,
        overlapping=_overlapping(corners),
    )


def gini(maps: Tensor) -> Tensor:
    """Return sum_ij |x_i - x_j| / (2 N sum_i x_i) over the N pixels, `[B]`.

    How far a map gathers in few pixels (Hurley and Rickard 2009): what a gain in SES by
    blur costs. Range: 0 (uniform, and by convention zero) to 1 - 1 / N (one pixel).

    Raises:
        ValueError: maps that are negative, not finite or under 4 x 4 pixels.
    """
    check_saliency(maps)
    rising = _scaled(maps).flatten(1).sort(1).values  # [B, N]
    number = rising.shape[1]
    weights = torch.arange(number, device=maps.device) / number  # [N]
    apart = rising - rising.flip(1)  # odd about the middle: all 0 of a uniform map
    return _ratio((weights * apart).sum(1), rising.sum(1))


def degenerate(
    maps: Tensor, masks: Tensor, boxes: Tensor, ignored: Tensor | None = None
) -> dict[str, int]:
    """Count the pictures for which a score is a convention or left out.

    Shapes: maps `[B, H, W]`, masks and ignored `[B, H, W]`, bool, boxes `[B, N, 4]`.

    Raises:
        ValueError: as `sch` and `mosu`.
    """
    empty = sch(maps, masks, ignored).isnan()
    found = mosu(maps, boxes)
    counted = {
        "zero map": _is_zero(maps),
        "empty mask": empty,
        "fewer than two boxes": found.boxes < 2,
        "overlapping boxes": found.overlapping,
    }
    return {name: int(which.sum()) for name, which in counted.items()}


def _maps(saliency: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return the maps of a batch, `[B, H, W]`, if they have the picture's size."""
    maps = saliency(images).detach()
    wanted = [len(images), *images.shape[2:]]
    if list(maps.shape) != wanted:
        got = f"gave {list(maps.shape)}: interpolate it"
        raise ValueError(f"saliency must give maps {wanted}, [B, H, W], {got}")
    return maps


def _scaled(maps: Tensor) -> Tensor:
    """Return maps divided by their greatest size, `[B, H, W]`; zero stays zero."""
    precise = maps.to(torch.promote_types(maps.dtype, torch.float32))
    return _ratio(precise, precise.abs().amax((1, 2), keepdim=True))


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Return part / whole, and part where whole is 0."""
    return part / whole.where(whole > 0, 1)


def _counted(masks: Tensor, ignored: Tensor | None) -> Tensor:
    """Return the pixels that count, `[B, H, W]`, bool: those that are not ignored."""
    if ignored is None:
        return torch.ones_like(masks)
    if ignored.shape != masks.shape or ignored.dtype != torch.bool:
        got = f"{ignored.dtype} of shape {list(ignored.shape)}"
        raise ValueError(f"ignored must be bool {list(masks.shape)}, as masks, {got}")
    return ~ignored


def _is_zero(maps: Tensor) -> Tensor:
    """Say which maps are zero everywhere, `[B]`."""
    return ~maps.flatten(1).any(1)


def _cover(low: Tensor, high: Tensor, length: int) -> Tensor:
    """Return how much of each pixel of a line [low, high) covers, `[B, N, length]`."""
    edges = torch.arange(length, device=low.device).to(low)
    end = high[..., None].minimum(edges + 1)
    return (end - low[..., None].maximum(edges)).clamp(min=0)


def _overlapping(corners: Tensor) -> Tensor:
    """Say whether two boxes `[B, N, 4]` of a picture share area, `[B]`."""
    one, two = corners[:, :, None], corners[:, None]
    first = one[..., :2].maximum(two[..., :2])  # [B, N, N, 2]
    last = one[..., 2:].minimum(two[..., 2:])
    return (last > first).all(3).triu(1).flatten(1).any(1)


def _kl(p: Tensor, q: Tensor) -> Tensor:
    """Return sum p log(p / q) in nats, `[B, N]` twice -> `[B]`; 0 log 0 is 0."""
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(1).clamp(min=0)
