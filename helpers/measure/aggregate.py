"""One score a picture -> one number, with what it leaves out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from helpers.measure.statistics import scores, seed_means

UNKNOWN = "not known why"


@dataclass(frozen=True)
class Aggregate:
    """The mean of a score over the pictures that have it.

    Attributes:
        mean: over these; NaN if there is none.
        used: their number.
        undefined: the number without score, by cause; a picture counts once, under the
            first cause that holds for it.
    """

    mean: float
    used: int
    undefined: dict[str, int]

    @property
    def pictures(self) -> int:
        """Pictures with and without the score."""
        return self.used + sum(self.undefined.values())


def aggregate(
    values: Sequence[float | None] | ArrayLike | Tensor,
    causes: Mapping[str, ArrayLike | Tensor] | None = None,
) -> Aggregate:
    """Return the mean over the pictures where the score is defined, and the others.

    A picture weighs the same whatever batch it came in. Averages of batch means, as
    some published codes take them, give the last, smaller batch a greater weight.

    Args:
        values: a score of each picture, `[B]`; NaN, or None in a record, where it is
            not defined.
        causes: why it may not be, `[B]` of booleans each, as
            {"no object": without_object(masks)}; the first that holds counts, and only
            where the score is missing. A rest is "not known why".

    Raises:
        ValueError: scores that are not `[B]` or infinite, causes of another length.

    >>> aggregate([0.5, None, 1.0]).mean
    0.75
    """
    array = _array(values).astype(np.float64)  # None becomes NaN
    if array.ndim != 1:
        raise ValueError(f"values must be [B], one a picture, got {list(array.shape)}")
    row = scores(array[None], "values")  # [1, B]
    missing = np.isnan(row[0])
    undefined: dict[str, int] = {}
    left = missing.copy()
    for name, where in (causes or {}).items():
        holds = _array(where)
        if holds.shape != array.shape or holds.dtype != np.bool_:
            got = f"{holds.dtype} of shape {list(holds.shape)}"
            raise ValueError(f"cause '{name}' must be {array.size} bools, got {got}")
        undefined[name] = int((left & holds).sum())
        left &= ~holds
    if left.any():
        undefined[UNKNOWN] = int(left.sum())
    used = int((~missing).sum())
    mean = float(seed_means(row)[0]) if used else float("nan")
    return Aggregate(mean, used, undefined)


def _array(values: Sequence[float | None] | ArrayLike | Tensor) -> NDArray[Any]:
    """Return an array of either, on the CPU."""
    if isinstance(values, Tensor):
        known = values.detach().cpu()
        return (known.double() if known.is_floating_point() else known).numpy()
    return np.asarray(values)
