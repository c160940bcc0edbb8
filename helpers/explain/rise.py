"""RISE (Petsiuk et al. 2018): saliency from what the network says of masked pictures.

It needs no gradient and no layer, only images -> logits. Its price is noise:
`stability` compares the maps of two sets of masks, which should agree to .9 or better.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from helpers.explain.cam import check_images, check_targets, upsample
from helpers.explain.hooks import evaluating
from helpers.streams import stream

Model = Callable[[Tensor], Tensor]
BLOCK = 256  # masks drawn at a time: 51 MB of them at 224 x 224


def rise_masks(
    count: int,
    size: tuple[int, int],
    cells: int = 7,
    probability: float = 0.5,
    *,
    generator: torch.Generator,
) -> Tensor:
    """Draw masks: binary grids, enlarged bilinearly and shifted by part of a cell.

    Petsiuk et al. 2018, section 3.2: each of cells x cells is 1 with the probability,
    else 0; the grid is enlarged to (cells + 1) C pixels a side, of which a window of
    the picture's size is cut, 0 to C - 1 pixels from the corner. C = ceil(side / cells)
    as in the authors' code: the floor of the text leaves no full window unless cells
    divides the side. Each pixel of a mask has the mean `probability`.

    Shapes: size (H, W) -> float `[N, H, W]` on the CPU. Range: [0, 1].

    Raises:
        ValueError: count under 1, cells outside 1..min(H, W), probability outside
            (0, 1).
    """
    blocks = mask_blocks(count, size, cells, probability, generator=generator)
    return torch.cat(list(blocks))


def mask_blocks(
    count: int,
    size: tuple[int, int],
    cells: int = 7,
    probability: float = 0.5,
    *,
    generator: torch.Generator,
) -> Iterator[Tensor]:
    """Yield the masks of `rise_masks` in blocks `[n, H, W]`, n <= `BLOCK`, in turn.

    Raises:
        ValueError: as `rise_masks`, at the first block.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1 mask, got {count}")
    if not 1 <= cells <= min(size):
        text = f"cells must be in 1..{min(size)} for pictures of {size[0]} x {size[1]}"
        raise ValueError(f"{text}, got {cells}")
    _check_probability(probability)
    for start in range(0, count, BLOCK):
        number = min(BLOCK, count - start)
        yield _drawn(number, size, cells, probability, generator)


def _drawn(
    count: int,
    size: tuple[int, int],
    cells: int,
    probability: float,
    generator: torch.Generator,
) -> Tensor:
    """Return masks `[count, H, W]` of the generator's next numbers."""
    drawn = torch.rand(count, cells, cells, generator=generator)
    masks = (drawn < probability).float()  # [N, cells, cells]
    for side in size:  # rows, then columns: bilinear interpolation is separable
        pixels = math.ceil(side / cells)
        enlarge = upsample(torch.eye(cells)[None], ((cells + 1) * pixels, cells))[0]
        shift = torch.randint(pixels, (count, 1), generator=generator)
        window = enlarge[shift + torch.arange(side)]  # [N, side, cells]
        masks = (window @ masks).mT  # the axis done goes last
    return masks.clamp(0, 1).contiguous()


def rise(
    model: Model,
    images: Tensor,
    targets: Tensor,
    masks: Tensor,
    probability: float = 0.5,
    *,
    chunk: int = 32,
) -> Tensor:
    """Return RISE maps: sum_m P(c | x m) m / (N p) (Petsiuk et al. 2018, eq. 6).

    P is the softmax probability of the target, x m the picture multiplied by the mask:
    what is hidden fades to 0, the mean colour of a normalised picture. All pictures
    have the same masks. A network runs in evaluation mode, without gradient, and is
    left as it was found.

    Divided by the mean of a mask's pixel, not by that of the masks drawn, a map also
    shows which pixels were drawn more often than others, the more the larger P is.

    Shapes: images `[B, 3, H, W]`, targets `[B]`, masks `[N, H, W]` -> `[B, H, W]`.
    Range: [0, 1 / p].

    Args:
        model: any function images -> logits `[n, K]`.
        images: pictures as the model takes them, normalised.
        targets: the class to explain, per picture, in 0..K-1.
        masks: as of `rise_masks`, in [0, 1].
        probability: the mean p of a mask's pixel.
        chunk: masked pictures a forward pass.

    Raises:
        ValueError: images, targets or masks of the wrong shape, dtype or range; a
            probability that is not in (0, 1) or not finite; no logits `[n, K]`.

    >>> def model(images):  # sees one pixel alone
    ...     seen = images[:, 0, 9, 9]
    ...     return torch.stack([seen, 0 * seen], 1)
    >>> masks = rise_masks(200, (12, 12), generator=torch.Generator().manual_seed(1))
    >>> found = rise(model, torch.ones(1, 3, 12, 12), torch.tensor([0]), masks)
    >>> bool(found[0, 9, 9] > found[0, 2, 2])
    True
    """
    _check_probability(probability)
    scores = masked_scores(model, images, targets, masks, chunk=chunk)  # [B, N]
    weighted = scores @ masks.to(scores).flatten(1)  # [B, N] @ [N, H W]
    return (weighted / (len(masks) * probability)).view(-1, *masks.shape[1:])


def masked_scores(
    model: Model, images: Tensor, targets: Tensor, masks: Tensor, *, chunk: int = 32
) -> Tensor:
    """Return P(c | x m), the target's probability in each masked picture.

    Shapes: images `[B, 3, H, W]`, targets `[B]`, masks `[N, H, W]` -> `[B, N]`.
    Range: [0, 1]. Raises ValueError as `rise`.
    """
    check_images(images)
    check_targets(targets, len(images))
    _check_masks(masks, images)
    masks = masks.to(images)  # device and dtype
    wanted = targets.to(images.device, torch.long)
    with evaluating(model), torch.no_grad():
        return torch.stack(
            [
                torch.cat(
                    [_scores(model, image * m[:, None], c) for m in masks.split(chunk)]
                )
                for image, c in zip(images, wanted, strict=True)
            ]
        )


def rise_from_seed(
    model: Model,
    images: Tensor,
    targets: Tensor,
    count: int = 1000,
    cells: int = 7,
    probability: float = 0.5,
    seed: int = 0,
    *,
    chunk: int = 32,
) -> Tensor:
    """Return RISE maps with `count` masks drawn from a seed: `rise_masks`, then `rise`.

    Masks are drawn, used and dropped block by block: memory does not grow with their
    number.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`. Range: [0, 1 / p].

    Raises:
        ValueError: as `rise_masks` and `rise`.
    """
    check_images(images)
    size, generator = (images.shape[2], images.shape[3]), stream(seed, "rise masks")
    total = images.new_zeros(())
    for masks in mask_blocks(count, size, cells, probability, generator=generator):
        scores = masked_scores(model, images, targets, masks, chunk=chunk)  # [B, n]
        total = total + scores @ masks.to(scores).flatten(1)
    return (total / (count * probability)).view(-1, *size)


def stability(a: Tensor, b: Tensor) -> Tensor:
    """Return the rank correlation of two maps of a picture (Spearman 1904).

    The correlation of the pixels' ranks, equal values at their mean rank. Between maps
    of two mask seeds it tells noise from picture: .9 is the least this book wants.

    Shapes: a, b `[B, H, W]` -> `[B]`. Range: [-1, 1]; NaN if a map is constant.

    Raises:
        ValueError: if the shapes differ or a value is not finite.
    """
    if a.ndim != 3 or a.shape != b.shape:
        got = f"{list(a.shape)} and {list(b.shape)}"
        raise ValueError(f"two sets of maps must both be [B, H, W], got {got}")
    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("maps must be finite to be ranked, got NaN or inf")
    first, second = _centred_ranks(a), _centred_ranks(b)  # [B, H W]
    scale = (first.square().sum(1) * second.square().sum(1)).sqrt()
    return (first * second).sum(1) / scale


def _scores(model: Model, masked: Tensor, target: Tensor) -> Tensor:
    """Return the target's probability in each masked picture, `[n, 3, H, W]` -> `[n]`.

    Raises:
        ValueError: if the model gives no `[n, K]` or NaN, or has no such class.
    """
    logits = model(masked)
    if logits.ndim != 2 or len(logits) != len(masked):
        got = f"{list(logits.shape)} for {len(masked)} pictures"
        raise ValueError(f"the model must give logits [n, K], gave {got}")
    check_targets(target[None], 1, logits.shape[1])
    scores = logits.softmax(1)[:, target]
    if not scores.isfinite().all():
        raise ValueError("the model gives NaN for a masked picture: check its input")
    return scores.to(masked.dtype)


def _centred_ranks(maps: Tensor) -> Tensor:
    """Return the ranks of the pixels less their mean, `[B, H, W]` -> `[B, H W]`."""
    values = maps.flatten(1)
    ordered = values.sort(1).values
    below = torch.searchsorted(ordered, values)  # pixels of smaller value
    upto = torch.searchsorted(ordered, values, right=True)  # and those of equal value
    return (below + upto - values.shape[1]).double() / 2


def _check_probability(probability: float) -> None:
    """Raise a ValueError unless 0 < probability < 1."""
    if not 0 < probability < 1:
        raise ValueError(f"probability must lie between 0 and 1, got {probability}")


def _check_masks(masks: Tensor, images: Tensor) -> None:
    """Raise a ValueError unless masks are `[N, H, W]` in [0, 1], N >= 1."""
    size = list(images.shape[2:])
    if masks.ndim != 3 or list(masks.shape[1:]) != size or not len(masks):
        got = list(masks.shape)
        raise ValueError(f"masks must be [N, {size[0]}, {size[1]}], got {got}")
    if not ((masks >= 0) & (masks <= 1)).all():
        raise ValueError("masks must lie in [0, 1]: see rise_masks")
