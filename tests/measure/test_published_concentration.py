"""Published constants, and what they do to maps that differ in scale alone (H3)."""

import math

import pytest
import torch
from torch import Tensor

from helpers.measure.concentration import entropy
from helpers.measure.consistency import gini
from helpers.measure.published_concentration import published_entropy, published_gini
from helpers.streams import stream


@pytest.fixture
def maps() -> Tensor:
    drawn = torch.rand(3, 14, 14, generator=stream(1, "maps"), dtype=torch.double)
    return drawn**8  # gathered


def plain_gini(one: Tensor) -> float:
    a = sorted(max(float(v), 0.0) + 1e-7 for v in one.flatten())
    n = len(a)
    return sum((2 * i - n - 1) * v for i, v in enumerate(a, 1)) / (n * sum(a))


def plain_entropy(one: Tensor) -> float:
    height, width = one.shape
    values = []
    for y in range(height):
        for x in range(width):
            near = one[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
            values.append(max(float(near.sum()) / 25, 0.0))
    total = sum(values)
    return -sum(v / total * math.log2(v / total + 1e-10) for v in values)


def test_both_are_their_sums(maps: Tensor) -> None:
    signed = maps - 0.1
    for one, g, e in zip(
        signed, published_gini(signed), published_entropy(signed), strict=True
    ):
        assert g == pytest.approx(plain_gini(one), rel=1e-9)
        assert e == pytest.approx(plain_entropy(one), rel=1e-9)


def test_a_scale_moves_the_published_gini_and_not_ours(maps: Tensor) -> None:
    """Defect H3: gradients of two losses differ in scale."""
    whole = published_gini(maps)
    assert torch.allclose(whole, gini(maps), atol=1e-5)
    assert (published_gini(maps * 1e-6) < 0.75 * whole).all()
    assert (published_gini(maps * 1e-7) < 0.2 * whole).all()
    for scale in (1e-7, 1e7):
        assert torch.allclose(gini(maps * scale), gini(maps), rtol=1e-9)
        assert torch.allclose(entropy(maps * scale), entropy(maps), rtol=1e-9)


def test_a_zero_map_looks_uniform_or_has_none() -> None:
    nothing = torch.zeros(1, 6, 6)
    assert published_gini(nothing) == pytest.approx(0, abs=1e-6)
    assert published_entropy(nothing).isnan().all()
    with pytest.raises(ValueError, match="not finite"):
        published_gini(torch.full((1, 6, 6), math.nan))
