"""The scores of two trainings, paired: picture by picture, or seed by seed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from helpers.measure.aggregate import aggregate
from helpers.measure.statistics import Floats, t_interval
from helpers.report import margins, records, score_names

PACKED = re.compile(r"(-|-?\d+)( (-|-?\d+))+")  # as `records.packed` writes scores
ANSWERS = re.compile(r"[01]{2,}")  # right or wrong, picture by picture
CORRECT = "correct"  # whether each test picture is named right
ASIDE = ("extremes", "shares")  # settings of a score, and no scores


@dataclass(frozen=True)
class Compared:
    """One score of two sides.

    Attributes:
        path: where it stands in the record, its names joined by " / ".
        first: its mean on the first side.
        second: on the second.
        units: pictures or seeds that both have.
        low: lower end of the 95 % interval of second - first, NaN if not paired.
        high: upper end.
        margin: smallest difference that matters, committed, NaN if none was.
    """

    path: str
    first: float
    second: float
    units: int
    low: float
    high: float
    margin: float

    @property
    def difference(self) -> float:
        """Second minus first."""
        return self.second - self.first


@dataclass(frozen=True)
class Answers:
    """The same pictures, named by two networks.

    Attributes:
        pictures: how many.
        first_alone: right in the first network alone.
        second_alone: right in the second alone.
        p: of McNemar's exact test, that both are right equally often.
    """

    pictures: int
    first_alone: int
    second_alone: int
    p: float


def mcnemar(first: Floats, second: Floats) -> Answers:
    """Return McNemar's exact test of two networks on the same pictures (1947).

    Of the b + c pictures that one alone names right, b are the first's; under equal
    accuracy b is binomial(b + c, 1/2). Two-sided; without such a picture p is 1.

    Shapes: `[N]` each, 1 where right, else 0.

    >>> mcnemar(np.array([1, 1, 1, 0]), np.array([0, 0, 1, 0]))
    Answers(pictures=4, first_alone=2, second_alone=0, p=0.5)
    """
    b = int(((first > 0) & (second == 0)).sum())
    c = int(((second > 0) & (first == 0)).sum())
    p = float(binomtest(b, b + c, 0.5).pvalue) if b + c else 1.0
    return Answers(len(first), b, c, p)


def leaves(row: Mapping[str, Any], before: tuple[str, ...] = ()) -> Iterator[Any]:
    """Yield (path, value) of all that is a number, a flag or a value a picture.

    A list counts as a value a picture if it is as long as `correct` or `full`.
    """
    for key, value in row.items():
        path = (*before, str(key))
        if isinstance(value, Mapping):
            if key not in ASIDE:
                yield from leaves(value, path)
        elif (known := as_numbers(value)) is not None:
            yield path, known


def as_numbers(value: Any) -> Floats | None:
    """Return `[N]` of a list, of packed or joined scores, `[]` of a number, else None.

    What is not defined is NaN.
    """
    if isinstance(value, bool | int | float):
        return np.array(float(value))
    if isinstance(value, str):
        if ANSWERS.fullmatch(value):
            return np.array([float(mark) for mark in value])
        return np.array(records.unpacked(value)) if PACKED.fullmatch(value) else None
    if not (isinstance(value, list) and value):
        return None
    if not all(one is None or isinstance(one, bool | int | float) for one in value):
        return None
    return np.array([np.nan if one is None else one for one in value], float)


def of_row(row: Mapping[str, Any]) -> dict[tuple[str, ...], Floats]:
    """Return the scores of one training by their path."""
    found = dict(leaves(row))
    wide = [found[(name,)] for name in (CORRECT, "full") if (name,) in found]
    lengths = {len(values) for values in wide if values.ndim}
    return {
        path: values
        for path, values in found.items()
        if values.ndim == 0 or not lengths or len(values) in lengths
    }


def margin_of(path: tuple[str, ...]) -> float:
    """Return the committed margin of a score by its path, NaN if there is none."""
    if path[-1] in score_names.SCORES:
        return score_names.margin(path[-1])
    if path == (CORRECT,) or path == ("accuracy", "test"):
        return margins.margin("accuracy")
    return float("nan")


def by_picture(
    first: Mapping[str, Any], second: Mapping[str, Any], paired: bool
) -> list[Compared]:
    """Return each score of two trainings; intervals are over pictures of a pair.

    A score that either has not defined on a picture leaves that picture out of the
    interval; the means are each side's own.
    """
    ours, theirs = of_row(first), of_row(second)
    rows = []
    for path in ours.keys() & theirs.keys():
        a, b = ours[path], theirs[path]
        gap = b - a if paired and a.shape == b.shape and a.ndim else np.array([])
        gap = gap[~np.isnan(gap)]
        rows.append(_compared(path, _mean(a), _mean(b), gap))
    order = list(ours)
    return sorted(rows, key=lambda one: order.index(tuple(one.path.split(" / "))))


def by_seed(
    first: Mapping[str, Mapping[str, Any]], second: Mapping[str, Mapping[str, Any]]
) -> list[Compared]:
    """Return each score of one arm, means over the seeds that both have.

    Intervals are over these seeds: they are the unit of inference.
    """
    seeds = [seed for seed in first if seed in second]
    pairs = [(of_row(first[seed]), of_row(second[seed])) for seed in seeds]
    if not pairs:
        return []
    shared = [
        path for path in pairs[0][0] if all(path in a and path in b for a, b in pairs)
    ]
    rows = []
    for path in shared:
        means = np.array([(_mean(a[path]), _mean(b[path])) for a, b in pairs])
        known = means[~np.isnan(means).any(1)]
        gap = known[:, 1] - known[:, 0]
        one, other = known.mean(0) if len(known) else (np.nan, np.nan)
        rows.append(_compared(path, float(one), float(other), gap))
    return rows


def _mean(values: Floats) -> float:
    return float(values) if values.ndim == 0 else aggregate(values).mean


def _compared(
    path: tuple[str, ...], first: float, second: float, gap: Floats
) -> Compared:
    low, high = float("nan"), float("nan")
    if len(gap) > 1:
        ends = t_interval(gap)
        low, high = float(ends[0]), float(ends[1])
    margin = margin_of(path)
    return Compared(" / ".join(path), first, second, len(gap), low, high, margin)
