"""Weights in files: read without running code, damaged ones named."""

import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from helpers.settings import Refused

Report = Callable[[str], None]


def readable_checkpoint(path: Path, report: Report | None) -> Path | None:
    """Return the checkpoint if it is there and whole; set a damaged one aside."""
    if not path.is_file():
        return None
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, KeyError) as error:
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        if report:
            report(
                f"checkpoint '{path}' is damaged ({type(error).__name__}): set aside "
                f"as '{aside.name}', training starts anew"
            )
        return None
    return path


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """Return the weights in a file: `.safetensors`, or `.pt`, `.pth`, `.th`, `.ckpt`.

    Of a checkpoint the entry `state_dict` is taken, and a prefix `module.` or `model.`
    that all its names share is dropped.

    Raises `Refused` for a file that is missing, damaged, or would run code if loaded.
    """
    path = Path(path)
    if not path.is_file():
        raise Refused(f"weights '{path}' are not there: give the path of a file")
    try:
        if path.suffix == ".safetensors":
            weights: Any = load_file(path)
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        if zipfile.is_zipfile(path) or path.stat().st_size == 0:
            raise Refused(
                f"weights '{path}' hold more than tensors and are not loaded: convert "
                'them where you trust them: python -c "import torch; m = torch.load('
                f"'{path.name}', weights_only=False); torch.save(m.get('state_dict', m)"
                f", 'weights.pt')\""
            ) from None
        raise Refused(f"weights '{path}' are damaged: copy the file again") from None
    except Exception as error:
        raise Refused(
            f"weights '{path}' are damaged, or no weights ({type(error).__name__}): "
            "copy the file again; .safetensors, .pt, .pth, .th and .ckpt are read"
        ) from None
    if isinstance(weights, Mapping) and "state_dict" in weights:
        weights = weights["state_dict"]
    if not isinstance(weights, Mapping) or not all(
        isinstance(value, Tensor) for value in weights.values()
    ):
        raise Refused(
            f"weights '{path}' are not a mapping from names to tensors: save "
            "model.state_dict()"
        )
    for prefix in ("module.", "model."):
        if weights and all(name.startswith(prefix) for name in weights):
            weights = {name.removeprefix(prefix): w for name, w in weights.items()}
    return dict(weights)
