"""Chapter 11: what else differs where two losses are compared, a switch at a time.

Each switch changes one thing in how two heads, of softmax and of sigmoids, are trained
or in how their maps are scored; what it moves is the difference of their GridPG.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.chapters.probing import LIME_SCORES, Arm, published_lime_score
from helpers.chapters.probing_bench import Bench, Training, at_best_rate, played
from helpers.chapters.probing_cells import signed_maps
from helpers.explain.cam import upsample
from helpers.explain.lime import Lime, lime
from helpers.measure.grid_pointing import draw_grids, grid_pointing_game
from helpers.measure.shared_grids import (
    Confidence,
    SharedGrids,
    Smoothing,
    grid_scores,
    right_for_all,
    scaled_width,
)
from helpers.methods.heads import Head, Probed
from helpers.methods.mean_weight import centred
from helpers.methods.probing import predicted
from helpers.streams import stream

BASE = "as in this chapter"
SURE = 0.95  # published confidence of a picture in a grid
WIDE = 129  # published width of the Gaussian, in pixels of a cell of 224
LIME_SAMPLES = 100
FEW = 40  # first grids of the list: all switches are tried on them
Pair = tuple[Arm, Arm]


@dataclass(frozen=True)
class Switch:
    """One confound: its name, what it changes, and GridPG of both heads under it."""

    name: str
    what: str
    ce: float
    bce: float

    @property
    def difference(self) -> float:
        """GridPG under sigmoids less that under softmax."""
        return self.bce - self.ce


def all_switches(
    bench: Bench, pair: Pair, training: Training, seed: int, few: int = 0
) -> list[Switch]:
    """Return both heads' GridPG as it is, and under each switch.

    `few`: grids on which LIME is tried as well, which takes minutes; 0 for none.

    Raises:
        Refused: heads that were not trained here.
    """
    bench = on_first(bench, FEW)
    heads = [bench.head(arm) for arm in pair]
    base = [bench.gridpg(head) for head in heads]
    return [
        Switch(BASE, "one prior, one list of grids, no blur", *_means(base)),
        *_of_training(bench, pair, training, seed),
        *_of_scoring(bench, heads),
        *_of_grids(bench, pair),
        *(_of_lime(bench, pair, few) if few else []),
    ]


def on_first(bench: Bench, few: int) -> Bench:
    """Return a bench with the first grids of its list."""
    grids = replace(bench.grids, rows=bench.grids.rows[:few])
    return replace(bench, grids=grids, cells=bench.cells[:few])


def table(switches: Sequence[Switch]) -> pd.DataFrame:
    """Return a row a switch: what it changes, both scores, difference, movement."""
    base = switches[0].difference
    return pd.DataFrame(
        {
            "switch": one.name,
            "what": one.what,
            "CE": one.ce,
            "BCE": one.bce,
            "BCE - CE": one.difference,
            "moved": one.difference - base,
        }
        for one in switches
    )


def _of_training(
    bench: Bench, pair: Pair, training: Training, seed: int
) -> list[Switch]:
    """Return what moves with how the heads are trained."""

    def scores(arms: Pair, how: Training, prior: bool = True) -> list[Tensor]:
        found = [at_best_rate(arm, bench.frozen, how, seed, prior) for arm in arms]
        return [bench.gridpg(one.head) for one in found]

    highest = {name: rates[:1] for name, rates in training.rates.items()}
    one_rate = Training(training.epochs, training.batch, highest)
    uniform = (pair[0], Arm(pair[1].head, "bce-uniform", pair[1].recipe))
    return [
        Switch("logit bias 0", "no prior", *_means(scores(pair, training, False))),
        Switch("one rate", "the highest, for both", *_means(scores(pair, one_rate))),
        Switch("off-targets 1/K", "BCE alone", *_means(scores(uniform, training))),
        Switch(
            "off-targets 1/K, no prior",
            "as published",
            *_means(scores(uniform, training, False)),
        ),
    ]


def _of_scoring(bench: Bench, heads: Sequence[Head]) -> list[Switch]:
    """Return what moves with what is done to the maps of the same heads."""
    labels = bench.frozen.data.test.labels[bench.grids.rows]
    side, size = bench.grids.side, bench.size
    found = [
        Switch(
            "centred weights",
            "predictions stay",
            *_means([bench.gridpg(centred(head)) for head in heads]),
        )
    ]
    if not all(head.is_linear for head in heads):
        return found
    signed = [signed_maps(head, bench.cells, labels) for head in heads]

    def game(width: int = 1, early: bool = False) -> list[Tensor]:
        return [smoothed_gridpg(maps, side, size, width, early) for maps in signed]

    mean = max(3, scaled_width(size, WIDE))
    return [
        *found,
        Switch("clamped late", "after upsampling", *_means(game())),
        Switch("mean of 5 pixels", "then clamped", *_means(game(5))),
        Switch(f"mean of {mean}, then clamp", "129 of 224", *_means(game(mean))),
        Switch(
            f"clamp, then mean of {mean}",
            "the older order",
            *_means(game(mean, early=True)),
        ),
    ]


def smoothed_gridpg(
    maps: Tensor, side: int, size: int, width: int, early: bool = False
) -> Tensor:
    """Return GridPG of signed coarse maps, smoothed when wide, a value a grid, `[G]`.

    As `shared_grids.prepared`, whose mean over width x width pixels is here one over
    columns of one over rows: for wide windows much sooner done. Negative values are set
    to 0 after the mean, or before it where `early`.
    """
    wide = upsample(maps.flatten(0, 1), (side * size,) * 2)[:, None]
    if early:
        wide = wide.relu()
    for window in ((width, 1), (1, width)):
        pad = (window[0] // 2, window[1] // 2)
        wide = F.avg_pool2d(wide, window, 1, pad, count_include_pad=False)
    places = torch.arange(side**2).repeat(len(maps))
    return grid_pointing_game(wide[:, 0], places, side).view(len(maps), -1).mean(1)


def _of_grids(bench: Bench, pair: Pair) -> list[Switch]:
    """Return what moves with the pictures of the grids."""
    labels = bench.frozen.test.targets
    found = []
    forms: tuple[tuple[Confidence, Confidence], ...] = (
        ("softmax", "softmax"),
        ("softmax", "sigmoid"),
    )
    for form in forms:
        scores = []
        for number, (arm, own) in enumerate(zip(pair, form, strict=True)):
            head = bench.head(arm)
            logits = {"": predicted(head, bench.frozen.test)}
            sure = right_for_all(logits, labels, SURE, own)
            classes = len(labels[sure].unique())
            if classes < bench.grids.side**2:
                break
            # Unseeded in the published code: each head has its own list.
            generator = stream(number, "own grids", own)
            count = len(bench.grids.rows)
            rows = draw_grids(labels, bench.grids.side, count, generator, sure)
            mine = SharedGrids(
                rows, bench.grids.side, int(sure.sum()), len(labels), classes
            )
            scores.append(played(bench.frozen, (), mine, True).gridpg(head))
        if len(scores) == len(pair):
            name = "own grids" if form[1] == "softmax" else "own grids, sigmoid"
            what = f"each head's sure ones, {form[1]} of BCE"
            found.append(Switch(name, what, *_means(scores)))
    return found


def _of_lime(bench: Bench, pair: Pair, few: int) -> list[Switch]:
    """Return LIME on logits, and on the probability of each head's own loss."""
    data, images = bench.frozen.data.test, bench.frozen.data.test.normalised()
    some = SharedGrids(bench.grids.rows[:few], bench.grids.side, few, few, few)
    found = []
    for name in ("logits", "own probability"):
        means = []
        for arm in pair:
            own = published_lime_score(arm.loss) if name != "logits" else name
            options = Lime(samples=LIME_SAMPLES, score=LIME_SCORES[own])
            model = Probed(bench.frozen.network, bench.head(arm)).eval()

            def saliency(
                pictures: Tensor,
                targets: Tensor,
                model: Probed = model,
                options: Lime = options,
            ) -> Tensor:
                return lime(model, pictures, targets, options=options)

            scores = grid_scores(saliency, images, data.labels, some, Smoothing())
            means.append(scores)
        found.append(Switch(f"LIME, {name}", f"{few} grids", *_means(means)))
    return found


def _means(scores: Sequence[Tensor]) -> tuple[float, float]:
    first, second = (float(one.mean()) for one in scores)
    return first, second
