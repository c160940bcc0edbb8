"""Chapter 11: tables of the recorded study, and what was published beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.chapters import probing_claims as claims
from helpers.chapters import probing_labels as labels
from helpers.chapters import probing_lico as lico
from helpers.chapters import probing_networks as networks
from helpers.measure.shared_grids import (
    Smoothing,
    ceiling,
    published_ceiling,
    scaled_width,
)
from helpers.methods.heads import Head

CELL = 112  # pixels, half of the published
NARROW, WIDE = 5, 129  # published widths, for cells of 224 pixels


def ceilings() -> pd.DataFrame:
    """Return what a perfect map scores under the published smoothings, in small.

    Cells of 112 pixels in place of 224, widths of 3 and 65 in place of 5 and 129.
    """
    narrow, wide = (scaled_width(CELL, width) for width in (NARROW, WIDE))
    return pd.DataFrame(
        {
            "grid": f"{side} x {side}",
            "not smoothed": ceiling(side, CELL, Smoothing()),
            f"mean of {NARROW}": ceiling(side, CELL, Smoothing(narrow)),
            f"Gaussian of {WIDE}": published_ceiling(side, CELL, wide),
        }
        for side in (2, 3)
    )


def tokens_table(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return GridPG of methods on attention, a row a head, with its accuracy."""
    return pd.DataFrame(
        {
            "head": name,
            "top-1": found["accuracy"][name],
            **found["gridpg"][name],
        }
        for name in found["accuracy"]
    )


def methods_of(summary: claims.Summary) -> pd.DataFrame:
    """Return GridPG by method, means over the seeds of a study, with seeds that agree.

    `BCE ahead`: in how many seeds sigmoids score higher.
    """
    rows = [row["methods"] for row in claims.seeds_of(summary)]
    made = []
    for name in rows[0]["CE"]:
        ce, bce = (np.array([row[one][name] for row in rows]) for one in ("CE", "BCE"))
        made.append(
            {
                "method": name,
                "CE": ce.mean(),
                "BCE": bce.mean(),
                "BCE - CE": (bce - ce).mean(),
                "BCE ahead": f"{int((bce > ce).sum())} of {len(rows)}",
            }
        )
    return pd.DataFrame(made)


def heads_table(summary: claims.Summary) -> pd.DataFrame:
    """Return a row a head, loss and optimiser: accuracy, GridPG, Gini, entropy."""
    points = claims.points(summary)
    keys = ["head", "loss", "optimiser"]
    shown = ["top-1", "GridPG", "centred", "Gini", "entropy"]
    return points.groupby(keys, sort=False)[shown].mean().reset_index()


def labels_table(heads: Sequence[Head], data: labels.Several) -> pd.DataFrame:
    """Return mAP, EPG, its floor and compactness, with off-targets 0 and 1/K."""
    names = ("0", "1/K")
    return pd.DataFrame(
        {"off-targets": name, **labels.scores(head, data)}
        for name, head in zip(names, heads, strict=True)
    )


def lico_rows(summary: claims.Summary) -> pd.DataFrame:
    """Return what moves maps, over all seeds of a study, an optimiser at a time."""
    rows = claims.seeds_of(summary)
    return pd.concat(
        lico.table([row["lico"][name] for row in rows]).assign(optimiser=name)
        for name in claims.OPTIMISERS
    )


def directions(summary: claims.Summary) -> pd.DataFrame:
    """Return what was published as a direction, and what these seeds say.

    The document has no table of results: directions are those of its abstract and of
    its repository's configurations.
    """
    deeper = claims.depth_verdicts(summary)
    against = networks.probe_or_network(summary)
    parts = claims.effect_verdicts(summary)
    rows = [
        ("BCE points better than CE", "all", "yes", claims.whole(summary).label),
        *(
            ("BCE points better than CE", name, "yes", part.label)
            for name, part in zip(claims.OPTIMISERS, parts, strict=True)
        ),
        *((one.claim, "Adam", "yes", one.label) for one in deeper),
        (
            "the head matters more than the network",
            "all",
            "yes",
            "one network" if against is None else against.verdict,
        ),
    ]
    if not deeper:
        rows.append(("deeper and B-cos heads point better", "Adam", "yes", "no record"))
    return pd.DataFrame(rows, columns=["direction", "optimiser", "published", "here"])
