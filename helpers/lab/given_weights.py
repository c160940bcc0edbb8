"""Weights that somebody else saved: read without running code, sized before unpacking.

`lab.weights` reads the files of this book's own runs. A file of others may be packed
(torch packs nothing), may say that a few numbers fill a large tensor, may have names
that are no text: each is refused before a network is made for it.
"""

import re
import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from helpers.data.places import expanded
from helpers.lab.weights import load_weights
from helpers.settings import Refused

PACKED = 4  # times its own size, that a file may unpack to
SMALL = 2**24  # bytes that any file may unpack to
# Characters that mean nothing to a shell or to Python within quotes.
HARMLESS = re.compile(r"[\w./~@+ -]+")


def given_weights(path: str | Path) -> dict[str, Tensor]:
    """Return the weights in a file by their names, as `weights.load_weights`.

    Raises:
        Refused: as `load_weights`; a file that unpacks to far more than it holds, a
            name that is no text, a tensor larger than its numbers, or not dense.
    """
    file = expanded(str(path))
    if file.is_file():
        _check_packing(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            weights = load_weights(file)
    except Refused as refusal:
        if "hold more than tensors" not in str(refusal):
            raise
        raise Refused(
            f"weights '{file}' hold more than tensors and are not loaded: where you "
            f"trust them, {_conversion(file)}, and give weights.pt"
        ) from None
    except Exception as error:
        raise Refused(
            f"weights '{file}' are no mapping from names to tensors "
            f"({type(error).__name__}): save model.state_dict()"
        ) from None
    for name, values in weights.items():
        _check(file, name, values)
    return weights


def _check_packing(file: Path) -> None:
    """Raise `Refused` for an archive that unpacks to more than weights do."""
    try:
        with zipfile.ZipFile(file) as archive:
            whole = sum(one.file_size for one in archive.infolist())
    except Exception:  # no archive, or a damaged one: the reader says which
        return
    if whole > max(SMALL, PACKED * file.stat().st_size):
        raise Refused(
            f"weights '{file}' unpack to {whole / 2**20:,.0f} MB, {PACKED} times the "
            "file or more: torch packs nothing, save them again"
        )


def _check(file: Path, name: str, values: Tensor) -> None:
    if not isinstance(name, str):
        raise Refused(f"weights '{file}': the name {name!r} is no text")
    if values.layout != torch.strided or values.is_quantized or values.is_meta:
        raise Refused(f"weights '{file}': '{name}' is not dense: save it dense")
    held, filled = values.untyped_storage().nbytes(), values.nbytes
    if filled > held:
        raise Refused(
            f"weights '{file}': '{name}' {list(values.shape)} fills {filled:,} bytes, "
            f"the file holds {held:,} of it: save contiguous tensors"
        )
    try:
        finite = bool(values.isfinite().all())
    except RuntimeError:
        raise Refused(f"weights '{file}': '{name}' is {values.dtype}") from None
    if not finite:
        raise Refused(
            f"weights '{file}' hold NaN or inf in '{name}': take another checkpoint"
        )


def _conversion(file: Path) -> str:
    """Return the line that writes weights.pt from a file that would run code.

    The file may hold the whole network, or its weights as one entry of several.
    """
    shown = str(file) if HARMLESS.fullmatch(str(file)) else "FILE"
    code = (
        f"import torch; m = torch.load('{shown}', weights_only=False); "
        "m = m.state_dict() if hasattr(m, 'state_dict') else m; "
        "torch.save(m.get('state_dict', m.get('model', m)), 'weights.pt')"
    )
    return f'python -c "{code}"'
