"""ECLIP (Li et al. 2022, arXiv 2209.07046): a projection trained by masked max pooling.

Both towers are frozen; what is trained is the linear map from the tokens of places into
the common space, so that the pooled picture finds its own text. The document does not
say how; what it leaves open is a field of `Fitting`. Tokens are read once: an epoch is
a matter of seconds, and every draw has a stream of its own, so that a seed gives the
same bits twice and all poolings see the same batches.

Axes: S pictures with a text each, N places, W numbers a token, E the common space.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.clip_tokens import Projection
from helpers.language.tiny_clip import LARGEST_SCALE, contrastive_loss
from helpers.methods.pooling import Fill, Pooling, pool
from helpers.settings import Refused
from helpers.streams import stream

Order = Literal["project, pool", "pool, project"]
Start = Literal["own", "random"]
TextSide = Literal["frozen", "trained"]
Scale = Literal["fixed", "learned"]


@dataclass(frozen=True)
class Fitting:
    """How a projection is trained: AdamW with a cosine to 0, symmetric InfoNCE.

    Attributes:
        pooling: from places to the picture (`helpers.methods.pooling`).
        order: whether tokens are projected before they are pooled, as places are for a
            map, or after.
        fill: what masked places are for the maximum.
        start: the tower's own projection, or noise of its size.
        text_side: whether texts get a linear map too, the identity at the start ("dual
            projections" of the document's first version).
        temperature: similarities are divided by it; at the start if it is learned.
        scale: whether the temperature is learned, as CLIP's.
        epochs: over all pictures.
        batch: pictures that must tell their texts apart.
        lr: at the start.
        weight_decay: of AdamW.
    """

    pooling: Pooling = "masked max"
    order: Order = "project, pool"
    fill: Fill = "-inf"
    start: Start = "own"
    text_side: TextSide = "frozen"
    temperature: float = 0.07
    scale: Scale = "fixed"
    epochs: int = 10
    batch: int = 256
    lr: float = 1e-3
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot train."""
        if self.epochs < 0 or self.batch < 2:
            raise Refused("epochs must be 0 or more and batch 2 or more")
        if not (0 < self.lr < math.inf and self.weight_decay >= 0):
            raise Refused("lr must be over 0 and weight_decay 0 or more")
        if not 0.01 <= self.temperature < math.inf:
            raise Refused(f"temperature must be .01 or more, got {self.temperature}")


@dataclass(frozen=True, eq=False)
class Material:
    """What is read of the frozen towers, once.

    Attributes:
        places: tokens before the projection, `[S, N, W]`.
        whole: the token of the whole picture, `[S, W]`.
        texts: features of each picture's text, `[S, E]`.
        kept: places of the foreground, `[S, N]`, bool, for masked max pooling.
        weights: of the places, `[S, N]`, for attention pooling.

    Raises:
        Refused: parts of different numbers.
    """

    places: Tensor
    whole: Tensor
    texts: Tensor
    kept: Tensor | None = None
    weights: Tensor | None = None

    def __post_init__(self) -> None:
        count, places, width = self.places.shape
        wanted = (self.whole.shape, len(self.texts)) == ((count, width), count)
        beside = [one for one in (self.kept, self.weights) if one is not None]
        if not wanted or any(one.shape != (count, places) for one in beside):
            raise Refused(
                f"tokens {list(self.places.shape)} of places need whole [S, W], texts "
                "[S, E], kept and weights [S, N] of the same pictures"
            )

    def rows(self, some: Tensor) -> "Material":
        """Return these pictures alone."""
        kept = None if self.kept is None else self.kept[some]
        weights = None if self.weights is None else self.weights[some]
        return Material(
            self.places[some], self.whole[some], self.texts[some], kept, weights
        )


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained projection.

    Attributes:
        projection: of tokens of pictures; the original one stays with its tower.
        text_side: of text features; the identity if it was not trained.
        scale: the inverse temperature at the end.
        losses: the mean of each epoch, in nats.
    """

    projection: Projection
    text_side: Projection
    scale: float
    losses: tuple[float, ...]


class _Maps(nn.Module):
    """The trained maps: P and b of pictures, R of texts, the logarithm of the scale."""

    def __init__(self, own: Projection, how: Fitting, seed: int) -> None:
        super().__init__()
        weight = own.weight.detach().clone()
        if how.start == "random":
            drawn = torch.randn(weight.shape, generator=stream(seed, "projection"))
            weight = drawn.to(weight) * weight.std()
        self.weight = nn.Parameter(weight)
        bias = None if own.bias is None else own.bias.detach().clone()
        if bias is not None and how.start == "random":
            bias = torch.zeros_like(bias)
        self.bias = None if bias is None else nn.Parameter(bias)
        text = torch.eye(weight.shape[1]).to(weight)
        self.text = nn.Parameter(text, how.text_side == "trained")
        scale = torch.tensor(-math.log(how.temperature)).to(weight)
        self.scale = nn.Parameter(scale, how.scale == "learned")

    @property
    def projection(self) -> Projection:
        return Projection(self.weight, self.bias)


def fit_projection(
    material: Material,
    own: Projection,
    how: Fitting,
    seed: int,
    report: Callable[[str], None] | None = None,
) -> Fitted:
    """Train a projection on cached tokens of frozen towers.

    Minimises `projection_loss` over batches; a last, smaller batch is left out, since
    its texts are easier to tell apart. The towers and `own` are not touched.

    Args:
        material: tokens and texts of the training pictures.
        own: the tower's projection, `clip_tokens.own_projection`.
        how: the settings.
        seed: of the order, and of a random start.
        report: is told each epoch's loss.

    Raises:
        Refused: fewer pictures than a batch; a projection of another width; a pooling
            whose mask or weights are missing; a loss that is not finite.
    """
    count = len(material.places)
    if count < how.batch:
        raise Refused(f"{count} pictures are fewer than a batch of {how.batch}")
    shape = [material.places.shape[2], material.texts.shape[1]]
    if list(own.weight.shape) != shape:
        got = list(own.weight.shape)
        raise Refused(f"the projection must be [W, E] = {shape}, got {got}")
    maps = _Maps(own, how, seed)
    trained = [one for one in maps.parameters() if one.requires_grad]
    optimiser = torch.optim.AdamW(trained, how.lr, weight_decay=how.weight_decay)
    steps = max(1, how.epochs * (count // how.batch))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda k: (1 + math.cos(math.pi * k / steps)) / 2
    )
    losses = []
    for epoch in range(how.epochs):
        order = torch.randperm(count, generator=stream(seed, "order", epoch))
        parts = order[: count // how.batch * how.batch].split(how.batch)
        total = 0.0
        for rows in parts:
            batch = material.rows(rows.to(material.places.device))
            texts = batch.texts @ maps.text
            loss = projection_loss(batch, maps.projection, texts, maps.scale.exp(), how)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            if maps.scale.requires_grad:
                with torch.no_grad():
                    maps.scale.clamp_(0, LARGEST_SCALE)
            total += loss.item()
        losses.append(total / len(parts))
        if not math.isfinite(losses[-1]):
            raise Refused(f"the loss is {losses[-1]} in epoch {epoch}: lower lr")
        if report:
            report(f"epoch {epoch}: loss {losses[-1]:.3f}")
    bias = None if maps.bias is None else maps.bias.detach()
    return Fitted(
        Projection(maps.weight.detach(), bias),
        Projection(maps.text.detach()),
        float(maps.scale.detach().exp()),
        tuple(losses),
    )


def projection_loss(
    batch: Material,
    projection: Projection,
    texts: Tensor,
    scale: Tensor | float,
    how: Fitting,
) -> Tensor:
    """Return the symmetric InfoNCE of pooled pictures and their texts, in nats.

    `tiny_clip.contrastive_loss` of I = pool(P tokens) and T = texts,
    both of length 1 (Radford et al. 2021, figure 3).

    Shapes: texts `[B, E]` -> a number.
    """
    pooled = pooled_features(batch, projection, how)
    return contrastive_loss(pooled, F.normalize(texts, dim=1), scale)


def pooled_features(material: Material, projection: Projection, how: Fitting) -> Tensor:
    """Return the pictures' features of length 1, by a projection and a pooling.

    With `pooling="class token"` what recognition reads: the tower's own token of the
    whole through any projection.

    Shapes: tokens of `Material` -> `[S, E]`.

    Raises:
        Refused: an unknown order; a pooling whose mask or weights are missing.
    """
    places, whole = material.places, material.whole
    beside = (material.kept, material.weights, how.fill)
    if how.order == "project, pool":
        found = pool(how.pooling, projection(places), projection(whole), *beside)
    elif how.order == "pool, project":
        found = projection(pool(how.pooling, places, whole, *beside))
    else:
        raise Refused(f"unknown order '{how.order}': 'project, pool' is the default")
    return F.normalize(found, dim=1)
