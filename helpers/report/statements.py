"""Statements that one arm is better than another on a metric, judged together."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from helpers.report import ledger
from helpers.report.joint import after_holm
from helpers.report.verdict import Verdict
from helpers.report.verdict_words import beside


@dataclass(frozen=True)
class Statement:
    """That one arm is better than another on a metric."""

    better: str
    than: str
    metric: str

    @property
    def text(self) -> str:
        """The statement in a few words."""
        return f"{self.better} > {self.than}"


def judge(summary: ledger.Summary, statements: Sequence[Statement]) -> list[Verdict]:
    """Return the verdict on each statement, after Holm over all that can be judged.

    What the summary lacks is left out.
    """
    return _judged(summary, statements, ledger.judge)


def _judged(
    summary: ledger.Summary, statements: Sequence[Statement], by: ledger.Judge
) -> list[Verdict]:
    found = [
        by(summary, [one.better], [one.than], one.metric, one.text)
        for one in statements
    ]
    return after_holm([one for one in found if one is not None])


def judged_and_free(
    summary: ledger.Summary, statements: Sequence[Statement]
) -> tuple[list[Verdict], list[Verdict]]:
    """Return `judge`, and the same without bars on inert arms and on metrics."""
    free = _judged(summary, statements, ledger.judge_whatever_acted)
    return judge(summary, statements), free


def table(summary: ledger.Summary, statements: Sequence[Statement]) -> pd.DataFrame:
    """Return a row a statement: outcome, interval, margin, smallest effect, seeds.

    "exploratory": what the numbers say without the bars on inert arms and on metrics.
    """
    strict, free = judged_and_free(summary, statements)
    if not strict:
        return pd.DataFrame({"statement": ["none: an arm or a score is missing"]})
    rows = [{"statement": one.claim, **ledger.cells(one)} for one in strict]
    frame = pd.DataFrame(rows)
    frame.insert(3, "exploratory", list(map(beside, strict, free)))
    return frame
