"""Chapter 13: the pictures that every answer is scored on, and the one scoring path.

Every answer is a network that names classes and a function that makes maps. All see the
same test pictures, the same crops and the same grids, and pass through the metrics of
`helpers.measure.named`; insertion and deletion take equal pixels in one order, as the
records of runs do.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from helpers.data.catalog import Pictures
from helpers.data.geometry import Crops, crop_images, crop_masks, random_crops
from helpers.measure import named
from helpers.measure.aggregate import aggregate
from helpers.measure.grid_pointing import cell_masks, draw_grids, grid_pictures
from helpers.measure.perturbation import insertion_deletion
from helpers.measure.reference_maps import reference_maps
from helpers.measure.statistics import t_interval
from helpers.measure.subject import Maps, Score, Subject
from helpers.report.records import packed
from helpers.streams import stream

SIDE = 2  # pictures a row of a grid
TIMED = 8  # pictures whose maps are timed
METRICS = ("sch", "epg", "gridpg", "ses", "mosu", "insertion", "deletion")
PLACED = ("sch", "epg", "ses", "mosu")
CHANCE, GINI = "ses less chance", "gini"
CONTRAST = "score contrast"  # sees no pedestal of a map, which SCH and EPG add up
LESS_AREA = {"sch": "sch less area", "epg": "epg less area"}
MapsOf = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Answer:
    """One row of the table, ready to be asked.

    Attributes:
        name: of `answers_rows.ROWS`.
        network: normalised pictures -> logits: what insertion and deletion follow.
        maps: normalised pictures, classes `[B]` -> maps `[B, H, W]` on the CPU; also of
            grids, which are larger.
        correct: of all test pictures, which the network names right, `[T]`, bool.
        trained_out: whether what was trained had stopped to learn.
        barred: why it gets no verdict although it was trained out, or "".
        training: seconds of training it needs beside the baseline's, or in its place.
    """

    name: str
    network: nn.Module
    maps: MapsOf
    correct: Tensor
    trained_out: bool
    barred: str
    training: float


@dataclass(frozen=True, eq=False)
class Bench:
    """Pictures, what is known of them, their crops, and grids made of them.

    Attributes:
        pictures: those that are explained.
        images: normalised, `[N, 3, H, W]`.
        crops: one a picture, the transform of SES.
        cropped: what the crops show, `[N, 3, H, W]`.
        grids: of 2 x 2 pictures, normalised, `[G, 3, 2 H, 2 W]`.
        asked: the class that is looked for in each grid, `[G]`.
        where: the cell in which it is, `[G]`.
        areas: pictures with insertion and deletion: the first.
    """

    pictures: Pictures
    images: Tensor
    crops: Crops
    cropped: Tensor
    grids: Tensor
    asked: Tensor
    where: Tensor
    areas: int


def bench(test: Pictures, judged: int, areas: int, grids: int) -> Bench:
    """Return the bench of the first test pictures, the same for every seed.

    Grids are of any of these pictures, whether or not a network names them right: what
    is left out for one network would be left out for all.
    """
    shown = test.first(judged)
    images = shown.normalised()
    size = (images.shape[2], images.shape[3])
    crops = random_crops(len(shown), size, stream(0, "crops"))
    rows = draw_grids(shown.labels, SIDE, grids, stream(0, "one table"))
    where = torch.arange(grids) % SIDE**2
    chosen = rows.gather(1, where[:, None])[:, 0]
    return Bench(
        shown,
        images,
        crops,
        crop_images(images, crops),
        grid_pictures(images, rows),
        shown.labels[chosen],
        where,
        min(areas, len(shown)),
    )


def scored(
    answer: Answer, bench: Bench, cells: tuple[int, int]
) -> tuple[dict[str, Any], Tensor]:
    """Return what a record keeps of an answer, and its maps of the pictures."""
    labels = bench.pictures.labels
    found = answer.maps(bench.images, labels)
    anew = answer.maps(bench.cropped, labels)
    row = of_maps(answer.network, bench, found, anew, cells)
    composites = answer.maps(bench.grids, bench.asked)
    row |= {"grids": _grids(answer.network, bench, composites)}
    few = bench.images[:TIMED].clone()
    started = time.perf_counter()
    answer.maps(few, labels[:TIMED])
    seconds = (time.perf_counter() - started) / len(few)
    hits = [int(hit) for hit in answer.correct]
    return {
        **_with_grids(row),
        "accuracy": float(np.mean(hits)),
        "correct": "".join(map(str, hits)),
        "trained_out": answer.trained_out,
        "barred": answer.barred,
        "seconds a map": seconds,
        "training seconds": answer.training,
    }, found


def references(
    network: nn.Module, bench: Bench, cells: tuple[int, int]
) -> dict[str, dict[str, Any]]:
    """Return the scores of maps that know nothing, or all, on a network, by name."""
    shape = (len(bench.images), bench.images.shape[2], bench.images.shape[3])
    masks = bench.pictures.masks
    moved = None if masks is None else crop_masks(masks, bench.crops)
    before = reference_maps(shape, cells, 0, masks)
    after = reference_maps(shape, cells, 1, moved)
    wide = (len(bench.grids), bench.grids.shape[2], bench.grids.shape[3])
    within = cell_masks(bench.where, SIDE, (wide[1], wide[2]))
    known = reference_maps(wide, (SIDE * cells[0], SIDE * cells[1]), 2, within)
    rows = {}
    for name, saliency in before.items():
        row = of_maps(network, bench, saliency, after[name], cells)
        row["grids"] = _grids(network, bench, known[name])
        kept = _with_grids(row)
        rows[name] = {key: kept[key] for key in ("means", "half", "empty", "pictures")}
    return rows


def of_maps(
    network: nn.Module,
    bench: Bench,
    found: Tensor,
    anew: Tensor,
    cells: tuple[int, int],
) -> dict[str, Any]:
    """Return the scores of maps of the pictures and of their crops, but for GridPG.

    `means` and `half`, of a 95 % interval over pictures; SCH, and both areas with the
    full pictures' probability, a value a picture; how many maps are zero everywhere.
    """
    shown = bench.pictures
    subject = Subject(
        network,
        bench.images,
        shown.labels,
        cells=cells,
        masks=shown.masks,
        ignored=shown.ignored,
        boxes=shown.boxes,
        crops=(bench.crops,),
    )
    names = (*PLACED, "contrast", GINI)
    scores = named.scores(names, subject, Maps(found, (anew,), found.roll(-1, 0)))
    few = slice(bench.areas)
    device = next(network.parameters()).device
    curves = insertion_deletion(
        network,
        bench.images[few].to(device),
        shown.labels[few].to(device),
        found[few].to(device),
        orders=1,
    )
    values: dict[str, Tensor] = {name: scores[name].values for name in PLACED}
    values[CHANCE] = scores["ses"].beside["less chance"]
    values[CONTRAST], values[GINI] = scores["contrast"].values, scores[GINI].values
    for name, beside in LESS_AREA.items():
        values[beside] = scores[name].beside["less area"]
    values |= {
        "insertion": curves.insertion_auc.cpu(),
        "deletion": curves.deletion_auc.cpu(),
    }
    return {
        "values": values,
        "sch": packed(_listed(values["sch"])),
        "insertion": packed(_listed(values["insertion"])),
        "deletion": packed(_listed(values["deletion"])),
        "full": packed(_listed(curves.full.cpu())),
        "right": "".join(str(int(hit)) for hit in curves.correct),
        "empty": int((~found.flatten(1).any(1)).sum()),
        "pictures": len(found),
    }


def _grids(network: nn.Module, bench: Bench, found: Tensor) -> Score:
    subject = Subject(network, bench.grids, bench.asked, grid=(SIDE, bench.where))
    return named.scores(["gridpg"], subject, Maps(found))["gridpg"]


def _with_grids(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with means and half intervals in the place of its values."""
    values = {**row["values"], "gridpg": row["grids"].values}
    kept = {name: row[name] for name in row if name not in ("values", "grids")}
    return {
        "means": {name: _mean(one) for name, one in values.items()},
        "half": {name: _half(one) for name, one in values.items()},
        **kept,
    }


def _mean(values: Tensor) -> float | None:
    mean = aggregate(values.double()).mean
    return None if mean != mean else round(mean, 6)


def _half(values: Tensor) -> float | None:
    """Return half of a 95 % t interval over the pictures that have a score."""
    known = values[~values.isnan()].double().numpy()
    if len(known) < 2:
        return None
    low, high = t_interval(known)
    return round(float(high - low) / 2, 6)


def _listed(values: Tensor) -> list[float | None]:
    return [None if one != one else float(one) for one in values.tolist()]
