"""Text features of prompts with learnable context, of a fraction of the tokens.

A prompt is padded to the tower's length L, but attention is causal: the feature of a
token depends on its prefix alone. So nothing behind the end token is needed, and
prompts that begin alike share the features of their beginning. `shared_features` runs
every distinct prefix once, as a node of a trie whose attention mask holds ancestors
only; `own_features`, where each class has its own context, cuts the rows. Both are
exact, in value and in gradient, and use the tower's own modules.

A tower is open_clip's `CLIP`, or its `CustomTextCLIP` with such a text part; it may be
frozen or not and is left as it is. Axes: K classes, n context slots, M = n + 1 text
tokens, W width of the tower, E embedding, T nodes, R tokens of the longest prompt.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from helpers.language.prompts import Prompts
from helpers.settings import Refused

Tower = nn.Module  # a `CLIP` of open_clip, or a `CustomTextCLIP`


@dataclass(frozen=True)
class TextFeatures:
    """Features in the common space, W_text ln_final(transformer), not normalised.

    The last of the M tokens bears the class: the mean over the tokens of its name and
    the end token. The n before it are the context slots, in order. Of prompts whose
    every position is read, the M tokens are all but the start.
    """

    tokens: Tensor  # [copies, K, M, E]
    pooled: Tensor  # [copies, K, E], at the end token


@dataclass(frozen=True)
class Places:
    """Where the features of K prompts stand on an axis of all tokens."""

    slots: Tensor  # [K, n]
    bearing: Tensor  # [K, longest]: tokens of the name, end token, filled up with it
    weight: Tensor  # [K, longest]: of these tokens in their mean, 0 for the filling
    end: Tensor  # [K]
    every: Tensor | None  # [K, M], where every position is read


@dataclass(frozen=True)
class Trie:
    """All prompts in one sequence of T nodes, one a distinct prefix; on the CPU."""

    keys: Tensor  # [T], the last key of the prefix, as in `Prompts`
    depth: Tensor  # [T], its position in the prompt
    mask: Tensor  # [T, T], additive: 0 where a node attends, -inf elsewhere
    places: Places  # on the axis of nodes


def width(tower: Tower) -> int:
    """Return W, the width of token embeddings and context vectors."""
    return _text(tower).token_embedding.embedding_dim


def embedding(tower: Tower) -> int:
    """Return E, the width of the space common to texts and pictures."""
    return _text(tower).text_projection.shape[1]


def length(tower: Tower) -> int:
    """Return L, the tokens the tower takes, with start and end."""
    return _text(tower).context_length


def build_trie(prompts: Prompts) -> Trie:
    """Return the trie of the prompts: a node a distinct prefix, each after its parent.

    A node attends to itself and to its ancestors, which are the rest of its prefix.
    """
    nodes: dict[tuple[int, ...], int] = {}
    paths = [
        [nodes.setdefault(row[: stop + 1], len(nodes)) for stop in range(len(row))]
        for row in prompts.rows
    ]
    mask = torch.full((len(nodes), len(nodes)), -math.inf)
    for path in paths:
        at = torch.tensor(path)
        mask[at[:, None], at] = _causal(len(path))
    return Trie(
        keys=torch.tensor([prefix[-1] for prefix in nodes]),
        depth=torch.tensor([len(prefix) - 1 for prefix in nodes]),
        mask=mask,
        places=_places(prompts, paths),
    )


def shared_features(tower: Tower, trie: Trie, context: Tensor) -> TextFeatures:
    """Return the features of all classes in a context they share, copy by copy.

    Context `[copies, n, W]` gives tokens `[copies, K, M, E]`, pooled `[copies, K, E]`.
    The mask grows with T^2: with the name in front little is shared, and
    `own_features` of one context, repeated for each class, is equal and faster.

    Raises `ValueError` for a context of another shape and for too long a prompt,
    `Refused` for a tower that is not causal.
    """
    keys = trie.keys.expand(len(context), -1)
    _check(context, (len(context), trie.places.slots.shape[1], width(tower)))
    return _gather(_run(tower, keys, trie.depth, trie.mask, context), trie.places)


def own_features(tower: Tower, prompts: Prompts, context: Tensor) -> TextFeatures:
    """Return the features of classes that have a context each, `[K, n, W]`.

    Tokens are `[1, K, M, E]`, pooled `[1, K, E]`; raises as `shared_features`.
    """
    keys, places = _batch(prompts)
    rows, depth = keys.shape[1], torch.arange(keys.shape[1])
    _check(context, (len(prompts.rows), prompts.contexts, width(tower)))
    features = _run(tower, keys, depth, _causal(rows), context)  # [K, R, E]
    return _gather(features.reshape(1, -1, features.shape[-1]), places)


def tokens_per_step(
    prompts: Prompts, copies: int = 1, own: bool = False
) -> dict[str, int]:
    """Return how many tokens the tower runs for all classes: "plain", "cut", "trie".

    "plain" pads each prompt to L, "cut" ends it at its end token, "trie" shares what
    begins alike. With a context for each class (`own`) there is no "trie", and the rows
    of "cut" make a rectangle `[K, R]`.
    """
    sizes = [len(row) for row in prompts.rows]
    plain = copies * len(sizes) * prompts.length
    if own:
        return {"plain": plain, "cut": copies * len(sizes) * max(sizes)}
    nodes = len(build_trie(prompts).keys)
    return {"plain": plain, "cut": copies * sum(sizes), "trie": copies * nodes}


def _text(tower: Tower) -> Any:
    """Return the module that holds the text parts, or raise `Refused`."""
    text = getattr(tower, "text", tower)
    causal = getattr(text, "attn_mask", None) is not None
    if not (causal and isinstance(text.text_projection, nn.Parameter)):
        raise Refused(
            "prompts need a causal text tower with a projection matrix: take a CLIP "
            "such as ViT-B-32"
        )
    return text


def _causal(size: int) -> Tensor:
    """Return the additive mask of a sequence that looks back only, `[size, size]`."""
    return torch.full((size, size), -math.inf).triu(1)


def _check(context: Tensor, expected: tuple[int, int, int]) -> None:
    """Raise `ValueError` for a context of another shape: it must not be broadcast."""
    if context.shape != expected:
        raise ValueError(f"context is {tuple(context.shape)}, expected {expected}")


def _run(
    tower: Tower, keys: Tensor, depth: Tensor, mask: Tensor, context: Tensor
) -> Tensor:
    """Return the features of keys `[B, T]` in contexts `[B, n, W]`, `[B, T, E]`."""
    text = _text(tower)
    if depth.max() >= text.context_length:
        raise ValueError(
            f"prompts of {depth.max() + 1} tokens, "
            f"but the text tower takes {text.context_length}"
        )
    place, dtype = text.positional_embedding.device, text.transformer.get_cast_dtype()
    keys, mask = keys.to(place), mask.to(place, dtype)
    rows = torch.arange(len(keys), device=place)[:, None]
    learnt = context.to(dtype)[rows, (-1 - keys).clamp(min=0)]  # [B, T, W]
    words = text.token_embedding(keys.clamp(min=0)).to(dtype)
    x = torch.where((keys < 0)[..., None], learnt, words)
    x = x + text.positional_embedding[depth.to(place)].to(dtype)
    return text.ln_final(text.transformer(x, attn_mask=mask)) @ text.text_projection


def _gather(features: Tensor, places: Places) -> TextFeatures:
    """Return the features at the places, out of `[copies, T, E]`."""
    pooled = features[:, places.end]
    if places.every is not None:
        return TextFeatures(features[:, places.every], pooled)
    weight = places.weight.to(features)
    bearing = features[:, places.bearing]  # [copies, K, longest, E]
    label = torch.einsum("kl,ckle->cke", weight, bearing)
    tokens = torch.cat([features[:, places.slots], label[:, :, None]], dim=2)
    return TextFeatures(tokens, pooled)


def _places(prompts: Prompts, paths: list[list[int]]) -> Places:
    """Return the places of prompts whose token l of class k stands at `paths[k][l]`."""
    longest = 1 + max(len(label) for label in prompts.label)
    slots, bearing, weight = [], [], []
    for path, slot, label, end in zip(
        paths, prompts.slots, prompts.label, prompts.end, strict=True
    ):
        slots.append([path[position] for position in slot])
        own = [*(path[position] for position in label), path[end]]
        filling = longest - len(own)
        bearing.append(own + own[-1:] * filling)
        weight.append([1 / len(own)] * len(own) + [0.0] * filling)
    return Places(
        slots=torch.tensor(slots),
        bearing=torch.tensor(bearing),
        weight=torch.tensor(weight, dtype=torch.float64),
        end=torch.tensor(
            [path[end] for path, end in zip(paths, prompts.end, strict=True)]
        ),
        every=torch.tensor(paths)[:, 1:] if prompts.every else None,
    )


@lru_cache(maxsize=8)
def _batch(prompts: Prompts) -> tuple[Tensor, Places]:
    """Return keys `[K, R]`, filled with zeros, and the places among the K R tokens."""
    longest = max(len(row) for row in prompts.rows)
    keys = torch.tensor([row + (0,) * (longest - len(row)) for row in prompts.rows])
    paths = [
        list(range(number * longest, number * longest + len(row)))
        for number, row in enumerate(prompts.rows)
    ]
    return keys, _places(prompts, paths)
