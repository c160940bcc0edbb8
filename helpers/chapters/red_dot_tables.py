"""Chapter 04's tables: scores, the trend over strengths, and training cut short.

A view is that of `red_dot_views.at`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.chapters.red_dot import FULL, GRAD_CAM, SOUND, arm_of
from helpers.chapters.red_dot_trial import (
    PERTURBED,
    scores_of,
)
from helpers.chapters.red_dot_views import (
    ABSENT,
    PRESENT,
    Summary,
    places,
    seed_mean,
    values,
)
from helpers.measure.aggregate import aggregate
from helpers.measure.statistics import t_interval
from helpers.report.ledger import common_seeds


def on_dot(summary: Summary) -> pd.DataFrame:
    """Return a row an arm, seed and picture: the share of the mass on the dot."""
    return pd.DataFrame(
        {"arm": arm, "seed": int(seed), "on the dot": share}
        for arm, seeds in summary["arms"].items()
        for seed, row in seeds.items()
        for share in values(row["on the dot"])
    )


def with_and_without(present: Summary, absent: Summary | None = None) -> pd.DataFrame:
    """Return a row an arm: how it sees the class with the dot and without.

    Means over seeds and pictures of the class: accuracy, probability of the class, and
    the share of Grad-CAM's mass at the dot's place; and the flip rate on other classes.
    `absent` None: these two without the dot are left out.
    """
    rows = []
    for arm, seeds in present["arms"].items():
        row: dict[str, Any] = {"arm": arm}
        for word in ("with", "without"):
            name = "target, with the dot" if word == "with" else "target, without"
            row[f"right, {word}"] = float(np.mean([r[name] for r in seeds.values()]))
        for word, view in (("with", present), ("without", absent)):
            if view is None:
                continue
            mine = view["arms"][arm].values()
            for label, kept in (("probability", "full"), ("mass there", "on the dot")):
                means = [aggregate(values(one[kept])).mean for one in mine]
                row[f"{label}, {word}"] = float(np.mean(means))
        row["flips"] = float(np.mean([one["flips"] for one in seeds.values()]))
        rows.append(row)
    return pd.DataFrame(rows)


def scores_table(summary: Summary, scores: Sequence[str]) -> pd.DataFrame:
    """Return a row an arm with Grad-CAM's means, then the floors and ceilings.

    On pictures of the class. The references are scored on the network that never saw a
    dot.
    """
    arms = summary["arms"]
    known = next(iter(arms[SOUND].values()))["means"]
    rows = [(f"{GRAD_CAM}, {arm}", arms[arm], GRAD_CAM) for arm in arms]
    rows += [(name, arms[SOUND], name) for name in known if name != GRAD_CAM]
    return pd.DataFrame(
        {
            "map": label,
            **{score: _over_seeds(seeds, name, score) for score in scores},
        }
        for label, seeds, name in rows
    )


def trend(summary: Summary) -> pd.DataFrame:
    """Return a row a score: its mean at each strength, and its slope over them.

    The slope is that of a least-squares line through the seed's means, per unit of
    strength, with a t interval over the seeds that have the score at each strength.
    """
    strengths = summary["parameters"]["strengths"]
    arms = [arm_of(strength) for strength in strengths]
    seeds = common_seeds(summary, arms)
    rows = []
    for score in ("flips", "on the dot", *scores_of(summary)):
        means = np.array(
            [[seed_mean(summary["arms"][arm][s], score) for arm in arms] for s in seeds]
        )  # [seeds, strengths]
        means = means[~np.isnan(means).any(1)]
        if not len(means):
            continue
        slopes = np.polyfit(strengths, means.T, 1)[0]  # [seeds]
        low, high = t_interval(slopes)
        rows.append(
            {
                "score": score,
                **dict(zip(arms, means.mean(0), strict=True)),
                "slope": float(slopes.mean()),
                "from": float(low),
                "to": float(high),
            }
        )
    return pd.DataFrame(rows)


def by_strength(summary: Summary) -> pd.DataFrame:
    """Return a row a score, strength and seed: the seed's mean."""
    return pd.DataFrame(
        {
            "score": score,
            "strength": strength,
            "seed": seed,
            "value": seed_mean(row, score),
        }
        for score in ("flips", "on the dot", *scores_of(summary))
        for strength in summary["parameters"]["strengths"]
        for seed, row in summary["arms"][arm_of(strength)].items()
    )


def published_contrast(summary: Summary) -> pd.DataFrame:
    """Return insertion and deletion of all classes, and of the class with the dot."""
    rows = []
    for arm, seeds in summary["arms"].items():
        row: dict[str, Any] = {"arm": arm}
        for score in PERTURBED:
            everywhere = [one["all classes"][score] for one in seeds.values()]
            row[f"{score}, all classes"] = float(np.mean(everywhere))
            row[f"{score}, the class"] = _over_seeds(seeds, GRAD_CAM, score)
        rows.append(row)
    return pd.DataFrame(rows)


def _over_seeds(seeds: Mapping[str, Any], name: str, score: str) -> float:
    means = [row["means"].get(name, {}).get(score) for row in seeds.values()]
    known = [value for value in means if value is not None]
    return float(np.mean(known)) if known else float("nan")


def over_epochs(summary: Summary) -> pd.DataFrame:
    """Return a row a training length, network and seed: accuracy and deletion.

    Of a whole summary: networks without dots and with the dot on all of the class, at
    the first place. Deletion of all classes is that of the first test pictures, which
    carry no dot; a condition that an older record has not is NaN.
    """
    whole, place = summary["parameters"]["epochs"], places(summary)[0]
    rows = []
    for name, seeds in summary["arms"].items():
        arm, *rest = name.split(", ")
        if arm not in (SOUND, FULL) or (rest and rest[0] != place):
            continue
        epochs = int(rest[1].removesuffix(" epochs")) if len(rest) > 1 else whole
        for seed, row in seeds.items():
            rows.append(
                {
                    "trained": "without a dot" if arm == SOUND else "with the dot",
                    "epochs": epochs,
                    "seed": int(seed),
                    "validation": row["accuracy"]["validation"],
                    "all classes": row["all classes"]["deletion"],
                    PRESENT: _deletion(row.get("present", row)),
                    ABSENT: _deletion(row.get("absent")),
                }
            )
    return pd.DataFrame(rows).sort_values(["trained", "epochs", "seed"])


def _deletion(part: Mapping[str, Any] | None) -> float:
    return float("nan") if part is None else float(part["means"][GRAD_CAM]["deletion"])
