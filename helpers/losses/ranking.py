"""Filter ranking loss of LaViSE (Yang et al. 2022): nearer to its word than to others.

The formula of the reproduction (Buis, Dijkstra and Heijermans 2023) prints a dot
product between the predicted vector and word vectors; both codes take the cosine. Both
are here, under their names.

Axes: B rows, C categories with a word vector each, D numbers a vector.
"""

import torch
from torch import Tensor

from helpers.settings import Refused


def cosine_similarity(vectors: Tensor, categories: Tensor) -> Tensor:
    """Return s_bc = cos(v_b, e_c), as YuYang0901/LaViSE and ErikBuis/FACT2023.

    A vector of zeros has similarity 0 to all, and no slope.

    Shapes: vectors `[B, D]`, categories `[C, D]` -> `[B, C]`. Range: [-1, 1].

    Raises:
        Refused: vectors of another width than the categories'.
    """
    _check_widths(vectors, categories)
    return unit(vectors) @ unit(categories.to(vectors)).T


def dot_similarity(vectors: Tensor, categories: Tensor) -> Tensor:
    """Return s_bc = v_b . e_c, as printed by Buis et al. (2023).

    Longer vectors are rewarded without bound: the loss falls as |v| grows.

    Shapes: vectors `[B, D]`, categories `[C, D]` -> `[B, C]`. Range: all numbers.

    Raises:
        Refused: vectors of another width than the categories'.
    """
    _check_widths(vectors, categories)
    return vectors @ categories.to(vectors).T


SIMILARITIES = {"cosine": cosine_similarity, "dot": dot_similarity}


def ranking_losses(
    similarities: Tensor, positives: Tensor, margin: float = 1.0
) -> Tensor:
    """Return L_b = sum over c not in P_b of max(0, m - s_b + s_bc), `[B]`.

    s_b is the mean similarity of the row's positives P_b: two where a name has two
    tokens (ErikBuis/FACT2023). A row without positives has 0 and no slope; in the
    codes its value is 0 and its slope NaN.

    Shapes: similarities `[B, C]`, positives `[B, C]`, bool -> `[B]`. Range: [0, inf).

    Raises:
        Refused: positives that are not bool, or of another shape; a margin that is not
            a number above 0.
    """
    check_positives(positives, similarities.shape)
    if not 0 < margin < float("inf"):
        raise Refused(f"margin must be above 0, got {margin}: published with 1")
    positives = positives.to(similarities.device)
    counted = positives.any(1)  # [B]
    own = torch.where(positives, similarities, 0).sum(1)
    own = own / positives.sum(1).clamp(min=1)  # never 0 / 0, whose slope is NaN
    hinges = (margin - own[:, None] + similarities).clamp(min=0)  # [B, C]
    return torch.where(positives | ~counted[:, None], 0, hinges).sum(1)


def ranking_loss(
    similarities: Tensor, positives: Tensor, margin: float = 1.0
) -> Tensor:
    """Return the mean of `ranking_losses` over the rows that have positives, `[]`.

    0 where no row has any.

    Raises:
        Refused: as `ranking_losses`.
    """
    losses = ranking_losses(similarities, positives, margin)
    return losses.sum() / positives.any(1).sum().clamp(min=1).to(losses.device)


def best_directions(categories: Tensor, positives: Tensor) -> Tensor:
    """Return the unit vectors that minimise the loss while every hinge acts, `[B, D]`.

    With cosines and u_c = e_c / |e_c| the loss of a unit vector v is then, but for a
    constant, -C v . (mean of u_t over the positives t - mean of u_c over all c): least
    along that difference. So it is not the word's own vector that is best, but what
    sets it apart from the mean category. Zeros for a row without positives.

    Shapes: categories `[C, D]`, positives `[B, C]`, bool -> `[B, D]`.

    Raises:
        Refused: positives that are not bool, or not of C columns.
    """
    check_positives(positives, (len(positives), len(categories)))
    directions = unit(categories)
    weights = positives.to(directions)
    number = weights.sum(1, keepdim=True)  # [B, 1]
    own = weights @ directions / number.clamp(min=1)
    return unit((own - directions.mean(0)) * (number > 0))


def unit(vectors: Tensor) -> Tensor:
    """Return vectors of length 1 along the last axis, any shape; zeros stay zeros."""
    squares = vectors.square().sum(-1, keepdim=True)
    there = squares != 0  # NaN stays NaN
    return torch.where(there, vectors / torch.where(there, squares, 1).sqrt(), 0)


def check_positives(positives: Tensor, shape: tuple[int, ...]) -> None:
    """Raise `Refused` unless positives are bool and of this shape `(B, C)`."""
    if positives.dtype != torch.bool or positives.shape != torch.Size(shape):
        got = f"{positives.dtype} of shape {list(positives.shape)}"
        raise Refused(
            f"positives must be bool {list(shape)}, a row an instance and a column a "
            f"category, got {got}"
        )


def _check_widths(vectors: Tensor, categories: Tensor) -> None:
    if vectors.shape[-1] != categories.shape[-1]:
        raise Refused(
            f"vectors of {vectors.shape[-1]} numbers do not compare with word vectors "
            f"of {categories.shape[-1]}: give the explainer the words' width"
        )
