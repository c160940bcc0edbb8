"""Chapter 06: what was published of the two extensions, and what the runs say.

A summary is `summary["arms"][arm][seed]`, as chapters 03 and 06 keep it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from scipy import stats

from helpers.chapters.prompt_variants import PUBLISHED, VARIANTS
from helpers.report import ledger, margins, published
from helpers.report.records import NOT_MADE
from helpers.report.statements import Statement, judge
from helpers.report.verdict import Verdict

SHARED, BASELINE = "shared, end", "ce"
METRICS = ("accuracy", "ses", "sch", "mosu")  # in the order of the published table
# Variant: its arm in the published table.
PRINTED = {
    SHARED: "lico",
    "class, end": "lico, class context",
    "shared, front": "lico, name in front",
}
SOURCE, TABLE = "bartak2024lico", "Table 5"

Summary = Mapping[str, Any]


# Bartak et al. 2024, section 4.2.2: the first extension improves both classification
# and maps, the second improves maps and costs accuracy.
STATEMENTS = (
    *(Statement("class, end", SHARED, metric) for metric in METRICS),
    Statement(SHARED, "shared, front", "accuracy"),
    *(Statement("shared, front", SHARED, metric) for metric in METRICS[1:]),
)
# The same statements of the forms in the published code.
_PRESET = {
    SHARED: "repro_shared",
    "class, end": "repro_class_specific",
    "shared, front": "repro_label_front",
}
IN_THE_CODE = tuple(
    Statement(_PRESET[one.better], _PRESET[one.than], one.metric) for one in STATEMENTS
)


def published_forms(study: Summary | None) -> Summary | None:
    """Return a record with the arms of the published code and their baseline alone.

    None, with one line that says so, where the record lacks them.
    """
    known = {} if study is None else study["arms"]
    arms = {arm: known[arm] for arm in (BASELINE, *PUBLISHED) if arm in known}
    if study is None or not set(PUBLISHED) & set(arms):
        print("The study holds no arm of the published code yet.")
        return None
    return {**study, "arms": arms}


def fourth_run(sd: float, runs: int, confidence: float = 0.95) -> float:
    """Return how far one more run may lie from the mean of `runs`, by chance alone.

    Half a prediction interval, t_{n-1} SD sqrt(1 + 1/n): another run of the very same
    training lies within it in `confidence` of all cases, if runs are normal.
    Raises ValueError on fewer than two runs.
    """
    if runs < 2:
        raise ValueError(f"{runs} runs have no SD")
    quantile = float(stats.t.ppf((1 + confidence) / 2, runs - 1))
    return quantile * sd * math.sqrt(1 + 1 / runs)


def printed() -> pd.DataFrame:
    """Return the published table: a row a metric and variant, against LICO.

    "by chance": `fourth_run` of LICO's printed SD; "within": whether a single run of
    LICO itself could have differed so much. "runs" stand behind LICO, "its runs"
    behind the variant.
    """
    rows = []
    for metric in METRICS:
        (lico,) = _numbers(PRINTED[SHARED], metric)
        assert lico.sd is not None
        assert lico.runs is not None
        chance = fourth_run(lico.sd, lico.runs)
        for variant, arm in PRINTED.items():
            for found in _numbers(arm, metric):
                difference = found.mean - lico.mean
                if variant != SHARED:
                    rows.append(
                        {
                            "metric": margins.metric(metric).label,
                            "prompts": variant,
                            "LICO": lico.mean,
                            "SD": lico.sd,
                            "runs": lico.runs,
                            "this": found.mean,
                            "its runs": found.runs,
                            "difference": difference,
                            "by chance": chance,
                            "within": "yes" if abs(difference) <= chance else "NO",
                        }
                    )
    return pd.DataFrame(rows)


def _numbers(arm: str, metric: str) -> list[published.Published]:
    return [
        row
        for row in published.load()
        if (row.source, row.table, row.arm, row.metric) == (SOURCE, TABLE, arm, metric)
    ]


def differences(summaries: Mapping[str, Summary | None]) -> pd.DataFrame:
    """Return each variant minus the shared context at the end, published and here.

    A row a metric, variant and source; of a summary, one a seed that both arms have.
    """
    rows = [
        {
            "metric": metric,
            "prompts": variant,
            "source": "published",
            "difference": found.mean - lico.mean,
        }
        for metric in METRICS
        for lico in _numbers(PRINTED[SHARED], metric)
        for variant, arm in PRINTED.items()
        for found in _numbers(arm, metric)
        if variant != SHARED
    ]
    for source, summary in summaries.items():
        for metric in METRICS if summary is not None else ():
            assert summary is not None
            for variant in VARIANTS:
                if variant == SHARED:
                    continue
                both = ledger.common_seeds(summary, [variant, SHARED])
                ours = ledger.scores_of(summary, variant, metric, both)
                base = ledger.scores_of(summary, SHARED, metric, both)
                if ours is None or base is None:
                    continue
                gaps = pd.DataFrame((ours - base).T).mean()  # undefined ones left out
                rows += [
                    {
                        "metric": metric,
                        "prompts": variant,
                        "source": source,
                        "difference": float(gap),
                    }
                    for gap in gaps
                ]
    return pd.DataFrame(rows)


def against_baseline() -> list[Statement]:
    """Return that each form of the prompts is better than no text, on each metric."""
    return [Statement(one, BASELINE, m) for one in VARIANTS for m in METRICS]


def verdict_on(
    summaries: Sequence[Summary | None], statement: Statement
) -> Verdict | str:
    """Return the verdict on a published statement by the first summary that has it."""
    for summary in summaries:
        found = judge(summary, STATEMENTS) if summary is not None else []
        for one in found:
            if (one.claim, one.metric) == (statement.text, statement.metric):
                return one
    return NOT_MADE
