"""LIME (Ribeiro et al. 2016): a linear model of what a network says of parts hidden.

It needs no gradient and no layer, only images -> logits, and segments of the picture.
The loop over hidden parts is captum's; the weights of the samples and the ridge
regression are those of the authors' package `lime`, without its need of scikit-learn.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from helpers.explain.attribution import Model, check_chunk, checked_logits
from helpers.explain.cam import check_images, check_targets
from helpers.explain.hooks import evaluating
from helpers.streams import stream


def as_they_are(logits: Tensor) -> Tensor:
    """Return the logits, `[n, K]` -> `[n, K]`: the score that LIME fits by default."""
    return logits


@dataclass(frozen=True)
class Lime:
    """How LIME samples and fits.

    A probability saturates, and softmax and sigmoid do so differently: maps of networks
    trained with different losses are to be compared on logits, the default.
    """

    samples: int = 500  # pictures with hidden parts, the whole one first
    width: float = 0.25  # of the kernel, in cosine distance
    ridge: float = 1.0  # weight of the penalty: that of `lime`
    # logits -> [n, K], as torch.sigmoid
    score: Callable[[Tensor], Tensor] = as_they_are
    hidden: float = 0.0  # what hidden pixels are: 0 is the mean colour
    seed: int = 0


def lime(
    model: Model,
    images: Tensor,
    targets: Tensor,
    segments: Tensor | None = None,
    options: Lime | None = None,
    *,
    chunk: int = 64,
) -> Tensor:
    """Return LIME maps: each pixel has the weight of its segment, signed.

    Ribeiro et al. 2016, eq. 1 and 2, with a ridge penalty: c minimises
    sum_z exp(-D(z)^2 / (2 width^2)) (s(x_z) - c_0 - c z)^2 + ridge c'c, where z in
    {0, 1}^M says which segments are shown, x_z is the picture with the others hidden,
    s the target's score and D(z) = 1 - sqrt(sum(z) / M) the cosine distance from
    all shown. Each z_i is 1 with probability 1/2, in the first sample all are. Valid
    for any function of the picture. Its samples depend on the seed and on M alone.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient, fitted in
    double from scores in float.
    Range: any sign, in units of the score.

    Args:
        model: any function images -> logits `[n, K]`.
        images: pictures as the model takes them, normalised.
        targets: the class to explain, per picture, in 0..K-1.
        segments: integers `[B, H, W]` or `[H, W]`, 0..M-1 each in every picture, such
            as scikit-image's quickshift of it; None takes 8 x 8 equal squares.
        options: as of `Lime`.
        chunk: pictures with hidden parts a forward pass.

    Raises:
        ValueError: images, targets or segments of the wrong shape, dtype or range;
            options out of range; no logits `[n, K]`; scores that are not finite.
    """
    options = options or Lime()
    check_images(images)
    check_targets(targets, len(images))
    check_chunk(chunk)
    _check_options(options)
    height, width = images.shape[2:]
    given = squares(height, width) if segments is None else segments
    _check_segments(given, images)
    parts = given.to(images.device, torch.long).expand(len(images), height, width)
    maps = []
    with evaluating(model), torch.no_grad():
        for image, target, part in zip(images, targets.tolist(), parts, strict=True):
            weights = _weights(model, image, target, part, options, chunk)
            maps.append(weights[part].to(images))
    return torch.stack(maps)


def squares(height: int, width: int, cells: int = 8) -> Tensor:
    """Return the numbers `[H, W]` of cells x cells equal squares, in 0..cells^2 - 1.

    Raises:
        ValueError: if a side has fewer pixels than there are cells.
    """
    if min(height, width) < cells:
        text = f"{height} x {width} pixels hold no {cells} x {cells} squares"
        raise ValueError(f"{text}: give segments")
    rows = torch.arange(height) * cells // height
    columns = torch.arange(width) * cells // width
    return rows[:, None] * cells + columns


def ridge_weights(
    shown: Tensor, scores: Tensor, weights: Tensor, ridge: float
) -> Tensor:
    """Return the c of sum_n w_n (s_n - c_0 - c z_n)^2 + ridge c'c at its minimum.

    In closed form: (Z' W Z + ridge) c = Z' W s with Z and s less their weighted means.

    Shapes: shown `[n, M]`, scores `[n]`, weights `[n]` -> double `[M]` on the CPU.
    """
    shown, scores, weights = (one.cpu().double() for one in (shown, scores, weights))
    share = weights / weights.sum()
    centred = shown - share @ shown  # [n, M]
    weighted = centred.mT * weights  # [M, n]
    penalty = ridge * torch.eye(shown.shape[1], dtype=shown.dtype)
    normal, right = weighted @ centred + penalty, weighted @ (scores - share @ scores)
    return torch.linalg.lstsq(normal, right[:, None]).solution[:, 0]


def _weights(
    model: Model, image: Tensor, target: int, part: Tensor, options: Lime, chunk: int
) -> Tensor:
    """Return the weights of one picture's segments, double `[M]`, on its device."""
    from captum.attr import Lime as CaptumLime

    count = int(part.max()) + 1
    generator = stream(options.seed, "lime")
    only = torch.tensor([target])

    def scores(pictures: Tensor) -> Tensor:
        found = options.score(checked_logits(model, pictures, only))[:, target]
        if not found.isfinite().all():
            raise ValueError("a picture with hidden parts has no finite score")
        return found

    def samples(_: Tensor, **_settings: Any) -> Iterator[Tensor]:
        yield torch.ones(1, count, dtype=torch.long, device=image.device)
        while True:
            drawn = torch.rand(1, count, generator=generator) < 0.5
            yield drawn.long().to(image.device)

    def similarity(_: Tensor, _hidden: Tensor, z: Tensor, **_settings: Any) -> Tensor:
        distance = 1 - (z.sum(1) / count).sqrt()
        return (-(distance**2) / (2 * options.width**2)).exp()

    fit = _surrogate(options.ridge)
    found = CaptumLime(scores, fit, similarity, samples).attribute(
        image[None],
        baselines=options.hidden,
        feature_mask=part[None, None],
        n_samples=options.samples,
        perturbations_per_eval=chunk,
        return_input_shape=False,
    )
    return found.flatten().to(image.device)


def _surrogate(ridge: float) -> Any:
    """Return `ridge_weights` in the form in which captum takes a linear model."""
    from captum._utils.models.model import Model as Surrogate

    class Ridge(Surrogate):
        def fit(self, train_data: Any, **_: object) -> None:
            # Not through the loader: it would draw from torch's global stream.
            shown, scores, weights = train_data.dataset.tensors
            self.found = ridge_weights(shown, scores, weights, ridge)

        def representation(self) -> Tensor:
            return self.found

        def __call__(self, x: Tensor) -> Tensor:
            return x.double() @ self.found

    return Ridge()


def _check_options(options: Lime) -> None:
    """Raise a ValueError unless the options are in range."""
    if options.samples < 2:
        raise ValueError(f"samples must be at least 2, got {options.samples}")
    if not options.width > 0:
        raise ValueError(f"width must be positive, got {options.width}")
    if not options.ridge >= 0:
        raise ValueError(f"ridge must be 0 or more, got {options.ridge}")


def _check_segments(segments: Tensor, images: Tensor) -> None:
    """Raise a ValueError unless segments are 0..M-1, each there, `[B, H, W]`."""
    size = list(images.shape[2:])
    wanted = (size, [len(images), *size])
    if list(segments.shape) not in wanted or segments.is_floating_point():
        text = f"segments must be integers of shape {wanted[1]} or {size}"
        raise ValueError(f"{text}, got {segments.dtype} of {list(segments.shape)}")
    for part in segments.view(-1, *size):
        numbers = part.unique().tolist()
        if numbers != list(range(len(numbers))):
            raise ValueError(
                f"segments must be numbered 0..M-1 without a gap, got {numbers[:9]}"
            )
