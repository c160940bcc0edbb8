"""Chapter 13: the tiny CLIP's own maps and masked max pooling, each beside its twin.

The twin is a CLIP of the same build and steps whose captions tell of other pictures; of
masked max pooling it is the same on that CLIP, with captions shuffled once more.
"""

import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.chapters import eclip_projections, eclip_towers
from helpers.chapters.answers_bench import MapsOf
from helpers.chapters.eclip_material import QUANTILE, RATE, Reader, looked
from helpers.chapters.eclip_pictures import Shown, pictures
from helpers.explain.clip_tokens import Projection, Tokens, image_tower, own_projection
from helpers.explain.similarity import Itsm, token_maps
from helpers.explain.stitched import stitched_tokens
from helpers.explain.zero_shot import ZeroShot
from helpers.language.sources import shuffled
from helpers.methods.eclip import Fitting, Material, fit_projection
from helpers.methods.free_attention import Threshold, keep, on_grid
from helpers.streams import stream

CHUNK = 64
KEPT = 4  # sets of tokens: pictures, crops, grids, and those that are timed


@dataclass(frozen=True)
class Sizes:
    """How much of everything masked max pooling is trained with.

    Attributes:
        pictures: that train a projection.
        epochs: of the projection.
        encoder_pictures: of the encoder without labels.
        encoder_epochs: of that encoder.
    """

    pictures: int
    epochs: int
    encoder_pictures: int
    encoder_epochs: int


class Places:
    """Tokens of pictures by one CLIP; of the same tensor they are read once.

    A tower takes pictures of its own size alone: a grid is read cell by cell.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.known: list[tuple[Tensor, Tensor]] = []

    def of(self, images: Tensor) -> Tensor:
        """Return the tokens of normalised pictures or grids, `[B, h, w, W]`."""
        for given, found in self.known:
            if given is images:
                return found
        side = images.shape[2] // self.reader.size
        cells = images.unflatten(3, (side, -1)).unflatten(2, (side, -1))
        cells = cells.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)  # [B n n, 3, H, W]
        reader = self.reader
        device = next(reader.model.parameters()).device
        read = stitched_tokens(
            reader.model,
            cells.to(device),
            reader.reading,
            shifts=reader.shifts,
            chunk=CHUNK,
        ).places.cpu()
        wide = read.unflatten(0, (len(images), side, side))
        wide = wide.permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2)
        self.known = [*self.known[-KEPT + 1 :], (images, wide)]
        return wide


def likeness(places: Places, projection: Projection, classes: Tensor) -> MapsOf:
    """Return what makes the maps of a projection: ITSM of each picture's class."""
    reader = places.reader
    moved = Projection(
        projection.weight.cpu(),
        None if projection.bias is None else projection.bias.cpu(),
    )

    def maps(images: Tensor, targets: Tensor) -> Tensor:
        found = places.of(images)
        tokens = Tokens(found, found.mean((1, 2)))
        size = (images.shape[2], images.shape[3])
        how = Itsm(reading=reader.reading)
        return token_maps(tokens, moved, classes.cpu(), targets, size, how)

    return maps


def own(reader: Reader) -> Projection:
    """Return the CLIP's own projection."""
    return own_projection(reader.model)


def classifier(reader: Reader, names: tuple[str, ...]) -> nn.Module:
    """Return the CLIP as a classifier of class names, at its own temperature."""
    model: Any = reader.model
    scale = model.logit_scale.detach().exp()
    return ZeroShot(image_tower(model), reader.classes(names), scale).eval()


@dataclass(frozen=True, eq=False)
class MaskedMax:
    """A projection trained by masked max pooling.

    Attributes:
        projection: of the places.
        calm: whether its loss had come to rest.
        testable: whether the free attention finds objects at all.
        seconds: of its training, tokens and encoder included.
    """

    projection: Projection
    calm: bool
    testable: bool
    seconds: float


def masked_max(reader: Reader, sizes: Sizes, seed: int, words: bool) -> MaskedMax:
    """Train a projection by masked max pooling, with self-supervised attention.

    Without `words` each picture has the caption of another. The encoder is that of
    chapter 12, trained on pictures alone; one that lies there is loaded.
    """
    learnt = _scenes(reader, sizes.encoder_pictures)
    encoder = eclip_towers.encoder(
        learnt, reader.mean, reader.std, sizes.encoder_epochs, seed
    )
    started = time.perf_counter()
    shown = _scenes(reader, sizes.pictures)
    if not words:
        texts = shuffled(shown.texts, stream(seed, "captions, masked max"))
        shown = replace(shown, texts=texts)
    look = looked(reader, shown)
    seen = eclip_towers.encoder_attention(encoder, reader, shown.images)
    attention = on_grid(seen, look.grid)
    rule = Threshold("quantile", QUANTILE)
    free = eclip_projections.Free(attention, attention, rule)
    beside = eclip_projections.gate(free, look, "train")
    kept = keep(attention, rule).places.flatten(1)
    tokens = look.tokens
    material = Material(
        tokens.places.flatten(1, 2),
        tokens.whole,
        F.normalize(look.texts, dim=1),
        kept.to(tokens.places.device),
    )
    how = Fitting(
        "masked max", epochs=sizes.epochs, batch=min(64, sizes.pictures), lr=RATE
    )
    found = fit_projection(material, own(reader), how, seed)
    return MaskedMax(
        found.projection,
        eclip_projections.is_calm(found.losses),
        eclip_projections.is_testable(beside),
        time.perf_counter() - started,
    )


def _scenes(reader: Reader, count: int) -> Shown:
    """Return scenes of one object with captions: the first that the CLIP learnt."""
    return pictures("scenes", reader.size, (count, 1, 1))["train"]


@torch.no_grad()
def names_right(
    network: nn.Module, images: Tensor, labels: Tensor, device: str
) -> Tensor:
    """Return which pictures a network names right, `[N]`, bool."""
    parts = [network(some.to(device)).argmax(1).cpu() for some in images.split(256)]
    return torch.cat(parts) == labels
