"""Wide residual networks: published sizes, and a twin written from the paper."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.vision import WideResNet, backbone


@pytest.mark.parametrize(
    ("width", "published", "exact"), [(2, 1.5e6, 1467610), (10, 36.5e6, 36479194)]
)
def test_sizes_are_the_published_ones(width: int, published: float, exact: int) -> None:
    """Zagoruyko and Komodakis 2016, table 4; counted by hand from their table 1."""
    a, b, c = 16 * width, 32 * width, 64 * width
    filters = 9 * (3 * 16 + 16 * a + 7 * a * a + a * b + 7 * b * b + b * c + 7 * c * c)
    shortcuts = 16 * a + a * b + b * c
    norms = 2 * (16 + 7 * a + (a + 7 * b) + (b + 7 * c) + c)
    by_hand = filters + shortcuts + norms + c * 10 + 10
    with torch.device("meta"):
        model = WideResNet(10, width)
    found = sum(weight.numel() for weight in model.parameters())
    assert found == by_hand == exact
    assert abs(found - published) < 0.05e6


@pytest.mark.parametrize(
    ("name", "size", "shape"),
    [
        ("wrn28-2", 32, (128, 8, 8)),
        ("wrn28-8", 32, (512, 8, 8)),
        ("wrn28-8", 160, (512, 40, 40)),
        ("wrn28-10", 32, (640, 8, 8)),
    ],
)
def test_shapes_of_the_published_studies(
    name: str, size: int, shape: tuple[int, int, int]
) -> None:
    with torch.device("meta"):
        maps = backbone(name, 10).features(torch.zeros(2, 3, size, size))
    assert maps.shape == (2, *shape)


def twin(weights: dict[str, Tensor], images: Tensor) -> Tensor:
    """WRN-28-k as the paper draws it, from plain functions; batch norm with batch
    statistics, written out."""

    def norm(x: Tensor, name: str) -> Tensor:
        mean = x.mean((0, 2, 3), keepdim=True)
        variance = x.var((0, 2, 3), unbiased=False, keepdim=True)
        scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
        x = (x - mean) / (variance + 1e-5).sqrt()
        return x * scale[:, None, None] + shift[:, None, None]

    x = F.conv2d(images, weights["conv1.weight"], padding=1)
    for group in (1, 2, 3):
        for block in range(4):
            at = f"block{group}.layer.{block}"
            stride = 2 if block == 0 and group > 1 else 1
            active = norm(x, f"{at}.bn1").clamp(min=0)
            y = F.conv2d(active, weights[f"{at}.conv1.weight"], None, stride, 1)
            y = norm(y, f"{at}.bn2").clamp(min=0)
            y = F.conv2d(y, weights[f"{at}.conv2.weight"], padding=1)
            if block == 0:
                short = weights[f"{at}.convShortcut.weight"]
                x = F.conv2d(active, short, None, stride)
            x = x + y
    pooled = norm(x, "bn1").clamp(min=0).flatten(2).mean(2)
    return pooled @ weights["fc.weight"].T + weights["fc.bias"]


def test_logits_and_gradients_are_those_of_a_twin() -> None:
    generator = torch.Generator().manual_seed(0)
    model = WideResNet(3, 2).double().train()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2, generator=generator)
    images = torch.randn(4, 3, 12, 12, dtype=torch.double, generator=generator)
    weights = {
        name: value.detach().clone().requires_grad_()
        for name, value in model.named_parameters()
    }
    ours, theirs = model(images), twin(weights, images)
    torch.testing.assert_close(ours, theirs)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, weights[name].grad, msg=name)


def test_a_width_of_one_keeps_its_channels_in_the_first_group() -> None:
    names = WideResNet(3, 1).state_dict()
    assert "block1.layer.0.convShortcut.weight" not in names
    assert "block2.layer.0.convShortcut.weight" in names
