"""Chapter 05: insertion and deletion of one network by each published convention.

Whole codes first (`helpers.measure.conventions`), then one choice at a time, all else
as this book has it; `metric_conventions` has what comes before: how maps are made.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from helpers.chapters.metric_conventions import in_training_mode
from helpers.chapters.metrics import GRAD_CAM
from helpers.data.catalog import Pictures
from helpers.explain.cam import grad_cam
from helpers.measure.aggregate import aggregate
from helpers.measure.conventions import CONVENTIONS, Convention, area
from helpers.measure.grid_pointing import cell_masks, draw_grids, grid_pictures
from helpers.measure.localisation import energy_pointing_game
from helpers.measure.published_perturbation import Perturbed, perturbed_as
from helpers.report import margins
from helpers.streams import stream

HERE = replace(CONVENTIONS["here"], orders=1)  # a mean over pictures hardly moves by it
EVALUATED, WHOLE = 144, 752  # pictures of the code of the study, and those there are
BATCH = 50  # pictures: 752 leave 2 for the last of such batches
SIDE = 2
# What a single choice changes. The step is a share of the pixels.
CHOICES: dict[str, dict[str, Any]] = {
    "from a flat 11 x 11 blur": {"insertion_from": "flat 11 x 11"},
    "from a Gaussian of 9 x 9": {"insertion_from": "Gaussian 9 x 9"},
    "from the mean colour": {"insertion_from": "fill"},
    "10 pixels of 32 x 32 a step": {"step": Fraction(10, 1024), "rest": "left out"},
    "equal pixels: first row first": {"ties": "first"},
    "equal pixels: last row first": {"ties": "last"},
    "first choice explained": {"explained": "predicted"},
    "first choice followed": {"scored": "predicted"},
    "first choice explained, followed": {
        "explained": "predicted",
        "scored": "predicted",
    },
}
STEP = 1792  # pixels: 8 rows of 224, in the codes of RISE, CGC and the study
# Rules of the area that the same curves are added up by.
RULES = {
    "by evaluations": "area by evaluations, not steps",
    "mean": "area: mean of the values",
    "left": "area: left ends of the steps",
}


def row(convention: str, score: str, here: float, so: float) -> dict[str, Any]:
    """Return a convention's row: both values, their difference, and it in margins."""
    return {
        "convention": convention,
        "score": score,
        "here": here,
        "so": so,
        "difference": so - here,
        "in margins": abs(so - here) / margins.metric(score.lower()).margin,
    }


def by_code(model: nn.Module, pictures: Pictures, device: str = "cpu") -> pd.DataFrame:
    """Return a row a published code: insertion and deletion of Grad-CAM by it.

    With the number of evaluations of a picture, the class that is explained and the
    class that is followed, and how far both scores lie from this book's, in margins.
    Codes that differ in nothing share a row.
    """
    shown: dict[Convention, list[str]] = {}
    for name, convention in CONVENTIONS.items():
        bare = replace(HERE if name == "here" else convention, code="")
        shown.setdefault(bare, []).append(name)
    found = {
        ", ".join(names): (convention, _perturbed(convention, model, pictures, device))
        for convention, names in shown.items()
    }
    _, own = found["here"]
    rows = []
    for name, (convention, so) in found.items():
        line: dict[str, Any] = {
            "code": name,
            "evaluations": len(so.curves.shares),
            "explained": convention.explained,
            "followed": convention.scored,
        }
        for score in ("insertion", "deletion"):
            value = aggregate(getattr(so, score)).mean
            here = aggregate(getattr(own, score)).mean
            line[score] = value
            line[f"{score}, margins"] = row("", score, here, value)["in margins"]
        rows.append(line)
    return pd.DataFrame(rows)


def choices(
    model: nn.Module, pictures: Pictures, batch: int = 8, device: str = "cpu"
) -> pd.DataFrame:
    """Return a row a choice and score: what it alone does to insertion and deletion."""
    here = _perturbed(HERE, model, pictures, device)
    rows: list[dict[str, Any]] = []

    def both(name: str, so: Mapping[str, Tensor]) -> None:
        for score, values in so.items():
            own = aggregate(getattr(here, score)).mean
            if name.startswith("from") and score == "deletion":
                continue  # it starts from the full picture either way
            rows.append(row(name, score, own, aggregate(values).mean))

    pixels = pictures.images.shape[2] * pictures.images.shape[3]
    step = min(Fraction(STEP, pixels), Fraction(1))
    coarse = {f"{STEP:,} pixels a step": {"step": step, "rest": "shorter step"}}
    for name, changed in (CHOICES | coarse).items():
        both(
            name, _areas(_perturbed(replace(HERE, **changed), model, pictures, device))
        )
    curves = here.curves
    for rule, name in RULES.items():
        both(
            name,
            {
                "insertion": area(curves.insertion, curves.shares, rule),  # type: ignore[arg-type]
                "deletion": area(curves.deletion, curves.shares, rule),  # type: ignore[arg-type]
            },
        )
    images, labels = pictures.normalised().to(device), pictures.labels.to(device)
    batched, left = in_training_mode(model, images, labels, batch)

    def given(_: Tensor, __: Tensor) -> Tensor:
        return batched

    by_batch = perturbed_as(HERE, model, images, labels, given)
    both(f"map in training mode, batches of {batch}", _areas(by_batch))
    polluted = perturbed_as(HERE, left, images, labels, given)
    both("training mode, network as left", _areas(polluted))
    return pd.DataFrame(rows)


def _perturbed(
    convention: Convention, model: nn.Module, pictures: Pictures, device: str
) -> Perturbed:
    images, labels = pictures.normalised().to(device), pictures.labels.to(device)

    def saliency(shown: Tensor, classes: Tensor) -> Tensor:
        return grad_cam(model, shown, classes)

    return perturbed_as(convention, model, images, labels, saliency)


def _areas(found: Perturbed) -> dict[str, Tensor]:
    return {"insertion": found.insertion, "deletion": found.deletion}


# Which pictures are averaged


def subset_spread(
    values: ArrayLike, part: int = EVALUATED, whole: int = WHOLE
) -> float:
    """Return the SD of the mean of a part of so many pictures, drawn without return.

    sqrt((1 - n / N) / n) s, with n of N pictures and s the SD of these values: how far
    the part is off the whole, typically, if pictures vary as these do. Of pictures
    without the score, in n and N as often as here, none counts.

    Raises:
        ValueError: a part that is not 1 to the whole.
    """
    if not 1 <= part <= whole:
        raise ValueError(f"a part must be 1 to {whole} pictures, got {part}")
    given = np.asarray(values, dtype=float)
    known = given[~np.isnan(given)]
    if len(known) < 2:
        return float("nan")
    scored = part * len(known) / len(given)
    return float(known.std(ddof=1) * np.sqrt((1 - part / whole) / scored))


def of_batches(values: ArrayLike, batch: int = BATCH, whole: int = WHOLE) -> float:
    """Return the mean of batch means, of batches in the same share of the pictures.

    Of N pictures batches of round(N batch / whole), the last one shorter: it weighs as
    much as the others. A batch without the score counts nowhere.
    """
    given = np.asarray(values, dtype=float)
    each = max(1, round(len(given) * batch / whole))
    parts = np.array_split(given, range(each, len(given), each))
    means = [aggregate(part).mean for part in parts]
    return aggregate(np.array(means)).mean


def about_pictures(record: Mapping[str, Any]) -> pd.DataFrame:
    """Return what 144 of 752 pictures, and means of batch means, do to a run's scores.

    The first is how far such a part is off, typically (`subset_spread`): so large a
    difference have two networks that are scored on different parts, and nothing else.
    The second is of SES alone, as in the code of the study.
    """
    rows = []
    areas, others = record["maps"][GRAD_CAM], record["consistency"][GRAD_CAM]
    named = {"insertion": areas, "deletion": areas}
    named |= dict.fromkeys(("ses", "sch", "mosu"), others)
    for name, scores in named.items():
        if name not in scores:
            continue
        values = np.array(scores[name], dtype=float)
        mean, label = aggregate(values).mean, margins.metric(name).label
        says = f"{EVALUATED} of {WHOLE} pictures, typically"
        part = row(says, name, mean, mean + subset_spread(values))
        rows.append(part | {"score": label})
        if name == "ses":
            batched = row("mean of batch means", name, mean, of_batches(values))
            rows.append(batched | {"score": label})
    return pd.DataFrame(rows)


# Which pixels are the object


def any_class(
    model: nn.Module, pictures: Pictures, count: int = 32, device: str = "cpu"
) -> pd.DataFrame:
    """Return what a mask of any labelled object does to SCH, where there are several.

    Grids of 2 x 2 pictures of different classes; the map is that of one of them. "here"
    is its share on the object of that class, "so" on all four. Without masks, or with
    fewer than four classes, the table is empty.
    """
    if pictures.masks is None or len(pictures.labels.unique()) < SIDE**2:
        return pd.DataFrame()
    grids = draw_grids(pictures.labels, SIDE, count, stream(0, "grids"))
    cells = torch.arange(count) % SIDE**2
    chosen = grids.gather(1, cells[:, None])[:, 0]
    images = grid_pictures(pictures.normalised(), grids).to(device)
    found = grad_cam(model, images, pictures.labels[chosen].to(device)).cpu()
    every = grid_pictures(pictures.masks[:, None].float(), grids)[:, 0] > 0
    own = every & cell_masks(cells, SIDE, (every.shape[1], every.shape[2]))
    here, so = (aggregate(energy_pointing_game(found, m)).mean for m in (own, every))
    name = "mask of any class, four in a picture"
    return pd.DataFrame([row(name, "sch", here, so) | {"score": "SCH"}])
