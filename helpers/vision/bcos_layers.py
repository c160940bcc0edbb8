"""Layers of B-cos networks (Böhle et al. 2022): linear maps that must be aligned with.

In explanation mode their factors are constants of the picture: the network is then
linear in it, and its gradient is the row of weights W(x) that makes the logit. They
have the modes of the package `bcos`, so that `helpers.explain.bcos` takes either.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NORM_FLOOR = 1e-6  # added to the squared norm of a patch, as in B-cos-v2


class Explainable(nn.Module):
    """A layer whose factors can be held fixed, so that it is linear in its input."""

    def __init__(self) -> None:
        super().__init__()
        self.is_in_explanation_mode = False

    def set_explanation_mode(self, on: bool = True) -> None:
        """Hold the factors fixed from now on, or let gradients through them again."""
        self.is_in_explanation_mode = on

    def held(self, factors: Tensor) -> Tensor:
        """Return the factors, without gradient in explanation mode."""
        return factors.detach() if self.is_in_explanation_mode else factors


class BcosConv2d(Explainable):
    """A convolution of unit filters, each output times its cosine (eq. 3, B = 2).

    y = |cos(x, w)| (w / |w|) . x = (w' x) |w' x| / sqrt(|x|^2 + 1e-6) at each patch x,
    w' = w / |w|. It has no bias and needs no activation.

    Shapes: `[B, C, H, W]` -> `[B, outside, H', W']`. Range: at most |x| in size, where
    the patch lies along the filter.
    """

    def __init__(
        self, inside: int, outside: int, side: int = 1, stride: int = 1
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outside, inside, side, side))
        self.stride, self.padding = stride, side // 2

    def reset(self, generator: torch.Generator) -> None:
        """Draw the filters from N(0, 1 / n), n numbers each, in place.

        Their length is about 1 and has no effect, but a step turns a longer one less.
        """
        std = self.weight[0].numel() ** -0.5
        nn.init.normal_(self.weight, std=std, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, C, H, W]` to `[B, outside, H', W']`."""
        unit = self.weight / self.weight.flatten(1).norm(dim=1)[:, None, None, None]
        linear = F.conv2d(x, unit, stride=self.stride, padding=self.padding)
        side = self.weight.shape[2]
        squares = F.avg_pool2d(
            x.square().sum(1, keepdim=True), side, self.stride, self.padding
        )
        norm = (squares * side**2 + NORM_FLOOR).sqrt()  # [B, 1, H', W']
        return linear * self.held(linear.abs() / norm)


class UncentredNorm2d(Explainable):
    """Batch norm that divides by the SD and subtracts nothing: y = g x / SD.

    The SD of each channel is about its mean, over the batch in training and the running
    one in evaluation; without mean and bias the layer adds nothing of its own.

    Shapes: `[B, C, H, W]` -> the same.
    """

    running_var: Tensor

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.momentum, self.eps = momentum, eps

    def reset(self) -> None:
        """Set the factors and the running variance to 1, in place."""
        nn.init.ones_(self.weight)
        self.running_var.fill_(1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, C, H, W]` to the same."""
        variance = self.running_var
        if self.training:
            variance = x.var((0, 2, 3), unbiased=False)
            self.running_var.lerp_(variance.detach(), self.momentum)
        factor = self.held((variance + self.eps).rsqrt()) * self.weight
        return x * factor[:, None, None]


def reset_bcos(model: nn.Module, generator: torch.Generator) -> None:
    """Draw all B-cos filters anew from one generator, in place; norms become 1."""
    for module in model.modules():
        if isinstance(module, BcosConv2d):
            module.reset(generator)
        elif isinstance(module, UncentredNorm2d):
            module.reset()
