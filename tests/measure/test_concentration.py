"""Entropy and border share: by hand, against scipy and loops, at their ends."""

import math

import pytest
import torch
from scipy.stats import entropy as scipy_entropy
from torch import Tensor

from helpers.measure.concentration import border_share, entropy
from helpers.streams import stream


@pytest.fixture
def maps() -> Tensor:
    return torch.rand(4, 12, 10, generator=stream(0, "maps"))


def test_entropy_by_hand() -> None:
    maps = torch.zeros(4, 4, 4)
    maps[0] = 0.3  # uniform
    maps[1, 2, 1] = 7  # one pixel
    maps[2, :2, :2] = 5  # 4 of 16 pixels: ln 4 / ln 16
    maps[3, 0, :2] = torch.tensor([3.0, 1.0])
    third = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(16)
    assert entropy(maps).tolist() == pytest.approx([1, 0, 0.5, third])


def test_entropy_against_scipy(maps: Tensor) -> None:
    maps[1] = maps[1] ** 8
    maps[2] = (maps[2] - 0.7).relu()
    wanted = [
        scipy_entropy(one.flatten().double().numpy()) / math.log(120) for one in maps
    ]
    assert entropy(maps).tolist() == pytest.approx(wanted, abs=1e-12)


def test_the_ring_by_hand() -> None:
    maps = torch.zeros(3, 8, 8)
    maps[0, 0, 0], maps[0, 4, 4] = 1, 3  # a quarter, on 3/4 of the area
    maps[1, 3, 3] = 1
    maps[2, 7, 1] = 1
    assert border_share(maps, 4).tolist() == pytest.approx([1 / 3, 0, 4 / 3])


def test_the_ring_against_loops(maps: Tensor) -> None:
    found = border_share(maps, (6, 5))  # cells of 2 x 2 pixels
    for one in range(4):
        ring = [
            (y, x)
            for y in range(12)
            for x in range(10)
            if y // 2 in (0, 5) or x // 2 in (0, 4)
        ]
        share = sum(maps[one, y, x].item() for y, x in ring) / maps[one].sum().item()
        assert found[one].item() == pytest.approx(share / (len(ring) / 120))


def test_an_edge_within_a_pixel_counts_in_parts(maps: Tensor) -> None:
    fine = maps.repeat_interleave(7, 1).repeat_interleave(7, 2)  # 7 divides the cells
    torch.testing.assert_close(border_share(maps, 7), border_share(fine, 7))


@pytest.mark.parametrize("cells", [3, 4, 7, (3, 9), (12, 10)])
def test_a_uniform_map_has_one(cells: int | tuple[int, int]) -> None:
    found = border_share(torch.full((1, 12, 10), 1e-9), cells)
    assert found.item() == pytest.approx(1, abs=1e-12)


def test_zero_maps_have_neither(maps: Tensor) -> None:
    maps[1] = 0
    for found in (entropy(maps), border_share(maps, 4)):
        assert found.isnan().tolist() == [False, True, False, False]


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_no_score_depends_on_the_scale_of_a_map(maps: Tensor, factor: float) -> None:
    for score in (entropy, lambda x: border_share(x, 4)):
        torch.testing.assert_close(score(maps * factor), score(maps), atol=1e-6, rtol=0)


FINE = torch.ones(2, 8, 8)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: entropy(-FINE), "picture 0 is negative: apply ReLU"),
        (lambda: entropy(FINE / 0), "not finite"),
        (lambda: entropy(FINE[0]), r"maps must be \[B, H, W\]"),
        (lambda: border_share(-FINE, 4), "negative"),
        (lambda: border_share(FINE, 2), r"3 cells a side .* got \(2, 2\)"),
        (lambda: border_share(FINE, (4, 9)), "no more than pixels"),
    ],
)
def test_what_does_not_fit_is_refused(call, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)
