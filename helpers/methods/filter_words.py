"""LaViSE's explanation of all filters: pictures, regions, what is there, vectors.

The steps are functions of `helpers.explain`; here they are put together, from cached
maps. Words follow by `helpers.explain.naming`, their recall by
`helpers.measure.retrieval`.

Axes: N pictures, d filters, p pictures a filter, P pairs of a filter and one of its
pictures, J instances, C categories, E numbers a word vector.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.filter_attention import attended, attended_pictures
from helpers.explain.filters import (
    FilterScan,
    concepts,
    region_blocks,
    scan_filters,
)
from helpers.explain.hooks import evaluating
from helpers.explain.naming import (
    Vocabulary,
    by_filter,
    filter_labels,
    nearest_words,
    repeats,
)
from helpers.methods.explainer import to_cells
from helpers.methods.lavise_rows import Encode
from helpers.methods.lavise_settings import Naming
from helpers.settings import Refused

BLOCK = 256  # pictures of a pass


@dataclass(frozen=True, eq=False)
class Explained:
    """All filters' pictures, what lies in their regions and the explainer's vectors.

    Attributes:
        scan: pictures, maxima and thresholds of the filters.
        filters: the pair's filter, `[P]`, in the order of `scan.pairs()`.
        pictures: the pair's picture, `[P]`.
        truth: G, `[P, C]`, bool.
        vectors: `[P, E]`.
    """

    scan: FilterScan
    filters: Tensor
    pictures: Tensor
    truth: Tensor
    vectors: Tensor


def explain_filters(
    explainer: nn.Module,
    features: Tensor,
    masks: Tensor,
    image_of: Tensor,
    positives: Tensor,
    naming: Naming,
    *,
    cells: int = 1,
    found_in: Tensor | None = None,
    images: Tensor | None = None,
    encode: Encode | None = None,
) -> Explained:
    """Explain all filters of a layer, from its cached maps.

    Args:
        explainer: pooled maps `[B, d c]` to vectors `[B, E]`.
        features: maps of all pictures, `[N, d, h, w]`.
        masks: of the instances, `[J, H, W]`, bool, as the pictures were shown.
        image_of: the instance's picture, `[J]`.
        positives: the instance's categories, `[J, C]`, bool.
        naming: the settings.
        cells: of the pooling: 1, or 6 for AlexNet.
        found_in: maps in which pictures and thresholds are found, if others: in
            ErikBuis/FACT2023 pictures are cropped at random, anew in each pass.
        images: normalised, `[N, 3, H, W]`, which attention "image" masks.
        encode: pictures to maps, for attention "image".

    Raises:
        Refused: masks or categories that do not fit; attention "image" without images
            and encode.
    """
    scanned = features if found_in is None else found_in
    blocks = scanned.split(BLOCK)
    scan = scan_filters(blocks, len(scanned), naming.top, naming.quantile)
    filters, pictures = scan.pairs()
    maps, above = features[pictures, filters], scan.thresholds[filters]
    read = _read(naming, features, scan, maps, cells, images, encode)
    size = (masks.shape[1], masks.shape[2])
    if naming.coarse_masks:
        coarse = to_cells(masks, (features.shape[2], features.shape[3]))
        coarse = F.interpolate(coarse[:, None].float(), size, mode="nearest-exact")
        masks = coarse[:, 0] > 0.5
    truth = concepts(
        maps, above, pictures, masks, image_of, positives, naming.least_iou
    )
    with torch.no_grad(), evaluating(explainer):
        vectors = explainer(read)
    return Explained(scan, filters, pictures, truth, vectors)


def labels_of(
    explained: Explained,
    vocabulary: Vocabulary,
    words: int,
    naming: Naming,
    allowed: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the s nearest words of each pair, `[P, s]`, and filter labels, `[d, n]`.

    Args:
        explained: of `explain_filters`.
        vocabulary: raw or about a centre.
        words: s: published with 5, 10 and 20 for recall, 5 for labels.
        naming: the settings; `words` and `repeats` are read.
        allowed: words that a label may have, `[V]`, bool.

    Raises:
        Refused: as `nearest_words`.
    """
    lists = nearest_words(vocabulary, explained.vectors, words)
    scan = explained.scan
    shape = (len(scan.pictures), scan.pictures.shape[1])
    table = by_filter(lists, explained.filters, shape)
    times = repeats(scan.maxima, naming.repeats)
    return lists, filter_labels(table, times, naming.words, allowed)


def _read(
    naming: Naming,
    features: Tensor,
    scan: FilterScan,
    maps: Tensor,
    cells: int,
    images: Tensor | None,
    encode: Encode | None,
) -> Tensor:
    """Return what the explainer reads for each pair, `[P, d c]`."""
    filters, pictures = scan.pairs()
    above = scan.thresholds
    if naming.attention != "image":
        return attended(features, filters, pictures, above, naming.attention, cells)
    if images is None or encode is None:
        raise Refused(
            "attention 'image' shows masked pictures to the network: give images and "
            "encode, or take scalar, elementwise, none or activation"
        )
    size = (images.shape[2], images.shape[3])
    parts = region_blocks(maps, above[filters], size)
    return attended_pictures(images, pictures, parts, encode, cells)
