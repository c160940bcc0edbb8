"""Teaching an explainer: the optimum it finds, the same bits twice, each switch."""

import math
import sys

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.losses.ranking import best_directions, cosine_similarity, ranking_loss
from helpers.methods import lavise
from helpers.methods.lavise_rows import Rows
from helpers.methods.lavise_settings import DOCUMENT, ORIGINAL, Teaching
from helpers.settings import Refused

CATEGORIES, WIDTH = 8, 12
FAST = Teaching(epochs=20, batch=64, lr=3e-3)


def drawn(count: int, seed: int) -> Rows:
    """Rows around a centre a category, which an explainer can tell apart."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CATEGORIES
    centres = torch.randn(
        CATEGORIES, 16, generator=torch.Generator().manual_seed(9)
    ).abs()
    noise = torch.randn(count, 16, generator=generator)
    return Rows(centres[labels] + 0.1 * noise, F.one_hot(labels, CATEGORIES).bool())


@pytest.fixture
def words() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    shared = torch.randn(1, WIDTH, generator=generator)
    return shared + torch.randn(CATEGORIES, WIDTH, generator=generator)


def test_it_learns_the_closed_form(words: Tensor) -> None:
    """The optimum is what sets a word apart from the mean, not the word's own vector.

    With a margin of 1 a hinge rests where cosines differ by more: so the optimum is
    near the closed form, and with a margin that none reaches it is that.
    """
    rows, other = drawn(256, 0), drawn(64, 1)
    near = {}
    for margin in (1.0, 3.0):
        teaching = Teaching(epochs=60, batch=64, lr=3e-3, margin=margin, dropout=0)
        taught = lavise.teach(rows, other, words, teaching, 1)
        with torch.no_grad():
            found = taught.explainer(other.inputs)
        best = best_directions(words, other.positives)
        near[margin] = F.cosine_similarity(found, best, dim=1).mean().item()
        own = F.cosine_similarity(found, other.positives.float() @ words, dim=1)
        assert own.mean() < near[margin]
        assert taught.history["validation"].iloc[-1] < taught.history["validation"][0]
    assert near[1.0] > 0.9
    assert near[3.0] > 0.99


def test_a_seed_gives_the_same_bits_and_draws_from_no_one_else(words: Tensor) -> None:
    rows, other = drawn(100, 0), drawn(40, 1)
    before = torch.get_rng_state()
    first = lavise.teach(rows, other, words, FAST, 1)
    torch.rand(5)
    second = lavise.teach(rows, other, words, FAST, 1)
    for one, two in zip(
        first.explainer.parameters(), second.explainer.parameters(), strict=True
    ):
        assert torch.equal(one, two)
    assert first.history.equals(second.history)
    torch.set_rng_state(before)
    lavise.teach(rows, other, words, Teaching(epochs=2), 1)
    assert torch.equal(torch.get_rng_state(), before)
    third = lavise.teach(rows, other, words, FAST, 2)
    assert not third.history.equals(first.history)


def test_the_best_epoch_is_kept(words: Tensor) -> None:
    rows = drawn(100, 0)
    other = Rows(rows.inputs, rows.positives.roll(1, 0))  # to learn is to get worse
    taught = lavise.teach(rows, other, words, FAST, 1)
    assert taught.best < FAST.epochs - 1
    assert taught.best == taught.history["validation"].idxmin()
    assert not taught.explainer.training
    with torch.no_grad():
        alike = cosine_similarity(taught.explainer(other.inputs), words)
    loss = ranking_loss(alike, other.positives).item()
    assert loss == pytest.approx(taught.history["validation"].min(), rel=1e-6)


def test_no_epoch_leaves_it_as_drawn(words: Tensor) -> None:
    rows = drawn(64, 0)
    one, two = (
        lavise.teach(rows, rows, words, Teaching(epochs=epochs, lr=1e-12), 1)
        for epochs in (0, 1)
    )
    assert len(one.history) == 0
    assert list(one.history) == ["epoch", "loss", "validation", "lr"]
    other = lavise.teach(rows, rows, words, Teaching(epochs=0), 2).explainer
    drawn_by = [explainer.layers[2].weight for explainer in (one.explainer, other)]
    assert not torch.allclose(*drawn_by, atol=1e-3)
    weights = zip(one.explainer.parameters(), two.explainer.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-9) for a, b in weights)


@pytest.mark.parametrize(
    "change",
    [
        {"frozen_norms": True},
        {"similarity": "dot"},
        {"normalised": "output"},
        {"dropout": 0.5},
        {"margin": 0.3},
        {"optimiser": "dadapt-adam", "lr": 1.0},
    ],
    ids=str,
)
def test_each_switch_changes_what_is_learnt(words: Tensor, change: dict) -> None:
    rows = drawn(128, 0)
    plain = lavise.teach(rows, rows, words, FAST, 1)
    other = lavise.teach(rows, rows, words, FAST.model_copy(update=change), 1)
    assert not other.history.equals(plain.history)
    assert other.history["loss"].iloc[-1] < other.history["loss"][0]


def test_the_published_hyperparameters_learn(words: Tensor) -> None:
    rows = drawn(64, 0)
    original = lavise.teach(rows, rows, words, ORIGINAL, 1)  # batches of one
    assert len(original.history) == 3
    assert original.history["loss"].is_monotonic_decreasing
    document = lavise.teach(rows, rows, words, DOCUMENT, 1)
    assert len(document.history) == 30
    assert (document.history["lr"].diff().dropna() >= 0).all()  # d never falls
    assert document.history["lr"].iloc[-1] > 10 * 1e-6


def test_a_plateau_lowers_the_rate(words: Tensor) -> None:
    rows = drawn(64, 0)
    flat = Rows(rows.inputs, rows.positives.roll(1, 0))
    taught = lavise.teach(rows, flat, words, Teaching(epochs=30, lr=0.01), 1)
    worse = 0  # epochs in a row: more than 10 of them divide the rate by 10
    rate, least = 0.01, math.inf
    for loss, found in taught.history[["validation", "lr"]].to_numpy():
        assert found == pytest.approx(rate)
        least, worse = (loss, 0) if loss < least * (1 - 1e-4) else (least, worse + 1)
        if worse > 10:
            rate, worse = rate / 10, 0
    assert taught.history["lr"].iloc[-1] < 0.01


def preprint(weight: Tensor, slopes: list[Tensor]) -> list[Tensor]:
    """D-Adaptation of the preprint (January 2023), as its algorithm has it for Adam."""
    d, b1, b2, eps, gsq = 1e-6, 0.9, 0.999, 1e-8, 0.0
    m, v, s = (torch.zeros_like(weight) for _ in range(3))
    path = []
    for g in slopes:
        m = b1 * m + d * (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        low = v.sqrt() + eps
        s = b2 * s + d * (1 - b2) * g
        gsq = b2 * gsq + (1 - b2) * d**2 * float((g * g / low).sum())
        hat = (float((s * s / low).sum()) / (1 - b2) - gsq) / float(s.abs().sum())
        d = max(d, hat)
        weight = weight - m / low
        path.append(weight)
    return path


def test_dadapt_adam_is_the_preprints() -> None:
    from dadaptation.experimental.dadapt_adam_preprint import DAdaptAdamPreprint

    generator = torch.Generator().manual_seed(0)
    start = torch.randn(6, generator=generator, dtype=torch.float64)
    slopes = list(torch.randn(12, 6, generator=generator, dtype=torch.float64) + 1)
    weight = torch.nn.Parameter(start.clone())
    optimiser = DAdaptAdamPreprint([weight])
    for slope, wanted in zip(slopes, preprint(start, slopes), strict=True):
        weight.grad = slope.clone()
        optimiser.step()
        assert torch.allclose(weight.detach(), wanted, rtol=1e-9)
    still = torch.nn.Parameter(start.clone())
    optimiser = DAdaptAdamPreprint([still])
    still.grad = torch.zeros_like(start)  # |s|_1 is 0: no step, and no NaN
    optimiser.step()
    assert torch.equal(still.detach(), start)


def test_without_its_package_it_is_refused(
    words: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dadaptation.experimental", None)
    with pytest.raises(Refused, match="needs the package dadaptation"):
        lavise.teach(drawn(64, 0), drawn(64, 1), words, DOCUMENT, 1)


def test_no_batch_of_one_row_is_left_over() -> None:
    for count, batch in ((65, 64), (9, 4), (5, 4), (4097, 2048)):
        parts = list(lavise._batches(count, batch, 1, 0))
        assert min(map(len, parts)) >= 2
        assert max(map(len, parts)) <= batch
        assert torch.equal(torch.cat(parts).sort().values, torch.arange(count))


def test_what_does_not_fit_is_refused(words: Tensor) -> None:
    rows = drawn(64, 0)
    empty = Rows(rows.inputs[:0], rows.positives[:0])
    with pytest.raises(Refused, match="validation are empty"):
        lavise.teach(rows, empty, words, FAST, 1)
    with pytest.raises(Refused, match=r"positives must be bool \[64, 5\]"):
        lavise.teach(rows, rows, words[:5], FAST, 1)
    narrow = Rows(rows.inputs[:, :4], rows.positives)
    with pytest.raises(Refused, match="rows of 16 numbers cannot be validated on"):
        lavise.teach(rows, narrow, words, FAST, 1)
    with pytest.raises(Refused, match="batch 1 leaves a batch of one row"):
        lavise.teach(rows, rows, words, Teaching(batch=1), 1)
    broken = Rows(rows.inputs * math.inf, rows.positives)
    with pytest.raises(Refused, match="the loss is not finite in epoch 0"):
        lavise.teach(broken, rows, words, FAST, 1)
    with pytest.raises(Refused, match="unknown parameter 'epoch'"):
        Teaching.of(epoch=3)
