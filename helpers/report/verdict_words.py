"""A verdict in few words, for a cell of a table, and what numbers say without one."""

from helpers.report import margins
from helpers.report.verdict import Outcome, Verdict

MECHANISM = "mechanism only"  # of runs that say nothing of a claim
# What numbers say without a verdict.
NUMBERS: dict[Outcome, str] = {
    "supported": "numbers go its way",
    "contradicted": "numbers go against it",
    "no relevant difference": "numbers within the margin",
}
TOO_FEW = "too few seeds for the margin"
# A word of a reason: what a cell says of it.
_SHORT = {
    MECHANISM: MECHANISM,
    "inert": "inert",
    "was not admitted": "metric not admitted",
    "under-trained": "under-trained",
    "smallest detectable effect": TOO_FEW,
    "past the size of changing nothing": "not clear of the bar's own interval",
}


def in_few_words(found: Verdict) -> str:
    """Return a verdict's label for a cell: numbers have columns of their own.

    A difference that too few seeds let nobody judge was "seen" all the same where its
    interval leaves out the boundary of the claim.
    """
    for sign, words in _SHORT.items():
        if found.outcome == "undecided" and sign in found.reason:
            was = "seen, " if words == TOO_FEW and _seen(found) else ""
            return f"undecided: {was}{words}"
    return found.label


def _seen(found: Verdict) -> bool:
    low, high = found.interval
    if not margins.metric(found.metric).higher_is_better:
        low, high = -high, -low
    boundary = -found.margin if found.kind == "non-inferiority" else 0.0
    return low > boundary or high < boundary


def numbers_alone(free: Verdict) -> str:
    """Return what an exploratory verdict says, in words that are no verdict's."""
    return NUMBERS.get(free.outcome, in_few_words(free))


def beside(strict: Verdict, free: Verdict) -> str:
    """Return `numbers_alone` of an exploratory verdict, or "the same" as the strict."""
    return "the same" if free.label == strict.label else numbers_alone(free)
