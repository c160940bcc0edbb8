"""What LaViSE's explainer is taught with: pooled maps under the masks of instances.

The network is frozen, so the maps of a picture are computed once, and what the
explainer reads of an instance, pooled maps under its mask, is a row of a table.

Axes: N pictures, J instances, d filters of h x w cells, c pooled numbers a filter, C
categories.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.data.geometry import Crops, crop_images, crop_masks, random_crops
from helpers.explain.filter_attention import pool
from helpers.explain.filters import check_instances
from helpers.methods.explainer import masked_features, to_cells
from helpers.methods.lavise_settings import Teaching
from helpers.settings import Refused
from helpers.streams import stream

BLOCK = 256  # pictures or instances at once
Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Rows:
    """What the explainer is taught with: a row an instance.

    Attributes:
        inputs: pooled masked maps, `[J, d c]`, float32.
        positives: categories, `[J, C]`, bool, one or more in each row.
        unnamed: instances left out because no category is theirs.
        unseen: instances left out because no cell's middle hits them.
    """

    inputs: Tensor
    positives: Tensor
    unnamed: int = 0
    unseen: int = 0


def teaching_rows(
    features: Tensor,
    masks: Tensor,
    image_of: Tensor,
    positives: Tensor,
    teaching: Teaching,
    cells: int = 1,
) -> Rows:
    """Return the pooled maps under each instance's mask, and its categories.

    Args:
        features: of all pictures, `[N, d, h, w]` (`helpers.explain.filters.cached`).
        masks: `[J, H, W]`, bool, as the pictures were shown.
        image_of: the instance's picture, `[J]`.
        positives: the instance's categories, `[J, C]`, bool.
        teaching: the settings; `empty`, `mask_scale` and `united` are read.
        cells: of the pooling: 1, or 6 for AlexNet.

    Raises:
        Refused: masks, pictures or categories that do not fit; no row left.
    """
    check_instances(masks, image_of, positives)
    named = positives.any(1)
    unnamed = int((~named).sum())
    masks, image_of, positives = masks[named], image_of[named], positives[named]
    if teaching.united:
        masks, image_of, positives = unite(masks, image_of, positives)
    small = to_cells(masks, (features.shape[2], features.shape[3]))  # [J, h, w]
    seen = small.flatten(1).any(1)
    rule, unseen = teaching.empty, 0
    if rule == "drop":
        unseen = int((~seen).sum())
        small, image_of, positives = small[seen], image_of[seen], positives[seen]
        rule = "nothing"  # there are none any more
    if not len(small):
        raise Refused(
            f"no instance is left to teach with: {unnamed} have no category, {unseen} "
            "are smaller than a cell; take other categories or a layer of finer maps"
        )
    size = teaching.batch if rule == "batch" else BLOCK
    parts = zip(small.split(size), image_of.split(size), strict=True)
    inputs = [
        pool(
            masked_features(features[of].float(), one, rule, teaching.mask_scale), cells
        )
        for one, of in parts
    ]
    return Rows(torch.cat(inputs), positives, unnamed, unseen)


def view_rows(
    encode: Encode,
    images: Tensor,
    masks: Tensor,
    image_of: Tensor,
    positives: Tensor,
    teaching: Teaching,
    seed: int,
    cells: int = 1,
) -> Rows:
    """Return the rows of all views of the pictures, `teaching.views` of them or one.

    Each view is a draw of its own, the same for a seed; its maps are not kept.

    Args:
        encode: pictures `[b, 3, H, W]` to maps `[b, d, h, w]`, without gradients.
        images: `[N, 3, H, W]`, as `encode` takes them.
        masks: `[J, H, W]`, bool, of the pictures.
        image_of: the instance's picture, `[J]`.
        positives: the instance's categories, `[J, C]`, bool.
        teaching: the settings.
        seed: of the views.
        cells: of the pooling.

    Raises:
        Refused: as `teaching_rows`.
    """
    found = []
    for view in range(max(1, teaching.views)):
        shown, moved = images, masks
        if teaching.views:
            chance, follow = stream(seed, "views", view), teaching.masks_follow
            shown, moved = augmented(images, masks, image_of, chance, follow)
        features = torch.cat([encode(block) for block in shown.split(BLOCK)])
        rows = teaching_rows(features, moved, image_of, positives, teaching, cells)
        found.append(rows)
    return Rows(
        torch.cat([rows.inputs for rows in found]),
        torch.cat([rows.positives for rows in found]),
        sum(rows.unnamed for rows in found),
        sum(rows.unseen for rows in found),
    )


def unite(
    masks: Tensor, image_of: Tensor, positives: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return instances with those of the same categories in a picture made one.

    "Annotations of the same category in the same image are combined" (Buis et al.
    2023); their code lists them together, but keeps each by itself.

    Shapes: masks `[J, H, W]`, image_of `[J]`, positives `[J, C]` -> the same of fewer.
    """
    keys = torch.cat([image_of[:, None], positives.long()], 1)
    united, which = keys.unique(dim=0, return_inverse=True)
    joined = masks.new_zeros(len(united), *masks.shape[1:])
    for row, to in enumerate(which.tolist()):
        joined[to] |= masks[row]
    return joined, united[:, 0], united[:, 1:].bool()


def augmented(
    images: Tensor,
    masks: Tensor,
    image_of: Tensor,
    generator: torch.Generator,
    follow: bool = True,
    least_area: float = 0.08,
) -> tuple[Tensor, Tensor]:
    """Return one view of the pictures, cropped and mirrored, masks moved alike.

    RandomResizedCrop and a flip, as both codes train on COCO; there the masks do not
    `follow`. Maps of a view or more are cached as those of the pictures are.

    Shapes: images `[N, 3, H, W]`, masks `[J, H, W]`, bool, image_of `[J]` -> the same.
    """
    size = (images.shape[2], images.shape[3])
    crops = random_crops(len(images), size, generator, scale=(least_area, 1.0))
    moved = crop_images(images, crops)
    if not follow or not len(masks):
        return moved, masks
    own = Crops(crops.windows[image_of], crops.mirrored[image_of], size)
    return moved, crop_masks(masks, own)


def on_swapped_canvas(masks: Tensor) -> Tensor:
    """Return masks as both codes draw Visual Genome's boxes, `[J, H, W]`, bool.

    They are drawn at [y, x] on a canvas allocated as (W, H): what lies beyond is lost,
    and the rest is squeezed into the picture. A square picture is not changed.

    Shapes: masks `[J, H, W]`, bool, of pictures as they are on disk.
    """
    height, width = masks.shape[1:]
    side = min(height, width)
    canvas = torch.zeros(len(masks), 1, width, height)
    canvas[:, 0, :side, :side] = masks[:, :side, :side].float()
    return F.interpolate(canvas, (height, width), mode="nearest-exact")[:, 0] > 0.5
