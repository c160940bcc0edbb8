"""Chapter 10's claims against their controls, from a summary of recalls.

The rule, fixed before any record: the number is recall@5 with the raw vocabulary; the
unit is the network (the training seed); a claim is a difference, and holds where the
95 % t interval of its mean over networks lies above 0 for *every* control. recall@10,
recall@20 and the vocabulary about its centre are secondary: shown, never judged. Under
five networks there is no answer. No margin was committed for recall, so that there is
no "no relevant difference" here.
"""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from helpers.measure.statistics import t_interval
from helpers.report import margins
from helpers.report.verdict import Outcome

Summary = Mapping[str, Any]
Row = Mapping[str, Any]
WORDS, KIND = "5", "raw"
BASELINE = "ce"
UNTAUGHT = "untaught explainer"
CONTROLS = ("permuted", "random-tower", "random-vectors", "one-hot")
NONE = {"arm": ["none is recorded"]}


@dataclass(frozen=True)
class Difference:
    """A mean difference over networks; the interval is unbounded for one of them."""

    name: str
    mean: float
    low: float
    high: float
    networks: int


@dataclass(frozen=True)
class NamingVerdict:
    """The outcome of a claim that must hold against every control."""

    claim: str
    outcome: Outcome
    reason: str
    parts: tuple[Difference, ...]

    @property
    def sentence(self) -> str:
        """One line with the numbers it rests on."""
        told = "; ".join(
            f"{one.name} {one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
            if math.isfinite(one.low)
            else f"{one.name} {one.mean:+.3f}"
            for one in self.parts
        )
        if not self.parts:
            return f"{self.claim}: {self.outcome} ({self.reason})."
        number = self.parts[0].networks
        many = "1 network" if number == 1 else f"{number} networks"
        return f"{self.claim}: {self.outcome} ({self.reason}). {many}. {told}."

    def _repr_html_(self) -> str:
        slug = self.outcome.replace(" ", "-")
        return (
            f'<div class="admonition verdict {slug}"><p class="admonition-title">'
            f"Verdict: {html.escape(self.outcome)}</p>"
            f"<p>{html.escape(self.sentence)}</p></div>"
        )


def verdict(
    claim: str, apart: Mapping[str, Sequence[float]], barred: str = ""
) -> NamingVerdict:
    """Return the outcome for differences `[control][network]`, all of which must hold.

    `barred`: why there can be no answer. In this order: barred; too few networks; all
    intervals above 0; one below 0; else undecided.
    """
    parts = tuple(difference(name, values) for name, values in apart.items())
    least = margins.load().inference.minimal_seeds
    number = min((one.networks for one in parts), default=0)
    outcome: Outcome = "undecided"
    if barred:
        reason = barred
    elif number < least:
        reason = f"{number} of {least} networks"
    elif all(one.low > 0 for one in parts):
        outcome, reason = "supported", "every interval above 0"
    elif below := [one.name for one in parts if one.high < 0]:
        outcome, reason = "contradicted", f"below 0 against {', '.join(below)}"
    else:
        open_ones = [one.name for one in parts if one.low <= 0]
        reason = f"the interval holds 0 against {', '.join(open_ones)}"
    return NamingVerdict(claim, outcome, reason, parts)


def difference(name: str, values: Sequence[float]) -> Difference:
    """Return the mean over networks with its t interval."""
    found = np.asarray(values, dtype=np.float64)
    low, high = -math.inf, math.inf
    if len(found) > 1:
        low, high = (float(x) for x in t_interval(found, 0.95, 1))
    return Difference(name, float(found.mean()), low, high, len(found))


def setting_verdict(summary: Summary | None, setting: str) -> NamingVerdict:
    """Answer "the explainer beats every control" for one network and layer."""
    claim = f"The explainer beats every control, {setting}"
    if summary is None:
        return verdict(claim, {}, "no record")
    rows = list(summary["settings"][setting].values())
    names = list(rows[0]["above"][KIND])
    apart = {n: [row["above"][KIND][n][WORDS][0] for row in rows] for n in names}
    return verdict(claim, apart)


def held_out_verdict(summary: Summary | None) -> NamingVerdict:
    """Answer "held-out categories are named, and where they are to be seen"."""
    claim = "Held-out words are named where they are"
    if summary is None:
        return verdict(claim, {}, "no record")
    apart: dict[str, list[float]] = {}
    for row in summary["held out"].values():
        lines = row[KIND]
        own = lines[0]["named"]
        for line in lines[1:]:
            who, where = line["explainer"], line["held-out words"]
            name = where if who == "taught" else who
            if own is not None and line["named"] is not None:
                apart.setdefault(name, []).append(own - line["named"])
    return verdict(claim, apart)


def recall_table(row: Row) -> pd.DataFrame:
    """Return recall@5, 10, 20 of an explainer and its controls, raw and centred.

    With the difference to the explainer at recall@5, its interval over filters.
    """
    lines = []
    for name, raw in row["recall"][KIND].items():
        centred, above = row["recall"]["centred"][name], row["above"][KIND].get(name)
        lines.append(
            {
                "words by": name,
                **{f"R@{s}": three[0] for s, three in raw.items()},
                "R@5 centred": centred[WORDS][0],
                "taught is above by": above[WORDS][0] if above else math.nan,
                "from": above[WORDS][1] if above else math.nan,
                "to": above[WORDS][2] if above else math.nan,
            }
        )
    return pd.DataFrame(lines)


def share_of_oracle(row: Row) -> pd.DataFrame:
    """Return chance, and recall as a share of what a perfect explainer gets."""
    lines = []
    for kind, found in row["recall"].items():
        for s, three in found["taught"].items():
            ceiling = found["oracle"][s][0]
            lines.append(
                {
                    "vocabulary": kind,
                    "s": int(s),
                    "chance, s of V": int(s) / row["vocabulary"],
                    "taught": three[0],
                    "oracle": ceiling,
                    "share": _known(three[0]) / ceiling if ceiling else math.nan,
                }
            )
    return pd.DataFrame(lines)


def settings_table(summary: Summary) -> pd.DataFrame:
    """Return a row a network and layer: its explainer, its best control, the oracle."""
    lines = []
    for setting, seeds in summary["settings"].items():
        for seed, row in seeds.items():
            recalls = row["recall"][KIND].items()
            found = {name: _known(one[WORDS][0]) for name, one in recalls}
            own, ceiling = found.pop("taught"), found.pop("oracle")
            best = max(found, key=lambda name: found[name])
            lines.append(
                {
                    "network and layer": setting,
                    "seed": int(seed),
                    "filters": row["filters"],
                    "dead": row["dead"],
                    "taught": own,
                    "best control": found[best],
                    "it is": best,
                    "oracle": ceiling,
                }
            )
    return pd.DataFrame(lines)


def net(row: Row, words: str = WORDS, kind: str = KIND) -> float:
    """Return a network's recall minus that of its own untaught explainer."""
    return _known(row["above"][kind][UNTAUGHT][words][0])


def networks_table(summary: Summary) -> pd.DataFrame:
    """Return a row a network: recall, its control, the difference, dead filters."""
    return pd.DataFrame(
        {
            "arm": arm,
            "seed": int(seed),
            "accuracy": row["accuracy"]["test"],
            "dead": row["dead"],
            "taught": row["recall"][KIND]["taught"][WORDS][0],
            "untaught": row["recall"][KIND][UNTAUGHT][WORDS][0],
            "net": net(row),
            "oracle": row["recall"][KIND]["oracle"][WORDS][0],
        }
        for arm, seeds in summary["networks"].items()
        for seed, row in seeds.items()
    )


def against(summary: Summary, arm: str, other: str) -> list[float]:
    """Return net recall of an arm minus another's, a number a common seed."""
    one, two = summary["networks"].get(arm, {}), summary["networks"].get(other, {})
    seeds = sorted(one.keys() & two.keys(), key=int)
    return [net(one[seed]) - net(two[seed]) for seed in seeds]


def arms_table(summary: Summary | None) -> pd.DataFrame:
    """Return each arm's net recall minus the baseline's, with intervals over seeds."""
    if summary is None:
        return pd.DataFrame({"record": ["not recorded"]})
    rows = []
    for arm in summary["networks"]:
        if arm == BASELINE or not (values := against(summary, arm, BASELINE)):
            continue
        one = difference(arm, values)
        rows.append(
            {
                "arm": arm,
                "net recall@5, minus ce": one.mean,
                "from": one.low,
                "to": one.high,
                "networks": one.networks,
            }
        )
    return pd.DataFrame(rows or NONE)


def nameable(summary: Summary | None, arm: str = "lico") -> NamingVerdict:
    """Answer "the filters of this arm are more nameable than the baseline's"."""
    claim = f"Filters of {arm} are more nameable than the baseline's"
    if summary is None or arm not in summary["networks"]:
        return verdict(claim, {}, "no record")
    apart = {BASELINE: against(summary, arm, BASELINE)}
    return verdict(claim, apart, _barred(summary, (arm, BASELINE)))


def by_words(summary: Summary | None, arm: str = "lico") -> NamingVerdict:
    """Answer "it is the words": the arm against each control of language."""
    claim = f"Filters of {arm} are more nameable than those of every language control"
    known = [] if summary is None else [c for c in CONTROLS if c in summary["networks"]]
    if summary is None or not known:
        return verdict(claim, {}, "no language control is recorded")
    apart = {other: against(summary, arm, other) for other in known}
    return verdict(claim, apart, _barred(summary, (arm, *known)))


def verdicts(summary: Summary | None) -> list[NamingVerdict]:
    """Return the answers to all claims, claim 3's for each network and layer."""
    settings = [] if summary is None else list(summary["settings"])
    return [
        *(setting_verdict(summary, name) for name in settings or ["last layer"]),
        held_out_verdict(summary),
        nameable(summary),
        by_words(summary),
    ]


def verdict_table(summary: Summary | None) -> pd.DataFrame:
    """Return a row a claim: the outcome, and why."""
    return pd.DataFrame(
        {"claim": one.claim, "verdict": one.outcome, "because": one.reason}
        for one in verdicts(summary)
    )


def _known(value: float | None) -> float:
    """Return what a record holds, NaN for None."""
    return math.nan if value is None else value


def _barred(summary: Summary, arms: Sequence[str]) -> str:
    rows = [row for arm in arms for row in summary["networks"][arm].values()]
    return "" if all(row["trained_out"] for row in rows) else "under-trained"
