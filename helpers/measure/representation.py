"""What features know before anyone trains a head: neighbours, and collapse."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

COLLAPSED = 0.1  # of the spread of a sphere's points: below, all is nearly one point


@dataclass(frozen=True)
class Spread:
    """How features of length 1 fill the sphere.

    Attributes:
        per_dimension: SD of each dimension over pictures, times sqrt(D): 1 on average
            where directions are uniform, 0 of a point.
        effective: exp of the entropy of the shares of variance along the principal
            axes: the number of dimensions in use, from 1 to D.
    """

    per_dimension: Tensor
    effective: float

    @property
    def collapsed(self) -> bool:
        """Whether the mean spread is under a tenth of that of uniform directions."""
        return float(self.per_dimension.mean()) < COLLAPSED


def neighbour_accuracy(
    known: Tensor, known_labels: Tensor, asked: Tensor, labels: Tensor, k: int = 20
) -> float:
    """Return how often the majority of the k nearest known pictures has the label.

    Nearest by cosine; of labels with equally many votes the one whose votes are nearer
    in sum wins. Floor: the same of a network with random weights.

    Shapes: known `[N, D]`, known_labels `[N]`, asked `[M, D]`, labels `[M]`.
    Range: [0, 1].

    Raises:
        ValueError: shapes that do not fit, k out of 1..N.
    """
    if known.ndim != 2 or asked.ndim != 2 or known.shape[1] != asked.shape[1]:
        got = f"{list(known.shape)} and {list(asked.shape)}"
        raise ValueError(f"features must be [N, D] and [M, D], got {got}")
    if len(known) != len(known_labels) or len(asked) != len(labels):
        raise ValueError("each row of features needs one label")
    if not 1 <= k <= len(known):
        raise ValueError(f"k must be from 1 to {len(known)}, got {k}")
    near = F.normalize(asked.double(), dim=1) @ F.normalize(known.double(), dim=1).T
    likeness, rows = near.topk(k, dim=1)  # [M, k]
    classes = int(max(known_labels.max(), labels.max())) + 1
    chosen = known_labels[rows]
    # A vote is 1 and at most 1 / (4 k) for being near: it breaks ties alone.
    votes = torch.zeros(len(asked), classes, dtype=torch.double)
    votes.scatter_add_(1, chosen, 1 + likeness / (4 * k))
    return float((votes.argmax(1) == labels).double().mean())


def spread(features: Tensor) -> Spread:
    """Return how features `[N, D]`, brought to length 1, fill their dimensions.

    Raises:
        ValueError: other axes, fewer than two pictures, features that are not finite.
    """
    if features.ndim != 2 or len(features) < 2 or not features.isfinite().all():
        raise ValueError(
            f"features must be finite [N, D], N >= 2, got {list(features.shape)}"
        )
    unit = F.normalize(features.double(), dim=1)
    scaled = unit.std(0, correction=0) * math.sqrt(unit.shape[1])
    singular = torch.linalg.svdvals(unit - unit.mean(0))
    shares = singular.square()
    total = shares.sum()
    if not total > 0:
        return Spread(scaled, 1.0)
    shares = shares / total
    return Spread(scaled, float((-torch.xlogy(shares, shares).sum()).exp()))
