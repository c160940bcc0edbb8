"""The questions of the dispute, and what the records answer: one table, computed.

A summary is what chapter 03 keeps of its runs; `differences` is that of chapter 07.
"""

from typing import Any

import pandas as pd

from helpers.chapters import difference_claims
from helpers.report import ledger, margins, statements
from helpers.report.records import NOT_MADE, Record
from helpers.report.verdict import Verdict
from helpers.report.verdict_words import beside, in_few_words

# Question, claim and metric.
CLAIMED = (
    ("Do LICO's maps lie on the object more than the baseline's?", "1", "sch"),
    ("Is it as accurate as the baseline?", "2", "accuracy"),
    ("Is it more accurate?", "2 (gain)", "accuracy"),
    ("Are both losses needed, for the maps?", "3", "sch"),
    ("Are both losses needed, for accuracy?", "3", "accuracy"),
    ("Do right names beat every control?", "language", "sch"),
    ("Do its maps lie on the object more than CGC's?", "cgc", "sch"),
)
CORRECTED = "Is the code that the response corrects better than the baseline?"
NAMED = "Does each fault that the response names move maps and accuracy?"


def table(study: Record | None, differences: Record | None) -> pd.DataFrame:
    """Return a row a question: answer, what numbers alone say, 95 % interval.

    "difference" is that of the first from what it is held against; of several
    comparisons it is that of the weakest, and of faults a size without its sign.
    A question of which a record is not made has a line that says so.
    """
    rows = [] if study is None else [*_claimed(study), *_corrected(study)]
    rows += [] if differences is None else [_named(differences)]
    return pd.DataFrame(rows or {"question": [NOT_MADE]}).fillna("—")


def _claimed(study: Record) -> list[dict[str, Any]]:
    strict = ledger.claim_verdicts(study)
    free = ledger.claim_verdicts(study, ledger.judge_whatever_acted)
    known = {(claim.name, found.metric) for claim, found in strict}
    return [
        _row(
            question,
            ledger.of_claim(strict, name, metric),
            ledger.of_claim(free, name, metric),
        )
        for question, name, metric in CLAIMED
        if (name, metric) in known
    ]


def _corrected(study: Record) -> list[dict[str, Any]]:
    asked = [one for one in difference_claims.OVER_BASELINE if one.better == "rebuttal"]
    strict, free = statements.judged_and_free(study, asked)
    both = zip(strict, free, strict=True)
    return [_row(CORRECTED, one, other) for one, other in both]


def _named(differences: Record) -> dict[str, Any]:
    found = difference_claims.named_together(difference_claims.named(differences))
    if isinstance(found, str):
        return {"question": NAMED, "answer": found}
    return _row(NAMED, found, found)


def _row(question: str, found: Verdict, free: Verdict) -> dict[str, Any]:
    low, high = found.interval
    return {
        "question": question,
        "metric": margins.metric(found.metric).label,
        "answer": in_few_words(found),
        "numbers alone": beside(found, free),
        "difference": f"{found.estimate:+.3f} [{low:+.3f}, {high:+.3f}]",
    }


def tally(shown: pd.DataFrame) -> str:
    """Return how many of the questions are decided, in one line."""
    if "answer" not in shown:
        return NOT_MADE
    open_ones = shown["answer"].str.startswith(("undecided", "no verdict"))
    return f"{(~open_ones).sum()} of {len(shown)} questions decided"
