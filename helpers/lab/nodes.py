"""One training over several processes, on one machine or many: each has a part.

Every process is given the whole batch of B pictures, augments it alike, and computes
the feature maps of its own B / P rows alone. The maps are then gathered, so that each
process has those of the whole batch and computes the whole loss L, whatever L is: also
one that compares all pictures of a batch with each other, as manifold matching does.

Gradients: process p has dL/dw by its own rows. `Gathered` hands each row P times its
gradient and DDP takes the mean over processes: (1/P) sum_p P dL_p/dw = dL/dw, and of
weights behind the maps, where all have the whole dL/dw, its mean, dL/dw again.

Importing this module imports Lightning.
"""

import multiprocessing
import os
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import pandas as pd
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, distributed, nn
from torch.utils.data import DataLoader, TensorDataset

from helpers.lab.callbacks import Checkpoint, History, Progress, Reseed
from helpers.lab.fit import CHECKPOINT, EpochBatches, _autocast, quiet_lightning
from helpers.lab.weights import Report, readable_checkpoint
from helpers.settings import Refused

PATIENCE = timedelta(minutes=30)  # for the slowest process to come to a step


class Gathered(torch.autograd.Function):
    """Rows of all processes, `[b_p, ...]` -> `[B, ...]`; b_p may differ by one."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, whole: int) -> Tensor:
        """Return all rows in the order of the processes."""
        processes = distributed.get_world_size()
        counts = [len(part) for part in torch.arange(whole).tensor_split(processes)]
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in counts]
        distributed.all_gather(parts, padded)
        ctx.processes, ctx.counts = processes, counts
        return torch.cat([part[:n] for part, n in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return P times the gradient of this process's rows: DDP takes a mean."""
        own = gradients[0].split(ctx.counts)[distributed.get_rank()]
        return ctx.processes * own, None


class Summed(torch.autograd.Function):
    """A tensor added up over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        """Return the sum."""
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Return the sum of the gradients."""
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total


class WholeBatchNorm(nn.BatchNorm2d):
    """Batch normalisation by mean and variance of the rows of all processes.

    torch.nn.SyncBatchNorm does the same on graphics cards, and nothing on processors.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map `[b_p, C, H, W]` to the same shape."""
        if not self.training:
            return super().forward(x)
        count = torch.tensor(float(x.numel() // x.shape[1]), device=x.device)
        distributed.all_reduce(count)
        mean = Summed.apply(x.sum((0, 2, 3))) / count  # [C]
        centred = x - mean[:, None, None]
        variance = Summed.apply(centred.square().sum((0, 2, 3))) / count  # [C]
        with torch.no_grad():
            cast(Tensor, self.num_batches_tracked).add_(1)
            unbiased = variance * count / (count - 1)
            cast(Tensor, self.running_mean).lerp_(mean, self.momentum or 0.0)
            cast(Tensor, self.running_var).lerp_(unbiased, self.momentum or 0.0)
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale[:, None, None] + self.bias[:, None, None]


class Spread(pl.Callback):
    """Let every process compute the feature maps of its own rows of each batch."""

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Split the network, once the processes know each other."""
        spread(pl_module.model)


def spread(model: nn.Module) -> None:
    """Split a network's `features` over the processes while it trains, in place."""
    alone: Callable[[Tensor], Tensor] = model.features  # type: ignore[assignment]

    def features(images: Tensor) -> Tensor:
        if not model.training:
            return alone(images)
        parts = images.tensor_split(distributed.get_world_size())
        return Gathered.apply(alone(parts[distributed.get_rank()]), len(images))

    for layer in model.modules():
        if type(layer) is nn.BatchNorm2d:
            layer.__class__ = WholeBatchNorm  # same weights, same names
    model.features = features  # type: ignore[assignment]


class OneCheckpoint(Checkpoint):
    """The checkpoint of all processes: the first one writes it."""

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        """Keep the epoch; all have to take part, since all have to wait."""
        beside = self.path.with_suffix(".writing")
        trainer.save_checkpoint(beside)
        if trainer.is_global_zero:
            beside.replace(self.path)
        trainer.strategy.barrier()


def check_spread(module: Any, count: int, batch: int, processes: int) -> None:
    """Raise `Refused` where several processes would not do what one does."""
    model = getattr(module, "model", None)
    if not isinstance(model, nn.Module) or not hasattr(model, "features"):
        raise Refused(
            f"{type(module).__name__} has no feature maps to split over {processes} "
            "processes: take devices=1 and nodes=1"
        )
    if any(isinstance(part, nn.Dropout) and part.p > 0 for part in model.modules()):
        raise Refused(
            "dropout in the network draws other masks in several processes than in "
            "one: take backbone_dropout=0, or devices=1 and nodes=1"
        )
    least = count % batch or batch
    if least < processes:
        raise Refused(
            f"the smallest batch has {least} pictures for {processes} processes: take "
            "another batch, or fewer processes"
        )


def fit_spread(
    module: pl.LightningModule,
    tensors: tuple[Tensor, ...],
    *,
    epochs: int,
    batch: int,
    seed: int,
    folder: Path,
    devices: int,
    nodes: int = 1,
    threads: int = 1,
    device: str = "cpu",
    precision: str = "32",
    scaler: bool = False,
    clip_norm: float = 0.0,
    report: Report | None = None,
) -> pd.DataFrame:
    """Train as `helpers.lab.fit.fit`, as one of `nodes` x `devices` processes.

    Every process calls it, each with a module and tensors made alike. Process and
    machine are told by `LOCAL_RANK` and `NODE_RANK`, the place where they meet by
    `MASTER_ADDR` and `MASTER_PORT`: `launched` sets them. `batch` is that of all
    processes together; the other parameters are those of `fit`.

    Raises `Refused` where several processes would not do what one does.
    """
    quiet_lightning()
    check_spread(module, len(tensors[0]), batch, nodes * devices)
    first = os.environ["LOCAL_RANK"] == os.environ.get("NODE_RANK", "0") == "0"
    report = report if first else None
    folder.mkdir(parents=True, exist_ok=True)
    last = readable_checkpoint(folder / CHECKPOINT, report)
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
                devices=devices,
                num_nodes=nodes,
                strategy=DDPStrategy(
                    cluster_environment=LightningEnvironment(),
                    timeout=PATIENCE,
                    static_graph=True,  # the same weights are left out each step
                ),
                use_distributed_sampler=False,
                plugins=_autocast(precision, scaler, device),
                gradient_clip_val=clip_norm or None,
                callbacks=[
                    Spread(),
                    Reseed(seed),
                    history,
                    Progress(epochs, report),
                    OneCheckpoint(folder / CHECKPOINT),
                ],
                logger=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                deterministic=not device.startswith("mps"),
                default_root_dir=folder,
            )
            trainer.fit(module, loader, ckpt_path=last, weights_only=True)
    finally:
        torch.set_num_threads(kept)
        if distributed.is_initialized():
            distributed.destroy_process_group()
    if trainer.interrupted:
        raise KeyboardInterrupt
    return pd.DataFrame(history.rows)


@contextmanager
def launched(devices: int, follow: Callable[[], object]) -> Iterator[None]:
    """Be the first of `devices` processes of this machine; the others call `follow`.

    Within it this process trains; `follow`, a function that can be pickled, makes the
    same module and calls `fit_spread` with it. The others end with this one. Several
    machines meet where `MASTER_ADDR` and `MASTER_PORT` say, and `NODE_RANK` numbers
    them; without these variables there is one.
    """
    place = {
        "MASTER_ADDR": os.environ.get("MASTER_ADDR", "127.0.0.1"),
        "MASTER_PORT": os.environ.get("MASTER_PORT") or str(_free_port()),
        "NODE_RANK": os.environ.get("NODE_RANK", "0"),
    }
    context = multiprocessing.get_context("spawn")
    others = [
        context.Process(target=_follow, args=({**place, "LOCAL_RANK": str(n)}, follow))
        for n in range(1, devices)
    ]
    before = dict(os.environ)
    os.environ.update(place, LOCAL_RANK="0")
    try:
        for other in others:
            other.start()
        yield
        for other in others:
            other.join()
    finally:
        for other in others:
            if other.pid is not None:
                other.kill()
                other.join()
        os.environ.clear()
        os.environ.update(before)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _follow(place: dict[str, str], follow: Callable[[], object]) -> None:
    os.environ.update(place)
    follow()
