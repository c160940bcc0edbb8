"""Chapter 11: heads for several labels a picture, and energy in the objects' boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from torch import Tensor, nn

from helpers.chapters.probing import Arm, planned
from helpers.chapters.probing_bench import Training
from helpers.chapters.probing_cells import cell_maps
from helpers.data.mixed_scenes import mixed_scenes
from helpers.data.multi_label import MultiLabel
from helpers.explain.cam import upsample
from helpers.measure.aggregate import aggregate
from helpers.measure.concentration import entropy
from helpers.measure.consistency import gini
from helpers.measure.several_labels import (
    Asked,
    asked,
    average_precision,
    box_energy,
    class_masks,
)
from helpers.methods.heads import Head
from helpers.methods.probing import Cached, cached, predicted, train_head
from helpers.settings import Refused


@dataclass(frozen=True, eq=False)
class Several:
    """Pictures of several classes, as one frozen network sees them."""

    train: Cached
    validation: Cached
    test: Cached
    pictures: MultiLabel

    @property
    def wanted(self) -> Asked:
        """Every class that each test picture shows."""
        return asked(self.pictures.present)


def several(network: nn.Module, count: int, size: int) -> Several:
    """Return scenes of one to four classes: `count` to train, a third to test."""
    third = max(count // 3, 2)
    drawn = {
        split: mixed_scenes(number, split, size)
        for split, number in (("train", count), ("validation", third), ("test", third))
    }
    parts = [
        cached(network, one.normalised(), one.present.long()) for one in drawn.values()
    ]
    train, validation, test = parts
    return Several(train, validation, test, drawn["test"])


def mean_precision(head: Head, features: Cached) -> float:
    """Return mAP: the mean of AP over the classes that some picture shows."""
    found = average_precision(predicted(head, features), features.targets.bool())
    return float(found.nanmean())


def trained_head(arm: Arm, data: Several, training: Training, seed: int) -> Head:
    """Return the head at the rate of best validation mAP.

    Raises:
        Refused: an unknown head, loss or optimiser; no rate at which it trains.
    """
    classes = data.train.targets.shape[1]
    best: tuple[float, Head] | None = None
    for lr in training.rates.get(arm.recipe, ()):
        plan = planned(arm, training.recipe(arm.recipe, lr), classes)
        try:
            found = train_head(
                plan.shape, data.train, classes, plan.loss, plan.recipe, seed
            )
        except Refused:
            continue
        score = mean_precision(found.head, data.validation)
        if best is None or score > best[0]:
            best = score, found.head
    if best is None:
        raise Refused(f"no rate trains '{arm.name}' on several labels: lower the rates")
    return best[1]


def label_maps(head: Head, data: Several) -> Tensor:
    """Return Grad-CAM of each class that each test picture shows, `[T, S, S]`."""
    wanted = data.wanted
    cells = data.test.maps[wanted.pictures]
    coarse = cell_maps(head, cells, wanted.classes[:, None])[:, 0]
    size = data.pictures.images.shape[-1]
    return upsample(coarse, (size, size))


def scores(head: Head, data: Several) -> dict[str, float]:
    """Return mAP, EPG with its floor, Gini and entropy of a head's maps."""
    maps, size = label_maps(head, data), data.pictures.images.shape[-1]
    masks = class_masks(
        data.pictures.boxes, data.pictures.box_labels, data.wanted, (size, size)
    )
    energy = box_energy(maps, masks)
    return {
        "mAP": mean_precision(head, data.test),
        "EPG": aggregate(energy.epg).mean,
        "boxes' area": aggregate(energy.chance).mean,
        "Gini": aggregate(gini(maps)).mean,
        "entropy": aggregate(entropy(maps)).mean,
    }


def rows(
    data: Several, arms: Sequence[Arm], training: Training, seed: int
) -> dict[str, dict[str, float]]:
    """Return the scores of the heads of all arms, by the arm's name."""
    return {
        arm.name: scores(trained_head(arm, data, training, seed), data) for arm in arms
    }


def table(found: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return a row an arm, its name in three columns."""
    made = []
    for name, row in found.items():
        head, loss, optimiser = name.split(" / ")
        made.append({"head": head, "loss": loss, "optimiser": optimiser, **row})
    return pd.DataFrame(made)


def examples(
    heads: Sequence[Head], data: Several, titles: Sequence[str], count: int = 4
) -> tuple[Tensor, list[Tensor], list[Tensor], list[str]]:
    """Return pictures, maps of each head, boxes and titles, for a figure.

    The first pictures of several classes; of each the first class that it shows.
    """
    pictures, wanted = data.pictures, data.wanted
    many = pictures.present.sum(1)[wanted.pictures] > 1
    first = wanted.pictures.diff(prepend=wanted.pictures[:1] - 1) > 0
    rows = (many & first).nonzero().flatten()[:count]
    places, classes = wanted.pictures[rows], wanted.classes[rows]
    boxes = [
        pictures.boxes[i][pictures.box_labels[i] == c]
        for i, c in zip(places, classes, strict=True)
    ]
    names = [pictures.class_names[int(c)] for c in classes]
    maps = [label_maps(head, data)[rows] for head in heads]
    return pictures.images[places], maps, boxes, [*names, *titles]
