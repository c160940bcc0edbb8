"""CLIP's own maps: how like a text the token of each place is.

ITSM is the image-text similarity map of Li et al. (2022), arXiv 2209.07046. What that
document leaves open is a field of `Itsm`; the default is what the authors' later code
computes (xmed-lab/CLIP_Surgery, d4696d4).

Axes: B pictures, K texts, h and w rows and columns of places, E the common space.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.attribution import check_chunk
from helpers.explain.cam import (
    check_images,
    check_resolution,
    check_targets,
    upsample,
)
from helpers.explain.clip_tokens import (
    Projection,
    Reading,
    Tokens,
    image_tokens,
    own_projection,
)
from helpers.explain.zero_shot import check_texts

Unit = Literal["channels", "tokens", "none"]
Softmax = Literal["none", "texts", "places"]
Order = Literal["scale, resize", "resize, scale"]


@dataclass(frozen=True)
class Itsm:
    """What the document on ITSM leaves open.

    Attributes:
        reading: what the token of a place is (`clip_tokens.image_tokens`).
        blocks: of a ViT that the reading "v-v" goes beside.
        unit: what is made of length 1 before the product: each token over its
            "channels", or each channel over the picture's "tokens", the whole's
            included, as the published code did until d4696d4; "none" leaves them.
        softmax: over what similarities are exponentiated; the document names a softmax,
            not of what, and the code has none.
        order: whether a map is scaled to [0, 1] in its cells, as in the code, or after
            it was resized.
    """

    reading: Reading = "token"
    blocks: int = 6
    unit: Unit = "channels"
    softmax: Softmax = "none"
    order: Order = "scale, resize"


def itsm(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    options: Itsm | None = None,
    *,
    text_features: Tensor | None = None,
    projection: Projection | None = None,
    chunk: int = 16,
) -> Tensor:
    """Return image-text similarity maps of the target texts (Li et al. 2022).

    M = (S - min S) / (max S - min S), S_xy = cos(P token_xy, t_c), in the size of the
    picture: bilinear, align_corners=False. No ReLU, no temperature. A map that is the
    same everywhere is 0. Valid for open_clip's ViT and ResNet towers.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient.
    Range: [0, 1]; a map that was scaled in its cells may stay within it.

    Args:
        model: a CLIP of open_clip, its image tower, or a `ZeroShot` of one.
        images: pictures as the tower takes them, normalised.
        targets: the text to look for, per picture, in 0..K-1.
        options: as of `Itsm`.
        text_features: t, `[K, E]`; None for the texts of a `ZeroShot`.
        projection: P, in the place of the tower's own, as a trained one.
        chunk: pictures a forward pass.

    Raises:
        ValueError: images or targets of the wrong shape, dtype or range; a tower that
            is not open_clip's; text features of another width; a map under 4 x 4 cells
            or not finite.

    Warns:
        CoarseMapWarning: if the map is under 7 x 7 cells.
    """
    options = options or Itsm()
    texts = texts_of(model, text_features)
    tokens, project = prepared(
        model, images, targets, texts, options, projection, chunk
    )
    size = (images.shape[2], images.shape[3])
    return token_maps(tokens, project, texts, targets, size, options)


def token_maps(
    tokens: Tokens,
    projection: Projection,
    texts: Tensor,
    targets: Tensor,
    size: tuple[int, int],
    options: Itsm | None = None,
) -> Tensor:
    """Return the maps of `itsm` from tokens that were read before.

    What they were read by is not asked again: of the options, `unit`, `softmax` and
    `order` count.

    Shapes: tokens of B pictures, texts `[K, E]`, targets `[B]` -> `[B, *size]`.
    Range and errors: as `itsm`.
    """
    options = options or Itsm()
    check_targets(targets, len(tokens.places), len(texts))
    alike = similarity(tokens, projection, texts, options)  # [B, h, w, K]
    return as_maps(of_targets(alike, targets), size, options.order)


def reversed_itsm(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    options: Itsm | None = None,
    *,
    text_features: Tensor | None = None,
    projection: Projection | None = None,
    chunk: int = 16,
) -> Tensor:
    """Return 1 - M of `itsm`: what is least like the text (Li et al. 2022).

    Scaled in the size of the picture it is the map of -S exactly.

    Shapes, range and errors: as `itsm`.
    """
    maps = itsm(
        model,
        images,
        targets,
        options,
        text_features=text_features,
        projection=projection,
        chunk=chunk,
    )
    return reverse(maps)


def similarity(
    tokens: Tokens, projection: Projection, texts: Tensor, options: Itsm
) -> Tensor:
    """Return S, the similarity of each place with each text, before it is scaled.

    Shapes: tokens `[B, h, w, W]` and `[B, W]`, texts `[K, E]` -> `[B, h, w, K]`.
    Range: [-1, 1] of cosines; [0, 1] with a softmax.
    """
    places = projection(tokens.places)  # [B, h, w, E]
    if options.unit == "channels":
        places = F.normalize(places, dim=-1)
    elif options.unit == "tokens":
        whole = projection(tokens.whole)[:, None]
        every = torch.cat([whole, places.flatten(1, 2)], 1)  # [B, 1 + N, E]
        places = F.normalize(every, dim=1)[:, 1:].view_as(places)
    alike = places @ F.normalize(texts.to(places), dim=1).T
    if options.softmax == "texts":
        return alike.softmax(-1)
    if options.softmax == "places":
        return alike.flatten(1, 2).softmax(1).view_as(alike)
    return alike


def scaled(maps: Tensor) -> Tensor:
    """Return (S - min S) / (max S - min S) of each map `[B, h, w]`: range [0, 1].

    A map that is the same everywhere is 0; the published code divides 0 by 0.
    """
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    span = high - low
    return (maps - low) / torch.where(span > 0, span, torch.ones_like(span))


def reverse(maps: Tensor) -> Tensor:
    """Return 1 - M, maps `[B, H, W]` in [0, 1] -> the same.

    Scaled maps of -S are 1 - M, so the score contrast of a reversed map is minus that
    of the map, whatever the map: it can be no evidence for reversing.

    Raises:
        ValueError: for maps outside of [0, 1].
    """
    if not ((maps >= 0) & (maps <= 1)).all():
        raise ValueError("maps must lie in [0, 1] to be reversed: scale them first")
    return 1 - maps


def texts_of(model: nn.Module, given: Tensor | None) -> Tensor:
    """Return the texts, given or the classifier's; raise a ValueError for none."""
    texts = given if given is not None else getattr(model, "texts", None)
    if texts is None:
        raise ValueError("text_features are missing: give [K, E], or a ZeroShot model")
    check_texts(texts)
    return texts


def prepared(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    texts: Tensor,
    options: Itsm,
    projection: Projection | None,
    chunk: int,
) -> tuple[Tokens, Projection]:
    """Return tokens of the pictures and their projection, all of them checked."""
    for name, kind in (("unit", Unit), ("softmax", Softmax), ("order", Order)):
        if getattr(options, name) not in get_args(kind):
            raise ValueError(f"{name} must be one of {get_args(kind)}")
    check_images(images)
    check_targets(targets, len(images), len(texts))
    check_chunk(chunk)
    project = projection or own_projection(model)
    if project.weight.shape[1] != texts.shape[1]:
        got = f"{texts.shape[1]} for pictures of {project.weight.shape[1]}"
        raise ValueError(f"text features have another width: {got}")
    tokens = image_tokens(
        model, images, options.reading, blocks=options.blocks, chunk=chunk
    )
    check_resolution(tokens.places[..., 0])
    return tokens, project


def of_targets(alike: Tensor, targets: Tensor) -> Tensor:
    """Return the maps `[B, h, w]` of the target texts."""
    rows = torch.arange(len(alike), device=alike.device)
    return alike[rows, :, :, targets.to(alike.device, torch.long)]


def as_maps(cells: Tensor, size: tuple[int, int], order: Order) -> Tensor:
    """Return maps `[B, h, w]` scaled and in the size of the pictures."""
    broken = (~cells.isfinite()).flatten(1).any(1).nonzero().flatten().tolist()
    if broken:
        raise ValueError(f"the map of picture {broken[0]} is not finite (NaN or inf)")
    if order == "scale, resize":
        return upsample(scaled(cells), size).clamp(0, 1)
    return scaled(upsample(cells, size))
