"""Any CLIP trained on pictures and their captions, in a plain loop.

What `helpers.methods.clip` is to the tiny CLIP of the laboratory, for towers that are
varied: every draw has a stream of its own, and a seed gives the same bits twice.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from helpers.data.catalog import normalise
from helpers.language.tiny_clip import LARGEST_SCALE, contrastive_loss
from helpers.methods.muon import Muon
from helpers.settings import Refused
from helpers.streams import stream

Matrices = Literal["adamw", "muon"]
BETAS = (0.9, 0.98)  # as Radford et al. 2021
ORTHOGONAL = {"orthogonal": True}  # a group of `Muon`


@dataclass(frozen=True)
class Pairing:
    """How a CLIP is trained: a warm-up, then a cosine to 0.

    Attributes:
        matrices: how those of the image tower are trained, filters too: by "adamw" as
            all else, or by "muon", made orthogonal (`helpers.methods.muon`).
        epochs: over all pictures.
        batch: pairs that must tell each other apart.
        lr: of the image tower, after the warm-up.
        matrix_lr: of its matrices, by "muon".
        text_lr: of all else; the scale's is a hundredth of `lr`.
        weight_decay: of weights with two axes or more.
        warm_up: steps of the warm-up, at most a tenth of all.
    """

    matrices: Matrices = "adamw"
    epochs: int = 10
    batch: int = 128
    lr: float = 1e-3
    matrix_lr: float = 0.02
    text_lr: float = 7e-4
    weight_decay: float = 0.05
    warm_up: int = 50

    def __post_init__(self) -> None:
        """Refuse what cannot train."""
        if self.epochs < 1 or self.batch < 2 or self.warm_up < 0:
            raise Refused("epochs >= 1, batch >= 2 and warm_up >= 0 are needed")
        rates = (self.lr, self.text_lr, self.matrix_lr)
        if not all(0 < one < math.inf for one in rates) or self.weight_decay < 0:
            raise Refused("learning rates must be over 0, weight_decay 0 or more")
        if self.matrices not in ("adamw", "muon"):
            raise Refused(f"matrices are 'adamw' or 'muon', got '{self.matrices}'")


@dataclass(frozen=True)
class Epoch:
    """One epoch of a training.

    Attributes:
        loss: its mean, in nats; log of the batch where nothing is told apart.
        found: share of the pictures whose own caption is the nearest of the batch.
    """

    loss: float
    found: float


def train_pairs(
    model: nn.Module,
    images: Tensor,
    tokens: Tensor,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    how: Pairing,
    seed: int,
    report: Callable[[str], None] | None = None,
) -> tuple[Epoch, ...]:
    """Train a CLIP of open_clip in place and leave it in evaluation mode.

    Minimises `tiny_clip.contrastive_loss`. Equal captions of a batch
    count as different ones. A last, smaller batch is left out.

    Args:
        model: images, tokens -> unit features of both and the scale; initialised.
        images: pictures `[N, 3, H, W]` uint8.
        tokens: of a caption a picture, `[N, L]`.
        mean: of the normalisation, per channel.
        std: of the same.
        how: the settings.
        seed: of the order.
        report: is told of each epoch.

    Raises:
        Refused: pictures without as many captions, or fewer than a batch; a loss that
            is not finite.
    """
    if len(images) != len(tokens) or len(images) < how.batch:
        raise Refused(
            f"{len(images)} pictures need as many captions, got {len(tokens)}, and a "
            f"batch of {how.batch} at least"
        )
    clip: Any = model.train()
    optimiser = Muon(_groups(clip, how), betas=BETAS)  # AdamW, but for its groups
    steps = how.epochs * (len(images) // how.batch)
    warm = min(how.warm_up, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda k: rate(k, steps, warm)
    )
    epochs = []
    for epoch in range(how.epochs):
        order = torch.randperm(len(images), generator=stream(seed, "order", epoch))
        parts = order[: len(order) // how.batch * how.batch].split(how.batch)
        total = found = 0.0
        for rows in parts:
            with torch.no_grad():
                clip.logit_scale.clamp_(0, LARGEST_SCALE)
            pictures = normalise(images[rows], mean, std)
            image, text, scale = clip(pictures, tokens[rows])
            loss = contrastive_loss(image, text, scale)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            own = torch.arange(len(rows), device=image.device)
            found += float(((image @ text.T).argmax(1) == own).float().mean())
            total += loss.item()
        epochs.append(Epoch(total / len(parts), found / len(parts)))
        if not math.isfinite(epochs[-1].loss):
            raise Refused(f"the loss is not finite in epoch {epoch}: lower lr")
        if report:
            report(f"epoch {epoch}: loss {total / len(parts):.3f}")
    model.eval()
    return tuple(epochs)


def rate(step: int, steps: int, warm: int) -> float:
    """Return min(1, (k + 1) / w) (1 + cos(pi k / K)) / 2 at step k of K."""
    return min(1.0, (step + 1) / max(1, warm)) * (
        (1 + math.cos(math.pi * min(step / steps, 1.0))) / 2
    )


def _groups(clip: Any, how: Pairing) -> list[dict[str, Any]]:
    """Return the weights by side, those of one axis and the scale without decay."""
    image = {id(weight) for weight in clip.visual.parameters()}
    groups: list[dict[str, Any]] = []
    for lr, ours in ((how.lr, True), (how.text_lr, False)):
        side = [
            weight
            for weight in clip.parameters()
            if (id(weight) in image) is ours and weight is not clip.logit_scale
        ]
        for wide, decay in ((True, how.weight_decay), (False, 0.0)):
            some = [weight for weight in side if (weight.ndim > 1) is wide]
            turned = ours and wide and how.matrices == "muon"
            group = {"params": some, "lr": lr, "weight_decay": decay}
            groups.append(
                group | {"lr": how.matrix_lr, **ORTHOGONAL} if turned else group
            )
    scale = {"params": [clip.logit_scale], "lr": how.lr / 100, "weight_decay": 0.0}
    return [*groups, scale]
