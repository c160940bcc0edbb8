"""Chapter 05: the scores of place and spread, on one picture and on many."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from helpers.chapters.metric_assay import SIDE, grids_of
from helpers.chapters.metrics import Moved
from helpers.data.catalog import Pictures
from helpers.explain.cam import coarse_grad_cam, grad_cam, upsample
from helpers.measure import named
from helpers.measure.aggregate import aggregate
from helpers.measure.grid_pointing import grid_pictures
from helpers.measure.ses_ceiling import ses_ceiling
from helpers.measure.subject import Maps, Subject
from helpers.report import tables
from helpers.report.place_figures import Looked

NAMES = ("epg", "pointing", "contrast", "iou", "entropy", "border")
PARTS = ("place", "grids")  # of a record


def on_one(
    model: nn.Module, one: Pictures, test: Pictures, device: str = "cpu"
) -> tuple[Looked, dict[str, float]]:
    """Return what the scores of place look at in one picture, and what they say.

    Grad-CAM of the true class; a grid of four test pictures that the network names
    right, whose first cell is explained, where there are enough. Scores by their title.
    """
    images, labels = one.normalised().to(device), one.labels.to(device)
    coarse = coarse_grad_cam(model, images, labels)
    cells = (coarse.shape[1], coarse.shape[2])
    size = (images.shape[2], images.shape[3])
    saliency = upsample(coarse, size).cpu()
    subject = Subject(
        model,
        images,
        labels,
        cells=cells,
        masks=one.masks,
        ignored=one.ignored,
        boxes=one.boxes,
    )
    known = [n for n in NAMES if set(named.METRICS[n].needs) <= subject.has]
    found = named.scores(known, subject, Maps(saliency))
    values = {named.METRICS[n].title: float(s.values[0]) for n, s in found.items()}
    looked = Looked(
        one.images[0],
        saliency[0],
        cells,
        None if one.masks is None else one.masks[0],
        None if one.boxes is None else one.boxes[0],
    )
    grids = grids_of(model, test, 1, device)
    if grids is None:
        return looked, values
    composite = grid_pictures(test.normalised(), grids).to(device)
    target = test.labels[grids[0, :1]].to(device)
    there = grad_cam(model, composite, target).cpu()
    asked = Subject(model, composite, target, grid=(SIDE, torch.tensor([0])))
    score = named.scores(["gridpg"], asked, Maps(there))["gridpg"]
    values[named.METRICS["gridpg"].title] = float(score.values[0])
    drawn = grid_pictures(test.images.float(), grids)[0].to(test.images.dtype)
    return (
        Looked(
            looked.picture,
            looked.saliency,
            cells,
            looked.mask,
            looked.boxes,
            drawn,
            there[0],
        ),
        values,
    )


def ses_levels(model: nn.Module, moved: Moved, device: str = "cpu") -> pd.DataFrame:
    """Return mean SES of Grad-CAM between its value by chance and its ceiling.

    The ceiling is what any map of as many cells can reach (`measure.ses_ceiling`).
    """
    one = moved.pictures.first(1)
    coarse = coarse_grad_cam(model, one.normalised().to(device), one.labels.to(device))
    ceiling = ses_ceiling(moved.moved, (coarse.shape[1], coarse.shape[2]))
    levels = {"by chance": moved.by_chance, "SES": moved.ses, "ceiling": ceiling}
    return pd.DataFrame([{name: aggregate(one).mean for name, one in levels.items()}])


def table(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a row a map, a column a score of place or spread, of what records hold.

    Means over pictures (GridPG: over grids), then over seeds; records made before
    these scores give an empty table.
    """
    rows: dict[str, dict[str, Any]] = {}
    for part in PARTS:
        for name, scores in records[0].get(part, {}).items():
            row = rows.setdefault(name, {"map": name})
            for score in scores:
                seeds = [np.array(r[part][name][score], dtype=float) for r in records]
                row[score] = tables.over_seeds([aggregate(one).mean for one in seeds])
    return pd.DataFrame(rows.values())
