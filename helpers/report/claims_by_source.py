"""Claims by source: what was published on each, and what this book's runs say.

A cell is a claim, a metric, a source and a data set; nothing is pooled across cells. A
word of the one vocabulary stands only where a verdict is possible: a published
difference of single runs allows no test.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from helpers.report import ledger, margins, published
from helpers.report.joint import all_of
from helpers.report.published import Contrast
from helpers.report.secondary import secondary_verdicts
from helpers.report.verdict import decide
from helpers.report.verdict_words import MECHANISM, in_few_words

PAPER = "lei2023lico"
# In the order of the dispute; the paper first.
SOURCES = {
    PAPER: "the paper, 2023",
    "fletcher2024lico": "Fletcher et al., 2024",
    "lei2024response": "response, 2024",
    "bartak2024lico": "Bartak et al., 2024",
}
# Claim: the metrics that its row shows; those that are not its own are secondary.
METRICS = {
    "1": ("sch", "insertion", "deletion"),
    "2": ("accuracy",),
    "2 (gain)": ("accuracy",),
    "3": ("sch", "accuracy"),
    "cgc": ("sch", "ses", "accuracy"),
}
NO_TEST = "no test possible"
NO_NUMBERS = "claimed; its numbers are not in this book"
# Of several comparisons, the answer that decides is the first of these.
ORDER = ("contradicted", NO_TEST, "undecided", "no relevant difference", "supported")


@dataclass(frozen=True)
class Cell:
    """A claim on one metric by one source and data set."""

    claim: str
    metric: str
    source: str
    data: str
    language: str
    seeds: int | None  # None: the source does not say
    comparisons: int
    ways: int  # of them, how many go the claim's way: over 0, or minus the margin
    gain: float  # of the weakest; positive: the claim's way; in the metric's unit
    interval: tuple[float, float]  # of that gain, NaN where there is none
    answer: str
    primary: bool  # whether the metric is the claim's own

    @property
    def decided(self) -> bool:
        """Whether the answer is one of the three that decide."""
        return self.answer.startswith((ORDER[0], *ORDER[3:]))

    @property
    def mechanism(self) -> bool:
        """Whether its runs show the mechanism only and say nothing of the claim."""
        return self.answer.endswith(MECHANISM)


def cells(summaries: Mapping[str, ledger.Summary | None]) -> list[Cell]:
    """Return all cells: published ones by source, then those of the summaries."""
    chosen = [
        (claim, metric)
        for claim in margins.load().claims
        for metric in METRICS.get(claim.name, ())
    ]
    found = [
        cell for claim, metric in chosen for cell in published_cells(claim, metric)
    ]
    for name, summary in summaries.items():
        if summary is not None:
            made = [own_cell(claim, metric, name, summary) for claim, metric in chosen]
            found += [cell for cell in made if cell is not None]
    rows = [(claim.name, metric) for claim, metric in chosen]
    return sorted(found, key=lambda cell: rows.index((cell.claim, cell.metric)))


def published_cells(claim: margins.Claim, metric: str) -> list[Cell]:
    """Return a cell a source, table and data set that has all comparisons of a claim.

    The paper's own cell, one a claim, says that its numbers are not here.
    """
    places: dict[tuple[str, str, str], list[Contrast]] = {}
    for pair in claim.compare:
        if len(pair.better) == len(pair.than) == 1:
            for one in published.contrasts(pair.better[0], pair.than[0], metric):
                places.setdefault((one.source, one.table, one.data), []).append(one)
    found = [
        _published(claim, metric, source, data, pairs)
        for (source, _, data), pairs in places.items()
        if len(pairs) == len(claim.compare)
    ]
    found.sort(key=lambda cell: (list(SOURCES).index(cell.source), cell.data))
    first = metric == METRICS[claim.name][0]
    if any(row.source == PAPER for row in published.load()) or not first:
        return found
    nowhere = (math.nan, math.nan)
    paper = (claim.name, metric, PAPER, "—", "real", None, len(claim.compare), 0)
    return [Cell(*paper, math.nan, nowhere, NO_NUMBERS, True), *found]


def _published(
    claim: margins.Claim, metric: str, source: str, data: str, pairs: list[Contrast]
) -> Cell:
    answers = [published_answer(pair, claim.kind) for pair in pairs]
    weakest = min(pairs, key=lambda pair: pair.gain)
    runs = [pair.runs for pair in pairs if pair.runs is not None]
    return Cell(
        claim=claim.name,
        metric=metric,
        source=source,
        data=data,
        language="real",
        seeds=min(runs) if len(runs) == len(pairs) else None,
        comparisons=len(pairs),
        ways=sum(pair.gain > _bar(claim, metric) for pair in pairs),
        gain=weakest.gain,
        interval=_turned(weakest.interval or (math.nan, math.nan), metric),
        answer=min(answers, key=_place),
        primary=_own(claim, metric),
    )


def published_answer(pair: Contrast, kind: margins.Kind) -> str:
    """Return what this book's rule makes of a published difference.

    "no test possible" without an SD or a number of runs; "undecided (3 runs)" under the
    number of seeds that a verdict needs; else `verdict.decide` on Welch's interval.
    """
    if pair.interval is None or pair.runs is None:
        return NO_TEST
    if pair.runs < margins.load().inference.minimal_seeds:
        return f"undecided ({pair.runs} runs)"
    margin = margins.metric(pair.metric).margin
    low, high = _turned(pair.interval, pair.metric)
    outcome, _ = decide(low, high, margin, kind)
    return outcome


def own_cell(
    claim: margins.Claim, metric: str, name: str, summary: ledger.Summary
) -> Cell | None:
    """Return the cell of a summary, None where an arm or the metric is missing.

    A metric that is not the claim's own is corrected after Holm, together with the
    others of that comparison; of insertion and deletion three versions must agree.
    """
    parts = []
    for pair in claim.compare:
        said = f"{' + '.join(pair.better)} > {' + '.join(pair.than)}"
        part = ledger.judge(summary, pair.better, pair.than, metric, said, claim.kind)
        if part is None:
            return None
        parts.append(part)
    whole = all_of(parts, claim.says)
    answers = [in_few_words(part) for part in parts]
    if not _own(claim, metric):
        first = claim.compare[0]
        secondary = secondary_verdicts(summary, *first.better, *first.than)
        answers = [in_few_words(one) for one in secondary if one.metric == metric]
    return Cell(
        claim=claim.name,
        metric=metric,
        source=name,
        data=data_of(summary),
        language=str(summary["language"]),
        seeds=min(part.seeds for part in parts),
        comparisons=len(parts),
        ways=sum(part.gain > _bar(claim, metric) for part in parts),
        gain=whole.gain,
        interval=_turned(whole.interval, metric),
        answer=min(answers, key=_place),
        primary=_own(claim, metric),
    )


def data_of(summary: ledger.Summary) -> str:
    """Return the data set of a summary; of a folder, the profile it was made with."""
    kind = str(summary["parameters"]["dataset"]).partition(":")[0]
    return str(summary.get("profile", kind)) if kind == "folder" else kind


def table(found: Iterable[Cell]) -> pd.DataFrame:
    """Return a row a cell, with data set, kind of language, n and interval."""
    return pd.DataFrame(
        {
            "claim": cell.claim,
            "metric": _label(cell),
            "source": SOURCES.get(cell.source, cell.source),
            "data": cell.data,
            "language": cell.language,
            "n": "not stated" if cell.seeds is None else str(cell.seeds),
            "the claim's way": (
                "—" if math.isnan(cell.gain) else f"{cell.ways} of {cell.comparisons}"
            ),
            "gain": cell.gain,
            "from": cell.interval[0],
            "to": cell.interval[1],
            "answer": cell.answer,
        }
        for cell in found
    )


def tallies(found: Iterable[Cell]) -> pd.DataFrame:
    """Return a row a claim and source: cells, those its way, those with an answer.

    Cells that show the mechanism only are left out.
    """
    known = [c for c in found if not (math.isnan(c.gain) or c.mechanism)]
    order = list(dict.fromkeys([*SOURCES, *(cell.source for cell in known)]))
    keys = {(cell.claim, cell.source) for cell in known}
    rows = []
    for claim, source in sorted(
        keys, key=lambda at: (list(METRICS).index(at[0]), order.index(at[1]))
    ):
        here = [c for c in known if (c.claim, c.source) == (claim, source)]
        rows.append(
            {
                "claim": claim,
                "source": SOURCES.get(source, source),
                "cells": len(here),
                "all comparisons its way": sum(c.ways == c.comparisons for c in here),
                "a test possible": sum(c.answer != NO_TEST for c in here),
                "decided": sum(c.decided for c in here),
            }
        )
    return pd.DataFrame(rows)


def _bar(claim: margins.Claim, metric: str) -> float:
    """Return what a gain must exceed to go the claim's way."""
    return -margins.metric(metric).margin if claim.kind == "non-inferiority" else 0.0


def _own(claim: margins.Claim, metric: str) -> bool:
    return metric in claim.metrics


def _label(cell: Cell) -> str:
    label = margins.metric(cell.metric).label
    if math.isnan(cell.gain):
        return "—"
    return label if cell.primary else f"{label} (secondary)"


def _place(answer: str) -> int:
    starts = [answer.startswith(word) for word in ORDER]
    return starts.index(True)


def _turned(interval: tuple[float, float], metric: str) -> tuple[float, float]:
    low, high = interval
    up = margins.metric(metric).higher_is_better
    return (low, high) if up else (-high, -low)
