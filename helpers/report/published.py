"""Published numbers of the dispute about LICO, as data with their source."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import combinations, groupby
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from helpers.report import margins
from helpers.report.margins import Metric
from helpers.report.welch import Welch, welch
from helpers.settings import Refused

FILE = Path(__file__).with_name("published.yml")
NAMES = {
    "lei2024response": "author response, 2024",
    "fletcher2024lico": "Fletcher et al., 2024",
    "bartak2024lico": "Bartak et al., 2024",
}
MAPS = "Grad-CAM"  # the saliency method that all sources share
# Metrics without a committed margin: no verdict of this book speaks of them.
OTHERS = {
    name: Metric(name, name, math.nan, unit, higher)
    for name, unit, higher in (
        ("top-5", "fraction", True),
        ("overall", "probability", True),  # insertion - deletion
        ("seconds an epoch", "s", False),
        ("graphics memory", "GB", False),
    )
}
# What an arm is scored by, its names and its maps: contrasts are made of these alone.
NAMING = ("accuracy", "top-5")
MAPPING = ("insertion", "deletion", "overall", "ses", "sch", "mosu")
SCORES = (*NAMING, *MAPPING)
UNITS = {
    "training pictures": "pictures",
    "validation pictures": "pictures",
    "classes": "classes",
    "power of the graphics card": "W",
    "power of the rest": "W",
    "seconds a run": "s",
    "full runs": "runs",
    "energy": "kWh",
    "carbon intensity": "g/kWh",
    "emissions": "kg",
    "cows for a day": "cows",
}


@dataclass(frozen=True)
class Published:
    """A number of a paper: scores as fractions, MOSU in nats, NaN where it failed."""

    source: str  # a key of the references
    table: str
    metric: str
    mean: float
    sd: float | None  # None: the source prints none
    runs: int | None  # that the mean is over; None: the source does not say
    unit: str
    step: float  # one unit of the last printed digit
    data: str | None = None
    model: str | None = None
    arm: str | None = None
    saliency: str | None = None  # the method that made the maps
    variant: str | None = None  # which of two numbers in one cell
    note: str | None = None

    @property
    def place(self) -> tuple[str, ...]:
        """All that two arms must share to be compared, but for the metric."""
        cell = (self.data, self.model, self.saliency, self.variant, self._batch)
        return (self.source, self.table, *(part or "" for part in cell))

    @property
    def _batch(self) -> str:
        return (self.note or "") if self.metric == "seconds an epoch" else ""


@dataclass(frozen=True)
class Contrast:
    """Two arms of one published table on one metric: A - B."""

    a: Published
    b: Published

    @property
    def source(self) -> str:
        """The key of the source."""
        return self.a.source

    @property
    def table(self) -> str:
        """The table that prints both arms."""
        return self.a.table

    @property
    def data(self) -> str:
        """The data set."""
        return self.a.data or ""

    @property
    def metric(self) -> str:
        """The metric's name."""
        return self.a.metric

    @property
    def runs(self) -> int | None:
        """Runs behind the smaller arm; None where the source does not say."""
        known = (self.a.runs, self.b.runs)
        return None if None in known else min(n for n in known if n is not None)

    @property
    def difference(self) -> float:
        """A - B, in the metric's unit."""
        return self.a.mean - self.b.mean

    @property
    def gain(self) -> float:
        """A - B, or B - A where lower is better: positive if A is the better."""
        sign = 1 if metric(self.metric).higher_is_better else -1
        return sign * self.difference

    @property
    def test(self) -> Welch | None:
        """Welch's test of A - B; None where an arm has no SD or no number of runs."""
        return self.tested(0.95)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of A - B; None where no test is possible."""
        return None if self.test is None else self.test.interval

    def tested(self, confidence: float) -> Welch | None:
        """Return Welch's test with an interval of another confidence."""
        one, two = self.a, self.b
        if one.sd is None or two.sd is None or one.runs is None or two.runs is None:
            return None
        return welch(
            (one.mean, two.mean), (one.sd, two.sd), (one.runs, two.runs), confidence
        )


@cache
def load() -> tuple[Published, ...]:
    """Return all numbers of `published.yml`, read once a process.

    Raises `Refused` on a row with more or fewer cells than its table has columns.
    """
    text = yaml.safe_load(FILE.read_text("utf-8"))
    return tuple(one for block in text["tables"] for one in _cells(block))


def metric(name: str) -> Metric:
    """Return a metric with its committed margin, or one of `OTHERS` with none (NaN)."""
    return OTHERS[name] if name in OTHERS else margins.metric(name)


def contrasts(
    a: str, b: str, metric: str, saliency: str | None = MAPS
) -> list[Contrast]:
    """Return A - B for every table that has both arms and the metric.

    `saliency`: the method that made the maps (None: of any); accuracies have none.
    """
    return [
        Contrast(one, two)
        for one in load()
        for two in load()
        if (one.arm, two.arm, one.metric, two.metric) == (a, b, metric, metric)
        and one.place == two.place
        and saliency in (None, one.saliency or saliency)
    ]


def every_contrast(sources: Sequence[str] = tuple(NAMES)) -> list[Contrast]:
    """Return all pairs of arms of one table, data set, network, map and metric.

    A is the arm that the table prints later: LICO against its parts and the baseline,
    a variant against LICO.
    """
    rows = [one for one in load() if one.source in sources and one.metric in SCORES]
    rows.sort(key=lambda one: (one.place, one.metric))  # stable: arms keep their order
    groups = groupby(rows, key=lambda one: (one.place, one.metric))
    order = {one: number for number, one in enumerate(load())}
    found = [
        Contrast(a, b) for _, group in groups for b, a in combinations(list(group), 2)
    ]
    return sorted(found, key=lambda pair: (order[pair.b], order[pair.a]))


def table(metrics: list[str], arms: list[str], saliency: str = MAPS) -> pd.DataFrame:
    """Return a row a source, table, data set and metric; a column an arm.

    Tables with one of the arms alone are left out.
    """
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for row in load():
        made = row.saliency in (None, saliency)
        if row.metric in metrics and row.arm in arms and made:
            assert row.arm is not None
            label = metric(row.metric).label
            key = (row.source, row.table, row.data or "", label)
            text = f"{row.mean:.4g}"
            if row.sd is not None:
                text += f" ± {row.sd:.4g}"
            rows.setdefault(key, {})[row.arm] = text
    return pd.DataFrame(
        {
            "source": NAMES[source],
            "table": where,
            "data": data,
            "metric": label,
            **{arm: cells.get(arm, "—") for arm in arms},
        }
        for (source, where, data, label), cells in rows.items()
        if len(cells) > 1
    )


def _cells(block: dict[str, Any]) -> list[Published]:
    """Return the numbers of one table of the file."""
    of_all = {k: v for k, v in block.items() if k not in ("columns", "rows")}
    found = []
    for number, row in enumerate(block["rows"], 1):
        columns, cells = block["columns"], row["cells"]
        if len(columns) != len(cells):
            raise Refused(
                f"{FILE.name}, {block['source']}, {block['table']}, row {number}: "
                f"{len(cells)} cells for {len(columns)} columns: give one a column"
            )
        of_row = {key: value for key, value in row.items() if key != "cells"}
        for column, printed in zip(columns, cells, strict=True):
            found.append(_number(printed, {**of_all, **column, **of_row}))
    return found


def _number(printed: str, words: dict[str, Any]) -> Published:
    """Return a number from its printed form, such as ".727 ± .003" or "-"."""
    scale = Decimal("0.01") if words.pop("unit", None) == "percent" else Decimal(1)
    mean, _, sd = printed.partition(" ± ")
    failed = mean == "-"
    name = words["metric"]
    return Published(
        mean=math.nan if failed else float(Decimal(mean) * scale),
        sd=float(Decimal(sd) * scale) if sd else None,
        runs=words.pop("runs", None),
        unit=UNITS[name] if name in UNITS else metric(name).unit,
        step=math.nan if failed else _step(mean, scale),
        **words,
    )


def _step(printed: str, scale: Decimal) -> float:
    """Return one unit of the last printed digit, in the converted unit."""
    exponent = Decimal(printed).as_tuple().exponent
    assert isinstance(exponent, int)
    return float(Decimal(1).scaleb(exponent) * scale)
