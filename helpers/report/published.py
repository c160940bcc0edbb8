"""Published numbers of baseline and LICO, as data with their source."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
import yaml
from scipy import stats

from helpers.report import margins

FILE = Path(__file__).with_name("published.yml")
NAMES = {
    "lei2024response": "author response, 2024",
    "fletcher2024lico": "Fletcher et al., 2024",
    "bartak2024lico": "Bartak et al., 2024",
}


@dataclass(frozen=True)
class Published:
    """A number of a paper: fractions, MOSU in nats; None where it prints none."""

    source: str
    table: str
    data: str
    arm: str
    metric: str
    mean: float
    sd: float | None
    runs: int | None


@dataclass(frozen=True)
class Contrast:
    """Two arms of one published table, A - B, with an interval where one can be had."""

    source: str
    table: str
    data: str
    metric: str
    difference: float
    interval: tuple[float, float] | None  # 95 %, Welch; None: no SD was printed


@cache
def load() -> tuple[Published, ...]:
    """Return all rows of `published.yml`, read once a process."""
    text = yaml.safe_load(FILE.read_text("utf-8"))
    return tuple(Published(**row) for row in text["rows"])


def contrasts(a: str, b: str, metric: str) -> list[Contrast]:
    """Return A - B for every table that has both arms and the metric."""
    found = []
    rows = [row for row in load() if row.metric == metric]
    for one in (row for row in rows if row.arm == a):
        for two in (row for row in rows if row.arm == b):
            same = (one.source, one.table, one.data) == (
                two.source,
                two.table,
                two.data,
            )
            if same:
                difference = one.mean - two.mean
                found.append(
                    Contrast(
                        one.source,
                        one.table,
                        one.data,
                        metric,
                        difference,
                        _welch(one, two),
                    )
                )
    return found


def table(metrics: list[str], arms: list[str]) -> pd.DataFrame:
    """Return a row a source, table, data set and metric; a column an arm."""
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for row in load():
        if row.metric in metrics and row.arm in arms:
            key = (row.source, row.table, row.data, margins.metric(row.metric).label)
            text = f"{row.mean:.4g}"
            if row.sd is not None:
                text += f" ± {row.sd:.4g}"
            rows.setdefault(key, {})[row.arm] = text
    return pd.DataFrame(
        {
            "source": NAMES[source],
            "table": where,
            "data": data,
            "metric": metric,
            **{arm: cells.get(arm, "—") for arm in arms},
        }
        for (source, where, data, metric), cells in rows.items()
    )


def _welch(one: Published, two: Published) -> tuple[float, float] | None:
    """Return the 95 % interval of a difference of means, variances not pooled."""
    if None in (one.sd, two.sd, one.runs, two.runs):
        return None
    assert one.sd is not None
    assert two.sd is not None
    assert one.runs is not None
    assert two.runs is not None
    parts = [one.sd**2 / one.runs, two.sd**2 / two.runs]
    freedom = sum(parts) ** 2 / (
        parts[0] ** 2 / (one.runs - 1) + parts[1] ** 2 / (two.runs - 1)
    )
    half = float(stats.t.ppf(0.975, freedom)) * math.sqrt(sum(parts))
    difference = one.mean - two.mean
    return difference - half, difference + half
