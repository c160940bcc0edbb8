"""Word vectors: vocabulary, neighbours, files; learned as the equations say."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from helpers.language import word_vectors as wv
from helpers.language.word_vectors import WordVectors
from helpers.settings import Refused


@pytest.fixture
def four() -> WordVectors:
    rows = [[1.0, 0.0], [0.0, 2.0], [3.0, 0.1], [-1.0, 0.0]]
    return WordVectors(("cat", "sky", "cats", "dog"), torch.tensor(rows))


def test_words_are_selected_in_the_order_asked_for(four: WordVectors) -> None:
    chosen = wv.select(four, ("dog", "cat"))
    assert chosen.words == ("dog", "cat")
    assert torch.equal(chosen.vectors, four.vectors[[3, 0]])
    assert wv.unknown(four, ("dog", "owl", "ant", "owl")) == ("owl", "ant")
    with pytest.raises(Refused, match=r"2 of 3 words have no vector \(owl, ant\)"):
        wv.select(four, ("dog", "owl", "ant"))


def test_neighbours_are_those_of_a_full_sort_in_float64(four: WordVectors) -> None:
    cosines, words = wv.neighbours(four, torch.tensor([[2.0, 0.0], [0.0, 1.0]]), 3)
    assert words[0] == ("cat", "cats", "sky")
    assert words[1][0] == "sky"
    assert cosines[0].tolist() == pytest.approx([1, 3 / math.hypot(3, 0.1), 0])
    generator = torch.Generator().manual_seed(0)
    many = WordVectors(
        tuple(f"w{i}" for i in range(200)), torch.randn(200, 12, generator=generator)
    )
    queries = torch.randn(7, 12, generator=generator)
    _, found = wv.neighbours(many, queries, 9)
    unit = many.vectors.double() / many.vectors.double().norm(dim=1, keepdim=True)
    for query, row in zip(queries.double(), found, strict=True):
        order = (-(unit @ query)).argsort()[:9].tolist()
        assert row == tuple(f"w{i}" for i in order)


def test_equal_cosines_keep_the_order_of_the_vocabulary() -> None:
    names = tuple(f"w{number}" for number in range(3000))
    same = WordVectors(names, torch.ones(3000, 2))
    _, words = wv.neighbours(same, torch.ones(1, 2), 2000)
    assert words == (names[:2000],)


@pytest.mark.parametrize(
    ("words", "vectors", "said"),
    [
        (("a", "a"), torch.ones(2, 3), "'a' has several"),
        (("a",), torch.ones(2, 3), "1 words"),
        ((), torch.ones(0, 3), "0 words"),
        (("a", "b"), torch.tensor([[1.0], [math.nan]]), "'b' is not finite"),
        (("a",), torch.ones(1, 3, dtype=torch.float64), "float32"),
    ],
)
def test_what_is_no_vocabulary_is_refused(
    words: tuple[str, ...], vectors: torch.Tensor, said: str
) -> None:
    with pytest.raises(Refused, match=said):
        WordVectors(words, vectors)


def test_queries_of_another_width_and_counts_out_of_range(four: WordVectors) -> None:
    with pytest.raises(Refused, match=r"\[Q, 2\]"):
        wv.neighbours(four, torch.ones(1, 3), 1)
    for count in (0, 5):
        with pytest.raises(Refused, match="outside 1 to 4"):
            wv.neighbours(four, torch.ones(1, 2), count)


def test_two_vocabularies_become_one(four: WordVectors) -> None:
    more = WordVectors(("hot_dog",), torch.ones(1, 2))
    assert wv.joined(four, more).words == (*four.words, "hot_dog")
    with pytest.raises(Refused, match="'cat' has several"):
        wv.joined(four, wv.select(four, ("cat",)))
    with pytest.raises(Refused, match="2 and 3 numbers"):
        wv.joined(four, WordVectors(("x",), torch.ones(1, 3)))


def test_a_saved_vocabulary_is_the_same_bit_for_bit(
    four: WordVectors, tmp_path: Path
) -> None:
    file = tmp_path / "words.npz"
    wv.save(four, file)
    again = wv.load(file)
    assert again.words == four.words
    assert torch.equal(again.vectors, four.vectors)


def test_files_that_hold_code_or_something_else_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "words.npz"
    np.savez(file, words=np.array(["a", None], dtype=object), vectors=np.ones((2, 2)))
    with pytest.raises(Refused, match="cannot be read") as caught:
        wv.load(file)
    assert "\n" not in str(caught.value)
    np.savez(file, vectors=np.ones((2, 2)))
    with pytest.raises(Refused, match="KeyError"):
        wv.load(file)
    with pytest.raises(Refused, match="FileNotFoundError"):
        wv.load(tmp_path / "none.npz")


TEXT = [
    ["the", "cat", "sat", "on", "the", "mat"],
    ["the", "dog", "sat", "on", "the", "log"],
    ["a", "cat", "and", "a", "dog"],
    ["the", "log", "and", "the", "mat"],
]


def counted(window: int) -> tuple[list[str], dict[tuple[str, str], int]]:
    """Count by hand: each pair of places, both ways."""
    pairs: Counter[tuple[str, str]] = Counter()
    for sentence in TEXT:
        for i, first in enumerate(sentence):
            for j, second in enumerate(sentence):
                if i != j and abs(i - j) <= window:
                    pairs[first, second] += 1
    return sorted({word for s in TEXT for word in s}), pairs


@pytest.mark.parametrize("window", [1, 3])
def test_vectors_factorise_the_matrix_written_from_the_equation(window: int) -> None:
    words, pairs = counted(window)
    total = sum(pairs.values())
    of = {w: sum(n for (a, _), n in pairs.items() if a == w) for w in words}
    expected = np.array(
        [
            [
                max(0.0, math.log(pairs[a, b] * total / (of[a] * of[b])))
                if pairs[a, b]
                else 0.0
                for b in words
            ]
            for a in words
        ]
    )
    dim = 4
    learned = wv.learn_vectors(TEXT, dim, window, least=1)
    assert sorted(learned.words) == words
    rows = [learned.index[word] for word in words]
    found = learned.vectors[rows].double().numpy()
    left, size, _ = np.linalg.svd(expected)
    assert size[dim - 1] > size[dim] + 1e-6  # the subspace is unique
    # Signs are open: the Gram matrix U S U^T has none.
    np.testing.assert_allclose(
        found @ found.T, left[:, :dim] * size[:dim] @ left[:, :dim].T, atol=1e-5
    )
    lengths = (found**2).sum(0)
    np.testing.assert_allclose(lengths, size[:dim], atol=1e-5)  # greatest first
    assert (found[np.abs(found).argmax(0), np.arange(dim)] > 0).all()


def test_the_same_text_gives_the_same_vectors_and_any_seed_the_same_signs() -> None:
    first, again, other = (
        wv.learn_vectors(TEXT, 3, seed=seed, least=1) for seed in (1, 1, 2)
    )
    assert torch.equal(first.vectors, again.vectors)
    torch.testing.assert_close(first.vectors, other.vectors, atol=1e-5, rtol=0)


def test_information_is_positive_and_zero_where_words_meet_by_chance() -> None:
    # #(0, 1) = 1 of 4 where chance expects 2 * 2 / 4 = 1: nothing is learned.
    counts = sparse.csr_array(np.array([[1.0, 1.0], [1.0, 1.0]]))
    assert wv.ppmi(counts).nnz == 0
    counts = sparse.csr_array(np.array([[4.0, 1.0], [1.0, 4.0]]))
    found = wv.ppmi(counts).toarray()
    assert found[0, 0] == pytest.approx(math.log(4 * 10 / 25))
    assert found[0, 1] == 0


def test_rare_words_are_left_out_and_the_most_frequent_stand_first() -> None:
    learned = wv.learn_vectors(TEXT, 2, least=2)
    assert learned.words[0] == "the"
    assert set(learned.words) == {"the", "a", "and", "cat", "dog", "log", "mat"} | {
        "on",
        "sat",
    }
    with pytest.raises(Refused, match="dim 9 is outside 1 to 8: 9 words"):
        wv.learn_vectors(TEXT, 9, least=2)
    with pytest.raises(Refused, match="window 0"):
        wv.learn_vectors(TEXT, 2, window=0)
