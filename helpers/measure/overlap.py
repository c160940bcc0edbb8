"""mIoU of maps with one threshold a method, chosen on other pictures, and its floor.

A row is a picture and one of its labels: a picture with two classes has two rows, each
with its own map and mask, as Li et al. (2022) evaluate.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from helpers.measure.consistency import mask_share
from helpers.measure.localisation import (
    SHARES,
    above_share,
    best_share,
    iou,
    oracle_iou,
    random_iou,
)

# The first finds all but the least value of a map scaled to [0, 1]: a map that shows
# the opposite does best with it, and so comes to its floor.
FROM_ALL = (1e-6, *SHARES)


@dataclass(frozen=True, eq=False)
class Overlap:
    """IoU of a method's maps under its threshold, one value a row; NaN without object.

    Attributes:
        share: the threshold, of each map's maximum.
        iou: of the found pixels and the object, `[B]`.
        everything: of all pixels and the object, the floor: its share of them, `[B]`.
        blind: of as many pixels as were found, drawn blindly, `[B]`.
        oracle: under each row's own best threshold, `[B]`: a ceiling, no score.
        chosen: mean over the pictures that the threshold was chosen on.
    """

    share: float
    iou: Tensor
    everything: Tensor
    blind: Tensor
    oracle: Tensor
    chosen: float

    @property
    def mean(self) -> float:
        """Return mIoU, over the rows with an object."""
        return float(self.iou.nanmean())

    @property
    def floor(self) -> float:
        """Return the mIoU of all pixels: no map that is worth its name is under it."""
        return float(self.everything.nanmean())


def overlap(
    maps: Tensor,
    masks: Tensor,
    validation: tuple[Tensor, Tensor],
    ignored: Tensor | None = None,
) -> Overlap:
    """Return the overlap of maps under the threshold that is best on validation rows.

    Shapes: maps `[B, H, W]`, of any sign, masks and ignored `[B, H, W]`, bool.

    Args:
        maps: to be measured.
        masks: of the label of each row.
        validation: maps and masks of other pictures, `[V, H, W]` each.
        ignored: pixels of which nobody said what they show.

    Raises:
        ValueError: as `localisation.best_share` and `localisation.iou`.
    """
    best = best_share(*validation, shares=FROM_ALL)
    found = above_share(maps, best.share, ignored)
    floor = mask_share(masks, ignored).to(maps.device)
    own = iou(found, masks, ignored)
    return Overlap(
        share=best.share,
        iou=own,
        everything=floor.where(~own.isnan(), torch.nan),
        blind=random_iou(found, masks, ignored),
        oracle=oracle_iou(maps, masks, ignored, FROM_ALL),
        chosen=float(best.iou.nanmean()),
    )
