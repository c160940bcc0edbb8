"""Relevance of the attention weights of a ViT (Chefer, Gur & Wolf 2021, CVPR).

The rules, section 3, are a backward pass of their own: each operation of the network is
done once more by a function whose "gradient" is relevance, handed from output to input.
They keep the sum: what arrives at the first block is what was put in at the class, but
for what is lost at units without a positive contribution.

The paper has no rule for norms, softmax and GELU; as in the authors' code (GitHub,
hila-chefer/Transformer-Explainability, 6b4f311), they hand on what they are given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.attribution import name_of
from helpers.explain.transformer import join_heads, part, split_heads

STABILISER = 1e-9  # added to denominators, with their sign
SAME = 1e-3  # of the largest logit: the steps must give the network's


@dataclass(frozen=True)
class Block:
    """The steps of one block: x + attention(norm(x)), then x + mlp(norm(x)).

    Attributes:
        norms: before attention and before the perceptron.
        qkv: weight `[3 C, C]` and bias `[3 C]` of queries, keys and values.
        heads: of attention.
        query_key: norms of queries and of keys; the identity in most networks.
        scale: of the products of queries and keys.
        outward: the linear layer after the heads, and what precedes it.
        mlp: linear layers and what bends between them, in order.
        scalings: of the two summands (LayerScale); the identity in most networks.
    """

    norms: tuple[nn.Module, nn.Module]
    qkv: tuple[Tensor, Tensor | None]
    heads: int
    query_key: tuple[nn.Module, nn.Module]
    scale: float
    outward: tuple[nn.Module, nn.Linear]
    mlp: tuple[nn.Module, ...]
    scalings: tuple[nn.Module, nn.Module]


@dataclass(frozen=True)
class Steps:
    """The steps of a ViT from its first block to its logits.

    Attributes:
        first: the module that is given the tokens `[B, T, C]`.
        blocks: in order.
        tail: norms, linear layers and activations on the way to the logits.
    """

    first: nn.Module
    blocks: tuple[Block, ...]
    tail: tuple[nn.Module, ...]


def steps_of(model: nn.Module) -> Steps:
    """Return the steps of torchvision's or timm's VisionTransformer.

    Raises:
        ValueError: for another network, or blocks of another build.
    """
    known = "CGW1 knows the steps of torchvision's and timm's VisionTransformer"
    try:
        return _steps(model)
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"{known}, not of {name_of(model)}") from None


def attention_relevance(
    steps: Steps, tokens: Tensor, targets: Tensor, logits: Tensor
) -> list[Tensor]:
    """Return the relevance R of each attention weight for the target, block by block.

    Relevance 1 is put in at the target's logit and handed down:

    - linear layers: R_j = sum_k z_jk^+ / sum_j' z_j'k^+ R_k, z_jk = x_j w_kj;
    - sums u + v: R_u = u R / (u + v) and R_v alike, then both scaled so that their sums
      over the tokens keep their absolute ratio and add up to that of R;
    - products u v: R_u = u * ((R / (u v)) v') and R_v alike, then so scaled, by 1/2.

    Shapes: tokens `[B, T, C]` as the first block is given them, targets `[B]`, logits
    `[B, K]` of the network -> a list of `[B, heads, T, T]`. Range: any sign, relevance.

    Raises:
        ValueError: if the steps do not give the network's logits.
    """
    kept: list[Tensor] = []
    x = tokens.detach().clone().requires_grad_()
    more = "the ViT does more than its blocks and head say"
    try:
        for block in steps.blocks:
            x = _through(block, x, kept)
        x = _chain(steps.tail, x[:, 0])
    except RuntimeError as error:  # of shapes: a gated perceptron, say
        raise ValueError(f"{more}: {str(error).splitlines()[0]}") from None
    if x.shape != logits.shape or (x - logits).abs().max() > SAME * logits.abs().max():
        raise ValueError(f"{more}: a hook, norms elsewhere?")
    start = torch.zeros_like(x).scatter(1, targets[:, None], 1.0)
    return list(torch.autograd.grad(x, kept, start))


def _through(block: Block, x: Tensor, kept: list[Tensor]) -> Tensor:
    """Return a block's output `[B, T, C]`, and keep its attention."""
    y = _same(block.norms[0], x)
    q, k, v = split_heads(_Linear.apply(y, *block.qkv), block.heads)
    q, k = _same(block.query_key[0], q), _same(block.query_key[1], k)
    products = _Product.apply(q, k.mT)
    weights = _Same.apply(products, (block.scale * products.detach()).softmax(-1))
    kept.append(weights)
    y = join_heads(_Product.apply(weights, v))
    x = _Sum.apply(x, _same(block.scalings[0], _chain(block.outward, y)))
    y = _chain(block.mlp, _same(block.norms[1], x))
    return _Sum.apply(x, _same(block.scalings[1], y))


def _chain(parts: Sequence[nn.Module], x: Tensor) -> Tensor:
    """Return what linear layers and other modules make of x, one after the other."""
    for one in parts:
        if isinstance(one, nn.Linear):
            x = _Linear.apply(x, one.weight, one.bias)
        else:
            x = _same(one, x)
    return x


def _same(module: nn.Module, x: Tensor) -> Tensor:
    """Return module(x), whose relevance is handed on as it is."""
    with torch.no_grad():
        y = module(x.detach().clone())
    if y.shape != x.shape:
        raise ValueError(f"relevance has no rule for {name_of(module)} in a ViT")
    return _Same.apply(x, y)


def _per(total: Tensor, part_of: Tensor) -> Tensor:
    """Return total / part_of, and 0 where that is 0."""
    return total / (part_of + STABILISER * part_of.sign()).where(
        part_of != 0, torch.inf
    )


class _Same(torch.autograd.Function):
    """y, with the relevance of y given to x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        return y.clone()

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        return given[0], None


class _Linear(torch.autograd.Function):
    """x W' + b: the positive contributions alone share; the bias has none."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        x, weight = ctx.saved_tensors
        above, below = x.clamp(min=0), x.clamp(max=0)
        up, down = weight.clamp(min=0), weight.clamp(max=0)
        share = _per(given[0], above @ up.mT + below @ down.mT)
        return above * (share @ up) + below * (share @ down), None, None


class _Product(torch.autograd.Function):
    """u v: each factor has half of the relevance."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, v: Tensor) -> Tensor:
        uv = u @ v
        ctx.save_for_backward(u, v, uv)
        return uv

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        u, v, uv = ctx.saved_tensors
        share = _per(given[0], uv)
        return u * (share @ v.mT) / 2, v * (u.mT @ share) / 2


class _Sum(torch.autograd.Function):
    """u + v: the sum of R is kept, picture by picture."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, v: Tensor) -> Tensor:
        ctx.save_for_backward(u, v)
        return u + v

    @staticmethod
    def backward(ctx: Any, *given: Any) -> Any:
        u, v = ctx.saved_tensors
        share = _per(given[0], u + v)
        of_u, of_v = u * share, v * share
        total, sum_u, sum_v = (
            one.flatten(1).sum(1)[:, None, None] for one in (given[0], of_u, of_v)
        )
        scale = _per(total, sum_u.abs() + sum_v.abs())
        return of_u * sum_u.sign() * scale, of_v * sum_v.sign() * scale


def _steps(model: Any) -> Steps:
    """Return the steps of a ViT; raises AttributeError and the like for others."""
    if isinstance(getattr(model, "encoder", None), nn.Module):  # torchvision
        layers = list(model.encoder.layers)
        tail = (model.encoder.ln, *model.heads)
    else:  # timm
        layers = list(model.blocks)
        tail = (model.norm, part(model, "fc_norm"), model.head)
    blocks = tuple(_block(layer) for layer in layers)
    return Steps(layers[0], blocks, tail)


def _block(layer: Any) -> Block:
    """Return the steps of a block of torchvision or timm."""
    torchvision = hasattr(layer, "self_attention")
    attention = layer.self_attention if torchvision else layer.attn
    ours = [one for one in layer.mlp.modules() if not list(one.children())]
    if sum(isinstance(one, nn.Linear) for one in ours) != 2:
        raise ValueError("a perceptron has two linear layers")
    if torchvision:
        weight, bias = attention.in_proj_weight, attention.in_proj_bias
        last = attention.out_proj
        norms = (layer.ln_1, layer.ln_2)
    else:
        weight, bias = attention.qkv.weight, attention.qkv.bias
        last = attention.proj
        norms = (layer.norm1, layer.norm2)
    width = last.in_features // attention.num_heads
    return Block(
        norms=norms,
        qkv=(weight, bias),
        heads=attention.num_heads,
        query_key=(part(attention, "q_norm"), part(attention, "k_norm")),
        scale=width**-0.5,
        outward=(part(attention, "norm"), last),
        mlp=tuple(ours),
        scalings=(part(layer, "ls1"), part(layer, "ls2")),
    )
