"""Losses of probes against sums written out, and against `bcos`'s own."""

import math

import pytest
import torch
from bcos.modules import UniformOffLabelsBCEWithLogitsLoss
from torch import Tensor

from helpers.losses import probing
from helpers.settings import Refused
from helpers.streams import stream


@pytest.fixture
def logits() -> Tensor:
    drawn = torch.randn(5, 4, generator=stream(1, "z"), dtype=torch.double)
    return (3 * drawn).requires_grad_()


LABELS = torch.tensor([0, 3, 3, 1, 2])
SEVERAL = torch.tensor(
    [[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 1, 1]]
)


def plain_ce(z: Tensor, y: Tensor) -> Tensor:
    rows = [-(z[i, y[i]] - z[i].exp().sum().log()) for i in range(len(z))]
    return sum(rows) / len(rows)


def plain_bce(z: Tensor, t: Tensor) -> Tensor:
    total = torch.zeros((), dtype=z.dtype)
    for i in range(z.shape[0]):
        for c in range(z.shape[1]):
            s = 1 / (1 + (-z[i, c]).exp())
            total = total - t[i, c] * s.log() - (1 - t[i, c]) * (1 - s).log()
    return total / z.numel()


def slope(loss: Tensor, z: Tensor) -> Tensor:
    return torch.autograd.grad(loss, z, retain_graph=True)[0]


def test_cross_entropy_is_its_equation(logits: Tensor) -> None:
    loss, wanted = probing.cross_entropy(logits, LABELS), plain_ce(logits, LABELS)
    assert torch.allclose(loss, wanted, rtol=1e-13)
    assert torch.allclose(slope(loss, logits), slope(wanted, logits), atol=1e-14)
    moved = logits + torch.randn(5, 1, generator=stream(2, "c")).double()
    assert torch.allclose(probing.cross_entropy(moved, LABELS), loss, rtol=1e-13)


@pytest.mark.parametrize("off", ["zero", "uniform"])
@pytest.mark.parametrize("several", [False, True])
def test_sigmoid_losses_are_their_equation(
    logits: Tensor, off: probing.OffTarget, several: bool
) -> None:
    targets = SEVERAL if several else LABELS
    t = SEVERAL.double() if several else torch.eye(4).double()[LABELS]
    if off == "uniform":
        t = t.where(t == 1, 0.25)
    loss = probing.binary_cross_entropy(logits, targets, off)
    wanted = plain_bce(logits, t)
    assert torch.allclose(loss, wanted, rtol=1e-12)
    assert torch.allclose(slope(loss, logits), slope(wanted, logits), atol=1e-14)
    by_hand = (logits.sigmoid() - t) / 20
    assert torch.allclose(slope(loss, logits), by_hand, atol=1e-14)


@pytest.mark.parametrize("targets", [LABELS, SEVERAL.float()])
def test_uniform_off_targets_are_those_of_the_package(
    logits: Tensor, targets: Tensor
) -> None:
    theirs = UniformOffLabelsBCEWithLogitsLoss()(
        logits, targets.to(logits.dtype) if targets.ndim == 2 else targets
    )
    assert torch.allclose(probing.loss("bce-uniform")(logits, targets), theirs)


def test_a_perfect_probe_has_loss_0_but_for_uniform_off_targets() -> None:
    z = (torch.eye(4).double()[LABELS] * 2 - 1) * 40
    assert probing.loss("ce")(z, LABELS) < 1e-15
    assert probing.loss("bce")(z, LABELS) < 1e-15
    t = torch.eye(4).double()[LABELS].clamp(min=0.25)
    best = t.clamp(1e-12, 1 - 1e-12).logit()
    entropy = 3 * (-0.25 * math.log(0.25) - 0.75 * math.log(0.75)) / 4
    assert probing.loss("bce-uniform")(best, LABELS) == pytest.approx(entropy, 1e-9)


@pytest.mark.parametrize(
    ("targets", "what"),
    [
        (torch.tensor([0, 1, 2, 3, 4]), "0..3"),
        (torch.tensor([0, 1, 2, -1, 3]), "0..3"),
        (torch.rand(5), "integers"),
        (SEVERAL * 2, "0 and 1"),
        (SEVERAL[:, :3], "[B, K]"),
    ],
)
def test_labels_that_mean_nothing_are_refused_in_one_line(
    logits: Tensor, targets: Tensor, what: str
) -> None:
    with pytest.raises(Refused) as raised:
        probing.loss("bce")(logits, targets)
    assert what in str(raised.value)
    assert "\n" not in str(raised.value)


def test_softmax_of_several_labels_and_unknown_names_are_refused(
    logits: Tensor,
) -> None:
    with pytest.raises(Refused, match="'bce'"):
        probing.loss("ce")(logits, SEVERAL)
    with pytest.raises(Refused, match="did you mean 'bce'"):
        probing.loss("bec")
    with pytest.raises(Refused, match="off-target"):
        probing.binary_cross_entropy(logits, LABELS, "half")  # type: ignore[arg-type]


def test_published_heads_differ_in_their_off_targets() -> None:
    assert probing.published_multi_label_loss("B-cos") == "bce-uniform"
    assert probing.published_multi_label_loss("standard") == "bce"
