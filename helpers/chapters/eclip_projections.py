"""Projections of chapter 12: trained by each pooling, with each source of attention.

All see the same pictures in the same order, for as many steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.chapters.eclip_material import Clip, Look
from helpers.explain.clip_tokens import Projection
from helpers.measure.aggregate import aggregate
from helpers.measure.foreground import (
    Beside,
    attention_iou,
    foreground_selection,
    place_shares,
)
from helpers.measure.recognition import Retrieval, retrieval, same_text, top1
from helpers.methods.eclip import (
    Fitted,
    Fitting,
    Material,
    fit_projection,
    pooled_features,
)
from helpers.methods.free_attention import (
    Kept,
    Threshold,
    keep,
    mask_attention,
    on_grid,
    random_attention,
)
from helpers.methods.pooling import Fill, Pooling
from helpers.report import margins

SELF = "self-supervised"
UNTRAINED = "untrained encoder"
CLASS_TOKEN = "CLIP's own"
TRUTH = "ground truth"
BLIND = "random"
SOURCES = (SELF, UNTRAINED, CLASS_TOKEN, TRUTH, BLIND)
KNOWN = Threshold("absolute", 0.5)  # of the ground truth: more object than not
CALM = 0.05  # nats: what the last quarter of a fit may move its loss, to be trained out


@dataclass(frozen=True)
class Way:
    """One way to train a projection.

    Attributes:
        pooling: from places to the picture.
        source: of attention, for masked max pooling and attention pooling.
        zero: whether masked places are 0, as in the pseudo code, and not left out.
    """

    pooling: Pooling
    source: str = ""
    zero: bool = False

    @property
    def name(self) -> str:
        """What tables call it."""
        after = f": {self.source}" if self.source else ""
        return ("masked max, 0" if self.zero else self.pooling) + after


RIVALS = (
    Way("class token"),
    Way("mean"),
    Way("attention", CLASS_TOKEN),
    Way("max"),
)
MASKED = tuple(Way("masked max", source) for source in SOURCES)
ZEROS = (Way("masked max", TRUTH, zero=True),)
WAYS = (*RIVALS, *MASKED, *ZEROS)
OWN_POOLING = "class token"
PLAIN = "max"


@dataclass(frozen=True, eq=False)
class Free:
    """A source of attention to the training and to the test pictures.

    Attributes:
        train: attention to the places of training pictures, `[N, h, w]`.
        test: to those of test pictures.
        threshold: which places are kept.
    """

    train: Tensor
    test: Tensor
    threshold: Threshold

    def kept(self, part: str) -> Kept:
        """Return the places that are kept, of "train" or "test" pictures."""
        return keep({"train": self.train, "test": self.test}[part], self.threshold)


@dataclass(frozen=True, eq=False)
class Recognised:
    """What a projection recognises, by its own pooling and by the tower's.

    Attributes:
        pooled: whether each test picture's class is the nearest, `[N]`.
        whole: the same of the tower's token of the whole.
        found: retrieval between test pictures and their texts, by its own pooling.
        read: where its maximum reads, beside chance; None without masks.
    """

    pooled: Tensor
    whole: Tensor
    found: Retrieval
    read: Beside | None


def sources(
    clip: Clip,
    quantile: float,
    seed: int,
    encoders: Mapping[str, tuple[Tensor, Tensor]],
) -> dict[str, Free]:
    """Return the sources of attention that there are, by name.

    Args:
        clip: with its own attention.
        quantile: of the places that are left out, but for the ground truth's.
        seed: of the random source.
        encoders: attention of encoders beside CLIP, to training and test pictures.
    """
    rule, grid = Threshold("quantile", quantile), clip.test.grid
    counts = (len(clip.train.shown), len(clip.test.shown))
    found = {
        name: Free(on_grid(train, grid), on_grid(test, grid), rule)
        for name, (train, test) in encoders.items()
    }
    found[CLASS_TOKEN] = Free(clip.train.attention, clip.test.attention, rule)
    masks = (clip.train.shown.masks, clip.test.shown.masks)
    if masks[0] is not None and masks[1] is not None:
        shares = [mask_attention(one, grid) for one in masks if one is not None]
        found[TRUTH] = Free(shares[0], shares[1], KNOWN)
    blind = [
        random_attention(count, grid, seed + part) for part, count in enumerate(counts)
    ]
    found[BLIND] = Free(blind[0], blind[1], rule)
    return {name: found[name] for name in SOURCES if name in found}


def gate(free: Free, look: Look, part: str = "test") -> Beside:
    """Return the overlap of kept places and object, beside its two floors."""
    if look.shown.masks is None:
        nothing = torch.full((len(look.shown),), torch.nan)
        return Beside(nothing, nothing)
    kept = free.kept(part).places.cpu()
    return attention_iou(kept, look.shown.masks, look.shown.ignored)


def is_testable(found: Beside) -> bool:
    """Say whether attention finds objects: over both floors by mIoU's margin.

    Without it the maximum over kept places has no foreground to look at, and what it
    does says nothing of the claim.
    """
    return aggregate(found.excess).mean > margins.margin("miou")


def fitted(
    clip: Clip, free: Mapping[str, Free], how: Fitting, seed: int
) -> dict[str, tuple[Way, Fitted]]:
    """Return a projection a way, of the ways whose source there is."""
    found = {}
    for way in WAYS:
        if not way.source or way.source in free:
            chosen = fitting(way, how)
            material = _material(clip.train, free, way, "train")
            made = fit_projection(material, clip.own, chosen, seed)
            found[way.name] = (way, made)
    return found


def fitting(way: Way, how: Fitting) -> Fitting:
    """Return the settings with the pooling of a way."""
    fill: Fill = "zero" if way.zero else "-inf"
    return replace(how, pooling=way.pooling, fill=fill)


def is_calm(losses: tuple[float, ...]) -> bool:
    """Tell whether the last quarter of a fit moved its loss by less than .05 nats."""
    quarter = max(1, -(-len(losses) // 4))
    if len(losses) <= quarter:
        return False
    return abs(losses[-1] - losses[-1 - quarter]) < CALM


def recognised(
    clip: Clip,
    free: Mapping[str, Free],
    way: Way,
    projection: Projection,
    how: Fitting,
) -> Recognised:
    """Return what a projection recognises of the test pictures."""
    look = clip.test
    material = _material(look, free, way, "test")
    pooled = pooled_features(material, projection, fitting(way, how))
    whole = F.normalize(projection(look.tokens.whole), dim=1)
    labels = look.shown.labels.to(whole.device)
    read = None
    if look.shown.masks is not None:
        tokens = projection(material.places).cpu()
        shares = place_shares(look.shown.masks, look.grid)
        kept = None if material.kept is None else material.kept.cpu()
        read = foreground_selection(tokens, shares, kept)
    return Recognised(
        top1(pooled, clip.classes, labels),
        top1(whole, clip.classes, labels),
        retrieval(pooled, look.texts, same_text(look.shown.texts)),
        read,
    )


def _material(look: Look, free: Mapping[str, Free], way: Way, part: str) -> Material:
    """Return tokens with what a pooling needs beside them."""
    places = look.tokens.places
    kept = weights = None
    if way.pooling == "masked max":
        kept = free[way.source].kept(part).places.flatten(1).to(places.device)
    if way.pooling == "attention":
        given = {"train": free[way.source].train, "test": free[way.source].test}[part]
        weights = given.flatten(1).to(places)
    return Material(places.flatten(1, 2), look.tokens.whole, look.texts, kept, weights)
