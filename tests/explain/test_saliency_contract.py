"""What every gradient or library based method keeps: form, model as found, input."""

import copy
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from helpers.explain.attribution import (
    guided_backprop,
    input_x_gradient,
    integrated_gradients,
)
from helpers.explain.bcos import bcos_contributions
from helpers.explain.lime import Lime, lime
from helpers.explain.relevance import Box, lrp
from helpers.vision.resnet import initialise

METHODS: dict[str, Callable[..., Tensor]] = {
    "input x gradient": input_x_gradient,
    "integrated gradients": partial(integrated_gradients, steps=8),
    "guided backprop": guided_backprop,
    "lime": partial(lime, options=Lime(samples=20)),
    "lrp": partial(lrp, box=Box((-9.0,) * 3, (9.0,) * 3)),
}
targets = torch.tensor([0, 3, 1])


@pytest.fixture(params=list(METHODS))
def method(request: pytest.FixtureRequest) -> Callable[..., Tensor]:
    return METHODS[request.param]


def deep(inplace: bool = False, first: bool = False) -> nn.Sequential:
    """A ReLU network with dropout, whose batch norms are trained a little."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace),
        nn.Conv2d(6, 5, 3, 2, 1),
        nn.BatchNorm2d(5),
        nn.ReLU(inplace),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(20, 8),
        nn.ReLU(inplace),
        nn.Linear(8, 4),
    ]
    model = nn.Sequential(*([nn.ReLU(inplace)] if first else []), *layers).double()
    model(torch.randn(8, 3, 14, 18, dtype=torch.double))
    return model.eval()


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 3, 14, 18, dtype=torch.double, generator=generator)


def close(a: Tensor, b: Tensor, rtol: float = 1e-6) -> bool:
    return a.shape == b.shape and (a - b).abs().max() <= rtol * b.abs().max()


# form


def test_maps_are_signed_have_no_gradient_and_come_twice(method, images) -> None:
    model = deep()
    maps = method(model, images, targets)
    assert maps.shape == (3, 14, 18)
    assert maps.dtype == torch.double
    assert not maps.requires_grad
    assert maps.min() < 0 < maps.max()
    assert torch.equal(method(model, images, targets), maps)


def test_a_picture_has_the_same_map_in_any_batch_and_chunk(method, images) -> None:
    model = deep()
    together = method(model, images, targets)
    for chunk in (1, 2, 7, 1000):
        assert close(method(model, images, targets, chunk=chunk), together)
    for one in range(3):
        alone = method(model, images[one : one + 1], targets[one : one + 1])
        assert close(alone[0], together[one])


def test_single_precision_and_small_integers(method, images) -> None:
    wanted = method(deep(), images, targets)
    found = method(deep().float(), images.float(), targets.to(torch.uint8))
    assert found.dtype == torch.float
    assert close(found.double(), wanted, 1e-3)


def test_the_target_and_the_weights_decide(method, images) -> None:
    """The randomised-weights check of Adebayo et al. 2018."""
    model = deep()
    wanted = method(model, images, targets)
    assert not close(method(model, images, (targets + 1) % 4), wanted, 0.05)
    initialise(model, torch.Generator().manual_seed(5))
    assert not close(method(model, images, targets), wanted, 0.05)


# the model is left as found


def test_an_in_place_net_equals_its_twin(method, images) -> None:
    wanted = method(deep(), images, targets)
    assert torch.equal(method(deep(inplace=True), images, targets), wanted)


def test_a_net_that_overwrites_its_input(images: Tensor) -> None:
    before = images.clone()
    for name in set(METHODS) - {"lrp"}:  # which wants a convolution at the picture
        method = METHODS[name]
        wanted = method(deep(first=True), images, targets)
        assert torch.equal(method(deep(True, first=True), images, targets), wanted)
        assert torch.equal(images, before)


@pytest.fixture
def model() -> Iterator[nn.Module]:
    """A model in a mixed state, which is compared when the test is over."""
    model = deep(inplace=True).train()
    parts = list(model.modules())
    model[1].eval()
    model[0].weight.requires_grad_(False)
    model[0].bias.grad = torch.ones_like(model[0].bias)
    flags, names = [part.training for part in parts], list(map(type, parts))
    state, places = copy.deepcopy(model.state_dict()), list(map(id, model.parameters()))
    drawn = torch.get_rng_state()
    yield model
    assert [part.training for part in parts] == flags
    assert list(map(type, model.modules())) == names
    assert list(map(id, model.parameters())) == places
    assert [p.requires_grad for p in model.parameters()].count(False) == 1
    assert [p.grad is None for p in model.parameters()].count(False) == 1
    assert model[0].bias.grad.eq(1).all()
    assert all(torch.equal(a, state[name]) for name, a in model.state_dict().items())
    for part in parts:
        hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks)
        assert not any(hooks)
    assert torch.equal(torch.get_rng_state(), drawn)


def test_state_after_a_map(method, model, images) -> None:
    before = images.clone()
    wanted = method(copy.deepcopy(model).eval(), images, targets)
    assert torch.equal(method(model, images, targets), wanted)
    assert torch.equal(images, before)
    assert not images.requires_grad


def test_state_after_an_exception(method, model, images) -> None:
    with pytest.raises(ValueError, match=r"0\.\.3"):
        method(model, images, targets + 1)
    images[1, 0, 2, 2] = float("nan")
    with pytest.raises(ValueError, match=r"finite|NaN") as caught:
        method(model, images, targets)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_without_gradients_and_all_frozen(method, images, context) -> None:
    model = deep(inplace=True)
    wanted = method(model, images, targets)
    model.requires_grad_(False)
    with context():
        assert torch.equal(method(model, images.clone(), targets.clone()), wanted)
        assert not torch.is_grad_enabled()


# what is refused


@pytest.mark.parametrize("name", [*METHODS, "bcos"])
def test_wrong_input_is_refused(name: str, images: Tensor) -> None:
    method, model = {**METHODS, "bcos": bcos_contributions}[name], deep()
    images = images.sigmoid()
    for wrong, aims, text in (
        (images[0], targets, "images must be"),
        (images[:0], targets[:0], "images must be"),
        (images, targets[:2], r"shape \[3\], got .* shape \[2\]"),
        (images, targets.double(), "float64"),
    ):
        with pytest.raises(ValueError, match=text) as caught:
            method(model, wrong, aims)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        method(model, images, targets, chunk=0)


def test_a_model_without_logits_is_refused(method, images) -> None:
    with pytest.raises(ValueError, match=r"logits \[n, K\], gave \["):
        method(deep()[:6], images, targets)
