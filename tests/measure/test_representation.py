"""Neighbours against scikit-learn, and collapse on points whose spread is known."""

import math

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from helpers.measure.representation import neighbour_accuracy, spread
from helpers.streams import stream


@pytest.mark.parametrize("k", [1, 5, 20])
def test_neighbours_are_those_of_scikit_learn(k: int) -> None:
    generator = stream(1, "features")
    labels = torch.arange(200) % 5
    centres = torch.randn(5, 8, generator=generator)
    known, asked = (
        centres[labels] + 0.9 * torch.randn(200, 8, generator=generator) for _ in "ab"
    )
    theirs = KNeighborsClassifier(k, metric="cosine").fit(known.numpy(), labels.numpy())
    votes = theirs.predict_proba(asked.numpy())
    got = neighbour_accuracy(known, labels, asked, labels, k)
    tied = (votes == votes.max(1, keepdims=True)).sum(1) > 1
    wanted = votes.argmax(1) == labels.numpy()
    low, high = (wanted & ~tied).mean(), (wanted | tied).mean()
    assert low <= got <= high
    if k == 1:
        assert got == pytest.approx(wanted.mean())


def test_a_tie_goes_to_the_nearer_votes() -> None:
    known = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    labels = torch.tensor([0, 1])
    asked = torch.tensor([[1.0, 0.2], [0.2, 1.0]])
    assert neighbour_accuracy(known, labels, asked, labels, k=2) == 1


def test_spread_of_uniform_directions_of_a_line_and_of_a_point() -> None:
    sphere = torch.randn(4000, 16, generator=stream(1, "x"))
    found = spread(sphere)
    assert found.per_dimension.mean() == pytest.approx(1, abs=0.02)
    assert found.effective == pytest.approx(16, abs=0.2)
    assert not found.collapsed
    line = torch.zeros(100, 16)
    line[:, 3] = torch.randn(100, generator=stream(2, "x"))
    found = spread(line)
    assert found.effective == pytest.approx(1)
    signs = line[:, 3].sign().double().std(correction=0)
    assert found.per_dimension[3].item() == pytest.approx(4 * signs.item())
    point = torch.ones(100, 16) + 1e-4 * torch.randn(100, 16, generator=stream(3, "x"))
    assert spread(point).collapsed
    assert spread(torch.ones(5, 3)).effective == 1


def test_what_has_no_neighbours_is_refused() -> None:
    x, y = torch.ones(4, 3), torch.zeros(4, dtype=torch.long)
    for call in (
        lambda: neighbour_accuracy(x, y, x, y, 5),
        lambda: neighbour_accuracy(x, y[:2], x, y, 1),
        lambda: neighbour_accuracy(x, y, x[:, :2], y, 1),
        lambda: spread(x[:1]),
        lambda: spread(torch.full((3, 2), math.nan)),
    ):
        with pytest.raises(ValueError, match=r"k must|needs one|\[N, D\]"):
            call()
