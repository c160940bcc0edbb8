"""Do distances of class features follow planted ones? K classes, E features."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor
from torch.nn import functional as F


def text_distances(features: Tensor) -> Tensor:
    """Return 1 - cosine of every two classes, `[K, E]` -> `[K, K]`, zero diagonal."""
    unit = F.normalize(features.double(), dim=-1)
    return (1 - unit @ unit.T).clamp(0, 2).fill_diagonal_(0)


def mantel(
    distances: Tensor, planted: Tensor, permutations: int = 999, seed: int = 0
) -> tuple[float, float]:
    """Return Spearman's rho of two distances `[K, K]` and its one-sided p.

    The upper triangles are compared. A permutation reorders the classes of one matrix,
    rows and columns together, since pairs that share a class are not independent
    (Mantel 1967): p = (1 + #{rho_permuted >= rho}) / (1 + permutations).

    Raises `ValueError` unless both are K x K with the same K >= 3, finite, and neither
    constant.
    """
    classes = len(distances)
    if distances.shape != planted.shape or distances.shape != (classes, classes):
        shapes = f"{tuple(distances.shape)} and {tuple(planted.shape)}"
        raise ValueError(f"two K x K matrices of the same K are needed, got {shapes}")
    if classes < 3:
        raise ValueError(f"{classes} classes: at least three are needed")
    upper = np.triu_indices(classes, 1)
    found = _standard_ranks(distances, upper)
    truth = _standard_ranks(planted, upper)
    rho = float((found[upper] * truth[upper]).mean())
    rng = np.random.default_rng(seed)
    reached = 0
    for _ in range(permutations):
        order = rng.permutation(classes)
        permuted = truth[np.ix_(order, order)][upper]
        reached += (found[upper] * permuted).mean() >= rho - 1e-12
    return rho, (1 + int(reached)) / (1 + permutations)


def _standard_ranks(
    matrix: Tensor, upper: tuple[NDArray[np.int64], ...]
) -> NDArray[np.float64]:
    """Return ranks of the upper triangle, mean 0, variance 1, as a symmetric matrix."""
    values = torch.as_tensor(matrix).detach().cpu().numpy().astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a distance is not finite")
    ranks = stats.rankdata(values[upper])
    if np.ptp(ranks) == 0:
        raise ValueError("all distances are the same: no rank correlation exists")
    full = np.zeros_like(values)
    full[upper] = (ranks - ranks.mean()) / ranks.std()
    return full + full.T
