"""How chapter 12 judges that one row of scores is better than another."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import ArrayLike

from helpers.report.margins import Kind
from helpers.report.verdict import Verdict, verdict


def judged(
    summary: Mapping[str, Any],
    first: ArrayLike,
    second: ArrayLike,
    claim: str,
    metric: str,
    trained_out: bool,
    kind: Kind = "superiority",
) -> Verdict:
    """Return the verdict on A over B, told of as many pictures as were scored.

    Args:
        summary: that of `eclip.Eclip.summary`.
        first: scores of A, `[seeds, pictures]`, NaN without object; `[seeds, 1]` where
            a record keeps their means.
        second: scores of B, of the same shape.
        claim: what is claimed, in words.
        metric: a name of `report.margins`.
        trained_out: whether all that was trained for A and B was.
        kind: of claim.
    """
    found = verdict(
        first,
        second,
        claim=claim,
        metric=metric,
        kind=kind,
        trained_out=trained_out,
        inert=False,
        fill=0.0,
    )
    if found.all_pictures > 1:
        return found
    count = summary["parameters"]["test_pictures"]  # of which a record has the mean
    return replace(found, pictures=count, all_pictures=count)
