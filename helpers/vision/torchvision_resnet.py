"""Torchvision's residual networks, with their feature maps handed out.

Like the other networks here: `features(images [B, 3, H, W]) -> [B, C, h, w]`, a linear
`head`, and logits `head(features.mean((2, 3)))`.
"""

from functools import partial
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

# Depth: the kind of block, and how many in each stage (He et al. 2016, table 1).
STAGES: dict[int, tuple[type[BasicBlock | Bottleneck], list[int]]] = {
    18: (BasicBlock, [2, 2, 2, 2]),
    50: (Bottleneck, [3, 4, 6, 3]),
}


def _dropped(
    module: nn.Module, given: tuple[Tensor, ...], share: float
) -> tuple[Tensor, ...]:
    """Return a module's input with a share of its values dropped, in training."""
    return (F.dropout(given[0], share, module.training),)


class TorchvisionResNet(ResNet):
    """ResNet-18 or ResNet-50 for pictures of about 224 pixels (He et al. 2016).

    The names of its weights are torchvision's, so that its checkpoints load, as those
    of ImageNet do where K is 1,000. Dropout, if any, stands before the last convolution
    of each block.
    """

    cell = 32  # pixels a side

    def __init__(self, classes: int, depth: int = 18, dropout: float = 0.0) -> None:
        if depth not in STAGES:
            known = " and ".join(str(number) for number in STAGES)
            raise ValueError(f"depth {depth} is not there: {known} are")
        block, stages = STAGES[depth]
        super().__init__(block, stages, num_classes=classes)
        if dropout:
            last = "conv2" if block is BasicBlock else "conv3"
            for name, module in self.named_modules():
                if name.endswith(last):  # a hook, so that no weight's name changes
                    module.register_forward_pre_hook(partial(_dropped, share=dropout))

    @property
    def head(self) -> nn.Linear:
        """The linear classifier on the pooled features."""
        return cast(nn.Linear, self.fc)

    def features(self, images: Tensor) -> Tensor:
        """Return the maps of layer4, `[B, 3, H, W]` -> `[B, C, H/32, W/32]`.

        C is 512 at depth 18 and 2,048 at depth 50.
        """
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, `[B, 3, H, W]` -> `[B, K]`."""
        return self.head(self.features(images).mean((2, 3)))
