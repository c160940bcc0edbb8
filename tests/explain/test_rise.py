import copy
import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain import rise as rise_module
from helpers.explain.rise import rise, rise_from_seed, rise_masks, stability
from helpers.streams import stream

targets = torch.tensor([1, 0, 2])


class Net(nn.Module):
    """A small network with batch norms and dropout, trained a little."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3)
        )
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(5, 4))
        self.double()(torch.randn(8, 3, 12, 15, dtype=torch.double))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images).mean((2, 3)) * 5)


class Linear:
    """P(class 0) = offset + sum of weight x picture: linear in the pixels."""

    def __init__(self, weight: Tensor, offset: float) -> None:
        self.weight, self.offset = weight, offset

    def __call__(self, images: Tensor) -> Tensor:
        chance = self.offset + (images * self.weight).sum((1, 2, 3))
        return torch.stack([chance, 1 - chance], 1).log()


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 3, 12, 15, dtype=torch.double, generator=generator)


def masks_of(
    count: int, size: tuple[int, int], cells: int = 7, p: float = 0.5
) -> Tensor:
    return rise_masks(count, size, cells, p, generator=stream(0, "test"))


# the masks


@pytest.mark.parametrize(("size", "cells"), [((12, 15), 4), ((7, 9), 7), ((8, 8), 1)])
def test_slow_twin_of_the_masks(size: tuple[int, int], cells: int) -> None:
    """Section 3.2, pixel by pixel: enlarge the whole grid, then cut the window."""
    masks = masks_of(20, size, cells, 0.4)
    generator = stream(0, "test")
    grids = (torch.rand(20, cells, cells, generator=generator) < 0.4).double()
    pixels = [math.ceil(side / cells) for side in size]
    shifts = [torch.randint(one, (20,), generator=generator) for one in pixels]
    for n, y, x in np.ndindex(20, *size):
        value = 0.0
        at = []
        for axis, place in enumerate((y, x)):
            full = (cells + 1) * pixels[axis]
            middle = (place + shifts[axis][n].item() + 0.5) * cells / full - 0.5
            at.append(min(max(middle, 0), cells - 1))  # beyond the last cell: its value
        for i, j in np.ndindex(cells, cells):
            near = max(0, 1 - abs(at[0] - i)) * max(0, 1 - abs(at[1] - j))
            value += near * grids[n, i, j].item()
        assert abs(masks[n, y, x].item() - value) < 1e-5


def test_masks_are_windows_of_the_enlarged_grid() -> None:
    """The same by torch's own bilinear interpolation in two dimensions."""
    masks = masks_of(6, (64, 48), 7)
    generator = stream(0, "test")
    grids = (torch.rand(6, 1, 7, 7, generator=generator) < 0.5).float()
    wide = F.interpolate(grids, (80, 56), mode="bilinear", align_corners=False)[:, 0]
    down = torch.randint(10, (6,), generator=generator).tolist()
    right = torch.randint(7, (6,), generator=generator).tolist()
    for mask, one, y, x in zip(masks, wide, down, right, strict=True):
        assert torch.allclose(mask, one[y : y + 64, x : x + 48], atol=1e-5)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_every_pixel_has_the_mean_p(p: float) -> None:
    masks = masks_of(8000, (20, 24), 4, p)
    assert masks.dtype == torch.float32
    assert masks.min() == 0
    assert masks.max() == 1
    noise = (p * (1 - p) / 8000) ** 0.5
    assert (masks.mean(0) - p).abs().max() < 5 * noise


def test_the_generator_decides_the_masks() -> None:
    first = masks_of(5, (12, 15))
    assert torch.equal(first, masks_of(5, (12, 15)))
    other = rise_masks(5, (12, 15), generator=stream(1, "test"))
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("count", "cells", "p", "text"),
    [
        (0, 7, 0.5, "count must be at least 1"),
        (5, 13, 0.5, r"cells must be in 1\.\.12 for pictures of 12 x 15, got 13"),
        (5, 0, 0.5, r"cells must be in 1\.\.12"),
        (5, 7, 0.0, "probability must lie between 0 and 1"),
        (5, 7, 1.0, "probability must lie between 0 and 1"),
        (5, 7, math.nan, "probability must lie between 0 and 1"),
    ],
)
def test_wrong_masks_are_refused(count: int, cells: int, p: float, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        masks_of(count, (12, 15), cells, p)


# the maps


def test_slow_twin_of_the_paper(images: Tensor) -> None:
    """Equation 6, mask by mask and pixel by pixel."""
    model, masks = Net().eval(), masks_of(11, (12, 15), 4, 0.3)
    maps = rise(model, images, targets, masks, 0.3, chunk=4)
    for b in range(3):
        total = torch.zeros(12, 15, dtype=torch.double)
        for mask in masks.double():
            with torch.no_grad():
                logits = model((images[b] * mask)[None])[0]
            odds = [math.exp(value) for value in logits.tolist()]
            chance = odds[targets[b]] / sum(odds)
            for y, x in np.ndindex(12, 15):
                total[y, x] += chance * mask[y, x]
        assert torch.allclose(maps[b], total / (11 * 0.3), atol=1e-10)


def test_all_binary_masks_of_a_linear_model_by_hand() -> None:
    """With each of the 2^6 masks once, S_i = offset + sum(w) / 2 + w_i / 2 exactly."""
    weight = torch.tensor([[[0.02, -0.05, 0.11], [0.04, 0.0, -0.01]]]).double()
    masks = torch.tensor(list(itertools.product((0.0, 1.0), repeat=6))).view(-1, 2, 3)
    one, first = torch.ones(1, 1, 2, 3).double(), torch.tensor([0])
    maps = rise(Linear(weight, 0.4), one, first, masks)
    wanted = 0.4 + weight.sum() / 2 + weight / 2
    assert torch.allclose(maps, wanted, atol=1e-12)
    other = rise(Linear(weight, 0.4), one, first + 1, masks)
    assert torch.allclose(other, 0.6 - weight.sum() / 2 - weight / 2, atol=1e-12)


def test_a_linear_model_is_recovered_as_masks_grow() -> None:
    """E S_i = offset + p sum(w) + cov(m_i, m) w / p; pixels come to rank by weight."""
    size, cells, p = (8, 8), 8, 0.5
    bump = torch.exp(-((torch.arange(8) - torch.tensor([[2.6]])) ** 2) / 8).double()
    weight = 0.2 / bump.sum() ** 2 * (bump.T @ bump)[None]  # one smooth peak
    expand = F.interpolate(torch.eye(8)[None, None], (9, 8), mode="bilinear")[0, 0]
    rows = expand[:8].double()  # C = 1 pixel: there is one window
    across = rows @ rows.T
    spread = p * (1 - p) * across @ weight[0] @ across  # [8, 8]
    expected = 0.3 + p * weight.sum() + spread / p
    one, first = torch.ones(1, 1, 8, 8).double(), torch.tensor([0])
    errors, orders = [], []
    for count in (200, 3200, 51200):
        masks = rise_masks(count, size, cells, p, generator=stream(4, "test"))
        maps = rise(Linear(weight, 0.3), one, first, masks, p, chunk=6400)
        even = rise(lambda x: x.new_zeros(len(x), 2), one, first, masks, p)  # P = 1/2
        flat = maps - even * 2 * (0.3 + p * weight.sum())  # less the masks' own noise
        errors.append((maps[0] - expected).abs().max().item())
        orders.append(stability(flat, weight).item())
    assert errors[2] < 0.01 < errors[0]
    assert errors[0] > errors[1] > errors[2]
    assert orders[2] > 0.95
    assert orders[2] > orders[0]


def test_range_and_form(images: Tensor) -> None:
    maps = rise_from_seed(
        Net().float(), images.float(), targets, 40, cells=5, probability=0.2
    )
    assert maps.shape == (3, 12, 15)
    assert not maps.requires_grad
    assert maps.min() >= 0
    assert maps.max() <= 5


def test_a_picture_has_the_same_map_in_any_batch_and_chunk(images: Tensor) -> None:
    masks = masks_of(30, (12, 15))
    together = rise(Net(), images, targets, masks)
    for b in range(3):
        alone = rise(Net(), images[b : b + 1], targets[b : b + 1], masks, chunk=7)
        assert torch.allclose(alone[0], together[b], atol=1e-12)
    assert torch.equal(rise(Net(), images, targets, masks), together)


def test_from_seed_is_masks_then_maps(images: Tensor) -> None:
    masks = rise_masks(20, (12, 15), 5, 0.4, generator=stream(3, "rise masks"))
    wanted = rise(Net(), images, targets, masks, 0.4)
    assert torch.equal(rise_from_seed(Net(), images, targets, 20, 5, 0.4, 3), wanted)
    assert not torch.equal(rise_from_seed(Net(), images, targets, 20, 5, 0.4), wanted)


def test_many_masks_are_drawn_and_used_in_blocks(
    images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []
    real = rise_module.masked_scores

    def watched(model, images, targets, masks, **options) -> Tensor:
        held.append(len(masks))
        return real(model, images, targets, masks, **options)

    monkeypatch.setattr(rise_module, "masked_scores", watched)
    monkeypatch.setattr(rise_module, "BLOCK", 8)
    found = rise_from_seed(Net(), images, targets, 20, 5, 0.4, 3)
    assert held == [8, 8, 4]
    masks = rise_masks(20, (12, 15), 5, 0.4, generator=stream(3, "rise masks"))
    assert masks.shape == (20, 12, 15)
    wanted = rise(Net(), images, targets, masks, 0.4)
    assert torch.allclose(found, wanted, rtol=1e-12)
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) == 20


def test_the_pixels_that_decide_are_found() -> None:
    """P depends on one corner alone: found; maps of two seeds agree to .4 or .5."""

    def corner(images: Tensor) -> Tensor:
        seen = images[:, :, 16:24, 40:48].mean((1, 2, 3))
        return torch.stack([6 * seen - 3, 3 - 6 * seen], 1)

    one, first = torch.ones(1, 3, 64, 64), torch.tensor([0])
    a, b = (rise_from_seed(corner, one, first, seed=seed) for seed in (0, 1))
    y, x = divmod(a[0].argmax().item(), 64)
    assert 12 <= y < 28
    assert 36 <= x < 52
    assert stability(a, b) > 0.3


# stability


def test_witness_scipy_with_and_without_ties() -> None:
    generator = torch.Generator().manual_seed(2)
    a = torch.randn(4, 6, 7, generator=generator)
    b = a + torch.randn(4, 6, 7, generator=generator)
    a[2:], b[1:3] = a[2:].round(), b[1:3].round()  # ties on one side or both
    found = stability(a, b)
    for one in range(4):
        wanted = spearmanr(a[one].flatten(), b[one].flatten()).statistic
        assert abs(found[one].item() - wanted) < 1e-10


def test_only_ranks_count() -> None:
    a = torch.rand(2, 5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(stability(a, a.exp()), torch.ones(2).double())
    assert torch.allclose(stability(a, -3 * a), -torch.ones(2).double())
    assert stability(a, torch.ones_like(a)).isnan().all()


def test_wrong_maps_are_refused() -> None:
    a = torch.rand(2, 5, 5)
    with pytest.raises(ValueError, match="must both be"):
        stability(a, a[:1])
    with pytest.raises(ValueError, match="must be finite"):
        stability(a, a / 0)


# the model is left as found, input is checked


def test_state_after_a_map(images: Tensor) -> None:
    model = Net()
    model.train()
    model.body[1].eval()
    parts = list(model.modules())
    flags, state = [p.training for p in parts], copy.deepcopy(model.state_dict())
    before, masks = images.clone(), masks_of(9, (12, 15))
    kept = masks.clone()
    found = rise(model, images, targets, masks)
    assert torch.equal(found, rise(copy.deepcopy(model).eval(), images, targets, masks))
    with pytest.raises(ValueError, match=r"0\.\.3"):
        rise(model, images, targets + 2, masks)
    assert [p.training for p in parts] == flags
    assert all(torch.equal(a, state[name]) for name, a in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert torch.is_grad_enabled()
    assert torch.equal(images, before)
    assert torch.equal(masks, kept)


def test_a_net_that_overwrites_its_input(images: Tensor) -> None:
    masks, before = masks_of(9, (12, 15)), images.clone()
    wanted = rise(nn.Sequential(nn.ReLU(), Net()), images, targets, masks)
    found = rise(nn.Sequential(nn.ReLU(inplace=True), Net()), images, targets, masks)
    assert torch.equal(found, wanted)
    assert torch.equal(images, before)


def test_wrong_input_is_refused(images: Tensor) -> None:
    model, masks = Net(), masks_of(4, (12, 15))
    with pytest.raises(ValueError, match="images must be"):
        rise(model, images[0], targets, masks)
    with pytest.raises(ValueError, match="images must be"):
        rise_from_seed(model, images[0], targets)
    with pytest.raises(ValueError, match="targets must be integers"):
        rise(model, images, targets[:2], masks)
    with pytest.raises(ValueError, match=r"masks must be \[N, 12, 15\], got \[4, 15"):
        rise(model, images, targets, masks.mT)
    with pytest.raises(ValueError, match="masks must be"):
        rise(model, images, targets, masks[:0])
    with pytest.raises(ValueError, match=r"masks must lie in \[0, 1\]"):
        rise(model, images, targets, masks * 2)
    with pytest.raises(ValueError, match="probability must lie"):
        rise(model, images, targets, masks, 0.0)
    with pytest.raises(ValueError, match="gives NaN"):
        rise(model, images * math.nan, targets, masks)
    with pytest.raises(ValueError, match=r"logits \[n, K\], gave \[4, 5, 4, 6\]"):
        rise(model.body, images, targets, masks)
