"""Chapter 13: the answer to the question of the title, by rule, on each metric."""

import html
from dataclasses import dataclass

import pandas as pd

from helpers.chapters.answers_bench import METRICS
from helpers.chapters.answers_rows import ROWS
from helpers.chapters.answers_verdicts import (
    PRIMARY,
    Summary,
    others,
    trial_of,
    words_helped,
)
from helpers.report.score_names import label
from helpers.report.verdict import Outcome
from helpers.report.verdict_words import in_few_words


@dataclass(frozen=True)
class Title:
    """The computed answer to the question of the title, on one metric.

    Attributes:
        metric: its name.
        outcome: one of the four.
        reason: what it rests on, a row with words each, or why there is none.
        note: of a metric that may not judge, its trial and what it would have said.
    """

    metric: str
    outcome: Outcome
    reason: str
    note: str = ""

    @property
    def sentence(self) -> str:
        """The answer in a line."""
        return (
            "Does language make image classifiers explainable? By "
            f"{label(self.metric)}: {self.outcome} ({self.reason}).{self.note}"
        )

    def _repr_html_(self) -> str:
        slug = self.outcome.replace(" ", "-")
        return (
            f'<div class="admonition verdict {slug}"><p class="admonition-title">'
            f"The title's question: {html.escape(self.outcome)}</p>"
            f"<p>{html.escape(self.sentence)}</p></div>"
        )


def title_answer(summary: Summary, metric: str = PRIMARY) -> Title:
    """Return the answer: supported if words help in one row or more, by the rules.

    A metric that the trial did not admit answers nothing. Else contradicted if every
    row is, no relevant difference if each has one of these two outcomes, else
    undecided.
    """
    if metric in summary["may judge"]:
        return _by_rows(summary, metric)
    trial = f" {trial_of(summary, metric)}"
    if metric == PRIMARY:  # others are corrected among the admitted alone
        said = _by_rows(summary, metric)
        trial += f" Had it been admitted: {said.outcome} ({said.reason})."
    reason = f"{label(metric)} was not admitted to judge"
    return Title(metric, "undecided", reason, trial)


def _by_rows(summary: Summary, metric: str) -> Title:
    found = words_helped(summary) if metric == PRIMARY else others(summary)[metric]
    if not found:
        return Title(metric, "undecided", "no row with words is there")
    each = "; ".join(
        f"{ROWS[name].title}: {in_few_words(one)}" for name, one in found.items()
    )
    kinds = {one.outcome for one in found.values()}
    if "supported" in kinds:
        return Title(metric, "supported", each)
    if "undecided" in kinds:
        return Title(metric, "undecided", each)
    if kinds == {"contradicted"}:
        return Title(metric, "contradicted", each)
    return Title(metric, "no relevant difference", each)


def every_metric(summary: Summary) -> pd.DataFrame:
    """Return a row a metric: may it judge, and how it answers the title's question."""
    rows = []
    for metric in METRICS:
        found = title_answer(summary, metric)
        heard = metric in summary["may judge"]
        rows.append(
            {
                "metric": label(metric),
                "part": "primary" if metric == PRIMARY else "secondary",
                "may judge": "yes" if heard else "no",
                "do words help?": found.outcome,
            }
        )
    return pd.DataFrame(rows)
