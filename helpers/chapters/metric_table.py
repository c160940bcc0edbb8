"""Chapter 05: published tables of map scores beside this book's numbers.

Table 3 of the author response: insertion, deletion and their difference ("overall") of
Grad-CAM, Grad-CAM++ and RISE, for a baseline and LICO; here also for each loss alone.
Tables 2 to 4 of the reproducibility study: all arms, Grad-CAM alone.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

from helpers.chapters.metric_arms import (
    BASELINE,
    CEILINGS,
    FLOORS,
    GRAD_CAM,
    GROUP,
    mean_of,
)
from helpers.chapters.metrics import AREAS, RISE, cams, rise_draw, score_maps
from helpers.data.catalog import Pictures
from helpers.report import published, score_names

METHODS = ("Grad-CAM", "Grad-CAM++", "RISE")
SOURCES = ("lei2024response", "fletcher2024lico")
OVERALL = "overall"
HERE, STUDY = "this page", "this book's study"
FIRST = ("ce", "lico")
ARMS = ("ce", "mm", "ot", "lico", "cgc")  # of Tables 2 to 4 of the study
NAMING = ("accuracy", "top-5")
SCORES = ("insertion", "deletion", OVERALL, *NAMING, "ses", "sch", "mosu")
# With what METHOD asks to stand beside them.
BESIDE = (
    *("insertion", "deletion", OVERALL, "ses", "ses less chance", "gini"),
    *("sch", "sch less area", "mosu"),
)
REVERSED = "mosu reversed"  # the direction of the published MOSU
SPREAD = "SD over seeds"


def three_methods(
    network: nn.Module, pictures: Pictures, masks: int, device: str = "cpu"
) -> dict[str, Tensor]:
    """Return the maps of Grad-CAM, Grad-CAM++ and RISE, `[B, H, W]` each.

    RISE as published, divided by p; every network gets the same masks.
    """
    drawn = rise_draw(network, pictures, masks, 0, device)
    return cams(network, pictures, device) | {RISE: drawn.maps()}


def of_arms(
    networks: Mapping[str, nn.Module],
    maps: Mapping[str, Mapping[str, Tensor]],
    pictures: Pictures,
    device: str = "cpu",
) -> pd.DataFrame:
    """Return a row a map and arm: means over pictures of all scores, and "overall".

    overall = insertion - deletion, as the response has it. Maps of one name stand
    together, in the order of the first arm's.

    Args:
        networks: of each arm.
        maps: of each arm, by name, `[B, H, W]` each; floors and ceilings too.
        pictures: those that the maps are of.
        device: where the networks are.
    """
    parts = []
    for arm, model in networks.items():
        found = score_maps(model, maps[arm], pictures, device)
        parts.append(found.assign(arm=arm))
    frame = pd.concat(parts, ignore_index=True)
    frame[OVERALL] = frame["insertion"] - frame["deletion"]
    order = {name: place for place, name in enumerate(dict.fromkeys(frame["map"]))}
    frame = frame.sort_values("map", key=lambda s: s.map(order), kind="stable")
    first = ["map", "arm", *AREAS, OVERALL]
    return frame[[*first, *(c for c in frame if c not in first)]]


def differences(own: pd.DataFrame, arms: tuple[str, str] = FIRST) -> pd.DataFrame:
    """Return LICO less baseline: a row a source, data set, method and score.

    Published ones first, then that of `own`, as `of_arms` gives it.
    """
    known: dict[tuple[str, str, str], float] = {
        (row["map"], row["arm"], score): float(row[score])
        for row in own.to_dict("records")
        for score in (*AREAS, OVERALL)
    }
    rows = []
    for score in (*AREAS, OVERALL):
        for method in METHODS:
            for found in published.contrasts(arms[1], arms[0], score, method):
                if found.source in SOURCES:
                    name = published.NAMES[found.source]
                    rows.append((name, found.data, method, score, found.difference))
            both = [known.get((method, arm, score)) for arm in arms]
            if both[0] is not None and both[1] is not None:
                rows.append((HERE, HERE, method, score, both[1] - both[0]))
    names = ["source", "data", "method", "score", "difference"]
    return pd.DataFrame(rows, columns=names)


def tables_2_to_4(study: Mapping[str, Any] | None) -> pd.DataFrame:
    """Return a row a score of the study's Tables 2 to 4, published and recorded.

    A column an arm; mean and SD over training seeds, where there are several. Without a
    record the published numbers stand alone; an arm or a score that it lacks has a
    dash. MOSU is also given in the direction of the published code.
    """
    frame = published.table(list(SCORES), list(ARMS))
    frame = frame[frame["source"] == published.NAMES["bartak2024lico"]]
    held = {} if study is None else study["arms"]
    label = published.metric
    rows = []
    for score in (*SCORES, REVERSED):
        how = "scenes, reversed" if score == REVERSED else "scenes"
        row: dict[str, Any] = {"source": STUDY, "data": how}
        for arm in (arm for arm in ARMS if arm in held):
            means = [value(run, GRAD_CAM, score) for run in held[arm].values()]
            if not np.isnan(means).any():
                row[arm] = f"{np.mean(means):.3f}"
                if len(means) > 1:
                    row[arm] += f" ± {np.std(means, ddof=1):.3f}"
        if row.keys() & set(ARMS):
            name = "mosu" if score == REVERSED else score
            rows.append(row | {"metric": label(name).label})
    both = pd.concat([frame.drop(columns="table"), pd.DataFrame(rows)])
    order = {label(score).label: place for place, score in enumerate(SCORES)}
    both = both.sort_values("metric", key=lambda s: s.map(order), kind="stable")
    columns = ["metric", "source", "data", *(arm for arm in ARMS if arm in both)]
    return both[columns].fillna("—")


def value(run: Mapping[str, Any], name: str, score: str) -> float:
    """Return a mean of a set of maps of one run, or what its arm is scored by.

    overall = insertion - deletion; "accuracy" and "top-5" are of the test pictures. NaN
    where the run has none.
    """
    if score == OVERALL:
        insertion, deletion = (mean_of(run, name, area) for area in AREAS)
        return insertion - deletion
    if score in NAMING:
        key = "test" if score == "accuracy" else score
        return float(run["accuracy"].get(key, math.nan))
    return mean_of(run, name, score)


def of_study(
    summary: Mapping[str, Any], scores: Sequence[str] = BESIDE
) -> pd.DataFrame:
    """Return a row an arm of a summary: means of Grad-CAM's scores over seeds.

    Below them the SD over seeds, a mean over the arms that have two or more: so far
    apart are runs of one arm; then floors and ceilings, on the baseline's networks. A
    score that no arm has is left out.
    """
    arms = summary["arms"]
    order = {arm: place for place, arm in enumerate(GROUP)}
    named = sorted(arms, key=lambda arm: order.get(arm, len(order)))
    found = {
        (arm, score): np.array(
            [value(run, GRAD_CAM, score) for run in arms[arm].values()]
        )
        for arm in named
        for score in scores
    }
    kept = [s for s in scores if any(not np.isnan(found[a, s]).all() for a in named)]
    rows: list[dict[str, Any]] = [
        {"arm or map": arm, "seeds": str(len(arms[arm]))}
        | {score: found[arm, score].mean() for score in kept}
        for arm in named
    ]
    several = [arm for arm in named if len(arms[arm]) > 1]
    if several:
        spread = {
            score: np.mean([found[arm, score].std(ddof=1) for arm in several])
            for score in kept
        }
        rows.append({"arm or map": SPREAD, "seeds": "—"} | spread)
    for name in (*FLOORS, *CEILINGS):
        level = {
            score: np.mean([value(r, name, score) for r in arms[BASELINE].values()])
            for score in kept
        }
        if not all(math.isnan(one) for one in level.values()):
            rows.append({"arm or map": name, "seeds": "—"} | level)
    return pd.DataFrame(rows).rename(columns={score: _title(score) for score in kept})


def by_scores(
    summary: Mapping[str, Any], scores: Sequence[str], arms: tuple[str, str] = FIRST
) -> pd.DataFrame:
    """Return what some scores of Grad-CAM say of each arm, and of LICO: a row a score.

    "LICO ahead" is the difference of LICO and baseline in the score's good direction,
    in margins. A score that a run lacks is left out.
    """
    rows = []
    for score in scores:
        means = {
            arm: float(np.mean([value(run, GRAD_CAM, score) for run in runs.values()]))
            for arm, runs in summary["arms"].items()
        }
        if any(math.isnan(mean) for mean in means.values()):
            continue
        gain = score_names.sign(score) * (means[arms[1]] - means[arms[0]])
        row: dict[str, Any] = {"score": _title(score), **means}
        rows.append(row | {"LICO ahead, margins": gain / score_names.margin(score)})
    return pd.DataFrame(rows)


def _title(score: str) -> str:
    return score if score == OVERALL else score_names.label(score)
