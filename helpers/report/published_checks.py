"""Published numbers held against each other: sums, and what the text says of tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from helpers.report import published
from helpers.report.published import NAMES, Contrast, Published

FILE = Path(__file__).with_name("published_statements.yml")
# Three rounded numbers, each off by half a unit at most.
ROUNDING = 1.5
LEVEL = 0.05  # of a word such as "significant"
EPOCHS = 100  # of every training of Bartak et al., section 3.3

Relation = Literal[
    "better",
    "worse",
    "not better",
    "not worse",
    "mostly better",
    "significantly better",
    "significantly worse",
    "not significantly better",
    "within the range",
]


@dataclass(frozen=True)
class Sum:
    """A printed number beside what the numbers it is made of give."""

    printed: Published
    made: float

    @property
    def units(self) -> float:
        """Printed minus recomputed, in units of the last printed digit."""
        return round((self.printed.mean - self.made) / self.printed.step, 6)

    @property
    def misses(self) -> bool:
        """Whether rounding of three numbers cannot explain the gap."""
        return abs(self.units) > ROUNDING


@dataclass(frozen=True)
class Statement:
    """A sentence of a document about its own tables, as a comparison."""

    source: str
    section: str
    quote: str
    tables: tuple[str, ...]
    arms: tuple[str, ...]
    relation: Relation
    against: tuple[str, ...]
    metrics: tuple[str, ...]
    where: tuple[dict[str, str], ...] = ({},)
    beside: tuple[str, ...] = ()  # tables of `against`, if others than `tables`


@dataclass(frozen=True)
class Cell:
    """One value of a statement beside the value, or the values, it is compared with."""

    value: Published
    others: tuple[Published, ...]
    holds: bool | None  # None: it would need a test, and no SD is printed


@dataclass(frozen=True)
class Checked:
    """A statement with all the cells that it speaks of."""

    statement: Statement
    cells: tuple[Cell, ...]

    @property
    def against(self) -> tuple[Cell, ...]:
        """The cells that say otherwise."""
        return tuple(cell for cell in self.cells if cell.holds is False)

    @property
    def untested(self) -> tuple[Cell, ...]:
        """The cells that cannot say, as they print no SD."""
        return tuple(cell for cell in self.cells if cell.holds is None)

    @property
    def agrees(self) -> bool | None:
        """Whether text and tables agree; None where no table can say."""
        if self.statement.relation == "mostly better":
            return 2 * len(self.against) < len(self.cells)
        return False if self.against else None if self.untested else True


def overalls(sources: Sequence[str] = tuple(NAMES)) -> list[Sum]:
    """Return each printed "Overall" or "Combined" with its insertion - deletion."""
    cells = {(one.place, one.arm, one.metric): one for one in published.load()}
    return [
        Sum(
            one,
            cells[(one.place, one.arm, "insertion")].mean
            - cells[(one.place, one.arm, "deletion")].mean,
        )
        for one in published.load()
        if one.metric == "overall" and one.source in sources
    ]


def turned(sources: Sequence[str] = tuple(NAMES)) -> list[tuple[Sum, Sum]]:
    """Return pairs of arms whose order the recomputed overall scores turn around."""
    found = overalls(sources)
    return [
        (one, two)
        for i, one in enumerate(found)
        for two in found[i + 1 :]
        if one.printed.place == two.printed.place
        and (one.printed.mean - two.printed.mean) * (one.made - two.made) < 0
    ]


def energy() -> list[Sum]:
    """Return Appendix D's energy and emissions beside the product of their factors.

    kWh = W x seconds a run x runs / 3.6e6; kg = kWh x g/kWh / 1000. And the seconds of
    a run beside 100 epochs of LICO with ResNet-18, by each column of Table 1.
    """
    rows = [one for one in published.load() if one.source == "bartak2024lico"]
    of = {one.metric: one for one in rows if one.table == "Appendix D"}
    watts = of["power of the graphics card"].mean + of["power of the rest"].mean
    seconds = of["seconds a run"].mean * of["full runs"].mean
    kilograms = of["energy"].mean * of["carbon intensity"].mean / 1000
    epochs = [
        one
        for one in rows
        if one.metric == "seconds an epoch"
        and (one.arm, one.model) == ("lico", "ResNet-18")
    ]
    return [
        Sum(of["energy"], watts * seconds / 3.6e6),
        Sum(of["emissions"], kilograms),
        *(Sum(of["seconds a run"], EPOCHS * one.mean) for one in epochs),
    ]


@cache
def load() -> tuple[Statement, ...]:
    """Return all statements of `published_statements.yml`, read once a process."""
    text = yaml.safe_load(FILE.read_text("utf-8"))
    rows: list[dict[str, Any]] = [
        {key: tuple(v) if isinstance(v, list) else v for key, v in row.items()}
        for row in text["statements"]
    ]
    return tuple(Statement(**row) for row in rows)


def statements(sources: Sequence[str] = tuple(NAMES)) -> list[Checked]:
    """Return all statements about tables, each with the cells that it speaks of."""
    return [check(one) for one in load() if one.source in sources]


def check(statement: Statement) -> Checked:
    """Hold a statement against the tables: a cell a pair of arms and metric.

    Cells of runs that failed (NaN) are left out.
    """
    values = _rows(statement, statement.tables, statement.arms)
    values = [one for one in values if any(_fits(one, at) for at in statement.where)]
    if statement.relation == "within the range":
        others = tuple(_rows(statement, statement.beside, statement.against))
        means = [one.mean for one in others]
        ranged = (
            Cell(value, others, min(means) <= value.mean <= max(means))
            for value in values
        )
        return Checked(statement, tuple(ranged))
    cells = [
        Cell(value, (other,), _holds(Contrast(value, other), statement.relation))
        for value in values
        for other in _rows(statement, statement.tables, statement.against)
        if (value.place, value.metric) == (other.place, other.metric)
    ]
    return Checked(statement, tuple(cells))


def _rows(
    statement: Statement, tables: Sequence[str], arms: Sequence[str]
) -> list[Published]:
    return [
        one
        for one in published.load()
        if one.source == statement.source
        and one.table in tables
        and one.arm in arms
        and one.metric in statement.metrics
        and not math.isnan(one.mean)
    ]


def _fits(one: Published, place: dict[str, str]) -> bool:
    return all(getattr(one, key) == value for key, value in place.items())


def _holds(pair: Contrast, relation: Relation) -> bool | None:
    """Tell whether A stands to B in a relation; None where that would need a test."""
    words = relation.removeprefix("mostly ")
    denied = words.startswith("not ")
    words = words.removeprefix("not ")
    gain = pair.gain if words.endswith("better") else -pair.gain
    holds: bool | None = gain > 0
    if holds and words.startswith("significantly "):
        holds = None if pair.test is None else pair.test.p < LEVEL
    return holds if holds is None else holds != denied
