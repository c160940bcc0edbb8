"""A row of the benchmarks' table: what, plain, ours, ratio, bar, spread."""

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor

from helpers.lab.pairs import Pairs
from helpers.report.provenance import device_name

Sense = Literal["at least", "at most"]


def machine(device: str = "cpu") -> str:
    """Return the processor or card, and torch's version."""
    return f"{device_name(device)}, torch {torch.__version__.partition('+')[0]}"


@dataclass(frozen=True)
class Row:
    """One measurement.

    "at least": ratio = plain / ours, how many times faster. "at most": ours / plain.
    `spread` holds the quartiles of the pairs' ratios. `error` is the largest absolute
    difference of values and gradients over the largest absolute value, per tensor.
    """

    number: str
    name: str
    against: str
    on: str
    ratio: float
    sense: Sense
    bar: float | None = None
    plain_s: float | None = None
    ours_s: float | None = None
    plain_mb: float | None = None
    ours_mb: float | None = None
    spread: tuple[float, float] | None = None
    pairs: int = 1
    threads: int = field(default_factory=torch.get_num_threads)
    error: float | None = None
    unit: str = "x"
    note: str = ""
    machine: str = field(default_factory=machine)

    @property
    def holds(self) -> bool | None:
        """Whether the bar is met, None where there is none."""
        if self.bar is None:
            return None
        over = self.ratio >= self.bar
        return over if self.sense == "at least" else self.ratio <= self.bar

    def as_json(self) -> dict[str, Any]:
        """Return all of it as a mapping."""
        return asdict(self) | {"holds": self.holds}


def timed(
    number: str, name: str, against: str, on: str, pairs: Pairs, sense: Sense, **more
) -> Row:
    """Return the row of pairs of times."""
    ratios = pairs.ratios
    if sense == "at least":
        ratios = tuple(1 / ratio for ratio in ratios)
    spread = None
    if len(ratios) > 1:
        low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
        spread = (low, high)
    plain, ours = pairs.seconds
    more = {"plain_s": plain, "ours_s": ours, "spread": spread, **more}
    ratio, count = statistics.median(ratios), len(ratios)
    return Row(number, name, against, on, ratio, sense, pairs=count, **more)


def error(ours: Tensor, plain: Tensor) -> float:
    """Return the largest absolute difference over the largest absolute value."""
    ours, plain = ours.detach().double(), plain.detach().double()
    return float((ours - plain).abs().max() / plain.abs().max())


def table(rows: list[Row]) -> str:
    """Return the table as text."""
    shown = [
        {
            "row": row.number,
            "what": f"{row.name} ({row.on})",
            "against": row.against,
            "plain": _amount(row.plain_s, row.plain_mb),
            "ours": _amount(row.ours_s, row.ours_mb),
            "ratio": f"{row.ratio:.3g}{row.unit}",
            "bar": "" if row.bar is None else f"{row.sense} {row.bar:g}",
            "holds": {True: "yes", False: "NO", None: ""}[row.holds],
            "spread": "{:.3g} to {:.3g}".format(*row.spread) if row.spread else "",
            "pairs": row.pairs,
            "threads": row.threads,
            "error": "" if row.error is None else f"{row.error:.1e}",
        }
        for row in rows
    ]
    return pd.DataFrame(shown).to_string(index=False)


def _amount(seconds: float | None, megabytes: float | None) -> str:
    if seconds is not None:
        return f"{seconds:.4g} s"
    return "" if megabytes is None else f"{megabytes:.0f} MB"
