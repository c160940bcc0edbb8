"""Train or load one run: a folder that is whole or not there.

A run lies in `runs/<data set>/<method>/seed<seed>-<digest>/`:

- `config.json`: its settings;
- `model.safetensors`: the weights;
- `history.csv`: a row an epoch;
- `text.safetensors`: the text side it was trained beside, for LICO alone;
- `record.json`: the scores, the same bits each time on one machine;
- `provenance.json`: seconds, date, memory, versions, commit: never compared.

The digest covers the settings, the data's fingerprint, the thread count, the code that
training depends on and the runs it starts from; so a changed loss is a new run. Scores
carry a hash of the code that made them and are made again, from the same weights, when
it changes.
"""

import csv
import errno
import hashlib
import json
import re
import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from filelock import FileLock
from safetensors.torch import save_file
from torch import nn

from helpers import paths
from helpers.data import catalog
from helpers.lab.code import TRAINER, code_hash
from helpers.lab.fit import CHECKPOINT, fit
from helpers.lab.recipes import label, recipe
from helpers.lab.weights import Report, load_weights
from helpers.report.margins import is_trained_out
from helpers.report.provenance import provenance
from helpers.settings import Method, Refused, RunSettings

FILES = (
    "config.json",
    "model.safetensors",
    "history.csv",
    "record.json",
    "provenance.json",
)
SPACE = 300  # MB that must be free before a training begins


@dataclass(frozen=True)
class Run:
    """A trained run in its folder."""

    settings: RunSettings
    folder: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """The scores."""
        return json.loads((self.folder / "record.json").read_text("utf-8"))

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Seconds, date, device, versions, commit, of training and of scoring."""
        return json.loads((self.folder / "provenance.json").read_text("utf-8"))

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row an epoch: epoch, and its means of loss, accuracy ..., NaN if none."""
        with (self.folder / "history.csv").open(newline="", encoding="utf-8") as file:
            rows = [
                {name: float(value or "nan") for name, value in row.items()}
                for row in csv.DictReader(file)
            ]
        return pd.DataFrame(rows).astype({"epoch": int})

    def model(self) -> nn.Module:
        """Return the network with its trained weights, in evaluation mode."""
        model = recipe(self.settings).network(self.settings)
        model.load_state_dict(load_weights(self.folder / "model.safetensors"))
        return model.to(self.settings.device).eval()

    def text_side(self) -> nn.Module:
        """Return the text side as training left it, in evaluation mode.

        Raises `Refused` for a run that has none.
        """
        file = self.folder / "text.safetensors"
        if not file.is_file():
            raise Refused(f"run '{self.folder.name}' was trained without a text side")
        made = recipe(self.settings)
        module, _ = made.module_and_tensors(self.settings, _starts(self.settings))
        module.text.load_state_dict(load_weights(file))
        return module.text.to(self.settings.device).eval()


def check(settings: RunSettings) -> None:
    """Raise `Refused` if data or device are not there; trains and reads nothing."""
    catalog.check(settings.data)
    kind, _, number = settings.device.partition(":")
    there = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if int(number or 0) >= there.get(kind, 0):
        names = [name for name, count in there.items() if count]
        raise Refused(
            f"device '{settings.device}' is not there: take one that this machine has, "
            f"{', '.join(names)}"
        )
    recipe(settings).check(settings)


def digest(settings: RunSettings) -> str:
    """Return the run's digest: of settings, data, thread count and training code."""
    values = settings.model_dump()
    values["data"]["name"] = catalog.fingerprint(settings.data)
    made = recipe(settings)
    values["language"] = made.fingerprint(settings)
    values["starts from"] = [digest(one) for one in made.needs(settings)]
    text = json.dumps(values, sort_keys=True) + code_hash((*TRAINER, *made.trained_by))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def place(settings: RunSettings) -> Path:
    """Return the folder in which the run lies, or would lie."""
    data = re.sub(r"[^A-Za-z0-9]+", "-", Path(settings.data.name).name).strip("-")
    name = f"seed{settings.seed}-{digest(settings)}"
    return paths.runs() / data / label(settings) / name


def is_whole(folder: Path) -> bool:
    """Tell whether all files of a run are there."""
    return all((folder / name).is_file() for name in FILES)


def is_up_to_date(settings: RunSettings, folder: Path) -> bool:
    """Tell whether the run is there and scored by the code as it stands."""
    if not is_whole(folder):
        return False
    return Run(settings, folder).record["scored_by"] == _scorer(settings)


def needs(settings: RunSettings) -> tuple[RunSettings, ...]:
    """Return the runs that this one starts from."""
    return recipe(settings).needs(settings)


def train_or_load(settings: RunSettings, report: Report | None = None) -> Run:
    """Return the run with these settings: from its folder, else trained now.

    An interrupted training goes on from its last whole epoch. Two processes that ask
    for the same run at once train it once.

    Raises `Refused` for data, device or disk that will not do.
    """
    check(settings)
    folder = place(settings)
    if is_up_to_date(settings, folder):
        return Run(settings, folder)
    for one in needs(settings):
        train_or_load(one, report)
    locks = paths.runs() / ".locks"
    try:
        paths.require_space(folder, SPACE)
        locks.mkdir(parents=True, exist_ok=True)
        with FileLock(locks / f"{folder.name}.lock"):
            if not is_whole(folder):
                _train(settings, folder, report)
            elif not is_up_to_date(settings, folder):  # asked anew, under the lock
                _score_again(Run(settings, folder))
    except OSError as error:
        if error.errno not in (None, errno.ENOSPC, errno.EACCES, errno.EROFS):
            raise
        raise Refused(
            f"run '{folder.name}' cannot be written: {error}; what was trained is kept "
            "and goes on when asked again"
        ) from None
    return Run(settings, folder)


def _train(settings: RunSettings, folder: Path, report: Report | None) -> None:
    started = time.monotonic()
    partial = folder.with_name(f"{folder.name}.partial")
    if folder.exists():  # not whole: a file was lost
        shutil.rmtree(folder)
    module, tensors = recipe(settings).module_and_tensors(settings, _starts(settings))
    history = fit(
        module,
        tensors,
        epochs=settings.method.epochs,
        batch=settings.method.batch,
        seed=settings.seed,
        folder=partial,
        threads=settings.threads,
        device=settings.device,
        report=report,
        **_numerics(settings.method),
    )
    _save(module.kept(), partial / "model.safetensors")
    text_side = getattr(module, "text", None)
    if text_side is not None:
        _save(text_side, partial / "text.safetensors")
    history.to_csv(partial / "history.csv", index=False)
    trained = time.monotonic()
    if report:
        report("trained, now its scores")
    run = Run(settings, partial)
    _write_json(partial / "config.json", settings.model_dump())
    _write_json(partial / "record.json", _record(run))
    _write_json(
        partial / "provenance.json",
        {
            "training": provenance(
                trained - started, settings.device, settings.threads
            ),
            "scoring": provenance(
                time.monotonic() - trained, settings.device, settings.threads
            ),
        },
    )
    (partial / CHECKPOINT).unlink(missing_ok=True)
    for left in (*partial.glob("*.damaged"), *partial.glob("*.writing")):
        left.unlink()
    partial.rename(folder)


def _numerics(method: Method) -> dict[str, Any]:
    names = ("precision", "scaler", "clip_norm")
    return {name: getattr(method, name) for name in names if hasattr(method, name)}


def _starts(settings: RunSettings) -> list[nn.Module]:
    """Return the trained networks that a run starts from."""
    return [Run(one, place(one)).model() for one in needs(settings)]


def _scorer(settings: RunSettings) -> str:
    return code_hash(recipe(settings).scored_by)


def _save(network: nn.Module, file: Path) -> None:
    weights = {k: v.cpu().contiguous() for k, v in network.state_dict().items()}
    save_file(weights, file)


def _score_again(run: Run) -> None:
    started = time.monotonic()
    record = _record(run)
    both = dict(run.provenance)
    both["scoring"] = provenance(
        time.monotonic() - started, run.settings.device, run.settings.threads
    )
    _write_json(run.folder / "provenance.json", both)
    _write_json(run.folder / "record.json", record)


def _record(run: Run) -> dict[str, Any]:
    kept = torch.get_num_threads()
    torch.set_num_threads(run.settings.threads)
    try:
        scores = recipe(run.settings).score(run.settings, run.model())
    finally:
        torch.set_num_threads(kept)
    accuracy = run.history["accuracy"].tolist()
    return {
        "scored_by": _scorer(run.settings),
        "training_accuracy": accuracy[-1],
        "trained_out": is_trained_out(accuracy),
        **scores,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    beside = path.with_suffix(".writing")
    beside.write_text(json.dumps(content, indent=1, allow_nan=False), "utf-8")
    beside.replace(path)
