"""Chapter 11: heads against networks, what moves GridPG more, and which are fit."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.chapters.probing import Arm, fit_to_show
from helpers.chapters.probing_claims import (
    FLOOR,
    Summary,
    numbers,
    scores,
    seeds_of,
)
from helpers.measure.statistics import t_interval
from helpers.measure.variance import Decomposition, decompose, spread_difference
from helpers.report import margins
from helpers.report.records import unpacked
from helpers.report.verdict import decide

CEILING = 1.0  # of GridPG without smoothing
CONTROLS = ("untrained",)  # networks on grids of their own: no pre-training


@dataclass(frozen=True)
class Compared:
    """Heads against networks: the variance of GridPG, and which matters more."""

    networks: list[str]
    arms: list[str]
    parts: Decomposition
    difference: np.ndarray  # [seeds]
    verdict: str


def sources(found: Compared | None) -> pd.DataFrame:
    """Return a row a source of variance, and the verdict on heads against networks."""
    if found is None:
        return pd.DataFrame({"source": ["one network that is fit: nothing to divide"]})
    named = {
        f"{len(found.arms)} heads": found.parts.probe,
        f"{len(found.networks)} networks": found.parts.backbone,
        "both together": found.parts.both,
        "seeds": found.parts.within,
    }
    return pd.DataFrame(
        {
            "source": name,
            "degrees of freedom": one.freedom,
            "share of squares": one.share,
            "less chance": one.unbiased,
            "F": one.f,
            "p": one.p,
            "heads matter more": found.verdict if number == 0 else "",
        }
        for number, (name, one) in enumerate(named.items())
    )


def fit(summary: Summary, network: str) -> bool:
    """Tell whether a network can show something: fair grids, and room for its score.

    Its softmax head's GridPG lies above the floor and under the ceiling.
    """
    if not all(row["networks"][network]["fair"] for row in seeds_of(summary)):
        return False
    values = scores(summary, Arm("linear", "ce", "SGD"), network=network).mean(1)
    return fit_to_show(values.tolist(), FLOOR, CEILING)


def networks(summary: Summary) -> pd.DataFrame:
    """Return a row a network: what it knows, its softmax score, whether it is fit."""
    made = []
    for name in seeds_of(summary)[0]["networks"]:
        rows = [row["networks"][name] for row in seeds_of(summary)]
        arm = Arm("linear", "ce", "SGD")
        fair = [row["usable"] for row in rows if row["fair"]]
        made.append(
            {
                "network": name,
                **{
                    key: np.mean([row["known"][key] for row in rows])
                    for key in ("neighbours", "spread", "dimensions")
                },
                "top-1, linear": numbers(summary, arm, "accuracy", name).mean(),
                "GridPG, linear": scores(summary, arm, network=name).mean(),
                "seeds with fair grids": f"{len(fair)} of {len(rows)}",
                "pictures all get right": round(np.mean(fair)) if fair else "—",
                "fit": "control" if name in CONTROLS else _yes(fit(summary, name)),
            }
        )
    return pd.DataFrame(made)


def probe_or_network(summary: Summary) -> Compared | None:
    """Return what moves GridPG more, the head or the network; None of one network.

    Of the networks that are fit and no control, and the heads that all of them have.
    """
    rows = seeds_of(summary)
    known = [n for n in rows[0]["networks"] if n not in CONTROLS and fit(summary, n)]
    if len(known) < 2:
        return None
    arms = [
        name
        for name in seeds_of(summary)[0]["networks"][known[0]]["arms"]
        if all(
            name in row["networks"][network]["arms"]
            for row in seeds_of(summary)
            for network in known
        )
    ]
    table = np.array(
        [
            [
                [
                    np.mean(unpacked(row["networks"][network]["arms"][arm]["gridpg"]))
                    for network in known
                ]
                for arm in arms
            ]
            for row in seeds_of(summary)
        ]
    )
    apart = spread_difference(table)
    return Compared(known, arms, decompose(table), apart, _decided(apart))


def _yes(fits: bool) -> str:
    return "yes" if fits else "NO"


def _decided(differences: np.ndarray) -> str:
    """Return the outcome of a difference a seed, by the margin of GridPG."""
    least = margins.load().inference.minimal_seeds
    if len(differences) < least:
        count = len(differences)
        return f"undecided ({count} seed{'s' if count > 1 else ''})"
    low, high = (float(x) for x in t_interval(differences))
    return decide(low, high, margins.metric("gridpg").margin)[0]
