"""Contributions of a B-cos network (Böhle et al. 2022): W(x) x, exactly its logit.

A B-cos network is linear for each picture, with weights that depend on the picture.
Any network serves whose layers have `set_explanation_mode`, as those of the package
`bcos` do, or that has itself a context manager `explanation_mode`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from helpers.explain.attribution import Model, by_parts, name_of
from helpers.explain.cam import check_images

CLOSE = 1e-3  # of the largest logit: how far contributions may miss it
ROUNDING = 1e-6  # of the contributions' absolute sum


def bcos_contributions(
    model: nn.Module, images: Tensor, targets: Tensor, *, chunk: int = 64
) -> Tensor:
    """Return sum_channels [W(x) x], the contribution of each pixel to y_c, signed.

    Böhle et al. 2022, eq. 13: with its cosines held fixed the network is linear, and
    its gradient is the row W_c(x). The map sums to y_c(x) - y_c(0), the logit less
    its constant bias. Valid for B-cos networks without other biases, also under a
    linear head that has one.

    Shapes: images `[B, 3, H, W]` or `[B, 6, H, W]`, targets `[B]` -> `[B, H, W]`, no
    gradient.
    Range: any sign, in logits.

    Args:
        model: a network with an explanation mode, 6 channels -> logits `[n, K]`.
        images: pictures in [0, 1], not normalised: their inverse 1 - x is put behind
            them, unless the 6 channels are given.
        targets: the class to explain, per picture, in 0..K-1.
        chunk: pictures a forward pass.

    Raises:
        ValueError: images or targets of the wrong shape, dtype or range; a network
            without an explanation mode, or whose contributions miss the logit.
    """
    check_images(images)
    pictures = with_inverse(images) if images.shape[1] == 3 else images
    _check_pictures(pictures)

    def part(logits: Model, probe: Tensor, wanted: Tensor) -> Tensor:
        with explaining(model):
            scores = logits(probe).gather(1, wanted[:, None])[:, 0]  # [n]
            (weights,) = torch.autograd.grad(scores.sum(), probe)
            with torch.no_grad():
                nothing = model(torch.zeros_like(probe[:1]))[0, wanted]  # [n]
        contributions = probe * weights
        gap = contributions.sum((1, 2, 3)) - (scores - nothing)
        rounding = ROUNDING * contributions.abs().sum((1, 2, 3)).max()
        if not gap.abs().max() <= CLOSE * scores.abs().max() + rounding:
            text = f"the contributions of {name_of(model)} miss the logit by"
            raise ValueError(f"{text} {gap.abs().max():.2g}: a layer is not B-cos")
        return contributions

    return by_parts(part, model, pictures, targets, chunk)


def with_inverse(images: Tensor) -> Tensor:
    """Return [x, 1 - x], `[B, 3, H, W]` -> `[B, 6, H, W]` (Böhle et al. 2022).

    So every colour has the same sum over the channels, and black can contribute.
    """
    return torch.cat([images, 1 - images], 1)


@contextmanager
def explaining(model: nn.Module) -> Iterator[None]:
    """Run the block in explanation mode; each layer then gets its own mode back.

    Raises:
        ValueError: if the network has no explanation mode.
    """
    parts: list[Any] = list(model.modules())
    parts = [part for part in parts if hasattr(part, "set_explanation_mode")]
    own = getattr(model, "explanation_mode", None)
    if parts:
        found = [bool(getattr(one, "is_in_explanation_mode", False)) for one in parts]
        try:
            for part in parts:
                part.set_explanation_mode(True)
            yield
        finally:
            for part, was in zip(parts, found, strict=True):
                part.set_explanation_mode(was)
    elif callable(own):
        with own():
            yield
    else:
        text = f"{name_of(model)} has no explanation mode"
        raise ValueError(f"{text}: B-cos contributions are of B-cos networks")


def _check_pictures(pictures: Tensor) -> None:
    """Raise a ValueError unless pictures are 6 channels in [0, 1], x and 1 - x."""
    if pictures.shape[1] != 6:
        got = pictures.shape[1]
        raise ValueError(f"B-cos pictures have 3 channels or 6, got {got}")
    low, high = float(pictures.min()), float(pictures.max())
    if not (low >= -1e-6 and high <= 1 + 1e-6):
        text = "B-cos pictures lie in 0..1, not normalised"
        raise ValueError(f"{text}, got {low:.3g} to {high:.3g}")
    first, second = pictures.chunk(2, 1)
    if (first + second - 1).abs().max() > 1e-3:
        raise ValueError("6 channels must be x and 1 - x: see with_inverse")
