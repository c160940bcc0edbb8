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

# Question, claim, metric, and the chapter that shows what the answer rests on.
CLAIMED = (
    ("Do LICO's maps lie on the object more than the baseline's?", "1", "sch", "03"),
    ("Is it as accurate as the baseline?", "2", "accuracy", "03"),
    ("Is it more accurate?", "2 (gain)", "accuracy", "03"),
    ("Are both losses needed, for the maps?", "3", "sch", "03"),
    ("Are both losses needed, for accuracy?", "3", "accuracy", "03"),
    ("Do right names beat every control?", "language", "sch", "03"),
    ("Do its maps lie on the object more than CGC's?", "cgc", "sch", "03"),
)
CORRECTED = "Is the code that the response corrects better than the baseline?"
NAMED = "Does each fault that the response names move maps and accuracy?"


def table(study: Record | None, differences: Record | None) -> pd.DataFrame:
    """Return a row a question: answer, what numbers alone say, interval, chapter.

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
            chapter,
        )
        for question, name, metric, chapter in CLAIMED
        if (name, metric) in known
    ]


def _corrected(study: Record) -> list[dict[str, Any]]:
    asked = [one for one in difference_claims.OVER_BASELINE if one.better == "rebuttal"]
    strict, free = statements.judged_and_free(study, asked)
    return [
        _row(CORRECTED, one, other, "07")
        for one, other in zip(strict, free, strict=True)
    ]


def _named(differences: Record) -> dict[str, Any]:
    found = difference_claims.named_together(difference_claims.named(differences))
    if isinstance(found, str):
        return {"question": NAMED, "answer": found, "more in": "07"}
    return _row(NAMED, found, found, "07")


def _row(question: str, found: Verdict, free: Verdict, chapter: str) -> dict[str, Any]:
    low, high = found.interval
    return {
        "question": question,
        "metric": margins.metric(found.metric).label,
        "answer": in_few_words(found),
        "numbers alone": beside(found, free),
        "difference": found.estimate,
        "from": low,
        "to": high,
        "more in": chapter,
    }


def tally(shown: pd.DataFrame) -> str:
    """Return how many of the questions are decided, in one line."""
    if "answer" not in shown:
        return NOT_MADE
    open_ones = shown["answer"].str.startswith(("undecided", "no verdict"))
    return f"{(~open_ones).sum()} of {len(shown)} questions decided"
