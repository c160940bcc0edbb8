import copy
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from helpers.explain.bcos import bcos_contributions, explaining, with_inverse

targets = torch.tensor([0, 2, 1])


class Unit(nn.Module):
    """The unit of Böhle et al. 2022 with B = 2, on patches unfolded one by one."""

    def __init__(self, inside: int, outside: int, side: int, stride: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outside, inside * side * side))
        self.side, self.stride, self.held = side, stride, False

    def set_explanation_mode(self, on: bool = True) -> None:
        self.held = on

    @property
    def is_in_explanation_mode(self) -> bool:
        return self.held

    def forward(self, x: Tensor) -> Tensor:
        height, width = ((n - self.side) // self.stride + 1 for n in x.shape[2:])
        patches = nn.functional.unfold(x, self.side, stride=self.stride)  # [B, d, n]
        unit = self.weight / self.weight.norm(dim=1, keepdim=True)
        linear = unit @ patches  # [B, outside, n]
        cosine = (linear / (patches.norm(dim=1, keepdim=True) + 1e-6)).abs()
        y = linear * (cosine.detach() if self.held else cosine)
        return y.view(len(x), -1, height, width)


class Net(nn.Module):
    def __init__(self, *layers: nn.Module, bias: float = -1.5) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(*(layers or (Unit(6, 8, 3, 2), Unit(8, 3, 2, 1))))
        self.bias = bias
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        return 30 * self.body(images).mean((2, 3)) + self.bias


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(3, 3, 9, 11, dtype=torch.double, generator=generator)


def test_contributions_sum_to_the_logit_less_its_bias(images: Tensor) -> None:
    model = Net()
    maps = bcos_contributions(model, images, targets)
    assert maps.shape == (3, 9, 11)
    assert not maps.requires_grad
    logits = model(with_inverse(images))[range(3), targets] + 1.5
    assert torch.allclose(maps.sum((1, 2)), logits, rtol=1e-9)
    single = bcos_contributions(Net().float(), images.float(), targets)
    assert torch.allclose(single.sum((1, 2)).double(), logits, rtol=1e-5)


def test_one_unit_by_hand() -> None:
    """One pixel a patch: the map is |cos| (w . x) at each pixel, over their number."""
    unit = Unit(6, 3, 1, 1)
    model = Net(unit, bias=0.0)
    image = torch.rand(1, 3, 2, 2, dtype=torch.double)
    maps = bcos_contributions(model, image, torch.tensor([1]))
    weight = unit.weight[1].detach() / unit.weight[1].detach().norm()
    for y in range(2):
        for x in range(2):
            pixel = torch.cat([image[0, :, y, x], 1 - image[0, :, y, x]])
            dot = weight @ pixel
            wanted = 30 * dot * (dot.abs() / pixel.norm()) / 4
            assert abs(maps[0, y, x] - wanted) < 1e-5


def test_the_gradient_alone_would_not_do(images: Tensor) -> None:
    """Without holding the cosines, x grad is about twice the logit for B = 2."""
    model, pictures = Net(), with_inverse(images).requires_grad_()
    (slope,) = torch.autograd.grad(model(pictures)[range(3), targets].sum(), pictures)
    plain = (slope * pictures).sum(1).detach()
    assert not torch.allclose(plain, bcos_contributions(model, images, targets))


def test_the_package_bcos(images: Tensor) -> None:
    package = pytest.importorskip("bcos")
    modules = pytest.importorskip("bcos.modules")
    torch.manual_seed(0)
    body = nn.Sequential(
        modules.BcosConv2d(6, 8, 3, padding=1, max_out=2),
        modules.norms.NoBias(modules.norms.BatchNormUncentered2d)(8),
        modules.BcosConv2d(8, 3, 3, stride=2),
    )
    model = Net(*body)
    model.train()(with_inverse(images))
    model.eval()
    maps = bcos_contributions(model, images, targets)
    logits = model(with_inverse(images))[range(3), targets] + 1.5
    assert torch.allclose(maps.sum((1, 2)), logits, rtol=1e-5)
    probe = with_inverse(images).requires_grad_()
    with package.explanation_mode(model):
        score = model(probe)[range(3), targets].sum()
        (weights,) = torch.autograd.grad(score, probe)
    assert torch.allclose(maps, (probe * weights).sum(1).detach(), rtol=1e-9)


def test_six_channels_are_taken_as_they_are(images: Tensor) -> None:
    model = Net()
    maps = bcos_contributions(model, images, targets)
    six = bcos_contributions(model, with_inverse(images), targets)
    assert torch.equal(six, maps)


def test_any_batch_and_chunk_twice(images: Tensor) -> None:
    model = Net()
    maps = bcos_contributions(model, images, targets)
    assert torch.equal(bcos_contributions(model, images, targets), maps)
    chunked = bcos_contributions(model, images, targets, chunk=2)
    assert torch.allclose(chunked, maps, rtol=1e-9)
    with torch.no_grad():
        for part in model.body:
            part.weight.normal_(generator=torch.Generator().manual_seed(9))
    other = bcos_contributions(model, images, targets)
    assert not torch.allclose(other, maps, rtol=0.1)


def test_a_network_with_a_context_manager_of_its_own(images: Tensor) -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 6).double())
            self.held = False

        @contextmanager
        def explanation_mode(self) -> Iterator[None]:
            self.held = True
            try:
                yield
            finally:
                self.held = False

        def forward(self, images: Tensor) -> Tensor:
            y = images.mean((2, 3)) @ self.weight.mT
            return y * (y.detach() if self.held else y)

    model = Whole()
    maps = bcos_contributions(model, images, targets)
    logits = model(with_inverse(images))[range(3), targets]
    assert torch.allclose(maps.sum((1, 2)), logits)
    assert not model.held


def test_state_after_a_map_and_after_an_exception(images: Tensor) -> None:
    model, before = Net().train(), images.clone()
    model.body[1].set_explanation_mode(True)  # found on, left on
    model.body[0].weight.requires_grad_(False)
    state = copy.deepcopy(model.state_dict())
    for act in (0, 1, 2):
        if act == 0:
            bcos_contributions(model, images, targets)
        elif act == 1:
            with torch.inference_mode():
                bcos_contributions(model, images.clone(), targets)
        else:
            with pytest.raises(ValueError, match=r"0\.\.2"):
                bcos_contributions(model, images, targets + 1)
        assert [part.held for part in model.body] == [False, True]
        assert model.training
        assert all(p.grad is None for p in model.parameters())
        assert [p.requires_grad for p in model.parameters()] == [False, True]
        assert torch.equal(images, before)
        found = model.state_dict()
        assert all(torch.equal(found[name], value) for name, value in state.items())


def test_what_is_no_b_cos_network_is_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match="Conv2d has no explanation mode"):
        bcos_contributions(nn.Conv2d(6, 3, 1).double(), images, targets)
    biased = Net(Unit(6, 8, 3, 2), nn.Conv2d(8, 8, 1), nn.Tanh(), Unit(8, 3, 2, 1))
    with pytest.raises(ValueError, match=r"of Net miss the logit by .* is not B-cos"):
        bcos_contributions(biased, images, targets)
    with pytest.raises(ValueError, match="no explanation mode"), explaining(nn.ReLU()):
        pass


def test_wrong_pictures_are_refused(images: Tensor) -> None:
    model = Net()
    with pytest.raises(ValueError, match=r"in 0\.\.1, not normalised, got -0.999 to"):
        bcos_contributions(model, images * 2 - 1, targets)
    with pytest.raises(ValueError, match="3 channels or 6, got 2"):
        bcos_contributions(model, images[:, :2], targets)
    with pytest.raises(ValueError, match="must be x and 1 - x"):
        bcos_contributions(model, images.repeat(1, 2, 1, 1), targets)
