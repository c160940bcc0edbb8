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
NOTE = (
    "holds one picture more, which shows that features and head make the logits: "
    "{:.0f} % of the batch's pass"
)


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
    against, on = "one forward pass", ON.format(len(batch))
    more = {"bar": 1.1, "note": NOTE.format(100 * one_more(model, batch))}
    yield timed("10", "Grad-CAM", against, on, found, sense, **more)


def network() -> nn.Module:
    """Return an untrained network of the scenes, in the memory format of training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = backbone("scene-resnet", CLASSES).eval()
    return model.to(memory_format=torch.channels_last)


def one_more(model: nn.Module, batch: Tensor) -> float:
    """Return the time of one picture's pass as a share of the whole batch's."""
    found = alternate(
        lambda: bare(model, [batch]), lambda: bare(model, [batch[:1]]), 20
    )
    return found.ratio


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
