"""Chapter 13: did words help? Rules that stand before any result, and their answers.

A summary is that of `answers.Answers`: `summary["rows"][name][seed]`, and
`summary["references"]` alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from helpers.chapters.answers_bench import METRICS
from helpers.chapters.answers_rows import BASELINE, ROWS, WITH_WORDS, ordered
from helpers.measure.statistics import Floats
from helpers.report import margins
from helpers.report.joint import after_holm, agreeing, all_of
from helpers.report.records import unpacked
from helpers.report.score_names import label, sign
from helpers.report.verdict import Verdict
from helpers.report.verdict import verdict as judged
from helpers.report.verdict_words import in_few_words

PRIMARY = "sch"
AREAS = ("insertion", "deletion")
ACCURACY = "accuracy"
NO_TWIN = "no twin on this page"
NOT_ADMITTED = "none: the metric was not admitted"
Summary = Mapping[str, Any]


def rules() -> pd.DataFrame:
    """Return a row a metric: its part in the answer, better way, margin and rule."""
    rows = []
    for name in (*METRICS, ACCURACY):
        known = margins.metric(name)
        says = "ahead of the baseline and of every twin"
        if name in AREAS:
            says += "; in three versions of the score"
        if name == ACCURACY:
            says = "at most the margin behind the baseline"
        role = {PRIMARY: "primary", ACCURACY: "price"}.get(name, "secondary")
        rows.append(
            {
                "metric": known.label,
                "part": role,
                "better": "higher" if known.higher_is_better else "lower",
                "margin": known.margin,
                "supported if": says,
            }
        )
    return pd.DataFrame(rows)


def trial_of(summary: Summary, metric: str) -> str:
    """Return in a sentence what the trial of known pairs says of a metric."""
    said: str = summary["standing"][metric]
    return said.replace(" on this page", "")  # told elsewhere too, of a record


def admitted(summary: Summary) -> pd.DataFrame:
    """Return a row a metric: what the trial of known pairs says of it."""
    return pd.DataFrame(
        {
            "metric": label(name),
            "may judge": "yes" if name in summary["may judge"] else "no",
            "the trial": trial_of(summary, name),
        }
        for name in METRICS
    )


def seeds_of(summary: Summary, names: Sequence[str]) -> list[str]:
    """Return the seeds that all of these rows have."""
    sets = [set(summary["rows"].get(name, {})) for name in names]
    return sorted(set.intersection(*sets), key=int)


def values(summary: Summary, name: str, metric: str, seeds: Sequence[str]) -> Floats:
    """Return a metric of a row, `[seeds, pictures]`, or each seed's mean `[seeds, 1]`.

    Accuracy, SCH and both areas per picture; NaN where a score is not defined.
    """
    runs = [summary["rows"][name][seed] for seed in seeds]
    if metric == ACCURACY:
        return np.array([[float(hit) for hit in run["correct"]] for run in runs])
    if metric in (PRIMARY, *AREAS):
        return np.array([unpacked(run[metric]) for run in runs])
    means = [run["means"][metric] for run in runs]
    return np.array([[np.nan if one is None else one] for one in means])


def judge(
    summary: Summary,
    first: str,
    second: str,
    metric: str,
    kind: margins.Kind = "superiority",
) -> Verdict | None:
    """Judge that a row is ahead of another; None where one of them is missing.

    Insertion and deletion must agree in three versions: raw, in units of the full
    picture's probability, and on pictures that both networks name right. A row that is
    barred, of either side, leaves it undecided.
    """
    seeds = seeds_of(summary, (first, second, BASELINE))
    if not seeds:
        return None
    sides = [values(summary, name, metric, seeds) for name in (first, second)]
    base = values(summary, BASELINE, metric, seeds)
    if not all(_whole(one) for one in (*sides, base)):
        return None
    runs = [summary["rows"][name][seed] for name in (first, second) for seed in seeds]
    barred = "; ".join(dict.fromkeys(run["barred"] for run in runs if run["barred"]))
    claim = f"{ROWS[first].title} over {ROWS[second].title}"
    given: dict[str, Any] = {
        "claim": claim,
        "metric": metric,
        "kind": kind,
        "trained_out": all(run["trained_out"] for run in runs),
        "inert": False,
        "fill": 0.0,
    }
    found = judged(*sides, baseline=base, **given)
    if metric in AREAS:
        found = _in_versions(summary, (first, second), sides, seeds, found, given)
    if barred:
        return replace(found, outcome="undecided", reason=barred)
    return found


def _whole(array: Floats) -> bool:
    return bool((~np.isnan(array)).any(axis=1).all())


def _in_versions(
    summary: Summary,
    names: tuple[str, str],
    sides: Sequence[Floats],
    seeds: Sequence[str],
    found: Verdict,
    given: Mapping[str, Any],
) -> Verdict:
    """Return the verdict on an area if its other versions agree, else undecided."""
    runs = [[summary["rows"][name][seed] for seed in seeds] for name in names]
    right = [np.array([list(map(int, one["right"])) for one in side]) for side in runs]
    both = right[0] * right[1] > 0
    if not both.any(axis=1).all():
        reason = "no picture that both networks name right"
        return replace(found, outcome="undecided", reason=reason)
    full = [np.array([unpacked(one["full"]) for one in side]) for side in runs]
    share = [
        area / np.where(both & (whole > 0), whole, 1.0)
        for area, whole in zip(sides, full, strict=True)
    ]
    others = [judged(*one, where=both, **given) for one in (share, sides)]
    return agreeing([found, *others])


def parts(summary: Summary, name: str, metric: str) -> list[Verdict]:
    """Return a row with words against the baseline, then against each twin there is."""
    rivals = (BASELINE, *ROWS[name].twins)
    found = [judge(summary, name, rival, metric) for rival in rivals]
    return [one for one in found if one is not None]


def with_words(summary: Summary) -> list[str]:
    """Return the rows with words that a summary has."""
    return [name for name in WITH_WORDS if name in summary["rows"]]


def has_twins(summary: Summary, name: str) -> bool:
    """Tell whether all twins of a row are there."""
    return all(one in summary["rows"] for one in ROWS[name].twins)


def words_helped(summary: Summary, metric: str = PRIMARY) -> dict[str, Verdict]:
    """Judge of each row with words that it is ahead of baseline and twins, all of them.

    After Holm over these rows. A row without all its twins is undecided.
    """
    names, found = with_words(summary), []
    for name in names:
        own = parts(summary, name, metric)
        if not own:
            continue
        whole = _whole_claim(summary, name, own)
        found.append((name, whole))
    corrected = after_holm([one for _, one in found])
    return {name: one for (name, _), one in zip(found, corrected, strict=True)}


def others(summary: Summary) -> dict[str, dict[str, Verdict]]:
    """Return the same of the secondary metrics that were admitted, `[metric][row]`.

    After Holm over all rows and metrics together.
    """
    keys, claims = [], []
    for metric in (one for one in METRICS if one != PRIMARY):
        for name in with_words(summary):
            own = parts(summary, name, metric)
            if own and metric in summary["may judge"]:
                keys.append((metric, name))
                claims.append(_whole_claim(summary, name, own))
    found: dict[str, dict[str, Verdict]] = {metric: {} for metric in METRICS}
    for (metric, name), one in zip(keys, after_holm(claims), strict=True):
        found[metric][name] = one
    return found


def comparisons(summary: Summary, metric: str = PRIMARY) -> pd.DataFrame:
    """Return a row a row with words and rival: difference, interval, margin, verdict.

    The last row of each is what holds of all its rivals together, after Holm.
    """
    whole = words_helped(summary, metric)
    rows = []
    for name in with_words(summary):
        for part in parts(summary, name, metric):
            rows.append(_cells(name, part.claim.split(" over ")[1], part))
        if name in whole:
            rows.append(_cells(name, "all of these", whole[name]))
    return pd.DataFrame(rows)


def _cells(name: str, rival: str, found: Verdict) -> dict[str, Any]:
    return {
        "row": ROWS[name].title,
        "against": rival,
        "A - B": found.estimate,
        "from": found.interval[0],
        "to": found.interval[1],
        "margin": found.margin,
        "verdict": in_few_words(found),
    }


def secondary(summary: Summary) -> pd.DataFrame:
    """Return a row a row with words and other metric: differences and verdict.

    After Holm over those of admitted metrics. Another gives numbers, and no answer.
    """
    rows: list[dict[str, Any]] = []
    found = others(summary)
    for metric in (one for one in METRICS if one != PRIMARY):
        for name in with_words(summary):
            own = parts(summary, name, metric)
            if not own:
                continue
            twins = [sign(metric) * one.estimate for one in own[1:]]
            answer = found[metric].get(name)
            row = {
                "metric": label(metric),
                "row": ROWS[name].title,
                "ahead of the baseline": sign(metric) * own[0].estimate,
                "of the nearest twin": min(twins) if twins else np.nan,
                "margin": own[0].margin,
                "verdict": in_few_words(answer) if answer else NOT_ADMITTED,
            }
            rows.append(row)
    return pd.DataFrame(rows or [{"metric": "no row with words is there"}])


def _whole_claim(summary: Summary, name: str, own: Sequence[Verdict]) -> Verdict:
    """Return what holds of all rivals of a row; undecided where a twin is missing."""
    whole = all_of(own, f"{ROWS[name].title}: words help")
    if not has_twins(summary, name) and whole.outcome != "contradicted":
        return replace(whole, outcome="undecided", reason=NO_TWIN)
    return whole


def prices(summary: Summary) -> pd.DataFrame:
    """Return a row a row with words: is it at most the margin behind the baseline?"""
    rows = []
    for name in with_words(summary):
        found = judge(summary, name, BASELINE, ACCURACY, "non-inferiority")
        if found is not None:
            rows.append(_cells(name, ROWS[BASELINE].title, found))
    return pd.DataFrame(rows)


def best_without(summary: Summary) -> pd.DataFrame:
    """Return a row a metric: the best row without words, and the best with them.

    By their means over seeds, whatever the intervals; no reference map takes part.
    """
    rows = []
    for metric in METRICS:
        best = {words: _best(summary, metric, words) for words in (False, True)}
        row: dict[str, Any] = {"metric": label(metric)}
        for words, column in ((False, "best without words"), (True, "best with words")):
            found = best[words]
            row[column] = ROWS[found[0]].title if found else "—"
            row["its mean" if not words else "mean of that"] = (
                found[1] if found else np.nan
            )
        rows.append(row)
    return pd.DataFrame(rows)


def _best(summary: Summary, metric: str, words: bool) -> tuple[str, float] | None:
    means = {
        name: mean(summary, name, metric)
        for name in ordered(summary["rows"])
        if ROWS[name].words is words
    }
    known = {name: one for name, one in means.items() if one == one}
    if not known:
        return None
    name = max(known, key=lambda one: sign(metric) * known[one])
    return name, known[name]


def mean(summary: Summary, name: str, metric: str) -> float:
    """Return a row's mean over seeds, NaN where it has none."""
    found = [run["means"][metric] for run in summary["rows"][name].values()]
    known = [one for one in found if one is not None]
    return float(np.mean(known)) if known else float("nan")
