"""Words for filters (LaViSE, Yang et al. 2022): nearest words, labels, novel words.

The explainer gives a vector for each of a filter's pictures; its s nearest words are
the picture's, and the words that come most often in a filter's pictures are its label.

Axes: V words of the vocabulary, E numbers a vector, P pairs of a filter and a picture,
d filters, p pictures a filter, s words a picture, n words a label.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.settings import Refused

SCORES = 2**24  # similarities held at once
Repeats = Literal["once", "floor", "ceil"]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Words with vectors of length 1, made so once and not at each look-up.

    Attributes:
        words: no word twice, V of them.
        vectors: `[V, E]`.
    """

    words: tuple[str, ...]
    vectors: Tensor

    def index(self, words: Sequence[str]) -> Tensor:
        """Return the place of each word, `[C]`, -1 of one that is not there."""
        places = {word: place for place, word in enumerate(self.words)}
        return torch.tensor([places.get(word, -1) for word in words])


def vocabulary(
    words: Sequence[str], vectors: Tensor, centre: Tensor | None = None
) -> Vocabulary:
    """Return a vocabulary of word vectors `[V, E]`, raw or about a centre `[E]`.

    The loss draws an explainer towards u_t - mean of u_c, not u_t (`best_directions` of
    `helpers.losses.ranking`). About the centre mean of u_c (`centre_of`) the words
    stand where it draws to; raw, as published, words unlike the categories gain.

    Raises:
        Refused: another number of words than vectors; a word twice; vectors that are
            not finite.
    """
    if vectors.ndim != 2 or len(words) != len(vectors):
        raise Refused(
            f"{len(words)} words need as many vectors [V, E], got {list(vectors.shape)}"
        )
    if len(set(words)) != len(words):
        twice, _ = Counter(words).most_common(1)[0]
        raise Refused(f"the vocabulary has the word '{twice}' twice: keep one of them")
    if not vectors.isfinite().all():
        bad = int((~vectors.isfinite()).any(1).nonzero()[0])
        raise Refused(f"the vector of '{words[bad]}' is not finite: leave the word out")
    directions = F.normalize(vectors.float(), dim=1)
    if centre is not None:
        directions = F.normalize(directions - centre.float(), dim=1)
    return Vocabulary(tuple(words), directions)


def centre_of(categories: Tensor) -> Tensor:
    """Return the mean of the categories' unit vectors, `[C, E]` -> `[E]`."""
    return F.normalize(categories.float(), dim=1).mean(0)


def nearest_words(vocabulary: Vocabulary, vectors: Tensor, number: int) -> Tensor:
    """Return the words of greatest cosine to each vector, the nearest first, `[P, s]`.

    Found among all words, without sorting them.

    Raises:
        Refused: a number of words that the vocabulary does not have; vectors `[P, E]`
            of another width, or not finite.
    """
    count, width = vocabulary.vectors.shape
    if not 1 <= number <= count:
        raise Refused(f"{number} words of a vocabulary of {count} cannot be had")
    if vectors.ndim != 2 or vectors.shape[1] != width:
        raise Refused(
            f"vectors must be [P, {width}] as the words', got {list(vectors.shape)}"
        )
    if not vectors.isfinite().all():
        raise Refused("an explainer's vector is not finite: teach it with a smaller lr")
    found = [
        (some.to(vocabulary.vectors) @ vocabulary.vectors.T).topk(number, 1).indices
        for some in vectors.split(max(1, SCORES // count))
    ]
    return torch.cat(found) if found else torch.empty(0, number, dtype=torch.long)


def by_filter(words: Tensor, filters: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return words of pairs `[P, s]` as a table `[d, p, s]`, -1 where no picture is.

    Args:
        words: of the pairs, in the order of `FilterScan.pairs`.
        filters: the pair's filter, `[P]`.
        shape: (d, p), as `FilterScan.pictures`.
    """
    table = torch.full((*shape, words.shape[1]), -1)
    counts = torch.bincount(filters, minlength=shape[0])
    there = torch.arange(shape[1]) < counts[:, None]  # [d, p]
    table[there] = words
    return table


def repeats(maxima: Tensor, how: Repeats = "once") -> Tensor:
    """Return how often each picture's words count, any shape, whole numbers.

    "once": by frequency alone. "floor": int(greatest activation), as
    YuYang0901/LaViSE: a picture under 1 does not count. "ceil": rounded up, an option
    of ErikBuis/FACT2023.

    Raises:
        Refused: an unknown way.
    """
    if how == "once":
        return torch.ones_like(maxima, dtype=torch.long)
    if how not in ("floor", "ceil"):
        raise Refused(f"words count once, floor or ceil times, got '{how}'")
    return (maxima.floor() if how == "floor" else maxima.ceil()).clamp(min=0).long()


def filter_labels(
    words: Tensor, times: Tensor, number: int = 10, allowed: Tensor | None = None
) -> Tensor:
    """Return each filter's most frequent words, the most frequent first, `[d, n]`.

    Of equally frequent words the one comes first that was met first: in the more
    activating picture, then the nearer one. -1 where a filter has fewer words.

    Args:
        words: of each picture, `[d, p, s]`, -1 where there is none (`by_filter`).
        times: how often a picture's words count, `[d, p]` (`repeats`).
        number: of words in a label.
        allowed: words that a label may have, `[V]`, bool: the original keeps nouns.

    Raises:
        Refused: times of another shape.
    """
    if times.shape != words.shape[:2]:
        raise Refused(
            f"words [d, p, s] of shape {list(words.shape)} need times [d, p], got "
            f"{list(times.shape)}"
        )
    if allowed is not None:
        kept = (words >= 0) & allowed[words.clamp(min=0)]
        words = words.where(kept, -1)
    labels = torch.full((len(words), number), -1)
    for row, (lists, weights) in enumerate(
        zip(words.tolist(), times.tolist(), strict=True)
    ):
        counts: Counter[int] = Counter()
        for one, weight in zip(lists, weights, strict=True):
            if weight:
                counts.update(dict.fromkeys((w for w in one if w >= 0), weight))
        label = [word for word, _ in counts.most_common(number)]
        labels[row, : len(label)] = torch.tensor(label, dtype=torch.long)
    return labels


@dataclass(frozen=True)
class Novelty:
    """What the words of all labels are, as shares of them.

    Attributes:
        known: categories of the reference set.
        related: inflections and other forms of categories: not categories, not news.
        novel: neither.
        words: how many there are.
    """

    known: float
    related: float
    novel: float
    words: int


def novelty(labels: Tensor, known: Tensor, related: Tensor | None = None) -> Novelty:
    """Return how much of the labels `[d, n]` is new.

    Published as "novel" is all that is not a category, forms of categories included;
    Buis et al. (2023) warn of those themselves.

    Args:
        labels: words, -1 for none.
        known: which words are categories, `[V]`, bool.
        related: which are forms of categories, `[V]`, bool.
    """
    words = labels[labels >= 0]
    count = len(words)
    is_known = known[words]
    is_related = torch.zeros_like(is_known)
    if related is not None:
        is_related = related[words] & ~is_known
    kinds = (is_known, is_related, ~is_known & ~is_related)
    old, form, new = (float(kind.sum()) / max(count, 1) for kind in kinds)
    return Novelty(old, form, new, count)
