"""Manifold matching against a slow twin, scipy and cases by hand."""

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from helpers.losses import manifold


def slow_distances(rows: Tensor) -> Tensor:
    """As the equation says, all differences at once."""
    return torch.linalg.vector_norm(rows[:, None] - rows[None, :], dim=2)


@pytest.mark.parametrize("least", [0.0, 1e-4])
def test_distances_of_unit_rows_are_those_of_rows_made_unit(least: float) -> None:
    generator = torch.Generator().manual_seed(5)
    rows = 3 * torch.randn(6, 40, generator=generator, dtype=torch.float64)
    rows[4] = 2 * rows[1]  # the same direction: distance 0, no slope
    rows.requires_grad_()
    made = torch.nn.functional.normalize(rows, dim=1)
    weight = torch.rand(6, 6, generator=generator, dtype=torch.float64)
    results = []
    for distances in (
        manifold.unit_distances(rows, least),
        manifold.pairwise_distances(made).clamp_min(least**0.5),
    ):
        (slope,) = torch.autograd.grad((weight * distances).sum(), rows)
        results.append((distances.detach(), slope))
    for one, two in zip(*results, strict=True):
        assert torch.allclose(one, two, rtol=1e-10, atol=1e-12)
    assert results[0][0][1, 4] == least**0.5


def test_a_row_of_zeros_has_no_direction() -> None:
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    distances = manifold.unit_distances(rows)
    distances.sum().backward()
    assert distances[0, 1].item() == pytest.approx(2**0.5)
    assert rows.grad is not None
    assert rows.grad.isfinite().all()


def slow_loss(text: Tensor, image: Tensor, tau: float | Tensor) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(text)):
        a_text = torch.softmax(-slow_distances(text)[i] / tau, 0)
        a_image = torch.softmax(-slow_distances(image)[i] / tau, 0)
        total = total + (a_text * (a_text / a_image).log()).sum() / len(text)
    return total


@pytest.fixture
def rows() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    text = torch.randn(6, 10, generator=generator, dtype=torch.float64)
    text[4] = text[1]  # two pictures of one class
    image = torch.randn(6, 30, generator=generator, dtype=torch.float64)
    return text.requires_grad_(), image.requires_grad_()


def test_distances_and_their_gradients_are_those_of_the_plain_form(
    rows: tuple[Tensor, Tensor],
) -> None:
    for x in rows:
        fast, slow = manifold.pairwise_distances(x), slow_distances(x)
        assert (fast - slow).abs().max() < 1e-7  # the Gram form at distance 0
        apart = ~torch.eye(6, dtype=torch.bool) & (slow > 1e-6)
        assert (fast - slow)[apart].abs().max() < 1e-10
        weight = torch.linspace(-1, 1, 36, dtype=torch.float64).view(6, 6)
        (one,) = torch.autograd.grad((fast * weight).sum(), x)
        (two,) = torch.autograd.grad((slow * weight)[apart].sum(), x)
        assert (one - two).abs().max() < 1e-10


def test_the_loss_and_its_gradients_are_those_of_the_plain_form(
    rows: tuple[Tensor, Tensor],
) -> None:
    text, image = rows
    tau = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)

    def fast() -> Tensor:
        both = [
            manifold.log_affinity(manifold.pairwise_distances(x), tau)
            for x in (text, image)
        ]
        return manifold.manifold_loss(*both).mean()

    slow = slow_loss(text, image, tau)
    assert abs(fast() - slow) < 1e-10
    inputs = (text, image, tau)
    for one, two in zip(
        torch.autograd.grad(fast(), inputs),
        torch.autograd.grad(slow, inputs),
        strict=True,
    ):
        assert (one - two).abs().max() < 1e-10 * max(1, two.abs().max())


def test_the_divergence_is_scipys(rows: tuple[Tensor, Tensor]) -> None:
    text, image = (
        manifold.log_affinity(manifold.pairwise_distances(x.detach()), 1.3)
        for x in rows
    )
    found = manifold.manifold_loss(text, image)
    wanted = stats.entropy(text.exp().numpy(), image.exp().numpy(), axis=1)
    assert found.numpy() == pytest.approx(wanted, abs=1e-12)
    assert (manifold.manifold_loss(text, text) == 0).all()


def test_two_pictures_by_hand() -> None:
    rows = torch.tensor([[0.0], [2.0]])
    distances = manifold.pairwise_distances(rows)
    assert distances.tolist() == [[0, 2], [2, 0]]
    near = 1 / (1 + math.exp(-2 / 0.5))
    affinity = manifold.log_affinity(distances, 0.5).exp()
    assert affinity[0].tolist() == pytest.approx([near, 1 - near])
    assert float(manifold.off_diagonal_mass(affinity.log())) == pytest.approx(1 - near)


def test_far_and_near_temperatures_have_the_two_trivial_optima(
    rows: tuple[Tensor, Tensor],
) -> None:
    both = [manifold.pairwise_distances(x.detach()) for x in rows]
    hot = [manifold.log_affinity(x, 1e6) for x in both]
    assert float(manifold.manifold_loss(*hot).mean()) < 1e-9
    assert float(manifold.entropy(hot[0])) == pytest.approx(1)
    cold = manifold.log_affinity(both[1], 1e-2)
    assert float(manifold.off_diagonal_mass(cold)) < 1e-9
    assert float(manifold.entropy(cold)) == pytest.approx(0, abs=1e-9)
    others = manifold.log_affinity(manifold.without_self(both[1]), 1e-2)
    assert float(manifold.off_diagonal_mass(others)) == 1


def test_equal_rows_have_no_slope_and_no_nan() -> None:
    x = torch.ones(4, 5, requires_grad=True)
    loss = manifold.pairwise_distances(x).sum()
    loss.backward()
    assert loss.item() == 0
    assert x.grad is not None
    assert (x.grad == 0).all()


def test_without_self_keeps_the_order_of_the_others() -> None:
    square = torch.arange(9.0).view(3, 3)
    assert manifold.without_self(square).tolist() == [[1, 2], [3, 5], [6, 7]]
    assert manifold.without_self(torch.zeros(1, 1)).shape == (1, 0)
    alone = manifold.log_affinity(manifold.without_self(torch.zeros(1, 1)), 1.0)
    assert float(manifold.manifold_loss(alone, alone).mean()) == 0


def test_the_floor_is_a_bias(rows: tuple[Tensor, Tensor]) -> None:
    text, image = (
        manifold.log_affinity(manifold.pairwise_distances(x.detach()), 0.2)
        for x in rows
    )
    plain = manifold.manifold_loss(text, image)
    floored = manifold.floored_manifold_loss(text, image)
    assert (floored < plain).any()
    tiny = manifold.floored_manifold_loss(text, image, 1e-300)
    assert (tiny - plain).abs().max() < 1e-9


def test_mass_on_the_same_class() -> None:
    flat = torch.full((4, 4), 0.25).log()
    labels = torch.tensor([0, 1, 0, 0])
    # picture 0: two others of its class, 1: none, 2: two, 3: two
    assert float(manifold.same_label_mass(flat, labels)) == pytest.approx(6 / 4 / 4)
    others = torch.full((4, 3), 1 / 3).log()
    assert float(manifold.same_label_mass(others, labels)) == pytest.approx(6 / 3 / 4)


def test_rows_that_are_not_flat_are_refused() -> None:
    with pytest.raises(ValueError, match="flatten"):
        manifold.pairwise_distances(torch.zeros(2, 3, 4))
