"""Metrics by name: one way to take any of them, what each needs, which way is better.

`scores(names, subject, maps)` gives a `Score` a metric, one value a picture, with why
some pictures have none; `Score.mean()` is their mean, by `aggregate`. What two metrics
share is computed once. Signed maps are ranked and pointed with as they are; whatever
adds saliency up (SES, SCH, MOSU, EPG, GridPG, Gini, entropy, border) takes their
positive part.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from helpers.data.geometry import crop_maps
from helpers.measure import concentration, consistency, localisation
from helpers.measure.grid_pointing import grid_pointing_game, smoothed
from helpers.measure.perturbation import insertion_deletion
from helpers.measure.subject import Maps, Need, Score, Subject
from helpers.settings import Refused, nearest

SMOOTH = 5 / 224  # GridPG: of the side of a cell; published: 5 pixels at 224
FOUND = 0.5  # IoU: what has this share of the map's maximum or more is found

Better = Literal["higher", "lower"]


Family = Callable[[Subject, Maps], Mapping[str, Score]]


@dataclass(frozen=True)
class Metric:
    """One row of `METRICS`.

    Attributes:
        name: as on the command line.
        title: as in tables.
        needs: masks, boxes, crops (two pictures or more) or a grid; empty for nothing.
        better: whether a higher or a lower value is better, as committed; of Gini,
            entropy and border share it is what was reported as better.
        margin: its key in `report/margins.yml`.
        beside: metrics without which it is not to be read.
        family: what computes it, perhaps with others.
    """

    name: str
    title: str
    needs: tuple[Need, ...]
    better: Better
    margin: str
    beside: tuple[str, ...]
    family: Family


def metric(name: str) -> Metric:
    """Return the metric of a name; raises `Refused` for an unknown one."""
    if name not in METRICS:
        raise Refused(f"unknown metric '{name}'{nearest(name, list(METRICS))}")
    return METRICS[name]


def completed(names: Sequence[str]) -> list[str]:
    """Return the names in the order of `METRICS`, with those they are read beside.

    Raises `Refused` for an unknown one.
    """
    wanted = {extra for name in names for extra in (name, *metric(name).beside)}
    return [name for name in METRICS if name in wanted]


def scores(names: Sequence[str], subject: Subject, maps: Maps) -> dict[str, Score]:
    """Return the scores of maps, by name; a family of metrics is computed once.

    Raises:
        Refused: an unknown name, or a metric without what it needs.
        ValueError: as the metrics: maps that are not finite, shapes that do not fit.
    """
    rows = [metric(name) for name in names]
    for row in rows:
        if missing := [need for need in row.needs if need not in subject.has]:
            raise Refused(f"metric '{row.name}' needs {' and '.join(missing)}")
    families = dict.fromkeys(row.family for row in rows)
    found: dict[str, Score] = {}
    for family in families:
        found |= family(subject, maps)
    return {name: found[name] for name in names}


def _perturbed(subject: Subject, maps: Maps) -> dict[str, Score]:
    curves = insertion_deletion(
        subject.model,
        subject.images,
        subject.targets,
        maps.pictures,
        seed=subject.seed,
        chunk=subject.chunk,
    )
    shared = {"full": curves.full, "tied": curves.tied}
    none = {"full picture of probability 0": curves.full == 0}
    return {
        "insertion": Score(
            curves.insertion_auc,
            none,
            beside={"relative": curves.relative_insertion_auc, **shared},
        ),
        "deletion": Score(
            curves.deletion_auc,
            none,
            beside={"relative": curves.relative_deletion_auc, **shared},
        ),
    }


def _ses(subject: Subject, maps: Maps) -> dict[str, Score]:
    own, chance, zero = [], [], []
    before = _mass(maps.pictures)
    for crops, after in zip(subject.crops, maps.cropped, strict=True):
        moved, anew = crop_maps(before, crops), _mass(after)
        own.append(consistency.ses(moved, anew))
        zero.append(_zero(moved) | _zero(anew))
        if maps.others is not None:
            other = crop_maps(_mass(maps.others), crops)
            chance.append(consistency.ses(other, anew))
    values = torch.stack(own).mean(0)
    beside = {"less chance": values - torch.stack(chance).mean(0)} if chance else {}
    noted = {"zero map": torch.stack(zero).any(0)}
    return {"ses": Score(values, noted=noted, beside=beside)}


def _sch(subject: Subject, maps: Maps) -> dict[str, Score]:
    masks, ignored = _masks(subject), subject.ignored
    saliency = _mass(maps.pictures)
    values = consistency.sch(saliency, masks, ignored)
    share = consistency.mask_share(masks, ignored).to(values)
    return {
        "sch": Score(
            values,
            {"no object": localisation.without_object(masks, ignored)},
            {"zero map": _zero(saliency)},
            {"less area": values - share},
        )
    }


def _mosu(subject: Subject, maps: Maps) -> dict[str, Score]:
    found = consistency.mosu(_mass(maps.pictures), _boxes(subject))
    causes = {"fewer than two boxes": found.boxes < 2}
    noted = {"overlapping boxes": found.overlapping}
    return {
        "mosu": Score(found.area_to_saliency, causes, noted),
        "mosu-reversed": Score(found.saliency_to_area, causes, noted),
    }


def _gini(_: Subject, maps: Maps) -> dict[str, Score]:
    saliency = _mass(maps.pictures)
    return {
        "gini": Score(consistency.gini(saliency), noted={"zero map": _zero(saliency)})
    }


def _entropy(_: Subject, maps: Maps) -> dict[str, Score]:
    saliency = _mass(maps.pictures)
    values = concentration.entropy(saliency)
    return {"entropy": Score(values, {"zero map": _zero(saliency)})}


def _border(subject: Subject, maps: Maps) -> dict[str, Score]:
    saliency = _mass(maps.pictures)
    values = concentration.border_share(saliency, subject.cells)
    return {"border": Score(values, {"zero map": _zero(saliency)})}


def _epg(subject: Subject, maps: Maps) -> dict[str, Score]:
    size = (maps.pictures.shape[1], maps.pictures.shape[2])
    inside = localisation.box_masks(_boxes(subject), size).to(maps.pictures.device)
    ignored = subject.ignored
    values = localisation.energy_pointing_game(maps.pictures, inside, ignored)
    share = consistency.mask_share(inside, ignored).to(values)
    return {
        "epg": Score(
            values,
            {"no box": localisation.without_object(inside, ignored)},
            {"zero map": _zero(_mass(maps.pictures))},
            {"less area": values - share},
        )
    }


def _pointing(subject: Subject, maps: Maps) -> dict[str, Score]:
    masks, ignored = _masks(subject), subject.ignored
    values = localisation.pointing_game(maps.pictures, masks, ignored)
    causes = {"no object": localisation.without_object(masks, ignored)}
    return {"pointing": Score(values, causes)}


def _contrast(subject: Subject, maps: Maps) -> dict[str, Score]:
    masks, ignored = _masks(subject), subject.ignored
    values = localisation.score_contrast(maps.pictures, masks, ignored)
    outside = ~masks if ignored is None else ~masks & ~ignored
    causes = {
        "no object": localisation.without_object(masks, ignored),
        "no background": ~outside.flatten(1).any(1),
    }
    return {"contrast": Score(values, causes)}


def _iou(subject: Subject, maps: Maps) -> dict[str, Score]:
    masks, ignored = _masks(subject), subject.ignored
    shown = localisation.above_share(maps.pictures, FOUND, ignored)
    return {
        "iou": Score(
            localisation.iou(shown, masks, ignored),
            {"no object": localisation.without_object(masks, ignored)},
            beside={"random": localisation.random_iou(shown, masks, ignored)},
        )
    }


def _gridpg(subject: Subject, maps: Maps) -> dict[str, Score]:
    assert subject.grid is not None
    side, cells = subject.grid
    pixels = SMOOTH * maps.pictures.shape[1] / side
    width = 2 * round((pixels - 1) / 2) + 1 if pixels > 1 else 1  # odd
    values = grid_pointing_game(smoothed(maps.pictures, width), cells, side)
    zero = _zero(_mass(maps.pictures))
    beside = {"less area": values - 1 / side**2}
    return {"gridpg": Score(values, noted={"zero map": zero}, beside=beside)}


def _mass(maps: Tensor) -> Tensor:
    """Return the positive part, `[B, H, W]`, checked."""
    return localisation.positive(maps)


def _zero(maps: Tensor) -> Tensor:
    return ~maps.flatten(1).any(1)


def _masks(subject: Subject) -> Tensor:
    assert subject.masks is not None  # `scores` has looked
    return subject.masks


def _boxes(subject: Subject) -> Tensor:
    assert subject.boxes is not None
    return subject.boxes


_ROWS: Sequence[Metric] = (
    Metric("insertion", "insertion", (), "higher", "insertion", (), _perturbed),
    Metric("deletion", "deletion", (), "lower", "deletion", (), _perturbed),
    Metric("ses", "SES", ("crops",), "higher", "ses", ("gini",), _ses),
    Metric("sch", "SCH", ("masks",), "higher", "sch", (), _sch),
    Metric("mosu", "MOSU", ("boxes", "masks"), "lower", "mosu", ("sch",), _mosu),
    Metric(
        "mosu-reversed",
        "MOSU reversed",
        ("boxes", "masks"),
        "lower",
        "mosu",
        ("mosu", "sch"),
        _mosu,
    ),
    Metric("epg", "EPG", ("boxes",), "higher", "epg", (), _epg),
    Metric("gridpg", "GridPG", ("grid",), "higher", "gridpg", (), _gridpg),
    Metric(
        "pointing", "pointing game", ("masks",), "higher", "pointing", (), _pointing
    ),
    Metric("contrast", "contrast", ("masks",), "higher", "contrast", (), _contrast),
    Metric("iou", "mIoU", ("masks",), "higher", "miou", (), _iou),
    Metric("gini", "Gini", (), "higher", "gini", (), _gini),
    Metric("entropy", "entropy", (), "lower", "entropy", (), _entropy),
    Metric("border", "border share", (), "lower", "border", (), _border),
)
METRICS: dict[str, Metric] = {row.name: row for row in _ROWS}
