"""B-cos layers against the package `bcos`, and against the equation patch by patch."""

import copy

import pytest
import torch
from bcos.modules import BatchNormUncentered2d
from bcos.modules import BcosConv2d as Theirs
from torch import Tensor, nn

from helpers.explain.bcos import bcos_contributions
from helpers.streams import stream
from helpers.vision.bcos_layers import BcosConv2d, UncentredNorm2d, reset_bcos
from helpers.vision.bcos_net import SceneBcosNet


def made(side: int = 3, stride: int = 2) -> BcosConv2d:
    layer = BcosConv2d(4, 5, side, stride)
    layer.reset(stream(1, "filters"))
    return layer.double()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(3, 4, 7, 9, generator=stream(2, "x"), dtype=torch.double)


@pytest.mark.parametrize("side", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("explaining", [False, True])
def test_a_unit_is_that_of_the_package_with_its_gradients(
    x: Tensor, side: int, stride: int, explaining: bool
) -> None:
    ours, theirs = made(side, stride), Theirs(4, 5, side, stride, side // 2).double()
    with torch.no_grad():
        theirs.linear.weight.copy_(ours.weight)
    a, b = (x.clone().requires_grad_() for _ in range(2))
    ours.set_explanation_mode(explaining)
    theirs.set_explanation_mode(explaining)
    y, wanted = ours(a), theirs(b)
    assert torch.allclose(y, wanted, rtol=0, atol=1e-13)
    slope = torch.randn(y.shape, generator=stream(3, "slope"), dtype=torch.double)
    got = torch.autograd.grad(y, (a, ours.weight), slope)
    expected = torch.autograd.grad(wanted, (b, theirs.linear.weight), slope)
    for one, other in zip(got, expected, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-12)


def test_a_unit_is_the_published_product_of_cosine_and_projection(x: Tensor) -> None:
    layer = made(1, 1)
    y = layer(x)
    for picture, row, column, unit in ((0, 0, 0, 0), (2, 6, 8, 4), (1, 3, 2, 1)):
        patch, w = x[picture, :, row, column], layer.weight[unit, :, 0, 0]
        cosine = patch @ w / (patch.norm() * w.norm())
        wanted = cosine.abs() * (patch @ (w / w.norm()))
        assert abs(y[picture, unit, row, column] - wanted) < 1e-6


def test_filters_of_any_length_give_the_same(x: Tensor) -> None:
    layer, longer = made(), made()
    with torch.no_grad():
        longer.weight *= 7.5
    assert torch.allclose(layer(x), longer(x), rtol=0, atol=1e-13)


@pytest.mark.parametrize("explaining", [False, True])
def test_a_norm_is_that_of_the_package_in_training_and_after(
    x: Tensor, explaining: bool
) -> None:
    ours = UncentredNorm2d(4).double()
    theirs = BatchNormUncentered2d(4).double()
    theirs.bias = None
    with torch.no_grad():
        for one in (ours, theirs):
            one.weight.copy_(torch.tensor([0.5, 1, 2, -1]))
            one.set_explanation_mode(explaining)
    a, b = (x.clone().requires_grad_() for _ in range(2))
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        y, wanted = ours(a), theirs(b)
        assert torch.allclose(y, wanted, rtol=0, atol=1e-12)
        for one, other in zip(
            torch.autograd.grad(y.pow(3).sum(), a),
            torch.autograd.grad(wanted.pow(3).sum(), b),
            strict=True,
        ):
            assert torch.allclose(one, other, rtol=0, atol=1e-10)
    assert torch.allclose(ours.running_var, theirs.running_var)
    assert not torch.allclose(ours.running_var, torch.ones(4).double())


def test_a_network_for_scenes_is_drawn_from_its_stream_and_fully_explained() -> None:
    network = SceneBcosNet(24, width=4)
    network.initialise(stream(1, "initialisation"))
    again = copy.deepcopy(network)
    again.initialise(stream(1, "initialisation"))
    for one, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    network.double().eval()
    images = torch.rand(2, 3, 32, 32, generator=stream(2, "x"), dtype=torch.double)
    six = torch.cat([images, 1 - images], 1)
    assert network.features(six).shape == (2, 32, 4, 4)
    targets = torch.tensor([3, 20])
    maps = bcos_contributions(network, images, targets)
    logits = network(six).gather(1, targets[:, None])[:, 0]
    gap = maps.sum((1, 2)) - (logits - network.bias)
    assert gap.abs().max() < 1e-5 * logits.abs().max()
    assert network.bias == pytest.approx(-3.1354942159)  # -log 23
    assert not any(module.is_in_explanation_mode for module in _modes(network))


def test_it_learns_a_toy(x: Tensor) -> None:
    network = SceneBcosNet(2, width=4, temperature=0.05)
    network.initialise(stream(1, "initialisation"))
    generator = stream(4, "toy")
    images = torch.rand(16, 3, 32, 32, generator=generator) * 0.3
    images[:8, 0] += 0.6  # red ones
    six = torch.cat([images, 1 - images], 1)
    labels = torch.arange(2).repeat_interleave(8)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(12):
        loss = nn.functional.cross_entropy(network(six), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (network(six).argmax(1) == labels).all()


def test_reset_leaves_other_layers_alone() -> None:
    both = nn.Sequential(nn.Conv2d(3, 2, 1), BcosConv2d(2, 2))
    before = both[0].weight.clone()
    reset_bcos(both, stream(1, "x"))
    assert torch.equal(both[0].weight, before)
    assert both[1].weight.isfinite().all()


def _modes(network: nn.Module) -> list:
    parts = list(network.modules())
    return [part for part in parts if hasattr(part, "is_in_explanation_mode")]
