"""Chapter 11's claims: the rules, which stand before any result, and their verdicts.

A summary holds a row a seed, `summary["arms"]["heads"][seed]`. The unit is the seed; a
verdict takes GridPG grid by grid, and both heads of a pair played on the same grids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from helpers.chapters import probing_lico as lico
from helpers.chapters.probing import Arm
from helpers.report.joint import all_of
from helpers.report.records import unpacked
from helpers.report.verdict import Verdict, verdict

EQUAL = 0.01  # of accuracy: heads further apart are not compared by their maps
FLOOR = 0.25  # of GridPG on grids of 2 x 2
OPTIMISERS = ("SGD", "Adam")
HEADS = "heads"  # the one arm of a summary, a row a seed
Summary = Mapping[str, Any]

RULES = (
    (
        "BCE > CE",
        "GridPG of heads that differ in their loss alone, an optimiser at a time",
        "superiority, margin of GridPG; undecided unless accuracies are within 1 point",
    ),
    (
        "mean weight",
        "the same pair with centred weights, which name the same class",
        "no relevant difference, if the mean weight is what differs",
    ),
    (
        "deeper, B-cos",
        "MLP-3 above linear, and B-cos above MLP of equal depth",
        "superiority, as above; all comparisons together",
    ),
    (
        "probe > pre-training",
        "spread of GridPG over heads less that over networks, a value a seed",
        "above 0 by its 95 % interval, margin of GridPG",
    ),
    (
        "head > LICO",
        "how far SCH moves with the head's loss, less how far with LICO",
        "superiority, margin of SCH",
    ),
)


def rules() -> pd.DataFrame:
    """Return the claims, what is compared, and what decides."""
    return pd.DataFrame(RULES, columns=["claim", "compared", "decided by"])


def seeds_of(summary: Summary) -> list[Mapping[str, Any]]:
    """Return the rows of a summary, by seed."""
    return list(summary["arms"][HEADS].values())


def trained_out(summary: Summary) -> bool:
    """Tell whether all networks of all seeds were trained out."""
    return all(all(row["trained out"]) for row in seeds_of(summary))


def has(summary: Summary, arm: Arm, network: str = "ce") -> bool:
    """Tell whether all seeds have a head on a network."""
    return all(
        network in row["networks"] and arm.name in row["networks"][network]["arms"]
        for row in seeds_of(summary)
    )


def scores(
    summary: Summary, arm: Arm, what: str = "gridpg", network: str = "ce"
) -> np.ndarray:
    """Return a head's score of each grid, `[seeds, grids]`."""
    rows = [row["networks"][network]["arms"][arm.name] for row in seeds_of(summary)]
    return np.array([unpacked(row[what]) for row in rows])


def numbers(summary: Summary, arm: Arm, what: str, network: str = "ce") -> np.ndarray:
    """Return a number of a head, `[seeds]`; NaN where it has none."""
    rows = [row["networks"][network]["arms"][arm.name] for row in seeds_of(summary)]
    values = [row.get(what) for row in rows]
    return np.array([np.nan if v is None else v for v in values], dtype=float)


def better(
    summary: Summary,
    one: Arm,
    other: Arm,
    claim: str,
    what: str = "gridpg",
    network: str = "ce",
    comparisons: int = 1,
) -> Verdict:
    """Judge that a head points better than another on the same network.

    As trained, heads are compared only where their accuracies are alike.
    """
    found = verdict(
        scores(summary, one, what, network),
        scores(summary, other, what, network),
        claim=claim,
        metric="gridpg",
        trained_out=trained_out(summary),
        inert=False,
        comparisons=comparisons,
    )
    right = [numbers(summary, arm, "accuracy", network).mean() for arm in (one, other)]
    apart = abs(float(right[0] - right[1]))
    if what == "gridpg" and apart > EQUAL:
        return replace(
            found, outcome="undecided", reason=f"accuracies {apart:.3f} apart"
        )
    return found


def sigmoids_better(
    summary: Summary, head: str, optimiser: str, what: str = "gridpg"
) -> Verdict:
    """Judge that sigmoids give a head of this optimiser maps that point better."""
    pair = (Arm(head, "bce", optimiser), Arm(head, "ce", optimiser))
    return better(summary, *pair, f"BCE > CE, {head}, {optimiser}", what)


def heads_in(summary: Summary, network: str = "ce") -> list[str]:
    """Return the names of the heads on a network, in their order."""
    arms = seeds_of(summary)[0]["networks"][network]["arms"]
    return list(dict.fromkeys(name.split(" / ")[0] for name in arms))


def effects(summary: Summary, network: str = "ce") -> pd.DataFrame:
    """Return a row a head and optimiser: both losses' scores, and the verdict."""
    made = []
    for head in heads_in(summary, network):
        for name in OPTIMISERS:
            pair = [Arm(head, loss, name) for loss in ("ce", "bce")]
            if not all(has(summary, arm, network) for arm in pair):
                continue
            ce, bce = (scores(summary, arm, network=network).mean() for arm in pair)
            right = [numbers(summary, arm, "accuracy", network).mean() for arm in pair]
            shares = [numbers(summary, arm, "share", network).mean() for arm in pair]
            found = better(summary, pair[1], pair[0], "", network=network)
            made.append(
                {
                    "head": head,
                    "optimiser": name,
                    "CE": ce,
                    "BCE": bce,
                    "BCE - CE": bce - ce,
                    "top-1, CE": right[0],
                    "top-1, BCE - CE": right[1] - right[0],
                    "share, CE": shares[0],
                    "share, BCE": shares[1],
                    "verdict": found.label,
                }
            )
    return pd.DataFrame(made)


def points(summary: Summary, network: str = "ce") -> pd.DataFrame:
    """Return a row a head, loss, optimiser and seed: scores, centred too, accuracy."""
    made = []
    for seed, row in summary["arms"][HEADS].items():
        for name, one in row["networks"][network]["arms"].items():
            head, loss, optimiser = name.split(" / ")
            even = np.mean(unpacked(one["centred"])) if "centred" in one else np.nan
            made.append(
                {
                    "head": head,
                    "loss": loss.upper(),
                    "optimiser": optimiser,
                    "seed": int(seed),
                    "rate": one["rate"],
                    "top-1": one["accuracy"],
                    "share": one.get("share", np.nan),
                    "GridPG": np.mean(unpacked(one["gridpg"])),
                    "centred": even,
                    "Gini": np.nan if one["gini"] is None else one["gini"],
                    "entropy": np.nan if one["entropy"] is None else one["entropy"],
                }
            )
    return pd.DataFrame(made)


def effect_verdicts(summary: Summary, what: str = "gridpg") -> list[Verdict]:
    """Return for linear heads of each optimiser whether sigmoids point better."""
    return [sigmoids_better(summary, "linear", name, what) for name in OPTIMISERS]


def whole(summary: Summary) -> Verdict:
    """Judge that sigmoids point better under every optimiser."""
    return all_of(effect_verdicts(summary), "BCE > CE under every optimiser")


def depth_verdicts(summary: Summary) -> list[Verdict]:
    """Return whether deeper and B-cos heads point better, of those that were trained.

    Under Adam and sigmoids: the published recipe and the published best loss.
    """
    wanted = [("MLP-3", "linear"), *((f"B-cos-{k}", f"MLP-{k}") for k in (2, 3))]
    pairs = [
        (Arm(one, "bce", "Adam"), Arm(other, "bce", "Adam")) for one, other in wanted
    ]
    known = [pair for pair in pairs if all(has(summary, arm) for arm in pair)]
    return [
        better(
            summary,
            *pair,
            f"{pair[0].head} > {pair[1].head}",
            comparisons=len(known),
        )
        for pair in known
    ]


def head_moves_more(summary: Summary, optimiser: str) -> Verdict | None:
    """Judge that the head's loss moves SCH more than LICO does; None without masks."""
    rows = [row["lico"][optimiser] for row in seeds_of(summary)]
    if not all("SCH moved" in row[lico.HEAD] for row in rows):
        return None
    sides = [
        np.array([unpacked(row[pair]["SCH moved"]) for row in rows])
        for pair in (lico.HEAD, lico.LICO)
    ]
    return verdict(
        *sides,
        claim=f"the head's loss moves SCH more than LICO, {optimiser}",
        metric="sch",
        trained_out=trained_out(summary),
        inert=False,
        fill=0.0,
    )


def lines(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """Return a row a verdict: claim, estimate, interval, margin, seeds, outcome."""
    return pd.DataFrame(
        {
            "claim": one.claim,
            "A - B": one.estimate,
            "low": one.interval[0],
            "high": one.interval[1],
            "margin": one.margin,
            "seeds": one.seeds,
            "verdict": one.label,
        }
        for one in verdicts
    )
