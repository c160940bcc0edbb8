"""Chapter 04's answers: what was expected of each metric, and what came out, computed.

A view is that of `red_dot_views.at`. The sentences are those of Bartak et al. (2024).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.chapters.red_dot import EVERYWHERE, FULL, SOUND
from helpers.chapters.red_dot_tables import trend
from helpers.chapters.red_dot_trial import (
    NOT_LEARNT,
    differences,
    scores_of,
    shortcut_learnt,
    sound_arms,
    trial,
)
from helpers.chapters.red_dot_views import Summary, seed_mean
from helpers.measure.statistics import t_interval
from helpers.report.ledger import common_seeds

LEARNT, ON_DOT = "the shortcut", "on the dot"


@dataclass(frozen=True)
class Statement:
    """What a sentence leads one to expect of the shortcut, of its map, or of a metric.

    Attributes:
        about: `LEARNT`, `ON_DOT`, or a metric of the trial.
        expected: the word that the trial would give.
    """

    where: str
    says: str
    about: str
    expected: str


STATEMENTS = (
    Statement(
        "appendix A",
        "it is likely to start using the red dot as the sole predictor of the modified "
        "class",
        LEARNT,
        "learnt",
    ),
    Statement(
        "appendix A",
        "high importance is assigned to the location of the red dot for the class that "
        "has it",
        ON_DOT,
        "more than in sound networks",
    ),
    Statement(
        "appendix A",
        "the deletion metric favors non-robust models",
        "deletion",
        "fooled",
    ),
    Statement(
        "section 3.4.1",
        "adding that part immediately makes the model predict the correct class",
        "insertion",
        "fooled",
    ),
    Statement(
        "section 3.4.1",
        "it discourages attending to features that do not identify the class in a way "
        "consistent with human expectations",
        "sch",
        "noticed",
    ),
)


def expected() -> pd.DataFrame:
    """Return a row a statement: what it says, of what, and the word it expects."""
    return pd.DataFrame(
        {
            "where": one.where,
            "says": f"“{one.says}”",
            "about": one.about,
            "expected": one.expected,
        }
        for one in STATEMENTS
    )


def came_out(view: Summary) -> pd.DataFrame:
    """Return a row a statement: the word expected, the rule's, the interval's alone.

    The shortcut is learnt where the gate is open. More mass lies on the dot where the
    t interval over seeds of shortcut less sound network is above 0, for both sound
    networks. Of a metric: `words`.
    """
    found = words(view).set_index("metric")
    rows = []
    for one in STATEMENTS:
        if one.about == LEARNT:
            rule = alone = "learnt" if shortcut_learnt(view) else NOT_LEARNT
        elif one.about == ON_DOT:
            rule = alone = _on_dot(view)
        elif one.about in found.index:
            rule = str(found.loc[one.about, "answer"])
            alone = str(found.loc[one.about, "interval alone"])
        else:
            rule = alone = "not recorded"
        rows.append(
            {
                "about": one.about,
                "expected": one.expected,
                "by the rule": rule,
                "by the interval alone": alone,
            }
        )
    return pd.DataFrame(rows)


def words(view: Summary) -> pd.DataFrame:
    """Return a row a metric: `answer` and `interval alone`.

    An answer is the word that the trial gives against both sound networks; where they
    differ, "undecided". Of the intervals both words are named where they differ, that
    of the control last.
    """
    frame = trial(view)
    rows = []
    for metric in dict.fromkeys(frame["metric"]):
        mine = frame[frame["metric"] == metric]
        outcomes, alone = (
            list(dict.fromkeys(mine[column]))
            for column in ("outcome", "interval alone")
        )
        rows.append(
            {
                "metric": metric,
                "answer": outcomes[0] if len(outcomes) == 1 else "undecided",
                "interval alone": "; control: ".join(alone),
            }
        )
    return pd.DataFrame(rows)


def one_table(view: Summary) -> pd.DataFrame:
    """Return a row a metric: effects with intervals, words, and the trend.

    Effects are sound less shortcut network in the metric's own unit, against either
    sound network; the trend is the slope over strengths; intervals are t intervals
    over seeds.
    """
    frame, slopes = trial(view), trend(view).set_index("score")
    said = words(view).set_index("metric")
    rows = []
    for metric in said.index:
        row = {"metric": metric}
        for arm, label in ((SOUND, "sound - shortcut"), (EVERYWHERE, "control - ...")):
            mine = frame[
                (frame["metric"] == metric) & (frame["sound network"] == arm)
            ].iloc[0]
            row[label] = _effect(mine["sound - shortcut"], mine["from"], mine["to"])
        row["answer"] = said.loc[metric, "answer"]
        row["interval alone"] = said.loc[metric, "interval alone"]
        if metric in slopes.index:
            slope = slopes.loc[metric]
            row["slope over strengths"] = _effect(
                slope["slope"], slope["from"], slope["to"]
            )
        rows.append(row)
    return pd.DataFrame(rows)


def by_condition(views: Mapping[str, Summary]) -> pd.DataFrame:
    """Return `differences` against the control, a `series` a view."""
    return pd.concat(
        differences(view).query("sound == @EVERYWHERE").assign(series=label)
        for label, view in views.items()
    )


def words_by_condition(views: Mapping[str, Summary]) -> pd.DataFrame:
    """Return a row a metric, a column a view: answer, and the interval's word.

    One word where both agree; else "undecided (fooled)", the second being the
    interval's, or "mixed" where versions of the score or the sound networks differ.
    """
    columns = {}
    for label, view in views.items():
        said = words(view).set_index("metric")
        columns[label] = {
            metric: _both(row["answer"], row["interval alone"])
            for metric, row in said.iterrows()
        }
    frame = pd.DataFrame(columns)
    order = dict.fromkeys(s for view in views.values() for s in scores_of(view))
    return frame.reindex(list(order)).rename_axis("metric").reset_index()


def _both(answer: str, alone: str) -> str:
    """Return the rule's word, and in brackets the interval's where it differs."""
    mixed = "; " in alone or " / " in alone
    return answer if answer == alone else f"{answer} ({'mixed' if mixed else alone})"


def _on_dot(view: Summary) -> str:
    """Say whether the shortcut network's maps lie on the dot more than sound ones'."""
    lows, highs, counts = [], [], []
    for arm in sound_arms(view):
        seeds = common_seeds(view, [arm, FULL])
        gaps = [
            seed_mean(view["arms"][FULL][seed], ON_DOT)
            - seed_mean(view["arms"][arm][seed], ON_DOT)
            for seed in seeds
        ]
        low, high = t_interval(np.array(gaps))
        lows.append(float(low))
        highs.append(float(high))
        counts.append(len(seeds))
    if min(lows) > 0:
        return "more than in sound networks"
    if max(highs) < 0:
        return "less than in sound networks"
    few = min(counts)
    return f"undecided ({few} seed{'s' * (few != 1)})"


def _effect(value: float, low: float, high: float) -> str:
    """Return an effect with its interval; without one where it has no end."""
    if np.isnan(value):
        return "—"
    if not np.isfinite([low, high]).all():
        return f"{value:+.3f}"
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
