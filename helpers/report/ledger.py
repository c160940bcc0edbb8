"""The ledger: each committed claim against a chapter's summary, and the secondary rows.

A summary is what chapter 03 keeps of its runs, `summary["arms"][arm][seed]`; it may be
the reader's or the committed study's. Claims and margins are those of `margins.yml`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.measure.statistics import Floats, smallest_effect
from helpers.report import margins, published
from helpers.report.records import unpacked
from helpers.report.verdict import Verdict, after_holm, agreeing, all_of, verdict

GRAD_CAM = "Grad-CAM"
BASELINE = "ce"
SECONDARY = ("ses", "mosu", "insertion", "deletion")

Summary = Mapping[str, Any]


def common_seeds(summary: Summary, arms: Sequence[str]) -> list[str]:
    """Return the training seeds that all of these arms have, in order."""
    rows = [set(summary["arms"].get(arm, {})) for arm in arms]
    return sorted(set.intersection(*rows), key=int) if rows else []


def scores_of(
    summary: Summary, arm: str, metric: str, seeds: Sequence[str]
) -> Floats | None:
    """Return the scores of Grad-CAM per picture, `[seeds, pictures]`, or None.

    Accuracy and SCH per picture; of other metrics each seed's mean over pictures,
    `[seeds, 1]`. None where the runs do not have the metric.
    """
    rows = [summary["arms"][arm][seed] for seed in seeds]
    if metric == "accuracy":
        hits = [[int(hit) for hit in row["correct"]] for row in rows]
        return np.array(hits, dtype=np.float64)
    if metric in rows[0] and metric == "sch":
        return np.array([unpacked(row["sch"]) for row in rows])
    if metric in rows[0]["means"][GRAD_CAM]:
        means = [[row["means"][GRAD_CAM][metric]] for row in rows]
        return np.array(means, dtype=np.float64)
    return None


def is_trained_out(summary: Summary, arms: Sequence[str]) -> bool:
    """Tell whether every run of these arms is trained out."""
    rows = [row for arm in arms for row in summary["arms"][arm].values()]
    return all(row["trained_out"] for row in rows)


def inert_arms(summary: Summary, arms: Sequence[str]) -> list[str]:
    """Return the arms of which a language loss was inert in any run."""
    return [
        arm
        for arm in dict.fromkeys(arms)
        if any(
            row.get("intervention", {}).get("inert", "no") != "no"
            for row in summary["arms"][arm].values()
        )
    ]


def judge(
    summary: Summary,
    better: Sequence[str],
    than: Sequence[str],
    metric: str,
    claim: str,
    kind: margins.Kind = "superiority",
) -> Verdict | None:
    """Judge that the sum of arms is better than the sum of others, seed by seed.

    None where an arm or the metric is missing.
    """
    arms = [*better, *than, BASELINE]
    seeds = common_seeds(summary, arms)
    if not seeds:
        return None
    found = {}
    for arm in arms:
        scores = scores_of(summary, arm, metric, seeds)
        if scores is None:
            return None
        found[arm] = scores
    return verdict(
        tuple(found[arm] for arm in better),
        tuple(found[arm] for arm in than),
        claim=claim,
        metric=metric,
        kind=kind,
        baseline=found[BASELINE],
        trained_out=is_trained_out(summary, arms),
        inert=bool(inert_arms(summary, [*better, *than])),
        fill=0.0,
    )


def claim_verdicts(summary: Summary) -> list[tuple[margins.Claim, Verdict]]:
    """Return each committed claim with its verdict, a row a metric.

    The comparisons of a claim hold together (intersection-union); a claim of which an
    arm or a score is missing is left out.
    """
    rows = []
    for claim in margins.load().claims:
        for metric in claim.metrics:
            parts = [
                judge(summary, c.better, c.than, metric, _versus(c), claim.kind)
                for c in claim.compare
            ]
            known = [part for part in parts if part is not None]
            if len(known) == len(parts):
                rows.append((claim, all_of(known, claim.says)))
    return rows


def secondary_verdicts(summary: Summary, arm: str = "lico") -> list[Verdict]:
    """Return LICO against the baseline on the other metrics, after Holm.

    Insertion and deletion must agree in three versions: raw, in units of the full
    picture's probability, and on the pictures that both networks get right.
    """
    found = []
    for metric in SECONDARY:
        claim = f"{arm} against {BASELINE}"
        plain = judge(summary, [arm], [BASELINE], metric, claim)
        if plain is None:
            continue
        if metric in ("insertion", "deletion"):
            plain = agreeing([plain, *_versions(summary, arm, metric, claim)])
        found.append(plain)
    return after_holm(found)


def _versions(summary: Summary, arm: str, metric: str, claim: str) -> list[Verdict]:
    """Return the verdicts on relative scores, and on pictures both get right."""
    seeds = common_seeds(summary, [arm, BASELINE])

    def rows(which: str, name: str) -> Floats:
        kept = [summary["arms"][which][seed][name] for seed in seeds]
        return np.array([unpacked(row) for row in kept])

    def right(which: str) -> Floats:
        kept = [summary["arms"][which][seed]["full_correct"] for seed in seeds]
        return np.array([[int(hit) for hit in row] for row in kept])

    both = right(arm) * right(BASELINE) > 0
    raw = {which: rows(which, metric) for which in (arm, BASELINE)}
    share = {
        which: raw[which] / np.where(both, rows(which, "full"), 1.0)
        for which in (arm, BASELINE)
    }
    trained_out = is_trained_out(summary, [arm, BASELINE])
    inert = bool(inert_arms(summary, [arm]))
    return [
        verdict(
            scores[arm],
            scores[BASELINE],
            claim=claim,
            metric=metric,
            where=where,
            trained_out=trained_out,
            inert=inert,
        )
        for scores, where in ((share, both), (raw, both))
    ]


def table(rows: Sequence[tuple[margins.Claim, Verdict]]) -> pd.DataFrame:
    """Return a row a claim and metric: outcome, interval, margin, smallest effect."""
    return pd.DataFrame(
        {
            "claim": claim.name,
            "metric": margins.metric(found.metric).label,
            "verdict": found.label,
            "A - B": found.estimate,
            "from": found.interval[0],
            "to": found.interval[1],
            "margin": found.margin,
            "smallest effect": found.smallest_effect,
            "seeds": found.seeds,
            "seeds needed": str(seeds_needed(found) or "—"),
        }
        for claim, found in rows
    )


def of_claim(
    rows: Sequence[tuple[margins.Claim, Verdict]],
    name: str,
    metric: str | None = None,
) -> Verdict:
    """Return the verdict of a claim by its name, on its first or the given metric.

    Raises KeyError, with the names that are there, if it was not judged.
    """
    for claim, found in rows:
        if claim.name == name and metric in (None, found.metric):
            return found
    raise KeyError(f"claim '{name}' was not judged: {[c.name for c, _ in rows]}")


def parts_of_claim(summary: Summary, name: str) -> pd.DataFrame:
    """Return a row a comparison and metric of a claim: they must all hold together.

    Raises KeyError if there is no such claim; what the summary lacks is left out.
    """
    claims = {claim.name: claim for claim in margins.load().claims}
    claim = claims[name]
    found = [
        (_versus(pair), judge(summary, pair.better, pair.than, metric, _versus(pair)))
        for metric in claim.metrics
        for pair in claim.compare
    ]
    rows = [(pair, part) for pair, part in found if part is not None]
    frame = table([(claim, part) for _, part in rows])
    return frame.assign(claim=[pair for pair, _ in rows])


def claims() -> pd.DataFrame:
    """Return the committed claims: what each says, compares and is measured by."""
    return pd.DataFrame(
        {
            "claim": claim.name,
            "says": claim.says,
            "kind": claim.kind,
            "metrics": ", ".join(margins.metric(name).label for name in claim.metrics),
            "compares": "; ".join(_versus(pair) for pair in claim.compare),
        }
        for claim in margins.load().claims
    )


def side_by_side(summaries: Mapping[str, Summary]) -> pd.DataFrame:
    """Return LICO minus baseline by source: published tables, then these summaries.

    A row a claim, source and data set, with the kind of language, seeds and interval;
    a published difference without a standard deviation has no interval.
    """
    rows = []
    for claim, metric in (("1", "sch"), ("1", "insertion"), ("2", "accuracy")):
        for found in published.contrasts("lico", BASELINE, metric):
            low, high = found.interval or (math.nan, math.nan)
            rows.append(
                {
                    "claim": claim,
                    "metric": margins.metric(metric).label,
                    "source": f"{published.NAMES[found.source]}: {found.table}",
                    "data": found.data,
                    "language": "real",
                    "seeds": str(found.runs or "not stated"),
                    "LICO - CE": found.difference,
                    "from": low,
                    "to": high,
                    "reading": _reading(found.interval),
                }
            )
        for name, summary in summaries.items():
            judged = judge(summary, ["lico"], [BASELINE], metric, name)
            if judged is not None:
                rows.append(
                    {
                        "claim": claim,
                        "metric": margins.metric(metric).label,
                        "source": name,
                        "data": summary["parameters"]["dataset"].partition(":")[0],
                        "language": summary["language"],
                        "seeds": str(judged.seeds),
                        "LICO - CE": judged.estimate,
                        "from": judged.interval[0],
                        "to": judged.interval[1],
                        "reading": judged.label,
                    }
                )
    return pd.DataFrame(rows).replace([math.inf, -math.inf], math.nan)


def seeds_needed(found: Verdict, most: int = 200) -> int | None:
    """Return how many seeds would make the smallest detectable effect the margin.

    With the SD of the differences as it is; None for one seed or over `most`.
    """
    if not found.sd > 0:
        return None
    for seeds in range(margins.load().inference.minimal_seeds, most + 1):
        if smallest_effect(seeds) * found.sd <= found.margin:
            return seeds
    return None


def _reading(interval: tuple[float, float] | None) -> str:
    """Say what a published interval holds."""
    if interval is None:
        return "no test possible: no SD printed"
    if interval[0] > 0:
        return "interval above 0"
    return "interval below 0" if interval[1] < 0 else "interval holds 0"


def _versus(comparison: margins.Comparison) -> str:
    return f"{' + '.join(comparison.better)} > {' + '.join(comparison.than)}"
