"""From the tokens of places to one vector a picture: masked max pooling and its rivals.

Li et al. (2022), arXiv 2209.07046, hold that pooling makes CLIP's maps show the
opposite of their object, and that the maximum over places of the foreground repairs it.

Axes: B pictures, N places, W numbers a token.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from helpers.settings import Refused

Pooling = Literal["masked max", "max", "mean", "attention", "class token"]
Fill = Literal["-inf", "zero"]


def masked_max(tokens: Tensor, kept: Tensor, fill: Fill = "-inf") -> Tensor:
    """Return the maximum over the kept places, channel by channel.

    y_c = max_{i kept} x_ic. With "zero" the other places are set to 0 and take part, as
    in the pseudo code of a summary of Li et al. (2022): where all kept values of a
    channel are negative the mask itself wins. The gradient goes to the maximum, to
    equal ones in equal parts.

    Shapes: tokens `[B, N, W]`, kept `[B, N]`, bool -> `[B, W]`.

    Raises:
        Refused: other shapes, a mask that is not bool, a picture without a kept place.
    """
    _check(tokens, kept)
    if kept.dtype != torch.bool or not kept.any(1).all():
        raise Refused("kept must be bool, with a place or more of every picture")
    if fill not in ("-inf", "zero"):
        raise Refused(f"fill must be '-inf' or 'zero', got '{fill}'")
    value = 0.0 if fill == "zero" else -math.inf
    return tokens.masked_fill(~kept[..., None], value).amax(1)


def weighted_mean(tokens: Tensor, weights: Tensor) -> Tensor:
    """Return sum_i a_i x_i / sum_i a_i, attention pooling with given weights.

    Shapes: tokens `[B, N, W]`, weights `[B, N]`, not negative -> `[B, W]`.

    Raises:
        Refused: other shapes; negative or not finite weights; a picture without any.
    """
    _check(tokens, weights)
    total = weights.sum(1, keepdim=True)
    if not (weights >= 0).all() or not ((total > 0) & total.isfinite()).all():
        raise Refused(
            "weights must be finite, 0 or more, and some of each picture's > 0"
        )
    return torch.einsum("bn,bnw->bw", weights / total, tokens)


def pool(
    pooling: Pooling,
    places: Tensor,
    whole: Tensor,
    kept: Tensor | None,
    weights: Tensor | None,
    fill: Fill = "-inf",
) -> Tensor:
    """Return one vector a picture, by the name of its pooling.

    Shapes: places `[B, N, W]`, whole (what "class token" takes) `[B, W]`, kept (of
    "masked max") and weights (of "attention") `[B, N]` -> `[B, W]`.

    Raises:
        Refused: an unknown pooling, or one whose mask or weights are missing.
    """
    if pooling == "class token":
        return whole
    if pooling == "mean":
        return places.mean(1)
    if pooling == "max":
        return places.amax(1)
    if pooling == "masked max":
        if kept is None:
            raise Refused("masked max pooling needs kept places: kept=[B, N]")
        return masked_max(places, kept, fill)
    if pooling == "attention":
        if weights is None:
            raise Refused("attention pooling needs weights of the places: [B, N]")
        return weighted_mean(places, weights)
    raise Refused(f"unknown pooling '{pooling}'")


def _check(tokens: Tensor, beside: Tensor) -> None:
    if tokens.ndim != 3 or beside.shape != tokens.shape[:2]:
        got = f"{list(tokens.shape)} and {list(beside.shape)}"
        raise Refused(f"tokens must be [B, N, W] beside [B, N], got {got}")
