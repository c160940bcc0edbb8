"""Chapter 07: what the author response says of three differences, judged.

A summary is that of `chapters.which_difference`, the reader's or the committed study's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from helpers.report import factors
from helpers.report.admission import heard
from helpers.report.beyond_nothing import beyond_nothing
from helpers.report.joint import all_of
from helpers.report.statements import Statement
from helpers.report.verdict import Verdict
from helpers.report.verdict_words import in_few_words, numbers_alone

# By the author response: both of its section 2.1, and that of 2.2.
NAMED = ("OT: silent broadcast", "context per class", "names sorted")
METRICS = ("accuracy", "sch")
REPORTED = "insertion"  # by the response, beside accuracy
# That the corrections help, and that what they lead to is better than no text.
CORRECTED = tuple(Statement("rebuttal", "lico_fact", metric) for metric in METRICS)
OVER_BASELINE = tuple(
    Statement(arm, "ce", metric)
    for arm in ("rebuttal", "lico_fact", "stable")
    for metric in (*METRICS, REPORTED)
)
# Whether `paper` would notice that every class has another's name.
NOTICED = tuple(Statement("lico", "permuted", metric) for metric in METRICS)


def named(summary: Mapping[str, Any]) -> list[Verdict]:
    """Return whether each difference that the response names moves top-1 and SCH.

    By more than changing nothing, the intervals of a metric holding together; empty
    where they are not recorded.
    """
    return [
        heard(beyond_nothing(one))
        for metric in METRICS
        for one in factors.effects(summary, metric, NAMED)
    ]


def named_alone(summary: Mapping[str, Any]) -> list[Verdict]:
    """Return the same, exploratory: what numbers alone say, of insertion as well.

    Only the losses that a difference is of have to act, and any metric may speak.
    """
    return [
        beyond_nothing(replace(one, verdict=one.own))
        for metric in (*METRICS, REPORTED)
        for one in factors.effects(summary, metric, NAMED)
    ]


def named_together(parts: Sequence[Verdict]) -> Verdict | str:
    """Return the verdict that all of them move their metric, or why there is none.

    Its numbers are sizes: of a difference below 0 estimate and interval are turned
    round, so that the weakest part is the one nearest to nothing.
    """
    if len(parts) < len(METRICS) * len(NAMED):
        return "no verdict: these differences are not recorded for top-1 and SCH"
    claim = "each of the three moves top-1 and SCH by more than changing nothing"
    return all_of([_size(one) for one in parts], claim)


def _size(one: Verdict) -> Verdict:
    short = one.claim.removesuffix(" by more than changing nothing")
    low, high = one.interval
    if one.estimate < 0:
        low, high = -high, -low
    return replace(one, claim=short, estimate=abs(one.estimate), interval=(low, high))


def verdict_table(parts: Sequence[Verdict]) -> pd.DataFrame:
    """Return a row a verdict: what was claimed, the answer, its interval and bar."""
    return _table(parts, "verdict", in_few_words)


def numbers_table(parts: Sequence[Verdict]) -> pd.DataFrame:
    """Return the same of exploratory ones, in words that are no verdict's."""
    return _table(parts, "exploratory", numbers_alone)


def _table(
    parts: Sequence[Verdict], column: str, words: Callable[[Verdict], str]
) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame({"claim": ["none of these was trained"]})
    return pd.DataFrame(
        {
            "claim": one.claim,
            column: words(one),
            "effect": one.estimate,
            "from": one.interval[0],
            "to": one.interval[1],
            "bar": one.margin,
            "seeds": one.seeds,
        }
        for one in parts
    )
