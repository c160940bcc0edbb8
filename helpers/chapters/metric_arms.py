"""Chapter 05: the scores of every arm of the committed study, beside a page's own.

A summary holds rows of `chapters.training.rows_of`, `summary["arms"][arm][seed]`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.chapters.training import GROUPS, rows_of
from helpers.lab.runs import Run
from helpers.report import margins, records
from helpers.report.score_names import label, sign

STUDY = "03_training-study"
GRAD_CAM, BASELINE = "Grad-CAM", "ce"
SCORES = ("ses", "sch", "mosu", "insertion", "deletion")
# Scores that records made before these metrics were scored do not hold.
PLACES = (
    *("epg", "gridpg", "pointing game", "score contrast", "iou"),
    *("entropy", "border share"),
)
FLOORS = ("uniform", "centred Gaussian", "random smooth")
CEILINGS = ("ground-truth mask", "pooled mask")
GROUP = {arm: group for group, arms in GROUPS.items() for arm in arms}
Summary = Mapping[str, Any]


def own_arms(arms: Mapping[str, list[Run]]) -> Summary:
    """Return a page's own runs as a summary."""
    return {"arms": rows_of(arms)}


def mean_of(run: Mapping[str, Any], name: str, score: str) -> float:
    """Return a score of a set of maps in a row of a summary, NaN where it has none."""
    found = run["means"].get(name, {}).get(score)
    return math.nan if found is None else float(found)


def what_scores_are_missing(
    study: Summary | None, scores: Sequence[str] = PLACES
) -> str:
    """Return in a line which scores of Grad-CAM a study lacks in one of its runs."""
    if study is None:
        return "No study is recorded."
    runs = [run for seeds in study["arms"].values() for run in seeds.values()]
    lacks = [
        label(score)
        for score in scores
        if not all(score in run["means"][GRAD_CAM] for run in runs)
    ]
    if not lacks:
        return "The study holds all of these scores."
    return f"The study was recorded before these scores: {', '.join(lacks)}."


def scores_of_arms(
    sources: Mapping[str, Summary | None], scores: Sequence[str] = SCORES
) -> pd.DataFrame:
    """Return a row a source, arm, seed and score of Grad-CAM, sorted by group of arms.

    A source that is None is left out. An arm of no group comes last, as "others".
    """
    rows = []
    for source, summary in sources.items():
        for arm, seeds in ({} if summary is None else summary["arms"]).items():
            for seed, run in seeds.items():
                found = {score: mean_of(run, GRAD_CAM, score) for score in scores}
                rows += [
                    (GROUP.get(arm, "others"), arm, source, int(seed), score, value)
                    for score, value in found.items()
                    if not math.isnan(value)
                ]
    names = ["group", "arm", "source", "seed", "score", "value"]
    frame = pd.DataFrame(rows, columns=names)
    order = {arm: place for place, arm in enumerate(GROUP)}
    places = frame["arm"].map(lambda arm: order.get(arm, len(order)))
    return frame.loc[places.sort_values(kind="stable").index].reset_index(drop=True)


def levels(summary: Summary, scores: Sequence[str] = SCORES) -> pd.DataFrame:
    """Return what maps score that know nothing, or all: map, kind, score, value.

    Means over the seeds of the baseline, on whose networks they were tried.
    """
    runs = list(summary["arms"][BASELINE].values())
    rows = []
    for kind, names in (("floor", FLOORS), ("ceiling", CEILINGS)):
        for name in names:
            for score in scores:
                found = float(np.mean([mean_of(run, name, score) for run in runs]))
                if not math.isnan(found):
                    rows.append((name, kind, score, found))
    return pd.DataFrame(rows, columns=["map", "kind", "score", "value"])


def holds(study: Summary | None, scores: Sequence[str] = PLACES) -> bool:
    """Tell whether the baseline of a study has these scores of Grad-CAM."""
    if study is None:
        return False
    run = next(iter(study["arms"][BASELINE].values()))
    return all(score in run["means"][GRAD_CAM] for score in scores)


def what_is_missing(study: Summary | None) -> str:
    """Return in a line which arms of chapter 03 a study holds, and which it lacks."""
    held = set() if study is None else set(study["arms"])
    lacks = [arm for arm in GROUP if arm not in held]
    says = f"The study holds {len(GROUP) - len(lacks)} of {len(GROUP)} arms"
    if not lacks:
        return f"{says}."
    parts = []
    for group, arms in GROUPS.items():
        rest = [arm for arm in arms if arm in lacks]
        if rest:
            parts.append(group if len(rest) == len(arms) else ", ".join(rest))
    return f"{says}; not in this record: {'; '.join(parts)}."


def ahead_of_floors(frame: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return, a row a score, how many arms lie ahead of every floor, by their mean.

    The arms are those of the first source of `scores_of_arms`. "ahead" is in the
    direction that the metric calls better; also the range of the arms' means, and the
    best floor's value.
    """
    rows = []
    first = frame[frame["source"] == frame["source"].iloc[0]]
    for score, values in first.groupby("score", sort=False):
        way = sign(str(score))
        means = values.groupby("arm")["value"].mean()
        floors = known[(known["score"] == score) & (known["kind"] == "floor")]
        if floors.empty:
            continue
        best = floors.loc[(way * floors["value"]).idxmax()]
        rows.append(
            {
                "score": label(str(score)),
                "better": "higher" if way > 0 else "lower",
                "arms": len(means),
                "from": means.min(),
                "to": means.max(),
                "best floor": best["map"],
                "its value": best["value"],
                "arms ahead of it": int((way * (means - best["value"]) > 0).sum()),
            }
        )
    return pd.DataFrame(rows)


# Two ways to put an area in units of the full pictures


def two_ratios(summary: Summary) -> pd.DataFrame:
    """Return relative areas of each arm and seed in both ways: a row a way.

    "mean of ratios" is the mean over pictures of area / full, as recorded; "ratio of
    means" the mean area / the mean full probability.
    """
    rows = []
    for arm, seeds in summary["arms"].items():
        for seed, run in seeds.items():
            full = float(np.mean(records.unpacked(run["full"])))
            means = run["means"][GRAD_CAM]
            for score in ("insertion", "deletion"):
                for way, value in (
                    ("mean of ratios", means[f"relative {score}"]),
                    ("ratio of means", means[score] / full),
                ):
                    rows.append((arm, int(seed), score, way, value))
    return pd.DataFrame(rows, columns=["arm", "seed", "score", "way", "value"])


def spread_of_ways(ratios: pd.DataFrame) -> pd.DataFrame:
    """Return the SD over seeds of each way, a row a score: the mean over arms."""
    grouped = ratios.groupby(["score", "way", "arm"], sort=False)["value"]
    spread = grouped.std().groupby(["score", "way"], sort=False).mean()
    return spread.rename("SD over seeds").reset_index()


def of_pictures(record: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row a picture and score of a run: full, area, ratio, named right or not.

    A picture whose full probability is 0 has no ratio, and none in the mean either.
    """
    maps = record["maps"][GRAD_CAM]
    frames = []
    for score in ("insertion", "deletion"):
        frame = pd.DataFrame(
            {
                "score": score,
                "full": record["full"],
                "area": maps[score],
                "ratio": np.array(maps[f"relative {score}"], dtype=float),
                "named": [
                    "right" if hit else "wrong" for hit in record["full_correct"]
                ],
            }
        )
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def who_decides(pictures: pd.DataFrame) -> pd.DataFrame:
    """Return, a row a score, both ratios, and how much wrongly named pictures weigh.

    Their share of the pictures, of the sum of ratios, and of the sum of areas.
    """
    rows = []
    for score, frame in pictures.groupby("score", sort=False):
        wrong = frame["named"] == "wrong"
        right = frame[~wrong]
        rows.append(
            {
                "score": score,
                "mean of ratios": frame["ratio"].mean(),
                "of pictures named right": right["ratio"].mean(),
                "ratio of means": frame["area"].mean() / frame["full"].mean(),
                "named wrong": wrong.mean(),
                "of the sum of ratios": frame["ratio"][wrong].sum()
                / frame["ratio"].sum(),
                "of the sum of areas": frame["area"][wrong].sum() / frame["area"].sum(),
            }
        )
    return pd.DataFrame(rows)


def about_ratios(pictures: pd.DataFrame) -> pd.DataFrame:
    """Return the two ratios as rows of conventions, as `about_curves` has them."""
    rows = []
    for row in who_decides(pictures).to_dict("records"):
        here, so = row["ratio of means"], row["mean of ratios"]
        rows.append(
            {
                "convention": "mean of the pictures' own ratios",
                "score": f"{row['score']} / full",
                "here": here,
                "so": so,
                "difference": so - here,
                "in margins": abs(so - here) / margins.metric(row["score"]).margin,
            }
        )
    return pd.DataFrame(rows)
