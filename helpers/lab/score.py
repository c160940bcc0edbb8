"""The scores of a run: what its record holds, one value a picture."""

from collections.abc import Callable
from typing import Any

import torch
from open_clip.model import CLIP
from torch import Tensor, nn

from helpers.data import catalog
from helpers.data.scenes import CLASS_NAMES, CUES, draw_scenes, family_distance
from helpers.explain.cam import coarse_grad_cam, upsample
from helpers.language.tiny_clip import (
    build_tiny_clip,
    class_bearing_features,
    class_prompts,
    text_features,
    zero_shot,
)
from helpers.measure.language import mantel, text_distances
from helpers.measure.perturbation import extremes, insertion_deletion
from helpers.measure.reference_maps import reference_maps
from helpers.settings import RunSettings

FEATURES: dict[str, Callable[[CLIP], Tensor]] = {
    "pooled": lambda model: text_features(model, class_prompts(CLASS_NAMES)).cpu(),
    "token": lambda model: class_bearing_features(model, CLASS_NAMES).cpu(),
}


def score_classifier(settings: RunSettings, model: nn.Module) -> dict[str, Any]:
    """Return accuracies, and insertion and deletion of Grad-CAM with its references.

    Accuracy on the validation and the test pictures, and for scenes on the same test
    scenes at home ("on"), never at home ("off") and anywhere ("decorrelated"). Maps
    explain the true class; of each picture: both areas, both in units of the full
    picture's probability, and the share of tied pixels.
    """
    data, device = settings.data, settings.device
    test = catalog.load(data, "test")
    validation = catalog.load(data, "validation")
    hits = correct(model, test, device)
    accuracy = {
        "validation": correct(model, validation, device).float().mean().item(),
        "test": hits.float().mean().item(),
    }
    if data.name == "scenes":
        for cue, value in CUES.items():
            pictures = catalog.load(data, "test", cue=value)
            accuracy[cue] = correct(model, pictures, device).float().mean().item()

    shown = test.first(data.explained)
    images, targets = shown.normalised().to(device), shown.labels.to(device)
    coarse = coarse_grad_cam(model, images, targets)  # [B, h, w]
    size = (images.shape[2], images.shape[3])
    maps = {"Grad-CAM": upsample(coarse, size)}
    cells = (coarse.shape[1], coarse.shape[2])
    shape = (len(shown), *size)
    references = reference_maps(shape, cells, seed=0, masks=shown.masks)
    maps |= references

    scores: dict[str, Any] = {}
    for name, saliency in maps.items():
        curves = insertion_deletion(
            model, images, targets, saliency.to(device), orders=1
        )
        scores[name] = {
            "insertion": curves.insertion_auc.tolist(),
            "deletion": curves.deletion_auc.tolist(),
            "relative insertion": curves.relative_insertion_auc.tolist(),
            "relative deletion": curves.relative_deletion_auc.tolist(),
            "tied": curves.tied.tolist(),
        }
    empty = extremes(model, images, targets)
    return {
        "accuracy": accuracy,
        "correct": hits.int().tolist(),
        "full": curves.full.tolist(),
        "full_correct": curves.correct.int().tolist(),
        "maps": scores,
        "extremes": {
            "blurred": _finite(empty.blurred),
            "deleted": _finite(empty.deleted),
            "chance": empty.chance,
        },
    }


def score_language(settings: RunSettings, model: nn.Module) -> dict[str, Any]:
    """Return zero-shot accuracy, and rank correlations of text with planted distances.

    Zero-shot on test scenes of one object, without a cue; distances of pooled features
    and of the name's own tokens, also for the same tower with random weights.
    """
    assert isinstance(model, CLIP)
    data = settings.data
    scenes = draw_scenes(data.test, "test", data.size, seed=data.seed, single=True)
    images = catalog.normalise(scenes.images, *catalog.NORMALISATION["scenes"])
    named = zero_shot(model, images.to(settings.device), CLASS_NAMES).cpu()
    planted = family_distance()
    random = build_tiny_clip(settings.seed).to(settings.device).eval()
    scores: dict[str, float] = {
        "zero-shot": (named == scenes.labels).float().mean().item()
    }
    for kind, features in FEATURES.items():
        rho, p = mantel(text_distances(features(model)), planted)
        scores |= {f"{kind} rho": rho, f"{kind} p": p}
        rho, _ = mantel(text_distances(features(random)), planted)
        scores[f"{kind} rho, random tower"] = rho
    return {"language": scores}


@torch.no_grad()
def correct(
    model: nn.Module, pictures: catalog.Pictures, device: str = "cpu"
) -> Tensor:
    """Return whether the first choice is the label, `[N]` bool."""
    model.eval()
    hits = []
    for images, labels in zip(
        pictures.images.split(256), pictures.labels.split(256), strict=True
    ):
        taken = catalog.normalise(images.to(device), pictures.mean, pictures.std)
        hits.append(model(taken).argmax(1).cpu() == labels)
    return torch.cat(hits)


def _finite(values: Tensor) -> list[float | None]:
    return [None if v != v else v for v in values.tolist()]
