"""Residual networks that hand out feature maps.

Each network here has `features(images [B, 3, H, W]) -> [B, C, h, w]` and a linear
`head`, and its logits are `head(features.mean((2, 3)))`: a pooled linear head, at
which Grad-CAM has a closed form.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut (He et al. 2016, figure 2).

    The shortcut is the identity where shape allows it, else option B (`project`: a
    1 x 1 convolution) or option A (every second pixel, zero channels before and after).
    Dropout, if any, stands between the convolutions (Zagoruyko & Komodakis 2016).
    """

    def __init__(
        self,
        inside: int,
        outside: int,
        stride: int,
        project: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.dropout = nn.Dropout(dropout)
        self.stride, self.extra = stride, outside - inside
        changes = stride != 1 or self.extra != 0
        self.shortcut: nn.Module | None = None
        if changes and project:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False),
                nn.BatchNorm2d(outside),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, inside, H, W]` to `[B, outside, H / stride, W / stride]`."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(self.dropout(y)))
        if self.shortcut is not None:
            x = self.shortcut(x)
        elif self.extra or self.stride != 1:
            before = self.extra // 2
            x = x[:, :, :: self.stride, :: self.stride]
            x = F.pad(x, (0, 0, 0, 0, before, self.extra - before))
        return F.relu(x + y)


class WideningBlock(BasicBlock):
    """A 3 x 3 convolution of the channels it is given, then 1 x 1 to twice as many."""

    def __init__(self, inside: int, outside: int, dropout: float = 0.0) -> None:
        super().__init__(inside, outside, stride=1, dropout=dropout)
        self.conv1 = nn.Conv2d(inside, inside, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, outside, 1, bias=False)


class SceneResNet(nn.Module):
    """The book's network: four blocks, 128 channels, a feature cell of 8 x 8 pixels.

    A picture of 64 pixels gives maps F of `[B, 128, 8, 8]`, that is `[B, 128, 64]`
    with the pixels flattened: the shape of a WideResNet-28-2 on pictures of 32 pixels.
    """

    cell = 8  # pixels a side

    def __init__(self, classes: int, width: int = 16, dropout: float = 0.0) -> None:
        super().__init__()
        channels = [width, width, 2 * width, 4 * width]
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.blocks = nn.Sequential(
            *(
                BasicBlock(inside, outside, stride, dropout=dropout)
                for inside, outside, stride in zip(
                    channels[:-1], channels[1:], (1, 2, 2), strict=True
                )
            ),
            WideningBlock(4 * width, 8 * width, dropout),
        )
        self.head = nn.Linear(8 * width, classes)

    def features(self, images: Tensor) -> Tensor:
        """Return the last feature maps, `[B, 3, H, W]` -> `[B, 8 width, H/8, W/8]`."""
        return self.blocks(self.stem(images))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, `[B, 3, H, W]` -> `[B, K]`."""
        return self.head(self.features(images).mean((2, 3)))


class CifarResNet(nn.Module):
    """A residual network of 6 n + 2 layers for 32 x 32 pictures (He et al. 2016, 4.2).

    Three stages of n blocks with 16, 32 and 64 channels, shortcut option A. The names
    of its weights are those of the checkpoints of akamaster/pytorch_resnet_cifar10.
    """

    cell = 4  # pixels a side

    def __init__(self, classes: int, depth: int = 20, dropout: float = 0.0) -> None:
        super().__init__()
        if (depth - 2) % 6:
            raise ValueError(f"depth {depth} is not 6 n + 2: 20, 32, 44, 56 ...")
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        inside = 16
        for stage, (outside, stride) in enumerate(((16, 1), (32, 2), (64, 2)), 1):
            blocks = []
            for block in range((depth - 2) // 6):
                step = stride if block == 0 else 1
                blocks.append(BasicBlock(inside, outside, step, False, dropout))
                inside = outside
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, classes)

    @property
    def head(self) -> nn.Linear:
        """The linear classifier on the pooled features."""
        return self.linear

    def features(self, images: Tensor) -> Tensor:
        """Return the last feature maps, `[B, 3, H, W]` -> `[B, 64, H/4, W/4]`."""
        x = F.relu(self.bn1(self.conv1(images)))
        for stage in ("layer1", "layer2", "layer3"):
            x = self.get_submodule(stage)(x)
        return x

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, `[B, 3, H, W]` -> `[B, K]`."""
        return self.head(self.features(images).mean((2, 3)))


def initialise(model: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights anew from one generator, in place (He et al. 2015, eq. 10).

    Convolutions and linear layers N(0, 2 / fan_out) and N(0, 1 / fan_in), biases 0,
    batch norms 1 and 0; so initialisation has a random stream of its own.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(
                module.weight,
                mode="fan_out",
                nonlinearity="relu",
                generator=generator,
            )
        elif isinstance(module, nn.Linear):
            std = module.in_features**-0.5
            nn.init.normal_(module.weight, std=std, generator=generator)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
