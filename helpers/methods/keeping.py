"""Which weights a training keeps: the last ones, their average, or those of an epoch.

The average is the exponential one of ymLeiFDU/LICO: W' <- d W' + (1 - d) W after each
step, the statistics of batch norms copied after each epoch. An epoch chosen on
validation pictures is sound; one chosen on test pictures is not, and is here to show by
how much it flatters.
"""

from copy import deepcopy

import torch
from torch import nn

from helpers.data.catalog import Pictures, normalise
from helpers.settings import Classifier

CHUNK = 256


class Keeper(nn.Module):
    """The weights that a training would keep if it ended now.

    A module of its own within the trained one, so that checkpoints hold it.
    """

    def __init__(
        self, method: Classifier, model: nn.Module, judged_on: Pictures | None
    ) -> None:
        super().__init__()
        self.decay, self.chooses = method.ema, method.keep != "last"
        self.judged_on = judged_on
        self.average: nn.Module | None = None
        self.best: nn.Module | None = None
        if self.decay:
            self.average = deepcopy(model).requires_grad_(False)
        if self.chooses:
            assert judged_on is not None, "no pictures to choose an epoch on"
            self.best = deepcopy(model).requires_grad_(False)
        self.best_accuracy: torch.Tensor
        self.register_buffer("best_accuracy", torch.tensor(-1.0))

    @torch.no_grad()
    def after_step(self, model: nn.Module) -> None:
        """Move the average towards the weights as they are."""
        if self.average is not None:
            for mean, weight in zip(
                self.average.parameters(), model.parameters(), strict=True
            ):
                mean.lerp_(weight, 1 - self.decay)

    @torch.no_grad()
    def after_epoch(self, model: nn.Module) -> None:
        """Copy the statistics into the average, and keep the epoch if it is best."""
        if self.average is not None:
            for kept, found in zip(
                self.average.buffers(), model.buffers(), strict=True
            ):
                kept.copy_(found)
        if self.best is None:
            return
        candidate = self.average or model
        accuracy = self._accuracy(candidate)
        if accuracy > self.best_accuracy:
            self.best_accuracy.fill_(accuracy)
            self.best.load_state_dict(candidate.state_dict())

    def network(self, model: nn.Module) -> nn.Module:
        """Return the network to keep, `model` itself where nothing else is asked."""
        return self.best or self.average or model

    def _accuracy(self, model: nn.Module) -> float:
        pictures = self.judged_on
        assert pictures is not None
        device = next(model.parameters()).device
        training = model.training
        model.eval()
        hits = 0
        for start in range(0, len(pictures), CHUNK):
            part = pictures.rows(slice(start, start + CHUNK))
            images = normalise(part.images.to(device), part.mean, part.std)
            hits += int((model(images).argmax(1).cpu() == part.labels).sum())
        model.train(training)
        return hits / len(pictures)
