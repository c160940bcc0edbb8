"""What single differences did to trained networks, as tables and verdicts.

A summary is that of `chapters.which_difference`, the reader's or the committed study's;
`codes` is one of chapter 03, whose arms are whole codes.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from helpers.chapters.training import READINGS
from helpers.chapters.which_difference import CODES
from helpers.measure.statistics import t_interval
from helpers.methods.factors import GROUPS
from helpers.report import factors as effects_of
from helpers.report import (
    ledger,
    margins,
    published,
    records,
    simultaneous,
    whole_codes,
)
from helpers.report.beyond_nothing import chance_of
from helpers.report.intervention import inert_words
from helpers.report.verdict_words import in_few_words, numbers_alone
from helpers.report.welch import undecidable_sd

STUDY, TRAINING = "07_which_difference-study", "03_training-study"
OPEN_POINTS = "03_training-readings"  # other readings of the response
RECIPES = "07_which_difference-training"  # differences of the training
PRECISE = "07_which_difference-precision"  # those of precision
FREE = ("factors", "variants", "few_seeds", "device", "explained")  # of `wholes`
NONE = {"difference": ["none was trained here"]}  # in place of an empty table


def wholes(
    singles: Mapping[str, Any] | None, codes: Mapping[str, Any] | None, metric: str
) -> list[whole_codes.Whole]:
    """Return whole codes beside the sum of their differences, if both are recorded.

    Records made with another schedule are not compared.
    """
    if singles is None or codes is None or records.differing(singles, codes, FREE):
        return []
    return whole_codes.whole_codes(singles, codes, metric, list(CODES))


def precision_table(nothing: effects_of.Nothing) -> pd.DataFrame:
    """Return the published accuracies with and without float16, as differences.

    Each minus the run with neither, in points. "chance, seeds as here": how often two
    runs that differ by their seed alone would differ by as much, if the seeds of the
    published network spread as those of `nothing`. "needs seeds within": the SD over
    seeds, in points, from which on the difference of two single runs is not clear of 0.
    """
    rows = [
        row
        for row in published.load()
        if row.source == "lei2024response" and row.table == "Table 1"
    ]
    own = next(row for row in rows if row.arm == "ce, neither")
    return pd.DataFrame(
        {
            "run": row.arm,
            "top-1, %": 100 * row.mean,
            "points": 100 * (row.mean - own.mean),
            "chance, seeds as here": chance_of(row.mean - own.mean, nothing),
            "needs seeds within": 100 * undecidable_sd(row.mean - own.mean, (1, 1)),
        }
        for row in rows
        if row != own
    )


def precision_trained(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Return the baseline's top-1 at each precision that was trained, as in Table 1.

    "points": minus the baseline with neither, seed by seed, with its 95 % interval.
    """
    rows = []
    own = effects_of.BASELINE
    for name in (None, *GROUPS["precision"]):
        arm = own if name is None else f"{own}: {name}"
        if arm not in summary["arms"]:
            continue
        seeds = ledger.common_seeds(summary, [arm, own])
        each = effects_of.arm_scores(summary, arm, "accuracy", seeds).mean(axis=1)
        row: dict[str, Any] = {"run": f"ce, {name or 'neither'}", "seeds": len(seeds)}
        row["top-1, %"] = 100 * each.mean()
        row["SD, points"] = 100 * each.std(ddof=1) if len(seeds) > 1 else math.nan
        if name is not None:
            d = 100 * effects_of.differences_of(summary, [arm], [own], "accuracy")
            low, high = t_interval(d, margins.load().inference.confidence)
            row |= {"points": d.mean(), "from": low, "to": high}
        rows.append(row)
    return pd.DataFrame(rows if len(rows) > 1 else NONE)


def nothing_table(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Return the size of changing nothing: a row a metric and kind of difference."""
    rows = []
    for metric in effects_of.METRICS:
        for kind, training in (("language", False), ("training", True)):
            found = effects_of.changing_nothing(summary, metric, training)
            if found is not None:
                rows.append(
                    {
                        "metric": margins.metric(metric).label,
                        "differences of": kind,
                        "seeds": found.seeds,
                        "SD of one": found.sd,
                        "size": found.size,
                        "from": found.interval[0],
                        "to": found.interval[1],
                        "margin": margins.metric(metric).margin,
                    }
                )
    return pd.DataFrame(rows or NONE)


def readings(record: Mapping[str, Any], metric: str) -> pd.DataFrame:
    """Return a row a reading of the response: over the baseline, and over `rebuttal`.

    The intervals over `rebuttal` hold together over all readings, that over CE is of
    one. "inert", "trained out": of the runs of the reading; where one is not trained
    out or a loss inert, its row answers nothing.
    """
    rows = []
    confidence = margins.load().inference.confidence
    for arm in (name for name in READINGS if name in record["arms"]):
        gain = effects_of.differences_of(record, [arm], ["ce"], metric)
        change = effects_of.differences_of(record, [arm], ["rebuttal"], metric)
        least, most = t_interval(gain, confidence)
        low, high = t_interval(change, confidence, len(READINGS))
        rows.append(
            {
                "reading": arm.removeprefix("rebuttal: "),
                "over rebuttal": float(change.mean()),
                "from": float(low),
                "to": float(high),
                "over CE": float(gain.mean()),
                "over CE, from": float(least),
                "over CE, to": float(most),
                "seeds": len(change),
                "inert": inert_words(record["arms"][arm].values()),
                "trained out": "yes" if ledger.is_trained_out(record, [arm]) else "NO",
            }
        )
    return pd.DataFrame(rows or NONE)


def whole_table(found: Sequence[whole_codes.Whole]) -> pd.DataFrame:
    """Return a row a whole code: its effect, the sum, and whether the two agree.

    "not recorded": the differences that a sum lacks, where one does; "still learning":
    of the code and its differences, those with a run that was not trained out.
    """
    if not found:
        return pd.DataFrame({"code": ["no whole code is recorded with its parts"]})
    table = pd.DataFrame(
        {
            "code": one.preset,
            "differences": len(one.parts),
            "not recorded": ", ".join(one.missing) or "none",
            "still learning": ", ".join(one.learning) or "none",
            "whole code": one.whole[0],
            "sum": one.total[0],
            "whole - sum": one.gap.estimate if one.gap else math.nan,
            "from": one.gap.interval[0] if one.gap else math.nan,
            "to": one.gap.interval[1] if one.gap else math.nan,
            "verdict": in_few_words(one.gap) if one.gap else "—",
        }
        for one in found
    )
    whole = not any(one.missing for one in found)
    return table.drop(columns="not recorded") if whole else table


def effect_table(effects: Sequence[effects_of.Effect]) -> pd.DataFrame:
    """Return a row an effect: verdict, estimate, simultaneous interval, size.

    "of its own loss" is exploratory: what the numbers say if only a loss that the
    difference is of has to act, and if any metric may speak.
    """
    if not effects:
        return pd.DataFrame(NONE)
    return pd.DataFrame(
        {
            "difference": one.factor.name,
            "verdict": in_few_words(one.verdict),
            "effect": one.verdict.estimate,
            "from": one.verdict.interval[0],
            "to": one.verdict.interval[1],
            "of changing nothing": one.ratio,
            "margin": one.verdict.margin,
            "smallest effect": one.verdict.smallest_effect,
            "seeds": one.verdict.seeds,
            "seeds needed": str(simultaneous.seeds_needed(one, len(effects)) or "—"),
            "inert": ", ".join(one.inert) or "no",
            "trained out": "yes" if one.trained_out else "NO",
            "of its own loss": numbers_alone(one.own),
        }
        for one in effects_of.ranked(effects)
    )


def largest_table(found: Mapping[str, Sequence[effects_of.Effect]]) -> pd.DataFrame:
    """Return a row a metric: its largest |t|, and what it must exceed.

    Differences with a run that was still learning are left out.
    "bar" is the simultaneous one of `margins.yml` (Bonferroni), "by simulation" that of
    `simultaneous.largest_t`: over it, changing nothing would come once in 20 studies.
    """
    rows = []
    for metric, every in found.items():
        effects = [one for one in every if one.trained_out]
        known = [(simultaneous.t_value(one), one) for one in effects]
        known = [pair for pair in known if math.isfinite(pair[0])]
        if known:
            size, one = max(known, key=lambda pair: pair[0])
            count, seeds = len(effects), one.verdict.seeds
            rows.append(
                {
                    "metric": margins.metric(metric).label,
                    "differences": count,
                    "largest |t|": size,
                    "of": one.factor.name,
                    "bar": simultaneous.bonferroni_t(count, seeds),
                    "by simulation": simultaneous.largest_t(count, seeds),
                }
            )
    return pd.DataFrame(rows or NONE)


def largest_of_each(
    summary: Mapping[str, Any], metrics: Sequence[str], names: Sequence[str], most: int
) -> pd.DataFrame:
    """Return the largest effects on each metric, in units of changing nothing."""
    rows = [
        {
            "metric": margins.metric(metric).label,
            "difference": one.factor.name,
            "effect": one.verdict.estimate,
            "of changing nothing": one.ratio,
        }
        for metric in metrics
        for one in effects_of.ranked(effects_of.effects(summary, metric, names))[:most]
    ]
    return pd.DataFrame(rows or NONE)


def optimism_table(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Return `factors.optimism`, or a line that says it was not trained."""
    found = effects_of.optimism(summary)
    return found if len(found) else pd.DataFrame(NONE)
