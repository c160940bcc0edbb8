"""Feature surgery: CLIP's own maps without what all texts share.

CLIP Surgery (Li et al. 2023, arXiv 2304.05653; code xmed-lab/CLIP_Surgery, d4696d4), in
a form that needs no product of tokens and texts channel by channel.

Axes: B pictures, K texts, h and w rows and columns of places, E the common space.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.clip_tokens import Projection, Tokens, own_projection
from helpers.explain.similarity import (
    Itsm,
    as_maps,
    of_targets,
    prepared,
    similarity,
    texts_of,
)

SHARPNESS = 2.0  # of the softmax over texts; fixed in the published code


def surgery(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    options: Itsm | None = None,
    *,
    text_features: Tensor | None = None,
    projection: Projection | None = None,
    redundant: Tensor | None = None,
    chunk: int = 16,
) -> Tensor:
    """Return maps of feature surgery: what all texts share is taken away.

    CLIP Surgery (Li et al. 2023, arXiv 2304.05653) by `without_shared`, which needs no
    product of tokens and texts channel by channel; with `redundant`, as the published
    code for one text, S(t_c) - S(redundant). Then as `itsm`. Its default reading is
    "v-v"; the reading "token" is feature surgery alone.

    Shapes and range: as `itsm`. With one text and no `redundant` every map is 0.

    Args:
        model: as of `itsm`.
        images: as of `itsm`.
        targets: as of `itsm`.
        options: as of `Itsm`; no softmax.
        text_features: as of `itsm`; the texts that share something.
        projection: as of `itsm`.
        redundant: features `[E]` of the empty text, in the place of the other texts.
        chunk: pictures a forward pass.

    Raises:
        ValueError: as `itsm`; redundant features of another shape; a softmax.
    """
    options = options or Itsm(reading="v-v")
    if options.softmax != "none":
        raise ValueError("feature surgery has no softmax over similarities: 'none'")
    texts = texts_of(model, text_features)
    if redundant is not None and redundant.shape != texts.shape[1:]:
        got = f"{list(redundant.shape)} for texts of {texts.shape[1]}"
        raise ValueError(f"redundant features must be [E], got {got}")
    tokens, project = prepared(
        model, images, targets, texts, options, projection, chunk
    )
    size = (images.shape[2], images.shape[3])
    whole = own_projection(model)(tokens.whole)
    return token_surgery(
        tokens, project, whole, texts, targets, size, options, redundant
    )


def token_surgery(
    tokens: Tokens,
    projection: Projection,
    whole: Tensor,
    texts: Tensor,
    targets: Tensor,
    size: tuple[int, int],
    options: Itsm | None = None,
    redundant: Tensor | None = None,
) -> Tensor:
    """Return the maps of `surgery` from tokens that were read before.

    Shapes: tokens of B pictures, whole (the pictures' own features) `[B, E]`, texts
    `[K, E]`, targets `[B]`, redundant `[E]` -> `[B, *size]`. Range and errors: as
    `surgery`.
    """
    options = options or Itsm()
    alike = similarity(tokens, projection, texts, options)  # [B, h, w, K]
    if redundant is None:
        weights = text_weights(whole, texts.to(whole))
        maps = of_targets(without_shared(alike, weights), targets)
    else:
        empty = similarity(tokens, projection, redundant[None], options)[..., 0]
        maps = of_targets(alike, targets) - empty
    return as_maps(maps, size, options.order)


def text_weights(whole: Tensor, texts: Tensor) -> Tensor:
    """Return w_k = K softmax_k(2 cos(whole, t_k)): how much a text is of the picture.

    CLIP Surgery (Li et al. 2023), with the 2 of its code.

    Shapes: whole `[B, E]`, projected, texts `[K, E]` -> `[B, K]`. Range: over 0, their
    mean over the texts is 1.
    """
    alike = F.normalize(whole, dim=1) @ F.normalize(texts, dim=1).T
    return (SHARPNESS * alike).softmax(1) * len(texts)


def without_shared(alike: Tensor, weights: Tensor) -> Tensor:
    """Return s'_ik = w_k s_ik - mean_k(w_k s_ik), feature surgery of similarities.

    Equal to multiplying tokens and texts channel by channel, weighing, taking the mean
    over the texts away and adding the channels up, without its tensor of E channels.

    Shapes: alike `[B, h, w, K]`, weights `[B, K]` -> `[B, h, w, K]`.
    """
    weighed = alike * weights[:, None, None]
    return weighed - weighed.mean(-1, keepdim=True)
