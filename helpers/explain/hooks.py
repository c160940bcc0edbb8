"""Look inside a network without leaving a trace: outputs, mode, layers by name.

Whatever is switched on here is switched off again when the `with` block ends, also by
an exception.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

LISTED = 60  # names that an error message lists at most
POOLING = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


@contextmanager
def outputs(*layers: nn.Module) -> Iterator[list[Tensor]]:
    """Yield a list that each forward pass extends by the output of each layer, as run.

    The network goes on with a copy, so that an in-place successor, as
    `ReLU(inplace=True)`, overwrites the copy and not what is kept. What is kept stays
    in the autograd graph.

    Raises:
        TypeError: in the forward pass, if a layer's output is no tensor.
    """
    kept: list[Tensor] = []

    def keep(layer: nn.Module, _inputs: object, output: object) -> Tensor:
        if not isinstance(output, Tensor):
            what = f"{type(layer).__name__} gives a {type(output).__name__}"
            raise TypeError(f"{what}, no tensor: name a layer inside or after it")
        kept.append(output)
        return output.clone()

    handles = []
    try:
        for layer in layers:
            handles.append(layer.register_forward_hook(keep))
        yield kept
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def evaluating(model: Callable[..., Any]) -> Iterator[None]:
    """Run the block in evaluation mode; each module then gets its own flag back.

    A network may be found in mixed mode (frozen batch norms), which `model.train()`
    afterwards would destroy. A plain function has no mode and is left alone.
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    found = [module.training for module in modules]
    try:
        for module in modules:
            if module.training:
                module.train(False)
        yield
    finally:
        for module, training in zip(modules, found, strict=True):
            if module.training != training:
                module.training = training


def named_layer(model: nn.Module, name: str) -> nn.Module:
    """Return the module that `model.named_modules()` calls `name`, such as "layer4.1".

    Raises:
        ValueError: if there is none; the message lists the names that exist.
    """
    layers = dict(model.named_modules())
    if not name or name not in layers:
        raise ValueError(f"no layer {name!r} in {_described(model)}")
    return layers[name]


def feature_map_layer(model: nn.Module, images: Tensor) -> nn.Module:
    """Return the last module that gives a feature map `[B, C, h, w]` of over one cell.

    Found by one forward pass of the first of `images [B, 3, H, W]`, in evaluation mode.
    Adaptive pooling belongs to the head. A map that is followed by tokens `[B, N, C]`
    is a patch embedding or an attention matrix, not the last feature map.

    Raises:
        ValueError: if there is no such module; the message lists the layers to name.
    """
    seen: list[tuple[nn.Module, torch.Size]] = []

    def see(layer: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and not isinstance(layer, POOLING):
            seen.append((layer, output.shape))

    handles = []
    try:
        for layer in model.modules():
            if layer is not model:
                handles.append(layer.register_forward_hook(see))
        with torch.no_grad(), evaluating(model):
            model(images[:1].clone())
    finally:
        for handle in handles:
            handle.remove()
    for layer, shape in reversed(seen):
        if len(shape) == 3 and shape[1] > 1:  # tokens
            break
        if len(shape) == 4 and shape[0] == 1 and shape[2] * shape[3] > 1:
            return layer
    raise ValueError(f"no last feature map [B, C, h, w] in {_described(model)}")


def _described(model: nn.Module) -> str:
    """Name a network and its layers, outer ones first, in one line."""
    names = [name for name, _ in model.named_modules() if name]
    names.sort(key=lambda name: name.count("."))
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{type(model).__name__}; its layers: {', '.join(names[:LISTED])}{more}"
