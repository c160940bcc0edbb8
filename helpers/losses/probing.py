"""Losses of a head on frozen features (Gairola et al. 2025): softmax or sigmoids.

Softmax compares classes and does not see what is added to all logits alike. Sigmoids
ask each class by itself: of an absent one the logit must be negative, so there must be
evidence against it.

Axes: B pictures, K classes. Each loss takes labels `[B]` in 0..K-1, or, for several
labels a picture, `[B, K]` of 0 and 1.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.settings import Refused, nearest

Loss = Callable[[Tensor, Tensor], Tensor]
OffTarget = Literal["zero", "uniform"]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -(1/B) sum_i log softmax(z_i)_{y_i}, nats.

    Shapes: logits `[B, K]`, targets `[B]` -> a number. Range: [0, inf).

    Raises:
        Refused: shapes that do not fit, labels out of range, several labels a picture.
    """
    if targets.ndim != 1:
        raise Refused(
            "softmax cross-entropy takes one label a picture: of several take a "
            "sigmoid loss, 'bce' or 'bce-uniform'"
        )
    _check(logits, targets)
    return F.cross_entropy(logits, targets.long())


def binary_cross_entropy(
    logits: Tensor, targets: Tensor, off: OffTarget = "zero"
) -> Tensor:
    """Return -(1 / B K) sum_ic [t log s(z) + (1 - t) log(1 - s(z))], nats, s a sigmoid.

    t_ic is 1 for a label of picture i; for other classes it is 0, or 1 / K if off is
    "uniform", as in `bcos` (UniformOffLabelsBCEWithLogitsLoss). Its gradient is (s(z) -
    t) / (B K): K times smaller than that of a sum over classes.

    Shapes: logits `[B, K]`, targets `[B]` or `[B, K]` -> a number.
    Range: [0, inf); with uniform off-targets at least their entropy.

    Raises:
        Refused: shapes that do not fit, labels out of range, an unknown off-target.
    """
    wanted = sigmoid_targets(logits, targets, off)
    return F.binary_cross_entropy_with_logits(logits, wanted)


def sigmoid_targets(logits: Tensor, targets: Tensor, off: OffTarget = "zero") -> Tensor:
    """Return t of `binary_cross_entropy`, `[B, K]`, in the type of the logits.

    Raises:
        Refused: as `binary_cross_entropy`.
    """
    _check(logits, targets)
    classes = logits.shape[1]
    if targets.ndim == 1:
        targets = F.one_hot(targets.long(), classes)
    if off == "zero":
        return targets.to(logits)
    if off == "uniform":
        return targets.to(logits).clamp(min=1 / classes)
    raise Refused(f"unknown off-target '{off}'{nearest(off, ['zero', 'uniform'])}")


# "bce-uniform" is what the published single-label configurations call BCE.
LOSSES: dict[str, Loss] = {
    "ce": cross_entropy,
    "bce": binary_cross_entropy,
    "bce-uniform": partial(binary_cross_entropy, off="uniform"),
}


def loss(name: str) -> Loss:
    """Return the loss of a name; raises `Refused` for an unknown one."""
    if name not in LOSSES:
        raise Refused(f"unknown loss '{name}'{nearest(name, [*LOSSES])}")
    return LOSSES[name]


def published_multi_label_loss(kind: str) -> str:
    """Return the loss that sidgairo18/how-to-probe gives a kind of head on VOC, COCO.

    "bce-uniform" of B-cos heads, "bce" of standard ones: the kinds of head differ in
    their off-targets as well. To compare heads, give all of them the same.
    """
    return "bce-uniform" if kind == "B-cos" else "bce"


def _check(logits: Tensor, targets: Tensor) -> None:
    """Raise `Refused` unless targets are labels, or 0 and 1, of these logits."""
    if logits.ndim != 2 or targets.shape not in (logits.shape[:1], logits.shape):
        raise Refused(
            f"logits must be [B, K] with targets [B] or [B, K], got "
            f"{list(logits.shape)} and {list(targets.shape)}"
        )
    if targets.ndim == 2:
        if not ((targets == 0) | (targets == 1)).all():
            raise Refused("labels [B, K] must be 0 and 1: 1 where the class is shown")
        return
    if targets.is_floating_point() or targets.dtype == torch.bool:
        raise Refused(f"labels [B] must be integers, got {targets.dtype}")
    if (
        len(targets)
        and not 0 <= int(targets.min()) <= int(targets.max()) < (logits.shape[1])
    ):
        raise Refused(
            f"labels must lie in 0..{logits.shape[1] - 1}, got {int(targets.min())} to "
            f"{int(targets.max())}"
        )
