"""Tokens of CLIP's image towers: what is said of each place, in the common space.

A tower says something of the whole picture. What it would say of a place is a matter of
definition; a `Reading` is one. It reads open_clip's `VisionTransformer`, of a class
token, the mean or the maximum of its tokens, and its `ModifiedResNet` with an attention
pool.

Axes: B pictures, h and w rows and columns of places, N = h w, W numbers a token before
the projection, E in the common space.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

import torch
from open_clip.modified_resnet import AttentionPool2d, ModifiedResNet
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.attribution import check_chunk, name_of
from helpers.explain.cam import check_images
from helpers.explain.hooks import evaluating, outputs
from helpers.explain.transformer import attentions, inputs, join_heads, patch_grid

Reading = Literal["token", "value", "v-v"]
READINGS = ("token", "value", "v-v")
SAME = 1e-3  # of the largest value: the tokens must give the tower's own output


# The token of the whole picture, of tokens `[B, 1 + N, W]`, by a ViT's pooling; "max"
# is none of open_clip's own.
WHOLE: dict[str, Callable[[Tensor], Tensor]] = {
    "tok": lambda tokens: tokens[:, 0],
    "avg": lambda tokens: tokens[:, 1:].mean(1),
    "max": lambda tokens: tokens[:, 1:].amax(1),
}


@dataclass(frozen=True, eq=False)
class Projection:
    """The linear map x P + b into the common space.

    Attributes:
        weight: P, `[W, E]`.
        bias: b, `[E]`, or None for none.
    """

    weight: Tensor
    bias: Tensor | None = None

    def __call__(self, tokens: Tensor) -> Tensor:
        """Map tokens `[..., W]` to `[..., E]`."""
        projected = tokens @ self.weight
        return projected if self.bias is None else projected + self.bias


@dataclass(frozen=True, eq=False)
class Tokens:
    """Tokens of pictures before the projection.

    Attributes:
        places: a token a place, `[B, h, w, W]`.
        whole: of the whole picture, whose projection is the tower's output, `[B, W]`.
        attention: `class_attention`, where the reading has it anyway: of a ResNet.
    """

    places: Tensor
    whole: Tensor
    attention: Tensor | None = None


def image_tower(model: nn.Module) -> nn.Module:
    """Return the image tower of a CLIP, or the tower itself.

    Raises:
        ValueError: for a tower that is neither of open_clip's two, or pools otherwise
            than by its class token, the mean or maximum of its tokens, or its
            attention pool.
    """
    tower = getattr(model, "visual", model)
    known = "tokens are read of open_clip's VisionTransformer and ModifiedResNet"
    if isinstance(tower, ModifiedResNet) and isinstance(
        tower.attnpool, AttentionPool2d
    ):
        return tower
    if not isinstance(tower, VisionTransformer):
        raise ValueError(f"{known}, not of {name_of(tower)}")
    plain = tower.attn_pool is None and isinstance(tower.patch_dropout, nn.Identity)
    plain &= tower.pool_type == "tok" or not tower.final_ln_after_pool
    if not plain or tower.proj is None or tower.pool_type not in WHOLE:
        raise ValueError(
            f"{known}, not of one with attentional pooling, dropped patches, a norm "
            "after pooling, or no projection"
        )
    return tower


def own_projection(model: nn.Module) -> Projection:
    """Return the projection of a CLIP's image tower, without gradient.

    That of a ViT is `proj`; of a ResNet it is `c_proj` of the attention pool.

    Raises:
        ValueError: as `image_tower`.
    """
    tower: Any = image_tower(model)
    if isinstance(tower, VisionTransformer):
        return Projection(tower.proj.detach())
    out = tower.attnpool.c_proj
    return Projection(out.weight.detach().T, out.bias.detach())


@torch.no_grad()
def image_tokens(
    model: nn.Module,
    images: Tensor,
    reading: Reading = "token",
    *,
    blocks: int = 6,
    chunk: int = 64,
) -> Tokens:
    """Return a token a place, and that of the whole picture, before the projection.

    "token": the last step of the tower, asked at each place as it is asked for the
    picture. Of a ViT these are its tokens after the last norm; of a ResNet the
    attention pool with every place as query. "value": of a ResNet, the values of the
    attention pool, not mixed (MaskCLIP, Zhou et al. 2022). "v-v": what CLIP Surgery
    (Li et al. 2023, arXiv 2304.05653) reads, attention in which a place asks by its
    value:

        VV(x) = out(softmax(v v' / sqrt(d)) v), v = V x.

    Of a ResNet that is its pool; of a ViT a second path beside the last `blocks` (all
    of fewer), which takes no perceptron and leaves the first path as it is:
    y = x_first + sum_l VV(norm_l(x_l)), x_l the tokens that block l is given.

    In each the token of the whole picture is the tower's own; the published code of
    Surgery (xmed-lab/CLIP_Surgery, d4696d4) takes that of a ResNet by v-v too.

    Shapes: images `[B, 3, H, W]` -> `[B, h, w, W]` and `[B, W]`, no gradient.

    Args:
        model: a CLIP of open_clip, its image tower, or what has one as `visual`.
        images: pictures as the tower takes them, normalised.
        reading: what a token is.
        blocks: of the second path.
        chunk: pictures a forward pass.

    Raises:
        ValueError: as `image_tower`; pictures of another size; an unknown reading, or
            one that the tower has not; tokens that do not give the tower's output.
    """
    tower: Any = image_tower(model)
    check_images(images)
    check_chunk(chunk)
    check_reading(tower, reading, blocks)
    _check_size(tower, images)
    read = _vit if isinstance(tower, VisionTransformer) else _resnet
    with evaluating(tower):
        parts = [read(tower, part, reading, blocks) for part in images.split(chunk)]
    seen = [part.attention for part in parts if part.attention is not None]
    return Tokens(
        torch.cat([part.places for part in parts]),
        torch.cat([part.whole for part in parts]),
        torch.cat(seen) if seen else None,
    )


@torch.no_grad()
def class_attention(model: nn.Module, images: Tensor, *, chunk: int = 64) -> Tensor:
    """Return how much the token of the whole picture attends to each place.

    The class token's row of the last block's attention, mean over the heads; of a CLIP
    ResNet the row of the attention pool by which the mean asks. Valid for ViTs that
    read a class token, CLIP's and others, and for CLIP's ResNets.

    Shapes: images `[B, 3, H, W]` -> `[B, h, w]`, no gradient. Range: [0, 1]; a map sums
    to at most 1, what is missing is attention to the whole.

    Raises:
        ValueError: a network without class token; pictures of another size.
    """
    check_images(images)
    check_chunk(chunk)
    tower = getattr(model, "visual", model)
    if isinstance(tower, ModifiedResNet):
        _check_size(image_tower(tower), images)
        with evaluating(tower):
            parts = [_asking(tower, part) for part in images.split(chunk)]
        return torch.cat(parts)
    rows, columns = patch_grid(tower, images)
    found = []
    with evaluating(tower):
        for part in images.split(chunk):
            with attentions(tower) as seen:
                tower(part.clone())
            found.append(seen[-1].mean(1)[:, 0, -rows * columns :])
    return torch.cat(found).unflatten(1, (rows, columns))


def value_attention(values: Tensor, heads: int) -> Tensor:
    """Return softmax(v v' / sqrt(d)) v, head by head: `[B, T, C]` -> the same.

    CLIP Surgery (Li et al. 2023, arXiv 2304.05653), d = C / heads.
    """
    v = values.unflatten(2, (heads, -1)).transpose(1, 2)  # [B, heads, T, d]
    weights = (v @ v.mT * v.shape[-1] ** -0.5).softmax(-1)
    return join_heads(weights @ v)


def check_reading(tower: nn.Module, reading: Reading, blocks: int) -> None:
    """Raise a ValueError for a reading that a tower has not, or no block."""
    if reading not in READINGS:
        raise ValueError(f"reading must be one of {READINGS}, got {reading!r}")
    if blocks < 1:
        raise ValueError(f"blocks must be at least 1, got {blocks}")
    if reading == "value" and not isinstance(tower, ModifiedResNet):
        raise ValueError("reading 'value' is of CLIP's ResNets: take 'token' or 'v-v'")


def _vit(tower: Any, images: Tensor, reading: Reading, blocks: int) -> Tokens:
    """Return the tokens of a ViT, the whole first: after the last norm."""
    steps = tower.transformer
    chosen = list(steps.resblocks)[-blocks:] if reading == "v-v" else []
    with ExitStack() as stack:
        given = [stack.enter_context(inputs(one)) for one in chosen]
        kept = stack.enter_context(outputs(steps))
        output = tower(images.clone())
    tokens = tower.ln_post(kept[0])  # [B, 1 + N, W]
    whole = WHOLE[tower.pool_type](tokens)
    _check_whole(tower, whole, output)
    if chosen:
        first = [one[0] for one in given]
        if not steps.batch_first:
            first = [one.transpose(0, 1) for one in first]
        second = first[0]
        for block, x in zip(chosen, first, strict=True):
            second = second + _second_path(block, x)
        tokens = tower.ln_post(second)
    return Tokens(tokens[:, 1:].unflatten(1, tuple(tower.grid_size)), whole)


def _second_path(block: Any, x: Tensor) -> Tensor:
    """Return VV(norm(x)) of a block, `[B, T, C]`."""
    attention = block.attn
    if not isinstance(attention, nn.MultiheadAttention):
        raise ValueError(f"reading 'v-v' does not know {name_of(attention)}")
    width = attention.embed_dim
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    if weight is None:
        raise ValueError("reading 'v-v' needs keys as wide as queries")
    last = None if bias is None else bias[2 * width :]
    values = F.linear(block.ln_1(x), weight[2 * width :], last)
    mixed = value_attention(values, attention.num_heads)
    return block.ls_1(attention.out_proj(mixed))


def _resnet(tower: Any, images: Tensor, reading: Reading, _: int) -> Tokens:
    """Return what the attention pool mixes at each place, before `c_proj`."""
    x, grid, output = _pooled(tower, images)
    pool = tower.attnpool
    values, weights = pool.v_proj(x), _weights(pool, x)
    tokens = whole = join_heads(weights @ _split(pool, values))
    _check_whole(tower, whole[:, 0], output)
    if reading == "value":
        tokens = values
    elif reading == "v-v":
        tokens = value_attention(values, pool.num_heads)
    row = weights.mean(1)[:, 0, 1:].unflatten(1, grid)
    return Tokens(tokens[:, 1:].unflatten(1, grid), whole[:, 0], row)


def _asking(tower: Any, images: Tensor) -> Tensor:
    """Return the first row of the pool's attention, `[B, h, w]`."""
    x, grid, _ = _pooled(tower, images)
    row = _weights(tower.attnpool, x).mean(1)[:, 0, 1:]
    return row.unflatten(1, grid)


def _pooled(tower: Any, images: Tensor) -> tuple[Tensor, tuple[int, int], Tensor]:
    """Return the pool's tokens `[B, 1 + N, C]`, their grid and the tower's output."""
    with outputs(tower.layer4) as kept:
        output = tower(images.clone())
    cells = kept[0]
    x = cells.flatten(2).mT
    x = torch.cat([x.mean(1, keepdim=True), x], 1)
    x = x + tower.attnpool.positional_embedding.to(x.dtype)
    return x, (cells.shape[2], cells.shape[3]), output


def _weights(pool: Any, x: Tensor) -> Tensor:
    """Return the attention of the pool, `[B, heads, 1 + N, 1 + N]`."""
    q, k = _split(pool, pool.q_proj(x)), _split(pool, pool.k_proj(x))
    return (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1)


def _split(pool: Any, x: Tensor) -> Tensor:
    return x.unflatten(2, (pool.num_heads, -1)).transpose(1, 2)


def _check_size(tower: Any, images: Tensor) -> None:
    """Raise a ValueError for pictures of another size than the tower's positions."""
    size = tower.image_size
    wanted = (size, size) if isinstance(size, int) else tuple(size)
    if tuple(images.shape[2:]) != wanted:
        got = " x ".join(map(str, images.shape[2:]))
        raise ValueError(
            f"the tower takes pictures of {wanted[0]} x {wanted[1]}, got {got}: resize"
        )


def _check_whole(tower: nn.Module, whole: Tensor, output: Any) -> None:
    """Raise a ValueError unless the whole's projection is the tower's output."""
    found = output[0] if isinstance(output, tuple) else output
    made = own_projection(tower)(whole)
    if (made - found).abs().max() > SAME * found.abs().max():
        raise ValueError(
            f"{name_of(tower)} does more than its last norm and projection: a hook?"
        )
