"""Training steps side by side: forward, losses, backward, update."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from helpers.data.catalog import Pictures
from helpers.methods.baseline import Baseline
from helpers.methods.contrast import CgcClassifier
from helpers.methods.lico import LicoClassifier
from helpers.methods.presets import preset
from helpers.methods.text_side import Language
from helpers.settings import Cgc, CrossEntropy
from helpers.streams import stream


class ThreeViews(CgcClassifier):
    """Cross-entropy on CGC's three views, and no map at all."""

    def contrast(self, *_: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Return no contrast."""
        return torch.zeros(()), {}


class Step:
    """A network in training, that can be asked for one step after another."""

    def __init__(
        self, module: Baseline, pictures: Pictures, device: str, bf16: bool = False
    ) -> None:
        self.module, self.device, self.bf16 = module.to(device), device, bf16
        self.batch = pictures.images.to(device), pictures.labels.to(device)
        trainer = SimpleNamespace(global_step=0, estimated_stepping_batches=10**6)
        module.trainer = trainer
        self.trainer = trainer
        self.optimizer = module.configure_optimizers()["optimizer"]

    def __call__(self) -> None:
        """Take a step, and wait for the device."""
        self.optimizer.zero_grad()
        cast = torch.autocast(self.device, torch.bfloat16)
        with cast if self.bf16 else nullcontext():
            loss = self.module.training_step(self.batch)["loss"]
        loss.backward()
        self.optimizer.step()
        self.trainer.global_step += 1
        if self.device != "cpu":
            torch.cuda.synchronize()


def drawn(count: int, side: int, names: tuple[str, ...]) -> Pictures:
    """Return pictures of noise with labels in turn."""
    size = (count, 3, side, side)
    return Pictures(
        images=torch.randint(256, size, generator=stream(0, "noise")).to(torch.uint8),
        labels=torch.arange(count) % len(names),
        class_names=names,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
    )


def baseline(pictures: Pictures, backbone: str) -> Baseline:
    """Return the baseline."""
    return Baseline(CrossEntropy.of(backbone=backbone), pictures, seed=1)


def lico(pictures: Pictures, backbone: str, clip: torch.nn.Module) -> LicoClassifier:
    """Return LICO by the preset `paper`, its text tower given."""
    method = preset("paper", backbone=backbone)
    return LicoClassifier(method, pictures, Language(pictures.class_names, clip), 1)


def contrast(pictures: Pictures, backbone: str, plain: bool) -> CgcClassifier:
    """Return CGC, or its three views without maps."""
    if plain:
        return ThreeViews(Cgc.of(backbone=backbone, lam=0), pictures, 1)
    return CgcClassifier(Cgc.of(backbone=backbone), pictures, 1)
