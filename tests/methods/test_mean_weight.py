"""What softmax cannot see of a head, and what its maps show of it."""

import pytest
import torch
from torch import Tensor

from helpers.explain.cam import coarse_grad_cam
from helpers.losses.probing import loss
from helpers.methods.heads import CELLS, Head, Probed, head_shape
from helpers.methods.mean_weight import (
    centred,
    common_direction,
    mean_weight,
    mean_weight_share,
    shifted,
)
from helpers.methods.probing import Cached, Recipe, head_logits, train_head
from helpers.settings import Refused
from helpers.streams import stream
from helpers.vision import SceneResNet, initialise

STANDARD = ["linear", "linear, no bias", "MLP-2", "MLP-3"]


def made(name: str) -> Head:
    head = Head(head_shape(name), 6, 5).double()
    head.reset(stream(1, "head"))
    with torch.no_grad():
        head.last.weight += 0.3  # off centre
        if head.last.bias is not None:
            head.last.bias += torch.arange(5.0)
    return head.eval()


@pytest.fixture
def maps() -> Tensor:
    drawn = torch.randn(4, 6, 5, 5, generator=stream(2, "maps"), dtype=torch.double)
    return drawn.relu()


@pytest.mark.parametrize("name", STANDARD)
def test_a_shift_leaves_softmax_and_its_loss_and_moves_all_maps_alike(
    name: str, maps: Tensor
) -> None:
    head = made(name)
    vector = torch.randn(6, generator=stream(3, "v"), dtype=torch.double)
    moved = shifted(head, vector, 2.5)
    before, after = head_logits(head, maps), head_logits(moved, maps)
    assert torch.allclose(before.softmax(1), after.softmax(1), rtol=0, atol=1e-13)
    assert torch.equal(before.argmax(1), after.argmax(1))
    labels = torch.tensor([0, 1, 2, 3])
    assert torch.allclose(loss("ce")(before, labels), loss("ce")(after, labels))
    assert abs(loss("bce")(before, labels) - loss("bce")(after, labels)) > 0.01
    gap = moved(maps) - head(maps)  # [B, K, h, w]: of each class the same
    assert gap.std(1, correction=0).max() < 1e-13 < gap.abs().max()
    if head.is_linear:
        wanted = 2.5 * torch.einsum("c,bchw->bhw", vector, maps)
        assert torch.allclose(gap[:, 0], wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", STANDARD)
def test_a_centred_head_has_no_mean_weight_and_the_same_softmax(
    name: str, maps: Tensor
) -> None:
    head = made(name)
    even = centred(head)
    assert mean_weight_share(head) > 0.5
    assert mean_weight(even).abs().max() < 1e-15
    assert mean_weight_share(even) < 1e-14
    before, after = head_logits(head, maps), head_logits(even, maps)
    assert torch.allclose(before.softmax(1), after.softmax(1), rtol=0, atol=1e-13)
    assert after.sum(1).abs().max() < 1e-12
    assert mean_weight_share(head) > 0.5  # a copy: the head is as it was


def test_a_share_by_hand() -> None:
    head = made("linear")
    with torch.no_grad():
        head.last.weight.zero_()
        head.last.weight[0, 0], head.last.weight[1, 1] = 3, 4
    # mean (.6, .8), of length 1; lengths 3, 4, 0, 0, 0: 1.4 on average
    assert mean_weight_share(head) == pytest.approx(1 / 1.4)


def test_of_a_trained_network_predictions_stay_and_grad_cam_moves() -> None:
    network = SceneResNet(7, width=4)
    initialise(network, stream(2, "network"))
    head = Head(head_shape("linear, no bias"), 32, 5)
    head.reset(stream(1, "head"))
    images = torch.randn(2, 3, 64, 64, generator=stream(5, "x"))
    targets = torch.tensor([1, 4])
    model = Probed(network, head).eval()
    direction = common_direction(head, model.features(images))
    length = head.last.weight.flatten(1).norm(dim=1).mean()
    assert torch.allclose(direction.norm(), length)
    moved = Probed(network, shifted(head, direction, 3.0)).eval()
    gap = model(images).softmax(1) - moved(images).softmax(1)
    assert gap.abs().max() < 1e-6
    one, other = (coarse_grad_cam(m, images, targets, CELLS) for m in (model, moved))
    assert (one - other).abs().max() > 0.1 * other.abs().max()


@pytest.mark.parametrize(("optimiser", "lr"), [("sgd", 0.3), ("adam", 3e-3)])
def test_gradient_descent_on_softmax_keeps_the_mean_weight_and_adam_does_not(
    optimiser: str, lr: float
) -> None:
    """Since sum_c d CE / d w_c = 0. Under sigmoids both move it."""
    generator = stream(4, "toy")
    labels = torch.arange(60) % 5
    maps = torch.rand(60, 6, 2, 2, generator=generator)
    maps[torch.arange(60), labels] += 0.7
    data = Cached(maps, labels)
    recipe = Recipe(optimiser, lr, 20, 20)  # type: ignore[arg-type]
    shape = head_shape("linear, no bias")
    start = Head(shape, 6, 5)
    start.reset(stream(1, "initialisation"))
    moved = {}
    for name in ("ce", "bce"):
        head = train_head(shape, data, 5, loss(name), recipe, seed=1).head
        assert (head.last.weight - start.last.weight).norm().item() > 0.05
        moved[name] = float((mean_weight(head) - mean_weight(start)).norm())
    assert moved["bce"] > 0.01
    assert moved["ce"] < 1e-6 if optimiser == "sgd" else moved["ce"] > 1e-3


def test_what_cannot_be_shifted_is_refused() -> None:
    head = Head(head_shape("B-cos-2"), 6, 5)
    head.reset(stream(1, "head"))
    for call in (mean_weight, mean_weight_share, centred):
        with pytest.raises(Refused, match="unit weights"):
            call(head)
    with pytest.raises(Refused, match=r"\[6\]"):
        shifted(made("linear"), torch.ones(5))
    with pytest.raises(Refused, match="mean 0"):
        common_direction(made("linear"), torch.zeros(1, 6, 2, 2).double())
