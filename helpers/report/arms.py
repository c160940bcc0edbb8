"""Tables of a summary's arms: accuracy, scores of the maps, what the losses did.

A summary is what chapter 03 keeps of its runs, `summary["arms"][arm][seed]`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.report import intervention

GRAD_CAM = "Grad-CAM"
BASELINE = "ce"
NEAR_CEILING = 0.98  # of an accuracy
Summary = Mapping[str, Any]


def marked_name(arm: str, changed: Collection[str]) -> str:
    """Return what an arm is called where it is shown: "lico (modified)" if changed."""
    return f"{arm} (modified)" if arm in changed else arm


def marked(summary: Summary) -> Summary:
    """Return a summary whose arms bear the names under which they are shown.

    `summary["modified"]` are those that the page's parameters made others than usual;
    a record of usual arms need not have it.
    """
    changed = summary.get("modified", ())
    arms = {marked_name(arm, changed): rows for arm, rows in summary["arms"].items()}
    return {**summary, "arms": arms}


def only(summary: Summary | None, arms: Sequence[str]) -> Summary | None:
    """Return a summary with some of its arms alone, in the order asked for.

    None, and a line that says so, where it has none of them but the baseline; the arms
    that are missing are named in a line as well.
    """
    known = {} if summary is None else summary["arms"]
    there = {arm: known[arm] for arm in arms if arm in known}
    missing = [arm for arm in arms if arm not in known]
    if summary is not None and missing:
        print(f"Not among the arms of this record: {', '.join(missing)}.")
    if summary is None or not there.keys() - {BASELINE}:
        return None
    return {**summary, "arms": there}


def setting(summary: Summary) -> pd.DataFrame:
    """Return in a row what was trained: pictures, epochs, backbone, language."""
    asked = ("pictures", "test_pictures", "size", "epochs", "backbone")
    known = {name.replace("_", " "): summary["parameters"][name] for name in asked}
    return pd.DataFrame([known | {"language": summary["language"]}])


def accuracy(summary: Summary) -> pd.DataFrame:
    """Return a row an arm: what it is, top-1 with its SD, top-5 or top-2, and marks.

    Means over seeds. "near ceiling": which of the two accuracies are so high that no
    arm has room to be better; "inert": a loss that did not act in some run.
    """
    rows = []
    for arm, seeds in marked(summary)["arms"].items():
        runs = list(seeds.values())
        tests = np.array([run["accuracy"]["test"] for run in runs])
        scored = {"top-1": float(tests.mean()), **_top(runs)}
        near = [name for name, value in scored.items() if value >= NEAR_CEILING]
        rows.append(
            {
                "arm": arm,
                "what it is": runs[0].get("method", "—"),
                "seeds": len(runs),
                "top-1": scored.pop("top-1"),
                "SD": tests.std(ddof=1) if len(runs) > 1 else np.nan,
                **scored,
                "near ceiling": ", ".join(near) or "no",
                "validation": np.mean([r["accuracy"]["validation"] for r in runs]),
                "training": np.mean([run["training_accuracy"] for run in runs]),
                "trained out": f"{sum(run['trained_out'] for run in runs)} runs",
                "inert": intervention.inert_words(runs),
            }
        )
    return pd.DataFrame(rows)


def accuracy_of(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> pd.DataFrame:
    """Return `accuracy` of records of runs, arm -> its runs, without their losses."""
    arms = {arm: dict(enumerate(runs)) for arm, runs in records.items()}
    return accuracy({"arms": arms}).drop(columns=["what it is", "inert"])


def _top(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return top-5 or top-2, the mean over runs; nothing of records without it."""
    names = [name for name in runs[0]["accuracy"] if name.startswith("top-")]
    return {
        name: float(np.mean([run["accuracy"][name] for run in runs]))
        for name in names
        if all(name in run["accuracy"] for run in runs)
    }


def interventions(summary: Summary) -> pd.DataFrame:
    """Return a row an arm with language: mean of `intervention.describe` over seeds."""
    rows = []
    for arm, seeds in marked(summary)["arms"].items():
        lines = [run["intervention"] for run in seeds.values() if "intervention" in run]
        if lines:
            rows.append({"arm": arm, **intervention.mean_of(lines)})
    if not rows:
        return pd.DataFrame({"arm": ["none of them has a loss beside cross-entropy"]})
    frame = pd.DataFrame(rows)
    return frame[[name for name in frame if name != "inert"] + ["inert"]]


def scores(summary: Summary, metrics: Sequence[str]) -> pd.DataFrame:
    """Return a row an arm with Grad-CAM's means, then the references on the baseline.

    The references (uniform, centred Gaussian, random smooth; the masks where they are
    known) stand for what knows nothing of the picture, and for what knows all.
    """
    arms = marked(summary)["arms"]
    rows = [
        {"map": f"Grad-CAM, {arm}", **_means(arms[arm], GRAD_CAM, metrics)}
        for arm in arms
    ]
    base = arms[BASELINE]
    known = next(iter(base.values()))["means"]
    rows += [
        {"map": name, **_means(base, name, metrics)}
        for name in known
        if name != GRAD_CAM
    ]
    return pd.DataFrame(rows)


def seed_to_seed(summary: Summary, metrics: Sequence[str]) -> pd.DataFrame:
    """Return the effect of changing nothing: the baseline's SD over seeds, a metric.

    "of a difference": of two runs that differ by an independent seed alone, sqrt(2) SD.
    Without the metrics that the record does not have, as SCH where masks are unknown.
    """
    runs = list(summary["arms"][BASELINE].values())
    values = {"accuracy": [run["accuracy"]["test"] for run in runs]}
    for metric in metrics:
        if all(metric in run["means"][GRAD_CAM] for run in runs):
            values[metric] = [run["means"][GRAD_CAM][metric] for run in runs]
    noise = pd.DataFrame(
        {
            "metric": metric,
            "seeds": len(runs),
            "mean": np.mean(found),
            "SD": np.std(found, ddof=1) if len(runs) > 1 else np.nan,
        }
        for metric, found in values.items()
    )
    return noise.assign(**{"of a difference": 2**0.5 * noise["SD"]})


def differences(summary: Summary, metrics: Sequence[str]) -> pd.DataFrame:
    """Return arm minus baseline for each arm, seed and metric that is known: a row."""
    base = summary["arms"][BASELINE]
    rows = []
    for arm, seeds in marked(summary)["arms"].items():
        for seed, run in seeds.items():
            if arm == BASELINE or seed not in base:
                continue
            for metric in dict.fromkeys(("accuracy", *metrics)):
                if metric != "accuracy" and metric not in run["means"][GRAD_CAM]:
                    continue
                value = _value(run, metric) - _value(base[seed], metric)
                row = {"arm": arm, "seed": int(seed), "metric": metric}
                rows.append(row | {"difference": value})
    return pd.DataFrame(rows)


def _value(run: Mapping[str, Any], metric: str) -> float:
    if metric == "accuracy":
        return float(run["accuracy"]["test"])
    return float(run["means"][GRAD_CAM][metric])


def _means(
    seeds: Mapping[str, Mapping[str, Any]], name: str, metrics: Sequence[str]
) -> dict[str, float]:
    return {
        metric: float(np.mean([run["means"][name][metric] for run in seeds.values()]))
        for metric in metrics
        if all(metric in run["means"][name] for run in seeds.values())
    }
