"""Look inside a Vision Transformer (Dosovitskiy et al. 2021): attention, tokens, grid.

Fused attention returns no weights. A hook at each attention layer computes them once
more from the layer's input, explicitly, checks that they give the layer's own output,
and lets the network go on with what they give, so that gradients reach them. It reads
`nn.MultiheadAttention` (torchvision, open_clip) and layers with `qkv`, `proj` and
`num_heads` (timm). Hooks go when the `with` block ends, also by an exception.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.attribution import checked_logits, name_of
from helpers.explain.hooks import evaluating

SAME = 1e-3  # of the largest value: the weights must give the layer's output
REGISTERS = 16  # tokens before the patches, at most: the class token among them

Grid = tuple[int, int]  # rows and columns of patches


@contextmanager
def attentions(model: nn.Module) -> Iterator[list[Tensor]]:
    """Yield a list that each forward pass extends by each block's attention A.

    A = softmax(q k' / sqrt(d)), of the block's heads (Vaswani et al. 2017, eq. 1), in
    the order of the blocks: `[B, heads, T, T]`, rows asking, columns answering, each
    row summing to 1. They stay in the autograd graph.

    Raises:
        ValueError: if the model has no such layer; in the forward pass, at a layer that
            does more than this, by name: a bias, a mask, windows, dropout.
    """
    layers = attention_layers(model)
    seen: list[Tensor] = []

    def see(layer: Any, args: Any, kwargs: Any, output: Any) -> Any:
        tokens: Tensor = _given(args, kwargs)
        found = output[0] if isinstance(output, tuple) else output
        by_hand = _by_name if hasattr(layer, "qkv") else _multi_head
        what = f"{name_of(layer)} does more than softmax(q k' / sqrt(d)) v"
        if tokens.ndim != 3:
            raise ValueError(f"{what}: it takes {list(tokens.shape)}, no [B, T, C]")
        weights, mixed = by_hand(layer, tokens)
        if mixed.shape != found.shape:
            raise ValueError(f"{what}: it gives {list(found.shape)}")
        gap, top = (mixed - found).abs().max(), found.abs().max()
        if gap > max(SAME, 4 * torch.finfo(found.dtype).eps) * top:
            raise ValueError(f"{what}: a bias, a mask, windows or dropout")
        seen.append(weights)
        return (mixed, *output[1:]) if isinstance(output, tuple) else mixed

    handles = []
    try:
        for layer in layers:
            handles.append(layer.register_forward_hook(see, with_kwargs=True))
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def inputs(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Yield a list that each forward pass extends by what the layer is given first.

    At the last layer of attention these are the tokens `[B, T, C]` of the last block
    after its first norm.
    """
    kept: list[Tensor] = []

    def keep(_: nn.Module, args: Any, kwargs: Any) -> None:
        kept.append(_given(args, kwargs))

    handle = layer.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        yield kept
    finally:
        handle.remove()


def attention_layers(model: Callable[..., Any]) -> list[nn.Module]:
    """Return the attention layers of a network, in its own order.

    Raises:
        ValueError: if it has none, as a convolutional network.
    """
    parts = model.modules() if isinstance(model, nn.Module) else ()
    layers = [part for part in parts if _attends(part)]
    if not layers:
        raise ValueError(f"{name_of(model)} has no attention: this is of ViTs")
    return layers


def patch_grid(model: nn.Module, images: Tensor) -> Grid:
    """Return the rows and columns of patches of a ViT that reads its class token.

    Found by one pass of the first of `images [B, 3, H, W]`, forward and back: the last
    convolution before the first attention makes the patches; they come last among the
    tokens, the class token first; and the logits have no gradient at what other tokens
    attend to in the last block.

    Raises:
        ValueError: if the model has no attention, patches or class token, pools its
            tokens otherwise, or takes no pictures of this size.
    """
    name, layers = name_of(model), attention_layers(model)
    grids: list[Grid] = []
    attended: list[nn.Module] = []

    def note(_: nn.Module, _given: Any, output: Tensor) -> None:
        if not attended:
            grids.append((output.shape[-2], output.shape[-1]))

    def stop(layer: nn.Module, _given: Any) -> None:
        attended.append(layer)

    handles = [layer.register_forward_pre_hook(stop) for layer in layers]
    try:
        for one in model.modules():
            if isinstance(one, nn.Conv2d):
                handles.append(one.register_forward_hook(note))
        slope = _slope_at_last(model, images)
    finally:
        for handle in handles:
            handle.remove()
    tokens = slope.shape[-1]
    if not grids:
        raise ValueError(f"{name} makes no patches by a convolution")
    rows, columns = grids[-1]
    if not 1 <= tokens - rows * columns <= REGISTERS:
        what = f"{tokens} tokens for {rows} x {columns} patches"
        raise ValueError(f"{name} has no class token before its patches: {what}")
    if slope[..., 1:, :].any():
        raise ValueError(f"{name} reads more than its class token: it has no one row")
    return rows, columns


def _slope_at_last(model: nn.Module, images: Tensor) -> Tensor:
    """Return d (weighted sum of the logits) / d A of the last block, `[1, h, T, T]`."""
    height, width = images.shape[2:]
    try:
        with (
            evaluating(model),
            torch.inference_mode(False),
            torch.enable_grad(),
            attentions(model) as seen,
        ):
            probe = images[:1].detach().clone().requires_grad_()
            some = torch.zeros(1, dtype=torch.long, device=images.device)
            logits = checked_logits(model, probe, some)
            if not logits.requires_grad:
                raise ValueError(f"the logits of {name_of(model)} have no gradient")
            ramp = torch.linspace(1, 2, logits.shape[1]).to(logits)  # none cancels
            (slope,) = torch.autograd.grad((logits[0] * ramp).sum(), list(seen[-1:]))
    except AssertionError as error:  # torchvision and timm assert the size
        what = f"takes no pictures of {height} x {width}"
        raise ValueError(f"{name_of(model)} {what}: {error}") from None
    return slope


def _attends(part: object) -> bool:
    """Say whether a module is a layer of attention of a kind that can be read."""
    if isinstance(part, nn.MultiheadAttention):
        return True
    linear = isinstance(getattr(part, "qkv", None), nn.Linear)
    return linear and hasattr(part, "proj") and hasattr(part, "num_heads")


def _given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the first thing that a layer is called with."""
    return args[0] if args else next(iter(kwargs.values()))


def _multi_head(layer: nn.MultiheadAttention, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return A and the output of `nn.MultiheadAttention` asked by and of itself."""
    x = tokens if layer.batch_first else tokens.transpose(0, 1)  # [B, T, C]
    if layer.in_proj_weight is None:
        raise ValueError(f"{name_of(layer)} has keys of another width than queries")
    parts = F.linear(x, layer.in_proj_weight, layer.in_proj_bias)
    q, k, v = split_heads(parts, layer.num_heads)
    weights, mixed = _mixed(q, k, v, q.shape[-1] ** -0.5)
    output = layer.out_proj(mixed)
    return weights, output if layer.batch_first else output.transpose(0, 1)


def _by_name(layer: Any, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return A and the output of a layer with `qkv` and `proj`, as timm's."""
    q, k, v = split_heads(layer.qkv(tokens), layer.num_heads)
    q, k = part(layer, "q_norm")(q), part(layer, "k_norm")(k)
    weights, mixed = _mixed(q, k, v, getattr(layer, "scale", q.shape[-1] ** -0.5))
    return weights, layer.proj(part(layer, "norm")(mixed))


def _mixed(q: Tensor, k: Tensor, v: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Return A `[B, heads, T, T]` and A v with the heads side by side, `[B, T, C]`."""
    weights = (scale * q @ k.mT).softmax(-1)
    return weights, join_heads(weights @ v)


def split_heads(parts: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return q, k and v `[B, heads, T, d]` of them side by side, `[B, T, 3 C]`."""
    batch, tokens, _ = parts.shape
    split = parts.reshape(batch, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)
    return split[0], split[1], split[2]


def join_heads(parts: Tensor) -> Tensor:
    """Return the heads side by side, `[B, heads, T, d]` -> `[B, T, heads d]`."""
    return parts.transpose(1, 2).flatten(2)


def part(layer: nn.Module, name: str) -> nn.Module:
    """Return a layer's module of that name; the identity where it has none."""
    found = getattr(layer, name, None)
    return found if isinstance(found, nn.Module) else nn.Identity()
