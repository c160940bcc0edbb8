"""What a loss asks of the feature maps: the norm of its gradient there."""

import torch
from torch import Tensor

PROBED = 8  # every so many steps the losses are looked into


def gradient_norm(loss: Tensor, *maps: Tensor) -> Tensor:
    """Return || d loss / d F ||_2 over all feature maps F of a step, of any shapes.

    A map that has no part in the loss adds 0; so does all of a loss without graph.
    Squares are taken in float64: those of small float16 slopes would be 0.
    """
    zero = loss.new_zeros((), dtype=torch.float64)
    if not loss.requires_grad:
        return zero
    slopes = torch.autograd.grad(loss, maps, retain_graph=True, allow_unused=True)
    squares = [slope.double().square().sum() for slope in slopes if slope is not None]
    return torch.stack([zero, *squares]).sum().sqrt() if squares else zero
