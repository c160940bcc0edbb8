"""Chapter 04's records, seen one place and one condition of the dot at a time.

A summary is what `RedDot.summary` keeps; older records have one place, which no name
says, lists instead of packed scores, and no pictures without the dot. A view is like a
summary of one place: its arms are named by their strength alone, and their scores are
those on the class's test pictures with the dot, or without.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from helpers.chapters.red_dot import SOUND
from helpers.measure.aggregate import aggregate
from helpers.measure.statistics import Floats
from helpers.report.records import unpacked

PRESENT, ABSENT = "with the dot", "without the dot"
Summary = Mapping[str, Any]


def places(summary: Summary) -> list[str]:
    """Return the places of the dot, in order."""
    parameters = summary["parameters"]
    if "places" in parameters:
        return list(parameters["places"])
    return [parameters.get("dot_position", "top-left")]


def at(
    summary: Summary | None, place: str | None = None, condition: str = PRESENT
) -> dict[str, Any] | None:
    """Return the view of a place, by default the first, or None with a line why not.

    Networks that were trained for fewer epochs are no part of it.
    """
    if summary is None:
        return None
    known = places(summary)
    wanted = known[0] if place is None else place
    if wanted not in known:
        print(f"Nothing is recorded of a dot at {wanted}; there is {known}.")
        return None
    arms: dict[str, Any] = {}
    for name, seeds in summary["arms"].items():
        arm, _, where = name.partition(", ")
        if where in ("", wanted):
            arms[arm] = {seed: _seen(row, condition) for seed, row in seeds.items()}
    if any(row is None for seeds in arms.values() for row in seeds.values()):
        print(f"Nothing is recorded of pictures {condition}: the record is older.")
        return None
    return {"parameters": summary["parameters"], "place": wanted, "arms": arms}


def every(summary: Summary) -> dict[str, dict[str, Any]]:
    """Return all views that a summary has, by place and condition."""
    rows = next(iter(summary["arms"].values())).values()
    known = [PRESENT, ABSENT] if all("absent" in row for row in rows) else [PRESENT]
    found = {}
    for place in places(summary):
        for condition in known:
            view = at(summary, place, condition)
            if view is not None:
                found[f"{place}, {condition}"] = view
    return found


def lacking(view: Summary, wanted: Sequence[str]) -> str:
    """Return one line: which of the wanted scores the view has not, or that none is."""
    row = next(iter(view["arms"][SOUND].values()))
    missing = [score for score in wanted if score not in row["scores"]]
    if not missing:
        return "Every metric of the trial is recorded."
    return f"Not recorded yet: {', '.join(missing)}."


def values(entry: str | Sequence[float | None]) -> Floats:
    """Return scores, packed or not, NaN where one is not defined."""
    if isinstance(entry, str):
        return np.array(unpacked(entry), dtype=np.float64)
    return np.array(entry, dtype=np.float64)  # None becomes NaN


def seed_mean(row: Mapping[str, Any], score: str) -> float:
    """Return a run's mean of a score over pictures, NaN where none has it."""
    if score == "flips":
        return float(row["flips"])
    kept = row[score] if score == "on the dot" else row["scores"][score]
    return aggregate(values(kept)).mean


def _seen(row: Mapping[str, Any], condition: str) -> dict[str, Any] | None:
    """Return a run's row with the scores of a condition; None if it has none."""
    if "present" not in row:  # an older record
        return dict(row) if condition == PRESENT else None
    part = row["present" if condition == PRESENT else "absent"]
    return {**row, **part}
