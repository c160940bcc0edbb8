import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet18

from helpers.explain.attribution import (
    guided_backprop,
    input_x_gradient,
    integrated_gradients,
)
from helpers.vision.resnet import SceneResNet

targets = torch.tensor([1, 0])


class Linear(nn.Module):
    """y = w x + b: what the methods give can be written down."""

    def __init__(self, bias: float = 0.7) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.weight = torch.randn(2, 3, 5, 6, dtype=torch.double, generator=generator)
        self.bias = bias

    def forward(self, images: Tensor) -> Tensor:
        return torch.einsum("bchw,kchw->bk", images, self.weight) + self.bias


def small(bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=bias),
        nn.ReLU(),
        nn.Conv2d(6, 5, 3, 2, 1, bias=bias),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(45, 3, bias=bias),
    ).double()


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, 5, 6, dtype=torch.double, generator=generator)


def close(a: Tensor, b: Tensor, rtol: float = 1e-10) -> bool:
    return a.shape == b.shape and (a - b).abs().max() <= rtol * b.abs().max()


# by hand


def test_a_linear_model_by_hand(images: Tensor) -> None:
    model = Linear()
    wanted = (model.weight[targets] * images).sum(1)
    assert close(input_x_gradient(model, images, targets), wanted)
    found = integrated_gradients(model, images, targets, steps=3)
    assert close(found, wanted, 1e-6)
    away = integrated_gradients(model, images, targets, baseline=images.flip(0))
    moved = (model.weight[targets] * (images - images.flip(0))).sum(1)
    assert close(away, moved, 1e-6)


def test_a_relu_network_without_biases_sums_to_its_logit(images: Tensor) -> None:
    model = small(bias=False)
    logits = model(images)[range(2), targets]
    assert close(input_x_gradient(model, images, targets).sum((1, 2)), logits)


def test_integrated_gradients_are_complete(images: Tensor) -> None:
    """Proposition 1; at the bends of a ReLU network the error falls as 1 / steps."""
    model = small()
    gain = model(images) - model(torch.full_like(images, 0.2))
    gain, errors = gain[range(2), targets], []
    for steps in (2, 20, 300):
        maps = integrated_gradients(model, images, targets, steps=steps, baseline=0.2)
        errors.append((maps.sum((1, 2)) - gain).abs().max())
    assert errors[2] < 1e-3 < 1e-2 < errors[0]
    assert errors[0] > errors[1] > errors[2]


def test_the_quadrature_is_exact_for_polynomials(images: Tensor) -> None:
    """y = sum x^3: from 0 the map is x^3, and Gauss's rule of 2 points has it."""

    def cubic(pictures: Tensor) -> Tensor:
        return (pictures**3).flatten(1).sum(1, keepdim=True)

    found = integrated_gradients(cubic, images, targets * 0, steps=2)
    assert close(found, (images**3).sum(1), 1e-6)


# slow twins and witnesses


def test_slow_twin_of_integrated_gradients(images: Tensor) -> None:
    """Equation 3 of the paper: many small steps on the straight way."""
    model, steps = small(), 2000
    found = integrated_gradients(model, images[:1], targets[:1], steps=200)
    slopes = torch.zeros_like(images[:1])
    for step in range(steps):
        at = (images[:1] * (step + 0.5) / steps).requires_grad_()
        slopes += torch.autograd.grad(model(at)[0, targets[0]], at)[0] / steps
    assert close(found, (slopes * images[:1]).sum(1), 5e-3)


def test_slow_twin_of_guided_backprop(images: Tensor) -> None:
    """Figure 1 c: the gradient, layer by layer, its negative part cut at each ReLU."""
    model = small()
    first, second, head = model[0], model[2], model[5]
    for one, target in enumerate(targets.tolist()):
        a = first(images[one : one + 1])
        b = second(a.relu())
        back = head.weight[target].view_as(b[0])[None]
        back = (b > 0) * (back > 0) * back
        back = F.conv_transpose2d(back, second.weight, None, 2, 1, (0, 1))
        back = (a > 0) * (back > 0) * back
        back = F.conv_transpose2d(back, first.weight, None, 1, 1)
        found = guided_backprop(model, images, targets)[one]
        assert close(found, back[0].sum(0).detach())


def test_slow_twin_of_input_x_gradient_by_finite_differences(images: Tensor) -> None:
    model, step = small(), 1e-6
    found = input_x_gradient(model, images, targets)
    for y, x in np.ndindex(5, 6):
        value = 0.0
        for channel in range(3):
            bump = torch.zeros_like(images[:1])
            bump[0, channel, y, x] = step
            both = model(images[:1] + bump) - model(images[:1] - bump)
            slope = both[0, targets[0]].item() / (2 * step)
            value += slope * images[0, channel, y, x].item()
        assert abs(found[0, y, x].item() - value) < 1e-7


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
@pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require")
def test_witness_captum() -> None:
    captum = pytest.importorskip("captum.attr")
    torch.manual_seed(0)
    network = resnet18(num_classes=4).eval()
    pictures = torch.randn(2, 3, 64, 64)
    wanted = captum.GuidedBackprop(network).attribute(pictures.clone(), target=targets)
    found = guided_backprop(network, pictures, targets)
    assert close(found, wanted.sum(1), 1e-5)
    wanted = captum.InputXGradient(network).attribute(pictures.clone(), target=targets)
    found = input_x_gradient(network, pictures, targets)
    assert close(found, wanted.sum(1).detach(), 1e-5)
    method = captum.IntegratedGradients(network)
    wanted = method.attribute(pictures, target=targets, n_steps=4)
    found = integrated_gradients(network, pictures, targets, steps=4, chunk=3)
    assert close(found, wanted.sum(1).detach(), 1e-4)


# guided backprop: which networks


class Functional(nn.Module):
    """`small` with its ReLUs as functions, the second in place."""

    def __init__(self) -> None:
        super().__init__()
        self.body = small()

    def forward(self, images: Tensor) -> Tensor:
        y = self.body[2](F.relu(self.body[0](images)))
        return self.body[5](torch.relu_(y).flatten(1))


def test_functions_are_guided_as_modules_are(images: Tensor) -> None:
    wanted = guided_backprop(small(), images, targets)
    assert torch.equal(guided_backprop(Functional(), images, targets), wanted)
    plain = images.clone().requires_grad_()
    slope = torch.autograd.grad(small()(plain)[[0, 1], targets].sum(), plain)[0]
    assert not close(wanted, slope.sum(1), 0.1)


def test_the_networks_of_this_book_are_guided() -> None:
    torch.manual_seed(0)
    model, pictures = SceneResNet(4, 4).eval(), torch.randn(2, 3, 32, 32)
    guided = guided_backprop(model, pictures, targets)
    probe = pictures.clone().requires_grad_()
    slope = torch.autograd.grad(model(probe)[[0, 1], targets].sum(), probe)[0]
    assert guided.abs().max() > 0
    assert not close(guided, slope.sum(1), 0.1)


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (nn.Tanh(), "Sequential has Tanh"),
        (nn.GELU(), "Sequential has Gelu"),
        (nn.LeakyReLU(), "Sequential has LeakyRelu"),
        (nn.Softmax(1), "Sequential has Softmax"),
        (nn.Identity(), "Sequential has no ReLU"),
    ],
)
def test_other_activations_are_refused(
    images: Tensor, other: nn.Module, text: str
) -> None:
    model = small()
    model[1] = other
    if isinstance(other, nn.Identity):
        model[3] = other
    with pytest.raises(ValueError, match=text):
        guided_backprop(model, images, targets)
    assert input_x_gradient(model, images, targets).isfinite().all()


# what is refused


def test_wrong_options_are_refused(images: Tensor) -> None:
    model = Linear()
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        integrated_gradients(model, images, targets, steps=0)
    with pytest.raises(ValueError, match=r"must expand to the pictures, got \[4\]"):
        integrated_gradients(model, images, targets, baseline=torch.zeros(4))


def test_logits_without_gradient_are_refused(images: Tensor) -> None:
    def dead(pictures: Tensor) -> Tensor:
        return torch.zeros(len(pictures), 2)

    for method in (input_x_gradient, integrated_gradients, guided_backprop):
        with pytest.raises(ValueError, match="logits of dead have no gradient"):
            method(dead, images, targets)


def test_a_slope_without_bound_is_refused(images: Tensor) -> None:
    images[1, 0, 2, 2] = 0.0

    def root(pictures: Tensor) -> Tensor:
        return pictures.abs().sqrt().flatten(1)[:, :60]

    with pytest.raises(ValueError, match="the map of picture 1 is not finite"):
        input_x_gradient(root, images, torch.tensor([0, 14]))


def test_nothing_is_warned_of(images: Tensor) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for method in (input_x_gradient, integrated_gradients, guided_backprop):
            for chunk in (1, 64):
                method(small(), images, targets, chunk=chunk)
    assert [str(one.message) for one in heard] == []
