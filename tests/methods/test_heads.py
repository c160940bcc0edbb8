"""Heads: their equations written out, and networks with them explained by all."""

import math
from contextlib import nullcontext

import pytest
import torch
from bcos.modules import BatchNormUncentered2d, BcosConv2d
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.attribution import guided_backprop, input_x_gradient
from helpers.explain.bcos import bcos_contributions
from helpers.explain.cam import (
    CoarseMapWarning,
    coarse_grad_cam,
    grad_cam,
    is_pooled_linear,
)
from helpers.explain.cam_pp import grad_cam_pp
from helpers.explain.lime import Lime, lime
from helpers.explain.relevance import box_of, lrp
from helpers.methods.heads import (
    CELLS,
    HEADS,
    Head,
    HeadShape,
    Probed,
    head_shape,
    prior_bias,
    published_logit_bias,
)
from helpers.settings import Refused
from helpers.streams import stream
from helpers.vision import CifarResNet, SceneResNet, initialise
from helpers.vision.bcos_net import SceneBcosNet


def head(name: str, channels: int = 32, classes: int = 5) -> Head:
    made = Head(head_shape(name), channels, classes)
    made.reset(stream(1, "head"))
    return made.double().eval()


def frozen(kind: type[nn.Module] = SceneResNet) -> nn.Module:
    network = kind(7, width=4) if kind is not CifarResNet else kind(7, depth=8)
    if isinstance(network, SceneBcosNet):
        network.initialise(stream(2, "network"))
    else:
        initialise(network, stream(2, "network"))
    network.train()
    generator = stream(3, "statistics")
    channels = 6 if isinstance(network, SceneBcosNet) else 3
    with torch.no_grad():  # running statistics that are not 0 and 1
        for _ in range(4):
            network(torch.rand(8, channels, 32, 32, generator=generator))
    return network.double().eval()


@pytest.fixture
def maps() -> Tensor:
    drawn = torch.randn(3, 32, 4, 6, generator=stream(4, "maps"), dtype=torch.double)
    return drawn.relu()


@pytest.mark.parametrize("name", [*HEADS])
def test_each_cell_has_its_logits_by_the_equation(name: str, maps: Tensor) -> None:
    made = head(name)
    generator = stream(9, "statistics")
    for module in made:
        if isinstance(module, nn.BatchNorm2d):
            for one in (module.running_mean, module.weight, module.bias):
                one.data.normal_(generator=generator)
        if hasattr(module, "running_var"):
            module.running_var.uniform_(0.5, 2, generator=generator)
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            module.bias.data.normal_(generator=generator)
    logits = made(maps)
    assert logits.shape == (3, 5, 4, 6)
    wanted = torch.empty_like(logits)
    for picture in range(3):
        for row in range(4):
            for column in range(6):
                cell = _by_hand(made, maps[picture, :, row, column])
                wanted[picture, :, row, column] = cell
    assert torch.allclose(logits, wanted, rtol=0, atol=1e-12)
    pooled = made(maps.mean((2, 3), keepdim=True))[:, :, 0, 0]
    equal = torch.allclose(logits.mean((2, 3)), pooled, rtol=1e-10, atol=1e-10)
    assert equal == made.is_linear == name.startswith("linear")


def _by_hand(made: Head, x: Tensor) -> Tensor:
    shape = made.shape
    layers = [m for m in made if type(m).__name__ in ("Conv2d", "BcosConv2d")]
    norms = [m for m in made if hasattr(m, "running_var")]
    for number, layer in enumerate(layers):
        w = layer.weight[:, :, 0, 0]
        if shape.kind == "standard":
            x = w @ x + (layer.bias if layer.bias is not None else 0)
        else:
            linear = w / w.norm(dim=1, keepdim=True) @ x
            x = linear * linear.abs() / (x @ x + 1e-6).sqrt()
        if number < len(layers) - 1:
            norm = norms[number]
            sd = (norm.running_var + norm.eps).sqrt()
            if shape.kind == "standard":
                x = (x - norm.running_mean) / sd * norm.weight + norm.bias
                x = x.relu()
            else:
                x = x / sd * norm.weight
    return x


def test_b_cos_heads_are_those_of_the_package_with_their_gradients(
    maps: Tensor,
) -> None:
    shape = HeadShape("B-cos", 3, False, 16, prior_bias(5), 0.5)
    ours = Head(shape, 32, 5)
    ours.reset(stream(1, "head"))
    ours.double().train()
    layers: list[nn.Module] = []
    for number, (inside, outside) in enumerate(((32, 16), (16, 16), (16, 5))):
        conv = BcosConv2d(inside, outside)
        conv.linear.weight.data.copy_(ours[2 * number].weight)
        layers.append(conv)
        if number < 2:
            norm = BatchNormUncentered2d(outside)
            norm.bias = None
            layers.append(norm)
    theirs = nn.Sequential(*layers).double().train()
    a, b = (maps.clone().requires_grad_() for _ in range(2))
    y, wanted = ours(a), theirs(b) / 0.5 - math.log(4)
    assert torch.allclose(y, wanted, rtol=0, atol=1e-12)
    (got,), (expected,) = (
        torch.autograd.grad(one.pow(2).sum(), x) for one, x in ((y, a), (wanted, b))
    )
    assert torch.allclose(got, expected, rtol=0, atol=1e-10)


def test_a_head_is_drawn_from_its_stream_alone() -> None:
    before = torch.get_rng_state()
    one, other = head("MLP-3"), head("MLP-3")
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
    assert abs(one.last.weight.std().item() - 0.01) < 0.003
    assert (one.last.bias == 0).all()


def test_the_logit_bias_is_where_trained_biases_start_and_else_stays() -> None:
    trained = Head(HeadShape(logit_bias=-2.0), 8, 5)
    trained.reset(stream(1, "head"))
    fixed = Head(HeadShape(bias=False, logit_bias=-2.0), 8, 5)
    fixed.reset(stream(1, "head"))
    none = Head(HeadShape(bias=False), 8, 5)
    assert trained.last.bias.requires_grad
    assert not fixed.last.bias.requires_grad
    assert none.last.bias is None
    maps = torch.zeros(1, 8, 2, 2)
    for made in (trained, fixed):
        assert (made(maps) == -2).all()
    assert torch.sigmoid(torch.tensor(prior_bias(24))) == pytest.approx(1 / 24)


def test_the_published_logit_bias_takes_0_for_not_given_in_b_cos_heads() -> None:
    bcos, mlp = head_shape("B-cos-2"), head_shape("MLP-2, no bias")
    assert published_logit_bias(bcos, 0.0, 24, False) == prior_bias(24)
    assert published_logit_bias(bcos, 0.0, 24, True) == 0
    assert published_logit_bias(bcos, -1.0, 24, False) == -1
    assert published_logit_bias(mlp, 0.0, 24, False) == 0


@pytest.mark.parametrize("name", [*HEADS])
@pytest.mark.parametrize("kind", [SceneResNet, CifarResNet])
def test_every_method_explains_a_probe_that_it_is_valid_for(
    name: str, kind: type[nn.Module]
) -> None:
    network = frozen(kind)
    channels = 64 if kind is CifarResNet else 32
    model = Probed(network, head(name, channels)).eval()
    images = torch.randn(2, 3, 32, 32, generator=stream(5, "x"), dtype=torch.double)
    images = images.clamp(-2, 2)
    targets = torch.tensor([1, 4])
    assert is_pooled_linear(model) == name.startswith("linear")
    logits = model(images).gather(1, targets[:, None])[:, 0]
    coarse = kind is SceneResNet
    with pytest.warns(CoarseMapWarning) if coarse else nullcontext():
        cam = coarse_grad_cam(model, images, targets, CELLS)
        wide = grad_cam(model, images, targets, CELLS)
        wider = grad_cam_pp(model, images, targets, CELLS)
    assert wide.shape == wider.shape == (2, 32, 32)
    if model.head is not None:
        weight = model.head.weight[targets]
        features = model.features(images)
        closed = torch.einsum("bc,bchw->bhw", weight, features).relu()
        closed = closed / features[0, 0].numel()
        assert torch.allclose(cam, closed, rtol=0, atol=1e-10)
    assert input_x_gradient(model, images, targets).shape == (2, 32, 32)
    assert lime(model, images, targets, options=Lime(samples=4)).isfinite().all()
    if name.startswith("B-cos"):
        with pytest.raises(ValueError, match=r"no rule|miss|way through"):
            lrp(model, images, targets, box_of((0.5,) * 3, (0.2,) * 3))
    else:
        assert guided_backprop(model, images, targets).isfinite().all()
        relevance = lrp(model, images, targets, box_of((0.5,) * 3, (0.2,) * 3))
        assert relevance.isfinite().all()
    assert logits.isfinite().all()


class _Plain(nn.Module):
    """A residual block of nobody's class, without bias: the case of defect H1."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.second = nn.Conv2d(8, 8, 3, 1, 1, bias=False)
        for number, layer in enumerate((self.first, self.second)):
            nn.init.normal_(layer.weight, std=0.2, generator=stream(number, "w"))
        self.double()

    def features(self, images: Tensor) -> Tensor:
        x = F.relu(self.first(images))
        return F.relu(self.second(x) + x)

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images).mean((2, 3))


@pytest.mark.parametrize("name", ["linear, no bias", "MLP-2, no bias"])
def test_relevance_of_a_block_of_any_class_sums_to_the_logit(name: str) -> None:
    """Defect H1: a sum that is not canonised multiplies relevance by hundreds."""
    model = Probed(_Plain(), head(name, 8)).eval()
    images = torch.randn(2, 3, 16, 16, generator=stream(5, "x"), dtype=torch.double)
    images = images.clamp(-2, 2)
    targets = torch.tensor([1, 4])
    logits = model(images).gather(1, targets[:, None])[:, 0]
    maps = lrp(model, images, targets, box_of((0.5,) * 3, (0.2,) * 3))
    assert torch.allclose(maps.sum((1, 2)), logits, rtol=2e-2)


def test_a_b_cos_network_with_a_b_cos_head_is_explained_to_the_logit() -> None:
    made = Head(HeadShape("B-cos", 2, False, None, -3.0, 0.1), 32, 5)
    made.reset(stream(1, "head"))
    model = Probed(frozen(SceneBcosNet), made.double()).eval()
    images = torch.rand(2, 3, 32, 32, generator=stream(5, "x"), dtype=torch.double)
    targets = torch.tensor([1, 4])
    maps = bcos_contributions(model, images, targets)
    logits = model(torch.cat([images, 1 - images], 1)).gather(1, targets[:, None])
    assert torch.allclose(maps.sum((1, 2)), logits[:, 0] + 3, rtol=1e-4)


def test_the_frozen_network_stays_as_it_is_in_training() -> None:
    network = frozen()
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    model = Probed(network, head("MLP-2")).train()
    assert model.probe.training
    assert not network.training
    images = torch.randn(4, 3, 32, 32, generator=stream(5, "x"), dtype=torch.double)
    model(images).sum().backward()
    for name, value in network.state_dict().items():
        assert torch.equal(value, kept[name])
    assert all(one.grad is None for one in network.parameters())
    assert all(one.grad is not None for one in model.probe.parameters())


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: HeadShape(layers=4), "1, 2 or 3"),
        (lambda: HeadShape("cosine"), "'standard' or 'B-cos'"),
        (lambda: HeadShape("B-cos"), "bias=False"),
        (lambda: HeadShape(temperature=2.0), "B-cos"),
        (lambda: HeadShape("B-cos", bias=False, temperature=0.0), "over 0"),
        (lambda: HeadShape(logit_bias=math.nan), "finite"),
        (lambda: head_shape("MLP2"), "did you mean 'MLP-2'"),
        (lambda: Head(HeadShape(), 8, 1), "two classes"),
        (lambda: prior_bias(1), "two classes"),
        (lambda: Probed(nn.Linear(3, 2), head("linear")), "no method features"),
    ],
)
def test_heads_that_do_not_exist_are_refused_in_one_line(make, what: str) -> None:
    with pytest.raises(Refused) as raised:
        make()
    assert what in str(raised.value)
    assert "\n" not in str(raised.value)
