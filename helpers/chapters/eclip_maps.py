"""Maps of chapter 12 and their scores: CLIP's own, the rivals', the trained ones.

Every method is scored on the same test pictures, with a threshold of its own that was
chosen on the validation pictures.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from helpers.chapters.eclip_material import LEAST, Clip, Look
from helpers.chapters.eclip_projections import Way
from helpers.explain.attention import rollout
from helpers.explain.cam import CoarseMapWarning, grad_cam
from helpers.explain.clip_relevance import clip_cgw1
from helpers.explain.clip_tokens import Projection, Reading, Tokens, image_tower
from helpers.explain.hooks import outputs
from helpers.explain.similarity import Itsm, reverse, similarity, token_maps
from helpers.explain.surgery import token_surgery
from helpers.explain.token_cam import token_grad_cam
from helpers.measure.foreground import place_shares, token_correlation
from helpers.measure.localisation import score_contrast
from helpers.measure.overlap import Overlap, overlap
from helpers.measure.reference_maps import reference_maps
from helpers.methods.eclip import Fitted
from helpers.settings import Refused

ITSM, REVERSED = "ITSM", "ITSM, reversed"
VALUES, SURGERY = "ITSM, v-v attention", "feature surgery"
GRAD_CAM, ROLLOUT, CGW1 = "Grad-CAM", "Rollout", "CGW1"
RIVALS = (GRAD_CAM, ROLLOUT, CGW1)
FLOORS = ("uniform", "centred Gaussian", "random smooth")
STAGES = ("layer4", "layer3", "layer2", "layer1")  # of a ResNet, last first
OTHER_OPTIONS = {  # one thing of `Itsm` changed at a time
    "softmax over texts": Itsm(softmax="texts"),
    "softmax over places": Itsm(softmax="places"),
    "unit over tokens": Itsm(unit="tokens"),
    "resized, then scaled": Itsm(order="resize, scale"),
}


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores of a method's maps on the test pictures.

    Attributes:
        maps: `[N, H, W]`.
        overlap: IoU under one threshold, beside its floors; None without masks.
        contrast: of each picture, `[N]`; None without masks.
    """

    maps: Tensor
    overlap: Overlap | None
    contrast: Tensor | None


def own_maps(clip: Clip, look: Look, options: Itsm | None = None) -> Tensor:
    """Return CLIP's own maps of each picture's class."""
    return maps_by(clip, look, clip.own, options)


def maps_by(
    clip: Clip,
    look: Look,
    projection: Projection,
    options: Itsm | None = None,
    tokens: Tokens | None = None,
) -> Tensor:
    """Return the maps of a projection, by tokens that were read before, `[N, H, W]`."""
    return token_maps(
        tokens or look.tokens,
        projection,
        clip.classes,
        look.shown.labels,
        clip.size,
        options or clip.options,
    ).cpu()


def own_correlation(clip: Clip, look: Look) -> Tensor | None:
    """Return how a place's likeness to its text goes with the object, `[N]`."""
    if look.shown.masks is None:
        return None
    alike = similarity(look.tokens, clip.own, clip.classes, clip.options).cpu()
    rows = torch.arange(len(look.shown))
    chosen = alike[rows, :, :, look.shown.labels].flatten(1)
    return token_correlation(chosen, place_shares(look.shown.masks, look.grid))


def scored(clip: Clip, make: Callable[[Look], Tensor]) -> Scored:
    """Return the scores of a method, a function of pictures that gives their maps."""
    shown, chosen = clip.test.shown, clip.validation.shown
    maps = make(clip.test)
    if shown.masks is None or chosen.masks is None:
        return Scored(maps, None, None)
    found = overlap(
        maps, shown.masks, (make(clip.validation), chosen.masks), shown.ignored
    )
    return Scored(maps, found, score_contrast(maps, shown.masks, shown.ignored))


def without_training(
    clip: Clip, rivals: bool = True, readings: bool = True
) -> dict[str, Scored]:
    """Return the maps that need no training, and the floors and ceilings.

    `rivals`: with Grad-CAM, Rollout and CGW1 of the same CLIP, where they are valid.
    `readings`: with v-v attention, for which the pictures are read again.
    """
    made: dict[str, Callable[[Look], Tensor]] = {
        ITSM: lambda look: own_maps(clip, look),
        REVERSED: lambda look: reverse(own_maps(clip, look)),
    }
    if clip.reader.kind == "CNN":
        other: Reading = "token" if clip.reader.reading != "token" else "value"
        made[f"ITSM, {other}"] = lambda look: _read(clip, look, other)
    if readings:
        made[VALUES] = lambda look: _read(clip, look, "v-v")
    made[SURGERY] = lambda look: _surgery(clip, look)
    if rivals:
        made |= {name: _rival(clip, name) for name in rivals_of(clip)}
    found = {name: scored(clip, make) for name, make in made.items()}
    return found | _references(clip)


def trained(clip: Clip, fits: Mapping[str, tuple[Way, Fitted]]) -> dict[str, Scored]:
    """Return the maps of trained projections, of all places: no mask, no pooling."""

    def make(projection: Projection) -> Callable[[Look], Tensor]:
        return lambda look: maps_by(clip, look, projection)

    return {name: scored(clip, make(one.projection)) for name, (_, one) in fits.items()}


def rivals_of(clip: Clip) -> tuple[str, ...]:
    """Return the saliency methods that are valid for its tower."""
    tower: Any = image_tower(clip.reader.model)
    if clip.reader.kind == "CNN":
        return (GRAD_CAM,)
    return RIVALS if tower.pool_type == "tok" else ()


def layer_for(clip: Clip) -> str:
    """Return the last stage of a ResNet that leaves 7 x 7 cells.

    Raises:
        Refused: a tower of which no stage does.
    """
    tower: Any = image_tower(clip.reader.model)
    pixels = clip.reader.pixels(clip.test.shown.images[:1])
    for name in STAGES:
        with torch.no_grad(), outputs(getattr(tower, name)) as kept:
            tower(pixels)
        if min(kept[0].shape[2:]) >= LEAST:
            return name
    raise Refused(f"no stage of '{clip.reader.name}' has {LEAST} x {LEAST} cells")


def _rival(clip: Clip, name: str) -> Callable[[Look], Tensor]:
    """Return a saliency method of the CLIP as a classifier of its texts."""
    model = clip.zero_shot().eval()
    tower: Any = image_tower(clip.reader.model)
    layer = layer_for(clip) if clip.reader.kind == "CNN" else ""

    def make(look: Look) -> Tensor:
        images = clip.reader.pixels(look.shown.images)
        targets = look.shown.labels.to(images.device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CoarseMapWarning)
            if name == ROLLOUT:
                return rollout(model, images, targets).cpu()
            if name == CGW1:
                return clip_cgw1(model, images, targets).cpu()
            if layer:
                return grad_cam(model, images, targets, getattr(tower, layer)).cpu()
            return token_grad_cam(model, images, targets).cpu()

    return make


def _read(clip: Clip, look: Look, reading: Reading) -> Tensor:
    tokens = clip.reader.tokens(look.shown.images, reading)
    return maps_by(clip, look, clip.own, Itsm(reading=reading), tokens)


def _surgery(clip: Clip, look: Look) -> Tensor:
    return token_surgery(
        look.tokens,
        clip.own,
        clip.own(look.tokens.whole),
        clip.classes,
        look.shown.labels,
        clip.size,
        clip.options,
    ).cpu()


def _references(clip: Clip) -> dict[str, Scored]:
    """Return the maps that know nothing, or all."""

    def every(look: Look) -> dict[str, Tensor]:
        shape = (len(look.shown), *clip.size)
        return reference_maps(shape, look.grid, 0, look.shown.masks)

    sides = {id(look): every(look) for look in (clip.validation, clip.test)}

    def make(name: str) -> Callable[[Look], Tensor]:
        return lambda look: sides[id(look)][name]

    return {name: scored(clip, make(name)) for name in sides[id(clip.test)]}
