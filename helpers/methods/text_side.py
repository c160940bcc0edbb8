"""The text side of LICO: learnable prompts, a frozen tower g_phi, the projection h_psi.

It is trained with the classifier and discarded with its losses. Axes: K classes, n
learnable tokens, M = n + 1 text tokens (the learnable ones, then the class), E text
features, d' = h w cells of a feature map, B pictures.
"""

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from helpers.language import prompts, text_tower
from helpers.language.text_tower import TextFeatures
from helpers.language.tiny_clip import tokenizer
from helpers.settings import Lico
from helpers.streams import stream
from helpers.vision import initialise

LARGEST = math.log(100)  # of t in 1 / tau = exp(t), preset `paper_stable`


@dataclass(frozen=True, eq=False)
class Language:
    """What a training is given of language; nothing of it is trained.

    Attributes:
        names: what text k says, for each label k.
        tower: the text tower, or None where `vectors` are all there is.
        vectors: fixed features `[K, E]` that take the place of the class token's.
        captions: what the text of each training picture says, in place of `names`.
    """

    names: tuple[str, ...]
    tower: nn.Module | None = None
    vectors: Tensor | None = None
    captions: tuple[str, ...] | None = None


class Texts(NamedTuple):
    """What the texts of all classes, or of chosen captions, are to the losses.

    Attributes:
        tokens: features of the tower, `[copies, K, M, E]`.
        pooled: its sentence features, `[copies, K, E]`.
        projected: G = h_psi(tokens) of the first copy, `[K, M, d']`; None where
            neither loss reads it.
        numbers: which of all texts these are, `[K]`, or all of them.
    """

    tokens: Tensor
    pooled: Tensor
    projected: Tensor | None
    numbers: Tensor | slice = slice(None)


class TextSide(nn.Module):
    """Prompts X_1..X_n and class name -> g_phi -> h_psi, and the temperature tau."""

    def __init__(self, method: Lico, language: Language, cells: int, seed: int) -> None:
        super().__init__()
        self.method, self.seed = method, seed
        self.classes = len(language.names)
        self.numbers: Tensor | None = None  # of the caption that each picture has
        self._frozen = (language.tower,)  # in a tuple: no part of the state
        self.vectors: Tensor | None
        self.register_buffer("vectors", language.vectors, persistent=False)
        self.context = None
        if language.tower is None:
            assert language.vectors is not None
            width = language.vectors.shape[1]
            self.bears = torch.ones(self.classes, 1, dtype=torch.bool)
        else:
            tower = language.tower.requires_grad_(False).eval()
            if method.tower == "trained":
                self.tower = deepcopy(tower).requires_grad_(True)
                self._frozen = (None,)
            width = text_tower.embedding(tower)
            self.prompts = self._prompts(language, text_tower.length(tower))
            self.bears = self.prompts.bears()
            self.trie = text_tower.build_trie(self.prompts)
            self.context = nn.Parameter(self._first_context(text_tower.width(tower)))
        self.h_psi = nn.Sequential(
            nn.Linear(width, method.hidden),
            nn.Dropout(method.dropout),
            nn.ReLU(),
            nn.Linear(method.hidden, cells),
        )
        initialise(self.h_psi, stream(seed, "h_psi"))
        start = method.tau
        if method.temperature in ("exponential", "bounded"):
            start = math.log(start)
        if method.temperature == "bounded":  # 1 / tau = exp(t)
            start = -start
        self.t = nn.Parameter(
            torch.tensor(start), requires_grad=method.temperature != "fixed"
        )

    def _prompts(self, language: Language, length: int) -> prompts.Prompts:
        """Return the prompts of all classes, or of all distinct captions."""
        method = self.method
        form = (method.n_ctx, method.position, method.full_stop, length, tokenizer())
        if language.captions is None:
            made = prompts.build_prompts(language.names, *form)
        else:
            made, numbers = prompts.caption_prompts(language.captions, *form)
            self.numbers = torch.tensor(numbers)
        every = method.text_tokens == "every position"
        return prompts.every_position(made) if every else made

    def _first_context(self, width: int) -> Tensor:
        """Return the learnable tokens at the start, `[copies or K, n, width]`."""
        method, generator = self.method, stream(self.seed, "prompts")
        count = self.classes if method.contexts == "class" else 1
        context = prompts.draw_context(
            count, method.n_ctx, width, generator, method.ctx_std
        )
        if method.contexts == "rolled":
            return prompts.rolled(context)
        if method.contexts == "rolled apart":
            return prompts.rolled_apart(context)
        return context

    def tau(self) -> Tensor:
        """Return the temperature, a scalar."""
        if self.method.temperature == "exponential":
            return self.t.exp()
        if self.method.temperature == "bounded":
            with torch.no_grad():
                self.t.clamp_(0, LARGEST)
            return (-self.t).exp()
        return self.t

    def forward(
        self, step: int | None = None, chosen: Sequence[int] | None = None
    ) -> Texts:
        """Return what the losses read of all texts, or of the captions chosen.

        `step` draws the order of the learnable tokens where the preset shuffles them.
        """
        found = self._features(step, chosen)
        projected = None
        if "tokens" in (self.method.mm_text, self.method.ot_text):
            projected = self.h_psi(found.tokens[0])
        return Texts(found.tokens, found.pooled, projected)

    def of_batch(
        self, numbers: Tensor, step: int | None = None
    ) -> tuple[Texts, Tensor]:
        """Return the texts of a batch, and which of them each picture has, `[B]`.

        Numbers are labels, or those of the pictures' captions. All classes are read at
        every step; of captions, those of the batch.
        """
        if self.numbers is None:
            return self(step), numbers
        distinct, which = numbers.unique(return_inverse=True)
        return self(step, distinct.tolist())._replace(numbers=distinct), which

    def _features(self, step: int | None, chosen: Sequence[int] | None) -> TextFeatures:
        if self.context is None:
            assert self.vectors is not None
            return TextFeatures(self.vectors[None, :, None], self.vectors[None])
        tower = self.tower if self.method.tower == "trained" else self._frozen[0]
        assert tower is not None
        tower.to(self.context.device)
        context: Tensor = self.context
        if self.method.shuffle and step is not None:
            generator = stream(self.seed, "shuffle", step)
            order = torch.randperm(self.method.n_ctx, generator=generator)
            context = context[:, order.to(context.device)]
        made = self.prompts
        if chosen is not None:
            made = prompts.some(made, chosen)
        if self.method.contexts == "class":
            found = text_tower.own_features(tower, made, context)
        elif self.method.position == "front" and len(context) == 1:
            context = context.expand(len(made.rows), -1, -1)  # faster than the trie
            found = text_tower.own_features(tower, made, context)
        else:
            trie = self.trie if chosen is None else text_tower.build_trie(made)
            found = text_tower.shared_features(tower, trie, context)
        return found if self.vectors is None else self._replaced(found)

    def _replaced(self, found: TextFeatures) -> TextFeatures:
        """Put the fixed vectors where the class is spoken of, at the tower's length."""
        assert self.vectors is not None
        spoken = self.bears.to(found.tokens.device)  # [K, M]
        length = found.tokens[:, spoken].detach().norm(dim=-1).mean()
        vectors = (length * self.vectors).expand(len(found.tokens), -1, -1)
        tokens = torch.where(spoken[..., None], vectors[:, :, None], found.tokens)
        return TextFeatures(tokens, vectors)

    def manifold_rows(self, texts: Texts, which: Tensor) -> Tensor:
        """Return what manifold matching compares of the texts of a batch, `[B, D]`."""
        return self.picked(self.all_rows(texts), which)

    def all_rows(self, texts: Texts) -> Tensor:
        """Return what manifold matching compares, a row a text, `[K, D]`.

        "tokens": G flattened, D = M d'. "pooled": the tower's own feature, D = E.
        """
        if self.method.mm_text == "pooled":
            return texts.pooled[0]
        assert texts.projected is not None
        return texts.projected.flatten(1)

    def picked(self, rows: Tensor, which: Tensor) -> Tensor:
        """Return the row of each picture of a batch, `[K, D]` -> `[B, D]`.

        Indexed "twice", picture i gets the row of y[y_i], y the labels of its batch:
        ymLeiFDU/LICO fails where a label is B or more; repaired, it starts again at 0.
        """
        rows = rows[which]
        if self.method.mm_labels == "once":
            return rows
        repaired = self.method.repairs == "made"
        return rows[which % len(which) if repaired else which]

    def transport_tokens(self, texts: Texts, which: Tensor) -> Tensor:
        """Return the texts that a picture's channels are transported to, `[B, M, d']`.

        "tokens": the picture's own prompt, token by token. "copies": its pooled feature
        in each of n copies. "classes": the pooled features of all classes, M = K, the
        same for each picture. "label": `[B, d']` pooled features against `[B, C, d']`
        maps; torch broadcasts them in silence, so that every picture meets the texts
        of the whole batch, and M = B.
        """
        if self.method.ot_text == "tokens":
            assert texts.projected is not None
            return texts.projected[which]
        if self.method.ot_text == "copies":
            rows = self.h_psi(texts.pooled)  # [n, K, d']
            if self.method.repairs == "none":
                rows = published_view(rows.flatten(0, 1))
            return rows[:, which].transpose(0, 1)
        if self.method.ot_text == "classes":
            return self.h_psi(texts.pooled[0]).expand(len(which), -1, -1)
        words = self.h_psi(texts.pooled[0][which])  # [B, d']
        return words.expand(len(which), -1, -1)


def published_view(rows: Tensor) -> Tensor:
    """Return text rows `[n K, d']` as ymLeiFDU/LICO of October 2024 views them.

    Raises torch's `RuntimeError` unless n K is 60: the numbers are in its code, while
    its prompts have 12 contexts.
    """
    return rows.view(6, 10, rows.shape[-1])
