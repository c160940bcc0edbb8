"""The training of a run: by one process, or by several that share each batch."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from helpers.lab.fit import fit
from helpers.lab.weights import Report
from helpers.settings import Method, RunSettings

Trained = tuple[Any, tuple[Tensor, ...]]  # a LightningModule, and what it learns from


def fitted(
    settings: RunSettings,
    made: Callable[[], Trained],
    folder: Path,
    report: Report | None,
) -> tuple[Any, pd.DataFrame]:
    """Train what `made` returns; return it with a row of its history an epoch.

    `made` is called once in each of `settings.devices` processes, so it must make the
    same each time, and be picklable where there are several.

    Raises `Refused` where several processes would not do what one does.
    """
    asked: dict[str, Any] = {
        "epochs": settings.method.epochs,
        "batch": settings.method.batch,
        "seed": settings.seed,
        "folder": folder,
        "threads": settings.threads,
        "device": settings.device,
        **_numerics(settings.method),
    }
    module, tensors = made()
    if settings.devices == 1:
        return module, fit(module, tensors, report=report, **asked)
    from helpers.lab.nodes import check_spread, fit_spread, launched

    count = settings.devices
    check_spread(module, len(tensors[0]), settings.method.batch, count)
    asked["devices"] = count
    with launched(count, functools.partial(_follow, made, asked)):
        return module, fit_spread(module, tensors, report=report, **asked)


def _follow(made: Callable[[], Trained], asked: dict[str, Any]) -> None:
    """Train as one of the other processes, whose result is the same."""
    from helpers.lab.nodes import fit_spread

    module, tensors = made()
    fit_spread(module, tensors, **asked)


def _numerics(method: Method) -> dict[str, Any]:
    names = ("precision", "scaler", "clip_norm")
    return {name: getattr(method, name) for name in names if hasattr(method, name)}
