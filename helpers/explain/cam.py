"""Grad-CAM (Selvaraju et al. 2017), in closed form where the head is pooled and linear.

`grad_cam` gives maps in the size of the picture, `coarse_grad_cam` in the cells of the
layer. The model is left as it was found: mode, hooks, gradients, running statistics.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.hooks import evaluating, feature_map_layer, named_layer, outputs

SMALLEST, SMALL = 4, 7  # cells a side: fewer are refused, fewer are warned of
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class CoarseMapWarning(UserWarning):
    """A map of under 7 x 7 cells: its size limits localisation more than the model."""


class PooledLinear(Protocol):
    """A network whose logits are `head(features(images).mean((2, 3)))`."""

    @property
    def head(self) -> nn.Linear:
        """The linear classifier on the pooled features, C -> K."""
        ...

    def features(self, images: Tensor) -> Tensor:
        """Return the last feature maps, `[B, 3, H, W]` -> `[B, C, h, w]`."""
        ...

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits, `[B, 3, H, W]` -> `[B, K]`."""
        ...


def is_pooled_linear(model: object) -> TypeGuard[PooledLinear]:
    """Say whether a network has a method `features` and a linear `head`.

    A *module* called `features`, as in torchvision's VGG and Swin, promises nothing
    about what lies between it and the head.
    """
    features = getattr(model, "features", None)
    is_method = callable(features) and not isinstance(features, nn.Module)
    return is_method and isinstance(getattr(model, "head", None), nn.Linear)


def grad_cam(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    layer: nn.Module | str | None = None,
    *,
    chunk: int = 64,
) -> Tensor:
    """Return Grad-CAM maps in the size of the picture.

    `coarse_grad_cam`, then bilinear interpolation (align_corners=False).

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient.
    Range: [0, inf), in logits; a picture without positive evidence has a zero map.

    Args:
        model: a classifier, images -> logits `[B, K]`.
        images: pictures as the model takes them, normalised.
        targets: the class to explain, per picture, in 0..K-1.
        layer: a module of the model or its name ("layer4.1"); None takes the pooled
            linear head in closed form or else the last feature map.
        chunk: pictures a forward pass.

    Raises:
        ValueError: as `coarse_grad_cam`.
    """
    coarse = coarse_grad_cam(model, images, targets, layer, chunk=chunk)  # [B, h, w]
    return upsample(coarse, (images.shape[2], images.shape[3]))


def coarse_grad_cam(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    layer: nn.Module | str | None = None,
    *,
    chunk: int = 64,
) -> Tensor:
    """Return Grad-CAM maps in the cells of the layer: relu(sum_k alpha_k f_k).

    alpha_k is the mean over the cells of d logit_c / d f_k (Selvaraju et al. 2017, eq.
    1 and 2). At a pooled linear head that is W_ck / (h w) exactly: no backward pass.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, h, w]`, no gradient.
    Range: [0, inf), in logits: before the relu, the cells of a pooled linear head sum
    to the logit less its bias.

    Raises:
        ValueError: images or targets of the wrong shape, dtype or range; no such layer;
            a layer without map or without influence; a map under 4 x 4 cells; a map
            that is not finite; `features` and `head` that do not make the logits.

    Warns:
        CoarseMapWarning: once a call, if the map is under 7 x 7 cells.
    """
    check_images(images)
    check_targets(targets, len(images))
    targets = targets.to(images.device, torch.long)
    maps: list[Tensor] = []
    with evaluating(model):
        form = _form(model, images, layer)
        for part, wanted in zip(images.split(chunk), targets.split(chunk), strict=True):
            maps.append(form(part, wanted))
            if len(maps) == 1:
                check_resolution(maps[0])
    coarse = torch.cat(maps)
    broken = (~coarse.isfinite()).flatten(1).any(1).nonzero().flatten().tolist()
    if broken:
        raise ValueError(f"the map of picture {broken[0]} is not finite (NaN or inf)")
    return coarse


def pooled_head_cam(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Return Grad-CAM at a pooled linear head: relu(sum_k W_ck f_k) / (h w).

    Equal to CAM (Zhou et al. 2016, eq. 2) up to relu and 1 / (h w). Differentiable in
    features and weight.

    Shapes: features `[B, C, h, w]`, weight `[K, C]`, targets `[B]` -> `[B, h, w]`.
    Range: [0, inf), in logits.
    """
    cells = features.shape[2] * features.shape[3]
    return weighted_map(features, weight[targets] / cells)


def weighted_map(features: Tensor, weights: Tensor) -> Tensor:
    """Return relu(sum_k w_k f_k) (Selvaraju et al. 2017, eq. 2).

    Shapes: features `[B, C, h, w]`, weights `[B, C]` -> `[B, h, w]`. Range: [0, inf).
    """
    return torch.einsum("bc,bchw->bhw", weights, features).relu()


def upsample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Interpolate maps `[B, h, w]` to `[B, H, W]`: bilinear, align_corners=False."""
    last = maps[None].contiguous(memory_format=torch.channels_last)  # vectorised
    wide = F.interpolate(last, size, mode="bilinear", align_corners=False)
    return wide[0].contiguous()


def normalise(maps: Tensor) -> Tensor:
    """Divide each map `[B, H, W]` by its maximum: range [0, 1]; a zero map stays zero.

    Raises:
        ValueError: if a value is negative or not finite.
    """
    if not (maps.isfinite() & (maps >= 0)).all():
        raise ValueError("maps must be finite and non-negative to be normalised")
    top = maps.amax((1, 2), keepdim=True)
    return maps / torch.where(top > 0, top, torch.ones_like(top))


def check_images(images: Tensor) -> None:
    """Raise a ValueError unless images are `[B, C, H, W]` numbers with B >= 1."""
    if not isinstance(images, Tensor):
        what = type(images).__name__
        raise ValueError(f"images must be a tensor [B, C, H, W], got {what}")
    if images.ndim != 4 or not images.is_floating_point() or not len(images):
        what = f"{images.dtype} of shape {list(images.shape)}"
        raise ValueError(f"images must be floating-point [B, C, H, W], got {what}")


def check_targets(targets: Tensor, pictures: int, classes: int | None = None) -> None:
    """Raise a ValueError unless targets are `[B]` integers in 0..classes-1."""
    if not isinstance(targets, Tensor):
        what = type(targets).__name__
        raise ValueError(f"targets must be a tensor of {pictures} integers, got {what}")
    if targets.shape != (pictures,) or targets.dtype not in INTEGERS:
        what = f"{targets.dtype} of shape {list(targets.shape)}"
        raise ValueError(f"targets must be integers of shape [{pictures}], got {what}")
    if classes is None:
        return
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high >= classes:
        wanted = f"targets must lie in 0..{classes - 1}"
        raise ValueError(f"{wanted}, got values from {low} to {high}")


def _form(
    model: nn.Module, images: Tensor, layer: nn.Module | str | None
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function (images, targets) -> `[B, h, w]` that suits the model."""
    if layer is None and is_pooled_linear(model):
        return partial(_closed_form, model)
    if layer is None:
        layer = feature_map_layer(model, images)
    elif isinstance(layer, str):
        layer = named_layer(model, layer)
    return partial(_by_gradient, model, layer)


@torch.no_grad()
def pooled_features(model: PooledLinear, images: Tensor) -> Tensor:
    """Return `model.features(images)`, `[B, 3, H, W]` -> `[B, C, h, w]`, no gradient.

    The first picture goes through the whole network: it tells whether `features` and
    `head` make the logits, and whether the network writes on its input; one that does
    is given a copy.

    Raises:
        ValueError: if head(features(images).mean((2, 3))) is not model(images).
    """
    with torch.inference_mode(False), torch.no_grad():
        one = images[:1].clone()
        given = model(one)
    features = model.features(images if one._version == 0 else images.clone())
    promised = model.head(features[:1].mean((2, 3)))
    if (promised - given).abs().max() > 1e-2 * given.abs().max():
        wrong = "head(features(images).mean((2, 3))) is not model(images)"
        raise ValueError(f"{wrong} in {type(model).__name__}: name a layer")
    return features


@torch.no_grad()
def _closed_form(model: PooledLinear, images: Tensor, targets: Tensor) -> Tensor:
    """Return `pooled_head_cam` of a batch, `[B, h, w]`."""
    check_targets(targets, len(images), model.head.out_features)
    features = pooled_features(model, images)
    return pooled_head_cam(features, model.head.weight, targets)


def _by_gradient(
    model: nn.Module, layer: nn.Module, images: Tensor, targets: Tensor
) -> Tensor:
    """Return the map `[B, h, w]` of a batch at any layer."""
    features, slope = features_and_slope(model, layer, images, targets)
    return weighted_map(features, slope.mean((2, 3)))


def features_and_slope(
    model: nn.Module, layer: nn.Module, images: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the output F of a layer and d y_c / d F, by `torch.autograd.grad`.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> twice `[B, C, h, w]`, no gradient.
    The model's mode is the caller's affair.

    Raises:
        ValueError: if the layer gives no one map, or the logits do not depend on it.
    """
    name = type(layer).__name__
    with torch.inference_mode(False), torch.enable_grad(), outputs(layer) as kept:
        probe = images.detach().clone().requires_grad_()  # a graph if all is frozen
        logits = model(probe.clone())  # [B, K]; the model may overwrite the copy
        if len(kept) != 1 or kept[0].ndim != 4:
            got = [list(output.shape) for output in kept]
            raise ValueError(f"layer {name} must give one [B, C, h, w], gave {got}")
        check_targets(targets, len(images), logits.shape[1])
        score = logits.gather(1, targets[:, None]).sum()
        slope = None
        if score.requires_grad and kept[0].requires_grad:
            (slope,) = torch.autograd.grad(score, kept, allow_unused=True)
        if slope is None:
            raise ValueError(f"the logits have no gradient at layer {name}")
        return kept[0].detach(), slope


def check_resolution(maps: Tensor) -> None:
    """Refuse maps `[B, h, w]` under 4 x 4 cells, warn of those under 7 x 7."""
    height, width = maps.shape[1:]
    if min(height, width) < SMALLEST:
        why = "too coarse to say where: larger pictures, or layer= of an earlier one"
        raise ValueError(f"a map of {height} x {width} cells is {why}")
    if min(height, width) < SMALL:
        text = f"a map of {height} x {width} cells localises coarsely"
        warnings.warn(text, CoarseMapWarning, stacklevel=3)
