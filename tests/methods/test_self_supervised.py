"""SimCLR: its loss written out, its views picture by picture, the same bits twice."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from helpers.data.geometry import crop_images, random_crops
from helpers.methods.self_supervised import (
    Pretraining,
    Views,
    batches,
    coloured,
    nt_xent,
    pretrain,
    views,
)
from helpers.settings import Refused
from helpers.streams import stream
from helpers.vision import SceneResNet, initialise

MEAN, STD = (0.5,) * 3, (0.25,) * 3
TOY = Pretraining(epochs=2, batch=8, projection=8)


def plain(first: Tensor, second: Tensor, t: float) -> Tensor:
    rows = [*first, *second]
    count, losses = len(first), []
    for i in range(2 * count):
        twin = (i + count) % (2 * count)

        def alike(j: int, i: int = i) -> Tensor:
            return rows[i] @ rows[j] / (rows[i].norm() * rows[j].norm()) / t

        others = sum(alike(j).exp() for j in range(2 * count) if j != i)
        losses.append(-(alike(twin).exp() / others).log())
    return sum(losses) / len(losses)


def test_the_loss_is_its_equation_with_its_gradient() -> None:
    drawn = torch.randn(2, 5, 7, generator=stream(1, "u"), dtype=torch.double)
    a, b = (one.requires_grad_() for one in drawn.clone())
    loss, wanted = nt_xent(a, b, 0.3), plain(a, b, 0.3)
    assert torch.allclose(loss, wanted, rtol=1e-12)
    slopes = torch.autograd.grad(loss, (a, b)), torch.autograd.grad(wanted, (a, b))
    for one, other in zip(*slopes, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-13)


def test_the_loss_of_one_point_and_of_perfect_views() -> None:
    same = torch.ones(6, 4).double()
    assert nt_xent(same, same, 0.2).item() == pytest.approx(math.log(11))
    apart = torch.eye(6).double()
    wanted = math.log(1 + 10 * math.exp(-1 / 0.1))
    assert nt_xent(apart, apart, 0.1).item() == pytest.approx(wanted)
    with pytest.raises(Refused, match="B >= 2"):
        nt_xent(same[:1], same[:1], 0.2)


def test_colours_change_as_torchvisions_do() -> None:
    images = torch.rand(5, 3, 6, 7, generator=stream(1, "x"))
    factors = torch.rand(5, 3, generator=stream(2, "f")) * 2
    factors[0] = 1
    factors[1, 2] = 0
    got = coloured(images, factors)
    assert torch.equal(got[0], images[0])
    for one, found, (b, c, s) in zip(images, got, factors.tolist(), strict=True):
        wanted = tv.adjust_saturation(
            tv.adjust_contrast(tv.adjust_brightness(one, b), c), s
        )
        assert torch.allclose(found, wanted, rtol=0, atol=2e-6)
    assert got[1].std(0).max() < 1e-3  # grey


def test_views_are_drawn_picture_by_picture_from_the_generator_alone() -> None:
    image = (torch.rand(1, 3, 32, 32, generator=stream(1, "x")) * 255).to(torch.uint8)
    images = image.expand(6, -1, -1, -1)
    before = torch.get_rng_state()
    one, two = (views(images, Views(), stream(3, "views")) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, two)
    assert 0 <= float(one.min()) <= float(one.max()) <= 1
    assert one.std(0).mean() > 0.02  # each picture has a view of its own
    plain = Views(jitter=0.0, grey=0.0, permuted=False)
    shown = views(images, plain, stream(3, "views"))
    crops = random_crops(6, (32, 32), stream(3, "views"), (0.4, 1.0))
    cropped = crop_images(images.float() / 255, crops)
    assert torch.allclose(shown, cropped, atol=1e-6)
    turned = views(images, replace(plain, permuted=True), stream(3, "views"))
    assert torch.allclose(turned.sort(1).values, cropped.sort(1).values, atol=1e-6)
    assert 0 < sum(torch.equal(a, b) for a, b in zip(turned, shown, strict=True)) < 6


def test_batches_of_pictures_alike_hold_each_picture_once() -> None:
    features = torch.randn(50, 6, generator=stream(1, "f")) + 3
    found = list(batches(features, 50, 12, stream(2, "order")))
    assert [len(rows) for rows in found] == [12] * 4
    assert len(torch.cat(found).unique()) == 48
    unit = torch.nn.functional.normalize(features - features.mean(0), dim=1)
    first = found[0]
    likeness = unit @ unit[first[0]]
    rest = torch.ones(50, dtype=torch.bool)
    rest[first] = False
    assert likeness[first].min() >= likeness[rest].max()
    random = list(batches(None, 50, 12, stream(2, "order")))
    order = torch.randperm(50, generator=stream(2, "order"))
    assert torch.equal(torch.cat(random), order[:48])
    flat = torch.cat(list(batches(torch.ones(24, 3), 24, 12, stream(1, "o"))))
    assert len(flat.unique()) == 24  # features that are all the same


def small(seed: int = 1) -> SceneResNet:
    network = SceneResNet(4, width=4)
    initialise(network, stream(seed, "initialisation"))
    return network


def test_it_trains_to_the_same_bits_and_leaves_the_classifier() -> None:
    images = torch.randint(256, (20, 3, 32, 32), generator=stream(1, "x"))
    images = images.to(torch.uint8)
    found = []
    for number in range(2):
        network = small()
        head = network.head.weight.clone()
        torch.manual_seed(number)
        told: list[str] = []
        losses = pretrain(network, images, MEAN, STD, TOY, seed=5, report=told.append)
        assert len(losses) == len(told) == 2
        assert torch.equal(network.head.weight, head)
        assert not network.training
        found.append(network.state_dict())
    for key, value in found[0].items():
        assert torch.equal(value, found[1][key])
    assert not torch.equal(found[0]["stem.0.weight"], small().stem[0].weight)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Views(least_area=0.0), "least_area"),
        (lambda: Views(jitter=1.0), "jitter"),
        (lambda: Views(grey=1.5), "probability"),
        (lambda: Pretraining(batch=1), "batch"),
        (lambda: Pretraining(temperature=0.0), "temperature"),
        (
            lambda: pretrain(
                small(), torch.zeros(3, 3, 32, 32, dtype=torch.uint8), MEAN, STD, TOY, 1
            ),
            "fewer than a batch",
        ),
    ],
)
def test_what_cannot_train_is_refused(make, what: str) -> None:
    with pytest.raises(Refused, match=what):
        make()
