"""SimCLR (Chen et al. 2020): two views of a picture find each other, without labels.

Of the frameworks that Gairola et al. (2025) probe, MoCo v2 has this contrast too, with
a queue and a slow copy of the network for many negatives at a small batch; at the size
of scenes the batch gives enough. Views are drawn picture by picture, in the batch.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.data.catalog import normalise
from helpers.data.geometry import crop_images, random_crops
from helpers.explain.hooks import evaluating
from helpers.methods.heads import GivesMaps
from helpers.methods.muon import Muon
from helpers.settings import Refused
from helpers.streams import stream

CHUNK = 128  # pictures a forward pass without gradient
BETAS = (0.9, 0.98)
GREY = (0.2989, 0.587, 0.114)  # of red, green, blue: torchvision's


@dataclass(frozen=True)
class Views:
    """How a view is drawn (Chen et al. 2020, appendix A), without hue and blur.

    Attributes:
        least_area: of the crop, as a share of the picture.
        jitter: brightness, contrast and saturation are each times 1 - j to 1 + j.
        grey: probability that a view has no colour.
        permuted: whether red, green and blue change places at random: the strongest
            change of hue, without which views are told apart by their colours.
        flip: whether half of the views are mirrored.
    """

    least_area: float = 0.4
    jitter: float = 0.4
    grey: float = 0.2
    permuted: bool = True
    flip: bool = True

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if not (0 < self.least_area <= 1 and 0 <= self.jitter < 1):
            raise Refused("least_area must be in (0, 1] and jitter in [0, 1)")
        if not 0 <= self.grey <= 1:
            raise Refused(f"grey is a probability, got {self.grey}")


@dataclass(frozen=True)
class Pretraining:
    """How a network is trained without labels: cosine to 0 over all steps.

    Muon turns the filters, AdamW does the rest, as for this book's tiny CLIP.

    Batches are drawn at random, or "alike": a picture and those that the untrained
    network finds nearest. Among scenes of all places the place is enough to find the
    twin, and random weights know it already; among scenes of one place it is not.
    """

    epochs: int = 20
    batch: int = 100
    lr: float = 1e-3
    filters_lr: float = 0.02  # of convolutions, by Muon
    weight_decay: float = 0.05
    temperature: float = 0.2
    projection: int = 64  # numbers a view, in which the contrast is made
    batches: Literal["alike", "random"] = "alike"
    views: Views = field(default_factory=Views)

    def __post_init__(self) -> None:
        """Refuse what cannot train."""
        if self.epochs < 1 or self.batch < 2 or self.projection < 2:
            raise Refused("epochs >= 1, batch >= 2 and projection >= 2 are needed")
        rates = (self.lr, self.filters_lr, self.temperature)
        if not all(0 < one < math.inf for one in rates):
            raise Refused(f"learning rates and temperature must be over 0, got {rates}")


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Return the loss of Chen et al. (2020, eq. 1), its mean over both views, nats.

    Of the 2 B - 1 other views u_j of the batch a view u_i must find its twin:
    -log exp(u_i . u_t(i) / T) / sum_{j != i} exp(u_i . u_j / T), u of length 1.

    Shapes: `[B, D]` each, row b of both from picture b -> a number. Range: over 0;
    log(2 B - 1) where all views are one point.

    Raises:
        Refused: views of different shapes, or fewer than two pictures.
    """
    if first.shape != second.shape or first.ndim != 2 or len(first) < 2:
        got = f"{list(first.shape)} and {list(second.shape)}"
        raise Refused(f"two views must be [B, D] each, B >= 2, got {got}")
    both = F.normalize(torch.cat([first, second]), dim=1)  # [2 B, D]
    alike = both @ both.T / temperature
    alike = alike.masked_fill(torch.eye(len(both), dtype=torch.bool), -math.inf)
    twin = torch.arange(len(both)).roll(len(first))
    return F.cross_entropy(alike, twin)


def views(images: Tensor, how: Views, generator: torch.Generator) -> Tensor:
    """Return one view of each picture, drawn picture by picture.

    Cropped and resized as torchvision's RandomResizedCrop, mirrored, its channels in
    another order, then its brightness, contrast and saturation changed (`coloured`).

    Shapes: images `[B, 3, H, W]` uint8 -> float `[B, 3, H, W]`, in [0, 1].
    """
    count, _, height, width = images.shape
    crops = random_crops(
        count, (height, width), generator, (how.least_area, 1.0), flip=how.flip
    )
    factors = 1 + how.jitter * (2 * torch.rand(count, 3, generator=generator) - 1)
    grey = torch.rand(count, generator=generator) < how.grey
    factors[grey, 2] = 0
    channels = torch.rand(count, 3, generator=generator).argsort(1)
    moved = crop_images(images.float() / 255, crops)
    if how.permuted:
        moved = moved.gather(1, channels[:, :, None, None].expand_as(moved))
    return coloured(moved, factors)


def coloured(images: Tensor, factors: Tensor) -> Tensor:
    """Return pictures with brightness, contrast and saturation times their factors.

    Each step is a blend f x + (1 - f) y, cut to [0, 1]: with y black, the mean grey of
    the picture, and its own grey; the three of torchvision's ColorJitter.

    Shapes: images `[B, 3, H, W]` in [0, 1], factors `[B, 3]`, 0 or more -> the same.
    """
    weights = images.new_tensor(GREY)
    brightness, contrast, saturation = factors.to(images)[
        :, :, None, None, None
    ].unbind(1)
    images = (images * brightness).clamp(0, 1)
    grey = torch.einsum("bchw,c->bhw", images, weights)[:, None]
    middle = grey.mean((2, 3), keepdim=True)
    images = (contrast * images + (1 - contrast) * middle).clamp(0, 1)
    grey = torch.einsum("bchw,c->bhw", images, weights)[:, None]
    return (saturation * images + (1 - saturation) * grey).clamp(0, 1)


class Projected(nn.Module):
    """A network's pooled features through an MLP of two layers (section 4.2)."""

    def __init__(self, network: nn.Module, channels: int, projection: int) -> None:
        super().__init__()
        self.network = network
        self.project = nn.Sequential(
            nn.utils.skip_init(nn.Linear, channels, channels),
            nn.ReLU(),
            nn.utils.skip_init(nn.Linear, channels, projection),
        )

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the projection's weights anew, N(0, 2 / fan_in), biases 0."""
        for layer in self.project:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(
                    layer.weight,
                    std=(2 / layer.in_features) ** 0.5,
                    generator=generator,
                )
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return `[B, D]` of pictures `[B, 3, H, W]`."""
        features = cast(GivesMaps, self.network).features(images)
        return self.project(features.mean((2, 3)))


@torch.no_grad()
def pooled_features(
    network: nn.Module, images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]
) -> Tensor:
    """Return the mean of the cells of pictures, in evaluation mode.

    Shapes: images `[N, 3, H, W]` uint8 -> `[N, C]`.
    """
    features = cast(GivesMaps, network).features
    with evaluating(network):
        parts = [
            features(normalise(part, mean, std)).mean((2, 3))
            for part in images.split(CHUNK)
        ]
    return torch.cat(parts)


def batches(
    likeness: Tensor | None, count: int, batch: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Yield the rows of an epoch's batches: at random, or each of pictures alike.

    With features `[N, C]` a batch is a random picture of those left and its nearest of
    them, by the cosine of centred features. What fills no batch is left out.
    """
    order = torch.randperm(count, generator=generator)
    if likeness is None:
        yield from order[: count // batch * batch].split(batch)
        return
    unit = F.normalize(likeness - likeness.mean(0), dim=1)
    left = torch.ones(count, dtype=torch.bool)
    for _ in range(count // batch):
        first = order[left[order]][0]
        near = (unit @ unit[first]).masked_fill(~left, -2.0)
        near[first] = 2.0  # itself, whatever its features are
        rows = near.topk(batch).indices
        left[rows] = False
        yield rows


def pretrain(
    network: nn.Module,
    images: Tensor,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    how: Pretraining,
    seed: int,
    report: Callable[[str], None] | None = None,
) -> tuple[float, ...]:
    """Train a network's features without labels, in place; return each epoch's loss.

    Twice the same bits. The network is left in evaluation mode; its own classifier, if
    it has one, is not touched.

    Args:
        network: with features(images) -> `[B, C, h, w]`, initialised.
        images: pictures `[N, 3, H, W]` uint8.
        mean: of the normalisation, per channel.
        std: of the same.
        how: epochs, batch, rates, views.
        seed: of projection, order and views.
        report: is told each epoch's loss.

    Raises:
        Refused: fewer pictures than a batch, a loss that is no longer finite.
    """
    if len(images) < how.batch:
        raise Refused(f"{len(images)} pictures are fewer than a batch of {how.batch}")
    start = pooled_features(network, images, mean, std)
    likeness = start if how.batches == "alike" else None
    model = Projected(network, start.shape[1], how.projection)
    model.initialise(stream(seed, "projection"))
    model.train()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups: list[dict[str, Any]] = [
        {
            "params": [weight for weight in weights if weight.ndim == 4],
            "lr": how.filters_lr,
            "orthogonal": True,
        },
        {"params": [weight for weight in weights if weight.ndim != 4]},
    ]
    optimiser = Muon(groups, how.lr, BETAS, weight_decay=how.weight_decay)
    steps = how.epochs * (len(images) // how.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda k: (1 + math.cos(math.pi * k / steps)) / 2
    )
    losses = []
    for epoch in range(how.epochs):
        order = stream(seed, "order", epoch)
        generator = stream(seed, "views", epoch)
        total = 0.0
        for rows in batches(likeness, len(images), how.batch, order):
            pair = torch.cat([views(images[rows], how.views, generator) for _ in "ab"])
            # normalise takes 0 to 255: views are in [0, 1]
            shown = normalise(pair * 255, mean, std)
            optimiser.zero_grad(set_to_none=True)
            first, second = model(shown).chunk(2)
            found = nt_xent(first, second, how.temperature)
            found.backward()
            optimiser.step()
            schedule.step()
            total += found.item() * len(rows)
        losses.append(total / (len(images) // how.batch * how.batch))
        if not math.isfinite(losses[-1]):
            raise Refused(f"the loss is {losses[-1]} in epoch {epoch}: lower lr")
        if report:
            report(f"epoch {epoch}: loss {losses[-1]:.3f}")
    network.eval()
    return tuple(losses)
