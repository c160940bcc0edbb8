"""Does a map lie on its object? Pointing game, energy, overlap and contrast.

Each compares a map with the mask of the target class, one value a picture. A picture
without object has NaN: drop it and count it (`aggregate`). Pixels that are `ignored`,
of which nobody said what they show, count nowhere. Every score has a floor, which a map
without knowledge reaches too; it belongs beside the score.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from helpers.measure.checks import check_boxes, check_maps
from helpers.measure.consistency import mask_share, sch
from helpers.measure.reference_maps import check_masks

SHARES = tuple(step / 20 for step in range(1, 20))  # thresholds that a search tries


@dataclass(frozen=True, eq=False)
class BestShare:
    """The threshold under which a set of maps overlaps most with its objects.

    Attributes:
        share: of each map's maximum; the first of equally good ones.
        iou: of each picture under it, `[B]`; NaN without object.
    """

    share: float
    iou: Tensor


def pointing_game(
    maps: Tensor, masks: Tensor, ignored: Tensor | None = None, tolerance: float = 0.0
) -> Tensor:
    """Return whether the maximum of a map hits its object (Zhang et al. 2018).

    A hit is a maximum at most `tolerance` pixels (Euclidean) from a pixel of the
    object; published with 15. Of several maxima the share that hits, which is the mean
    over a random choice: no order of pixels decides. Floor: that of a uniform map.

    Shapes: maps `[B, H, W]`, of any sign, masks and ignored `[B, H, W]`, bool -> `[B]`.
    Range: [0, 1], 0 or 1 with one maximum; high is good; NaN without object.

    Raises:
        ValueError: shapes that differ, masks that are not bool, maps that are not
            finite or under 4 x 4 pixels, a tolerance under 0.

    >>> maps = torch.arange(32.0).view(2, 4, 4)  # the greatest value is the last
    >>> masks = torch.zeros(2, 4, 4, dtype=torch.bool)
    >>> masks[0, 3, 3] = masks[1, 0, 0] = True
    >>> pointing_game(maps, masks).tolist()
    [1.0, 0.0]
    """
    if not 0 <= tolerance < float("inf"):
        raise ValueError(f"tolerance must be 0 pixels or more, got {tolerance}")
    inside, outside = _sides(maps, masks, ignored)
    peak = _least(maps).where(inside | outside, -torch.inf)  # [B, H, W]
    top = peak == peak.amax((1, 2), keepdim=True)
    hit = (top & _widened(inside, tolerance)).sum((1, 2)) / top.sum((1, 2))
    return hit.where(inside.any(2).any(1), torch.nan)


def energy_pointing_game(
    maps: Tensor, masks: Tensor, ignored: Tensor | None = None
) -> Tensor:
    """Return EPG = sum(A+ M) / sum(A+), A+ = max(A, 0) (Wang et al. 2020, Score-CAM).

    That is SCH of the positive part: negative values count nowhere, as in Gairola et
    al. (2025). A map without positive value has 0. Masks of boxes: `box_masks`. Floor:
    the object's share of the pixels, `consistency.mask_share`.

    Shapes: maps `[B, H, W]`, of any sign, masks and ignored `[B, H, W]`, bool -> `[B]`.
    Range: [0, 1]; high is good; NaN without object.

    Raises:
        ValueError: as `pointing_game`.
    """
    return sch(positive(maps), masks, ignored)


def score_contrast(
    maps: Tensor, masks: Tensor, ignored: Tensor | None = None
) -> Tensor:
    """Return mean(M in the object) - mean(M outside), M the map scaled to [0, 1].

    Its mean over pictures and their positive labels is mSC, by which CLIP's maps were
    found to show the opposite of their object (Li et al. 2022). M is (A - min) / (max -
    min) over the pixels that count; a constant map has contrast 0. Floor: 0.

    Shapes: maps `[B, H, W]`, of any sign, masks and ignored `[B, H, W]`, bool -> `[B]`.
    Range: [-1, 1]; high is good, and -A has minus the contrast of A. NaN without object
    and where nothing else is in the picture.

    Raises:
        ValueError: as `pointing_game`.
    """
    inside, outside = _sides(maps, masks, ignored)
    counted = inside | outside
    values = _least(maps)
    values = values / values.abs().amax((1, 2), keepdim=True).clamp(min=_tiny(values))
    low = values.where(counted, torch.inf).amin((1, 2), keepdim=True)
    high = values.where(counted, -torch.inf).amax((1, 2), keepdim=True)
    scaled = (values - low) / (high - low).where(high > low, 1)  # [B, H, W]
    means = [
        (scaled * side).sum((1, 2)) / side.sum((1, 2)) for side in (inside, outside)
    ]
    return means[0] - means[1]  # NaN where a side is empty: 0 / 0


def iou(found: Tensor, masks: Tensor, ignored: Tensor | None = None) -> Tensor:
    """Return |found and object| / |found or object|; its mean over pictures is mIoU.

    Floors: `random_iou`, and the object's share of the pixels, which all of the picture
    as found has.

    Shapes: found (of `above_share` or `above_quantile`), masks and ignored `[B, H, W]`,
    bool -> `[B]`. Range: [0, 1]; high is good; NaN without object.

    Raises:
        ValueError: shapes that differ, found or masks that are not bool.

    >>> found = torch.zeros(1, 4, 4, dtype=torch.bool)
    >>> masks = found.clone()
    >>> found[0, :2], masks[0, 1:3] = True, True  # one row of three in common
    >>> round(iou(found, masks).item(), 3)
    0.333
    """
    inside, shown = _pair(found, masks, ignored)
    both, either = (shown & inside).sum((1, 2)), (shown | inside).sum((1, 2))
    return (both / either).where(inside.any(2).any(1), torch.nan)


def random_iou(found: Tensor, masks: Tensor, ignored: Tensor | None = None) -> Tensor:
    """Return the floor of `iou`, `[B]`: f a / (f + a - f a), of pixels drawn blindly.

    f is the share of the pixels that are found, a that of the object: the expected
    overlap of f N pixels drawn at random over their expected union. The mean of the
    ratio is greater by a term of order 1 / N. With all found it is a.

    Raises:
        ValueError: as `iou`.
    """
    inside, _ = _pair(found, masks, ignored)
    area = mask_share(masks, ignored).to(inside.device)
    drawn = mask_share(found, ignored).to(inside.device)
    either = drawn + area - drawn * area
    return (drawn * area / either).where(inside.any(2).any(1), torch.nan)


def above_share(maps: Tensor, share: float, ignored: Tensor | None = None) -> Tensor:
    """Return the pixels of `share` of the map's maximum or more, `[B, H, W]`, bool.

    Nothing is found in a map without positive value; all of a uniform one.

    Raises:
        ValueError: maps that are not finite or under 4 x 4 pixels; ignored that do not
            fit; a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be of the maximum, in (0, 1], got {share}")
    check_maps(maps)
    counted = _counted(maps, ignored)
    values = _least(maps).where(counted, -torch.inf)
    top = values.amax((1, 2), keepdim=True)  # [B, 1, 1]
    return (values >= share * top) & (top > 0) & counted


def above_quantile(
    maps: Tensor, quantile: float, ignored: Tensor | None = None
) -> Tensor:
    """Return the greatest pixels, a share of 1 - quantile, `[B, H, W]`, bool.

    Of N pixels that count those not under the value of rank ceil((1 - quantile) N):
    with its equals, so that all of a constant map are found, a zero map too.

    Raises:
        ValueError: as `above_share`; a quantile outside [0, 1).
    """
    if not 0 <= quantile < 1:
        raise ValueError(f"quantile must be in [0, 1), got {quantile}")
    check_maps(maps)
    counted = _counted(maps, ignored)
    values = _least(maps).where(counted, -torch.inf).flatten(1)  # [B, N]
    falling = values.sort(1, descending=True).values
    number = counted.flatten(1).sum(1, keepdim=True)  # [B, 1]
    last = ((1 - quantile) * number.double() - 1e-9).ceil().long() - 1  # .3 * 10 is 3
    least = falling.gather(1, last.clamp(min=0))  # [B, 1]
    return (values >= least).view_as(counted) & counted


def best_share(
    maps: Tensor,
    masks: Tensor,
    ignored: Tensor | None = None,
    shares: Sequence[float] = SHARES,
) -> BestShare:
    """Return the one threshold of greatest mIoU over a set, and its overlaps.

    Chosen and measured on the same pictures it flatters: choose on validation pictures,
    then measure others by `iou(above_share(maps, best.share), masks)`.

    Raises:
        ValueError: as `iou` and `above_share`; no share, or no picture with an object.
    """
    tried = _tried(maps, masks, ignored, shares)  # [S, B]
    means = tried.nanmean(1)
    if means.isnan().any():
        raise ValueError("no picture has an object: a threshold needs one")
    best = int(means.argmax())
    return BestShare(float(shares[best]), tried[best])


def oracle_iou(
    maps: Tensor,
    masks: Tensor,
    ignored: Tensor | None = None,
    shares: Sequence[float] = SHARES,
) -> Tensor:
    """Return `iou` under each picture's own best share, `[B]`: a ceiling, no score.

    Raises:
        ValueError: as `iou` and `above_share`; no share.
    """
    return _tried(maps, masks, ignored, shares).amax(0)


def positive(maps: Tensor) -> Tensor:
    """Return max(A, 0), `[B, H, W]`, after the check that a map is finite.

    Raises:
        ValueError: maps that are not finite or under 4 x 4 pixels.
    """
    check_maps(maps)
    return maps.clamp(min=0)


def box_masks(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the pixels whose centre lies in any of the boxes, `[B, H, W]`, bool.

    Shapes: boxes `[B, N, 4]`, (left, top, right, bottom) in pixels, right and bottom
    exclusive, -1 four times for none.

    Raises:
        ValueError: boxes of another shape or with right before left.
    """
    check_boxes(boxes, boxes)
    rows = torch.arange(size[0], device=boxes.device) + 0.5  # [H]
    columns = torch.arange(size[1], device=boxes.device) + 0.5  # [W]
    left, top, right, bottom = boxes[..., None].unbind(2)  # [B, N, 1]
    down = (rows >= top) & (rows < bottom)  # [B, N, H]
    across = (columns >= left) & (columns < right)  # [B, N, W]
    return (down[..., :, None] & across[..., None, :]).any(1)


def without_object(masks: Tensor, ignored: Tensor | None = None) -> Tensor:
    """Say which pictures show no pixel of the object that counts, `[B]`, bool.

    Raises:
        ValueError: masks or ignored that are not bool `[B, H, W]`.
    """
    return ~(mask_share(masks, ignored) > 0)  # NaN where all pixels are ignored


def _tried(
    maps: Tensor, masks: Tensor, ignored: Tensor | None, shares: Sequence[float]
) -> Tensor:
    """Return `iou` under each share, `[S, B]`."""
    if not len(shares):
        raise ValueError("shares must hold a threshold or more, got none")
    found = (above_share(maps, share, ignored) for share in shares)
    return torch.stack([iou(one, masks, ignored) for one in found])


def _sides(
    maps: Tensor, masks: Tensor, ignored: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the pixels that count, in the object and outside, `[B, H, W]` each."""
    check_maps(maps)
    check_masks(masks, (maps.shape[1], maps.shape[2]))
    if len(masks) != len(maps):
        raise ValueError(f"{len(maps)} maps need as many masks, got {len(masks)}")
    counted, inside = _counted(maps, ignored), masks.to(maps.device)
    return inside & counted, ~inside & counted


def _pair(
    found: Tensor, masks: Tensor, ignored: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return object and found pixels that count, `[B, H, W]` each."""
    check_masks(found)
    inside, outside = _sides(found, masks, ignored)
    return inside, found & (inside | outside)


def _counted(maps: Tensor, ignored: Tensor | None) -> Tensor:
    """Return the pixels that are not ignored, `[B, H, W]`, on the maps' device."""
    if ignored is None:
        return torch.ones_like(maps, dtype=torch.bool)
    if ignored.shape != maps.shape or ignored.dtype != torch.bool:
        got = f"{ignored.dtype} of shape {list(ignored.shape)}"
        raise ValueError(f"ignored must be bool {list(maps.shape)}, as maps, {got}")
    return ~ignored.to(maps.device)


def _widened(masks: Tensor, tolerance: float) -> Tensor:
    """Return the pixels at most `tolerance` pixels from the mask, `[B, H, W]`."""
    if not tolerance:
        return masks
    near = [
        torch.from_numpy(distance_transform_edt(~one.cpu().numpy()) <= tolerance)
        if one.any()
        else torch.zeros(one.shape, dtype=torch.bool)
        for one in masks
    ]
    return torch.stack(near).to(masks.device)


def _least(maps: Tensor) -> Tensor:
    """Return maps in single precision at least."""
    return maps.to(torch.promote_types(maps.dtype, torch.float32))


def _tiny(values: Tensor) -> float:
    return torch.finfo(values.dtype).tiny
