"""Manifold matching (Lei et al. 2023, eq. 1 and 2): near in text, near in pictures.

Rows are one picture's features, or its text's, flattened; affinities are softmaxes
over the batch. All is computed in float64, so that equal rows have distance 0 and a
small loss is not rounding; gradients flow back in the type that came in.
"""

import math

import torch
from torch import Tensor

NEAR = 1e-12  # squared distances below are those of equal rows: no slope there


def pairwise_distances(rows: Tensor) -> Tensor:
    """Return D_ij = ||x_i - x_j||_2, `[B, D]` -> `[B, B]`, float64.

    By the Gram matrix, |x_i|^2 + |x_j|^2 - 2 x_i . x_j, which never holds `[B, B, D]`.
    The diagonal is 0, and where rows are equal the gradient is 0.
    Raises `ValueError` unless rows are `[B, D]`.
    """
    gram = _gram(rows)
    squares = gram.diagonal()
    return _root(squares[:, None] + squares[None, :] - 2 * gram)


def unit_distances(rows: Tensor, least_square: float = 0.0) -> Tensor:
    """Return D_ij = ||x_i / |x_i| - x_j / |x_j|||_2, `[B, D]` -> `[B, B]`, float64.

    sqrt(2 - 2 cos(x_i, x_j)), as `pairwise_distances` of rows of length 1; a row of
    zeros is at distance sqrt(2) from all others. Range: [0, 2]. Squares below
    `least_square` are raised to it, on the diagonal too: ymLeiFDU/LICO has 1e-4.
    Raises `ValueError` unless rows are `[B, D]`.
    """
    gram = _gram(rows)
    squares = gram.diagonal()
    lengths = squares.where(squares > 0, math.inf).sqrt()
    distances = _root(2 - 2 * gram / lengths[:, None] / lengths[None, :])
    return distances.clamp_min(math.sqrt(least_square)) if least_square else distances


def _gram(rows: Tensor) -> Tensor:
    """Return x_i . x_j in float64, or refuse rows that are not `[B, D]`."""
    if rows.ndim != 2:
        raise ValueError(
            f"rows must be [B, D], one a picture, got {list(rows.shape)}: flatten them"
        )
    x = rows.double()
    return x @ x.T


def _root(squared: Tensor) -> Tensor:
    """Return the root of squared distances `[B, B]`, 0 with no slope where they are."""
    apart = squared > NEAR
    apart = apart & ~torch.eye(len(squared), dtype=torch.bool, device=squared.device)
    return torch.where(apart, squared, 1.0).sqrt() * apart


def without_self(distances: Tensor) -> Tensor:
    """Return distances to the others, the diagonal taken out, `[B, B]` -> `[B, B-1]`.

    With the diagonal, a small temperature turns every affinity into the identity.
    """
    count = len(distances)
    others = ~torch.eye(count, dtype=torch.bool, device=distances.device)
    return distances[others].view(count, max(count - 1, 0))


def log_affinity(distances: Tensor, temperature: Tensor | float) -> Tensor:
    """Return log A, A_ij = softmax_j(-D_ij / tau) (eq. 1), same shape.

    Range: (-inf, 0]; rows of A sum to 1. With tau < 0 far pictures are alike.
    """
    return torch.log_softmax(-distances / temperature, dim=1)


def manifold_loss(log_text: Tensor, log_image: Tensor) -> Tensor:
    """Return KL(A^G || A^F) of each picture (eq. 2; the loss is its mean), `[B]`.

    sum_j A^G_ij (log A^G_ij - log A^F_ij), from logarithms `[B, J]`; the text is the
    target, and the gradient reaches both. Range: [0, inf), nats.
    """
    text = log_text.exp()
    return (text * (log_text - log_image)).sum(1)


def floored_manifold_loss(
    log_text: Tensor, log_image: Tensor, floor: float = 1e-4
) -> Tensor:
    """Return sum_j A^G log((A^G + floor) / (A^F + floor)), `[B]`.

    The form of the code robertdvdk/lico-fact: with A near 1/B the floor is a bias.
    """
    text, image = log_text.exp(), log_image.exp()
    return (text * ((text + floor) / (image + floor)).log()).sum(1)


def entropy(log_affinities: Tensor) -> Tensor:
    """Return the mean entropy of the rows, in units of log J: 0 one, 1 all alike."""
    count = log_affinities.shape[1]
    if count < 2:
        return log_affinities.new_zeros(())
    rows = -(log_affinities.exp() * log_affinities).sum(1)
    return rows.mean() / math.log(count)


def off_diagonal_mass(log_affinities: Tensor) -> Tensor:
    """Return the mean mass that a picture's affinity puts on the others, in [0, 1].

    1 where the diagonal was taken out.
    """
    rows, columns = log_affinities.shape
    if rows != columns:
        return log_affinities.new_ones(())
    return 1 - log_affinities.exp().diagonal().mean()


def same_label_mass(log_affinities: Tensor, labels: Tensor) -> Tensor:
    """Return the mean mass on other pictures of the same class, in [0, 1]."""
    same = labels[:, None] == labels[None, :]
    if log_affinities.shape[0] == log_affinities.shape[1]:
        same = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    else:
        same = without_self(same)
    return (log_affinities.exp() * same).sum(1).mean()
