"""The ledger: each committed claim against a chapter's summary.

A summary is what chapter 03 keeps of its runs, `summary["arms"][arm][seed]`; it may be
the reader's or the committed study's. Claims and margins are those of `margins.yml`.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from helpers.measure.statistics import Floats, smallest_effect
from helpers.report import margins
from helpers.report.admission import heard
from helpers.report.intervention import inert_in
from helpers.report.joint import all_of
from helpers.report.records import unpacked
from helpers.report.verdict import Verdict, verdict
from helpers.report.verdict_words import MECHANISM, beside, in_few_words

GRAD_CAM = "Grad-CAM"
BASELINE = "ce"

Summary = Mapping[str, Any]
Judge = Callable[..., Verdict | None]


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
        arm for arm in dict.fromkeys(arms) if inert_in(summary["arms"][arm].values())
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

    None where an arm or the metric is missing; undecided by a metric that was not
    admitted (`admission`), and by runs that show the mechanism only.
    """
    return _judged(summary, better, than, metric, claim, kind, barred=True)


def judge_whatever_acted(
    summary: Summary,
    better: Sequence[str],
    than: Sequence[str],
    metric: str,
    claim: str,
    kind: margins.Kind = "superiority",
) -> Verdict | None:
    """Judge as `judge`, without its bars on losses, metrics and runs. Exploratory.

    It says what the arms did to the score, not what the loss did that one of them is
    named for, and not which arm explains better.
    """
    return _judged(summary, better, than, metric, claim, kind, barred=False)


def _judged(
    summary: Summary,
    better: Sequence[str],
    than: Sequence[str],
    metric: str,
    claim: str,
    kind: margins.Kind,
    barred: bool,
) -> Verdict | None:
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
    judged = verdict(
        tuple(found[arm] for arm in better),
        tuple(found[arm] for arm in than),
        claim=claim,
        metric=metric,
        kind=kind,
        baseline=found[BASELINE],
        trained_out=is_trained_out(summary, arms),
        inert=barred and bool(inert_arms(summary, [*better, *than])),
        fill=0.0,
    )
    if barred and "mechanism" in str(summary.get("language")):
        return replace(judged, outcome="undecided", reason=MECHANISM)
    return heard(judged) if barred else judged


def claim_verdicts(
    summary: Summary, judge: Judge = judge
) -> list[tuple[margins.Claim, Verdict]]:
    """Return each committed claim with its verdict, a row a metric.

    The comparisons of a claim hold together (intersection-union); a claim of which an
    arm or a score is missing is left out. `judge` may be `judge_whatever_acted`.
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


def cells(found: Verdict) -> dict[str, Any]:
    """Return what a row shows of a verdict: outcome, interval, margin, seeds."""
    return {
        "metric": margins.metric(found.metric).label,
        "verdict": in_few_words(found),
        "A - B": found.estimate,
        "from": found.interval[0],
        "to": found.interval[1],
        "margin": found.margin,
        "smallest effect": found.smallest_effect,
        "seeds": found.seeds,
    }


def table(rows: Sequence[tuple[margins.Claim, Verdict]]) -> pd.DataFrame:
    """Return a row a claim and metric: outcome, interval, margin, smallest effect."""
    return pd.DataFrame(
        {
            "claim": claim.name,
            **cells(found),
            "seeds needed": str(seeds_needed(found) or "—"),
        }
        for claim, found in rows
    )


def full_table(summary: Summary, names: Sequence[str] = ()) -> pd.DataFrame:
    """Return `table` of the claims, and beside it, exploratory, `judge_whatever_acted`.

    `names`: of the claims to show (all that can be judged if none is given).
    """
    judged = [claim_verdicts(summary, by) for by in (judge, judge_whatever_acted)]
    chosen = [
        (row, other)
        for row, (_, other) in zip(*judged, strict=True)
        if not names or row[0].name in names
    ]
    if not chosen:
        return pd.DataFrame({"claim": ["none: an arm or a score is missing"]})
    frame = table([row for row, _ in chosen])
    words = [beside(strict, other) for (_, strict), other in chosen]
    frame.insert(3, "exploratory", words)
    changed = set(summary.get("modified", ()))
    return frame.assign(
        claim=[
            f"{claim.name} (modified)" if changed & _arms_of(claim) else claim.name
            for (claim, _), _ in chosen
        ]
    )


@dataclass(frozen=True)
class NoVerdict:
    """Why a claim has no verdict: what it needs is not recorded."""

    claim: str
    reason: str

    @property
    def label(self) -> str:
        """The line for a table cell."""
        return f"no verdict: {self.reason}"

    def _repr_html_(self) -> str:
        words = html.escape(f"Claim {self.claim}: {self.reason}.")
        return (
            '<div class="admonition note"><p class="admonition-title">No verdict</p>'
            f"<p>{words}</p></div>"
        )


def answer(
    summary: Summary | None, name: str, metric: str | None = None
) -> Verdict | NoVerdict:
    """Return the verdict on a claim, or why there is none."""
    if summary is None:
        return NoVerdict(name, "the record is not there")
    try:
        return of_claim(claim_verdicts(summary), name, metric)
    except KeyError:
        return NoVerdict(name, "an arm or a score of it is not recorded")


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

    "exploratory" as in `full_table`. Raises KeyError if there is no such claim; what
    the summary lacks is left out.
    """
    claims = {claim.name: claim for claim in margins.load().claims}
    claim = claims[name]
    strict, free = (
        [
            by(summary, pair.better, pair.than, metric, _versus(pair))
            for metric in claim.metrics
            for pair in claim.compare
        ]
        for by in (judge, judge_whatever_acted)
    )
    rows = [one for one in strict if one is not None]
    if not rows:
        return pd.DataFrame({"claim": ["none: an arm or a score is missing"]})
    frame = table([(claim, part) for part in rows])
    others = [one for one in free if one is not None]
    frame.insert(3, "exploratory", list(map(beside, rows, others)))
    return frame.assign(claim=[part.claim for part in rows])


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


def _arms_of(claim: margins.Claim) -> set[str]:
    return {arm for pair in claim.compare for arm in (*pair.better, *pair.than)}


def _versus(comparison: margins.Comparison) -> str:
    return f"{' + '.join(comparison.better)} > {' + '.join(comparison.than)}"
