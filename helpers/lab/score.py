"""The scores of a run: what its record holds, one value a picture."""

from typing import Any

import torch
from torch import Tensor, nn

from helpers.data import catalog
from helpers.data.scenes import CUES
from helpers.explain.cam import coarse_grad_cam, grad_cam
from helpers.measure.perturbation import extremes, insertion_deletion
from helpers.measure.reference_maps import reference_maps
from helpers.settings import RunSettings

EXPLAINED = 64  # test pictures with maps: insertion and deletion cost 57 passes each


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

    shown = test.first(EXPLAINED)
    images, targets = shown.normalised().to(device), shown.labels.to(device)
    maps = {"Grad-CAM": grad_cam(model, images, targets)}
    cells = coarse_grad_cam(model, images[:1], targets[:1]).shape[1:]
    masks = shown.masks
    if masks is None:
        masks = torch.ones(len(shown), *images.shape[2:], dtype=torch.bool)
    references = reference_maps(masks, (int(cells[0]), int(cells[1])), seed=0)
    if shown.masks is None:
        references = {k: v for k, v in references.items() if "mask" not in k}
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
