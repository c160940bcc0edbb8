"""The filter ranking loss against a slow twin, and its optimum in closed form."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.losses import ranking
from helpers.settings import Refused


def slow_losses(vectors: Tensor, words: Tensor, positives: Tensor, m: float) -> Tensor:
    """Each negative's hinge by itself, as the formula prints them, cosine."""
    losses = []
    for vector, own in zip(vectors, positives.tolist(), strict=True):
        s = [
            (vector @ word) / (vector.square().sum() * word.square().sum()).sqrt()
            for word in words
        ]
        here = [s[c] for c in range(len(words)) if own[c]]
        total = torch.zeros((), dtype=vectors.dtype)
        for c in range(len(words)):
            if not own[c] and here:
                hinge = m - sum(here) / len(here) + s[c]
                total = total + torch.maximum(hinge, torch.zeros_like(hinge))
        losses.append(total)
    return torch.stack(losses)


@pytest.fixture
def case() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(6, 5, generator=generator, dtype=torch.float64)
    words = 3 * torch.randn(7, 5, generator=generator, dtype=torch.float64)
    positives = torch.zeros(6, 7, dtype=torch.bool)
    positives[torch.arange(6), torch.tensor([0, 1, 2, 2, 6, 4])] = True
    positives[0, 3] = positives[3, 5] = True  # names of two tokens
    positives[4] = False  # an instance without a word
    return vectors.requires_grad_(), words, positives


@pytest.mark.parametrize("margin", [1.0, 0.2])
def test_values_and_gradients_are_those_of_the_plain_form(
    case: tuple[Tensor, Tensor, Tensor], margin: float
) -> None:
    vectors, words, positives = case
    alike = ranking.cosine_similarity(vectors, words)
    found = ranking.ranking_losses(alike, positives, margin)
    wanted = slow_losses(vectors, words, positives, margin)
    assert torch.allclose(found, wanted, atol=1e-12)
    assert found[4] == 0
    assert torch.allclose(
        ranking.ranking_loss(alike, positives, margin), wanted.sum() / 5, atol=1e-12
    )
    weight = torch.linspace(1, 2, 6, dtype=torch.float64)
    slopes = [
        torch.autograd.grad((weight * loss).sum(), vectors)[0]
        for loss in (found, wanted)
    ]
    assert torch.allclose(*slopes, atol=1e-12)
    assert (slopes[0][4] == 0).all()


def test_a_case_by_hand() -> None:
    vectors = torch.tensor([[2.0, 0.0]])
    words = torch.tensor([[1.0, 0.0], [3.0, 4.0], [-5.0, 0.0]])
    positives = torch.tensor([[True, False, False]])
    cosines = ranking.cosine_similarity(vectors, words)
    assert torch.allclose(cosines, torch.tensor([[1, 0.6, -1.0]]))
    assert ranking.ranking_loss(cosines, positives).item() == pytest.approx(0.6)
    dots = ranking.dot_similarity(vectors, words)
    assert dots.tolist() == [[2, 6, -10]]
    assert ranking.ranking_loss(dots, positives).item() == 5  # max(0, 1 - 2 + 6) + 0
    both = torch.tensor([[True, True, False]])  # own: the mean, .8
    assert ranking.ranking_loss(cosines, both).item() == 0
    assert ranking.ranking_loss(cosines, both, 2.0).item() == pytest.approx(0.2)


def test_cosines_are_torchs() -> None:
    generator = torch.Generator().manual_seed(1)
    vectors, words = (torch.randn(n, 9, generator=generator) for n in (4, 3))
    wanted = F.cosine_similarity(vectors[:, None], words[None], dim=2)
    assert torch.allclose(ranking.cosine_similarity(vectors, words), wanted, atol=1e-6)


def test_no_positives_and_no_vector_leave_finite_slopes() -> None:
    """In the published code the value is 0 and the slope NaN: 0 / 0 before `where`."""
    words = torch.eye(3)
    vectors = torch.zeros(2, 3, requires_grad=True)
    positives = torch.zeros(2, 3, dtype=torch.bool)
    loss = ranking.ranking_loss(ranking.cosine_similarity(vectors, words), positives)
    loss.backward()
    assert loss == 0
    assert vectors.grad is not None
    assert (vectors.grad == 0).all()

    made = torch.ones(2, 3, requires_grad=True)
    alike = ranking.cosine_similarity(made, words)
    own = (positives * alike).sum(1) / positives.sum(1)
    published = 1 - own[:, None] + alike
    published = torch.where(published.isnan(), 0, published).clamp(min=0).sum()
    assert published == 0
    (slope,) = torch.autograd.grad(published, made)
    assert slope.isnan().all()


def test_the_optimum_is_what_sets_a_word_apart() -> None:
    """With every hinge active the closed form is the minimum on the sphere."""
    generator = torch.Generator().manual_seed(2)
    shared = torch.randn(1, 8, generator=generator, dtype=torch.float64)
    words = shared + torch.randn(20, 8, generator=generator, dtype=torch.float64)
    positives = torch.eye(20, dtype=torch.bool)
    positives[3, 4] = True  # two tokens
    best = ranking.best_directions(words, positives)
    lengths = torch.linalg.vector_norm(best, dim=1)
    assert torch.allclose(lengths, torch.ones_like(lengths))

    start = torch.randn(20, 8, generator=generator, dtype=torch.float64)
    start.requires_grad_()
    optimiser = torch.optim.Adam([start], 0.05)
    for _ in range(1500):
        optimiser.zero_grad()
        alike = ranking.cosine_similarity(start, words)
        ranking.ranking_losses(alike, positives, 3.0).sum().backward()  # all active
        optimiser.step()
    near = F.cosine_similarity(start.detach(), best, dim=1)
    assert near.min() > 1 - 1e-6
    own = F.cosine_similarity(words, best, dim=1)
    assert own.mean() < 0.9  # not the word's own vector

    at_best = ranking.ranking_losses(best @ ranking.unit(words).T, positives, 3.0)
    for step in 0.1 * torch.randn(20, 20, 8, generator=generator, dtype=torch.float64):
        moved = ranking.unit(best + step) @ ranking.unit(words).T
        assert (ranking.ranking_losses(moved, positives, 3.0) >= at_best - 1e-12).all()


def test_directions_of_nothing_are_zeros() -> None:
    none = torch.zeros(2, 4, dtype=torch.bool)
    assert (ranking.best_directions(torch.randn(4, 3), none) == 0).all()
    assert ranking.unit(torch.tensor([[0.0, 0.0], [3.0, 4.0]])).tolist() == [
        [0, 0],
        pytest.approx([0.6, 0.8]),
    ]
    broken = torch.tensor([[math.nan, 1.0], [math.inf, 1.0]])
    assert not ranking.unit(broken).isfinite().all(1).any()  # never taken for zeros


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positives": torch.ones(2, 4)}, r"positives must be bool \[2, 4\]"),
        ({"positives": torch.ones(2, 3, dtype=torch.bool)}, "positives must be bool"),
        ({"margin": 0.0}, "margin must be above 0"),
        ({"margin": math.nan}, "margin must be above 0"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, message: str) -> None:
    given = {
        "similarities": torch.zeros(2, 4),
        "positives": torch.ones(2, 4, dtype=torch.bool),
    }
    with pytest.raises(Refused, match=message):
        ranking.ranking_losses(**(given | change))


def test_other_widths_are_refused() -> None:
    for similarity in ranking.SIMILARITIES.values():
        with pytest.raises(Refused, match="vectors of 3 numbers"):
            similarity(torch.zeros(2, 3), torch.zeros(4, 5))
