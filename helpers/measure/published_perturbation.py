"""Insertion and deletion by any convention of `conventions` (Petsiuk et al. 2018).

What `perturbation` does for this book, step by step as the published codes do: slower,
since each picture is evaluated at each step.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur

from helpers.explain.cam import check_images, check_targets
from helpers.explain.hooks import evaluating
from helpers.measure.checks import check_maps
from helpers.measure.conventions import Convention, area, step_counts
from helpers.measure.perturbation import (
    Curves,
    Model,
    blurred,
    filled,
    pixel_ranks,
    probabilities,
    tied_share,
)

FLAT, CUT = 11, 9  # pixels of the kernels of RISE and of lico-fact
SIGMA = 5.0  # pixels, their deviation


@dataclass(frozen=True, eq=False)
class Perturbed:
    """Insertion and deletion of a batch under one convention.

    Attributes:
        insertion: area by the convention's rule, `[B]`.
        deletion: area by the convention's rule, `[B]`.
        curves: the values behind them; their own areas are trapezoids over shares.
        explained: class of the maps, `[B]`.
        scored: class that was followed, `[B]`.
    """

    insertion: Tensor
    deletion: Tensor
    curves: Curves
    explained: Tensor
    scored: Tensor


def perturbed_as(
    convention: Convention,
    model: Model,
    images: Tensor,
    labels: Tensor,
    saliency: Callable[[Tensor, Tensor], Tensor],
    *,
    seed: int = 0,
    chunk: int = 64,
) -> Perturbed:
    """Return insertion and deletion as a convention has them (Petsiuk et al. 2018).

    Shapes: images `[B, C, H, W]`, labels `[B]` -> `[B]` each. Range: [0, 1]; insertion
    high, deletion low is good.

    Args:
        convention: one of `CONVENTIONS`, or of your own.
        model: any function images -> logits `[n, K]`; evaluation mode inside.
        images: pictures as the model takes them, normalised.
        labels: the true class, in 0..K-1.
        saliency: (images, classes) -> maps `[B, H, W]` of any scale and sign, called
            once with the class that the convention explains.
        seed: of random orders.
        chunk: pictures a forward pass.

    Raises:
        ValueError: shapes that do not fit, a map or a probability that is not finite,
            labels out of range, pictures smaller than a blur asks for.
    """
    check_images(images)
    check_targets(labels, len(images))
    labels = labels.to(images.device, torch.long)
    with evaluating(model), torch.no_grad():
        known = probabilities(model, images, chunk)  # [B, K]
    check_targets(labels, len(images), known.shape[1])
    classes = {"true": labels, "predicted": known.argmax(1)}
    explained, scored = classes[convention.explained], classes[convention.scored]
    maps = _maps(saliency, images, explained)
    counts = step_counts(convention, maps[0].numel())
    ranks = _ranks(convention, maps, seed)  # [orders, B, N]

    def curve(top: Tensor, bottom: Tensor) -> Tensor:
        """Return `[B, S + 1]`: first pixels from `top`, the others from `bottom`."""
        found = []
        for count in counts:
            first = (ranks < count).view(-1, *maps.shape)  # [orders, B, H, W]
            values = [
                probabilities(model, torch.where(one[:, None], top, bottom), chunk)
                for one in (first if 0 < count < maps[0].numel() else first[:1])
            ]
            mean = torch.stack(values).mean(0)  # [B, K]
            found.append(mean.gather(1, scored[:, None])[:, 0])
        return torch.stack(found, 1)

    with evaluating(model), torch.no_grad():
        plain = filled(images, convention.fill)
        soft = STARTS[convention.insertion_from](images, plain)
        insertion, deletion = curve(images, soft), curve(plain, images)
    shares = torch.tensor(counts).to(known) / maps[0].numel()
    curves = Curves(
        shares=shares,
        insertion=insertion,
        deletion=deletion,
        full=known.gather(1, scored[:, None])[:, 0],
        correct=known.argmax(1) == scored,
        tied=tied_share(maps),
    )
    return Perturbed(
        insertion=area(insertion, shares, convention.area),
        deletion=area(deletion, shares, convention.area),
        curves=curves,
        explained=explained,
        scored=scored,
    )


def flat_blur(images: Tensor) -> Tensor:
    """Return pictures under RISE's kernel, `[B, C, H, W]`; outside they are zeros.

    The kernel is a point of 11 x 11 pixels after a Gaussian of deviation 5, reflected
    at its edge: it sums to 1 and is nearly flat, .0077 to .0088. Borders darken.
    """
    point = [float(place == FLAT // 2) for place in range(FLAT)]
    line = torch.from_numpy(gaussian_filter1d(point, SIGMA)).to(images)  # [11]
    channels = images.shape[1]
    across = line.view(1, 1, 1, -1).expand(channels, -1, -1, -1)
    half = FLAT // 2
    soft = F.conv2d(images, across, padding=(0, half), groups=channels)
    return F.conv2d(soft, across.mT, padding=(half, 0), groups=channels)


def cut_blur(images: Tensor) -> Tensor:
    """Return torchvision's Gaussian of deviation 5 in 9 x 9 pixels, `[B, C, H, W]`.

    Raises:
        ValueError: pictures under 5 pixels a side, which it cannot reflect.
    """
    if min(images.shape[2:]) <= CUT // 2:
        what = f"got {list(images.shape[2:])}: choose another insertion_from"
        raise ValueError(f"a blur of 9 x 9 pixels needs 5 pixels a side, {what}")
    return gaussian_blur(images, [CUT, CUT], [SIGMA, SIGMA])


STARTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Gaussian of a quarter side": lambda images, plain: blurred(images),
    "flat 11 x 11": lambda images, plain: flat_blur(images),
    "Gaussian 9 x 9": lambda images, plain: cut_blur(images),
    "fill": lambda images, plain: plain,
}


def _maps(
    saliency: Callable[[Tensor, Tensor], Tensor], images: Tensor, classes: Tensor
) -> Tensor:
    """Return the maps of a batch, `[B, H, W]`, if they fit and are finite."""
    maps = saliency(images, classes).detach().to(images.device)
    wanted = [len(images), *images.shape[2:]]
    if list(maps.shape) != wanted:
        got = f"gave {list(maps.shape)}: interpolate it"
        raise ValueError(f"saliency must give maps {wanted}, [B, H, W], {got}")
    check_maps(maps)
    return maps


def _ranks(convention: Convention, maps: Tensor, seed: int) -> Tensor:
    """Return the rank of each pixel, 0 for the greatest, `[orders, B, H W]`."""
    flat = maps.flatten(1)  # [B, N]
    if convention.ties == "random":
        return pixel_ranks(maps, convention.orders, seed)
    if convention.ties == "first":
        order = flat.argsort(dim=1, descending=True, stable=True)
    else:
        order = flat.argsort(dim=1, stable=True).flip(1)
    return order.argsort(dim=1)[None]
