"""Compare two sides: settings, scores, answers, origin, bits."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from helpers.compare.scores import (
    CORRECT,
    Answers,
    Compared,
    by_picture,
    by_seed,
    mcnemar,
    of_row,
)
from helpers.compare.sides import Side
from helpers.settings import Refused

ABSENT = "not set"
# What decides which test pictures there are; the rest may differ in a pair.
PICTURES = {
    True: tuple(
        f"data.{name}" for name in ("name", "size", "test", "explained", "seed")
    ),
    False: ("dataset", "size", "test_pictures", "explained"),
}
UNIT = {True: "pictures", False: "seeds"}
Pair = tuple[Any, Any]
Changed = Mapping[str, Pair]


@dataclass(frozen=True)
class Comparison:
    """What differs between two sides, and by how much.

    Attributes:
        settings: those that differ, a pair each; `ABSENT` where one side has none.
        origin: commits, versions, machine, seconds that differ.
        same_bits: whether each kind of file is the same, bit for bit.
        pictures: whether both were scored on the same test pictures.
        scores: by arm; a run's arm has no name.
        answers: McNemar's test by arm and seed, where both keep `correct`.
        apart: arms, or seeds of an arm, that one side alone has.
    """

    first: Side
    second: Side
    settings: Changed
    origin: Changed
    same_bits: Mapping[str, bool]
    pictures: bool
    scores: Mapping[str, list[Compared]]
    answers: Mapping[str, Answers]
    apart: Mapping[str, Pair]


def compare(first: Side, second: Side) -> Comparison:
    """Compare two runs, or two records.

    Runs are paired picture by picture, records seed by seed within each arm that both
    have. What was scored on other test pictures is shown side by side, without an
    interval. Raises `Refused` for a run beside a record, or records without an arm in
    common.
    """
    if first.is_run != second.is_run:
        word = {True: "a run", False: "a record"}
        raise Refused(
            f"'{first.name}' is {word[first.is_run]}, '{second.name}' "
            f"{word[second.is_run]}: compare two runs or two records"
        )
    common = [arm for arm in first.arms if arm in second.arms]
    if not common:
        raise Refused(
            f"'{first.name}' has the arms {', '.join(first.arms)}, '{second.name}' has "
            f"{', '.join(second.arms)}: none in common"
        )
    settings = changed(first.settings, second.settings)
    pictures = not any(name in settings for name in PICTURES[first.is_run])
    scores: dict[str, list[Compared]] = {}
    answers: dict[str, Answers] = {}
    apart: dict[str, Pair] = {}
    if not first.is_run and list(first.arms) != list(second.arms):
        apart["arms"] = _alone(first.arms, second.arms)
    for arm in common:
        ours, theirs = first.arms[arm], second.arms[arm]
        if first.is_run:  # one training each, whatever its seed
            (one,), (other,) = ours.values(), theirs.values()
            scores[arm] = by_picture(one, other, pictures)
            pairs = {"": (one, other)}
        else:
            scores[arm] = by_seed(ours, theirs)
            pairs = {
                f"{arm}, seed {s}": (ours[s], theirs[s]) for s in ours if s in theirs
            }
            if ours.keys() != theirs.keys():
                apart[f"seeds of {arm}"] = _alone(ours, theirs)
        for name, (one, other) in pairs.items():
            a, b = (of_row(row).get((CORRECT,)) for row in (one, other))
            if pictures and a is not None and b is not None and a.shape == b.shape:
                answers[name] = mcnemar(a, b)
    return Comparison(
        first=first,
        second=second,
        settings=settings,
        origin=changed(first.origin, second.origin),
        same_bits={
            name: value == second.hashes.get(name)
            for name, value in first.hashes.items()
        },
        pictures=pictures,
        scores=scores,
        answers=answers,
        apart=apart,
    )


def changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Pair]:
    """Return what has another value on the second side, or stands on one alone."""
    names = [*first, *(name for name in second if name not in first)]
    pairs = {
        name: (first.get(name, ABSENT), second.get(name, ABSENT)) for name in names
    }
    return {
        name: (one, other)
        for name, (one, other) in pairs.items()
        if type(one) is not type(other) or one != other
    }


def document(found: Comparison) -> dict[str, Any]:
    """Return the comparison JSON-ready; what is not defined is None."""
    return {
        "first": {"name": found.first.name, "place": str(found.first.place)},
        "second": {"name": found.second.name, "place": str(found.second.place)},
        "settings": {name: list(pair) for name, pair in found.settings.items()},
        "origin": {name: list(pair) for name, pair in found.origin.items()},
        "same bits": dict(found.same_bits),
        "same test pictures": found.pictures,
        "unit": UNIT[found.first.is_run],
        "scores": {
            arm: [_json(asdict(one) | {"difference": one.difference}) for one in rows]
            for arm, rows in found.scores.items()
        },
        "answers": {name: asdict(one) for name, one in found.answers.items()},
        "on one side alone": {name: list(pair) for name, pair in found.apart.items()},
    }


def _alone(first: Mapping[str, Any], second: Mapping[str, Any]) -> Pair:
    return (
        [name for name in first if name not in second],
        [name for name in second if name not in first],
    )


def _json(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not isfinite(value) else value
        for name, value in row.items()
    }
