"""Two pieces of work timed in turn, so that both meet the same machine.

A machine's speed changes from minute to minute; the ratio within a pair hardly does.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Pairs:
    """Seconds of two pieces of work, a pair a place; each pair ran side by side."""

    plain: tuple[float, ...]
    ours: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ours in units of plain, pair by pair."""
        pairs = zip(self.ours, self.plain, strict=True)
        return tuple(ours / plain for ours, plain in pairs)

    @property
    def ratio(self) -> float:
        """The median of `ratios`."""
        return statistics.median(self.ratios)

    @property
    def seconds(self) -> tuple[float, float]:
        """The medians of plain and ours."""
        return statistics.median(self.plain), statistics.median(self.ours)


def alternate(plain: Work, ours: Work, pairs: int = 5, warm: int = 1) -> Pairs:
    """Run both in turn, `warm` times unseen, then `pairs` times on the clock.

    Which of the two begins changes from pair to pair: what the first leaves in the
    caches helps neither more often. Raises `ValueError` for less than one pair.
    """
    if pairs < 1:
        raise ValueError(f"a ratio needs one pair or more, got {pairs}")
    for _ in range(warm):
        plain(), ours()
    times: dict[Work, list[float]] = {plain: [], ours: []}
    for number in range(pairs):
        for work in (plain, ours) if number % 2 == 0 else (ours, plain):
            times[work].append(seconds(work))
    return Pairs(tuple(times[plain]), tuple(times[ours]))


def seconds(work: Work) -> float:
    """Return how long a piece of work takes on the wall clock."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
