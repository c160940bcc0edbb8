"""Chapter 05: can a metric, with the maps of a method, order two networks?

Before a metric judges LICO it must order networks whose order is known. A pair
is a better and a worse network on the same pictures; `assay` asks every metric with
every saliency method.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from helpers.chapters.metric_methods import FAST, Budget, maps, title
from helpers.chapters.metrics import AREAS
from helpers.data.catalog import Pictures
from helpers.data.geometry import Crops, crop_images, random_crops
from helpers.explain.cam import coarse_grad_cam
from helpers.lab.score import predicted
from helpers.measure import named
from helpers.measure.grid_pointing import draw_grids, grid_pictures
from helpers.measure.perturbation import insertion_deletion
from helpers.measure.statistics import t_interval
from helpers.measure.subject import Maps, Score, Subject
from helpers.report.score_names import SCORES, label, margin, sign
from helpers.streams import stream

SIDE = 2  # pictures a row in a grid
ORDERED, NOT, UNDECIDED = "ordered", "not", "undecided"
Values = Mapping[str, NDArray[np.float64]]  # row of the trial -> one value a picture


@dataclass(frozen=True)
class Pair:
    """Two networks of known order, one of each a training seed, on the same pictures.

    Attributes:
        name: what the better network has that the worse has not.
        better: networks, one a training seed.
        worse: networks of the same seeds.
        pictures: what both are tried on.
    """

    name: str
    better: Sequence[nn.Module]
    worse: Sequence[nn.Module]
    pictures: Pictures


def of_pictures(
    method: str,
    model: nn.Module,
    pictures: Pictures,
    budget: Budget,
    grids: Tensor | None = None,
    device: str = "cpu",
) -> Values:
    """Return all that a method's maps of a network score, one value a picture.

    Insertion and deletion are of `budget.areas` pictures, and also given in units of
    their mean full probability. SES is left out for RISE and LIME, whose maps would
    be needed twice; GridPG for all but the fast methods, of as many grids as pictures
    at most.

    Args:
        method: a name of `explain.named`.
        model: the network.
        pictures: those to take the first of, as many as the method explains.
        budget: how many that is.
        grids: of positions in the pictures, `[G, 4]`, for GridPG.
        device: where the network is.
    """
    shown = pictures.first(budget.pictures(method))
    images, labels = shown.normalised().to(device), shown.labels.to(device)
    size = (images.shape[2], images.shape[3])
    found = maps(method, model, shown, budget, device=device)
    crops: tuple[Crops, ...] = ()
    cropped: tuple[Tensor, ...] = ()
    if method not in ("rise", "lime"):
        crops = (random_crops(len(shown), size, stream(0, "crops")),)
        moved = crop_images(shown.normalised(), crops[0])
        cropped = (maps(method, model, shown, budget, device=device, images=moved),)
    cells = coarse_grad_cam(model, images[:1], labels[:1]).shape  # [1, h, w]
    subject = Subject(
        model=model,
        images=images,
        targets=labels,
        cells=(cells[1], cells[2]),
        masks=shown.masks,
        ignored=shown.ignored,
        boxes=shown.boxes,
        crops=crops,
    )
    names = [
        name
        for name, metric in named.METRICS.items()
        if set(metric.needs) <= subject.has and name not in AREAS
    ]
    other = found.roll(-1, 0) if crops else None
    scores = named.scores(names, subject, Maps(found, cropped, other))
    scores |= _areas(subject, found, budget.areas(method))
    if grids is not None and method in FAST:
        asked = grids[: budget.pictures(method)]
        scores["gridpg"] = _grid(method, model, pictures, budget, asked, device)
    return _rows(scores)


def _areas(subject: Subject, found: Tensor, few: int) -> dict[str, Score]:
    """Return insertion and deletion of the first pictures, equal pixels in one order.

    Equal pixels are many; several orders of them would hardly move a mean over
    pictures, and cost as many passes again.
    """
    curves = insertion_deletion(
        subject.model,
        subject.images[:few],
        subject.targets[:few],
        found[:few].to(subject.images.device),
        orders=1,
    )
    beside = {"full": curves.full}
    return {
        "insertion": Score(curves.insertion_auc, beside=beside),
        "deletion": Score(curves.deletion_auc, beside=beside),
    }


def _grid(
    method: str,
    model: nn.Module,
    pictures: Pictures,
    budget: Budget,
    grids: Tensor,
    device: str,
) -> Score:
    """Return GridPG of one target a grid, the first to the fourth cell in turn."""
    cells = torch.arange(len(grids)) % SIDE**2
    chosen = grids.gather(1, cells[:, None])[:, 0]
    composites = Pictures(
        grid_pictures(pictures.images.float(), grids).to(pictures.images.dtype),
        pictures.labels[chosen],
        pictures.class_names,
        pictures.mean,
        pictures.std,
    )
    found = maps(method, model, composites, budget, device=device)
    subject = Subject(
        model, composites.normalised(), composites.labels, grid=(SIDE, cells)
    )
    return named.scores(["gridpg"], subject, Maps(found))["gridpg"]


def _rows(scores: Mapping[str, Score]) -> Values:
    """Return the rows of the trial of a network's scores."""
    found = {}
    for row, (name, beside) in SCORES.items():
        if name not in scores:
            continue
        score = scores[name]
        if beside == "/ full":
            values = score.values / score.beside["full"].mean()
        else:
            values = score.beside[beside] if beside else score.values
        found[row] = values.detach().cpu().double().numpy()
    return found


def grids_of(
    model: nn.Module, pictures: Pictures, count: int, device: str = "cpu"
) -> Tensor | None:
    """Return grids of pictures that a network names right, `[count, 4]`, or None.

    None where it names pictures of fewer than four classes right.
    """
    right = predicted(model, pictures, device) == pictures.labels
    classes = pictures.labels[right].unique()
    if len(classes) < SIDE**2:
        return None
    return draw_grids(pictures.labels, SIDE, count, stream(0, "grids"), right)


def assay(
    pairs: Sequence[Pair],
    methods: Sequence[str],
    budget: Budget,
    grids: int = 64,
    device: str = "cpu",
) -> pd.DataFrame:
    """Return a row a method, pair and metric: what `judged` says of the two networks.

    GridPG's pictures are those that the better network of the first pair on the same
    pictures names right; a network that stands in two pairs is scored once.
    """
    drawn: dict[int, Tensor | None] = {}
    known: dict[tuple, Values] = {}

    def scored(method: str, model: nn.Module, pair: Pair) -> Values:
        key = (method, id(model), id(pair.pictures))
        if key not in known:
            where = drawn[id(pair.pictures)]
            known[key] = of_pictures(
                method, model, pair.pictures, budget, where, device
            )
        return known[key]

    rows = []
    for pair in pairs:
        if id(pair.pictures) not in drawn:
            one = pair.better[0]
            drawn[id(pair.pictures)] = grids_of(one, pair.pictures, grids, device)
        for method in methods:
            better = [scored(method, model, pair) for model in pair.better]
            worse = [scored(method, model, pair) for model in pair.worse]
            rows += [
                {"method": title(method), "pair": pair.name} | row
                for row in judged(better, worse)
            ]
    return pd.DataFrame(rows)


def judged(better: Sequence[Values], worse: Sequence[Values]) -> list[dict]:
    """Return what each metric says of two networks of known order, a row a metric.

    d is the difference in the metric's good direction, over the pictures that both
    have, a mean over the seeds; its 95 % t interval is over pictures: the networks are
    given, and asked is whether their pictures tell them apart. "ordered": d over the
    metric's margin and the interval over 0, every seed of that sign. "not": the
    interval under the margin, so that the order is wrong or too small to matter. Else
    "undecided".
    """
    rows = []
    for row in (name for name in SCORES if name in better[0] and name in worse[0]):
        d = sign(row) * np.array(
            [a[row] - b[row] for a, b in zip(better, worse, strict=True)]
        )  # [seeds, pictures]
        d = d[:, ~np.isnan(d).any(0)]
        least = margin(row)
        if not d.size:
            continue
        mean = float(d.mean())
        low, high = (float(end) for end in t_interval(d.mean(0)))
        if mean > least and low > 0 and (d.mean(1) > 0).all():
            outcome = ORDERED
        else:
            outcome = NOT if high < least else UNDECIDED
        rows.append(
            {
                "metric": label(row),
                "difference": sign(row) * mean,
                "low": low,
                "high": high,
                "gain": mean / least,
                "gain from": low / least,
                "gain to": high / least,
                "outcome": outcome,
                "pictures": d.shape[1],
                "seeds": len(d),
            }
        )
    return rows


def by_pair(frame: pd.DataFrame, column: str, method: str) -> pd.DataFrame:
    """Return a row a metric, a column a pair, of one column and method of `assay`."""
    own = frame[frame["method"] == method]
    wide = own.pivot(index="metric", columns="pair", values=column)
    metrics, pairs = (list(dict.fromkeys(own[name])) for name in ("metric", "pair"))
    return wide.loc[metrics, pairs].rename_axis(columns=None).reset_index()


def admitted(frame: pd.DataFrame, method: str) -> pd.DataFrame:
    """Return a row a metric: the outcome of each pair, and whether it may judge LICO.

    It may if every pair is ordered.
    """
    table = by_pair(frame, "outcome", method)
    every = (table.drop(columns="metric") == ORDERED).all(axis=1)
    return table.assign(**{"may judge": every.map({True: "yes", False: "no"})})


def may_judge(frame: pd.DataFrame, method: str) -> list[str]:
    """Return the scores that may judge LICO with the maps of a method."""
    table = admitted(frame, method)
    kept = set(table.loc[table["may judge"] == "yes", "metric"])
    return [row for row in SCORES if label(row) in kept]


def standing(frame: pd.DataFrame, score: str, method: str) -> str:
    """Return in a line whether a score may judge LICO, and which pairs speak against.

    Each of these with its outcome.
    """
    who = f"{label(score)} with {method}"
    own = frame[(frame["method"] == method) & (frame["metric"] == label(score))]
    if own.empty:
        return f"{who} was not tried on this page: it carries no claim here."
    against = own[own["outcome"] != ORDERED]
    if against.empty:
        return f"{who} orders every pair: it may judge."
    pairs = zip(against["pair"], against["outcome"], strict=True)
    said = "; ".join(f"{pair}: {outcome}" for pair, outcome in pairs)
    return f"{who} carries no claim on this page ({said})."


def counted(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row a method: how many metrics order each pair, of how many tried."""
    rows = []
    for method, own in frame.groupby("method", sort=False):
        row: dict[str, str] = {"method": str(method)}
        for pair, cells in own.groupby("pair", sort=False):
            row[str(pair)] = f"{(cells['outcome'] == ORDERED).sum()} of {len(cells)}"
        rows.append(row)
    return pd.DataFrame(rows)
