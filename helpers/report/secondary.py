"""LICO against its baseline on the metrics of no claim: together, after Holm.

A summary is what chapter 03 keeps of its runs, `summary["arms"][arm][seed]`.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from helpers.measure.statistics import Floats
from helpers.report.joint import after_holm, agreeing
from helpers.report.ledger import (
    BASELINE,
    Summary,
    cells,
    common_seeds,
    inert_arms,
    is_trained_out,
    judge,
)
from helpers.report.records import unpacked
from helpers.report.verdict import Verdict, verdict

SECONDARY = ("ses", "mosu", "insertion", "deletion")


def secondary_verdicts(
    summary: Summary, arm: str = "lico", than: str = BASELINE
) -> list[Verdict]:
    """Return an arm against another on the metrics of no claim, after Holm.

    Insertion and deletion, where decided, must agree in three versions: raw, in units
    of the full picture's probability, and on the pictures that both networks get right.
    """
    found = []
    for metric in SECONDARY:
        claim = f"{arm} against {than}"
        plain = judge(summary, [arm], [than], metric, claim)
        if plain is None:
            continue
        if metric in ("insertion", "deletion") and plain.outcome != "undecided":
            others = _versions(summary, (arm, than), metric, claim)
            if others:
                plain = agreeing([plain, *others])
            else:
                reason = "a seed without a picture that both get right"
                plain = replace(plain, outcome="undecided", reason=reason)
        found.append(plain)
    return after_holm(found)


def table(summary: Summary, arm: str = "lico") -> pd.DataFrame:
    """Return a row a secondary metric: verdict after Holm, estimate, interval, p."""
    return pd.DataFrame(
        {
            **cells(found),
            "p after Holm": found.p,
        }
        for found in secondary_verdicts(summary, arm)
    )


def _versions(
    summary: Summary, pair: tuple[str, str], metric: str, claim: str
) -> list[Verdict]:
    """Return the verdicts on relative scores, and on pictures both get right.

    None of them where the two of a seed get no picture right together.
    """
    arm, than = pair
    seeds = common_seeds(summary, [arm, than, BASELINE])

    def rows(which: str, name: str) -> Floats:
        kept = [summary["arms"][which][seed][name] for seed in seeds]
        return np.array([unpacked(row) for row in kept])

    def right(which: str) -> Floats:
        kept = [summary["arms"][which][seed]["full_correct"] for seed in seeds]
        return np.array([[int(hit) for hit in row] for row in kept])

    both = right(arm) * right(than) > 0
    if not both.any(axis=1).all():
        return []
    raw = {which: rows(which, metric) for which in pair}
    share = {
        which: raw[which] / np.where(both, rows(which, "full"), 1.0) for which in pair
    }
    trained_out = is_trained_out(summary, [*pair, BASELINE])
    inert = bool(inert_arms(summary, pair))
    return [
        verdict(
            scores[arm],
            scores[than],
            claim=claim,
            metric=metric,
            where=where,
            trained_out=trained_out,
            inert=inert,
        )
        for scores, where in ((share, both), (raw, both))
    ]
