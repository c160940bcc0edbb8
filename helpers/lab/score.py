"""The scores of a classifier: what its record holds, one value a picture."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from helpers.data import catalog, geometry, red_dot
from helpers.data.catalog import Pictures
from helpers.data.scenes import CUES
from helpers.explain.cam import coarse_grad_cam, upsample
from helpers.lab import place
from helpers.lab.maps import (
    CHUNK,
    beside,
    chunk_of,
    grad_cam_of,
    logits,
    rounded,
    size_of,
)
from helpers.measure import consistency
from helpers.measure.perturbation import Curves, extremes, insertion_deletion
from helpers.settings import RunSettings
from helpers.streams import stream

MANY = 20  # classes, from which on top-5 is told, and top-2 of fewer


def score_classifier(settings: RunSettings, model: nn.Module) -> dict[str, Any]:
    """Return accuracies, and the scores of Grad-CAM with its floors and ceilings.

    Accuracy on the validation and the test pictures, also top-5, or top-2 where classes
    are few, and for scenes on the same test scenes at home ("on"), never at home
    ("off") and anywhere ("decorrelated"). Maps explain the true class. `maps`:
    insertion and deletion on the first test pictures, `consistency`: SES, SCH, MOSU and
    Gini on all of them, `place`: as `place.placed`, on all too, `grids`: GridPG, a
    value a grid, `shares`: the thresholds of IoU, chosen on validation pictures; with a
    planted dot, all of them for pictures of its class that carry it, under `dot`.
    """
    data, device = settings.data, settings.device
    test = catalog.load(data, "test")
    validation = catalog.load(data, "validation")
    ranks = label_ranks(logits(model, test, device), test.labels)
    hits = ranks == 0
    first = 5 if len(test.class_names) >= MANY else 2
    accuracy = {
        "validation": correct(model, validation, device).float().mean().item(),
        "test": hits.float().mean().item(),
        f"top-{first}": (ranks < first).float().mean().item(),
    }
    if data.name == "scenes":
        for cue, value in CUES.items():
            pictures = catalog.load(data, "test", cue=value)
            accuracy[cue] = correct(model, pictures, device).float().mean().item()
    shown = test.first(data.explained)
    maps, curves = perturbed(model, shown, device)
    images = shown.normalised().to(device)
    empty = extremes(model, images, shown.labels.to(device), chunk=chunk_of(images))
    shares = place.chosen_shares(model, validation.first(CHUNK), device)
    scores = {
        "accuracy": accuracy,
        "correct": hits.int().tolist(),
        "full": curves.full.tolist(),
        "full_correct": curves.correct.int().tolist(),
        "maps": maps,
        "consistency": consistent(model, test, device),
        "shares": shares,
        "place": place.placed(model, test, shares, device),
        "grids": place.pointed(model, test, place.draw_grids(test.labels), device),
        "extremes": {
            "blurred": _finite(empty.blurred),
            "deleted": _finite(empty.deleted),
            "chance": empty.chance,
        },
    }
    if data.dot is not None:
        scores["dot"] = dotted(settings, model, test, shares)
    return scores


def perturbed(
    model: nn.Module, pictures: Pictures, device: str = "cpu"
) -> tuple[dict[str, Any], Curves]:
    """Return insertion and deletion of each map, `[name][score]`, one value a picture.

    Both areas, both in units of the full picture's probability, and the share of tied
    pixels; and the curves of the last map, which know the full pictures.
    """
    images = pictures.normalised().to(device)
    targets = pictures.labels.to(device)
    chunk = chunk_of(images)
    coarse = coarse_grad_cam(model, images, targets, chunk=chunk)  # [B, h, w]
    scores: dict[str, Any] = {}
    for name, saliency in beside(upsample(coarse, size_of(images)), coarse, pictures):
        curves = insertion_deletion(
            model, images, targets, saliency.to(device), orders=1, chunk=chunk
        )
        scores[name] = _areas(curves)
    return scores, curves


def perturbed_alone(
    model: nn.Module, pictures: Pictures, device: str = "cpu"
) -> Curves:
    """Return the curves of Grad-CAM, without its references."""
    images = pictures.normalised().to(device)
    targets, chunk = pictures.labels.to(device), chunk_of(images)
    saliency = upsample(
        coarse_grad_cam(model, images, targets, chunk=chunk), size_of(images)
    )
    return insertion_deletion(model, images, targets, saliency, orders=1, chunk=chunk)


def consistent(
    model: nn.Module, pictures: Pictures, device: str = "cpu"
) -> dict[str, Any]:
    """Return SES, SCH, MOSU and Gini of each map, `[name][score]`, one value a picture.

    SES also less its value by chance, SCH less the mask's share, MOSU both ways. None
    where a score is not defined; without masks or boxes their scores are left out.
    """
    images = pictures.normalised()
    crops = geometry.random_crops(len(images), size_of(images), stream(0, "crops"))
    masks = pictures.masks
    moved_masks = None if masks is None else geometry.crop_masks(masks, crops)
    before, coarse = grad_cam_of(model, images, pictures.labels, device)
    after, _ = grad_cam_of(
        model, geometry.crop_images(images, crops), pictures.labels, device
    )
    anew = dict(beside(after, coarse, pictures, 1, moved_masks))
    scores: dict[str, Any] = {}
    for name, saliency in beside(before, coarse, pictures):
        ses = consistency.ses(geometry.crop_maps(saliency, crops), anew[name])
        others = geometry.crop_maps(saliency.roll(-1, 0), crops)
        found = {
            "ses": ses,
            "ses less chance": ses - consistency.ses(others, anew[name]),
            "gini": consistency.gini(saliency),
        }
        if masks is not None:
            found["sch"] = consistency.sch(saliency, masks, pictures.ignored)
            share = consistency.mask_share(masks, pictures.ignored)
            found["sch less area"] = found["sch"] - share
        if pictures.boxes is not None:
            mosu = consistency.mosu(saliency, pictures.boxes)
            found["mosu"] = mosu.area_to_saliency
            found["mosu reversed"] = mosu.saliency_to_area
        scores[name] = {score: rounded(values) for score, values in found.items()}
    return scores


def dotted(
    settings: RunSettings,
    model: nn.Module,
    test: Pictures,
    shares: Mapping[str, float],
) -> dict[str, Any]:
    """Return what the planted dot does to a network, and what its maps' scores say.

    `flips`: of the other classes' test pictures that are not called the dot's class,
    the share that is when they carry the dot; `target` with and without it: accuracy
    on the class's own pictures. `maps`, `consistency` and `place` as of the test
    pictures, on pictures of the class with the dot, `grids`: GridPG of each of them
    among others; `on the dot`: the share of Grad-CAM's mass. `absent`: the same on the
    same pictures without the dot.
    """
    dot, device = settings.data.dot, settings.device
    assert dot is not None
    own = test.rows(test.labels == dot.target)
    others = test.rows(test.labels != dot.target)

    def planted(pictures: Pictures) -> Pictures:
        images = red_dot.draw_dot(pictures.images, dot.radius, dot.colour, dot.position)
        return replace(pictures, images=images)

    where = red_dot.dot_mask(size_of(own.images), dot.radius, dot.position)
    around = place.grids_around(len(own), others.labels)

    def of_class(pictures: Pictures, maps: Mapping[str, Any]) -> dict[str, Any]:
        saliency, _ = grad_cam_of(model, pictures.normalised(), own.labels, device)
        on_dot = consistency.sch(saliency, where.expand(len(own), -1, -1))
        among = _joined(others, pictures)
        return {
            "on the dot": rounded(on_dot),
            "maps": maps,
            "consistency": consistent(model, pictures, device),
            "place": place.placed(model, pictures, shares, device),
            "grids": place.pointed(model, among, around, device),
        }

    plain = predicted(model, others, device) == dot.target
    called = predicted(model, planted(others), device) == dot.target
    carrying = planted(own)
    maps, curves = perturbed(model, carrying, device)
    without = perturbed_alone(model, own, device)
    return {
        "flips": called[~plain].float().mean().item(),
        "target, with the dot": correct(model, carrying, device).float().mean().item(),
        "target, without": correct(model, own, device).float().mean().item(),
        "full": curves.full.tolist(),
        "full_correct": curves.correct.int().tolist(),
        **of_class(carrying, maps),
        "absent": {
            "full": without.full.tolist(),
            "full_correct": without.correct.int().tolist(),
            **of_class(own, {"Grad-CAM": _areas(without)}),
        },
    }


def correct(model: nn.Module, pictures: Pictures, device: str = "cpu") -> Tensor:
    """Return whether the first choice is the label, `[N]` bool."""
    return predicted(model, pictures, device) == pictures.labels


def predicted(model: nn.Module, pictures: Pictures, device: str = "cpu") -> Tensor:
    """Return the first choice of each picture, `[N]`."""
    return logits(model, pictures, device).argmax(1)


def label_ranks(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many classes come before the label, `[N]`: 0 where it is the first.

    Of classes with equal logits the first comes first, so that a network that tells
    nothing apart has top-k accuracy k / K, not 1.

    Shapes: logits `[N, K]`, labels `[N]` -> `[N]`. Range: 0 to K - 1.
    """
    own = logits.gather(1, labels[:, None])  # [N, 1]
    later = torch.arange(logits.shape[1], device=logits.device) > labels[:, None]
    behind = (logits < own) | ((logits == own) & later)  # none of a NaN: it comes last
    return logits.shape[1] - 1 - behind.sum(1)


def _areas(curves: Curves) -> dict[str, list[float]]:
    """Return both areas, both relative to the full picture's, and the tied share."""
    return {
        "insertion": curves.insertion_auc.tolist(),
        "deletion": curves.deletion_auc.tolist(),
        "relative insertion": curves.relative_insertion_auc.tolist(),
        "relative deletion": curves.relative_deletion_auc.tolist(),
        "tied": curves.tied.tolist(),
    }


def _joined(first: Pictures, then: Pictures) -> Pictures:
    """Return pictures and labels of both, in this order, and nothing else of them."""
    return Pictures(
        torch.cat([first.images, then.images]),
        torch.cat([first.labels, then.labels]),
        first.class_names,
        first.mean,
        first.std,
    )


def _finite(values: Tensor) -> list[float | None]:
    return [None if v != v else v for v in values.tolist()]
