"""Heads on one frozen network: loss, optimiser, bias and depth crossed, and their maps.

Features of pictures and of grids are computed once; Grad-CAM then needs the head alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from helpers.chapters.probing_cells import (
    cell_gridpg,
    compactness,
    grid_cells,
    head_maps,
)
from helpers.data.catalog import Pictures
from helpers.explain.lime import as_they_are
from helpers.explain.named import How, method
from helpers.losses.probing import Loss, loss
from helpers.measure.aggregate import aggregate
from helpers.measure.shared_grids import (
    SharedGrids,
    Smoothing,
    ceiling,
    grid_scores,
    shared_grids,
)
from helpers.measure.statistics import t_interval
from helpers.methods.heads import (
    CELLS,
    Head,
    HeadShape,
    Probed,
    head_shape,
    prior_bias,
)
from helpers.methods.mean_weight import centred, mean_weight_share
from helpers.methods.probing import (
    RECIPES,
    Cached,
    Recipe,
    cached,
    predicted,
    train_head,
)
from helpers.settings import Refused

FIT = 0.02  # above the floor and under the ceiling, else a network shows nothing
SCORES = ("gridpg", "gini", "entropy")
CELL_CAM = "gradcam"  # of a head on cells: no pass through the network
SPREAD_ON = 40  # grids whose maps are sorted for Gini: as good as all, and slow


# What LIME fits. Published: the probability of the loss a head was trained with, so
# that heads differ in their scores as well; on logits they do not.
LIME_SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "logits": as_they_are,
    "softmax": partial(torch.softmax, dim=1),
    "sigmoid": torch.sigmoid,
}


def published_lime_score(objective: str) -> str:
    """Return what sidgairo18/how-to-probe lets LIME fit for a loss of this name."""
    return "softmax" if objective == "ce" else "sigmoid"


@dataclass(frozen=True)
class Arm:
    """One way to train a head: its shape, its loss, its recipe, by their names."""

    head: str
    loss: str
    recipe: str

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.head} / {self.loss} / {self.recipe}"


@dataclass(frozen=True, eq=False)
class Probe:
    """A trained head, and what it is known by without a map."""

    arm: Arm
    seed: int
    head: Head
    accuracy: float
    training_loss: float
    recipe: Recipe

    @property
    def name(self) -> str:
        """Arm and seed."""
        return f"{self.arm.name} / {self.seed}"


def crossed(
    heads: Sequence[str], losses: Sequence[str], recipes: Sequence[str]
) -> list[Arm]:
    """Return every combination: no factor is confounded with another."""
    return [Arm(h, one, r) for h in heads for one in losses for r in recipes]


def trained(
    arms: Sequence[Arm],
    seeds: Sequence[int],
    features: Cached,
    test: Cached,
    classes: int,
    epochs: int | None = None,
    prior: bool = True,
) -> list[Probe]:
    """Return the heads of all arms and seeds, trained on the same cached features.

    `epochs` shortens the recipes. With `prior` every head, also under softmax, starts
    at the logit bias -log(K - 1), so that the bias is no confound of the loss; without
    it all start at 0.

    Raises:
        Refused: an unknown head, loss or recipe, before anything is trained.
    """
    plans = [_plan(arm, epochs, classes if prior else None) for arm in arms]
    return [
        probe(arm, plan, seed, features, test, classes)
        for arm, plan in zip(arms, plans, strict=True)
        for seed in seeds
    ]


def probe(
    arm: Arm, plan: "Plan", seed: int, features: Cached, test: Cached, classes: int
) -> Probe:
    """Return one head, trained on cached features, and its test accuracy."""
    found = train_head(plan.shape, features, classes, plan.loss, plan.recipe, seed)
    return Probe(
        arm, seed, found.head, accuracy(found.head, test), found.losses[-1], plan.recipe
    )


def accuracy(head: Head, pictures: Cached) -> float:
    """Return the share of pictures whose label has the highest logit."""
    right = predicted(head, pictures).argmax(1) == pictures.targets
    return right.double().mean().item()


@dataclass(frozen=True)
class Plan:
    """What an arm's names stand for."""

    shape: HeadShape
    loss: Loss
    recipe: Recipe


def planned(arm: Arm, recipe: Recipe, classes: int | None) -> Plan:
    """Return an arm's shape and loss with a recipe; classes for the prior logit bias.

    Raises:
        Refused: an unknown head or loss.
    """
    bias = 0.0 if classes is None else prior_bias(classes)
    shape = replace(head_shape(arm.head), logit_bias=bias)
    return Plan(shape, loss(arm.loss), recipe)


def _plan(arm: Arm, epochs: int | None, classes: int | None) -> Plan:
    if arm.recipe not in RECIPES:
        raise Refused(f"unknown recipe '{arm.recipe}'; known: {', '.join(RECIPES)}")
    recipe = RECIPES[arm.recipe]
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    return planned(arm, recipe, classes)


def grids_for(
    probes: Sequence[Probe], test: Cached, side: int, seed: int = 0, count: int = 200
) -> SharedGrids:
    """Return the grids that all these probes play on, of pictures all get right."""
    logits = {probe.name: predicted(probe.head, test) for probe in probes}
    return shared_grids(logits, test.targets, side, seed, count)


def method_scores(
    name: str,
    network: nn.Module,
    head: Head,
    pictures: Pictures,
    grids: SharedGrids,
    smoothing: Smoothing,
) -> Tensor:
    """Return GridPG of any method that the network is valid for, a value a grid.

    Raises:
        ValueError: as the method, for a network it is not valid for.
    """
    model = Probed(network, head).eval()
    how = How(mean=pictures.mean, std=pictures.std, layer=CELLS)

    def saliency(images: Tensor, targets: Tensor) -> Tensor:
        return method(name).maps(model, images, targets, how)

    images = pictures.normalised()
    return grid_scores(saliency, images, pictures.labels, grids, smoothing)


def study(
    network: nn.Module,
    train: Pictures,
    test: Pictures,
    arms: Sequence[Arm],
    seeds: Sequence[int],
    methods: Sequence[str] = (CELL_CAM,),
    sides: Sequence[int] = (2, 3),
    epochs: int | None = None,
    count: int = 200,
) -> dict[str, Any]:
    """Return the record of a study: per arm, accuracy, mean weight, scores by seed.

    Beside each standard head stands the same head with centred weights, whose
    predictions under softmax are its own.
    """
    classes = len(train.class_names)
    known = cached(network, train.normalised(), train.labels)
    asked = cached(network, test.normalised(), test.labels)
    probes = trained(arms, seeds, known, asked, classes, epochs)
    size, smoothing = test.images.shape[-1], Smoothing()
    record: dict[str, Any] = {
        "classes": classes,
        "pictures": {"train": len(train), "test": len(test)},
        "arms": {
            arm.name: {
                "accuracy": [p.accuracy for p in probes if p.arm == arm],
                "training loss": [p.training_loss for p in probes if p.arm == arm],
            }
            for arm in arms
        },
        "grids": {},
    }
    for side in sides:
        grids = grids_for(probes, asked, side, count=count)
        cells = grid_cells(network, test.normalised(), grids)
        record["grids"][str(side)] = {
            "number": len(grids.rows),
            "usable": grids.usable,
            "floor": 1 / side**2,
            "ceiling": ceiling(side, size, smoothing),
        }
        for probe in probes:
            row = record["arms"][probe.arm.name]
            versions = {"": probe.head}
            if probe.head.shape.kind == "standard":
                versions[", centred"] = centred(probe.head)
                if side == sides[0]:
                    share = mean_weight_share(probe.head)
                    row.setdefault("mean weight share", []).append(share)
            for after, head in versions.items():
                maps = head_maps(head, cells, test.labels, grids)
                game = cell_gridpg(maps, side, size, smoothing)
                scores = (game, *compactness(maps[:SPREAD_ON], side, size))
                for what, values in zip(SCORES, scores, strict=True):
                    key = f"{what} {side} {CELL_CAM}{after}"
                    row.setdefault(key, []).append(aggregate(values).mean)
            for name in methods:
                if name != CELL_CAM:
                    one = method_scores(
                        name, network, probe.head, test, grids, smoothing
                    )
                    key = f"gridpg {side} {name}"
                    row.setdefault(key, []).append(aggregate(one).mean)
    return record


def fit_to_show(scores: Sequence[float], floor: float, ceiling: float) -> bool:
    """Say whether a network's softmax probe leaves room above and below its score."""
    mean = sum(scores) / len(scores)
    return floor + FIT <= mean <= ceiling - FIT


def difference(
    record: dict[str, Any], what: str, first: Arm, second: Arm
) -> tuple[float, float, float]:
    """Return the mean over seeds of first - second, and its 95 % t interval.

    Both were trained from the same starts on the same batches: seeds are pairs.
    """
    rows = [np.array(record["arms"][one.name][what]) for one in (first, second)]
    gaps = rows[0] - rows[1]
    low, high = t_interval(gaps)
    return float(gaps.mean()), float(low), float(high)


def by_backbone(records: Mapping[str, dict[str, Any]], what: str) -> np.ndarray:
    """Return a score of the arms that all records have, `[seeds, arms, backbones]`.

    What `measure.variance` decomposes: the probe against the pre-training.

    Raises:
        Refused: records without an arm in common, or of unlike numbers of seeds.
    """
    common = [
        arm
        for arm in next(iter(records.values()))["arms"]
        if all(what in one["arms"].get(arm, {}) for one in records.values())
    ]
    if not common:
        raise Refused(f"no arm has '{what}' in all of {', '.join(records)}")
    table = [[one["arms"][arm][what] for one in records.values()] for arm in common]
    if len({len(seeds) for row in table for seeds in row}) != 1:
        raise Refused("records have unlike numbers of seeds: train the missing ones")
    return np.moveaxis(np.array(table), 2, 0)
