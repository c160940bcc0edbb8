"""Chapter 05's conventions: one network, the same pictures, a score computed two ways.

Each way was taken by a published code or is left open by a text. `here` is this book's.
Those of insertion and deletion: `metric_published`.
"""

import copy
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from helpers.chapters.metrics import GRAD_CAM, GRAD_CAM_PP, RISE, Moved
from helpers.data.catalog import Pictures
from helpers.data.geometry import Crops, crop_images, crop_maps
from helpers.explain.cam import (
    PooledLinear,
    grad_cam,
    pooled_head_cam,
    upsample,
    weighted_map,
)
from helpers.explain.cam_pp import grad_cam_pp, plus_weights, pooled_head_slope
from helpers.explain.rise import stability
from helpers.measure import consistency
from helpers.measure.aggregate import aggregate
from helpers.report import margins

ABSOLUTE = 1e-6  # added to Grad-CAM++'s denominator by pytorch-grad-cam


def _sch(saliency: Tensor, pictures: Pictures) -> Tensor:
    assert pictures.masks is not None
    return consistency.sch(saliency, pictures.masks, pictures.ignored)


def _row(convention: str, score: str, metric: str, here: Tensor, so: Tensor) -> dict:
    """Return a row: means over pictures, their difference, and it in margins."""
    first, other = aggregate(here).mean, aggregate(so).mean
    return {
        "convention": convention,
        "score": score,
        "here": first,
        "so": other,
        "difference": other - first,
        "in margins": abs(other - first) / margins.metric(metric).margin,
    }


# Maps


@torch.no_grad()
def plus_absolute(
    model: PooledLinear,
    images: Tensor,
    targets: Tensor,
    epsilon: float = ABSOLUTE,
    scale: float = 1.0,
) -> Tensor:
    """Return Grad-CAM++ with an epsilon that does not follow the slope, `[B, H, W]`.

    `scale` multiplies the features and divides the head: the same function of the
    picture, to the last logit, in other units.
    """
    features = scale * model.features(images)
    slope = pooled_head_slope(features, model.head.weight / scale, targets)
    maps = weighted_map(features, plus_weights(slope, features, epsilon))
    return upsample(maps, (images.shape[2], images.shape[3]))


@torch.no_grad()
def plus_cubed(model: PooledLinear, images: Tensor, targets: Tensor) -> Tensor:
    """Return Grad-CAM++ with w_k = sum relu(g) g^2, `[B, H, W]`.

    That is what `frgfm/torch-cam` 0.5.0 computes: its coefficients a = g^2 are divided
    by their denominator in a copy, so that they stay as they are.
    """
    features = model.features(images)
    slope = pooled_head_slope(features, model.head.weight, targets)
    weights = (slope.relu() * slope.square()).sum((2, 3))
    size = (images.shape[2], images.shape[3])
    return upsample(weighted_map(features, weights), size)


@torch.no_grad()
def in_training_mode(
    model: nn.Module, images: Tensor, targets: Tensor, batch: int
) -> tuple[Tensor, nn.Module]:
    """Return Grad-CAM by batch statistics, `[B, H, W]`, and the network as it is left.

    In training mode a batch norm takes mean and variance from the batch, so that a map
    depends on the pictures beside it, and it moves its running statistics towards them.
    The network that was given is not touched.
    """
    left: Any = copy.deepcopy(model).train()
    maps = [
        pooled_head_cam(left.features(some), left.head.weight, wanted)
        for some, wanted in zip(images.split(batch), targets.split(batch), strict=True)
    ]
    return upsample(torch.cat(maps), (images.shape[2], images.shape[3])), left.eval()


def lowered(maps: Tensor) -> Tensor:
    """Return maps less their minimum, `[B, H, W]`: half of a min-max normalisation."""
    return maps - maps.amin((1, 2), keepdim=True)


def about_maps(
    model: Any, pictures: Pictures, batch: int = 8, device: str = "cpu"
) -> pd.DataFrame:
    """Return what the making of a map does to it.

    A row a convention: correlation of the two maps' pixels, and the largest difference
    in units of the map's maximum, means over pictures.
    """
    images, labels = pictures.normalised().to(device), pictures.labels.to(device)
    plain, plus = grad_cam(model, images, labels), grad_cam_pp(model, images, labels)
    ways = {
        "Grad-CAM++, epsilon 1e-6": (plus, plus_absolute(model, images, labels)),
        "Grad-CAM++, epsilon 1e-6, features x 0.1": (
            plus,
            plus_absolute(model, images, labels, scale=0.1),
        ),
        "Grad-CAM++, epsilon 1e-6, features x 10": (
            plus,
            plus_absolute(model, images, labels, scale=10.0),
        ),
        "Grad-CAM++, slopes cubed (torch-cam)": (
            plus,
            plus_cubed(model, images, labels),
        ),
        "Grad-CAM in training mode, all at once": (
            plain,
            in_training_mode(model, images, labels, len(images))[0],
        ),
        f"Grad-CAM in training mode, batches of {batch}": (
            plain,
            in_training_mode(model, images, labels, batch)[0],
        ),
    }
    rows = []
    for name, (here, so) in ways.items():
        top = here.amax((1, 2)), so.amax((1, 2))
        first, other = (
            one / most[:, None, None].clamp_min(1e-30)
            for one, most in zip((here, so), top, strict=True)
        )
        rows.append(
            {
                "convention": name,
                "rank correlation": aggregate(stability(here, so)).mean,
                "largest change": float((first - other).abs().amax((1, 2)).mean()),
                "zero maps": int((top[1] == 0).sum()),
            }
        )
    return pd.DataFrame(rows)


# Scores of a map


def about_scores(
    model: nn.Module,
    moved: Moved,
    plus: Tensor,
    rise: Tensor,
    device: str = "cpu",
) -> pd.DataFrame:
    """Return conventions of SES, SCH and MOSU.

    Shapes: `plus`, `rise`: Grad-CAM++ and RISE of the first pictures, `[n, H, W]`.
    """
    pictures, saliency = moved.pictures, moved.saliency
    still = Crops(
        moved.crops.windows, torch.zeros_like(moved.crops.mirrored), moved.crops.size
    )
    seen = crop_images(pictures.normalised(), still).to(device)
    anew = grad_cam(model, seen, pictures.labels.to(device)).cpu()
    unflipped = consistency.ses(crop_maps(saliency, still), anew)
    rows = [
        _row("less its value by chance", "SES", "ses", moved.ses, moved.excess),
        _row("without mirroring", "SES", "ses", moved.ses, unflipped),
    ]
    masks, boxes = pictures.masks, pictures.boxes
    if masks is not None:
        for name, maps in ((GRAD_CAM, saliency), (GRAD_CAM_PP, plus), (RISE, rise)):
            own = pictures.first(len(maps))
            here, so = _sch(maps, own), _sch(lowered(maps), own)
            rows.append(_row(f"least value taken off, {name}", "SCH", "sch", here, so))
        skipped = consistency.sch_skipping_zero(saliency, masks, pictures.ignored)
        here = _sch(saliency, pictures)
        rows.append(_row("zero maps left out", "SCH", "sch", here, skipped))
    if boxes is not None:
        found = consistency.mosu(saliency, boxes)
        here, back = found.area_to_saliency, found.saliency_to_area
        rows.append(_row("reversed, as in the code", "MOSU", "mosu", here, back))
        smooth = consistency.mosu(saliency, boxes, 1e-3).area_to_saliency
        rows.append(_row("smoothing 1e-3 for 1e-6", "MOSU", "mosu", here, smooth))
        kept = here.masked_fill(found.overlapping, math.nan)
        if not kept.isnan().all():
            rows.append(_row("overlapping boxes left out", "MOSU", "mosu", here, kept))
    return pd.DataFrame(rows)


def degenerate_table(maps: Mapping[str, Tensor], pictures: Pictures) -> pd.DataFrame:
    """Return how many pictures of each set of maps need a convention, and what SCH is.

    Shapes: maps `[B, H, W]` each. What needs masks or boxes is left out without them.
    """
    rows = []
    for name, saliency in maps.items():
        row: dict[str, Any] = {"maps of": name, "pictures": len(saliency)}
        if pictures.masks is not None and pictures.boxes is not None:
            row |= consistency.degenerate(
                saliency, pictures.masks, pictures.boxes, pictures.ignored
            )
        else:
            row["zero map"] = int((~saliency.flatten(1).any(1)).sum())
        if pictures.masks is not None:
            known = (pictures.masks, pictures.ignored)
            counted = consistency.sch(saliency, *known)
            skipped = consistency.sch_skipping_zero(saliency, *known)
            row["SCH, zero map is 0"] = aggregate(counted).mean
            row["SCH, left out"] = aggregate(skipped).mean
        rows.append(row)
    return pd.DataFrame(rows)


# Degenerate cases


def degenerate_cases() -> pd.DataFrame:
    """Return small maps in which a score is a convention, with what it gives."""
    zero, flat = torch.zeros(1, 8, 8), torch.ones(1, 8, 8)
    left = flat.clone()
    left[..., 4:] = 0  # all saliency in the left half
    mask = left.bool()
    two = torch.tensor([[[0, 0, 4, 8], [4, 0, 8, 8]]])
    same = torch.tensor([[[0, 0, 4, 8], [2, 0, 6, 8]]])
    one = torch.tensor([[[0, 0, 4, 8], [-1, -1, -1, -1]]])

    def eq3(maps: Tensor, boxes: Tensor, **smoothing: float) -> Tensor:
        return consistency.mosu(maps, boxes, **smoothing).area_to_saliency

    cases = [
        ("zero map", "SES", consistency.ses(zero, left)),
        ("zero map", "SCH, counted", consistency.sch(zero, mask)),
        ("zero map", "SCH, left out", consistency.sch_skipping_zero(zero, mask)),
        ("zero map", "Gini", consistency.gini(zero)),
        ("zero map, two equal boxes", "MOSU", eq3(zero, two)),
        ("uniform map", "SES", consistency.ses(flat, flat)),
        ("uniform map, mask of half", "SCH", consistency.sch(flat, mask)),
        ("uniform map, two equal boxes", "MOSU", eq3(flat, two)),
        (
            "uniform map less its least value",
            "SCH",
            consistency.sch(lowered(flat), mask),
        ),
        ("empty mask", "SCH", consistency.sch(left, ~flat.bool())),
        ("one box", "MOSU", eq3(left, one)),
        ("a box without saliency", "MOSU, smoothed", eq3(left, two)),
        ("a box without saliency", "MOSU as written", eq3(left, two, smoothing=0.0)),
        ("overlapping boxes", "MOSU", eq3(left, same)),
    ]
    rows = [(case, score, float(value)) for case, score, value in cases]
    frame = pd.DataFrame(rows, columns=["case", "score", "value"])
    return frame.assign(value=frame["value"].map(_word))


def _word(value: float) -> str:
    """Return a number, or in words that there is none."""
    if math.isnan(value):
        return "not defined: dropped and counted"
    return "infinite" if math.isinf(value) else f"{value:.3f}"
