"""Chapter 08: the bench as it came out: rows with their bars, and where none was met.

A row says what was timed against what and on what, the value, its bar and whether it
holds; with the sense "at least" a ratio is plain / ours, with "at most" ours / plain.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from helpers import paths
from helpers.report import records
from helpers.report.records import NOT_MADE, Record
from helpers.settings import Refused

RECORD, FILE = "08_cost-bench", "bench.json"
COMMAND = "python tasks.py bench"
NEEDED = ("number", "name", "against", "on", "ratio", "sense", "bar", "holds")
HOLDS = {True: "yes", False: "NO", None: "—"}
Row = Mapping[str, Any]


def recorded() -> Record | None:
    """Return the committed record of the bench, or None with a line on how to make it.

    Raises `Refused` for rows that lack a part.
    """
    found = records.recorded(RECORD, f"{COMMAND} --record")
    if found is not None:
        _check(found["rows"], RECORD)
    return found


def own() -> list[Row] | None:
    """Return the rows of the reader's own bench, or None with a line on how to make it.

    Raises `Refused` for a file that cannot be read, or rows that lack a part.
    """
    file = paths.root() / FILE
    if not file.is_file():
        print(f"No {FILE} of your own machine yet. Make it with: {COMMAND}")
        return None
    try:
        rows = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(
            f"'{FILE}' cannot be read ({type(error).__name__}): make it again with "
            f"{COMMAND}"
        ) from None
    _check(rows, FILE)
    return list(rows)


def rows_of(record: Record | None) -> list[Row] | None:
    """Return the rows of a record, None where there is none."""
    return None if record is None else list(record["rows"])


def table(rows: Sequence[Row] | None) -> pd.DataFrame:
    """Return a row a bench: both sides, value with quartiles, error, bar, if it holds.

    Sides are medians, in seconds or MB; an error is the largest relative one of what
    both compute. One line where there is no bench.
    """
    if rows is None:
        return _none()
    return pd.DataFrame(
        {
            "no.": row["number"],
            "what": row["name"],
            "against": row["against"],
            "on": row["on"],
            "plain, ours": _sides(row),
            "value (quartiles)": _value(row["ratio"], row) + _spread(row),
            "error": "—" if row.get("error") is None else f"{row['error']:.1e}",
            "bar": _bar(row),
            "holds": HOLDS[row["holds"]],
        }
        for row in rows
    )


def remarks(rows: Sequence[Row] | None) -> pd.DataFrame:
    """Return a row a bench that missed its bar or says more: value, bar, what it says.

    A dash where the record says nothing of a row.
    """
    if rows is None:
        return _none()
    told = [row for row in rows if row["holds"] is False or row.get("note")]
    if not told:
        return pd.DataFrame({"remarks": ["none: every bar holds"]})
    return pd.DataFrame(
        {
            "no.": row["number"],
            "what": row["name"],
            "value": _value(row["ratio"], row),
            "bar": _bar(row),
            "holds": HOLDS[row["holds"]],
            "remark": row.get("note") or "—",
        }
        for row in told
    )


def machines(benches: Mapping[str, Sequence[Row] | None]) -> pd.DataFrame:
    """Return a row a bench, machine and number of threads: how many rows it made."""
    frame = pd.DataFrame(
        {
            "bench": name,
            "machine": row.get("machine", "—"),
            "threads": str(row.get("threads", "—")),
        }
        for name, rows in benches.items()
        for row in rows or ()
    )
    if not len(frame):
        return _none()
    return frame.value_counts(sort=False).rename("rows").reset_index()


def counted(rows: Sequence[Row] | None) -> str:
    """Return in a line how many bars hold, how many do not, how many rows have none."""
    if rows is None:
        return "bench: not made yet"
    held = [row["holds"] for row in rows]
    return (
        f"bars that hold: {held.count(True)}, that do not: {held.count(False)}; "
        f"rows without a bar: {held.count(None)}"
    )


def _check(rows: Any, where: str) -> None:
    good = isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows)
    lacking = [name for row in rows if good for name in NEEDED if name not in row]
    if not good or lacking:
        what = f"a row has no '{lacking[0]}'" if lacking else "rows are no list"
        raise Refused(f"'{where}': {what}: make it again with {COMMAND}")


def _none() -> pd.DataFrame:
    return pd.DataFrame({"bench": [NOT_MADE]})


def _sides(row: Row) -> str:
    for unit, name in (("s", "s"), ("mb", "MB")):
        plain, ours = row.get(f"plain_{unit}"), row.get(f"ours_{unit}")
        if plain is not None and ours is not None:
            return f"{_short(plain)}, {_short(ours)} {name}"
    return "—"


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _value(value: float | None, row: Row) -> str:
    if value is None:
        return "—"
    unit = {"x": " ×"}.get(row.get("unit", ""), f" {row.get('unit', '')}".rstrip())
    return f"{value:.3g}{unit}"


def _spread(row: Row) -> str:
    if not row.get("spread") or row["ratio"] is None:
        return ""
    low, high = row["spread"]
    return f" ({low:.3g} to {high:.3g})"


def _bar(row: Row) -> str:
    return "—" if row["bar"] is None else f"{row['sense']} {_value(row['bar'], row)}"
