from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers.explain.lime import Lime, lime, ridge_weights, squares
from helpers.streams import stream

targets = torch.tensor([1, 0])


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return 1 + torch.rand(2, 3, 16, 24, dtype=torch.double, generator=generator)


class Parts(nn.Module):
    """Logit k is the sum of a_k over the squares, each by the share of it shown."""

    def __init__(self, whole: Tensor) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.a = torch.randn(2, 64, dtype=torch.double, generator=generator)
        self.whole, self.places = whole, squares(16, 24).flatten()

    def forward(self, images: Tensor) -> Tensor:
        shown = (images != 0).all(1).flatten(1).double()  # [n, H W]
        sums = torch.zeros(len(images), 64, dtype=torch.double)
        counts = torch.bincount(self.places)
        sums.index_add_(1, self.places, shown)
        return (sums / counts) @ self.a.mT + 5.0


def test_a_linear_function_of_the_squares_is_recovered(images: Tensor) -> None:
    model, options = Parts(images), Lime(samples=300, ridge=0.0)
    maps = lime(model, images, targets, options=options)
    wanted = model.a[targets][:, squares(16, 24)]
    assert (maps - wanted).abs().max() < 1e-4


def test_the_penalty_shrinks(images: Tensor) -> None:
    model = Parts(images)
    free = lime(model, images, targets, options=Lime(samples=300, ridge=0.0))
    held = lime(model, images, targets, options=Lime(samples=300, ridge=10.0))
    assert held.abs().sum() < 0.9 * free.abs().sum()


def test_the_decisive_superpixel_is_found(images: Tensor) -> None:
    """Irregular segments, other ones per picture; the score needs segment 3 alone."""
    segments = torch.zeros(2, 16, 24).long()
    segments[:, 10:] = 1
    segments[:, :, 15:] = 2
    segments[0, 2:6, 2:9], segments[1, 9:15, 11:18] = 3, 3
    segments[:, 7, :] = 4

    def decided(pictures: Tensor) -> Tensor:
        at = [(3, 5), (12, 13)]
        y, x = at[decided.picture]
        seen = (pictures[:, :, y, x] > 0).all(1).double()
        return torch.stack([torch.zeros_like(seen), 4 * seen], 1)

    for one in range(2):
        decided.picture = one
        alone = images[one : one + 1]
        part = segments[one : one + 1]
        maps = lime(decided, alone, torch.tensor([1]), part, Lime(samples=200))
        inside = part == 3
        assert maps[inside].unique().numel() == 1
        assert maps[inside].min() > 2
        assert maps[~inside].abs().max() < 0.5
        odds = lime(decided, alone, torch.tensor([0]), part, Lime(samples=50))
        assert odds.abs().max() < 1e-9


def test_probabilities_instead_of_logits(images: Tensor) -> None:
    model = Parts(images)
    logits = lime(model, images, targets, options=Lime(samples=100))
    softmax = partial(torch.softmax, dim=1)
    chances = lime(model, images, targets, options=Lime(100, score=softmax))
    odds = lime(model, images, 1 - targets, options=Lime(100, score=softmax))
    assert (chances + odds).abs().max() < 1e-5  # two classes: they sum to 1
    assert not torch.allclose(chances, logits, rtol=0.1)


def test_the_seed_decides(images: Tensor) -> None:
    model = Parts(images)
    first = lime(model, images, targets, options=Lime(60))
    assert torch.equal(first, lime(model, images, targets, options=Lime(60)))
    other = lime(model, images, targets, options=Lime(60, seed=1))
    assert not torch.allclose(first, other)


def test_slow_twin_of_the_paper(images: Tensor) -> None:
    """Sample by sample and pixel by pixel, then the normal equations with intercept."""
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    model = nn.Sequential(*body, nn.Linear(16, 2)).double()
    cells = squares(16, 24, 2)
    options = Lime(samples=30, width=0.4, ridge=0.3, hidden=0.5, seed=2)
    found = lime(model, images, targets, cells, options, chunk=7)
    generator = stream(2, "lime")
    shown = [[1.0] * 4]
    for _ in range(29):
        drawn = torch.rand(1, 4, generator=generator)[0] < 0.5
        shown.append(drawn.double().tolist())
    for one in range(2):
        rows, scores, weights = [], [], []
        for z in shown:
            hidden = images[one].clone()
            for y, x in np.ndindex(16, 24):
                if not z[cells[y, x]]:
                    hidden[:, y, x] = 0.5
            scores.append(model(hidden[None])[0, targets[one]].item())
            distance = 1 - np.dot(z, np.ones(4)) / max(
                np.linalg.norm(z) * 2, 1e-300
            )  # cosine distance from all shown
            weights.append(np.exp(-(distance**2) / (2 * 0.4**2)))
            rows.append([1.0, *z])
        design, weight = np.array(rows), np.diag(weights)
        penalty = np.diag([0.0] + [0.3] * 4)
        normal = design.T @ weight @ design + penalty
        solved = np.linalg.solve(normal, design.T @ weight @ np.array(scores))
        wanted = torch.from_numpy(solved[1:])[cells]
        assert (found[one] - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_witness_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    generator = torch.Generator().manual_seed(0)
    shown = (torch.rand(40, 6, generator=generator) < 0.5).double()
    scores = torch.randn(40, generator=generator).double()
    weights = torch.rand(40, generator=generator).double()
    for ridge in (0.01, 1.0):
        fit = linear.Ridge(alpha=ridge).fit(shown, scores, weights)
        found = ridge_weights(shown, scores, weights, ridge)
        assert np.allclose(found, fit.coef_, atol=1e-9)


def test_a_part_that_is_never_hidden_has_no_weight() -> None:
    shown = torch.ones(10, 2)
    shown[::2, 1] = 0
    scores = 3 * shown[:, 1]
    found = ridge_weights(shown, scores, torch.ones(10), 0.0)
    assert torch.allclose(found, torch.tensor([0.0, 3.0]).double(), atol=1e-9)


def test_squares_by_hand() -> None:
    wanted = [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [2, 2, 2, 3, 3], [2, 2, 2, 3, 3]]
    assert squares(4, 5, 2).tolist() == wanted
    assert squares(8, 9).unique().tolist() == list(range(64))


def test_wrong_input_is_refused(images: Tensor) -> None:
    model = Parts(images)
    whole = squares(16, 24)
    for segments, text in (
        (whole[:, :5], r"shape \[2, 16, 24\] or \[16, 24\], got"),
        (whole.double(), "must be integers"),
        (whole + 1, "numbered 0..M-1 without a gap"),
        (whole * 2, "without a gap"),
    ):
        with pytest.raises(ValueError, match=text) as caught:
            lime(model, images, targets, segments)
        assert "\n" not in str(caught.value)
    for options, text in (
        (Lime(samples=1), "samples must be at least 2, got 1"),
        (Lime(width=0.0), "width must be positive"),
        (Lime(ridge=-1.0), "ridge must be 0 or more"),
        (Lime(score=torch.log), "no finite score"),
    ):
        with pytest.raises(ValueError, match=text):
            lime(model, images - 2.0, targets, options=options)
    with pytest.raises(ValueError, match="7 x 24 pixels hold no 8 x 8 squares"):
        lime(model, images[:, :, :7], targets)
