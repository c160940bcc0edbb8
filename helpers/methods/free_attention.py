"""Where the foreground is, by an attention that costs nothing: sources and thresholds.

Masked max pooling asks which places are foreground. Li et al. (2022), arXiv 2209.07046,
take the attention of a self-supervised encoder, which was trained without labels or
texts (their first version's abstract); a summary of the document takes CLIP's own. The
mask of the ground truth and a random one stand beside: the most there is to gain, and
nothing. `clip_tokens.class_attention` reads encoders with a class
token.

Axes: B pictures, h and w rows and columns of places.
"""

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.cam import check_images, upsample
from helpers.explain.hooks import evaluating
from helpers.methods.heads import GivesMaps
from helpers.settings import Refused
from helpers.streams import stream
from helpers.vision.vit import SceneViT

Rule = Literal["quantile", "absolute", "range", "mass"]
Kind = Literal["share", "cosine"]
ROUNDING = 1e-6  # of the sum of a map


@dataclass(frozen=True)
class Threshold:
    """Which places of an attention map count as foreground.

    Attributes:
        rule: "quantile": the greatest, a share of 1 - value, with their equals.
            "absolute": over the value; attention over N places sums to 1, so .5, as in
            a summary of Li et al. (2022), leaves hardly any. "range": over the value
            after scaling the map to [0, 1]. "mass": the fewest, greatest first, that
            hold a share `value` of the sum.
        value: of the rule; in [0, 1).
    """

    rule: Rule = "quantile"
    value: float = 0.75

    def __post_init__(self) -> None:
        """Refuse what is no threshold."""
        if self.rule not in ("quantile", "absolute", "range", "mass"):
            raise Refused(f"unknown threshold '{self.rule}': take quantile")
        if not 0 <= self.value < 1:
            raise Refused(f"a threshold must be in [0, 1), got {self.value}")


@dataclass(frozen=True, eq=False)
class Kept:
    """Places that count as foreground.

    Attributes:
        places: `[B, h, w]`, bool, one or more of every picture.
        empty: where the rule left none and the maximum stands in, `[B]`, bool.
    """

    places: Tensor
    empty: Tensor


def keep(attention: Tensor, threshold: Threshold | None = None) -> Kept:
    """Return the places over a threshold; where there is none, the greatest.

    Several greatest are all kept: all of an attention map that is the same everywhere.

    Shapes: attention `[B, h, w]` -> `[B, h, w]` and `[B]`.

    Raises:
        Refused: attention that is not finite `[B, h, w]`; "mass" of negative values.
    """
    threshold = threshold or Threshold()
    if attention.ndim != 3 or not attention.isfinite().all():
        raise Refused(
            f"attention must be finite [B, h, w], got {list(attention.shape)}"
        )
    flat = attention.flatten(1)
    top = flat.amax(1, keepdim=True)
    over = _over(flat, threshold)
    empty = ~over.any(1)
    over = over | (empty[:, None] & (flat == top))
    return Kept(over.view_as(attention), empty)


@torch.no_grad()
def feature_attention(
    network: nn.Module, images: Tensor, kind: Kind = "share", *, chunk: int = 64
) -> Tensor:
    """Return how much each place is of a network's pooled feature: no class token.

    With features f_i and their mean m: "share" f_i . m / sum_j f_j . m, which sums to
    1 over the places; "cosine" cos(f_i, m).

    Shapes: images `[B, 3, H, W]` -> `[B, h, w]`, no gradient. Range: any sign.

    Args:
        network: with features(images) -> `[B, C, h, w]`, as a self-supervised one.
        images: pictures as the network takes them, normalised.
        kind: what is measured.
        chunk: pictures a forward pass.

    Raises:
        Refused: an unknown kind, features that are 0 everywhere.
    """
    check_images(images)
    if kind not in ("share", "cosine"):
        raise Refused(f"attention of features is 'share' or 'cosine', got '{kind}'")
    found = []
    with evaluating(network):
        for part in images.split(chunk):
            features = cast(GivesMaps, network).features(part)
            mean = features.mean((2, 3), keepdim=True)
            if not mean.flatten(1).any(1).all():
                raise Refused("a picture's features are 0 on the mean: no attention")
            if kind == "cosine":
                found.append(F.cosine_similarity(features, mean, dim=1))
            else:
                products = (features * mean).sum(1)  # [B, h, w]
                found.append(products / products.sum((1, 2), keepdim=True))
    return torch.cat(found)


def mask_attention(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return each place's share of the object: the source that knows the answer.

    Shapes: masks `[B, H, W]`, bool -> `[B, h, w]`. Range: [0, 1].
    """
    return on_grid(masks.float(), grid)


def random_attention(count: int, grid: tuple[int, int], seed: int) -> Tensor:
    """Return uniform noise `[B, h, w]` in [0, 1): the source that knows nothing.

    Under a quantile it keeps as many places as any other source.
    """
    return torch.rand((count, *grid), generator=stream(seed, "random attention"))


def on_grid(attention: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return attention `[B, h', w']` in the places of a tower, `[B, h, w]`.

    Finer maps are averaged over each place, coarser ones interpolated (bilinear).
    """
    if attention.shape[1] >= grid[0] and attention.shape[2] >= grid[1]:
        return F.adaptive_avg_pool2d(attention[:, None], grid)[:, 0]
    return upsample(attention, grid)


class ByClassToken(nn.Module):
    """A ViT whose one feature is its class token, for training without labels.

    `self_supervised.pretrain` trains the mean of features(images). That
    of a ViT's patches has no gradient at what the class token attends to last.
    """

    def __init__(self, network: SceneViT) -> None:
        super().__init__()
        self.network = network

    def features(self, images: Tensor) -> Tensor:
        """Return the class token as a map of one place, `[B, C, 1, 1]`."""
        return self.network.tokens(images)[:, 0, :, None, None]


def _over(flat: Tensor, threshold: Threshold) -> Tensor:
    """Return the places `[B, N]` that a rule takes, perhaps none of a picture."""
    value, count = threshold.value, flat.shape[1]
    if threshold.rule == "absolute":
        return flat > value
    if threshold.rule == "range":
        low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
        return flat - low > value * (high - low)
    falling = flat.sort(1, descending=True).values
    if threshold.rule == "quantile":
        number = torch.full(
            (len(flat), 1),
            max(1, int(-(-((1 - value) * count - 1e-9) // 1))),
            device=flat.device,
        )
    else:
        if (flat < 0).any():
            raise Refused("the rule 'mass' needs attention of 0 or more")
        before = falling.cumsum(1) - falling  # of the greater ones
        enough = value * flat.sum(1, keepdim=True) * (1 - ROUNDING)
        number = (before < enough).sum(1, keepdim=True)
    least = falling.gather(1, (number - 1).clamp(min=0))
    return (flat >= least) & (number > 0)
