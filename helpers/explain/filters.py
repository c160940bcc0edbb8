"""Which pictures and which pixels a filter responds to, for all filters in one pass.

LaViSE (Yang et al. 2022) explains filter u in the p pictures that activate it most. A
threshold T_u, above which it is in 0.5 % of all places of all pictures, cuts a region R
out of each, as network dissection does (Bau et al. 2017); what lies there is the truth
that words are compared with.

Axes: N pictures, d filters of h x w cells, p pictures a filter, P pairs of a filter and
one of its pictures, J instances, C categories.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.filter_attention import by_picture
from helpers.explain.hooks import evaluating, outputs
from helpers.settings import Refused

PIXELS = 2**23  # of regions held at once


@dataclass(frozen=True, eq=False)
class FilterScan:
    """What one pass over all pictures finds of all filters.

    Attributes:
        pictures: those of greatest activation, first the greatest, `[d, p]`; of equal
            ones the first; -1 where the filter is above 0 in fewer than p pictures.
        maxima: their greatest activations, `[d, p]`; 0 where there is no picture.
        thresholds: T_u, `[d]`.
    """

    pictures: Tensor
    maxima: Tensor
    thresholds: Tensor

    @property
    def dead(self) -> Tensor:
        """Whether a filter is above 0 in no picture, `[d]`: it has no explanation."""
        return self.pictures[:, 0] < 0

    def pairs(self) -> tuple[Tensor, Tensor]:
        """Return filter and picture of all pairs, `[P]` each, filter by filter."""
        filters, places = (self.pictures >= 0).nonzero(as_tuple=True)
        return filters, self.pictures[filters, places]


def feature_blocks(
    model: nn.Module, layer: nn.Module, images: Iterable[Tensor]
) -> Iterator[Tensor]:
    """Yield the maps `[b, d, h, w]` that a layer gives for blocks `[b, 3, H, W]`.

    The network is run in evaluation mode and left as it was found.

    Raises:
        Refused: a layer that gives no maps.
    """
    for block in images:
        with torch.no_grad(), evaluating(model), outputs(layer) as kept:
            model(block)
        if not kept or kept[0].ndim != 4:
            got = list(kept[0].shape) if kept else "nothing"
            raise Refused(f"the layer must give maps [b, d, h, w], got {got}: another")
        yield kept[0]


def cached(
    blocks: Iterable[Tensor],
    pictures: int,
    dtype: torch.dtype = torch.float16,
    file: str | None = None,
) -> Tensor:
    """Return the maps of all pictures `[N, d, h, w]`, in memory or in a mapped file.

    A frozen network's maps are computed once; training an explainer and explaining all
    filters then need no network. A file is written anew, never taken up.

    Raises:
        Refused: blocks that are not of N pictures; values that `dtype` cannot hold.
    """
    kept, start = torch.empty(0), 0
    for block in blocks:
        if not start:
            shape = (pictures, *block.shape[1:])
            if file is None:
                kept = torch.empty(shape, dtype=dtype)
            else:
                size = math.prod(shape)
                whole = torch.from_file(file, shared=True, size=size, dtype=dtype)
                kept = whole.view(shape)
        if start + len(block) > pictures:
            raise Refused(f"{pictures} pictures were announced, there are more: count")
        kept[start : start + len(block)] = block
        if not kept[start : start + len(block)].isfinite().all():
            raise Refused(f"maps leave the range of {dtype}: take torch.float32")
        start += len(block)
    if start != pictures or not pictures:
        raise Refused(f"{pictures} pictures were announced, {start} came: count them")
    return kept


def scan_filters(
    blocks: Iterable[Tensor], pictures: int, top: int = 25, quantile: float = 0.995
) -> FilterScan:
    """Return every filter's most activating pictures and threshold, in one pass.

    T_u is the quantile of F_u over all N h w places, linear between neighbours, as
    `torch.quantile`: exact, of the greatest 0.5 % of values alone, which are kept while
    blocks pass. ErikBuis/FACT2023 takes the quantile 0.005, under which a ReLU's T_u is
    mostly 0 and R almost everything.

    Shapes: blocks `[b, d, h, w]`, N pictures together.

    Raises:
        Refused: blocks that are not of N pictures; top under 1; a quantile outside
            (0, 1).
    """
    if top < 1:
        raise Refused(f"top must be 1 picture or more, got {top}")
    if not 0 < quantile < 1:
        raise Refused(f"quantile must lie between 0 and 1, got {quantile}")
    best, named, extremes = torch.empty(0), torch.empty(0), torch.empty(0)
    seen, place = 0, 0.0
    low = quantile < 0.5  # the fewer values are below: keep those, with their sign
    for block in blocks:
        values = block.to(torch.promote_types(block.dtype, torch.float32))
        values = values.flatten(2)  # [b, d, h w]
        if not seen:
            best = values.new_empty(values.shape[1], 0)
            named, extremes = best.long(), best
            place = quantile * (pictures * values.shape[2] - 1)
            number = math.floor(place) + 2
            if not low:
                number = pictures * values.shape[2] - math.floor(place)
        highest = values.amax(2).T  # [d, b]
        which = torch.arange(seen, seen + len(values), device=values.device)
        best = torch.cat([best, highest], 1)
        named = torch.cat([named, which.expand(len(best), -1)], 1)
        best, order = best.sort(stable=True, dim=1, descending=True)  # first of equals
        best, named = best[:, :top], named.gather(1, order)[:, :top]
        flat = values.transpose(0, 1).flatten(1)  # [d, b h w]
        extremes = _extremes(extremes, -flat if low else flat, number)
        seen += len(values)
    if seen != pictures or not seen:
        raise Refused(f"{pictures} pictures were announced, {seen} came: count them")
    found = _thresholds(extremes, place - math.floor(place), low)
    alive = best > 0
    return FilterScan(
        _filled(named.where(alive, -1), top, -1),
        _filled(best.where(alive, 0), top, 0),
        found,
    )


def _extremes(kept: Tensor, new: Tensor, number: int) -> Tensor:
    """Return the `number` greatest of both in each row, in no order."""
    if new.shape[1] > number:
        new = new.topk(number, dim=1, sorted=False).values
    both = torch.cat([kept, new], 1)
    if both.shape[1] > number:
        both = both.topk(number, dim=1, sorted=False).values
    return both


def _thresholds(extremes: Tensor, share: float, low: bool) -> Tensor:
    """Return the quantile between the two least extremes of each row, `[d]`."""
    least = extremes.topk(min(2, extremes.shape[1]), 1, largest=False).values
    if low:  # negated: the least are the greatest of the low ones, and go downwards
        return torch.lerp(-least[:, -1], -least[:, 0], share)
    return torch.lerp(least[:, 0], least[:, -1], share)


def _filled(rows: Tensor, number: int, value: int) -> Tensor:
    """Return rows `[d, k]` filled up to `[d, number]`."""
    return F.pad(rows, (0, number - rows.shape[1]), value=value)


def regions(maps: Tensor, thresholds: Tensor, size: tuple[int, int]) -> Tensor:
    """Return R = [upsampled F_u > T_u], bilinear, `[P, H, W]`, bool.

    Shapes: maps `[P, h, w]`, thresholds `[P]`.
    """
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    down, across = (
        _enlarging(cells, pixels).to(maps)
        for cells, pixels in zip(maps.shape[1:], size, strict=True)
    )
    large = down @ (maps @ across.T)  # two small products: faster than to interpolate
    return large > thresholds[:, None, None]


@cache
def _enlarging(cells: int, pixels: int) -> Tensor:
    """Return the matrix of linear interpolation along an axis, `[pixels, cells]`."""
    return F.interpolate(torch.eye(cells)[None], pixels, mode="linear")[0].T


def region_blocks(
    maps: Tensor, thresholds: Tensor, size: tuple[int, int]
) -> Iterator[Tensor]:
    """Yield `regions` in blocks of pairs `[b, H, W]` that fit into memory."""
    number = max(1, PIXELS // (size[0] * size[1]))
    for some, above in zip(maps.split(number), thresholds.split(number), strict=True):
        yield regions(some, above, size)


def concepts(
    maps: Tensor,
    thresholds: Tensor,
    pictures: Tensor,
    masks: Tensor,
    image_of: Tensor,
    positives: Tensor,
    least_iou: float = 0.04,
) -> Tensor:
    """Return G = {t_j: IoU(M_j, R) > 0.04} of each pair (Buis et al. 2023), `[P, C]`.

    Each instance is compared by itself; its tokens enter together.

    Args:
        maps: F_u of the pair's picture, `[P, h, w]`.
        thresholds: T_u of the pair's filter, `[P]`.
        pictures: the pair's picture, `[P]`.
        masks: of the instances, `[J, H, W]`, bool, at the pictures' size.
        image_of: the instance's picture, `[J]`.
        positives: the instance's categories, `[J, C]`, bool.
        least_iou: what an instance's overlap must exceed.

    Raises:
        Refused: masks or positives that are not bool, or not as many as instances.
    """
    check_instances(masks, image_of, positives)
    size = (masks.shape[1], masks.shape[2])
    order = image_of.argsort(stable=True)
    sought, there = pictures.unique(), image_of[order].contiguous()
    starts = torch.searchsorted(there, sought).tolist()
    ends = torch.searchsorted(there, sought, right=True).tolist()
    found = positives.new_zeros(len(maps), positives.shape[1])
    for (_, rows), start, end in zip(by_picture(pictures), starts, ends, strict=True):
        here = order[start:end]
        if not len(here):
            continue
        region = regions(maps[rows], thresholds[rows], size).flatten(1).float()
        objects = masks[here].flatten(1).float()  # [n, H W]
        both = region @ objects.T  # [m, n]: whole numbers
        either = region.sum(1)[:, None] + objects.sum(1) - both
        hit = both > least_iou * either  # without a division: nothing by nothing is no
        found[rows] = (hit.float() @ positives[here].float()) > 0
    return found


def check_instances(masks: Tensor, image_of: Tensor, positives: Tensor) -> None:
    """Raise `Refused` unless there are J bool masks, J pictures and J bool rows."""
    if masks.dtype != torch.bool or masks.ndim != 3:
        raise Refused(
            f"masks must be bool [J, H, W], got {masks.dtype} of shape "
            f"{list(masks.shape)}: compare them with 0"
        )
    if positives.dtype != torch.bool or positives.ndim != 2:
        raise Refused(
            f"positives must be bool [J, C], got {positives.dtype} of shape "
            f"{list(positives.shape)}"
        )
    if not len(masks) == len(image_of) == len(positives):
        raise Refused(
            f"{len(masks)} masks, {len(image_of)} pictures and {len(positives)} rows "
            "of categories: give one of each an instance"
        )


def heat_map(image: Tensor, one_map: Tensor, floor: float = 0.3) -> Tensor:
    """Return a picture darkened where a filter is low: figure 2 of Buis et al. (2023).

    x max(F_u / max F_u, 0.3), F_u enlarged bilinearly; a filter without positive value
    leaves 0.3 everywhere.

    Shapes: image `[3, H, W]`, one_map `[h, w]` -> `[3, H, W]`. Range: that of the
    picture.
    """
    size = (image.shape[1], image.shape[2])
    large = F.interpolate(one_map[None, None].float(), size, mode="bilinear")[0, 0]
    highest = large.max()
    share = large / highest if highest > 0 else torch.zeros_like(large)
    return image * share.clamp(min=floor)
