"""Insertion and deletion (Petsiuk et al. 2018), one value a picture.

Both rank the pixels of a picture by a map and follow the probability of one class:
deletion takes the first pixels away, insertion puts them into a blurred picture. They
judge the map for one model; between models the full picture's probability differs, so
that the areas are also given in its units.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur

from helpers.explain.cam import check_images, check_targets
from helpers.explain.hooks import evaluating

STEPS = 28  # of 1/28 of the pixels each: 1,792 pixels at 224 x 224, as published
BLUR = 1 / 4  # standard deviation of the blur, in shorter sides of the picture

Model = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Curves:
    """Probability of the target class as pixels are inserted or deleted.

    Attributes:
        shares: share of the pixels that were inserted or deleted, `[S + 1]`, 0 to 1.
        insertion: probability, `[B, S + 1]`, from the blurred to the full picture.
        deletion: probability, `[B, S + 1]`, from the full picture to the fill.
        full: probability in the full picture, `[B]`.
        correct: whether the target is the model's first choice there, `[B]`.
        tied: share of the pixels whose value in the map is that of another, `[B]`.
    """

    shares: Tensor
    insertion: Tensor
    deletion: Tensor
    full: Tensor
    correct: Tensor
    tied: Tensor

    @property
    def insertion_auc(self) -> Tensor:
        """Area under insertion, `[B]`, trapezoid over shares; [0, 1], high is good."""
        return torch.trapezoid(self.insertion, self.shares)

    @property
    def deletion_auc(self) -> Tensor:
        """Area under deletion, `[B]`, trapezoid over shares; [0, 1], low is good."""
        return torch.trapezoid(self.deletion, self.shares)

    @property
    def relative_insertion_auc(self) -> Tensor:
        """Area under insertion / full, `[B]`; [0, inf), NaN where full is 0."""
        return self.insertion_auc / self.full.where(self.full > 0, math.nan)

    @property
    def relative_deletion_auc(self) -> Tensor:
        """Area under deletion / full, `[B]`; [0, inf), NaN where full is 0."""
        return self.deletion_auc / self.full.where(self.full > 0, math.nan)


@dataclass(frozen=True, eq=False)
class Extremes:
    """Mean probability of a class over its pictures, without their pixels.

    Attributes:
        blurred: in the fully blurred picture, `[K]`; NaN for a class without pictures.
        deleted: in the fully deleted picture, `[K]`; NaN for a class without pictures.
        pictures: pictures of the class, `[K]`.
        chance: 1 / K, what both must be near for the areas to mean something.
    """

    blurred: Tensor
    deleted: Tensor
    pictures: Tensor
    chance: float


@torch.no_grad()
def insertion_deletion(
    model: Model,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    *,
    steps: int = STEPS,
    blur: float = BLUR,
    fill: float | Tensor = 0.0,
    orders: int = 3,
    seed: int = 0,
    chunk: int = 64,
) -> Curves:
    """Return insertion and deletion curves (Petsiuk et al. 2018, section 4.1).

    Step s has the first round(s N / steps) of the N = H W pixels inserted or deleted.
    Pixels of equal value come in random order; a curve is the mean over `orders` such
    orders, the same for all pictures. Only steps that cut through equal values are
    evaluated more than once, and the full picture once for both curves.

    Shapes: images `[B, C, H, W]`, targets `[B]`, maps `[B, H, W]`.
    Range: softmax probabilities of the targets, [0, 1].

    Args:
        model: any function images -> logits `[n, K]`; evaluation mode inside.
        images: pictures as the model takes them, normalised.
        targets: the class to follow, in 0..K-1.
        maps: saliency of any scale and sign; only the order of the pixels counts.
        steps: number of steps, at most N.
        blur: as in `blurred`.
        fill: colour of a deleted pixel, one number or `[C]`; 0 is the mean colour.
        orders: random orders of equal pixels.
        seed: of these orders.
        chunk: pictures a forward pass, steps and pictures together.

    Raises:
        ValueError: shapes that do not fit, a map or a probability that is not finite,
            targets out of range, steps over N or orders under 1.

    >>> def model(images):  # sees the brightness of the upper half alone
    ...     bright = images[:, 0, :4].mean((1, 2))
    ...     return torch.stack([bright, -bright], 1)
    >>> images = torch.ones(1, 1, 8, 8)
    >>> target = torch.tensor([0])
    >>> knows = torch.ones(1, 8, 8)
    >>> knows[:, 4:] = 0
    >>> found = insertion_deletion(model, images, target, knows, steps=8)
    >>> wrong = insertion_deletion(model, images, target, 1 - knows, steps=8)
    >>> bool(found.deletion_auc < wrong.deletion_auc)
    True
    """
    _check(images, targets, maps, steps, orders)
    targets, maps = targets.to(images.device, torch.long), maps.to(images.device)
    numbers = torch.arange(steps + 1, device=images.device)
    counts = (2 * maps[0].numel() * numbers + steps) // (2 * steps)  # [S + 1], rounded
    inner = counts[1:-1]
    ranks = pixel_ranks(maps, orders, seed).int()  # [orders, B, N]
    falling = maps.flatten(1).sort(1, descending=True).values
    cuts_tie = falling[:, inner - 1] == falling[:, inner]  # [B, S - 1]
    needed = torch.stack([torch.ones_like(cuts_tie)] + [cuts_tie] * (orders - 1))
    jobs = needed.nonzero()  # [jobs, 3]: order, picture, step
    as_given = images.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if as_given else torch.contiguous_format

    def inner_points(top: Tensor, bottom: Tensor) -> Tensor:
        """Return `[B, S - 1]`: first pixels from `top`, the others from `bottom`."""
        found = full.new_zeros(needed.shape)  # [orders, B, S - 1]
        top, bottom = top.contiguous(), bottom.contiguous()
        for part in jobs.split(chunk) if len(jobs) else ():
            order, picture, step = part.unbind(1)
            first = ranks[order, picture] < inner[step, None]  # [n, N]
            first = first.view(-1, 1, *maps.shape[1:]).to(images)  # [n, 1, H, W]
            mixed = bottom[picture].lerp_(top[picture], first)  # exact at 0 and 1
            mixed = mixed.contiguous(memory_format=layout)
            found[order, picture, step] = followed(mixed, targets[picture])
        return torch.where(needed, found, found[0]).mean(0)

    def followed(mixed: Tensor, classes: Tensor) -> Tensor:
        """Return the probability of each picture's class, `[n]`; may overwrite them."""
        known = torch.cat([_asked(model, part) for part in mixed.split(chunk)])
        return known.gather(1, classes[:, None])[:, 0]

    soft, plain = blurred(images, blur), filled(images, fill)
    with evaluating(model):
        known = probabilities(model, images, chunk)  # [B, K]
        check_targets(targets, len(images), known.shape[1])
        full = known.gather(1, targets[:, None])[:, 0]
        start = followed(soft.clone(), targets)
        end = followed(plain.clone(), targets)
        insertion = [start[:, None], inner_points(images, soft), full[:, None]]
        deletion = [full[:, None], inner_points(plain, images), end[:, None]]
    return Curves(
        shares=counts.to(full.dtype) / maps[0].numel(),
        insertion=torch.cat(insertion, 1),
        deletion=torch.cat(deletion, 1),
        full=full,
        correct=known.argmax(1) == targets,
        tied=tied_share(maps),
    )


@torch.no_grad()
def extremes(
    model: Model,
    images: Tensor,
    targets: Tensor,
    *,
    blur: float = BLUR,
    fill: float | Tensor = 0.0,
    chunk: int = 64,
) -> Extremes:
    """Return, per class, the probability of the fully blurred and deleted pictures.

    Where it is far from chance the curve measures what the start or the end of it
    shows of the class, besides the map: blur more, or choose another fill.

    Shapes: images `[B, C, H, W]`, targets `[B]` -> K values each. Range: [0, 1].

    Raises:
        ValueError: as `insertion_deletion`.
    """
    check_images(images)
    check_targets(targets, len(images))
    targets = targets.to(images.device, torch.long)
    with evaluating(model):
        soft = probabilities(model, blurred(images, blur), chunk)  # [B, K]
        plain = probabilities(model, filled(images, fill), chunk)  # [B, K]
    check_targets(targets, len(images), soft.shape[1])
    own = F.one_hot(targets, soft.shape[1])  # [B, K]
    return Extremes(
        blurred=(own * soft).sum(0) / own.sum(0),
        deleted=(own * plain).sum(0) / own.sum(0),
        pictures=own.sum(0),
        chance=1 / soft.shape[1],
    )


def blurred(images: Tensor, blur: float = BLUR) -> Tensor:
    """Return Gaussian-blurred pictures, `[B, C, H, W]`, borders reflected.

    The standard deviation is `blur` times the shorter side, so that a picture of any
    size loses the same detail; the kernel ends at three deviations. Published code has
    an 11 x 11 kernel of deviation 5 at 224 x 224 pixels: 5 / 224, cut at one deviation.

    Raises:
        ValueError: unless blur > 0.
    """
    if not blur > 0:
        raise ValueError(f"blur must be a positive share of the side, got {blur}")
    side = min(images.shape[2:])
    sigma = blur * side
    width = 2 * min(math.ceil(3 * sigma), side - 1) + 1
    across = gaussian_blur(images, [width, 1], [sigma, sigma])
    return gaussian_blur(across, [1, width], [sigma, sigma])


def filled(images: Tensor, fill: float | Tensor = 0.0) -> Tensor:
    """Return pictures `[B, C, H, W]` of one colour, a number or `[C]`.

    Raises:
        ValueError: if fill is neither.
    """
    colour = torch.as_tensor(fill, dtype=images.dtype, device=images.device)
    if colour.shape not in ((), (images.shape[1],)):
        what = f"got shape {list(colour.shape)}"
        raise ValueError(f"fill must be one number or {images.shape[1]}, {what}")
    return colour.view(-1, 1, 1).expand_as(images)


def pixel_ranks(maps: Tensor, orders: int = 1, seed: int = 0) -> Tensor:
    """Return the rank of each pixel, 0 for the greatest; equal ones in random order.

    One order of all positions, drawn from `seed` and the same for every picture,
    decides among equal pixels: a picture's ranks depend on no other picture.

    Shapes: maps `[B, H, W]` -> `[orders, B, H W]`. Range: 0 to H W - 1.
    """
    generator = torch.Generator().manual_seed(seed)
    flat = maps.flatten(1)  # [B, N]
    ranks = torch.empty((orders, *flat.shape), dtype=torch.long, device=maps.device)
    places = torch.arange(flat.shape[1], device=maps.device).expand_as(flat)
    for rank in ranks:
        drawn = torch.randperm(flat.shape[1], generator=generator).to(maps.device)
        falling = flat[:, drawn].argsort(dim=1, descending=True, stable=True)
        rank.scatter_(1, drawn[falling], places)
    return ranks


def tied_share(maps: Tensor) -> Tensor:
    """Return the share of pixels whose value another pixel of the map has, `[B]`.

    Bilinear maps have some at their borders, where nothing is left to interpolate; a
    relu adds a plateau of zeros. Range: 0 (an order without chance) to 1 (constant).
    """
    values = maps.flatten(1).sort(1).values  # [B, N]
    equal = values[:, 1:] == values[:, :-1]  # [B, N - 1]: to the next one
    tied = F.pad(equal, (1, 0)) | F.pad(equal, (0, 1))  # [B, N]: to either neighbour
    return tied.float().mean(1)


def probabilities(model: Model, images: Tensor, chunk: int = 64) -> Tensor:
    """Return softmax probabilities, images `[B, C, H, W]` -> `[B, K]`, in chunks.

    Raises:
        ValueError: if the model gives no `[B, K]`, or NaN.
    """
    return torch.cat([_asked(model, part.clone()) for part in images.split(chunk)])


def _asked(model: Model, images: Tensor) -> Tensor:
    """Return `probabilities` of a batch that the model may overwrite."""
    logits = model(images)
    if logits.ndim != 2 or len(logits) != len(images):
        got = f"{list(logits.shape)} for {len(images)} pictures"
        raise ValueError(f"the model must give logits [B, K], gave {got}")
    known = logits.softmax(1, dtype=torch.promote_types(logits.dtype, torch.float32))
    if known.isnan().any():
        raise ValueError("the model gives NaN for a picture or a perturbed picture")
    return known


def _check(
    images: Tensor, targets: Tensor, maps: Tensor, steps: int, orders: int
) -> None:
    """Raise a ValueError at the first wrong argument of `insertion_deletion`."""
    check_images(images)
    check_targets(targets, len(images))
    wanted = [len(images), *images.shape[2:]]
    if list(maps.shape) != wanted:
        raise ValueError(f"maps must be {wanted}, [B, H, W], got {list(maps.shape)}")
    broken = (~maps.isfinite()).flatten(1).any(1).nonzero().flatten().tolist()
    if broken:
        raise ValueError(f"the map of picture {broken[0]} is not finite (NaN or inf)")
    if not 1 <= steps <= maps[0].numel() or orders < 1:
        what = f"steps={steps}, orders={orders} at {maps[0].numel()} pixels"
        raise ValueError(f"steps must be in 1..pixels and orders positive, got {what}")
