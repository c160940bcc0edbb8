"""CGW1 of CLIP's ViT: the steps of open_clip's tower and of a classifier of texts."""

from typing import Any

import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.attention import class_row
from helpers.explain.attribution import Model, by_parts, check_chunk, name_of
from helpers.explain.cam import check_images, check_targets, upsample
from helpers.explain.clip_tokens import image_tower
from helpers.explain.transformer import attentions, inputs, patch_grid
from helpers.explain.transformer_lrp import Block, Steps, attention_relevance
from helpers.explain.zero_shot import ZeroShot


class _Unit(nn.Module):
    """x / |x|, which as the norms of a ViT hands relevance on."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1)


def clip_steps(model: nn.Module) -> Steps:
    """Return the steps of a `ZeroShot` whose tower is open_clip's ViT.

    Its blocks, last norm and projection, then length 1 and the texts times the scale:
    two linear layers with a norm between them.

    Raises:
        ValueError: for another network, or blocks of another build.
    """
    known = "CGW1 of CLIP knows the steps of a ZeroShot of open_clip's ViT"
    if not isinstance(model, ZeroShot):
        raise ValueError(f"{known}, not of {name_of(model)}")
    tower: Any = image_tower(model)
    if not isinstance(tower, VisionTransformer) or tower.pool_type != "tok":
        raise ValueError(f"{known} with a class token, not of {name_of(tower)}")
    tail = (
        tower.ln_post,
        _linear(tower.proj.detach().T),
        _Unit(),
        _linear(model.scale * model.texts),
    )
    blocks = tuple(_block(one) for one in tower.transformer.resblocks)
    return Steps(tower.transformer, blocks, tail)


def clip_cgw1(
    model: nn.Module, images: Tensor, targets: Tensor, *, chunk: int = 16
) -> Tensor:
    """Return CGW1, relevance x gradient of attention, of a text in a picture.

    `helpers.explain.attention.cgw1` (Chefer, Gur & Wolf 2021, CVPR) with `clip_steps`.
    The authors' own method for CLIP is that of ICCV 2021: `attention.cgw2`, which takes
    a `ZeroShot` as it is.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient; bilinear
    from the grid of patches.
    Range: [0, inf), in logits times relevance; only its shape has a meaning.

    Args:
        model: a `ZeroShot` of open_clip's ViT.
        images: pictures as the tower takes them, normalised.
        targets: the text to explain, per picture, in 0..K-1.
        chunk: pictures a forward pass.

    Raises:
        ValueError: images or targets of the wrong shape, dtype or range; another
            network; hooks that change the logits; a map that is not finite.
    """
    check_images(images)
    check_targets(targets, len(images))
    check_chunk(chunk)
    steps = clip_steps(model)
    rows, columns = patch_grid(model, images)

    def part(logits: Model, pictures: Tensor, wanted: Tensor) -> Tensor:
        with attentions(model) as seen, inputs(steps.first) as tokens:
            found = logits(pictures)
            score = found.gather(1, wanted[:, None]).sum()
            slopes = torch.autograd.grad(score, list(seen))
        shares = attention_relevance(steps, tokens[0], wanted, found.detach())
        matrices = []
        for slope, share in zip(slopes, shares, strict=True):
            mixed = (slope * share).detach().relu().mean(1)
            matrices.append(mixed + torch.eye(mixed.shape[-1]).to(mixed))
        row = class_row(matrices)[:, -rows * columns :]
        return row.unflatten(1, (1, rows, columns))

    coarse = by_parts(part, model, images, targets, chunk)
    return upsample(coarse, (images.shape[2], images.shape[3]))


def _block(layer: Any) -> Block:
    """Return the steps of a block of open_clip."""
    attention = layer.attn
    if not isinstance(attention, nn.MultiheadAttention):
        raise ValueError(f"CGW1 does not know {name_of(attention)}")
    width = attention.embed_dim // attention.num_heads
    return Block(
        norms=(layer.ln_1, layer.ln_2),
        qkv=(attention.in_proj_weight, attention.in_proj_bias),
        heads=attention.num_heads,
        query_key=(nn.Identity(), nn.Identity()),
        scale=width**-0.5,
        outward=(nn.Identity(), attention.out_proj),
        mlp=tuple(layer.mlp),
        scalings=(layer.ls_1, layer.ls_2),
    )


def _linear(weight: Tensor) -> nn.Linear:
    """Return x W' as a layer without bias, W `[out, in]`."""
    layer = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight.detach(), False)
    return layer
