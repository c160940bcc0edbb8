"""Train a head on frozen features, which are computed once (Gairola et al. 2025).

The features of all pictures are kept as maps, so a head trains in seconds, and any
number of heads share them. Weights and order of pictures have streams of their own: two
heads of one seed that differ in their loss alone see the same batches.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
from torch import Tensor, nn

from helpers.explain.hooks import evaluating
from helpers.losses.probing import Loss
from helpers.methods.heads import GivesMaps, Head, HeadShape
from helpers.settings import Refused
from helpers.streams import stream


@dataclass(frozen=True)
class Recipe:
    """How a head is trained. Times are shares of the epochs: a shorter one is alike.

    Attributes:
        optimiser: "sgd" or "adam".
        lr: the highest learning rate.
        epochs: passes over the pictures.
        batch: pictures a step.
        momentum: of SGD; Adam has its own (.9, .999).
        weight_decay: added to the gradient as in torch.optim.
        warmup: share of the epochs in which the rate rises from 0, step by step.
        drops: shares of the epochs after which the rate is a tenth of what it was;
            none for a cosine to 0, step by step.
        keep: the last epoch's weights, or those of lowest validation loss.
    """

    optimiser: Literal["sgd", "adam"]
    lr: float
    epochs: int
    batch: int
    momentum: float = 0.9
    weight_decay: float = 0.0
    warmup: float = 0.0
    drops: tuple[float, ...] = ()
    keep: Literal["last", "best"] = "last"

    def __post_init__(self) -> None:
        """Refuse what cannot train."""
        for wrong, remedy in (
            (self.optimiser not in ("sgd", "adam"), "optimiser is 'sgd' or 'adam'"),
            (not 0 < self.lr < math.inf, "lr must be over 0"),
            (self.epochs < 1 or self.batch < 1, "epochs and batch must be 1 or more"),
            (not 0 <= self.momentum < 1, "momentum must be in [0, 1)"),
            (self.weight_decay < 0, "weight_decay must be 0 or more"),
            (not 0 <= self.warmup < 1, "warmup must be in [0, 1)"),
            (any(not 0 < one < 1 for one in self.drops), "drops must be in (0, 1)"),
            (self.keep not in ("last", "best"), "keep is 'last' or 'best'"),
        ):
            if wrong:
                raise Refused(f"recipe of a head: {remedy}, got {self}")


# "document": what the paper's text says, its learning rate as in the repository's few
# cosine configurations. "repository": most configurations of sidgairo18/how-to-probe
# (e703756) for ImageNet. "... several labels": for VOC and COCO; the repository's rate
# is 3, times 10 on the head; it names no batch size, 256 is the paper's.
RECIPES: dict[str, Recipe] = {
    "document": Recipe("adam", 1e-3, 100, 256, warmup=0.05),
    "repository": Recipe("sgd", 30.0, 100, 512, drops=(0.6, 0.8)),
    "document, several labels": Recipe("adam", 1e-3, 50, 256, warmup=0.1),
    "repository, several labels": Recipe(
        "sgd", 30.0, 50, 256, warmup=0.02, drops=tuple(n / 50 for n in range(6, 50, 6))
    ),
}


@dataclass(frozen=True, eq=False)
class Cached:
    """Frozen features of pictures, and their labels.

    Shapes: maps `[N, C, h, w]`; targets `[N]` integers, or `[N, K]` of 0 and 1.
    """

    maps: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        """Refuse features that no head can be trained on."""
        if self.maps.ndim != 4 or len(self.maps) != len(self.targets):
            raise Refused(
                f"features must be [N, C, h, w], one row a target, got "
                f"{list(self.maps.shape)} for {len(self.targets)} targets"
            )
        if not len(self.maps) or not self.maps.isfinite().all():
            raise Refused("features must be there and finite: check network and input")

    def __len__(self) -> int:
        return len(self.maps)


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained head, in evaluation mode, and the mean losses of each epoch.

    Shapes: losses `[E]`, validation `[E]` or empty where no pictures validate.
    """

    head: Head
    losses: tuple[float, ...]
    validation: tuple[float, ...]
    epoch: int  # whose weights are kept, from 0


def cached(
    network: nn.Module, images: Tensor, targets: Tensor, *, chunk: int = 128
) -> Cached:
    """Return the last feature maps of pictures, computed once, without gradient.

    Shapes: images `[N, 3, H, W]` as the network takes them, targets `[N]` or `[N, K]`.

    Raises:
        Refused: features that are not finite maps.
    """
    features = cast(GivesMaps, network).features
    with evaluating(network), torch.no_grad():
        maps = torch.cat([features(part) for part in images.split(chunk)])
    # Channels last: a layer of 1 x 1 is then one product of matrices.
    return Cached(maps.contiguous(memory_format=torch.channels_last), targets)


def pooled(features: Cached) -> Cached:
    """Return the mean over the cells as maps of one cell, `[N, C, 1, 1]`."""
    return replace(features, maps=features.maps.mean((2, 3), keepdim=True))


def train_head(
    shape: HeadShape,
    features: Cached,
    classes: int,
    loss: Loss,
    recipe: Recipe,
    seed: int,
    validation: Cached | None = None,
) -> Trained:
    """Return a head trained on frozen features; twice the same bits.

    Each step lowers loss(mean over cells of head(maps)) on a batch. A linear head is
    trained on the mean of the cells, which gives it the same logits.

    Raises:
        Refused: labels that do not fit, a best epoch without validation pictures, a
            loss that is no longer finite.
    """
    if recipe.keep == "best" and validation is None:
        raise Refused("keep='best' needs validation pictures: give some, or 'last'")
    head = Head(shape, features.maps.shape[1], classes)
    head.reset(stream(seed, "initialisation"))
    head.to(features.maps)  # drawn in float32 whatever the features are
    if head.is_linear:
        features = pooled(features)
        validation = None if validation is None else pooled(validation)
    best = head.state_dict()
    optimiser = _optimiser(head, recipe)
    steps = math.ceil(len(features) / recipe.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda k: rate(recipe, k, steps)
    )
    losses, judged, chosen = [], [], recipe.epochs - 1
    for epoch in range(recipe.epochs):
        head.train()
        order = torch.randperm(len(features), generator=stream(seed, "order", epoch))
        total = 0.0
        for rows in order.split(recipe.batch):
            optimiser.zero_grad(set_to_none=True)
            found = loss(head_logits(head, features.maps[rows]), features.targets[rows])
            found.backward()
            optimiser.step()
            schedule.step()
            total += found.item() * len(rows)
        losses.append(total / len(features))
        if not math.isfinite(losses[-1]):
            raise Refused(
                f"the loss of the head is {losses[-1]} in epoch {epoch}: take a lower "
                f"learning rate than {recipe.lr}"
            )
        head.eval()
        if validation is not None:
            judged.append(_loss_on(head, validation, loss, recipe.batch))
            earlier = min(judged[:-1], default=math.inf)
            if recipe.keep == "best" and judged[-1] < earlier:
                chosen = epoch
                best = {k: v.clone() for k, v in head.state_dict().items()}
    if recipe.keep == "best":
        head.load_state_dict(best)
    head.eval().requires_grad_(False)
    return Trained(head, tuple(losses), tuple(judged), chosen)


def random_head(shape: HeadShape, channels: int, classes: int, seed: int) -> Head:
    """Return a head that was never trained: the control of every probe."""
    head = Head(shape, channels, classes)
    head.reset(stream(seed, "initialisation"))
    return head.eval().requires_grad_(False)


def head_logits(head: Callable[[Tensor], Tensor], maps: Tensor) -> Tensor:
    """Return the mean over the cells of a head's logits, `[B, C, h, w]` -> `[B, K]`."""
    return head(maps).mean((2, 3))


@torch.no_grad()
def predicted(head: Head, features: Cached, *, chunk: int = 256) -> Tensor:
    """Return the logits of cached pictures, `[N, K]`."""
    with evaluating(head):
        parts = [head_logits(head, maps) for maps in features.maps.split(chunk)]
    return torch.cat(parts)


def rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the factor of the learning rate at a step, of `steps` an epoch.

    With W steps of warm-up of K: (k + 1) / W at k < W; then .1 for each drop whose
    epoch has begun, or, without drops, (1 + cos(pi (k - W) / (K - W))) / 2.
    """
    whole = recipe.epochs * steps
    warm = round(recipe.warmup * whole)
    if step < warm:
        return (step + 1) / warm
    if recipe.drops:
        # An epoch number, so that a drop falls between epochs; 1e-9: .6 of 5 is 3.
        epoch = step // steps
        return 0.1 ** sum(epoch >= one * recipe.epochs - 1e-9 for one in recipe.drops)
    return (1 + math.cos(math.pi * (step - warm) / max(whole - warm, 1))) / 2


def _optimiser(head: Head, recipe: Recipe) -> torch.optim.Optimizer:
    weights = [weight for weight in head.parameters() if weight.requires_grad]
    if recipe.optimiser == "adam":
        return torch.optim.Adam(weights, lr=recipe.lr, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(
        weights,
        lr=recipe.lr,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
    )


@torch.no_grad()
def _loss_on(head: Head, features: Cached, loss: Loss, batch: int) -> float:
    """Return the mean loss over pictures, in evaluation mode."""
    logits = torch.cat([head_logits(head, one) for one in features.maps.split(batch)])
    return float(loss(logits, features.targets))
