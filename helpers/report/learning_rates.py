"""The learning rate of every arm, checked on validation accuracy alone.

A summary is what chapter 03 keeps of its runs, `summary["arms"][arm][seed]`. No score
of a map and no test picture has a say.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.report.arms import BASELINE

Summary = Mapping[str, Any]


def by_rate(summaries: Sequence[Summary | None]) -> pd.DataFrame:
    """Return a row an arm: validation accuracy at each rate, on the seeds of all rates.

    The first summary's rate is the one in use: "gain" is the best rate's validation
    accuracy minus that of the rate in use; "within seeds": whether the gain is within
    two SDs over seeds of the baseline in use, over the root of the seeds compared, for
    the best of a few rates is above any one of them by chance alone. Arms that have one
    rate only are left out; an empty frame has one line that says so.

    Raises ValueError if two summaries have the same rate.
    """
    there = [one for one in summaries if one is not None]
    rates = [float(one["parameters"]["lr"]) for one in there]
    if len(set(rates)) < len(rates):
        raise ValueError(f"rates must differ, got {rates}")
    found = []
    for arm in there[0]["arms"] if there else ():
        known = {
            rate: one["arms"][arm]
            for rate, one in zip(rates, there, strict=True)
            if arm in one["arms"]
        }
        seeds = sorted(set.intersection(*map(set, known.values())), key=int)
        if len(known) > 1 and seeds:
            found.append(_row(arm, known, seeds, there[0]["arms"][BASELINE]))
    if not found:
        return pd.DataFrame({"arm": ["no arm is recorded at two rates"]})
    return pd.DataFrame(found)


def _row(
    arm: str,
    known: Mapping[float, Mapping[str, Any]],
    seeds: Sequence[str],
    baseline: Mapping[str, Any],
) -> dict[str, Any]:
    means = {
        rate: float(np.mean([runs[seed]["accuracy"]["validation"] for seed in seeds]))
        for rate, runs in known.items()
    }
    own = next(iter(known))
    best = max(means, key=lambda rate: means[rate])
    spread = [run["accuracy"]["validation"] for run in baseline.values()]
    bar = 2 * np.std(spread, ddof=1) / len(seeds) ** 0.5 if len(spread) > 1 else np.nan
    gain = means[best] - means[own]
    within = "—" if np.isnan(bar) else "yes" if gain <= bar else "NO"
    return {
        "arm": arm,
        "seeds": len(seeds),
        **{f"rate {rate:g}": value for rate, value in sorted(means.items())},
        "in use": own,
        "best": best,
        "gain": gain,
        "within seeds": within,
        "trained out": f"{_out(known, seeds)} of {len(known) * len(seeds)}",
    }


def _out(known: Mapping[float, Mapping[str, Any]], seeds: Sequence[str]) -> int:
    return sum(runs[seed]["trained_out"] for runs in known.values() for seed in seeds)
