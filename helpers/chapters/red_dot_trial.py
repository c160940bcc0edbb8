"""Chapter 04's trial: the gate, what each metric saw of the shortcut, and the trend.

A view is that of `red_dot_views.at`, `view["arms"][arm][seed]`, of the reader's summary
or the committed study's. All scores are of Grad-CAM on the test pictures of the dot's
class, each with the dot on it, or each without.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.chapters.red_dot import EVERYWHERE, FULL, SOUND
from helpers.chapters.red_dot_views import Summary, values
from helpers.measure.aggregate import aggregate
from helpers.measure.statistics import Bools, Floats
from helpers.report import margins
from helpers.report.joint import after_holm, agreeing
from helpers.report.ledger import common_seeds
from helpers.report.verdict import Verdict, decide, red_dot, verdict

# The metrics on trial, and the metric whose margin holds for each. SCH and EPG less the
# share of the area are left out: between networks they differ by exactly as much as
# with it.
MARGIN_OF = {
    "deletion": "deletion",
    "insertion": "insertion",
    "ses": "ses",
    "ses less chance": "ses",
    "sch": "sch",
    "mosu": "mosu",
    "mosu reversed": "mosu",
    "epg": "epg",
    "gridpg": "gridpg",
    "pointing game": "pointing",
    "score contrast": "contrast",
    "iou": "miou",
    "border share": "border",
    "entropy": "entropy",
    "gini": "gini",
}
# What stands for a score that is not defined, in a second pass over all pictures: that
# of a map that says nothing.
FILL = {"gridpg": 0.25, "border share": 1.0, "entropy": 1.0}
PERTURBED = ("deletion", "insertion")
NOT_LEARNT = "no shortcut learnt"


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


def differences(summary: Summary, shortcut: str = FULL) -> pd.DataFrame:
    """Return sound minus shortcut, a row a metric, sound arm and training seed.

    `in margins`: positive where the sound network scores better, in committed margins;
    `series`: the comparison in words.
    """
    rows = []
    for against in sound_arms(summary):
        seeds = common_seeds(summary, [against, shortcut])
        for score in scores_of(summary):
            gap = _scores(summary, against, score, seeds) - _scores(
                summary, shortcut, score, seeds
            )
            for seed, row in zip(seeds, gap, strict=True):
                value = aggregate(row).mean
                rows.append(
                    {
                        "metric": score,
                        "sound": against,
                        "series": f"against {against}",
                        "seed": int(seed),
                        "difference": value,
                        "in margins": value * _good(score),
                    }
                )
    return pd.DataFrame(rows)


def trial(summary: Summary) -> pd.DataFrame:
    """Return a row a sound arm and metric: what the metric saw of the shortcut.

    The difference is sound minus shortcut network, on the same pictures of the class,
    with its interval over seeds and the word of `verdict.red_dot`, after Holm over the
    metrics. "no shortcut learnt" where the gate is shut. `interval alone`: the word
    that the interval gives without Holm and without the bar on the smallest effect.
    """
    rows = []
    is_open = shortcut_learnt(summary)
    signs = differences(summary)
    for against in sound_arms(summary):
        tried = scores_of(summary)
        first = [verdict_on(summary, against, score) for score in tried]
        alone = [by_interval(one) for one in first]
        for score, one, word in zip(tried, after_holm(first), alone, strict=True):
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
                    "interval alone": word if is_open else NOT_LEARNT,
                }
            )
    return pd.DataFrame(rows)


def answers(summary: Summary) -> pd.DataFrame:
    """Return a row a metric: its word against each sound network, and the answer.

    An answer is a word that both comparisons give; else it is "undecided".
    """
    frame = trial(summary)
    wide = frame.pivot(index="metric", columns="sound network", values="outcome")
    arms = [f"against {arm}" for arm in sound_arms(summary)]
    wide = wide.loc[list(dict.fromkeys(frame["metric"])), sound_arms(summary)]
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
        shortcut = _scores(summary, FULL, name, seeds)
        if not (~np.isnan(sound) & ~np.isnan(shortcut)).any(axis=1).all():
            return _undefined(one_of(np.nan_to_num(sound), np.nan_to_num(shortcut)))
        return one_of(sound, shortcut, where)

    def one_of(sound: Floats, shortcut: Floats, where: Bools | None = None) -> Verdict:
        return verdict(
            sound,
            shortcut,
            claim=f"{score}: the shortcut network is worse than '{against}'",
            metric=MARGIN_OF[score],
            trained_out=_trained_out(summary, [against, FULL]),
            inert=False,
            baseline=sound,
            where=where,
            fill=FILL.get(score, 0.0),
        )

    plain = one(score)
    if score not in PERTURBED:
        return plain
    both = _right(summary, against, seeds) & _right(summary, FULL, seeds)
    if not both.any(axis=1).all():
        reason = "no picture that both networks name right"
        return dataclasses.replace(plain, outcome="undecided", reason=reason)
    return agreeing([plain, one(f"relative {score}", both), one(score, both)])


def by_interval(found: Verdict) -> str:
    """Return the word that the interval alone gives, or those of all versions.

    Exploratory: neither Holm nor the bar on the smallest detectable effect. Versions
    that differ are named in their order, as "fooled / undecided / fooled".
    """
    if math.isnan(found.estimate):
        return "undecided"
    higher = margins.metric(found.metric).higher_is_better
    words: list[str] = []
    for one in found.parts or (found,):
        low, high = one.interval
        better = (low, high) if higher else (-high, -low)
        words.append(red_dot(decide(*better, one.margin)[0]))
    return words[0] if len(set(words)) == 1 else " / ".join(words)


def sound_arms(summary: Summary) -> list[str]:
    """Return the sound networks that there are: without dots, and the control."""
    return [arm for arm in (SOUND, EVERYWHERE) if arm in summary["arms"]]


def scores_of(summary: Summary) -> list[str]:
    """Return the metrics of the trial that these pictures have, in order."""
    kept = next(iter(summary["arms"][SOUND].values()))["scores"]
    return [
        score
        for score in MARGIN_OF
        if score in kept and not np.isnan(values(kept[score])).all()
    ]


def _scores(summary: Summary, arm: str, score: str, seeds: Sequence[str]) -> Floats:
    rows = [values(summary["arms"][arm][seed]["scores"][score]) for seed in seeds]
    return np.array(rows)  # [seeds, pictures]


def _right(summary: Summary, arm: str, seeds: Sequence[str]) -> Bools:
    rows = [values(summary["arms"][arm][seed]["full_correct"]) for seed in seeds]
    return np.array(rows) > 0


def _undefined(found: Verdict) -> Verdict:
    """Return a verdict on scores that a seed has on no picture."""
    return dataclasses.replace(
        found,
        outcome="undecided",
        reason="a seed has no picture on which both are defined",
        estimate=math.nan,
        interval=(math.nan, math.nan),
        p=1.0,
        pictures=0,
    )


def _trained_out(summary: Summary, arms: Sequence[str]) -> bool:
    return all(row["trained_out"] for a in arms for row in summary["arms"][a].values())


def _good(score: str) -> float:
    """Return what turns a difference into committed margins, better being positive."""
    metric = margins.metric(MARGIN_OF[score])
    return (1 if metric.higher_is_better else -1) / metric.margin
