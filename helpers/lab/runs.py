"""Train or load one run: a folder that is whole or not there.

A run lies in `runs/<data set>/<method>/seed<seed>-<digest>/`:

- `config.json`: its settings;
- `model.safetensors`: the weights;
- `history.csv`: a row an epoch;
- `text.safetensors`: the text side it was trained beside, for LICO alone;
- `record.json`: the scores, the same bits each time on one machine;
- `provenance.json`: seconds, date, memory, versions, commit: never compared;
- `SHA256SUMS`: the checksums of all these: `helpers.lab.sums`.

The digest covers the settings, the data's fingerprint, the thread count, the code that
training depends on and the runs it starts from; so a changed loss is a new run. Scores
carry a hash of the code that made them and are made again, from the same weights, when
it changes.

A run is made in `<run>.partial` and renamed when it is whole; one that is found damaged
is set aside as `<run>.damaged`.
"""

import csv
import errno
import functools
import hashlib
import json
import re
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save
from torch import nn

from helpers import paths
from helpers.data import catalog, folder_checks
from helpers.lab import sums
from helpers.lab.code import TRAINER, code_hash
from helpers.lab.fit import CHECKPOINT
from helpers.lab.fitted import Trained, fitted
from helpers.lab.killable import drop_damaged, killable
from helpers.lab.locks import locked
from helpers.lab.recipes import label, recipe
from helpers.lab.weights import Report, load_weights
from helpers.report.margins import is_trained_out
from helpers.report.provenance import provenance
from helpers.settings import Refused, RunSettings
from helpers.whole import write_whole

FILES = (
    "config.json",
    "model.safetensors",
    "history.csv",
    "record.json",
    "provenance.json",
)
TEXT = "text.safetensors"  # of LICO alone
PARTS = (*FILES, TEXT)
SPACE = 300  # MB that must be free before a training begins
# What the disk answers when a run cannot be kept there, and no fault of the code.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_WAY = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EIO)


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
        file = self.folder / TEXT
        if not file.is_file():
            raise Refused(f"run '{self.folder.name}' was trained without a text side")
        made = recipe(self.settings)
        module, _ = made.module_and_tensors(self.settings, _starts(self.settings))
        module.text.load_state_dict(load_weights(file))
        return module.text.to(self.settings.device).eval()


def check(settings: RunSettings) -> None:
    """Raise `Refused` if data or device are not there; trains and reads nothing."""
    folder_checks.check(settings.data)
    kind, _, number = settings.device.partition(":")
    there = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    counted = re.fullmatch("[0-9]{0,4}", number)
    if not counted or int(number or 0) >= there.get(kind, 0):
        names = [name for name, count in there.items() if count]
        raise Refused(
            f"device '{settings.device}' is not there: take one that this machine has, "
            f"{', '.join(names)}"
        )
    cards = there["cuda"] if kind == "cuda" else settings.devices
    if settings.devices > 1 and (number or kind == "mps" or settings.devices > cards):
        raise Refused(
            f"devices={settings.devices} with device '{settings.device}': take 'cpu', "
            f"or 'cuda' and at most its {there['cuda']} cards"
        )
    recipe(settings).check(settings)


def digest(settings: RunSettings) -> str:
    """Return the run's digest: of settings, data, thread count and training code."""
    values = settings.model_dump()
    trainer = [*TRAINER, "lab/nodes.py"]
    if settings.devices == 1:  # as before there was a choice
        trainer = [*TRAINER]
        del values["devices"]
    values["data"]["name"] = catalog.fingerprint(settings.data)
    made = recipe(settings)
    values["language"] = made.fingerprint(settings)
    values["starts from"] = [digest(one) for one in made.needs(settings)]
    text = json.dumps(values, sort_keys=True) + code_hash((*trainer, *made.trained_by))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def place(settings: RunSettings) -> Path:
    """Return the folder in which the run lies, or would lie."""
    data = re.sub(r"[^A-Za-z0-9]+", "-", Path(settings.data.name).name).strip("-")
    name = f"seed{settings.seed}-{digest(settings)}"
    return paths.runs() / data / label(settings) / name


def is_whole(folder: Path) -> bool:
    """Tell whether all files of a run are there, as they were written."""
    return folder.is_dir() and not sums.fault(folder, FILES)


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
    for the same run at once train it once. A run that is damaged is set aside, which is
    said, and trained again.

    Raises `Refused` for data, device or disk that will not do.
    """
    check(settings)
    folder = place(settings)
    try:
        if is_up_to_date(settings, folder):
            _adopt(folder)
            return Run(settings, folder)
        for one in needs(settings):
            train_or_load(one, report)
        paths.require_space(folder, SPACE)
        with locked(folder, report):
            if not is_whole(folder):
                sums.set_aside(folder, FILES, report)
                _train(settings, folder, report)
            if not is_up_to_date(settings, folder):  # asked anew, under the lock
                _score_again(Run(settings, folder), report)
    except OSError as error:
        lost = error.errno == errno.ENOENT and str(folder) in str(error.filename)
        if not lost and error.errno not in (None, *NO_ROOM, *NO_WAY):
            raise
        remedy = f"free some space, or set {paths.VARIABLE} to another folder"
        known = f"{error}: {remedy}" if error.errno else str(error)
        raise Refused(
            f"run '{folder.name}' cannot be written: {known}; what was trained is kept "
            "and goes on when asked again"
        ) from None
    return Run(settings, folder)


def _adopt(folder: Path) -> None:
    """Give a run that is older than checksums its own, where it may be written."""
    if sums.is_sealed(folder, PARTS):
        return
    try:
        with locked(folder, None):
            if not sums.is_sealed(folder, PARTS):
                sums.seal(folder, PARTS)
    except OSError:
        return


def _train(settings: RunSettings, folder: Path, report: Report | None) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    if not (is_whole(partial) and sums.is_sealed(partial, PARTS)):
        _fill(settings, partial, report)
    for left in partial.iterdir():  # the checkpoint, and what a kill left
        if left.name not in (*PARTS, sums.SUMS):
            left.unlink()
    partial.rename(folder)


def _fill(settings: RunSettings, partial: Path, report: Report | None) -> None:
    """Write all files of a run, their checksums last."""
    started = time.monotonic()
    (partial / sums.SUMS).unlink(missing_ok=True)
    drop_damaged(partial / CHECKPOINT, report)
    made = functools.partial(_module_and_tensors, settings)
    with killable(partial):
        module, history = fitted(settings, made, partial, report)
    _save(module.kept(), partial / "model.safetensors")
    text_side = getattr(module, "text", None)
    if text_side is not None:
        _save(text_side, partial / TEXT)
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
                trained - started,
                settings.device,
                settings.threads,
                getattr(settings.method, "precision", "32"),
            ),
            "scoring": provenance(
                time.monotonic() - trained, settings.device, settings.threads
            ),
        },
    )
    sums.seal(partial, PARTS)


def _module_and_tensors(settings: RunSettings) -> Trained:
    """Return what is trained, and what it is trained with."""
    return recipe(settings).module_and_tensors(settings, _starts(settings))


def _starts(settings: RunSettings) -> list[nn.Module]:
    """Return the trained networks that a run starts from."""
    return [Run(one, place(one)).model() for one in needs(settings)]


def _scorer(settings: RunSettings) -> str:
    return code_hash(recipe(settings).scored_by)


def _save(network: nn.Module, file: Path) -> None:
    weights = {k: v.cpu().contiguous() for k, v in network.state_dict().items()}
    file.write_bytes(save(weights))  # a full disk is an `OSError` here


def _score_again(run: Run, report: Report | None) -> None:
    started = time.monotonic()
    if report:
        report("its scores are made again")
    record = _record(run)
    both = dict(run.provenance)
    both["scoring"] = provenance(
        time.monotonic() - started, run.settings.device, run.settings.threads
    )
    changing = ("provenance.json", "record.json")
    rest = [name for name in PARTS if name not in changing]
    sums.seal(run.folder, rest)  # killed from here on, it is still whole
    for name, content in zip(changing, (both, record), strict=True):
        _write_json(run.folder / name, content)
    sums.seal(run.folder, PARTS)


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
    write_whole({path: json.dumps(content, indent=1, allow_nan=False)})
