"""A B-cos network for scenes (Böhle et al. 2022): no bias, no ReLU, six channels.

The sizes of `SceneResNet`, so that the two compare: four blocks and a feature cell of
8 x 8 pixels.
"""

import math

import torch
from torch import Tensor, nn

from helpers.vision.bcos_layers import BcosConv2d, UncentredNorm2d, reset_bcos


class BcosBlock(nn.Module):
    """Two B-cos convolutions with uncentred norms, and a shortcut.

    The shortcut is the identity where shape allows it, else a 1 x 1 B-cos convolution
    with a norm: what a residual block is without ReLU.
    """

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            BcosConv2d(inside, outside, 3, stride),
            UncentredNorm2d(outside),
            BcosConv2d(outside, outside, 3),
            UncentredNorm2d(outside),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.shortcut = nn.Sequential(
                BcosConv2d(inside, outside, 1, stride), UncentredNorm2d(outside)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, inside, H, W]` to `[B, outside, H / stride, W / stride]`."""
        return self.body(x) + self.shortcut(x)


class SceneBcosNet(nn.Module):
    """A B-cos network of four blocks on [x, 1 - x], x in [0, 1] and not normalised.

    Its logits are the mean over the cells of a 1 x 1 B-cos layer over T, plus a fixed
    b = -log(K - 1): at zero evidence a sigmoid says 1 / K. They are in units of
    the features' length, at most |f| / T + b.
    """

    cell = 8  # pixels a side

    def __init__(self, classes: int, width: int = 16, temperature: float = 1.0) -> None:
        super().__init__()
        self.stem = nn.Sequential(BcosConv2d(6, width, 3, 2), UncentredNorm2d(width))
        self.blocks = nn.Sequential(
            BcosBlock(width, width),
            BcosBlock(width, 2 * width, 2),
            BcosBlock(2 * width, 4 * width, 2),
            BcosBlock(4 * width, 8 * width),
        )
        self.classify = BcosConv2d(8 * width, classes)
        self.temperature, self.bias = temperature, -math.log(max(classes - 1, 1))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights anew from one generator, in place."""
        reset_bcos(self, generator)

    def features(self, images: Tensor) -> Tensor:
        """Return the last feature maps, `[B, 6, H, W]` -> `[B, 8 width, H/8, W/8]`."""
        return self.blocks(self.stem(images))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, `[B, 6, H, W]` -> `[B, K]`."""
        evidence = self.classify(self.features(images)).mean((2, 3))
        return evidence / self.temperature + self.bias
