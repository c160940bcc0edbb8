"""Logits, and Grad-CAM with its floors and ceilings, in parts that fit the memory."""

import torch
from torch import Tensor, nn

from helpers.data import catalog
from helpers.data.catalog import Pictures
from helpers.explain.cam import coarse_grad_cam, upsample
from helpers.measure.reference_maps import reference_maps

CHUNK = 256
PIXELS = 2**20  # of the pictures of a forward pass, at most
DECIMALS = 5


@torch.no_grad()
def logits(model: nn.Module, pictures: Pictures, device: str = "cpu") -> Tensor:
    """Return the logits of each picture, `[N, K]`, on the CPU."""
    model.eval()
    parts = []
    for images in pictures.images.split(chunk_of(pictures.images, CHUNK)):
        taken = catalog.normalise(images.to(device), pictures.mean, pictures.std)
        parts.append(model(taken).cpu())
    return torch.cat(parts)


def grad_cam_of(
    model: nn.Module, images: Tensor, targets: Tensor, device: str
) -> tuple[Tensor, Tensor]:
    """Return Grad-CAM in the size of the picture and in cells, on the CPU."""
    chunk = chunk_of(images)
    parts = [
        coarse_grad_cam(model, some.to(device), labels.to(device), chunk=chunk).cpu()
        for some, labels in zip(images.split(CHUNK), targets.split(CHUNK), strict=True)
    ]
    coarse = torch.cat(parts)  # [B, h, w]
    return upsample(coarse, size_of(images)), coarse


def beside(
    saliency: Tensor,
    coarse: Tensor,
    pictures: Pictures,
    seed: int = 0,
    masks: Tensor | None = None,
) -> list[tuple[str, Tensor]]:
    """Return Grad-CAM and its references, by name; `masks` take the pictures' place."""
    known = pictures.masks if masks is None else masks
    cells = (coarse.shape[1], coarse.shape[2])
    shape = (len(saliency), *size_of(saliency))
    references = reference_maps(shape, cells, seed=seed, masks=known)
    return [("Grad-CAM", saliency), *references.items()]


def chunk_of(images: Tensor, most: int = 64) -> int:
    """Return how many pictures a forward pass takes: fewer of large ones."""
    return max(1, min(most, PIXELS // (images.shape[-2] * images.shape[-1])))


def size_of(images: Tensor) -> tuple[int, int]:
    """Return height and width."""
    return images.shape[-2], images.shape[-1]


def rounded(values: Tensor) -> list[float | None]:
    """Return what a record holds of scores: five decimals, None for NaN."""
    return [None if v != v else round(v, DECIMALS) for v in values.tolist()]
