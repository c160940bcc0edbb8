"""Which places does pooling read? Foreground selection, and its cause in tokens.

`foreground_selection` is this book's own: the name "foreground selection ratio" stands
in a description of Li et al. (2022) without a formula, so its values are comparable
with none that are published.

Axes: B pictures, N places, E channels, h and w rows and columns of places.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.measure.localisation import iou, random_iou
from helpers.measure.reference_maps import check_masks
from helpers.settings import Refused


@dataclass(frozen=True, eq=False)
class Beside:
    """A score a picture beside what blind choice has, `[B]`; NaN without object.

    Attributes:
        score: of the method.
        chance: of places or pixels drawn blindly, as many.
        another: of another picture's map, which knows where objects tend to be; None
            where it is not asked.
    """

    score: Tensor
    chance: Tensor
    another: Tensor | None = None

    @property
    def excess(self) -> Tensor:
        """The score less the greater of what chance and another picture have, `[B]`."""
        floor = self.chance
        if self.another is not None:
            floor = torch.fmax(floor, self.another)
        return self.score - floor


def foreground_selection(
    tokens: Tensor, foreground: Tensor, kept: Tensor | None = None
) -> Beside:
    """Return the share of channels whose maximum over places lies in the foreground.

    mean_e m(argmax_i x_ie), m_i the share of place i that the object covers: what of a
    max-pooled vector is read from the object. Of several maxima the mean. With `kept`
    the maximum is that of masked max pooling. Chance: the mean of m over the places
    that count.

    Shapes: tokens `[B, N, E]`, projected or not, foreground `[B, N]` in [0, 1], kept
    `[B, N]`, bool -> `[B]`. Range: [0, 1]; high is good; NaN without object.

    Raises:
        Refused: other shapes, shares outside of [0, 1], a picture without kept place.
    """
    if tokens.ndim != 3 or foreground.shape != tokens.shape[:2]:
        got = f"{list(tokens.shape)} and {list(foreground.shape)}"
        raise Refused(f"tokens must be [B, N, E] beside [B, N], got {got}")
    if not ((foreground >= 0) & (foreground <= 1)).all():
        raise Refused("foreground must be shares of places, in [0, 1]")
    kept = torch.ones_like(foreground, dtype=torch.bool) if kept is None else kept
    if kept.shape != foreground.shape or not kept.any(1).all():
        raise Refused("kept must be bool [B, N], with a place or more of each picture")
    values = tokens.masked_fill(~kept[..., None], -torch.inf)
    top = (values == values.amax(1, keepdim=True)).to(foreground)  # [B, N, E]
    read = torch.einsum("bne,bn->be", top, foreground) / top.sum(1)
    blind = (foreground * kept).sum(1) / kept.sum(1)
    known = foreground.any(1)
    return Beside(read.mean(1).where(known, torch.nan), blind.where(known, torch.nan))


def attention_iou(kept: Tensor, masks: Tensor, ignored: Tensor | None = None) -> Beside:
    """Return the overlap of the kept places with the object, in pixels.

    The places are enlarged to the picture without interpolation. Beside it stand as
    many pixels drawn blindly (`localisation.random_iou`) and the kept places of
    another picture. If it does not exceed both, masked max pooling had no foreground to
    look at, and what it does says nothing about the claim.

    Shapes: kept `[B, h, w]`, masks and ignored `[B, H, W]`, bool -> `[B]`. Range:
    [0, 1]; NaN without object.

    Raises:
        Refused: kept that is not bool `[B, h, w]`, fewer than two pictures.
        ValueError: as `localisation.iou`.
    """
    check_masks(masks)
    if kept.dtype != torch.bool or kept.ndim != 3 or len(kept) != len(masks):
        raise Refused(f"kept must be bool [{len(masks)}, h, w], got {list(kept.shape)}")
    if len(kept) < 2:
        raise Refused("two pictures or more are needed: one is judged by another's")
    size = (masks.shape[1], masks.shape[2])
    wide = F.interpolate(kept[:, None].float(), size, mode="nearest-exact")[:, 0] > 0.5
    return Beside(
        iou(wide, masks, ignored),
        random_iou(wide, masks, ignored),
        iou(wide.roll(1, 0), masks, ignored),
    )


def text_share_of_foreground(
    tokens: Tensor, weights: Tensor, texts: Tensor, foreground: Tensor
) -> Beside:
    """Return what share of a picture's text similarity pooling reads in the foreground.

    For pooling y = sum_i a_i x_i the product y . t is the sum of a_i x_i . t over the
    places, exactly: sum_i m_i |a_i x_i . t| / sum_i |a_i x_i . t|, by size since terms
    have either sign. Chance: the mean of m. Below it, semantics sit in the background
    ("semantic shift", Li et al. 2022).

    Shapes: tokens `[B, N, E]`, projected without bias, weights `[B, N]`, the pooling's,
    texts `[B, E]`, of each picture, foreground `[B, N]` in [0, 1] -> `[B]`. Range:
    [0, 1]; NaN without object, and where every product is 0.

    Raises:
        Refused: other shapes.
    """
    shapes = (weights.shape, foreground.shape, texts.shape)
    if tokens.ndim != 3 or shapes != (*[tokens.shape[:2]] * 2, tokens[:, 0].shape):
        got = f"{list(tokens.shape)}, {[list(shape) for shape in shapes]}"
        raise Refused(f"[B, N, E], twice [B, N] and [B, E] are needed, got {got}")
    parts = (torch.einsum("bne,be->bn", tokens, texts) * weights).abs()
    score = (parts * foreground).sum(1) / parts.sum(1)
    known = foreground.any(1)
    return Beside(
        score.where(known, torch.nan), foreground.mean(1).where(known, torch.nan)
    )


def token_correlation(alike: Tensor, foreground: Tensor) -> Tensor:
    """Return Pearson's correlation of text similarity and foreground over the places.

    Under 0 a map shows the opposite of its object, whatever its scale.

    Shapes: alike and foreground `[B, N]` -> `[B]`. Range: [-1, 1]; NaN where either is
    the same in all places.

    Raises:
        Refused: other shapes.
    """
    if alike.ndim != 2 or alike.shape != foreground.shape:
        got = f"{list(alike.shape)} and {list(foreground.shape)}"
        raise Refused(f"similarity and foreground must be [B, N] each, got {got}")
    a, b = (one - one.mean(1, keepdim=True) for one in (alike, foreground.to(alike)))
    found = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
    flat = (alike == alike[:, :1]).all(1) | (foreground == foreground[:, :1]).all(1)
    return found.masked_fill(flat, torch.nan).clamp(-1, 1)


def place_shares(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the share of each place that the object covers, `[B, h w]`, row by row."""
    check_masks(masks)
    return F.adaptive_avg_pool2d(masks.float()[:, None], grid)[:, 0].flatten(1)
