"""Transport against POT, slow twins, autograd through the iterations and by hand."""

import math

import numpy as np
import ot
import pytest
import torch
from torch import Tensor

from helpers.losses import transport
from helpers.losses.transport import (
    detached_cost,
    gain,
    ground_cost,
    optimal_plan,
    plan_entropy,
    plan_gradient,
    published_plan,
    regularised_cost,
    sinkhorn_plan,
    transport_cost,
)

LOSSES = [transport_cost, regularised_cost, detached_cost]


def features(B: int, C: int, M: int, kind: str = "random") -> tuple[Tensor, Tensor]:
    """Maps `[B, C, 9]` and text `[B, M, 9]`; correlated, dead or equal if so named."""
    draw = torch.Generator().manual_seed(0)
    maps = torch.randn(B, C, 9, generator=draw, dtype=torch.float64)
    text = torch.randn(B, M, 9, generator=draw, dtype=torch.float64)
    if kind == "correlated":
        maps, text = maps.relu() + 1, 0.3 * text + 1
    if kind == "dead":
        maps[:, : C // 3] = 0
    if kind == "equal text":
        text = text[:, :1].expand(-1, M, -1)
    return maps, text


def made_cost(B: int = 2, C: int = 12, M: int = 5, kind: str = "random") -> Tensor:
    if kind == "constant":
        return torch.full((B, C, M), 0.7, dtype=torch.float64)
    if kind == "blocks":
        cost = torch.full((B, C, M), 4.0, dtype=torch.float64)
        cost[:, : C // 2, : M // 2] = cost[:, C // 2 :, M // 2 :] = 0
        return cost
    return ground_cost(*features(B, C, M, kind))


def slow_value(cost: Tensor, epsilon: float, iterations: int) -> Tensor:
    """<P, cost> `[B]` by plain iterations that autograd can follow."""
    C, M = cost.shape[1:]
    u, v = torch.zeros_like(cost[:, :, :1]), torch.zeros_like(cost[:, :1])
    for _ in range(iterations):
        u = epsilon * (-math.log(C) - ((v - cost) / epsilon).logsumexp(2, True))
        v = epsilon * (-math.log(M) - ((u - cost) / epsilon).logsumexp(1, True))
    return (((u + v - cost) / epsilon).exp() * cost).sum((1, 2))


def slope(loss, cost: Tensor, *arguments) -> Tensor:
    """The gradient of the sum of a loss in the cost."""
    cost = cost.clone().requires_grad_()
    value = loss(cost, *arguments)
    value = value[0] if isinstance(value, tuple) else value
    return torch.autograd.grad(value.sum(), cost)[0]


def far(a: Tensor, b: Tensor) -> float:
    """|a - b| / |b|."""
    return float((a - b).norm() / b.norm())


# the ground cost


def test_ground_cost_is_the_squared_distance_of_unit_rows_one_by_one():
    maps, text = features(2, 4, 3)
    cost = ground_cost(maps, text)
    for b in range(2):
        for i in range(4):
            for j in range(3):
                x = maps[b, i] / maps[b, i].square().sum().sqrt()
                y = text[b, j] / text[b, j].square().sum().sqrt()
                assert cost[b, i, j] == pytest.approx((x - y).square().sum().item())


def test_ground_cost_by_hand():
    maps = torch.tensor([[[3.0, 0.0], [0.0, -2.0], [1.0, 1.0]]])
    text = torch.tensor([[[5.0, 0.0], [0.0, 1.0]]])
    angled = 2 - math.sqrt(2)
    wanted = torch.tensor([[[0, 2], [2, 4], [angled, angled]]], dtype=torch.float64)
    torch.testing.assert_close(ground_cost(maps, text), wanted)


def test_a_row_of_zeros_has_a_finite_cost_and_gradient():
    maps, text = (x.float().requires_grad_() for x in features(2, 6, 3, "dead"))
    cost = ground_cost(maps, text)
    assert (cost[:, :2] == 2).all()
    for value in torch.autograd.grad(transport_cost(cost, 0.1)[0].sum(), (maps, text)):
        assert value.dtype == torch.float32
        assert value.abs().max() < 10
    slope = torch.autograd.grad(ground_cost(maps, text)[:, :2].sum(), maps)[0]
    assert (slope[:, :2] == 0).all()


@pytest.mark.parametrize(
    ("maps", "text"),
    [
        ((4, 3, 9), (4, 9)),  # the broadcast of lico-fact
        ((4, 3, 9), (1, 4, 9)),
        ((4, 3, 9), (4, 2, 8)),
        ((4, 3, 3, 3), (4, 2, 9)),
    ],
)
def test_no_broadcast_of_text(maps: tuple[int, ...], text: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"got \[4, 3.*text\[:, None\]") as caught:
        ground_cost(torch.ones(maps), torch.ones(text))
    assert "\n" not in str(caught.value)


# plans


def test_plan_by_hand():
    # 2 x 2, cost 0 on the diagonal, 1 off: entries in the ratio e^(1 / epsilon)
    cost, epsilon = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]), 0.5
    stay = 0.5 / (1 + math.exp(-1 / epsilon))
    wanted = [[[stay, 0.5 - stay], [0.5 - stay, stay]]]
    wanted = torch.tensor(wanted, dtype=torch.float64)
    for plan in (optimal_plan(cost, epsilon), sinkhorn_plan(cost, epsilon)):
        torch.testing.assert_close(plan, wanted, rtol=1e-14, atol=0)
    value, _ = transport_cost(cost, epsilon)
    assert value.item() == pytest.approx(1 - 2 * stay, rel=1e-14)
    assert gain(wanted, cost).item() == pytest.approx(4 * stay - 1, rel=1e-14)


@pytest.mark.parametrize("kind", ["random", "correlated", "dead", "blocks", "constant"])
@pytest.mark.parametrize("epsilon", [1, 0.1, 0.02, 0.005])
def test_newton_gives_the_plan_of_sinkhorn(kind: str, epsilon: float):
    cost = made_cost(kind=kind)
    plan = optimal_plan(cost, epsilon)
    slow = sinkhorn_plan(cost, epsilon, tolerance=1e-13)
    torch.testing.assert_close(plan, slow, rtol=1e-10, atol=1e-14)
    assert (plan.sum(2) * 12 - 1).abs().max() < 1e-12
    assert (plan.sum(1) * 5 - 1).abs().max() < 1e-12


@pytest.mark.parametrize("epsilon", [0.5, 0.05])
def test_plans_are_those_of_pot(epsilon: float):
    cost = made_cost(C=9, M=4)
    for plan, one in zip(optimal_plan(cost, epsilon), cost, strict=True):
        mu, nu = np.full(9, 1 / 9), np.full(4, 1 / 4)
        options = {"numItermax": 100_000, "stopThr": 1e-15, "warn": False}
        theirs = ot.bregman.sinkhorn_log(mu, nu, one.numpy(), epsilon, **options)
        np.testing.assert_allclose(plan, theirs, rtol=1e-10)


def test_a_small_epsilon_ends_at_the_exact_plan_of_pot(monkeypatch):
    monkeypatch.setattr(transport, "sinkhorn_plan", None)  # Newton arrives by itself
    cost = made_cost(B=3, C=10, M=5)
    exact = [ot.emd2([], [], one.numpy()) for one in cost]
    gaps = []
    for epsilon in (0.1, 0.01, 0.001):
        value, plan = transport_cost(cost, epsilon)
        assert (plan.sum(1) * 5 - 1).abs().max() < 1e-11
        gaps.append((value - torch.tensor(exact)).numpy())
    assert (gaps[0] > gaps[1]).all()
    assert (gaps[1] > gaps[2] - 1e-12).all()
    assert np.abs(gaps[2]).max() < 1e-3


def test_any_unit_of_cost_will_do(monkeypatch):
    monkeypatch.setattr(transport, "sinkhorn_plan", None)
    cost = made_cost()
    torch.testing.assert_close(
        optimal_plan(1e4 * cost, 200.0), optimal_plan(cost, 0.02)
    )
    torch.testing.assert_close(optimal_plan(cost + 7, 0.02), optimal_plan(cost, 0.02))


def test_sinkhorn_takes_over_where_newton_does_not_arrive(monkeypatch):
    monkeypatch.setattr(transport, "STEPS", 1)
    cost = made_cost()
    assert torch.equal(optimal_plan(cost, 0.1), sinkhorn_plan(cost, 0.1))


def test_constant_cost_gives_the_uniform_plan():
    cost = made_cost(kind="constant")
    plan = optimal_plan(cost, 0.1)
    torch.testing.assert_close(plan, torch.full_like(cost, 1 / 60))
    torch.testing.assert_close(plan_entropy(plan), torch.ones(2).double())
    torch.testing.assert_close(gain(plan, cost), torch.zeros(2).double())


def test_one_token_leaves_no_choice():
    cost = made_cost(M=1)
    value, plan = transport_cost(cost, 0.1)
    torch.testing.assert_close(plan, torch.full_like(cost, 1 / 12))
    torch.testing.assert_close(value, cost.mean((1, 2)))
    torch.testing.assert_close(slope(transport_cost, cost, 0.1), plan)
    torch.testing.assert_close(plan_entropy(plan), torch.ones(2).double())


@pytest.mark.parametrize("epsilon", [0.1, 0.005])
def test_equal_text_rows_leave_no_choice(epsilon: float):
    cost = made_cost(kind="equal text")
    value, plan = transport_cost(cost, epsilon)
    torch.testing.assert_close(plan, torch.full_like(cost, 1 / 60))
    torch.testing.assert_close(value, cost[:, :, 0].mean(1))
    assert gain(plan, cost).abs().max() < 1e-12


def test_entropy_and_gain_by_hand():
    one_to_one = torch.eye(2)[None] / 2  # H = log 2 of at most log 4
    assert plan_entropy(one_to_one).item() == pytest.approx(0.5)
    cost = torch.tensor([[[1.0, 3.0], [3.0, 1.0]]])
    assert gain(one_to_one, cost).item() == pytest.approx(0.5)  # 1 instead of 2
    assert gain(one_to_one, torch.zeros(1, 2, 2)).item() == 0
    assert plan_entropy(torch.ones(3, 1, 1)).tolist() == [1, 1, 1]


# gradients


@pytest.mark.parametrize(("epsilon", "iterations"), [(0.1, 300), (0.02, 1500)])
@pytest.mark.parametrize("kind", ["random", "correlated"])
def test_exact_gradient_is_autograd_through_the_iterations(
    kind: str, epsilon: float, iterations: int
):
    cost = made_cost(kind=kind)
    slow = slope(slow_value, cost, epsilon, iterations)
    assert far(slope(transport_cost, cost, epsilon), slow) < 1e-10
    assert far(slope(detached_cost, cost, epsilon), slow) > 0.02


@pytest.mark.parametrize("loss", [transport_cost, regularised_cost])
@pytest.mark.parametrize("kind", ["random", "constant", "blocks", "equal text"])
def test_gradients_are_finite_differences(loss, kind: str):
    cost = made_cost(C=4, M=3, kind=kind).requires_grad_()
    assert torch.autograd.gradcheck(lambda c: loss(c, 0.3)[0], cost)


def test_gradient_between_blocks_that_hardly_exchange_anything():
    # Sinkhorn's own autograd is 1e-4 off here after 10,000 iterations
    cost = made_cost(C=20, M=4)[:1]
    plan = optimal_plan(cost, 0.02)
    coupling = torch.diag_embed(plan.sum(1)) - 20 * plan.mT @ plan
    assert 1e-9 < torch.linalg.eigvalsh(coupling)[0, 1] < 1e-8
    options = {"eps": 1e-5, "atol": 1e-7, "rtol": 1e-4}
    cost = cost.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda c: transport_cost(c, 0.02)[0], cost, **options
    )


def test_gradcheck_of_the_fixed_plan_with_the_plan_given(monkeypatch):
    # its gradient is that of <P, cost> for one P: false once P moves with the cost
    cost = made_cost(C=4, M=3).requires_grad_()
    with pytest.raises(RuntimeError, match="Jacobian"):
        torch.autograd.gradcheck(lambda c: detached_cost(c, 0.3)[0], cost)
    plan = optimal_plan(cost, 0.3)
    monkeypatch.setattr(transport, "optimal_plan", lambda cost, epsilon: plan)
    assert torch.autograd.gradcheck(lambda c: detached_cost(c, 0.3)[0], cost)


def test_regularised_cost_is_the_optimum_of_pot():
    cost, epsilon = made_cost(C=6, M=4), 0.2
    value, plan = regularised_cost(cost, epsilon)
    for one, paid in zip(cost.numpy(), value, strict=True):
        theirs = ot.solve(one, reg=epsilon, reg_type="entropy", tol=1e-14)
        assert paid.item() == pytest.approx(theirs.value, abs=1e-10)
    torch.testing.assert_close(slope(regularised_cost, cost, epsilon), plan)


@pytest.mark.parametrize("kind", ["random", "constant", "blocks", "dead"])
@pytest.mark.parametrize("epsilon", [0.1, 0.001])
def test_plan_gradient_leaves_the_marginals_alone(kind: str, epsilon: float):
    # a cost shifted by a_i + b_j has the same plan: the value shifts by the means
    cost = made_cost(kind=kind)
    gradient = plan_gradient(optimal_plan(cost, epsilon), cost, epsilon)
    assert (12 * gradient.sum(2) - 1).abs().max() < 1e-9
    assert (5 * gradient.sum(1) - 1).abs().max() < 1e-9


@pytest.mark.parametrize("loss", LOSSES)
def test_pictures_do_not_mix_and_types_come_back(loss):
    maps, text = (x.float().requires_grad_() for x in features(3, 6, 4))
    value, plan = loss(ground_cost(maps, text), 0.1)
    assert value.shape == (3,)
    assert value.dtype == plan.dtype == torch.float64
    assert not plan.requires_grad
    slopes = torch.autograd.grad(value[1], (maps, text))
    for given in slopes:
        assert given.dtype == torch.float32
        assert given[1].abs().sum() > 0
        assert not given[[0, 2]].any()
    alone, _ = loss(ground_cost(maps[1:2], text[1:2]), 0.1)
    assert alone.item() == pytest.approx(value[1].item(), rel=1e-13)


def test_a_second_derivative_is_refused_rather_than_wrong():
    cost = made_cost().requires_grad_()
    value = transport_cost(cost, 0.1)[0].square().sum()
    (first,) = torch.autograd.grad(value, cost, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.square().sum().backward()


# the loop of the published codes


def slow_published(
    cost: np.ndarray, epsilon: float, most: int
) -> tuple[np.ndarray, int]:
    """The loop, number by number."""
    B, C, M = cost.shape
    u, v = np.zeros((B, C)), np.zeros((B, M))
    steps = 0
    change = math.inf
    while steps < most and change >= 1e-3:
        steps += 1
        change = 0.0
        for b in range(B):
            old = u[b].copy()
            for i in range(C):
                total = sum(
                    math.exp((-cost[b, i, j] + old[i] + v[b, j]) / epsilon)
                    for j in range(M)
                )
                u[b, i] += epsilon * (math.log(1 / C + 1e-8) - math.log(total))
            before = v[b].copy()
            for j in range(M):
                total = sum(
                    math.exp((-cost[b, i, j] + u[b, i] + before[j]) / epsilon)
                    for i in range(C)
                )
                v[b, j] += epsilon * (math.log(1 / M + 1e-8) - math.log(total))
            change += np.abs(u[b] - old).sum() / B
    return np.exp((-cost + u[:, :, None] + v[:, None, :]) / epsilon), steps


@pytest.mark.parametrize(("most", "stopped"), [(1000, True), (2, False)])
def test_published_plan_is_the_loop_number_by_number(most: int, stopped: bool):
    cost = made_cost()
    slow, steps = slow_published(cost.numpy(), 0.1, most)
    assert (steps < most) == stopped
    plan = published_plan(cost, 0.1, most=most)
    np.testing.assert_allclose(plan, slow, rtol=1e-12)
    assert (plan.sum(1) - 1 / 5 - 1e-8).abs().max() < 1e-14  # tokens exactly
    off = (plan.sum(2) * 12 - 1).abs().max()  # channels as the stop allows
    assert 1e-7 < off < (0.05 if stopped else 1)


def test_published_settings_of_the_reproduction_do_not_converge():
    cost = made_cost(C=64, M=8)
    plan = published_plan(cost, 1e-4, most=100)
    assert (plan.sum(1) * 8 - 1).abs().max() < 1e-6
    assert (plan.sum(2) - 1 / 64).abs().sum(1).min() > 0.2


def test_published_gradient_nears_the_exact_one_as_the_stop_falls():
    def value(cost: Tensor, stop: float) -> Tensor:
        return (published_plan(cost, 0.1, stop=stop) * cost).sum((1, 2))

    cost = made_cost()
    exact = slope(transport_cost, cost, 0.1)
    early, late = (
        far(slope(value, cost, 1e-1), exact),
        far(slope(value, cost, 0), exact),
    )
    assert early > 1e-3
    assert late < 1e-5  # the 1e-8 in the logarithms stays


# what is refused


@pytest.mark.parametrize(
    "function", [*LOSSES, optimal_plan, sinkhorn_plan, published_plan]
)
def test_bad_input_is_refused_in_one_line(function):
    cost = made_cost()
    cases = [
        ((cost, 0.0), "epsilon 0.0 must be positive.*ot.emd of POT"),
        ((cost, -1.0), "epsilon -1.0 must be positive"),
        ((cost, math.nan), "epsilon nan must be positive"),
        ((cost[0], 0.1), r"finite \[B, C, M\], got \[12, 5\]"),
        ((cost * math.nan, 0.1), r"finite \[B, C, M\]"),
    ]
    for arguments, message in cases:
        with pytest.raises(ValueError, match=message) as caught:
            function(*arguments)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="epsilon 0 must be positive"):
        plan_gradient(cost, cost, 0)


def test_a_plan_that_does_not_converge_is_an_error():
    with pytest.raises(RuntimeError, match=r"after 20 iterations.*0\.001"):
        sinkhorn_plan(made_cost(), 0.001, most=20)
