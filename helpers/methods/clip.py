"""A tiny CLIP: pictures and their captions, pulled together by contrast."""

import math
from typing import Any

import lightning.pytorch as pl
import torch
from open_clip.model import CLIP
from torch import Tensor

from helpers.data.catalog import normalise
from helpers.language.tiny_clip import (
    LARGEST_SCALE,
    MEAN,
    STD,
    build_tiny_clip,
    contrastive_loss,
)
from helpers.methods.muon import Muon
from helpers.settings import TinyClip
from helpers.streams import stream

FILTERS_LR = 0.02  # of the convolutions, by Muon
TEXT_LR = 7e-4  # slower than the pictures: they follow the words
BETAS = (0.9, 0.98)  # as Radford et al. 2021
WARM_UP = 50  # steps


class ContrastivePairs(pl.LightningModule):
    """A tiny CLIP with towers I and T and a scale s: L(s, I(pictures), T(captions))."""

    def __init__(self, method: TinyClip, seed: int) -> None:
        super().__init__()
        self.method = method
        self.model = build_tiny_clip(seed)
        self.model.visual.to(memory_format=torch.channels_last)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Return the loss of images `[B, 3, H, W]` uint8 with their tokens `[B, L]`."""
        images, tokens = batch
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, LARGEST_SCALE)
        image, text, scale = self.model(normalise(images, MEAN, STD), tokens)
        loss = contrastive_loss(image, text, scale)
        pair = torch.arange(len(text), device=text.device)
        right = ((image @ text.T).argmax(1) == pair).float().mean()
        return {"loss": loss, "accuracy": right.detach()}

    def kept(self) -> CLIP:
        """Return the network that the training keeps."""
        return self.model

    def configure_optimizers(self) -> dict:
        """Return Muon with AdamW, each group's rate times `warm_cosine`."""
        optimizer = Muon(
            groups(self.model, self.method.lr),
            betas=BETAS,
            weight_decay=self.method.weight_decay,
            fused=True,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda k: warm_cosine(k, steps)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def groups(model: CLIP, lr: float) -> list[dict[str, Any]]:
    """Return the weights in four groups: filters, rest of the image tower, text, scale.

    Only the filters are made orthogonal; the scale is not decayed.
    """
    image = list(model.visual.parameters())
    seen = {id(weight) for weight in [*image, model.logit_scale]}
    return [
        {
            "params": [weight for weight in image if weight.ndim == 4],
            "lr": FILTERS_LR,
            "orthogonal": True,
        },
        {"params": [weight for weight in image if weight.ndim != 4], "lr": lr},
        {"params": [w for w in model.parameters() if id(w) not in seen], "lr": TEXT_LR},
        {"params": [model.logit_scale], "lr": lr / 100, "weight_decay": 0.0},
    ]


def warm_cosine(step: int, steps: int) -> float:
    """Return min(1, (k + 1) / 50) (1 + cos(pi k / K)) / 2 at step k of K."""
    warm = min(1.0, (step + 1) / WARM_UP)
    return warm * (1 + math.cos(math.pi * min(step / steps, 1.0))) / 2


def shuffled(tokens: Tensor, seed: int) -> Tensor:
    """Return the captions `[N, L]` permuted among the pictures: the control."""
    order = torch.randperm(len(tokens), generator=stream(seed, "shuffled captions"))
    return tokens[order]
