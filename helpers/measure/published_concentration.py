"""Compactness and complexity as published code computes them, with its constants.

`consistency.gini` and `concentration.entropy` are the same two without regard to a
map's scale. Here constants are added to values whose scale depends on the loss: so a
probe may look less compact for having smaller gradients alone (Gairola et al. 2025,
sidgairo18/how-to-probe, e703756).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.measure.localisation import positive

ADDED = 1e-7  # to each pixel, before Gini
IN_LOG = 1e-10  # to each share, inside the logarithm
WIDTH = 5  # pixels of the mean before entropy; Gini has none


def published_gini(maps: Tensor) -> Tensor:
    """Return sum_i (2 i - n - 1) a_i / (n sum a), a = A+ + 1e-7 rising, `[B]`.

    Near the constant a map looks uniform: scaled by 1e-7, one of .80 has about .1.

    Shapes: maps `[B, H, W]` of any sign -> `[B]`. Range: 0 to 1.

    Raises:
        ValueError: maps that are not finite or under 4 x 4 pixels.
    """
    values = (positive(maps) + ADDED).flatten(1).sort(1).values  # [B, n]
    n = values.shape[1]
    weights = 2 * torch.arange(1, n + 1, device=maps.device) - n - 1
    return (weights * values).sum(1) / (n * values.sum(1))


def published_entropy(maps: Tensor) -> Tensor:
    """Return -sum p log2(p + 1e-10), bits, p the smoothed A+ over its sum, `[B]`.

    The mean over 5 x 5 pixels counts zeros beyond the border. A zero map has NaN.

    Shapes: maps `[B, H, W]` of any sign -> `[B]`. Range: 0 to log2 of the pixels.

    Raises:
        ValueError: as `published_gini`.
    """
    positive(maps)  # the check
    around = F.avg_pool2d(maps[:, None], WIDTH, 1, WIDTH // 2)[:, 0].clamp(min=0)
    shares = (around / around.sum((1, 2), keepdim=True)).flatten(1)
    return -(shares * (shares + IN_LOG).log2()).sum(1)
