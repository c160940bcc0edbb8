"""What is compared: a run's folder, a run of the store by its digest, or a record."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.data.json_text import read_json
from helpers.data.places import expanded
from helpers.lab.runs import FILES
from helpers.settings import Refused, nearest

Row = Mapping[str, Any]  # the scores of one training
WEIGHTS, HISTORY = "model.safetensors", "history.csv"
REST = ("parameters", "provenance", "runs", "chapter", "profile")  # of a record


@dataclass(frozen=True)
class Side:
    """One of two things that are compared.

    Attributes:
        name: as it was asked for.
        place: its folder, or its file.
        settings: what decides it, a name with dots each.
        arms: rows of scores, by arm and training seed; a run has one arm, one row.
        origin: commits, versions, machine and seconds, a name with dots each.
        hashes: sha256 of each file that must agree to be the same bits.
    """

    name: str
    place: Path
    is_run: bool
    settings: Mapping[str, Any]
    arms: Mapping[str, Mapping[str, Row]]
    origin: Mapping[str, Any]
    hashes: Mapping[str, str]


def side(name: str) -> Side:
    """Return the run or the record of this name.

    A folder is a run, a file ending in .json a record. Any other name is looked up
    among the committed records and then, as the beginning of a digest, in the store.

    Raises `Refused` in one line for what is not there, not whole, or not one.
    """
    place = expanded(name)
    if place.is_dir():
        return of_run(name, place)
    if place.suffix == ".json":
        return of_record(name, place)
    record = paths.records() / f"{name}.json"
    if record.is_file():
        return of_record(name, record)
    return of_run(name, in_store(name))


def in_store(name: str) -> Path:
    """Return the folder of the one run whose digest begins so; `seed1-` may precede."""
    known = [
        folder
        for folder in sorted(paths.runs().glob("*/*/seed*-*"))
        if folder.is_dir() and not folder.suffix
    ]
    start = name.lower()
    found = [
        folder
        for folder in known
        if start and folder.name.lower().partition("-")[2].startswith(start)
    ] or [folder for folder in known if start and folder.name.lower().startswith(start)]
    if len(found) == 1:
        return found[0]
    if found:
        some = ", ".join(f"{one.parent.name}/{one.name}" for one in found[:3])
        more = ", ..." if len(found) > 3 else ""
        raise Refused(
            f"'{name}' begins {len(found)} runs: {some}{more}: give more of the digest"
        )
    records = sorted(file.stem for file in paths.records().glob("*.json"))
    raise Refused(
        f"'{name}' is no folder, no .json file, and no digest of a run in "
        f"{paths.runs()}; records{nearest(name, records)}"
    )


def of_run(name: str, folder: Path) -> Side:
    """Return the run that lies in a folder, as `helpers.lab.runs` leaves it."""
    missing = [file for file in FILES if not (folder / file).is_file()]
    if missing:
        raise Refused(
            f"'{name}' is not a whole run: {', '.join(missing)} missing in {folder}"
        )
    settings, record, origin = (
        _read(folder / f"{part}.json") for part in ("config", "record", "provenance")
    )
    seed = str(settings.get("seed", ""))
    return Side(
        name=name,
        place=folder,
        is_run=True,
        settings=flat(settings),
        arms={"": {seed: record}},
        origin=flat(origin) | {"scored by": record.get("scored_by", "unknown")},
        hashes={
            "weights": _sha256((folder / WEIGHTS).read_bytes()),
            "training curve": _sha256((folder / HISTORY).read_bytes()),
            "scores": of_scores(record),
        },
    )


def of_record(name: str, file: Path) -> Side:
    """Return the record that lies in a file, as `helpers.run --record` leaves it."""
    if not file.is_file():
        raise Refused(f"'{name}' is not there: a record is a .json file")
    whole = _read(file)
    parts = {key: _arms(key, value) for key, value in whole.items() if key not in REST}
    arms = {arm: rows for part in parts.values() for arm, rows in part.items()}
    if not arms:
        raise Refused(f"'{name}' holds no arms of trained runs: it cannot be compared")
    more = {key: whole[key] for key, part in parts.items() if not part}
    return Side(
        name=name,
        place=file,
        is_run=False,
        settings=flat({"chapter": whole.get("chapter", "unknown")})
        | flat(_named(whole, "parameters", file))
        | {key: value for key, value in flat(more).items() if _is_short(value)},
        arms=arms,
        origin=flat(_named(whole, "provenance", file))
        | flat(_named(whole, "runs", file), "runs"),
        hashes={"scores": of_scores(arms)},
    )


def _arms(part: str, value: object) -> dict[str, Any]:
    """Return the arms of a record's part: of each a row a seed; {} if it has none."""
    if _are_rows(value):
        return {part: value}
    if isinstance(value, dict) and value and all(map(_are_rows, value.values())):
        return value
    return {}


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested values by their path, its names joined by dots."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{before}.{key}" if before else str(key)
        if isinstance(value, Mapping) and value:
            found |= flat(value, path)
        else:
            found[path] = value
    return found


def of_scores(scores: Any) -> str:
    """Return the hash of scores, whatever the order of their names.

    The hash of the scoring code is no score.
    """
    kept = {key: value for key, value in scores.items() if key != "scored_by"}
    return _sha256(json.dumps(kept, sort_keys=True).encode())


def _are_rows(seeds: Any) -> bool:
    return (
        isinstance(seeds, dict)
        and bool(seeds)
        and all(seed.isdigit() for seed in seeds)
        and all(isinstance(row, dict) for row in seeds.values())
    )


def _named(whole: Mapping[str, Any], part: str, file: Path) -> Mapping[str, Any]:
    """Return a part of a record that has named values, {} where it is not there."""
    found = whole.get(part, {})
    if not isinstance(found, Mapping):
        raise Refused(f"'{file}': {part} must hold named values")
    return found


def _is_short(value: Any) -> bool:
    return len(str(value)) < 200


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(file: Path) -> dict[str, Any]:
    found = read_json(file, "record", "copy it again")
    if not isinstance(found, dict):
        raise Refused(f"'{file}' holds no named values: it is no run and no record")
    try:
        json.dumps(found, allow_nan=False)
    except ValueError:
        raise Refused(f"'{file}' holds a number too large to be one") from None
    return found
