"""What the runs of a chapter took: seconds and disk, from what lies in the store."""

from collections.abc import Iterable
from dataclasses import dataclass

from helpers.lab.runs import Run, is_whole, needs, place
from helpers.settings import RunSettings


@dataclass(frozen=True)
class Needed:
    """The runs that some settings ask for, with those that they start from.

    Attributes:
        runs: how many; the same run counts once.
        training_seconds: of all, one after the other.
        scoring_seconds: likewise.
        megabytes: on the disk.
    """

    runs: int
    training_seconds: float
    scoring_seconds: float
    megabytes: float


def needed(settings: Iterable[RunSettings]) -> Needed | None:
    """Return what these runs took, or None if one of them is not there."""
    found: dict[str, Run] = {}
    waiting = list(settings)
    while waiting:
        one = waiting.pop()
        folder = place(one)
        if str(folder) in found:
            continue
        if not is_whole(folder):
            return None
        found[str(folder)] = Run(one, folder)
        waiting += needs(one)
    parts = [run.provenance for run in found.values()]
    files = (file for run in found.values() for file in run.folder.iterdir())
    return Needed(
        runs=len(found),
        training_seconds=round(sum(part["training"]["seconds"] for part in parts), 1),
        scoring_seconds=round(sum(part["scoring"]["seconds"] for part in parts), 1),
        megabytes=round(sum(file.stat().st_size for file in files) / 1e6, 1),
    )
