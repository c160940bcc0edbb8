"""Cross-entropy alone: the baseline that every claim is measured against."""

import math

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.data.catalog import Pictures, normalise
from helpers.settings import Classifier
from helpers.streams import stream
from helpers.vision import backbone, initialise


class Baseline(pl.LightningModule):
    """A classifier f and its loss L_CE = -(1/B) sum_i log softmax(f(x_i))_{y_i}."""

    def __init__(self, method: Classifier, pictures: Pictures, seed: int) -> None:
        super().__init__()
        self.method, self.seed = method, seed
        self.mean, self.std = pictures.mean, pictures.std
        self.model = backbone(method.backbone, len(pictures.class_names))
        initialise(self.model, stream(seed, "initialisation"))
        self.model.to(memory_format=torch.channels_last)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Return the loss of images `[B, 3, H, W]` uint8 with labels `[B]`."""
        images, labels = batch
        logits = self.model(self.prepared(images))  # [B, K]
        loss = F.cross_entropy(logits, labels)
        right = (logits.argmax(1) == labels).float()
        return {"loss": loss, "accuracy": right.mean().detach()}

    def prepared(self, images: Tensor) -> Tensor:
        """Return pictures `[B, 3, H, W]` uint8 normalised and augmented for a step."""
        return augment(
            normalise(images, self.mean, self.std),
            self.method.flip,
            self.method.shift,
            stream(self.seed, "augmentation", self.global_step),
        )

    def configure_optimizers(self) -> dict:
        """Return SGD with the learning rate lr cos(7 pi k / 16 K) at step k of K."""
        method = self.method
        optimizer = torch.optim.SGD(
            self.parameters(),
            lr=method.lr,
            momentum=method.momentum,
            weight_decay=method.weight_decay,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda k: math.cos(7 * math.pi * k / (16 * steps))
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def augment(
    images: Tensor, flip: bool, shift: int, generator: torch.Generator
) -> Tensor:
    """Return pictures `[B, C, H, W]`, each mirrored or not, moved by up to `shift`.

    What moves in at the border is reflected. Both are drawn for each picture.
    """
    count, _, height, width = images.shape
    if flip:
        mirrored = torch.rand(count, generator=generator) < 0.5
        mirrored = mirrored.to(images.device)[:, None, None, None]
        images = torch.where(mirrored, images.flip(3), images)
    if shift:
        moves = torch.randint(2 * shift + 1, (count, 2), generator=generator).tolist()
        padded = F.pad(images, (shift,) * 4, mode="reflect")
        images = torch.stack(
            [
                picture[:, top : top + height, left : left + width]
                for picture, (top, left) in zip(padded, moves, strict=True)
            ]
        ).contiguous(memory_format=torch.channels_last)
    return images
