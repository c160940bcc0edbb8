"""Arrays in `.npz` files of others: sized before they are unpacked, never pickled."""

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from helpers.settings import Refused

MOST = 4 * 2**30  # bytes of all arrays that are asked for


def read_arrays(
    file: Path, names: Sequence[str], what: str, remedy: str
) -> list[NDArray[Any]]:
    """Return the arrays of these names.

    Raises:
        Refused: a file that cannot be read, an array that is not there, is pickled or
            says that it is larger than the file. `what` and `remedy` are the words of
            the line before and after the file's name.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            room = sum(_size(archive, name) for name in names)
        if room > MOST:
            raise ValueError(f"its arrays take {room / 2**30:,.0f} GB")
        with np.load(file, allow_pickle=False) as arrays:
            return [np.asarray(arrays[name]) for name in names]
    except Exception as error:
        said = " ".join(str(error).split())
        fault = f"{type(error).__name__}: {said[:80]}"
        raise Refused(f"{what} '{file}' cannot be read ({fault}): {remedy}") from None


def _size(archive: zipfile.ZipFile, name: str) -> int:
    """Return the bytes of an array as its head says; raise where they are not there."""
    entry = archive.getinfo(f"{name}.npy")
    with archive.open(entry) as stream:
        major, _ = npy.read_magic(stream)
        head = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
        shape, _, kind = head(stream)
    if kind.hasobject:
        raise ValueError(f"'{name}' is pickled")
    size = math.prod(shape) * kind.itemsize
    if size > entry.file_size:
        raise ValueError(f"'{name}' says {size} bytes, the file has {entry.file_size}")
    return size
