"""The thin wrapper of the trainer: quiet, resumable to the bit, one line an epoch.

A module's `training_step` returns a dictionary with `loss` and other numbers; their
means over an epoch are its row of the history. Data order comes from (seed, epoch),
every other draw from (seed, step): so an interrupted training that goes on from its
last checkpoint ends with the same bits as one that was never interrupted.
"""

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, TensorDataset

from helpers.lab.weights import Report, readable_checkpoint
from helpers.streams import stream

if TYPE_CHECKING:
    import lightning.pytorch as pl

CHECKPOINT = "last.ckpt"


class EpochBatches(Sampler[list[int]]):
    """Batches of indices, shuffled anew each epoch by (seed, epoch) alone."""

    def __init__(self, count: int, batch: int, seed: int) -> None:
        self.count, self.batch, self.seed, self.epoch = count, batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; the trainer calls it before each one."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.count // self.batch)

    def __iter__(self) -> Iterator[list[int]]:
        generator = stream(self.seed, "order", self.epoch)
        for rows in torch.randperm(self.count, generator=generator).split(self.batch):
            yield rows.tolist()


def fit(
    module: "pl.LightningModule",
    tensors: tuple[Tensor, ...],
    *,
    epochs: int,
    batch: int,
    seed: int,
    folder: Path,
    threads: int = 1,
    device: str = "cpu",
    precision: str = "32",
    scaler: bool = False,
    clip_norm: float = 0.0,
    report: Report | None = None,
) -> pd.DataFrame:
    """Train `module` on rows of `tensors` and return its history, a row an epoch.

    A checkpoint is written to `folder` after each epoch, whole or not at all; one that
    lies there already is resumed. One that cannot be read is set aside and said so.
    `precision` "16" or "bf16" autocasts, "16" with or without a loss `scaler`;
    gradients are scaled to a norm of at most `clip_norm`, unless it is 0.
    `report` gets a line an epoch: how far, how long so far, how long still.
    """
    pl = quiet_lightning()
    folder.mkdir(parents=True, exist_ok=True)
    last = readable_checkpoint(folder / CHECKPOINT, report)
    from helpers.lab.callbacks import Checkpoint, History, Progress, Reseed

    history = History()
    loader = DataLoader(
        TensorDataset(*tensors),
        sampler=EpochBatches(len(tensors[0]), batch, seed),
        batch_size=None,
    )
    kept = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = pl.Trainer(
                max_epochs=epochs,
                accelerator="gpu" if device.startswith("cuda") else device,
                devices=1,
                plugins=_autocast(precision, scaler, device),
                gradient_clip_val=clip_norm or None,
                callbacks=[
                    Reseed(seed),
                    history,
                    Progress(epochs, report),
                    Checkpoint(folder / CHECKPOINT),
                ],
                logger=False,
                enable_checkpointing=True,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                deterministic=not device.startswith("mps"),
                default_root_dir=folder,
            )
            trainer.fit(module, loader, ckpt_path=last, weights_only=True)
    finally:
        torch.set_num_threads(kept)
    if trainer.interrupted:
        raise KeyboardInterrupt
    return pd.DataFrame(history.rows)


def _autocast(precision: str, scaler: bool, device: str) -> list[Any]:
    """Return what makes the trainer compute in 16 bits where it may."""
    if precision == "32":
        return []
    from lightning.pytorch.plugins import MixedPrecision

    kind = device.partition(":")[0]
    if precision == "bf16":
        return [MixedPrecision("bf16-mixed", kind)]
    scale = torch.amp.GradScaler(device=kind, enabled=scaler)
    return [MixedPrecision("16-mixed", kind, scale)]


def quiet_lightning() -> Any:
    """Import Lightning so that it prints nothing, and return `lightning.pytorch`."""
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    import lightning.pytorch as pl

    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return pl
