"""Chapter 05's trials: metrics on networks of known order, then on LICO.

Before a metric judges LICO it must order networks whose order is known: `known_pairs`
has them, `metric_assay` asks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

from helpers.chapters.mask_penalty import continued
from helpers.chapters.metric_assay import Pair
from helpers.chapters.metrics import AREAS, BASELINE, CUED, GRAD_CAM
from helpers.data import catalog
from helpers.data.catalog import Pictures
from helpers.data.scenes import CUES
from helpers.explain.cam import is_pooled_linear
from helpers.explain.rise import stability
from helpers.lab.recipes import recipe
from helpers.lab.runs import Run
from helpers.measure.aggregate import aggregate
from helpers.report import intervention, tables
from helpers.report.score_names import SCORES, sign
from helpers.report.verdict import Verdict, verdict
from helpers.streams import stream
from helpers.vision import initialise

FLOORS = ("uniform", "centred Gaussian", "random smooth")


def untrained(run: Run) -> nn.Module:
    """Return the network of a run with the weights it had before its first step."""
    model = recipe(run.settings).network(run.settings)
    initialise(model, stream(run.settings.seed, "initialisation"))
    return model.to(run.settings.device).eval()


def known_pairs(arms: Mapping[str, Sequence[Run]], test: Pictures) -> list[Pair]:
    """Return the pairs of networks whose order is known, one of each a training seed.

    Trained against untrained weights; with masks, gone on with a penalty on saliency
    off the object against as many steps without (`mask_penalty`); for scenes, trained
    without the background cue against with it, on test pictures whose place is random
    and on the same scenes with every class at its home.
    """
    ce = arms[BASELINE]
    own = [run.model() for run in ce]
    pairs = [Pair("trained > untrained", own, [untrained(run) for run in ce], test)]
    if test.masks is not None and all(is_pooled_linear(model) for model in own):
        pairs.append(_penalised(ce, own, test))
    if CUED not in arms:
        return pairs
    cued = [run.model() for run in arms[CUED]]
    home = catalog.load(ce[0].settings.data, "test", cue=CUES["on"])
    return [
        *pairs,
        Pair("no cue > cue, random place", own, cued, test),
        Pair("no cue > cue, at home", own, cued, home),
    ]


def _penalised(
    ce: Sequence[Run], own: Sequence[nn.Module], test: Pictures, weight: float = 1.0
) -> Pair:
    """Return each seed's network after a few epochs with and without the penalty."""
    pictures = catalog.load(ce[0].settings.data, "train")

    def after(weight: float) -> list[nn.Module]:
        return [
            continued(
                model,
                pictures,
                weight,
                seed=run.settings.seed,
                device=run.settings.device,
            )
            for run, model in zip(ce, own, strict=True)
        ]

    return Pair("mask penalty > none", after(weight), after(0.0), test)


def correlations(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> pd.DataFrame:
    """Return the rank correlation of two networks' maps: a row a method and picture.

    NaN where a map is constant, as the zero map of a network that sees no evidence.
    """
    return pd.DataFrame(
        {"method": name, "picture": number, "rank correlation": value}
        for name in one
        for number, value in enumerate(stability(one[name], two[name]).tolist())
    )


def of_methods(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row a method: mean rank correlation, least, greatest, constant maps."""
    found = frame.groupby("method", sort=False)["rank correlation"]
    table = found.agg(["mean", "min", "max"])
    table["constant maps"] = found.agg(lambda values: int(values.isna().sum()))
    return table.reset_index()


def of_arms(
    records: Mapping[str, Sequence[Mapping]], part: str, scores: Sequence[str]
) -> pd.DataFrame:
    """Return a row an arm and map: means over pictures and seeds.

    `part`: "maps" or "consistency" of the records; scores that they lack are left out.
    Areas are also shown in units of the mean probability of the full pictures. Floors
    and ceilings are the first arm's.
    """
    rows = []
    first = next(iter(records))
    for arm, ones in records.items():
        for name, known in ones[0][part].items():
            if arm != first and name != GRAD_CAM:
                continue
            row: dict[str, Any] = {"map": name, "arm": arm}
            for score in (s for s in scores if s in known):
                seeds = [np.array(r[part][name][score], dtype=float) for r in ones]
                row[score] = tables.over_seeds([aggregate(one).mean for one in seeds])
            if part == "maps":
                full = np.mean([r["full"] for r in ones])
                row |= {f"{s} / full": row[s] / full for s in AREAS if s in row}
            rows.append(row)
    frame = pd.DataFrame(rows)
    order = list(dict.fromkeys(frame["map"]))
    return frame.sort_values(
        "map", key=lambda names: names.map(order.index), kind="stable"
    )


def sch_verdict(lico: Sequence[Run], ce: Sequence[Run]) -> Verdict | str:
    """Judge that LICO's Grad-CAM lies on the object more than the baseline's.

    A sentence in the place of a verdict where the pictures have no masks.
    """
    if "sch" not in ce[0].record["consistency"][GRAD_CAM]:
        return "no verdict: these pictures have no masks, so no SCH"

    def scores(runs: Sequence[Run]) -> np.ndarray:
        found = [run.record["consistency"][GRAD_CAM]["sch"] for run in runs]
        return np.array(found, dtype=float)

    return verdict(
        scores(lico),
        scores(ce),
        claim="LICO's Grad-CAM maps lie on the object more than the baseline's",
        metric="sch",
        baseline=scores(ce),
        trained_out=all(run.record["trained_out"] for run in (*lico, *ce)),
        inert=intervention.any_inert([run.history for run in lico]),
        fill=0.0,
    )


def floors_above(frame: pd.DataFrame, scores: Sequence[str]) -> pd.DataFrame:
    """Return which floors and ceilings score better than Grad-CAM, a row a score.

    `frame`: a row a map with its scores, as `tables.of_maps`.
    """
    wide = frame.set_index("map")
    rows = []
    for score in (s for s in scores if s in SCORES and s in wide):
        values = {str(name): float(value) for name, value in wide[score].items()}
        own = values[GRAD_CAM]
        names = [
            name for name, value in values.items() if sign(score) * (value - own) > 0
        ]
        rows.append(
            {
                "score": score,
                "floors above Grad-CAM": ", ".join(n for n in names if n in FLOORS),
                "masks above": ", ".join(n for n in names if n not in FLOORS),
            }
        )
    return pd.DataFrame(rows).replace("", "none")
