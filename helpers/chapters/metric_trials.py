"""Chapter 05's trials: metrics on networks of known order, then on LICO.

Before a metric judges LICO it must order networks whose order is known. A later pair is
one more entry of the mapping that `assay` is given.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

from helpers.chapters.metrics import (
    AREAS,
    BASELINE,
    CUED,
    GRAD_CAM,
    consistency_scores,
    mean_scores,
    moved_maps,
)
from helpers.data import catalog
from helpers.data.catalog import Pictures
from helpers.data.scenes import CUES
from helpers.explain.rise import stability
from helpers.lab.recipes import recipe
from helpers.lab.runs import Run
from helpers.measure.perturbation import insertion_deletion
from helpers.report import intervention, margins
from helpers.report.verdict import Verdict, verdict
from helpers.streams import stream
from helpers.vision import initialise

# Scores with a direction, and the metric whose margin holds for them.
MARGIN_OF = {
    "insertion": "insertion",
    "deletion": "deletion",
    "insertion / full": "insertion",
    "deletion / full": "deletion",
    "ses": "ses",
    "ses less chance": "ses",
    "sch": "sch",
    "sch less area": "sch",
    "mosu": "mosu",
    "mosu reversed": "mosu",
}
FLOORS = ("uniform", "centred Gaussian", "random smooth")
Pair = tuple[Mapping[str, float], Mapping[str, float]]


def untrained(run: Run) -> nn.Module:
    """Return the network of a run with the weights it had before its first step."""
    model = recipe(run.settings).network(run.settings)
    initialise(model, stream(run.settings.seed, "initialisation"))
    return model.to(run.settings.device).eval()


def scores_on(
    model: nn.Module, pictures: Pictures, explained: int, device: str = "cpu"
) -> dict[str, float]:
    """Return `mean_scores` of Grad-CAM on any pictures, as the record has them.

    Insertion and deletion are of the first `explained` pictures, the others of all.
    """
    shown = pictures.first(explained)
    images, labels = shown.normalised().to(device), shown.labels.to(device)
    moved = moved_maps(model, pictures, device)
    first = moved.saliency[: len(shown)].to(device)
    curves = insertion_deletion(model, images, labels, first, orders=1)
    areas = {"insertion": curves.insertion_auc, "deletion": curves.deletion_auc}
    others = {"ses": moved.ses, "ses less chance": moved.excess}
    others |= consistency_scores(moved.saliency, pictures)
    return mean_scores(
        {
            "full": curves.full.tolist(),
            "maps": {GRAD_CAM: {k: v.tolist() for k, v in areas.items()}},
            "consistency": {GRAD_CAM: {k: v.tolist() for k, v in others.items()}},
        }
    )


def known_pairs(
    arms: Mapping[str, Sequence[Run]], test: Pictures
) -> dict[str, list[Pair]]:
    """Return the pairs whose order is known: (better, worse) scores, one a seed.

    Trained against untrained weights; for scenes, trained without the background cue
    against with it: on test pictures whose place is random, and on the same scenes with
    every class at its home.
    """
    ce = arms[BASELINE]
    explained = ce[0].settings.data.explained

    def scores(model: nn.Module, run: Run, pictures: Pictures) -> dict[str, float]:
        return scores_on(model, pictures, explained, run.settings.device)

    pairs: dict[str, list[Pair]] = {
        "trained > untrained": [
            (mean_scores(run.record), scores(untrained(run), run, test)) for run in ce
        ]
    }
    if CUED not in arms:
        return pairs
    both = list(zip(ce, arms[CUED], strict=True))
    pairs["no cue > cue, random place"] = [
        (mean_scores(one.record), mean_scores(two.record)) for one, two in both
    ]
    home = catalog.load(ce[0].settings.data, "test", cue=CUES["on"])
    pairs["no cue > cue, at home"] = [
        (scores(one.model(), one, home), scores(two.model(), two, home))
        for one, two in both
    ]
    return pairs


def assay(pairs: Mapping[str, Sequence[Pair]]) -> pd.DataFrame:
    """Return, for each metric and each pair of known order, whether it sees the order.

    `pairs`: by name, one (better network, worse network) a training seed, each the
    means of `mean_scores`. `gain` is the mean difference in the metric's good
    direction, in its margins; `order` is "right" if every seed has that sign, "wrong"
    if none has, else "mixed"; `seen`: right, and over one margin.
    """
    rows = []
    for score, metric_name in MARGIN_OF.items():
        metric = margins.metric(metric_name)
        sign = 1 if metric.higher_is_better else -1
        for name, seeds in pairs.items():
            if not all(score in one for pair in seeds for one in pair):
                continue
            d = np.array([better[score] - worse[score] for better, worse in seeds])
            good = sign * d > 0
            order = "right" if good.all() else "mixed" if good.any() else "wrong"
            gain = sign * float(d.mean()) / metric.margin
            rows.append(
                {
                    "metric": score,
                    "pair": name,
                    "difference": float(d.mean()),
                    "gain": gain,
                    "order": order,
                    "seen": "yes" if order == "right" and gain > 1 else "no",
                    "seeds": len(d),
                }
            )
    return pd.DataFrame(rows)


def by_pair(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a row a metric, a column a pair, of one column of `assay`."""
    wide = frame.pivot(index="metric", columns="pair", values=column)
    metrics, pairs = (list(dict.fromkeys(frame[name])) for name in ("metric", "pair"))
    return wide.loc[metrics, pairs].rename_axis(columns=None).reset_index()


def admitted(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row a metric: the order it gave each pair, and whether it may judge."""
    orders = by_pair(frame, "order")
    seen = (frame["seen"] == "yes").groupby(frame["metric"]).all()
    answers = ["yes" if seen[metric] else "no" for metric in orders["metric"]]
    return orders.assign(**{"may judge LICO": answers})


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
    Areas are also shown in units of the mean probability of the full pictures.
    """
    rows = []
    for arm, ones in records.items():
        for name, known in ones[0][part].items():
            row: dict[str, Any] = {"map": name, "arm": arm}
            for score in (s for s in scores if s in known):
                values = [np.array(r[part][name][score], dtype=float) for r in ones]
                row[score] = float(np.nanmean(values))
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
    for score in (s for s in scores if s in MARGIN_OF and s in wide):
        sign = 1 if margins.metric(MARGIN_OF[score]).higher_is_better else -1
        values = {str(name): float(value) for name, value in wide[score].items()}
        own = values[GRAD_CAM]
        names = [name for name, value in values.items() if sign * (value - own) > 0]
        rows.append(
            {
                "score": score,
                "floors above Grad-CAM": ", ".join(n for n in names if n in FLOORS),
                "masks above": ", ".join(n for n in names if n not in FLOORS),
            }
        )
    return pd.DataFrame(rows).replace("", "none")
