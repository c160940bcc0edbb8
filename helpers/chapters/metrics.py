"""Chapter 05: three saliency methods, all metrics, and conventions that move them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn

from helpers.chapters.chapter import LicoChapter
from helpers.data.catalog import Pictures
from helpers.data.geometry import Crops, crop_images, crop_maps, random_crops
from helpers.explain.cam import coarse_grad_cam, grad_cam
from helpers.explain.cam_pp import grad_cam_pp
from helpers.explain.hooks import evaluating
from helpers.explain.rise import masked_scores, rise_masks, stability
from helpers.lab.runs import Run
from helpers.measure import consistency
from helpers.measure.aggregate import aggregate
from helpers.measure.perturbation import blurred, insertion_deletion, probabilities
from helpers.measure.reference_maps import reference_maps
from helpers.settings import RunSettings
from helpers.streams import stream

BASELINE, CUED, LICO = "ce", "ce with the cue", "lico"
MM, OT = "mm", "ot"  # one of LICO's two losses alone
GRAD_CAM, GRAD_CAM_PP, RISE = "Grad-CAM", "Grad-CAM++", "RISE"
AREAS = ("insertion", "deletion")


class Metrics(LicoChapter):
    """The parameters of chapter 05."""

    cue: float = Field(
        0.9, gt=0, le=1, description="class-background correlation of the cued network"
    )
    rise_pictures: int = Field(10, ge=2, description="test pictures with RISE maps")
    rise_masks: int = Field(1000, ge=16, description="masks of RISE")

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return the baseline, for scenes the cued one, LICO and each loss alone."""
        plain = self.cross_entropy()
        arms = {BASELINE: self.each(self.data(), plain, self.seeds)}
        if self.dataset == "scenes":
            arms[CUED] = self.each(self.data(cue=self.cue), plain, self.seeds)
        for arm, changed in ((LICO, {}), (MM, {"beta": 0.0}), (OT, {"alpha": 0.0})):
            method = self.lico("paper", **changed)
            arms[arm] = self.each(self.data(), method, self.seeds)
        return arms

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return the mean scores of each run's maps."""
        return {
            "parameters": self.model_dump(),
            "arms": {
                name: {
                    str(run.settings.seed): {
                        "accuracy": run.record["accuracy"],
                        "trained_out": run.record["trained_out"],
                        "means": mean_scores(run.record),
                    }
                    for run in runs
                }
                for name, runs in arms.items()
            },
        }


def mean_scores(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the means over pictures of Grad-CAM's scores in a record.

    Areas are also given in units of the mean probability of the full pictures. The mean
    of the pictures' own ratios, which the record holds as "relative", is left out: a
    few pictures whose full probability is near 0 decide it.
    """
    found = {**record["maps"][GRAD_CAM], **record["consistency"][GRAD_CAM]}
    means = {
        score: aggregate(np.array(values, dtype=float)).mean
        for score, values in found.items()
        if not score.startswith(("relative", "tied"))
    }
    full = float(np.mean(record["full"]))
    return means | {f"{score} / full": means[score] / full for score in AREAS}


@torch.no_grad()
def example(
    model: nn.Module, pictures: Pictures, boxes: int = 0, device: str = "cpu"
) -> Pictures:
    """Return the first picture that the network names right, with so many boxes.

    Without boxes, or where no picture does, the first of those that are left.
    """
    kept = torch.ones(len(pictures), dtype=torch.bool)
    if pictures.boxes is not None:
        kept = (pictures.boxes[..., 0] >= 0).sum(1) >= boxes
    shown = pictures.rows(kept) if kept.any() else pictures
    with evaluating(model):
        first = probabilities(model, shown.normalised().to(device)).argmax(1).cpu()
    right = (first == shown.labels).nonzero().flatten().tolist()
    start = right[0] if right else 0
    return shown.rows(slice(start, start + 1))


def without_pixels(pictures: Pictures) -> tuple[Tensor, Tensor]:
    """Return what insertion starts from and what deletion leaves, as one sees them.

    The blurred pictures `[B, 3, H, W]` and the fill's colour `[3]`, uint8.
    """
    soft = blurred(pictures.images.float()).round().to(torch.uint8)
    return soft, (255 * torch.tensor(pictures.mean)).round().to(torch.uint8)


# RISE


@dataclass(frozen=True, eq=False)
class RiseDraw:
    """What a network says of pictures under each of many masks.

    Attributes:
        masks: `[N, H, W]`, in [0, 1].
        scores: probability of the class in picture b under mask n, `[B, N]`.
        probability: the mean p of a mask's pixel.
    """

    masks: Tensor
    scores: Tensor
    probability: float = 0.5

    def first(self, pictures: int) -> "RiseDraw":
        """Return the draw of the first pictures alone."""
        return RiseDraw(self.masks, self.scores[:pictures], self.probability)

    def maps(self, count: int | None = None, own_mean: bool = False) -> Tensor:
        """Return RISE maps of the first `count` masks, `[B, H, W]`.

        sum_m P(c | x m) m / (N p), eq. 6 of RISE. `own_mean` divides by the mean of
        these masks at each pixel in the place of p: a pixel that was drawn more often
        than others gains nothing by it.
        """
        masks, scores = self.masks[:count], self.scores[:, :count]
        total = torch.einsum("bn,nhw->bhw", scores, masks) / len(masks)
        if not own_mean:
            return total / self.probability
        mean = masks.mean(0)
        return total / mean.where(mean > 0, 1)  # a pixel that was never shown has 0


def rise_draw(
    model: nn.Module, pictures: Pictures, count: int, seed: int, device: str = "cpu"
) -> RiseDraw:
    """Show a network pictures under `count` masks of a seed, as `rise_from_seed`."""
    images = pictures.normalised()
    size = (images.shape[2], images.shape[3])
    masks = rise_masks(count, size, generator=stream(seed, "rise masks"))
    scores = masked_scores(model, images.to(device), pictures.labels, masks)
    return RiseDraw(masks, scores.cpu())


def stabilities(
    one: RiseDraw, two: RiseDraw, counts: Sequence[int] | None = None
) -> pd.DataFrame:
    """Return how well two mask seeds agree: masks, divided by, mean and worst picture.

    `counts` defaults to 1/16, 1/8, 1/4, 1/2 and all of the masks.
    """
    number = len(one.masks)
    counts = [number // 2**k for k in (4, 3, 2, 1, 0)] if counts is None else counts
    rows = []
    for own, name in ((False, "p, as published"), (True, "the masks' own mean")):
        for count in counts:
            found = stability(one.maps(count, own), two.maps(count, own))
            rows.append(
                {
                    "masks": count,
                    "divided by": name,
                    "rank correlation": aggregate(found).mean,
                    "worst picture": float(found.nan_to_num(-1).min()),
                }
            )
    return pd.DataFrame(rows)


def masks_needed(count: int, agreement: float, wanted: float = 0.9) -> float:
    """Return how many masks would agree as wanted, if `count` agree by `agreement`.

    Spearman and Brown's formula: noise falls as 1 / N, so the odds r / (1 - r) grow as
    N. Infinite if the agreement is 0 or less.
    """
    if agreement <= 0:
        return float("inf")
    return count * wanted / (1 - wanted) * (1 - agreement) / agreement


# Maps and their scores


def cams(
    model: nn.Module, pictures: Pictures, device: str = "cpu"
) -> dict[str, Tensor]:
    """Return Grad-CAM and Grad-CAM++ of the true class, `[B, H, W]` each."""
    images, labels = pictures.normalised().to(device), pictures.labels.to(device)
    return {
        GRAD_CAM: grad_cam(model, images, labels).cpu(),
        GRAD_CAM_PP: grad_cam_pp(model, images, labels).cpu(),
    }


def references(
    model: nn.Module, pictures: Pictures, device: str = "cpu", seed: int = 0
) -> dict[str, Tensor]:
    """Return floors and ceilings in the cells of a network, `[B, H, W]` each."""
    one = pictures.first(1)
    coarse = coarse_grad_cam(model, one.normalised().to(device), one.labels.to(device))
    shape = (len(pictures), pictures.images.shape[2], pictures.images.shape[3])
    cells = (coarse.shape[1], coarse.shape[2])
    return reference_maps(shape, cells, seed, pictures.masks)


def consistency_scores(saliency: Tensor, pictures: Pictures) -> dict[str, Tensor]:
    """Return Gini, SCH, SCH less the mask's share, MOSU both ways, `[B]` each.

    What needs masks or boxes is left out where there are none.
    """
    found = {"gini": consistency.gini(saliency)}
    if pictures.masks is not None:
        found["sch"] = consistency.sch(saliency, pictures.masks, pictures.ignored)
        share = consistency.mask_share(pictures.masks, pictures.ignored)
        found["sch less area"] = found["sch"] - share
    if pictures.boxes is not None:
        both = consistency.mosu(saliency, pictures.boxes)
        found["mosu"] = both.area_to_saliency
        found["mosu reversed"] = both.saliency_to_area
    return found


def score_maps(
    model: nn.Module,
    maps: Mapping[str, Tensor],
    pictures: Pictures,
    device: str = "cpu",
) -> pd.DataFrame:
    """Return a row a map: means over pictures of insertion, deletion and the others."""
    images, labels = pictures.normalised().to(device), pictures.labels.to(device)
    rows = []
    for name, saliency in maps.items():
        curves = insertion_deletion(
            model, images, labels, saliency.to(device), orders=1
        )
        means = {
            "insertion": aggregate(curves.insertion_auc).mean,
            "deletion": aggregate(curves.deletion_auc).mean,
            **{
                key: aggregate(values).mean
                for key, values in consistency_scores(saliency, pictures).items()
            },
        }
        rows.append({"map": name} | means)
    return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class Moved:
    """The four pictures of SES for Grad-CAM: before, t(I), t(s(I)), s(t(I)); SES."""

    pictures: Pictures
    saliency: Tensor
    seen: Tensor  # t(I), uint8
    moved: Tensor  # t(s(I))
    anew: Tensor  # s(t(I))
    ses: Tensor
    by_chance: Tensor
    crops: Crops

    @property
    def excess(self) -> Tensor:
        """SES less its value by chance, `[B]`."""
        return self.ses - self.by_chance


def moved_maps(model: nn.Module, pictures: Pictures, device: str = "cpu") -> Moved:
    """Return what SES compares, with the crops that the record used."""
    images, labels = pictures.normalised().to(device), pictures.labels.to(device)
    size = (images.shape[2], images.shape[3])
    crops = random_crops(len(images), size, stream(0, "crops"))
    saliency = grad_cam(model, images, labels).cpu()
    again = crop_images(pictures.normalised(), crops)
    anew = grad_cam(model, again.to(device), labels).cpu()
    moved = crop_maps(saliency, crops)
    other = crop_maps(saliency.roll(-1, 0), crops)
    return Moved(
        pictures=pictures,
        saliency=saliency,
        seen=crop_images(pictures.images, crops),
        moved=moved,
        anew=anew,
        ses=consistency.ses(moved, anew),
        by_chance=consistency.ses(other, anew),
        crops=crops,
    )
