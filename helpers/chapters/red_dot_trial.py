"""Chapter 04's trial: the gate, what each metric saw of the shortcut, and the trend.

A summary is what `RedDot.summary` keeps, `summary["arms"][arm][seed]`; it may be the
reader's or the committed study's. All scores are of Grad-CAM on the test pictures of
the dot's class, each with the dot on it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.chapters.red_dot import EVERYWHERE, FULL, GRAD_CAM, SOUND, arm_of
from helpers.measure.statistics import Bools, Floats, t_interval
from helpers.report import margins
from helpers.report.ledger import common_seeds
from helpers.report.verdict import Verdict, after_holm, agreeing, red_dot, verdict

# The metrics on trial, and the metric whose margin holds for each. SCH less the mask's
# share is left out: between networks it differs by exactly as much as SCH.
MARGIN_OF = {
    "deletion": "deletion",
    "insertion": "insertion",
    "ses": "ses",
    "ses less chance": "ses",
    "sch": "sch",
    "mosu": "mosu",
}
PERTURBED = ("deletion", "insertion")
NOT_LEARNT = "no shortcut learnt"

Summary = Mapping[str, Any]


def gate(summary: Summary) -> pd.DataFrame:
    """Return a row an arm and seed: flips, accuracy on the class, shortcut learnt?

    `learnt` holds the arm's flip rate against the bar at full strength, and that of
    the network of the same seed that never saw a dot against the bar at none.
    """
    none = summary["arms"][SOUND]
    return pd.DataFrame(
        {
            "arm": arm,
            "seed": int(seed),
            "trained out": row["trained_out"],
            "test top-1": row["accuracy"]["test"],
            "class, with the dot": row["target, with the dot"],
            "class, without": row["target, without"],
            "flips": row["flips"],
            "learnt": margins.learnt_shortcut(row["flips"], none[seed]["flips"]),
        }
        for arm, seeds in summary["arms"].items()
        for seed, row in seeds.items()
    )


def shortcut_learnt(summary: Summary) -> bool:
    """Tell whether the gate is open: at full strength, and only there, in every seed.

    Neither the network without dots nor the control may have learnt it.
    """
    frame = gate(summary)
    full = frame.loc[frame["arm"] == FULL, "learnt"]
    others = frame.loc[frame["arm"].isin([SOUND, EVERYWHERE]), "flips"]
    most = margins.load().red_dot.flips_at_none
    return bool(full.all() and (others <= most).all())


def on_dot(summary: Summary) -> pd.DataFrame:
    """Return a row an arm, seed and picture: the share of the mass on the dot."""
    return pd.DataFrame(
        {"arm": arm, "seed": int(seed), "on the dot": share}
        for arm, seeds in summary["arms"].items()
        for seed, row in seeds.items()
        for share in row["on the dot"]
    )


def scores_table(summary: Summary, scores: Sequence[str]) -> pd.DataFrame:
    """Return a row an arm with Grad-CAM's means, then the floors and ceilings.

    On pictures of the class with the dot. The references are scored on the network
    that never saw a dot.
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


def differences(summary: Summary) -> pd.DataFrame:
    """Return sound minus shortcut, a row a metric, sound arm and training seed.

    `in margins`: positive where the sound network scores better, in committed margins;
    NaN for Gini, which has none.
    """
    rows = []
    for against in _sound_arms(summary):
        seeds = common_seeds(summary, [against, FULL])
        for score in _scores_of(summary):
            gap = _scores(summary, against, score, seeds) - _scores(
                summary, FULL, score, seeds
            )
            for seed, row in zip(seeds, gap, strict=True):
                value = float(np.nanmean(row)) if (~np.isnan(row)).any() else np.nan
                rows.append(
                    {
                        "metric": score,
                        "sound": against,
                        "seed": int(seed),
                        "difference": value,
                        "in margins": value * _good(score),
                    }
                )
    return pd.DataFrame(rows)


def trial(summary: Summary) -> pd.DataFrame:
    """Return a row a sound arm and metric: what the metric saw of the shortcut.

    The difference is sound minus shortcut network, on the same pictures of the class
    with the dot, with its interval over seeds and the word of `verdict.red_dot`, after
    Holm over the metrics. "no shortcut learnt" where the gate is shut.
    """
    rows = []
    is_open = shortcut_learnt(summary)
    signs = differences(summary)
    for against in _sound_arms(summary):
        tried = [score for score in _scores_of(summary) if score in MARGIN_OF]
        found = after_holm([verdict_on(summary, against, score) for score in tried])
        for score, one in zip(tried, found, strict=True):
            mine = (signs["metric"] == score) & (signs["sound"] == against)
            better = int((signs.loc[mine, "in margins"] > 0).sum())
            rows.append(
                {
                    "sound network": against,
                    "metric": score,
                    "sound - shortcut": one.estimate,
                    "from": one.interval[0],
                    "to": one.interval[1],
                    "margin": one.margin,
                    "sound better": f"{better} of {one.seeds}",
                    "outcome": red_dot(one.outcome) if is_open else NOT_LEARNT,
                    "because": one.reason if is_open else "the gate is shut",
                }
            )
    return pd.DataFrame(rows)


def answers(summary: Summary) -> pd.DataFrame:
    """Return a row a metric: its word against each sound network, and the answer.

    An answer is a word that both comparisons give; else it is "undecided".
    """
    frame = trial(summary)
    wide = frame.pivot(index="metric", columns="sound network", values="outcome")
    arms = [f"against {arm}" for arm in _sound_arms(summary)]
    wide = wide.loc[list(dict.fromkeys(frame["metric"])), _sound_arms(summary)]
    same = wide.nunique(axis=1) == 1
    answer = wide.iloc[:, 0].where(same, "undecided")
    return wide.set_axis(arms, axis=1).assign(answer=answer).reset_index()


def verdict_on(summary: Summary, against: str, score: str) -> Verdict:
    """Judge that the shortcut network scores worse than a sound one, on one metric.

    Insertion and deletion must agree in three versions: raw, relative on the pictures
    that both networks name right, and raw on these.
    """
    seeds = common_seeds(summary, [against, FULL])

    def one(name: str, where: Bools | None = None) -> Verdict:
        sound = _scores(summary, against, name, seeds)
        return verdict(
            sound,
            _scores(summary, FULL, name, seeds),
            claim=f"{score}: the shortcut network is worse than '{against}'",
            metric=MARGIN_OF[score],
            trained_out=_trained_out(summary, [against, FULL]),
            inert=False,
            baseline=sound,
            where=where,
            fill=0.0,
        )

    plain = one(score)
    if score not in PERTURBED:
        return plain
    both = _right(summary, against, seeds) & _right(summary, FULL, seeds)
    if not both.any(axis=1).all():
        reason = "no picture that both networks name right"
        return dataclasses.replace(plain, outcome="undecided", reason=reason)
    return agreeing([plain, one(f"relative {score}", both), one(score, both)])


def trend(summary: Summary) -> pd.DataFrame:
    """Return a row a score: its mean at each strength, and its slope over them.

    The slope is that of a least-squares line through the seed's means, per unit of
    strength, with a t interval over seeds.
    """
    strengths = summary["parameters"]["strengths"]
    arms = [arm_of(strength) for strength in strengths]
    seeds = common_seeds(summary, arms)
    rows = []
    for score in ("flips", "on the dot", *_scores_of(summary)):
        means = np.array(
            [
                [_seed_mean(summary["arms"][arm][s], score) for arm in arms]
                for s in seeds
            ]
        )  # [seeds, strengths]
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
            "value": _seed_mean(row, score),
        }
        for score in ("flips", "on the dot", *_scores_of(summary))
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


def _sound_arms(summary: Summary) -> list[str]:
    return [arm for arm in (SOUND, EVERYWHERE) if arm in summary["arms"]]


def _scores_of(summary: Summary) -> list[str]:
    """Return the scores of the trial that these pictures have, in order."""
    kept = next(iter(summary["arms"][SOUND].values()))["scores"]
    return [
        score
        for score in (*MARGIN_OF, "gini")
        if any(value is not None for value in kept.get(score, []))
    ]


def _scores(summary: Summary, arm: str, score: str, seeds: Sequence[str]) -> Floats:
    rows = [summary["arms"][arm][seed]["scores"][score] for seed in seeds]
    return np.array(rows, dtype=np.float64)  # None becomes NaN


def _right(summary: Summary, arm: str, seeds: Sequence[str]) -> Bools:
    rows = [summary["arms"][arm][seed]["full_correct"] for seed in seeds]
    return np.array(rows, dtype=bool)


def _trained_out(summary: Summary, arms: Sequence[str]) -> bool:
    return all(row["trained_out"] for a in arms for row in summary["arms"][a].values())


def _good(score: str) -> float:
    """Return what turns a difference into committed margins, better being positive."""
    if score not in MARGIN_OF:
        return float("nan")
    metric = margins.metric(MARGIN_OF[score])
    return (1 if metric.higher_is_better else -1) / metric.margin


def _seed_mean(row: Mapping[str, Any], score: str) -> float:
    """Return a run's mean of a score over pictures, NaN where none has it."""
    if score == "flips":
        return float(row["flips"])
    values = row[score] if score == "on the dot" else row["scores"][score]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else float("nan")


def _over_seeds(seeds: Mapping[str, Any], name: str, score: str) -> float:
    values = [row["means"][name].get(score) for row in seeds.values()]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else float("nan")
