"""Heads on frozen features: each cell gets logits, then these are averaged.

A head of 1 x 1 layers reads every cell of the feature maps `[B, C, h, w]` on its own,
and the logits are the mean over the cells (sidgairo18/how-to-probe, e703756). A linear
head may as well read the mean of the cells, an MLP or a B-cos head may not: that is
what gives it evidence that lies somewhere.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, cast

import torch
from torch import Tensor, nn

from helpers.settings import Refused, nearest
from helpers.vision.bcos_layers import BcosConv2d, UncentredNorm2d, reset_bcos

LAST_SD = 0.01  # of the last layer's weights at the start, standard heads
CELLS = "cells"  # the module of `Probed` through which the feature maps pass

Kind = Literal["standard", "B-cos"]


@dataclass(frozen=True)
class HeadShape:
    """What a head is made of.

    Attributes:
        kind: "standard": convolutions of 1 x 1, batch norm and ReLU between them;
            "B-cos": B-cos units and uncentred norms between them, no ReLU.
        layers: 1, 2 or 3; no norm stands behind the last.
        bias: whether standard layers have trained biases; B-cos units have none.
        hidden: channels between layers; None for as many as the features have.
        logit_bias: what is added to each logit: log p / (1 - p) makes the sigmoid of
            no evidence p. A standard head that trains biases starts there.
        temperature: B-cos logits are divided by it.
    """

    kind: Kind = "standard"
    layers: int = 1
    bias: bool = True
    hidden: int | None = None
    logit_bias: float = 0.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no head has."""
        if self.kind not in ("standard", "B-cos") or self.layers not in (1, 2, 3):
            raise Refused(
                f"a head is 'standard' or 'B-cos' with 1, 2 or 3 layers, got "
                f"'{self.kind}' with {self.layers}"
            )
        if self.kind == "B-cos" and self.bias:
            raise Refused("a B-cos head has no trained bias: take bias=False")
        if self.kind == "standard" and self.temperature != 1:
            raise Refused("a temperature is for B-cos heads: leave it out")
        if self.temperature <= 0 or not math.isfinite(self.logit_bias):
            raise Refused(
                "temperature must be over 0 and logit_bias finite, got "
                f"{self.temperature} and {self.logit_bias}"
            )


# The heads that Gairola et al. (2025) compare, by the names of this book.
HEADS: dict[str, HeadShape] = {
    "linear": HeadShape(),
    "linear, no bias": HeadShape(bias=False),
    "MLP-2": HeadShape(layers=2),
    "MLP-3": HeadShape(layers=3),
    "MLP-2, no bias": HeadShape(layers=2, bias=False),
    "MLP-3, no bias": HeadShape(layers=3, bias=False),
    "B-cos-1": HeadShape("B-cos", 1, bias=False),
    "B-cos-2": HeadShape("B-cos", 2, bias=False),
    "B-cos-3": HeadShape("B-cos", 3, bias=False),
}


def head_shape(name: str) -> HeadShape:
    """Return the shape of a head by its name; raises `Refused` for an unknown one."""
    if name not in HEADS:
        raise Refused(f"unknown head '{name}'{nearest(name, [*HEADS])}")
    return HEADS[name]


def prior_bias(classes: int) -> float:
    """Return -log(K - 1): the logit whose sigmoid is 1 / K.

    Raises `Refused` for fewer than two classes.
    """
    if classes < 2:
        raise Refused(f"a head needs two classes or more, got {classes}")
    return -math.log(classes - 1)


def published_logit_bias(
    shape: HeadShape, asked: float, classes: int, several_labels: bool
) -> float:
    """Return the logit bias that sidgairo18/how-to-probe (e703756) gives a head.

    -log(K - 1) where a B-cos head of one label a picture is asked for 0, since 0 counts
    as "not given" there; else what is asked for. Under softmax it changes nothing.
    """
    if shape.kind == "B-cos" and not several_labels:
        return asked or prior_bias(classes)
    return asked


class Logits(nn.Module):
    """z / T + b of every logit: the last step of a B-cos head, nothing trained."""

    def __init__(self, temperature: float, bias: float) -> None:
        super().__init__()
        self.temperature, self.bias = temperature, bias

    def forward(self, evidence: Tensor) -> Tensor:
        """Map `[B, K, h, w]` to the same."""
        return evidence / self.temperature + self.bias


class Head(nn.Sequential):
    """A head of a shape: feature maps -> a map of logits for each class.

    Shapes: `[B, C, h, w]` -> `[B, K, h, w]`. Range: any, in logits.
    """

    def __init__(self, shape: HeadShape, channels: int, classes: int) -> None:
        if channels < 1 or classes < 2:
            raise Refused(
                f"a head needs features and two classes, got {channels} channels and "
                f"{classes} classes"
            )
        hidden = shape.hidden or channels
        widths = [channels] + [hidden] * (shape.layers - 1) + [classes]
        make = _standard if shape.kind == "standard" else _bcos
        super().__init__(*make(shape, widths))
        self.shape = shape

    @property
    def last(self) -> nn.Conv2d | BcosConv2d:
        """The layer that gives the logits."""
        layers = [one for one in self if isinstance(one, nn.Conv2d | BcosConv2d)]
        return layers[-1]

    @property
    def is_linear(self) -> bool:
        """Whether the mean over cells may be taken before it: one standard layer."""
        return self.shape.kind == "standard" and self.shape.layers == 1

    def reset(self, generator: torch.Generator) -> None:
        """Draw all weights anew from one generator, in place.

        Standard: hidden layers N(0, 2 / C), the last N(0, 0.01^2), biases 0 but for the
        logit bias. B-cos: N(0, 1 / C), of which the direction alone counts. The start
        is this book's, the same for all losses.
        """
        reset_bcos(self, generator)
        for module in self:
            if isinstance(module, nn.Conv2d):
                ends = module is self.last
                std = LAST_SD if ends else (2 / module.in_channels) ** 0.5
                nn.init.normal_(module.weight, std=std, generator=generator)
                if module.bias is not None:
                    nn.init.constant_(
                        module.bias, self.shape.logit_bias if ends else 0.0
                    )
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()


class GivesMaps(Protocol):
    """A network that hands out its last feature maps."""

    features: Callable[[Tensor], Tensor]


class Probed(nn.Module):
    """A frozen network with a head: logits = mean over cells of head(features(x)).

    Grad-CAM and Grad-CAM++ take its layer `CELLS`, where the feature maps pass,
    whatever network and head are; without a layer they would take the last map there
    is, and of an MLP that lies inside the head. A linear head is found in closed form.
    """

    def __init__(self, network: nn.Module, probe: Head) -> None:
        super().__init__()
        features = getattr(network, "features", None)
        if not callable(features) or isinstance(features, nn.Module):
            raise Refused(
                f"network {type(network).__name__} has no method features(images) -> "
                "[B, C, h, w]: wrap it in one that has, as helpers.vision's networks"
            )
        self.network, self.probe, self.cells = network, probe, nn.Identity()
        network.requires_grad_(False)

    @property
    def head(self) -> nn.Linear | None:
        """The linear classifier on the mean of the cells, if the head is one."""
        if not self.probe.is_linear:
            return None
        last = cast(nn.Conv2d, self.probe.last)
        found = nn.Linear(last.in_channels, last.out_channels, device="meta")
        found.weight = nn.Parameter(last.weight[:, :, 0, 0], requires_grad=False)
        found.register_parameter("bias", cast(nn.Parameter | None, last.bias))
        return found

    def train(self, mode: bool = True) -> "Probed":
        """Set the head's mode; the frozen network stays in evaluation mode."""
        super().train(mode)
        self.network.eval()
        return self

    def features(self, images: Tensor) -> Tensor:
        """Return the frozen feature maps, `[B, 3, H, W]` -> `[B, C, h, w]`."""
        return self.cells(cast(GivesMaps, self.network).features(images))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, `[B, 3, H, W]` -> `[B, K]`."""
        return self.probe(self.features(images)).mean((2, 3))


def _standard(shape: HeadShape, widths: list[int]) -> list[nn.Module]:
    """Return 1 x 1 convolutions with batch norm and ReLU between them."""
    layers: list[nn.Module] = []
    for number, outside in enumerate(widths[1:], 1):
        ends = number == len(widths) - 1
        conv = nn.utils.skip_init(
            nn.Conv2d, widths[number - 1], outside, 1, bias=shape.bias
        )
        if ends and not shape.bias and shape.logit_bias:
            # Part of the layer, and not trained: so LRP has a rule for it.
            fixed = torch.full((outside,), shape.logit_bias)
            conv.bias = nn.Parameter(fixed, requires_grad=False)
        layers.append(conv)
        if not ends:
            layers += [nn.BatchNorm2d(outside), nn.ReLU()]
    return layers


def _bcos(shape: HeadShape, widths: list[int]) -> list[nn.Module]:
    """Return B-cos units with uncentred norms between them, and z / T + b."""
    layers: list[nn.Module] = []
    for number, outside in enumerate(widths[1:], 1):
        layers.append(BcosConv2d(widths[number - 1], outside))
        if number < len(widths) - 1:
            layers.append(UncentredNorm2d(outside))
    return [*layers, Logits(shape.temperature, shape.logit_bias)]
