"""What the trainer calls: history, random streams, progress, checkpoint.

Importing this module imports Lightning; `helpers.lab.fit` does so when it trains.
"""

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from helpers.lab.weights import Report
from helpers.streams import mix


class History(pl.Callback):
    """Means over each epoch of what the training step returns, where it returns it."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.sums: dict[str, float] = {}
        self.pictures: dict[str, int] = {}

    def on_train_epoch_start(self, *_: Any) -> None:
        """Begin new sums."""
        self.sums, self.pictures = {}, {}

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Add a batch to the sums, weighted by its pictures."""
        size = len(batch[0])
        for name, value in outputs.items():
            self.sums[name] = self.sums.get(name, 0.0) + size * float(value)
            self.pictures[name] = self.pictures.get(name, 0) + size

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Append the epoch's row."""
        means = {name: self.sums[name] / self.pictures[name] for name in self.sums}
        self.rows.append({"epoch": trainer.current_epoch + 1, **means})

    def state_dict(self) -> dict[str, Any]:
        """Return the rows, to be kept in the checkpoint."""
        return {"rows": [dict(row) for row in self.rows]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows from a checkpoint."""
        self.rows = [dict(row) for row in state_dict["rows"]]


class Reseed(pl.Callback):
    """Fix what is left to the global generator (dropout) by (seed, step)."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Seed the global generator for this step."""
        torch.manual_seed(mix(self.seed, "dropout", trainer.global_step))


class Progress(pl.Callback):
    """Report a line an epoch: how far, how long so far, how long still."""

    def __init__(self, epochs: int, report: Report | None) -> None:
        self.epochs, self.report = epochs, report

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Start the clock."""
        self.start, self.first = time.monotonic(), trainer.current_epoch

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Report the line."""
        if self.report is None:
            return
        spent, done = time.monotonic() - self.start, trainer.current_epoch + 1
        left = spent / (done - self.first) * (self.epochs - done)
        self.report(
            f"epoch {done} of {self.epochs}, {spent:.0f} s, about {left:.0f} s left"
        )


class Checkpoint(pl.callbacks.Checkpoint):
    """Write a checkpoint beside its place, then put it there in one move."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Keep the epoch."""
        beside = self.path.with_suffix(".writing")
        trainer.save_checkpoint(beside)
        beside.replace(self.path)
