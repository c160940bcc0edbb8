"""Chapter 13: the one table, what each row costs, and what its figure shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from helpers.chapters.answers_bench import (
    CHANCE,
    CONTRAST,
    GINI,
    LESS_AREA,
    METRICS,
)
from helpers.chapters.answers_rows import BASELINE, ROWS, VARIANTS, ordered, twin_of
from helpers.chapters.answers_verdicts import PRIMARY, Summary, words_helped
from helpers.measure.statistics import t_interval
from helpers.report import ledger, margins, records
from helpers.report.joint import all_of
from helpers.report.records import Record
from helpers.report.score_names import label
from helpers.report.verdict import Verdict
from helpers.report.verdict_words import in_few_words

GRAD_CAM = "Grad-CAM"  # what a record of chapter 03 calls its maps
SHOWN = (
    *("sch", LESS_AREA["sch"], "epg", LESS_AREA["epg"], CONTRAST, "gridpg"),
    *("ses", CHANCE, GINI, *METRICS[4:]),
)
NOT_THERE = "not recorded"
PAGE, ELSEWHERE = "this page", "chapter 03"
OWN = ("seeds", "variants", "device", "explained")  # that may differ from chapter 03


@dataclass(frozen=True)
class Level:
    """A mean with half of its 95 % interval, NaN where there is none."""

    mean: float
    half: float

    @property
    def text(self) -> str:
        """What a cell shows."""
        if self.mean != self.mean:
            return "—"
        if self.half != self.half:
            return f"{self.mean:.3f}"
        return f"{self.mean:.3f} ± {self.half:.3f}"


def level(runs: Mapping[str, Mapping[str, Any]], metric: str) -> Level:
    """Return a row's mean: its interval is over seeds, of one seed over pictures."""
    means = [run["means"][metric] for run in runs.values()]
    known = np.array([one for one in means if one is not None], dtype=float)
    if not len(known):
        return Level(np.nan, np.nan)
    if len(known) > 1:
        low, high = t_interval(known)
        return Level(float(known.mean()), float(high - low) / 2)
    halves = [run["half"][metric] for run in runs.values()]
    half = next((one for one in halves if one is not None), np.nan)
    return Level(float(known.mean()), float(half))


def whole(summary: Summary) -> pd.DataFrame:
    """Return the one table: a row an answer, then maps that know nothing, or all."""
    made = []
    for name in ordered(summary["rows"]):
        runs = summary["rows"][name]
        words = "yes" if ROWS[name].words else "no"
        made.append(_line(ROWS[name].title, words, runs))
    for name, runs in summary["references"].items():
        made.append(_line(name, "—", runs))
    return pd.DataFrame(made)


def _line(
    title: str, words: str, runs: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    row: dict[str, Any] = {"row": title, "words": words}
    row |= {label(score): level(runs, score).text for score in SHOWN}
    return row


def _empty(runs: Sequence[Mapping[str, Any]]) -> str:
    pictures = sum(run["pictures"] for run in runs)
    return f"{sum(run['empty'] for run in runs)} of {pictures}"


def costs(summary: Summary) -> pd.DataFrame:
    """Return a row an answer: top-1, medians of a map's and of training's time.

    And how many of its maps are 0 everywhere, and what bars it.
    """
    rows = []
    for name in ordered(summary["rows"]):
        runs = list(summary["rows"][name].values())
        rows.append(
            {
                "row": ROWS[name].title,
                "top-1": np.mean([run["accuracy"] for run in runs]),
                "ms a map": 1e3 * np.median([run["seconds a map"] for run in runs]),
                "training, s": np.median([run["training seconds"] for run in runs]),
                "empty maps": _empty(runs),
                "trained out": "yes" if all(r["trained_out"] for r in runs) else "no",
                "barred": next((r["barred"] for r in runs if r["barred"]), "—"),
            }
        )
    return pd.DataFrame(rows)


def comparable(record: Record | None, summary: Summary) -> Record | None:
    """Return chapter 03's record if its networks were trained as this page's.

    Else None, and a line that names what differs: its rows are then not shown.
    """
    if record is None:
        return None
    other = records.differing(summary, record, OWN)
    if not other:
        return record
    print(f"Chapter 03's record is of other parameters: {', '.join(other)}.")
    return None


def of_chapter_03(record: Record | None, summary: Summary) -> pd.DataFrame:
    """Return what chapter 03's study says of rows that the figure draws from there.

    Its baseline stands above them: its pictures are more, its GridPG is of other grids
    and only of pictures that the network names right, so a row is to be read against
    that baseline alone. A row that it lacks is "not recorded".
    """
    page, came = summary["rows"], sources(summary, record)
    away = [
        name
        for name in VARIANTS
        if name not in page or (name != BASELINE and came[name] == ELSEWHERE)
    ]
    if not away:
        return pd.DataFrame({"row": ["all rows are on this page"]})
    arms = {} if record is None else record["arms"]
    rows = []
    for name in (BASELINE, *away):
        row: dict[str, Any] = {"row": ROWS[name].title}
        if name not in arms:
            rows.append(row | {"seeds": NOT_THERE})
            continue
        runs = list(arms[name].values())
        row |= {"seeds": str(len(runs))}
        for score in METRICS:
            row[label(score)] = _over_seeds(
                [run["means"][GRAD_CAM].get(score) for run in runs]
            )
        tests = [run["accuracy"]["test"] for run in runs]
        rows.append(row | {"top-1": _over_seeds(tests)})
    return pd.DataFrame(rows).fillna("—")


def _over_seeds(values: Sequence[float | None]) -> str:
    known = np.array([one for one in values if one is not None], dtype=float)
    if not len(known):
        return "—"
    low, high = t_interval(known)
    half = float(high - low) / 2 if len(known) > 1 else np.nan
    return Level(float(known.mean()), half).text


def from_record(record: Record | None) -> dict[str, dict[str, dict[str, Any]]]:
    """Return rows of chapter 03's record in the form of a summary's, `[name][seed]`."""
    arms = {} if record is None else record["arms"]
    return {
        name: {
            seed: {
                "means": run["means"][GRAD_CAM],
                "half": {},
                "accuracy": run["accuracy"]["test"],
            }
            for seed, run in arms[name].items()
        }
        for name in (BASELINE, *VARIANTS)
        if name in arms
    }


def sources(
    summary: Summary, record: Record | None, metric: str = PRIMARY
) -> dict[str, str]:
    """Return of each row that there is where its dot comes from: PAGE or ELSEWHERE.

    A row of which a twin is not on the page comes from chapter 03's record with all its
    twins, if these are there, as does a control of its own kind; else from the page.
    """
    there = from_record(record)
    known = {name for name, runs in there.items() if _has(runs, metric)}
    page = set(summary["rows"])
    found = {}
    for name, row in ROWS.items():
        group = (name, *row.twins)
        whole = [twin_of(name) or name]
        lacking = any(one not in page for one in (*whole, *ROWS[whole[0]].twins))
        if name in page and (not lacking or not {*group} <= known):
            found[name] = PAGE
        elif name in known:
            found[name] = ELSEWHERE
        elif name in page:
            found[name] = PAGE
    return found


def _has(runs: Mapping[str, Mapping[str, Any]], metric: str) -> bool:
    return all(run["means"].get(metric) is not None for run in runs.values())


def for_figure(
    summary: Summary, record: Record | None = None, metric: str = PRIMARY
) -> pd.DataFrame:
    """Return a row a dot: each row with words, then its twins; then those without.

    Columns: name, title, kind ("words", "twin", "without"), source (PAGE or ELSEWHERE),
    mean, half, top-1, verdict.
    """
    own, other = words_helped(summary, metric), from_record(record)
    came = sources(summary, record, metric)
    names = ordered(came)
    grouped: list[tuple[str, str]] = []
    for name in (one for one in names if ROWS[one].words):
        grouped.append((name, "words"))
        grouped += [(one, "twin") for one in ROWS[name].twins if one in names]
    without = [one for one in names if not ROWS[one].words and twin_of(one) is None]
    grouped += [(one, "without") for one in without]
    rows = []
    for name, kind in grouped:
        here = came[name] == PAGE
        runs = summary["rows"][name] if here else other[name]
        found = own.get(name) if here else helped_elsewhere(record, name, metric)
        shown = level(runs, metric)
        rows.append(
            {
                "name": name,
                "title": ROWS[name].title,
                "kind": kind,
                "source": came[name],
                "mean": shown.mean,
                "half": shown.half,
                "top-1": float(np.mean([run["accuracy"] for run in runs.values()])),
                "verdict": in_few_words(found) if found and kind == "words" else "",
            }
        )
    return pd.DataFrame(rows)


def helped_elsewhere(record: Record | None, name: str, metric: str) -> Verdict | None:
    """Return chapter 03's record on a row with words: over baseline and every twin."""
    if record is None or not ROWS[name].words:
        return None
    rivals = (BASELINE, *ROWS[name].twins)
    found = [ledger.judge(record, [name], [one], metric, one) for one in rivals]
    known = [one for one in found if one is not None]
    return all_of(known, ROWS[name].title) if len(known) == len(rivals) else None


def lines_for_figure(summary: Summary, metric: str = PRIMARY) -> dict[str, float]:
    """Return what maps score that know nothing, and the best that such cells can."""
    known = summary["references"]
    names = ("uniform", "centred Gaussian", "pooled mask")
    return {name: level(known[name], metric).mean for name in names if name in known}


def message(
    summary: Summary, record: Record | None = None, metric: str = PRIMARY
) -> str:
    """Return what the figure shows, counted: who is ahead by the margin or more.

    A row is held against rows of its own source alone.
    """
    frame = for_figure(summary, record, metric).set_index("name")
    known = margins.metric(metric)
    way = 1 if known.higher_is_better else -1
    bases = {PAGE: level(summary["rows"][BASELINE], metric).mean}
    if record is not None:
        bases[ELSEWHERE] = level(from_record(record)[BASELINE], metric).mean
    named = [name for name in frame.index if frame.loc[name, "kind"] == "words"]
    over_base, over_twins, twinned = 0, 0, 0
    for name in named:
        row = frame.loc[name]
        over_base += way * (row["mean"] - bases[row["source"]]) >= known.margin
        twins = [one for one in ROWS[name].twins if one in frame.index]
        if twins:
            twinned += 1
            gaps = [way * (row["mean"] - frame.loc[one, "mean"]) for one in twins]
            over_twins += min(gaps) >= known.margin
    return (
        "Words that mean something beat words that do not in "
        f"{over_twins} of the {twinned} answers that have both,\n"
        f"and the baseline, which has none, in {over_base} of {len(named)}: by "
        f"{known.margin:g} or more."
    )
