"""What every chapter's parameters can do."""

from typing import Any

from helpers.lab.grid import grid
from helpers.lab.runs import Run, check
from helpers.lab.weights import Report
from helpers.settings import RunSettings, Settings


class Chapter(Settings):
    """A chapter's parameters, with the names of its notebook's parameters cell."""

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return the runs the chapter needs: for each arm, one a training seed."""
        raise TypeError(f"{type(self).__name__} must say which runs it needs")

    def runs(self) -> list[RunSettings]:
        """Return the runs of all arms in one list."""
        return [one for arm in self.arms().values() for one in arm]

    def check(self) -> None:
        """Raise `Refused` in one line if data or device are not there."""
        for one in self.runs():
            check(one)

    def trained(self, report: Report | None = None) -> dict[str, list[Run]]:
        """Return the trained runs of each arm; those that are missing are trained."""
        arms = self.arms()
        runs = iter(grid(self.runs(), report))
        return {name: [next(runs) for _ in arm] for name, arm in arms.items()}

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return the numbers of the chapter's record, JSON-ready."""
        raise TypeError(f"{type(self).__name__} keeps no record")
