"""Grad-CAM++ (Chattopadhay et al. 2018), in closed form at a pooled linear head.

The published weights hold derivatives of exp(y_c). Where the logit y_c itself has no
second derivative, as in a ReLU network, exp(y_c) cancels in the coefficients a and is
one positive factor of the whole map. It is left out here, as in pytorch-grad-cam: what
counts are powers of the logit's own slope g, and the maps are in logits.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from helpers.explain.cam import (
    PooledLinear,
    check_images,
    check_resolution,
    check_targets,
    features_and_slope,
    is_pooled_linear,
    pooled_features,
    upsample,
    weighted_map,
)
from helpers.explain.hooks import evaluating, feature_map_layer, named_layer

RELATIVE = 1e-6  # epsilon in units of the mean of 2 g^2


def grad_cam_pp(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    layer: nn.Module | str | None = None,
    *,
    relative: float = RELATIVE,
    chunk: int = 64,
) -> Tensor:
    """Return Grad-CAM++ maps in the size of the picture.

    `coarse_grad_cam_pp`, then bilinear interpolation (align_corners=False).

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient.
    Range: [0, inf), in logits.

    Args:
        model: a classifier, images -> logits `[B, K]`.
        images: pictures as the model takes them, normalised.
        targets: the class to explain, per picture, in 0..K-1.
        layer: a module of the model or its name ("layer4.1"); None takes the pooled
            linear head in closed form or else the last feature map.
        relative: epsilon of the coefficients, as in `relative_epsilon`.
        chunk: pictures a forward pass.

    Raises:
        ValueError: as `coarse_grad_cam_pp`.
    """
    coarse = coarse_grad_cam_pp(
        model, images, targets, layer, relative=relative, chunk=chunk
    )
    return upsample(coarse, (images.shape[2], images.shape[3]))


def coarse_grad_cam_pp(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    layer: nn.Module | str | None = None,
    *,
    relative: float = RELATIVE,
    chunk: int = 64,
) -> Tensor:
    """Return Grad-CAM++ maps in the cells of the layer: relu(sum_k w_k F_k).

    The weights are `plus_weights` with the slopes g = d y_c / d F and
    `relative_epsilon`. The model is left as it was found.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, h, w]`, no gradient.
    Range: [0, inf), in logits.

    Raises:
        ValueError: as `coarse_grad_cam`, or if `relative` is negative.

    Warns:
        CoarseMapWarning: once a call, if the map is under 7 x 7 cells.
    """
    check_images(images)
    check_targets(targets, len(images))
    if not 0 <= relative < torch.inf:
        raise ValueError(f"relative must be 0 or a small positive, got {relative}")
    targets = targets.to(images.device, torch.long)
    maps: list[Tensor] = []
    with evaluating(model):
        look = _look(model, images, layer)
        for part, wanted in zip(images.split(chunk), targets.split(chunk), strict=True):
            features, slope = look(part, wanted)
            epsilon = relative_epsilon(slope, relative)
            weights = plus_weights(slope, features, epsilon)
            maps.append(weighted_map(features, weights))
            if len(maps) == 1:
                check_resolution(maps[0])
    coarse = torch.cat(maps)
    broken = (~coarse.isfinite()).flatten(1).any(1).nonzero().flatten().tolist()
    if broken:
        raise ValueError(f"the map of picture {broken[0]} is not finite (NaN or inf)")
    return coarse


def plus_weights(slope: Tensor, features: Tensor, epsilon: float | Tensor) -> Tensor:
    """Return the weights of Grad-CAM++: w_k = sum over cells of a relu(g).

    a = g^2 / (2 g^2 + S_k g^3 + epsilon), S_k = sum over cells of F_k (Chattopadhay et
    al. 2018, eq. 19; epsilon is not in the paper); a = 0 where the denominator is 0.
    At a pooled linear head, and without epsilon, this is w_k = relu(W_ck) / (2 + W_ck
    mean(F_k)): a channel counts the less, the more it adds to the logit.

    pytorch-grad-cam takes epsilon = 1e-6 whatever the scale of g; where 2 g^2 is not
    far above, as with W = .05 over 49 cells, epsilon has a say in the weights.

    Shapes: slope and features `[B, C, h, w]`, epsilon a number or `[B]` -> `[B, C]`.
    Range: [0, inf) with features >= 0, any sign otherwise.
    """
    epsilon = torch.as_tensor(epsilon, dtype=slope.dtype, device=slope.device)
    total = features.sum((2, 3), keepdim=True)  # [B, C, 1, 1]
    square = slope.square()
    below = 2 * square + total * square * slope + epsilon.view(-1, 1, 1, 1)
    a = (square / below).masked_fill(below == 0, 0)
    return (a * slope.relu()).sum((2, 3))


def relative_epsilon(slope: Tensor, relative: float = RELATIVE) -> Tensor:
    """Return relative x the mean of 2 g^2 of each picture, `[B, C, h, w]` -> `[B]`.

    An epsilon in units of what it is added to: features times a number and slopes
    divided by it give the same map. Range: [0, inf); 0 if all slopes are.
    """
    return relative * 2 * slope.square().mean((1, 2, 3))


def pooled_head_slope(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Return d y_c / d F at a pooled linear head: W_ck / (h w) in every cell.

    Shapes: features `[B, C, h, w]`, weight `[K, C]`, targets `[B]` -> `[B, C, h, w]`.
    """
    cells = features.shape[2] * features.shape[3]
    return (weight[targets] / cells)[:, :, None, None].expand_as(features)


def _look(
    model: nn.Module, images: Tensor, layer: nn.Module | str | None
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return the function (images, targets) -> features, slope that suits the model."""
    if layer is None and is_pooled_linear(model):
        return partial(_at_pooled_head, model)
    if layer is None:
        layer = feature_map_layer(model, images)
    elif isinstance(layer, str):
        layer = named_layer(model, layer)
    return partial(features_and_slope, model, layer)


@torch.no_grad()
def _at_pooled_head(
    model: PooledLinear, images: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Return features and slope `[B, C, h, w]` of a batch, without a backward pass."""
    check_targets(targets, len(images), model.head.out_features)
    features = pooled_features(model, images)
    return features, pooled_head_slope(features, model.head.weight, targets)
