"""LaViSE's explainer: what a masked object looks like to a network -> a word vector.

Both codes (YuYang0901/LaViSE, ErikBuis/FACT2023) build, on d pooled numbers,
normalise - dropout - linear(d, d) - ReLU - normalise - dropout - linear(d, E): two
"normalisations before a linear layer", as the text of Buis et al. (2023) says. Their
formula for its size, d^2 + 303 d + 900, is that of another network.

Axes: B rows, d filters, h x w cells, E numbers a word vector.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.settings import Refused

Normalised = Literal["inputs", "output"]


class Explainer(nn.Module):
    """A head that maps pooled feature maps `[B, d cells^2]` to word vectors `[B, E]`.

    `normalised` says where the second normalisation stands: at the "inputs" of both
    linear layers, as in the codes, or at the "output", after the last one, as the
    document's formula for the number of parameters has it.

    With `frozen_norms` the normalisations stay in evaluation mode while training, as
    the codes do: their statistics stay 0 and 1, and each is an affine map per number.
    """

    def __init__(
        self,
        inputs: int,
        width: int = 300,
        dropout: float = 0.1,
        normalised: Normalised = "inputs",
        frozen_norms: bool = False,
    ) -> None:
        super().__init__()
        self.inputs, self.frozen_norms = inputs, frozen_norms
        first = [nn.BatchNorm1d(inputs), nn.Dropout(dropout), nn.Linear(inputs, inputs)]
        last = [nn.Dropout(dropout), nn.Linear(inputs, width)]
        if normalised == "inputs":
            last.insert(0, nn.BatchNorm1d(inputs))
        else:
            last.append(nn.BatchNorm1d(width))
        self.layers = nn.Sequential(*first, nn.ReLU(), *last)

    def train(self, mode: bool = True) -> "Explainer":
        """Set the mode; frozen normalisations stay in evaluation mode."""
        super().train(mode)
        if self.frozen_norms:
            for layer in self.layers:
                if isinstance(layer, nn.BatchNorm1d):
                    layer.eval()
        return self

    def forward(self, pooled: Tensor) -> Tensor:
        """Return word vectors `[B, d cells^2]` -> `[B, E]`.

        Raises:
            Refused: pooled maps of another width.
        """
        if pooled.shape[-1] != self.inputs:
            raise Refused(
                f"the explainer reads {self.inputs} numbers a row, got "
                f"{pooled.shape[-1]}: pool with the cells it was made for"
            )
        return self.layers(pooled)


@dataclass(frozen=True)
class Counts:
    """How many parameters an explainer has, counted and by formula.

    Attributes:
        inputs: d, the numbers that it reads.
        built: counted in the network of both codes.
        code: by d^2 + (E + 5) d + E: 305 and 300 of E = 300.
        document: by d^2 + (E + 3) d + 3 E: the printed 303 and 900.
        output: counted in the network normalised at its output: that of the document.
    """

    inputs: int
    built: int
    code: int
    document: int
    output: int


def parameter_counts(inputs: int, width: int = 300) -> Counts:
    """Return the counts of both networks beside both formulas; nothing is allocated.

    The text (a normalisation before each linear layer) and the formula of Buis et al.
    (2023) contradict each other; the formula is that of `normalised="output"`.
    """
    with torch.device("meta"):
        built, output = (
            sum(p.numel() for p in Explainer(inputs, width, normalised=n).parameters())
            for n in ("inputs", "output")
        )
    code = inputs**2 + (width + 5) * inputs + width
    document = inputs**2 + (width + 3) * inputs + 3 * width
    return Counts(inputs, built, code, document, output)


def to_cells(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Return masks at the cells of the maps, each the pixel in the cell's middle.

    Nearest, as published; an object that no cell's middle hits leaves an empty mask.

    Shapes: masks `[J, H, W]`, bool -> `[J, h, w]`, bool.

    Raises:
        Refused: masks that are not bool `[J, H, W]`.
    """
    if masks.dtype != torch.bool or masks.ndim != 3:
        raise Refused(
            f"masks must be bool [J, H, W], got {masks.dtype} of shape "
            f"{list(masks.shape)}: compare them with 0"
        )
    resized = F.interpolate(masks[:, None].float(), size, mode="nearest-exact")
    return resized[:, 0] > 0.5


def masked_features(
    features: Tensor, masks: Tensor, empty: str = "whole", scale: float = 1.0
) -> Tensor:
    """Return F M', each map times its row's mask (Yang et al. 2022), `[B, d, h, w]`.

    What an `empty` mask leaves: the "whole" map, as the original code, whose batch is
    one picture; "nothing", zeros; or the whole maps of a "batch" all of whose masks are
    empty, else zeros, as ErikBuis/FACT2023.

    Args:
        features: `[B, d, h, w]`.
        masks: `[B, h, w]`, bool, at the maps' cells (`to_cells`).
        empty: the rule for empty masks.
        scale: value of a mask inside; 1/255 in both codes for COCO, whose masks went
            through an 8-bit picture.

    Raises:
        Refused: masks that do not fit the maps; an unknown rule.
    """
    if masks.dtype != torch.bool or masks.shape != features[:, 0].shape:
        raise Refused(
            f"masks must be bool {list(features[:, 0].shape)} for maps of "
            f"{list(features.shape)}, got {masks.dtype} {list(masks.shape)}: to_cells"
        )
    inside = masks.to(features) * scale
    if empty == "whole":
        inside = torch.where(masks.any(2).any(1)[:, None, None], inside, 1)
    elif empty == "batch":
        inside = inside if masks.any() else torch.ones_like(inside)
    elif empty != "nothing":
        raise Refused(f"empty must be whole, nothing or batch, got '{empty}'")
    return features * inside[:, None]
