"""ViT-CX (Xie et al. 2023): masks from a ViT's features, weighed by what they cause.

Each channel of the patch embeddings is a mask of the picture; similar masks are merged.
A mask's score is what the network says of the picture under it, less what the noise
that stands in for the hidden part does by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from torch import Tensor, nn

from helpers.explain.attribution import check_chunk, checked_logits
from helpers.explain.cam import check_images, check_targets, upsample
from helpers.explain.hooks import evaluating
from helpers.explain.transformer import Grid, attention_layers, inputs, patch_grid
from helpers.streams import stream


@dataclass(frozen=True)
class VitCx:
    """How ViT-CX merges masks and what it puts in place of what they hide.

    Attributes:
        distance: cosine distance within which all masks of a cluster lie, in [0, 1].
        noise: standard deviation of what is put in, in units of the pictures.
        seed: of the noise; every picture has the same.
    """

    distance: float = 0.1
    noise: float = 0.1
    seed: int = 0


def vit_cx(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    options: VitCx | None = None,
    *,
    chunk: int = 32,
) -> Tensor:
    """Return ViT-CX maps: the causal scores of masks, averaged where they show.

    Xie et al. 2023: with N masks M_i of `feature_masks` and noise Z_i,

        s_i = P(c | x M_i + Z_i (1 - M_i)) - P(c | x + Z_i (1 - M_i)) + P(c | x),
        map = sum_i s_i M_i / (N sum_i M_i),

    whose denominator takes away that some pixels are in more masks than others. The
    features are those of the last block after its first norm, as in the authors' code
    (GitHub, vaynexie/CausalX-ViT, 1ea3140), which also divides by N. Valid for ViTs
    with a class token.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient.
    Range: [-1 / N, 2 / N]; where no mask shows a pixel, 0.

    Args:
        model: a ViT of torchvision or timm, or another whose attention is
            `nn.MultiheadAttention` or has `qkv` and `proj`; images -> logits `[n, K]`.
        images: pictures as the model takes them, normalised.
        targets: the class to explain, per picture, in 0..K-1.
        options: as of `VitCx`.
        chunk: masked pictures a forward pass.

    Raises:
        ValueError: images or targets of the wrong shape, dtype or range; options out of
            range; a model without attention or class token; no logits `[n, K]`; logits
            or features that are not finite; features that are the same everywhere.
    """
    options = options or VitCx()
    check_images(images)
    check_targets(targets, len(images))
    check_chunk(chunk)
    _check_options(options)
    grid = patch_grid(model, images)
    wanted = targets.to(images.device, torch.long)
    size = (images.shape[2], images.shape[3])
    maps = []
    with evaluating(model), torch.no_grad():
        for image, target in zip(images.split(1), wanted.split(1), strict=True):
            features, whole = _features(model, image, target, grid)
            masks = feature_masks(features, size, options.distance)
            scores = torch.cat(
                [
                    _differences(model, image, target, some, noise)
                    for some, noise in _noised(masks, image, options, chunk)
                ]
            )
            maps.append(weighted_masks(masks, scores + whole))
    return torch.stack(maps)


def feature_masks(features: Tensor, size: tuple[int, int], distance: float) -> Tensor:
    """Return the masks of a picture: feature maps, merged where they are similar.

    Xie et al. 2023: each map is enlarged bilinearly and scaled to [0, 1];
    clusters of complete linkage, in which no two maps lie further apart than the cosine
    distance, are summed, and the sums scaled to [0, 1]. A map that is the same
    everywhere is no mask and is left out.

    Shapes: features `[C, h, w]`, size (H, W) -> `[N, H, W]`, N <= C, in the order of
    the first map of each. Range: [0, 1].

    Raises:
        ValueError: features that are not finite; no map that varies.
    """
    if not features.isfinite().all():
        raise ValueError("a feature map is not finite (NaN or inf): check the input")
    masks = _scaled(upsample(features, size).flatten(1))  # [C, H W]
    if len(masks) > 1:
        labels = _clusters(masks, distance).to(masks.device)
        sums = masks.new_zeros(int(labels.max()) + 1, masks.shape[1])
        masks = _scaled(sums.index_add(0, labels, masks))
    if not len(masks):
        raise ValueError("all feature maps are the same everywhere: there is no mask")
    return masks.unflatten(1, size)


def weighted_masks(masks: Tensor, scores: Tensor) -> Tensor:
    """Return sum_i s_i M_i / (N sum_i M_i), and 0 where all masks are 0.

    Shapes: masks `[N, H, W]`, scores `[N]` -> `[H, W]`. Range: that of s / N.
    """
    shown = masks.sum(0)
    total = torch.einsum("n,nhw->hw", scores, masks)
    return total / (len(masks) * torch.where(shown > 0, shown, torch.ones_like(shown)))


def _features(
    model: nn.Module, image: Tensor, target: Tensor, grid: Grid
) -> tuple[Tensor, Tensor]:
    """Return the patch embeddings `[C, h, w]` of a picture, and P(c | x) `[1]`."""
    layer = attention_layers(model)[-1]
    with inputs(layer) as kept:
        whole = checked_logits(model, image, target).softmax(1)[:, target[0]]
    last = isinstance(layer, nn.MultiheadAttention) and not layer.batch_first
    tokens = kept[0][:, 0] if last else kept[0][0]  # [T, C]
    patches = tokens[-grid[0] * grid[1] :]
    return patches.T.unflatten(1, grid).to(image), whole.to(image)


def _differences(
    model: nn.Module, image: Tensor, target: Tensor, masks: Tensor, noise: Tensor
) -> Tensor:
    """Return P(c | x M + Z (1 - M)) - P(c | x + Z (1 - M)) of some masks, `[n]`."""
    shown = masks[:, None]
    hidden = noise * (1 - shown)
    found = []
    for pictures in (image * shown + hidden, image + hidden):
        logits = checked_logits(model, pictures, target.expand(len(pictures)))
        found.append(logits.softmax(1)[:, target[0]].to(image))
    return found[0] - found[1]


def _noised(
    masks: Tensor, image: Tensor, options: VitCx, chunk: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield masks `[n, H, W]` with noise `[n, 3, H, W]`, n <= chunk, in turn.

    Drawn mask by mask, so that the size of the chunk decides nothing.
    """
    generator = stream(options.seed, "vit-cx noise")
    for some in masks.split(chunk):
        drawn = [torch.randn(image.shape[1:], generator=generator) for _ in some]
        yield some, options.noise * torch.stack(drawn).to(image)


def _clusters(masks: Tensor, distance: float) -> Tensor:
    """Return the cluster of each mask `[C, P]`, numbered by first appearance, `[C]`."""
    unit = masks.double()
    unit = unit / unit.norm(dim=1, keepdim=True)
    gaps = (1 - unit @ unit.T).clamp(min=0).cpu()
    gaps = ((gaps + gaps.T) / 2).fill_diagonal_(0)
    tree = linkage(squareform(gaps.numpy(), checks=False), method="complete")
    numbers = fcluster(tree, distance, criterion="distance").tolist()
    order = {number: place for place, number in enumerate(dict.fromkeys(numbers))}
    return torch.tensor([order[number] for number in numbers])


def _scaled(maps: Tensor) -> Tensor:
    """Return the maps `[C, P]` that vary, each from 0 to 1."""
    low, high = maps.amin(1, keepdim=True), maps.amax(1, keepdim=True)
    varies = (high > low)[:, 0]
    return ((maps - low) / (high - low))[varies]


def _check_options(options: VitCx) -> None:
    """Raise a ValueError for options out of range."""
    if not 0 <= options.distance <= 1:
        raise ValueError(f"distance must lie in [0, 1], got {options.distance}")
    if not 0 <= options.noise < float("inf"):
        raise ValueError(f"noise must be 0 or more, got {options.noise}")
