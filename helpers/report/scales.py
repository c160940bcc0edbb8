"""Does a sign depend on the scale: on the pictures' size, or on how many there are?

A summary is what chapter 03 keeps of its runs; all but one parameter are alike.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from helpers.report import ledger, margins, records
from helpers.report.intervention import inert_words
from helpers.report.verdict_words import in_few_words, numbers_alone

METRICS = ("sch", "accuracy")
# Parameters that may differ between summaries that are compared: what is trained, how
# often, and where; and passes, because more pictures need fewer.
FREE = {"seeds", "few_seeds", "variants", "device", "explained", "epochs"}
Summary = Mapping[str, Any]


def comparable(summaries: Sequence[Summary | None], parameter: str) -> list[Summary]:
    """Return the summaries that differ from the first in one parameter, by its value.

    A line says which are left out, and by what else they differ.
    """
    there = [one for one in summaries if one is not None]
    kept: dict[Any, Summary] = {}
    for one in there:
        value = one["parameters"][parameter]
        other = records.differing(there[0], one, {parameter, *FREE})
        if other:
            also = ", ".join(sorted(other))
            print(f"Left out, {parameter} {value}: it differs by {also} too.")
        else:
            kept.setdefault(value, one)
    return [kept[value] for value in sorted(kept)]


def rows(
    summaries: Sequence[Summary | None],
    parameter: str,
    arms: Sequence[str] = ("lico", "mm", "ot"),
) -> pd.DataFrame:
    """Return a row a metric, arm and value of the parameter: arm - baseline, verdict.

    "sign": of the interval, "+" or "-" where it is clear of 0, else "0 within".
    "exploratory": what numbers say without the bars on inert arms and on the metric.
    "CE, top-1": the baseline's accuracy there, a mean over its seeds. "inert": the
    losses of the arm that were inert there in any run, "no" where all acted: where they
    differ over the parameter, so does the intervention.
    """
    kept = comparable(summaries, parameter)
    found = []
    for metric, arm, one in product(METRICS, arms, kept):
        judged = ledger.judge(one, [arm], [ledger.BASELINE], metric, arm)
        free = ledger.judge_whatever_acted(one, [arm], [ledger.BASELINE], metric, arm)
        if judged is None or free is None:
            continue
        low, high = judged.interval
        found.append(
            {
                "metric": margins.metric(metric).label,
                "arm": arm,
                parameter: one["parameters"][parameter],
                "epochs": one["parameters"]["epochs"],
                "CE, top-1": _baseline(one),
                "inert": inert_words(one["arms"][arm].values()),
                "arm - CE": judged.estimate,
                "from": low,
                "to": high,
                "sign": "+" if low > 0 else "-" if high < 0 else "0 within",
                "verdict": in_few_words(judged),
                "exploratory": numbers_alone(free),
            }
        )
    return pd.DataFrame(found or {"metric": []})


def _baseline(summary: Summary) -> float:
    runs = summary["arms"][ledger.BASELINE].values()
    return float(np.mean([run["accuracy"]["test"] for run in runs]))


def signs(found: pd.DataFrame, parameter: str) -> pd.DataFrame:
    """Return a row a metric and arm: whether the sign changes over the parameter.

    A change is one of intervals that are clear of 0 on both sides. Where only one value
    is recorded there is nothing to compare.
    """
    said = []
    if found.empty:
        return pd.DataFrame({"metric": ["none is recorded"]})
    for metric, arm in dict.fromkeys(zip(found["metric"], found["arm"], strict=True)):
        here = found[(found["metric"] == metric) & (found["arm"] == arm)]
        seen = dict(zip(here[parameter], here["sign"], strict=True))
        shown = "; ".join(f"{sign} at {value}" for value, sign in seen.items())
        acted = "" if here["inert"].nunique() == 1 else " (not the same losses act)"
        said.append(
            {
                "metric": metric,
                "arm": arm,
                "signs": shown,
                "does the sign change": _change(set(seen.values()), len(seen)) + acted,
            }
        )
    return pd.DataFrame(said)


def _change(signs: set[str], values: int) -> str:
    if values < 2:
        return "only one value is recorded"
    if {"+", "-"} <= signs:
        return "yes"
    if signs in ({"+"}, {"-"}):
        return "no: the same everywhere"
    return "not shown: an interval holds 0"
