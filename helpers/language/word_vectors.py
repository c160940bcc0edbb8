"""Word vectors: a vocabulary, its neighbours, and vectors learned from a text.

`learn_vectors` takes the shortest known way from a text to vectors: how often two words
stand near one another, as positive pointwise mutual information, factorised.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import linalg
from torch import Tensor
from torch.nn import functional as F

from helpers.language.arrays import read_arrays
from helpers.settings import Refused

Sentences = Sequence[Sequence[str]]
Floats = NDArray[np.float64]
SHOWN = 5  # words that a message names


@dataclass(frozen=True, eq=False)
class WordVectors:
    """A vocabulary and the vector of each of its words.

    Attributes:
        words: V words, none twice.
        vectors: their vectors as they are, not normalised, `[V, D]`, float32.

    Raises:
        Refused: parts of different number, a word twice, or a value not finite.
    """

    words: tuple[str, ...]
    vectors: Tensor

    def __post_init__(self) -> None:
        shape = list(self.vectors.shape)
        if len(shape) != 2 or shape[0] != len(self.words) or not shape[0]:
            told = f"{len(self.words)} words, vectors {shape}"
            raise Refused(f"word vectors must be [V, D], a row a word: {told}")
        if self.vectors.dtype != torch.float32:
            raise Refused(f"word vectors must be float32, got {self.vectors.dtype}")
        if len(self.index) != len(self.words):
            twice, _ = Counter(self.words).most_common(1)[0]
            raise Refused(f"word '{twice}' has several vectors: keep one of them")
        if not self.vectors.isfinite().all():
            row = int((~self.vectors.isfinite().all(1)).nonzero()[0])
            raise Refused(f"the vector of '{self.words[row]}' is not finite: mend it")

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.index

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of each word."""
        return {word: row for row, word in enumerate(self.words)}

    @cached_property
    def unit(self) -> Tensor:
        """The vectors divided by their lengths, `[V, D]`; a zero vector stays zero."""
        return F.normalize(self.vectors, dim=1)


def select(whole: WordVectors, words: Iterable[str]) -> WordVectors:
    """Return the vectors of some words, in the order they are asked for.

    Raises:
        Refused: words that are not in the vocabulary, counted, the first ones named.
    """
    chosen = tuple(words)
    if missing := unknown(whole, chosen):
        named = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
        raise Refused(
            f"{len(missing)} of {len(chosen)} words have no vector ({named}): leave "
            f"them out, or take vectors of more than {len(whole)} words"
        )
    rows = torch.tensor([whole.index[word] for word in chosen], dtype=torch.long)
    return WordVectors(chosen, whole.vectors[rows])


def joined(first: WordVectors, second: WordVectors) -> WordVectors:
    """Return two vocabularies as one, the words of the first in front.

    Raises:
        Refused: vectors of another width, or a word that is in both.
    """
    widths = first.vectors.shape[1], second.vectors.shape[1]
    if widths[0] != widths[1]:
        raise Refused(
            f"vectors of {widths[0]} and {widths[1]} numbers cannot be joined"
        )
    vectors = torch.cat([first.vectors, second.vectors])
    return WordVectors((*first.words, *second.words), vectors)


def unknown(whole: WordVectors, words: Iterable[str]) -> tuple[str, ...]:
    """Return the words that are not in the vocabulary, each once, in their order."""
    return tuple(word for word in dict.fromkeys(words) if word not in whole)


def neighbours(
    whole: WordVectors, queries: Tensor, count: int
) -> tuple[Tensor, tuple[tuple[str, ...], ...]]:
    """Return the nearest words of vectors, by cosine, the nearest first.

    Equal cosines: the word that stands first in the vocabulary.

    Shapes: queries `[Q, D]` -> cosines `[Q, count]` in [-1, 1], and as many words.

    Raises:
        Refused: queries of another width, or count outside 1 to V.
    """
    if queries.ndim != 2 or queries.shape[1] != whole.vectors.shape[1]:
        wanted = f"[Q, {whole.vectors.shape[1]}]"
        raise Refused(f"queries must be {wanted}, got {list(queries.shape)}")
    if not 1 <= count <= len(whole):
        raise Refused(f"count {count} is outside 1 to {len(whole)}, the vocabulary")
    cosines = F.normalize(queries.float(), dim=1) @ whole.unit.T  # [Q, V]
    found = cosines.sort(dim=1, descending=True, stable=True)
    rows = found.indices[:, :count].tolist()
    words = tuple(tuple(whole.words[i] for i in row) for row in rows)
    return found.values[:, :count], words


def save(whole: WordVectors, file: Path) -> None:
    """Write words and vectors to a `.npz` that holds no code."""
    np.savez(file, words=np.array(whole.words), vectors=whole.vectors.numpy())


def load(file: Path) -> WordVectors:
    """Read what `save` wrote, bit for bit.

    Raises:
        Refused: a file that cannot be read, or holds something else.
    """
    remedy = "write them by helpers.language.word_vectors.save"
    words, vectors = read_arrays(file, ("words", "vectors"), "word vectors", remedy)
    if words.ndim != 1 or words.dtype.kind != "U" or vectors.dtype != np.float32:
        kinds = f"{words.dtype} {list(words.shape)} and {vectors.dtype}"
        raise Refused(
            f"word vectors '{file}' hold {kinds}, texts [V] and float32 are needed: "
            f"{remedy}"
        )
    try:
        rows = torch.from_numpy(np.ascontiguousarray(vectors).astype(np.float32))
        return WordVectors(tuple(map(str, words)), rows)
    except Refused as refusal:
        raise Refused(f"word vectors '{file}': {refusal}") from None


def learn_vectors(
    sentences: Sentences, dim: int, window: int = 5, seed: int = 0, least: int = 5
) -> WordVectors:
    """Return vectors of the words of a text, learned from who stands near whom.

    M_wc = max(0, log(#(w, c) #(.) / (#(w) #(c)))), with #(w, c) the times that c
    stands within `window` places of w in a sentence (positive pointwise mutual
    information, Levy and Goldberg 2014). Of M ~ U S V^T with the `dim` greatest
    singular values, the vectors are the rows of U sqrt(S) (Levy, Goldberg and Dagan
    2015). The signs, which this leaves open, are such that the entry of greatest size
    in each column of U is positive. The same text and seed give the same vectors.

    Args:
        sentences: words in their order; nothing is learned across two sentences.
        dim: width of the vectors, D, under V.
        window: places to each side.
        seed: of the vector that the solver starts from.
        least: words that occur less often are left out, and count as no place.

    Returns:
        V words, the most frequent first, and `[V, D]`.

    Raises:
        Refused: dim outside 1 to V - 1, or a window or least under 1.
    """
    if window < 1 or least < 1:
        raise Refused(f"window {window} and least {least} must be 1 or more")
    counts = Counter(word for sentence in sentences for word in sentence)
    words = [word for word, n in sorted(counts.items(), key=_rank) if n >= least]
    if not 1 <= dim < len(words):
        raise Refused(
            f"dim {dim} is outside 1 to {len(words) - 1}: {len(words)} words occur "
            f"{least} times or more"
        )
    matrix = ppmi(_pairs(sentences, words, window))
    start = np.random.default_rng(seed).standard_normal(len(words))
    left, size, _ = linalg.svds(matrix, k=dim, v0=start)
    order = np.argsort(-size, kind="stable")
    left, size = left[:, order], size[order]
    rows = np.abs(left).argmax(0)
    left = left * np.where(left[rows, np.arange(dim)] < 0, -1.0, 1.0)
    vectors = (left * np.sqrt(size)).astype(np.float32)
    return WordVectors(tuple(words), torch.from_numpy(np.ascontiguousarray(vectors)))


def ppmi(pairs: sparse.csr_array) -> sparse.csr_array:
    """Return positive pointwise mutual information of counts, `[V, V]` -> `[V, V]`.

    In nats, 0 where a pair does not occur or occurs less often than by chance.
    """
    counted = pairs.tocoo()
    of: Floats = np.asarray(pairs.sum(1), dtype=np.float64)
    rows, columns = counted.coords
    expected = of[rows] * of[columns] / of.sum()
    values = np.maximum(np.log(counted.data / expected), 0)
    found = sparse.csr_array((values, (rows, columns)), shape=pairs.shape)
    found.eliminate_zeros()
    return found


def _rank(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _pairs(sentences: Sentences, words: Sequence[str], window: int) -> sparse.csr_array:
    """Return how often two words stand near one another, `[V, V]`, symmetric."""
    index = {word: row for row, word in enumerate(words)}
    known = [[index[w] for w in s if w in index] for s in sentences]
    places = np.fromiter((w for s in known for w in s), dtype=np.int64)
    of = np.repeat(np.arange(len(known)), [len(s) for s in known])
    total = sparse.csr_array((len(words), len(words)), dtype=np.float64)
    for step in range(1, window + 1):
        same = of[step:] == of[:-step]
        first, second = places[:-step][same], places[step:][same]
        ones = np.ones(len(first))
        total = total + sparse.csr_array((ones, (first, second)), shape=total.shape)
    return (total + total.T).tocsr()
