"""A tiny CLIP of open_clip's own classes: language features without any download.

The image tower is open_clip's `ModifiedResNet`, the text tower its causal transformer,
the tokenizer CLIP's own: what is learned of this model's inside holds for a full CLIP.
Text functions take any `open_clip.model.CLIP`; they need no gradient and change no
mode. Axes: N texts or pictures, L tokens, E features, K classes, B pictures of a batch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import open_clip
import torch
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.streams import mix


@dataclass(frozen=True)
class Architecture:
    """The sizes of the model; the defaults are the book's tiny CLIP."""

    embed: int = 64  # E, the common space
    image_size: int = 64  # pixels a side
    image_layers: tuple[int, int, int, int] = (1, 1, 1, 1)  # bottlenecks a stage
    image_width: int = 16
    text_width: int = 64
    text_layers: int = 1
    heads: int = 2
    context: int = 24  # L, tokens with start and end


MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)  # normalise intensities in [0, 1]
LARGEST_SCALE = math.log(100)  # of `logit_scale`, Radford et al. 2021, section 2.5
ATTENTION_STD = 0.3
SCALE = 3.0  # exp(logit_scale) at the start


def build_tiny_clip(seed: int, sizes: Architecture | None = None) -> CLIP:
    """Return an untrained model, its weights fixed by the seed alone.

    open_clip's initialisation but for three things. The scale starts at `SCALE`: with
    a small one, what captions share (the family) shapes their distances, not only
    what tells them apart. Convolutions are N(0, 2 / fan_out) (He et al. 2015, eq. 10).
    The text attention writes `ATTENTION_STD` instead of 1 / sqrt(2 width layers): the
    pooled feature sits at the end token, which is the same in all texts, so the words
    must reach it before texts differ at all.
    """
    sizes = sizes or Architecture()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed, "initialisation"))
        model = CLIP(
            embed_dim=sizes.embed,
            init_logit_scale=math.log(SCALE),
            vision_cfg={
                "layers": sizes.image_layers,
                "width": sizes.image_width,
                "image_size": sizes.image_size,
                "head_width": 32,
            },
            text_cfg={
                "context_length": sizes.context,
                "vocab_size": tokenizer(sizes.context).vocab_size,
                "width": sizes.text_width,
                "layers": sizes.text_layers,
                "heads": sizes.heads,
            },
        )
        for module in model.visual.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(
                    module.weight, mode="fan_out", nonlinearity="relu"
                )
        for block in model.transformer.resblocks:
            nn.init.normal_(block.attn.out_proj.weight, std=ATTENTION_STD)
    return model


@cache
def tokenizer(context: int = Architecture.context) -> open_clip.SimpleTokenizer:
    """Return CLIP's tokenizer for texts of `context` tokens."""
    return open_clip.get_tokenizer("ViT-B-32", context_length=context)


def tokenise(texts: Sequence[str], context: int = Architecture.context) -> Tensor:
    """Return token numbers `[N, L]`: start, words, end, zeros; cut at L tokens."""
    return tokenizer(context)(list(texts))


def class_prompts(names: Sequence[str]) -> list[str]:
    """Return a prompt a class, as "a daisy", "an orchid"."""
    return [f"{'an' if name[0] in 'aeiou' else 'a'} {name}" for name in names]


@torch.no_grad()
def text_features(model: CLIP, texts: Sequence[str]) -> Tensor:
    """Return pooled unit features `[N, E]`, pooled at the end token."""
    tokens = tokenise(texts, model.context_length)
    return model.encode_text(tokens.to(model.positional_embedding.device), True)


@torch.no_grad()
def token_features(
    model: CLIP, texts: Sequence[str], names: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """Return features of every token `[N, L, E]` and where the name stands `[N, L]`.

    Feature l is W_text ln_final(transformer(tokens))_l, not normalised: at the end
    token it is the pooled feature. The attention is causal, so it knows no later token.
    """
    tokens = tokenise(texts, model.context_length)
    placed = tokens.to(model.positional_embedding.device)
    x = model.token_embedding(placed) + model.positional_embedding  # [N, L, width]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask))
    return x @ model.text_projection, name_mask(tokens, names).to(x.device)


def name_mask(tokens: Tensor, names: Sequence[str]) -> Tensor:
    """Return where row n of tokens `[N, L]` spells `names[n]` first, `[N, L]` bool.

    Raises `ValueError` for a name that its text does not hold, or not whole.
    """
    if len(tokens) != len(names):
        raise ValueError(f"{len(tokens)} texts, but {len(names)} names")
    mask = torch.zeros_like(tokens, dtype=torch.bool)
    for row, name in enumerate(names):
        spelled = torch.tensor(tokenizer().encode(name), device=tokens.device)
        found = (tokens[row].unfold(0, len(spelled), 1) == spelled).all(1).nonzero()
        if not len(found):
            raise ValueError(f"text {row} does not hold the tokens of '{name}'")
        start = int(found[0])
        mask[row, start : start + len(spelled)] = True
    return mask


def class_bearing_features(model: CLIP, names: Sequence[str]) -> Tensor:
    """Return the mean unit feature of a class's class-bearing tokens, `[K, E]`.

    The attention is causal: of the prompt "a <name>" the features that know the class
    are those of the name's own tokens and of the end token behind them.
    """
    features, mask = token_features(model, class_prompts(names), names)
    for row in mask:
        row[int(row.nonzero().max()) + 1] = True  # the end token
    weight = mask.to(features) / mask.sum(1, keepdim=True)  # [K, L]
    return torch.einsum("kl,kle->ke", weight, F.normalize(features, dim=-1))


@torch.no_grad()
def zero_shot(
    model: CLIP, images: Tensor, names: Sequence[str], batch: int = 250
) -> Tensor:
    """Return argmax_k cos(image, prompt of class k) of normalised pictures, `[N]`.

    Radford et al. 2021, section 3.1.2. Raises `ValueError` while the model trains:
    batch statistics would let pictures decide on each other.
    """
    if model.training:
        raise ValueError("zero_shot needs the model in evaluation mode: model.eval()")
    text = text_features(model, class_prompts(names))  # [K, E]
    parts = [
        (model.encode_image(part, normalize=True) @ text.T).argmax(1)
        for part in images.split(batch)
    ]
    return torch.cat(parts)


def contrastive_loss(
    image_features: Tensor, text_features: Tensor, scale: Tensor | float
) -> Tensor:
    """Return the symmetric cross-entropy of pairs (Radford et al. 2021, figure 3).

    S = scale * I T' for unit features I, T `[B, E]`; pair b is I_b, T_b:
    L = -(1 / 2B) sum over b of log softmax(S[b, :])[b] + log softmax(S[:, b])[b].
    """
    similarity = scale * image_features @ text_features.T  # [B pictures, B texts]
    pair = torch.arange(len(similarity), device=similarity.device)
    rows = F.cross_entropy(similarity, pair)
    columns = F.cross_entropy(similarity.T, pair)
    return (rows + columns) / 2
