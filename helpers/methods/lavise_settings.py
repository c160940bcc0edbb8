"""Settings of LaViSE (Yang et al. 2022), of its teaching and of its naming of filters.

Settings that are not the defaults are what the published codes do, or their defects;
`DEFECTS` names them, so that the effect of each can be measured by itself.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from helpers.explain.naming import Repeats
from helpers.methods.explainer import Normalised
from helpers.settings import Refused, Settings, nearest

Attention = Literal["scalar", "elementwise", "none", "activation", "image"]


class Teaching(Settings):
    """How an explainer is taught.

    Attributes:
        epochs: 0 leaves it as drawn: the control.
        batch: instances a step; 2,048 in Buis et al. (2023), 1 in the original code.
        optimiser: "adam" as the original code, with the learning rate divided by 10
            after 10 epochs without a better validation loss, or "dadapt-adam", the
            preprint's D-Adaptation (Defazio and Mishchenko 2023) as Buis et al.
        lr: 1e-4 in the original code; "dadapt-adam" multiplies its own by it: 1.
        margin: of the loss.
        similarity: "cosine" as both codes, "dot" as printed.
        dropout: before each linear layer.
        normalised: where the second normalisation stands (`Explainer`).
        frozen_norms: whether normalisations are left in evaluation mode.
        empty: what becomes of an instance that no cell's middle hits: "drop" it, or as
            `masked_features`.
        mask_scale: value of a mask inside.
        views: cropped and mirrored views of each picture to teach with; 0 is the
            picture as it is. The codes draw a new view in every epoch of COCO.
        masks_follow: whether masks move as the pictures of a view do.
        united: whether instances of the same categories in a picture become one.
    """

    epochs: int = Field(30, ge=0, le=10_000)
    batch: int = Field(256, ge=1)
    optimiser: Literal["adam", "dadapt-adam"] = "adam"
    lr: float = Field(1e-3, gt=0)
    margin: float = Field(1.0, gt=0)
    similarity: Literal["cosine", "dot"] = "cosine"
    dropout: float = Field(0.1, ge=0, lt=1)
    normalised: Normalised = "inputs"
    frozen_norms: bool = False
    empty: Literal["drop", "whole", "nothing", "batch"] = "drop"
    mask_scale: float = Field(1.0, gt=0)
    views: int = Field(0, ge=0, le=1000)
    masks_follow: bool = True
    united: bool = True


class Naming(Settings):
    """How filters are explained.

    Attributes:
        top: pictures a filter, p.
        quantile: of the threshold T_u.
        least_iou: what an instance's overlap with the region must exceed.
        attention: as printed "scalar", as both codes "elementwise", or without: "none",
            or the "activation" or the "image" masked.
        coarse_masks: whether overlap is measured with masks of the maps' cells.
        words: in a label.
        repeats: how often the words of a picture count.
    """

    top: int = Field(25, ge=1)
    quantile: float = Field(0.995, gt=0, lt=1)
    least_iou: float = Field(0.04, ge=0, lt=1)
    attention: Attention = "scalar"
    coarse_masks: bool = False
    words: int = Field(10, ge=1)
    repeats: Repeats = "once"


@dataclass(frozen=True)
class Defect:
    """A defect of the published codes, as settings that bring it about.

    Attributes:
        what: it does, in one line.
        teaching: settings of `Teaching`.
        naming: settings of `Naming`.
    """

    what: str
    teaching: dict[str, Any]
    naming: dict[str, Any]


DEFECTS = {
    "low quantile": Defect(
        "T_u is the quantile .005 instead of .995: R is almost everything",
        {},
        {"quantile": 0.005},
    ),
    "mask scale": Defect(
        "COCO's masks are 0 and 1/255 in training, not 0 and 1",
        {"mask_scale": 1 / 255},
        {},
    ),
    "masks left behind": Defect(
        "the picture of a view is cropped and mirrored, its mask is not",
        {"masks_follow": False, "views": 4},
        {},
    ),
    "frozen norms": Defect(
        "the explainer's own normalisations stay in evaluation mode",
        {"frozen_norms": True},
        {},
    ),
    "instances apart": Defect(
        "instances of one category in a picture stay apart, the text unites them",
        {"united": False},
        {},
    ),
    "coarse masks": Defect(
        "overlap is measured with masks of the maps' few cells, not of the pixels",
        {},
        {"coarse_masks": True},
    ),
}

# Hyperparameters as printed or, for the original, as its code has them by default;
# defects are not among them. A batch of 1 leaves a normalisation nothing to normalise.
ORIGINAL = Teaching(epochs=3, batch=1, lr=1e-4, empty="whole", frozen_norms=True)
DOCUMENT = Teaching(epochs=30, batch=2048, optimiser="dadapt-adam", lr=1.0)


def with_defects(
    names: tuple[str, ...],
    teaching: Teaching | None = None,
    naming: Naming | None = None,
) -> tuple[Teaching, Naming]:
    """Return settings with these defects of `DEFECTS`, all others as they are.

    Raises:
        Refused: an unknown defect.
    """
    teaching, naming = teaching or Teaching(), naming or Naming()
    for name in names:
        if name not in DEFECTS:
            raise Refused(f"unknown defect '{name}'{nearest(name, list(DEFECTS))}")
        teaching = teaching.model_copy(update=DEFECTS[name].teaching)
        naming = naming.model_copy(update=DEFECTS[name].naming)
    return teaching, naming
