"""The text branch as the published codes run it: what chapter 08 and benches beat.

Every prompt is padded to the tower's length L and run whole, one row a class. Axes: K
classes, n context slots, M = n + 1 text tokens, W width of the tower, E embedding.
"""

from typing import Any

import torch
from torch import Tensor

from helpers.language.prompts import Prompts
from helpers.language.text_tower import TextFeatures, Tower


def padded_features(tower: Tower, prompts: Prompts, context: Tensor) -> TextFeatures:
    """Return the features of classes with a context each, prompts padded to L.

    Context `[K, n, W]` gives tokens `[1, K, M, E]`, pooled `[1, K, E]`: those of
    `text_tower.own_features`, and of `shared_features` where all contexts are equal.
    """
    text: Any = getattr(tower, "text", tower)
    length = text.context_length
    keys = torch.tensor([row + (0,) * (length - len(row)) for row in prompts.rows])
    rows = torch.arange(len(keys))[:, None]
    learnt = context[rows, (-1 - keys).clamp(min=0)]  # [K, L, W]
    words = text.token_embedding(keys.clamp(min=0))
    x = torch.where((keys < 0)[..., None], learnt, words) + text.positional_embedding
    x = text.transformer(x, attn_mask=text.attn_mask)
    features = text.ln_final(x) @ text.text_projection  # [K, L, E]
    tokens, pooled = [], []
    for row, slots, label, end in zip(
        features, prompts.slots, prompts.label, prompts.end, strict=True
    ):
        bearing = row[[*label, end]].mean(0)
        tokens.append(torch.cat([row[list(slots)], bearing[None]]))
        pooled.append(row[end])
    return TextFeatures(torch.stack(tokens)[None], torch.stack(pooled)[None])
