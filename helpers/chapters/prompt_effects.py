"""Chapter 06: what the form of the prompts does to A^G, to transport, and its cost.

K classes, n learnable tokens of width W, M text tokens, B pictures, C channels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from helpers.chapters.class_names import CIFAR10, CIFAR100
from helpers.chapters.prompt_variants import (
    hears,
    name_part,
    rows_of_texts,
    start_of,
    words,
)
from helpers.chapters.text_features import Batch, shuffled_labels, transported
from helpers.data.scenes import CLASS_NAMES, family_distance
from helpers.language import text_tower
from helpers.losses import manifold, transport
from helpers.measure.language import mantel
from helpers.methods.text_side import TextSide
from helpers.settings import Lico

CLIP_WIDTH = 512  # of token embeddings in the text tower of ViT-B/32


def text_distances(side: TextSide) -> Tensor:
    """Return D(G_k, G_l) as manifold matching has it, `[K, K]`, zero diagonal."""
    return manifold.pairwise_distances(rows_of_texts(side)).cpu()


@torch.no_grad()
def affinities(
    sides: Mapping[str, TextSide], labels: Tensor, tau: float | None = None
) -> pd.DataFrame:
    """Return a row a text side: distances of G between classes, and what A^G is then.

    "off-diagonal" and "same class" are masses of A^G in a batch with these labels
    `[B]`, "entropy" is in units of log B; with the side's own temperature or `tau`.
    "families" is the rank correlation of the distances with the planted ones, p beside.
    """
    rows = []
    for name, side in sides.items():
        apart = text_distances(side)
        heat = side.tau().double().cpu() if tau is None else tau
        which = labels.cpu()
        log_text = manifold.log_affinity(apart[which][:, which], heat)
        row: dict[str, Any] = {
            "prompts": name,
            "mean D": _mean(apart),
            "tau": float(heat),
            "off-diagonal": float(manifold.off_diagonal_mass(log_text)),
            "same class": float(manifold.same_label_mass(log_text, which)),
            "entropy": float(manifold.entropy(log_text)),
        }
        rho = p = float("nan")
        if side.prompts.names == CLASS_NAMES and apart.sum() > 0:
            rho, p = mantel(apart, family_distance())
        rows.append(row | {"families": rho, "p": p})
    return pd.DataFrame(rows)


def transports(
    sides: Mapping[str, TextSide], batches: Mapping[str, Batch], clip: nn.Module
) -> pd.DataFrame:
    """Return a row a text side: what its plan saves, and what hangs on the label.

    Each has the batch of its own network. "mass that hears": of the plan, on tokens
    that hear the name; "channels that prefer": the share of channels whose largest
    entry is such a token; "another label": mean |L_i' - L_i| / L_i of pictures that
    get another class's text.
    """
    rows = []
    for name, side in sides.items():
        batch = batches[name]
        found = transported(side, batch)
        heard = hears(side, clip)[batch.labels].double()  # [B, M]
        other = shuffled_labels({name: side}, batch, times=8)
        rows.append(
            {
                "prompts": name,
                "OT loss": float(found.losses.mean()),
                "plan gain": float(transport.gain(found.plan, found.cost).mean()),
                "plan entropy": float(transport.plan_entropy(found.plan).mean()),
                "mass that hears": float((found.plan.sum(1) * heard).sum(1).mean()),
                "channels that prefer": float(
                    (_preferred(batch, found.plan) * heard).sum(1).mean()
                ),
                "another label": float(other["a picture"].iloc[0]),
            }
        )
    return pd.DataFrame(rows)


def receivers(
    sides: Mapping[str, TextSide], batches: Mapping[str, Batch]
) -> pd.DataFrame:
    """Return a row a text side: the share of channels that send most to each token.

    Columns X_1 .. X_n, class; of text sides that read these n + 1 tokens.
    """
    rows = {}
    for name, side in sides.items():
        plan = transported(side, batches[name]).plan
        shares = _preferred(batches[name], plan).mean(0)
        rows[name] = dict(zip(words(side, 0), shares.tolist(), strict=True))
    return pd.DataFrame(rows).T


def _preferred(batch: Batch, plan: Tensor) -> Tensor:
    """Return the share of a picture's channels that send most to a token, `[B, M]`.

    Channels that are silent in a picture have no preference and are left out.
    """
    speaks = batch.maps.abs().sum(2) > 0  # [B, C]
    best = nn.functional.one_hot(plan.argmax(2), plan.shape[2]).double()
    total = (best * speaks[..., None]).sum(1)
    return total / speaks.sum(1, keepdim=True).clamp_min(1)


def costs(side: TextSide, clip: nn.Module) -> pd.DataFrame:
    """Return a row a data set: learnable numbers of shared and of own contexts.

    n W against K n W, of n vectors as wide as the tower's token embeddings.
    """
    n = side.prompts.contexts
    data = {
        "this data, this tower": (side.classes, text_tower.width(clip)),
        "CIFAR-10, ViT-B/32": (len(CIFAR10), CLIP_WIDTH),
        "CIFAR-100, ViT-B/32": (len(CIFAR100), CLIP_WIDTH),
    }
    return pd.DataFrame(
        {
            "data, tower": name,
            "classes K": classes,
            "width W": width,
            "shared, n W": n * width,
            "own, K n W": classes * n * width,
        }
        for name, (classes, width) in data.items()
    )


def share_of_steps(classes: int, batch: int) -> float:
    """Return how often a batch holds a picture of a given class, 1 - (1 - 1/K)^B.

    Of K classes that are equally likely, drawn independently.
    """
    return 1 - (1 - 1 / classes) ** batch


def most_contexts(side: TextSide) -> int:
    """Return the largest n with which the longest prompt fits into the tower."""
    longest = max(len(label) for label in side.prompts.label)
    return side.prompts.length - 2 - longest


def by_length(
    methods: Mapping[str, Lico],
    like: TextSide,
    clip: nn.Module,
    counts: Sequence[int],
) -> pd.DataFrame:
    """Return a row a variant and n, as training would start: nothing is trained.

    "mean D" between classes, and "mass": of the plan, on tokens that hear the name.
    Numbers of learnable tokens that do not fit into the tower are left out.
    """
    rows = []
    for name, method in methods.items():
        for count in counts:
            if count > most_contexts(like):
                continue
            side = start_of(method.model_copy(update={"n_ctx": count}), like, clip)
            apart = text_distances(side)
            rows.append(
                {
                    "prompts": name,
                    "n": count,
                    "mean D": _mean(apart),
                    "mass": float(hears(side, clip).double().mean()),
                    "by the name": name_part(side, clip),
                }
            )
    return pd.DataFrame(rows)


def _mean(apart: Tensor) -> float:
    """Return the mean distance of two different classes, of `[K, K]`."""
    classes = len(apart)
    return float(apart.sum() / (classes * (classes - 1)))
