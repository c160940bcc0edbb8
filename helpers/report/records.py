"""The committed records of long runs, and where a run comes from, in a few words."""

import difflib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from helpers import paths
from helpers.data.json_text import read_json
from helpers.settings import Refused

NOT_MADE = "not recorded"
Record = Mapping[str, Any]


def load(name: str) -> dict[str, Any]:
    """Return the record `book/records/<name>.json`.

    Raises `Refused` with the nearest name if it is not there, or cannot be read.
    """
    file = paths.records() / f"{name}.json"
    if not file.is_file():
        known = sorted(path.stem for path in paths.records().glob("*.json"))
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else "make it with --record"
        raise Refused(f"record '{name}' is not in {file.parent}: {hint}")
    return read_json(file, "record", "make it again with --record")


def recorded(name: str, command: str = "") -> dict[str, Any] | None:
    """Return the record `CHAPTER-PROFILE`, or None with a line on how to make it.

    `command`: what makes it, where chapter and profile do not say it all.
    """
    if (paths.records() / f"{name}.json").is_file():
        return load(name)
    chapter, _, profile = name.partition("-")
    usual = f"python -m helpers.run {chapter} --profile {profile} --record"
    print(f"The record {name} is not there yet. Make it with: {command or usual}")
    return None


def of(record: Record | None, rows: Callable[[Record], pd.DataFrame]) -> pd.DataFrame:
    """Return rows of a record, or one row that says that there is none."""
    if record is None:
        return pd.DataFrame({"record": [NOT_MADE]})
    return rows(record)


def differing(one: Record, other: Record, but: Collection[str]) -> list[str]:
    """Return the parameters that two summaries both have, with other values.

    `but`: names that do not count.
    """
    ours, theirs = one["parameters"], other["parameters"]
    return [
        name
        for name in ours
        if name in theirs and name not in but and ours[name] != theirs[name]
    ]


def other_parameters(own: Record, study: Record | None) -> str:
    """Return in a line by which parameters a page's runs differ from a study's."""
    if study is None:
        return "No study is recorded."
    ours, theirs = own["parameters"], study["parameters"]
    names = [
        f"{name} {ours[name]} here, {theirs[name]} there"
        for name in differing(own, study, ("seeds", "few_seeds", "device"))
    ]
    if not names:
        return "The page's runs and the study's differ in seeds alone."
    return f"The page's runs are of other parameters: {'; '.join(names)}."


def packed(values: Sequence[float | None]) -> str:
    """Return scores as one line of ten-thousandths, "-" where one is not defined.

    A list would take a line a picture in a record.

    >>> packed([0.5, None, -0.25])
    '5000 - -2500'
    >>> unpacked(packed([0.5, -0.25]))
    [0.5, -0.25]
    """
    return " ".join("-" if v is None else str(round(v * 1e4)) for v in values)


def unpacked(text: str) -> list[float]:
    """Return the scores of `packed`, NaN where one is not defined."""
    return [math.nan if part == "-" else int(part) / 1e4 for part in text.split()]


def origin(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a table shows of a run: commit, device, threads, seconds, date."""
    training, scoring = provenance["training"], provenance["scoring"]
    return {
        "commit": training["commit"][:9] + ("+" if training["dirty"] else ""),
        "device": training["device"],
        "threads": training["threads"],
        "torch": training["versions"]["torch"],
        "training, s": training["seconds"],
        "scoring, s": scoring["seconds"],
        "date": training["date"][:10],
    }
