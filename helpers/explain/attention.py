"""Saliency of Vision Transformers from attention: Rollout, CGW1 and CGW2.

Each makes one matrix a block of its attention, `[T, T]`, rows asking and columns
answering, and multiplies the last block's by those before. The class token's row of the
product, without the prefix tokens, is the map in the grid of patches.

The names CGW1 and CGW2 are those of Xie et al. 2023: Chefer, Gur & Wolf's methods of
CVPR 2021 (relevance x gradient, "Transformer Interpretability Beyond Attention
Visualization") and of ICCV 2021 (attention x gradient, "Generic Attention-model
Explainability"). The second is no shortcut to the first: its weights are others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from helpers.explain.attribution import Model, by_parts, check_chunk, checked_logits
from helpers.explain.cam import check_images, check_targets, upsample
from helpers.explain.transformer import attentions, inputs, patch_grid
from helpers.explain.transformer_lrp import attention_relevance, steps_of

Heads = Literal["mean", "min", "max"]
# model, its logits of pictures, pictures, targets -> a matrix `[n, T, T]` a block
Matrices = Callable[[Model, Tensor, Tensor], list[Tensor]]


@dataclass(frozen=True)
class Rollout:
    """How Rollout makes one matrix of a block's heads; the defaults are the paper's.

    Attributes:
        heads: what is taken over the heads: their mean, least or largest weight.
        discard: share of a block's weights, the smallest of a picture, set to 0; that
            of the class token for itself stays. In [0, 1).
        residual: weight of the skip connection beside attention. In [0, 1).
    """

    heads: Heads = "mean"
    discard: float = 0.0
    residual: float = 0.5


@dataclass(frozen=True)
class Cgw:
    """How CGW1 and CGW2 use a block's matrix; the default is the papers'.

    Attributes:
        unit_rows: whether each row of a block's matrix is divided by its sum, as in
            Rollout, which weakens blocks of large gradient against the others.
    """

    unit_rows: bool = False


def rollout(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    options: Rollout | None = None,
    *,
    chunk: int = 16,
) -> Tensor:
    """Return Attention Rollout, the same map for every class.

    Abnar & Zuidema 2020, eq. 1: the class token's row of M_L ... M_1, where M_l =
    (A_l + I) / 2, A_l the mean of the block's heads, and its rows sum to 1. The targets
    are checked but do not enter. Valid for ViTs whose logits read a class token.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient; bilinear
    from the grid of patches.
    Range: [0, 1], shares of the class token; over the patches they sum to at most 1.

    Args:
        model: a ViT of torchvision or timm, or another whose attention is
            `nn.MultiheadAttention` or has `qkv` and `proj`; images -> logits `[n, K]`.
        images: pictures as the model takes them, normalised.
        targets: classes in 0..K-1; the map does not depend on them.
        options: as of `Rollout`.
        chunk: pictures a forward pass.

    Raises:
        ValueError: images or targets of the wrong shape, dtype or range; options out of
            range; a model without attention or class token; attention with a bias, a
            mask or windows; no logits `[n, K]`; a map that is not finite.
    """
    options = options or Rollout()
    _check_rollout(options)

    def matrices(_: Model, pictures: Tensor, wanted: Tensor) -> list[Tensor]:
        with torch.no_grad(), attentions(model) as seen:
            checked_logits(model, pictures, wanted)
            return [rollout_matrix(one, options) for one in seen]

    return _class_rows(matrices, model, images, targets, chunk)


def cgw1(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    options: Cgw | None = None,
    *,
    chunk: int = 16,
) -> Tensor:
    """Return CGW1, relevance x gradient of attention.

    Chefer, Gur & Wolf 2021 (CVPR), section 3: the class token's row of M_L ... M_1 with

        M_l = I + mean_heads[(dy_c / dA_l * R_l)^+],

    R_l the relevance of the attention weights for class c: `transformer_lrp`. Valid for
    the VisionTransformer of torchvision and timm with a class token. Relevance divides
    by sums that may almost vanish: in single precision maps may miss those in double by
    percents of their maximum; `model.double()` is the remedy.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient; bilinear
    from the grid of patches.
    Range: [0, inf), in logits times relevance; only its shape has a meaning.

    Args:
        model: a ViT images -> logits `[n, K]`.
        images: pictures as the model takes them, normalised.
        targets: the class to explain, per picture, in 0..K-1.
        options: as of `Cgw`.
        chunk: pictures a forward pass.

    Raises:
        ValueError: as `rollout`; a ViT of another build; hooks that change the logits.
    """
    options = options or Cgw()

    def matrices(logits: Model, pictures: Tensor, wanted: Tensor) -> list[Tensor]:
        steps = steps_of(model)
        with attentions(model) as seen, inputs(steps.first) as tokens:
            found = logits(pictures)
            slopes = _slopes(found, wanted, list(seen))
        shares = attention_relevance(steps, tokens[0], wanted, found.detach())
        return [_weighed(a, b, options) for a, b in zip(slopes, shares, strict=True)]

    return _class_rows(matrices, model, images, targets, chunk)


def cgw2(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    options: Cgw | None = None,
    *,
    chunk: int = 16,
) -> Tensor:
    """Return CGW2, attention x gradient: a method of its own, without relevance.

    Chefer, Gur & Wolf 2021 (ICCV), section 3: the class token's row of M_L ... M_1
    with M_l = I + mean_heads[(dy_c / dA_l * A_l)^+]. Valid for ViTs whose logits read a
    class token, whatever lies between their blocks.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient; bilinear
    from the grid of patches.
    Range: [0, inf), in logits.

    Raises:
        ValueError: as `rollout`.
    """
    options = options or Cgw()

    def matrices(logits: Model, pictures: Tensor, wanted: Tensor) -> list[Tensor]:
        with attentions(model) as seen:
            found = logits(pictures)
            weights = list(seen)
            slopes = _slopes(found, wanted, weights)
        return [_weighed(a, b, options) for a, b in zip(slopes, weights, strict=True)]

    return _class_rows(matrices, model, images, targets, chunk)


def rollout_matrix(attention: Tensor, options: Rollout) -> Tensor:
    """Return a block's matrix of Rollout: heads fused, skip connection, unit rows.

    Shapes: attention `[B, heads, T, T]` -> `[B, T, T]`. Range: [0, 1], rows sum to 1.
    """
    if options.heads == "mean":
        fused = attention.mean(1)
    else:
        fused = attention.amax(1) if options.heads == "max" else attention.amin(1)
    dropped = int(fused[0].numel() * options.discard)
    if dropped:
        flat = fused.flatten(1).clone()
        flat[:, 0] = torch.inf  # the class token's own weight, which stays
        least = flat.argsort(dim=1, stable=True)[:, :dropped]
        fused = fused.flatten(1).scatter(1, least, 0.0).view_as(fused)
    unit = torch.eye(fused.shape[-1]).to(fused)
    return _unit_rows((1 - options.residual) * fused + options.residual * unit)


def class_row(matrices: Sequence[Tensor]) -> Tensor:
    """Return the class token's row of M_L ... M_1, `[B, T, T]` each -> `[B, T]`."""
    row = matrices[-1][:, 0]
    for matrix in reversed(matrices[:-1]):
        row = torch.einsum("bt,bts->bs", row, matrix)
    return row


def _class_rows(
    matrices: Matrices, model: nn.Module, images: Tensor, targets: Tensor, chunk: int
) -> Tensor:
    """Return the class token's rows as maps in the size of the picture."""
    check_images(images)
    check_targets(targets, len(images))
    check_chunk(chunk)
    rows, columns = patch_grid(model, images)
    size = (images.shape[2], images.shape[3])

    def part(logits: Model, pictures: Tensor, wanted: Tensor) -> Tensor:
        row = class_row(matrices(logits, pictures, wanted))
        patches = row[:, -rows * columns :].detach()
        return patches.unflatten(1, (1, rows, columns))

    return upsample(by_parts(part, model, images, targets, chunk), size)


def _slopes(logits: Tensor, targets: Tensor, seen: list[Tensor]) -> list[Tensor]:
    """Return d y_c / d A of each block, `[B, heads, T, T]`."""
    score = logits.gather(1, targets[:, None]).sum()
    return list(torch.autograd.grad(score, seen))


def _weighed(slope: Tensor, share: Tensor, options: Cgw) -> Tensor:
    """Return I + mean_heads[(slope * share)^+], `[B, heads, T, T]` -> `[B, T, T]`."""
    mixed = (slope * share).detach().relu().mean(1)
    matrix = mixed + torch.eye(mixed.shape[-1]).to(mixed)
    return _unit_rows(matrix) if options.unit_rows else matrix


def _unit_rows(matrix: Tensor) -> Tensor:
    """Return a matrix with rows divided by their sums; a zero row stays zero."""
    total = matrix.sum(-1, keepdim=True)
    return matrix / torch.where(total > 0, total, torch.ones_like(total))


def _check_rollout(options: Rollout) -> None:
    """Raise a ValueError for options out of range."""
    if options.heads not in ("mean", "min", "max"):
        raise ValueError(f"heads must be mean, min or max, got {options.heads!r}")
    for name in ("discard", "residual"):
        value = getattr(options, name)
        if not 0 <= value < 1:
            raise ValueError(f"{name} must lie in [0, 1), got {value}")
