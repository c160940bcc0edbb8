"""Nearest words, labels and novelty against full sorts and cases by hand."""

import pytest
import torch
from torch.nn import functional as F

from helpers.explain import naming
from helpers.losses.ranking import best_directions
from helpers.settings import Refused

WORDS = ("cat", "cats", "dog", "car", "road")


def test_nearest_words_are_those_of_a_full_sort(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(300, 8, generator=generator)
    asked = torch.randn(40, 8, generator=generator)
    made = naming.vocabulary([f"w{i}" for i in range(300)], 5 * vectors)
    wanted = F.cosine_similarity(asked[:, None], vectors[None], dim=2)
    wanted = wanted.argsort(dim=1, descending=True)[:, :7]
    assert torch.equal(naming.nearest_words(made, asked, 7), wanted)
    monkeypatch.setattr(naming, "SCORES", 900)  # three at once
    assert torch.equal(naming.nearest_words(made, asked, 7), wanted)
    assert naming.nearest_words(made, asked[:0], 7).shape == (0, 7)


def test_about_the_centre_the_optimum_is_nearest_to_its_word() -> None:
    """Raw, a word unlike all categories is nearer than the word that was meant."""
    generator = torch.Generator().manual_seed(1)
    shared = 4 * torch.randn(1, 6, generator=generator)
    words = torch.cat(
        [
            shared + torch.randn(10, 6, generator=generator),
            torch.randn(200, 6, generator=generator),
        ]
    )
    names = [f"w{i}" for i in range(210)]
    optimum = best_directions(words[:10], torch.eye(10, dtype=torch.bool))
    centred = naming.vocabulary(names, words, naming.centre_of(words[:10]))
    found = naming.nearest_words(centred, optimum, 1).flatten()
    assert found.tolist() == list(range(10))
    raw = naming.nearest_words(naming.vocabulary(names, words), optimum, 1).flatten()
    assert (raw >= 10).float().mean() > 0.5


def test_words_are_found_by_name() -> None:
    made = naming.vocabulary(WORDS, torch.eye(5))
    assert made.index(["dog", "horse", "cat"]).tolist() == [2, -1, 0]
    lengths = made.vectors.norm(dim=1)
    assert torch.allclose(lengths, torch.ones(5))


def test_a_table_of_words_has_the_shape_of_the_scan() -> None:
    words = torch.arange(8).view(4, 2)
    table = naming.by_filter(words, torch.tensor([0, 2, 2, 2]), (4, 3))
    assert table[0].tolist() == [[0, 1], [-1, -1], [-1, -1]]
    assert (table[1] == -1).all()
    assert table[2].tolist() == [[2, 3], [4, 5], [6, 7]]
    assert (table[3] == -1).all()


def test_labels_by_hand() -> None:
    lists = torch.tensor([[[2, 0], [0, 3], [4, 3]], [[-1, -1]] * 3])
    once = torch.ones(2, 3, dtype=torch.long)
    found = naming.filter_labels(lists, once, 4)
    assert found.tolist() == [[0, 3, 2, 4], [-1] * 4]  # 2 before 4: met first
    assert naming.filter_labels(lists, once, 2)[0].tolist() == [0, 3]
    nouns = torch.tensor([False, True, True, True, False])
    assert naming.filter_labels(lists, once, 4, nouns)[0].tolist() == [3, 2, -1, -1]
    times = torch.tensor([[5, 1, 1], [1, 1, 1]])
    found = naming.filter_labels(lists, times, 4)
    assert found[0].tolist() == [0, 2, 3, 4]  # 6, 5, 2, 1
    times = torch.tensor([[0, 1, 1], [1, 1, 1]])
    assert naming.filter_labels(lists, times, 4)[0].tolist() == [3, 0, 4, -1]


def test_pictures_count_by_their_activation() -> None:
    maxima = torch.tensor([0.0, 0.4, 1.0, 2.7])
    assert naming.repeats(maxima).tolist() == [1, 1, 1, 1]
    assert naming.repeats(maxima, "floor").tolist() == [0, 0, 1, 2]
    assert naming.repeats(maxima, "ceil").tolist() == [0, 1, 1, 3]
    with pytest.raises(Refused, match="once, floor or ceil"):
        naming.repeats(maxima, "twice")  # type: ignore[arg-type]


def test_forms_of_categories_are_not_news() -> None:
    labels = torch.tensor([[0, 1, 2], [4, -1, -1]])
    known = torch.tensor([True, False, False, False, False])
    forms = torch.tensor([True, True, False, False, False])
    assert naming.novelty(labels, known) == naming.Novelty(0.25, 0, 0.75, 4)
    assert naming.novelty(labels, known, forms) == naming.Novelty(0.25, 0.25, 0.5, 4)
    none = torch.full((2, 3), -1)
    assert naming.novelty(none, known) == naming.Novelty(0, 0, 0, 0)


def test_what_is_no_vocabulary_is_refused() -> None:
    eye = torch.eye(5)
    with pytest.raises(Refused, match="4 words need as many vectors"):
        naming.vocabulary(WORDS[:4], eye)
    with pytest.raises(Refused, match="the word 'cat' twice"):
        naming.vocabulary(("cat", "dog", "cat", "car", "road"), eye)
    broken = eye.clone()
    broken[2, 1] = float("nan")
    with pytest.raises(Refused, match="the vector of 'dog' is not finite"):
        naming.vocabulary(WORDS, broken)
    made = naming.vocabulary(WORDS, eye)
    with pytest.raises(Refused, match="6 words of a vocabulary of 5"):
        naming.nearest_words(made, eye, 6)
    with pytest.raises(Refused, match=r"vectors must be \[P, 5\]"):
        naming.nearest_words(made, torch.zeros(2, 4), 3)
    with pytest.raises(Refused, match="vector is not finite"):
        naming.nearest_words(made, broken, 3)
    with pytest.raises(Refused, match=r"need times \[d, p\]"):
        naming.filter_labels(torch.zeros(2, 3, 4).long(), torch.ones(2, 4).long())
