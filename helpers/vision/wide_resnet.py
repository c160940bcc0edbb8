"""Wide residual networks (Zagoruyko and Komodakis 2016): WRN-28-k for small pictures.

Like the other networks here: `features(images [B, 3, H, W]) -> [B, C, h, w]`, a linear
`head`, and logits `head(features.mean((2, 3)))`.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F


class WideBlock(nn.Module):
    """B(3, 3) of section 2: y = conv2(drop(r2(conv1(r1(x))))) + shortcut, r = relu bn.

    Batch norm and relu stand before the convolutions (He et al. 2016b), dropout between
    them (section 2.4). The shortcut is x; where the number of channels changes it is a
    1 x 1 convolution of r1(x), as in the authors' code.
    """

    def __init__(
        self, inside: int, outside: int, stride: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.convShortcut: nn.Module | None = None
        if inside != outside:
            self.convShortcut = nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, inside, H, W]` to `[B, outside, H / stride, W / stride]`."""
        active = F.relu(self.bn1(x))
        y = F.relu(self.bn2(self.conv1(active)))
        y = self.conv2(self.dropout(y))
        if self.convShortcut is not None:
            x = self.convShortcut(active)
        return x + y


class WideGroup(nn.Module):
    """Blocks one after the other, of which the first widens and may halve the sides."""

    def __init__(
        self, inside: int, outside: int, blocks: int, stride: int, dropout: float
    ) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            *(
                WideBlock(
                    outside if number else inside,
                    outside,
                    1 if number else stride,
                    dropout,
                )
                for number in range(blocks)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `[B, inside, H, W]` to `[B, outside, H / stride, W / stride]`."""
        return self.layer(x)


class WideResNet(nn.Module):
    """WRN-28-k (Zagoruyko and Komodakis 2016, table 1): 28 layers, k times as wide.

    A convolution to 16 channels, then three groups of four blocks with 16 k, 32 k and
    64 k channels, the last two at half the sides of the one before; batch norm, relu.
    The names of its weights are those of xternalz/WideResNet-pytorch.
    """

    cell = 4  # pixels a side
    BLOCKS = 4  # a group: (28 - 4) / 6

    def __init__(self, classes: int, width: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        channels = (16, 16 * width, 32 * width, 64 * width)
        self.conv1 = nn.Conv2d(3, channels[0], 3, 1, 1, bias=False)
        for number, (inside, outside) in enumerate(pairwise(channels), 1):
            stride = 1 if number == 1 else 2
            group = WideGroup(inside, outside, self.BLOCKS, stride, dropout)
            self.add_module(f"block{number}", group)
        self.bn1 = nn.BatchNorm2d(channels[3])
        self.fc = nn.Linear(channels[3], classes)

    @property
    def head(self) -> nn.Linear:
        """The linear classifier on the pooled features."""
        return self.fc

    def features(self, images: Tensor) -> Tensor:
        """Return the last feature maps, `[B, 3, H, W]` -> `[B, 64 k, H/4, W/4]`."""
        x = self.conv1(images)
        for group in ("block1", "block2", "block3"):
            x = self.get_submodule(group)(x)
        return F.relu(self.bn1(x))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, `[B, 3, H, W]` -> `[B, K]`."""
        return self.head(self.features(images).mean((2, 3)))
