"""What a metric is given, and what it gives: a subject, maps of it, a score.

A `Subject` is pictures under a network with all that is known of them; `Maps` are one
method's, or a reference's; a `Score` has one value a picture and says why some have
none.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from helpers.data.geometry import Crops
from helpers.measure.aggregate import Aggregate, aggregate
from helpers.measure.perturbation import Model

Need = Literal["masks", "boxes", "crops", "grid"]


@dataclass(frozen=True, eq=False)
class Subject:
    """Pictures and a network, with what is known of them: what metrics read but maps.

    Attributes:
        model: any function images -> logits `[n, K]`.
        images: pictures as it takes them, normalised, `[B, 3, H, W]`.
        targets: the class that is explained and followed, `[B]`.
        cells: (h, w) of the feature map, one of which is the border.
        masks: the target class's pixels, `[B, H, W]`, bool; None where not known.
        ignored: pixels that count nowhere, likewise.
        boxes: its instances, `[B, N, 4]`, as `measure.consistency.mosu` takes them.
        crops: the transforms of SES, one or several draws.
        grid: of composites alone: pictures a row, and each target's cell, `[B]`.
        seed: of the order of equal pixels.
        chunk: pictures a forward pass.
    """

    model: Model
    images: Tensor
    targets: Tensor
    cells: tuple[int, int] = (7, 7)
    masks: Tensor | None = None
    ignored: Tensor | None = None
    boxes: Tensor | None = None
    crops: tuple[Crops, ...] = ()
    grid: tuple[int, Tensor] | None = None
    seed: int = 0
    chunk: int = 64

    @property
    def has(self) -> set[Need]:
        """What is there of all that a metric may need."""
        known: dict[Need, object] = {
            "masks": self.masks,
            "boxes": self.boxes,
            "crops": self.crops or None,
            "grid": self.grid,
        }
        return {name for name, found in known.items() if found is not None}


@dataclass(frozen=True, eq=False)
class Maps:
    """A method's maps of the pictures of a `Subject`, and of the same ones moved.

    Attributes:
        pictures: `[B, H, W]`.
        cropped: of the pictures as each of the crops shows them, `[B, H, W]` each.
        others: of another picture, for each, which tells what SES owes to chance.
    """

    pictures: Tensor
    cropped: tuple[Tensor, ...] = ()
    others: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Score:
    """A metric's values, one a picture.

    Attributes:
        values: `[B]`, NaN where it is not defined.
        causes: why it may not be, `[B]`, bool, in the order in which they count.
        noted: where the value is a convention or to be read with care, `[B]`, bool.
        beside: what belongs next to it, `[B]` each, as SES "less chance".
    """

    values: Tensor
    causes: Mapping[str, Tensor] = field(default_factory=dict)
    noted: Mapping[str, Tensor] = field(default_factory=dict)
    beside: Mapping[str, Tensor] = field(default_factory=dict)

    def mean(self, name: str = "", where: Tensor | None = None) -> Aggregate:
        """Return the mean over the pictures that have it, with the others counted.

        Args:
            name: of what stands beside; the values themselves by default.
            where: pictures that count alone, `[B]`, bool.
        """
        values = self.beside[name] if name else self.values
        if where is not None and not where.any():
            return Aggregate(math.nan, 0, {})
        keep = slice(None) if where is None else where.to(values.device)
        causes = {cause: which[keep] for cause, which in self.causes.items()}
        return aggregate(values[keep], causes)


def joined(parts: Sequence[Score]) -> Score:
    """Return the scores of several blocks of pictures as one."""

    def together(dicts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        return {name: torch.cat([one[name] for one in dicts]) for name in dicts[0]}

    return Score(
        torch.cat([part.values for part in parts]),
        together([part.causes for part in parts]),
        together([part.noted for part in parts]),
        together([part.beside for part in parts]),
    )
