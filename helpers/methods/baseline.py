"""Cross-entropy alone: the baseline that every claim is measured against."""

import math
from functools import partial
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.data import geometry
from helpers.data.catalog import Pictures, normalise
from helpers.methods.keeping import Keeper
from helpers.settings import Classifier
from helpers.streams import stream
from helpers.vision import backbone, initialise


class Baseline(pl.LightningModule):
    """A classifier f and its loss L_CE = -(1/B) sum_i log softmax(f(x_i))_{y_i}."""

    def __init__(
        self,
        method: Classifier,
        pictures: Pictures,
        seed: int,
        judged_on: Pictures | None = None,
    ) -> None:
        super().__init__()
        self.method, self.seed = method, seed
        self.mean, self.std = pictures.mean, pictures.std
        self.model = backbone(
            method.backbone, len(pictures.class_names), method.backbone_dropout
        )
        initialise(self.model, stream(seed, "initialisation"))
        self.model.to(memory_format=torch.channels_last)
        self.keeper = Keeper(method, self.model, judged_on)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Return the loss of images `[B, 3, H, W]` uint8 with labels `[B]`."""
        images, labels = batch
        logits = self.model(self.prepared(images))  # [B, K]
        loss = F.cross_entropy(logits, labels)
        right = (logits.argmax(1) == labels).float()
        return {"loss": loss, "accuracy": right.mean().detach()}

    def prepared(self, images: Tensor) -> Tensor:
        """Return pictures `[B, 3, H, W]` uint8 normalised and augmented for a step."""
        method = self.method
        generator = stream(self.seed, "augmentation", self.global_step)
        images = normalise(images, self.mean, self.std)
        if method.least_area < 1:
            crops = geometry.random_crops(
                len(images),
                (images.shape[2], images.shape[3]),
                generator,
                scale=(method.least_area, 1.0),
                flip=False,
            )
            images = geometry.crop_images(images, crops)
            images = images.contiguous(memory_format=torch.channels_last)
        return augment(images, method.flip, method.shift, generator, method.padding)

    def on_train_batch_end(self, *_: Any) -> None:
        """Let the average follow."""
        self.keeper.after_step(self.model)

    def on_train_epoch_end(self) -> None:
        """Let the best epoch be known."""
        self.keeper.after_epoch(self.model)

    def kept(self) -> nn.Module:
        """Return the network that the training keeps."""
        return self.keeper.network(self.model)

    def weights(self) -> list[dict[str, Any]]:
        """Return the weights to train, in groups with options of their own."""
        return [{"params": list(self.model.parameters())}]

    def configure_optimizers(self) -> dict:
        """Return SGD and its schedule, as `helpers.settings.Classifier` has them."""
        method = self.method
        optimizer = torch.optim.SGD(
            self.weights(),
            lr=method.lr,
            momentum=method.momentum,
            weight_decay=method.weight_decay,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        if method.schedule == "steps":
            rule, interval = partial(falling, steps=steps), "step"
        else:
            rule, interval = partial(cosine, epochs=method.epochs), "epoch"
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rule)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": interval},
        }


def falling(step: int, steps: int) -> float:
    """Return cos(7 pi k / 16 K) at step k of K: from 1 to .195."""
    return math.cos(7 * math.pi * step / (16 * steps))


def cosine(epoch: int, epochs: int) -> float:
    """Return (1 + cos(pi e / E)) / 2 in epoch e of E: from 1 to nearly 0."""
    return (1 + math.cos(math.pi * epoch / epochs)) / 2


def augment(
    images: Tensor,
    flip: bool,
    shift: int,
    generator: torch.Generator,
    padding: Literal["reflect", "zeros"] = "reflect",
) -> Tensor:
    """Return pictures `[B, C, H, W]`, each mirrored or not, moved by up to `shift`.

    What moves in at the border is reflected, or 0 (the mean colour of normalised
    pictures). Both are drawn for each picture.
    """
    count, _, height, width = images.shape
    if flip:
        mirrored = torch.rand(count, generator=generator) < 0.5
        mirrored = mirrored.to(images.device)[:, None, None, None]
        images = torch.where(mirrored, images.flip(3), images)
    if shift:
        moves = torch.randint(2 * shift + 1, (count, 2), generator=generator).tolist()
        mode = "constant" if padding == "zeros" else padding
        padded = F.pad(images, (shift,) * 4, mode=mode)
        images = torch.stack(
            [
                picture[:, top : top + height, left : left + width]
                for picture, (top, left) in zip(padded, moves, strict=True)
            ]
        ).contiguous(memory_format=torch.channels_last)
    return images
