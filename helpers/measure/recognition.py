"""Does a joint space of pictures and texts recognise? Zero-shot classes and retrieval.

Features are compared by cosine. Of several greatest the share that is right counts,
which is the mean over a random choice. Axes: N pictures, M texts, K classes, E numbers
a feature.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.settings import Refused

LOST = 0.02  # of pictures or texts: what may be lost where recognition is kept
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Retrieval:
    """R@1 both ways, with what blind choice has.

    Attributes:
        text_of_image: whether the nearest text belongs to the picture, `[N]`.
        image_of_text: whether the nearest picture belongs to the text, `[M]`.
        text_by_chance: share of the texts that belong to the picture, `[N]`.
        image_by_chance: share of the pictures that belong to the text, `[M]`.
    """

    text_of_image: Tensor
    image_of_text: Tensor
    text_by_chance: Tensor
    image_by_chance: Tensor


def top1(images: Tensor, classes: Tensor, labels: Tensor) -> Tensor:
    """Return whether the nearest class is the picture's (Radford et al. 2021, 3.1.2).

    Shapes: images `[N, E]`, classes `[K, E]`, labels `[N]` in 0..K-1 -> `[N]`. Range:
    0, 1, or a share where classes are equally near; chance is 1 / K.

    Raises:
        Refused: features of different widths or not finite, labels out of range.
    """
    alike = _cosines(images, classes)
    if labels.shape != alike.shape[:1] or labels.is_floating_point():
        raise Refused(f"labels must be {len(alike)} integers, one a picture")
    if labels.min() < 0 or labels.max() >= len(classes):
        raise Refused(f"labels must lie in 0..{len(classes) - 1}")
    right = F.one_hot(labels.long(), len(classes)).bool().to(alike.device)
    return _share_right(alike, right)


def retrieval(images: Tensor, texts: Tensor, belongs: Tensor) -> Retrieval:
    """Return whether picture and text find each other among all: R@1 both ways.

    Shapes: images `[N, E]`, texts `[M, E]`, belongs `[N, M]`, bool: `same_text` of one
    text a picture, `captions_of` of several. A picture or text of nothing has NaN.

    Raises:
        Refused: features of different widths or not finite; belongs of another shape.
    """
    alike = _cosines(images, texts)
    if belongs.shape != alike.shape or belongs.dtype != torch.bool:
        raise Refused(f"belongs must be bool {list(alike.shape)}, pictures and texts")
    belongs = belongs.to(alike.device)
    ways = []
    for scores, right in ((alike, belongs), (alike.T, belongs.T)):
        known = right.any(1)
        ways += [
            _share_right(scores, right).where(known, torch.nan),
            right.double().mean(1).to(scores).where(known, torch.nan),
        ]
    return Retrieval(ways[0], ways[2], ways[1], ways[3])


def same_text(texts: Sequence[str]) -> Tensor:
    """Return which texts are equal, `[N, N]`, bool: of pictures with a text each.

    A text that another picture has too is right for both: none can be told apart.
    """
    number = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    of = torch.tensor([number[text] for text in texts])
    return of[:, None] == of[None]


def captions_of(pictures: Sequence[int], count: int) -> Tensor:
    """Return which of M captions are of which of N pictures, `[N, M]`, bool.

    Raises:
        Refused: a caption of a picture that there is not.
    """
    of = torch.tensor(list(pictures), dtype=torch.long)
    if len(of) and (of.min() < 0 or of.max() >= count):
        raise Refused(f"captions must be of pictures 0..{count - 1}")
    return torch.arange(count)[:, None] == of[None]


def is_kept(before: float, after: float, lost: float = LOST) -> bool:
    """Say whether recognition is kept: after >= before - 2 points, by default.

    A gain is no loss. It says nothing of chance: what was never there is kept too.

    Raises:
        Refused: shares outside of [0, 1] or NaN.
    """
    if not (0 <= before <= 1 and 0 <= after <= 1 and 0 <= lost <= 1):
        raise Refused(f"shares in [0, 1] are compared, got {before} and {after}")
    return after >= before - lost - ROUNDING


def _cosines(images: Tensor, texts: Tensor) -> Tensor:
    """Return cos of each picture with each text, `[N, M]`."""
    if images.ndim != 2 or texts.ndim != 2 or images.shape[1] != texts.shape[1]:
        got = f"{list(images.shape)} and {list(texts.shape)}"
        raise Refused(f"features must be [N, E] and [M, E], got {got}")
    if not (len(images) and len(texts)):
        raise Refused("a picture and a text at least are needed")
    if not (images.isfinite().all() and texts.isfinite().all()):
        raise Refused("features hold values that are not finite")
    return F.normalize(images, dim=1) @ F.normalize(texts, dim=1).to(images).T


def _share_right(scores: Tensor, right: Tensor) -> Tensor:
    """Return the share of each row's greatest that are right, `[N, M]` -> `[N]`."""
    top = scores == scores.amax(1, keepdim=True)
    return ((top & right).sum(1) / top.sum(1)).to(scores)
