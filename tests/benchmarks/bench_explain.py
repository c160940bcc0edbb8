"""Rows 8 to 10: explanations and their scores against bare forward passes."""

from collections.abc import Iterator

import torch
from rows import Row, timed
from torch import Tensor, nn

from helpers.explain.cam import grad_cam
from helpers.explain.rise import rise_from_seed
from helpers.lab.pairs import alternate
from helpers.measure.perturbation import insertion_deletion
from helpers.streams import stream
from helpers.vision import backbone

THREADS = 1
CLASSES, SIDE = 24, 64
ON = "scene-resnet, 64 px, {} pictures"


def rows(pictures: int = 100, masks: int = 2000, pairs: int = 9) -> Iterator[Row]:
    """Yield the rows; RISE takes 4 pictures."""
    model = network()
    images = torch.randn(pictures, 3, SIDE, SIDE, generator=stream(0, "pictures"))
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(pictures) % CLASSES
    maps = grad_cam(model, images, labels)
    shown = Shown(model)
    insertion_deletion(shown, images, labels, maps)
    batches, shown.batches = shown.batches, []
    found = alternate(
        lambda: bare(model, batches),
        lambda: insertion_deletion(model, images, labels, maps),
        pairs,
    )
    against = f"{sum(len(batch) for batch in batches):,} bare forward passes"
    on = ON.format(pictures)
    sense = "at most"
    yield timed("8", "insertion + deletion", against, on, found, sense, bar=1.15)

    few, first = images[:4], labels[:4]
    rise_from_seed(shown, few, first, masks)
    batches = shown.batches
    found = alternate(
        lambda: bare(model, batches),
        lambda: rise_from_seed(model, few, first, masks),
        max(5, pairs // 2),
    )
    against = f"{sum(len(batch) for batch in batches):,} bare forward passes"
    what = f"RISE, {masks:,} masks"
    yield timed("9", what, against, ON.format(4), found, sense, bar=1.15)

    batch, wanted = images[:64], labels[:64]
    found = alternate(
        lambda: bare(model, [batch]), lambda: grad_cam(model, batch, wanted), 5 * pairs
    )
    against = "one forward pass"
    yield timed("10", "Grad-CAM", against, ON.format(len(batch)), found, sense, bar=1.1)


def network() -> nn.Module:
    """Return an untrained network of the scenes, in the memory format of training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = backbone("scene-resnet", CLASSES).eval()
    return model.to(memory_format=torch.channels_last)


class Shown:
    """A model that keeps what it is shown."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.batches: list[Tensor] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.batches.append(images.clone(memory_format=torch.preserve_format))
        return self.model(images)


@torch.no_grad()
def bare(model: nn.Module, batches: list[Tensor]) -> None:
    """Run the network on batches as they are."""
    for batch in batches:
        model(batch)
