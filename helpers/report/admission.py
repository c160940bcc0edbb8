"""Which metrics may judge: those that order networks whose order is known.

The trial is that of the committed study of chapter 13, five training seeds a network.
"""

import functools
from dataclasses import replace
from pathlib import Path

from helpers import paths
from helpers.report import margins, records
from helpers.report.verdict import Verdict
from helpers.report.verdict_words import NUMBERS

TRIAL = "13_one_table-study"
OF_PREDICTIONS = ("accuracy", "recognition")  # need no trial: they look at no map


def may_judge(metric: str) -> bool:
    """Tell whether a metric may judge: it looks at no map, or the trial admitted it.

    Without a recorded trial no metric of maps may.
    """
    file = paths.records() / f"{TRIAL}.json"
    return metric in OF_PREDICTIONS or metric in _admitted(file)


def heard(found: Verdict) -> Verdict:
    """Take back an outcome on a metric that may not judge; its reason keeps the words.

    Undecided outcomes keep.
    """
    if found.outcome == "undecided" or may_judge(found.metric):
        return found
    label = margins.metric(found.metric).label
    reason = f"{label} was not admitted; {NUMBERS[found.outcome]}"
    return replace(found, outcome="undecided", reason=reason)


@functools.cache
def _admitted(file: Path) -> frozenset[str]:
    if not file.is_file():
        return frozenset()
    return frozenset(records.load(TRIAL)["may judge"])
