"""Row 4: <T, C> and its exact gradient, cost [64, 512, 13] of ResNet-18's last maps."""

from collections.abc import Iterator

import ot.batch
import torch
from rows import Row, error, timed
from torch import Tensor

from helpers.chapters.cost_growth import kept
from helpers.lab.pairs import alternate
from helpers.losses.transport import (
    ground_cost,
    optimal_plan,
    sinkhorn_plan,
    transport_cost,
)
from helpers.streams import stream

THREADS = 2
PAIRS = 9
EPSILONS = (0.1, 0.02, 0.005)
SHAPE = (64, 512, 13)


def rows(shape: tuple[int, int, int] = SHAPE) -> Iterator[Row]:
    """Yield the rows of a cost of B pictures, C channels and M tokens."""
    cost = made_cost(*shape)
    single, on = cost.float(), f"cost {list(shape)}, epsilon .1"
    loop = "loop of the published codes, unrolled, float32"

    def ours(epsilon: float) -> Tensor:
        return slope(lambda c: transport_cost(c, epsilon)[0].sum(), single)

    def published() -> Tensor:
        return slope(lambda c: looped_cost(c, 0.1), single)

    def pot() -> Tensor:
        return slope(lambda c: pot_cost(c, 0.1), single)

    pairs = alternate(published, lambda: ours(0.1), PAIRS)
    yield timed("4a", "transport", loop, on, pairs, "at least", bar=2.5)
    pairs = alternate(pot, lambda: ours(0.1), PAIRS)
    what = "POT's batch solver with autodiff, float32, tolerance 1e-5"
    yield timed("4b", "transport", what, on, pairs, "at least", bar=1)
    pairs = alternate(published, lambda: ours(0.005), PAIRS)
    far, what = f"cost {list(shape)}, epsilon .005", f"{loop}, at epsilon .1"
    yield timed("4c", "transport", what, far, pairs, "at most", bar=1)

    plan = optimal_plan(cost, 0.005)
    wrong = max(
        float((shape[1] * plan.sum(2) - 1).abs().max()),
        float((shape[2] * plan.sum(1) - 1).abs().max()),
    )
    even = "even marginals, relative"
    errors = {"sense": "at most", "bar": 1e-6, "unit": ""}
    yield Row("4d", "error of the marginals", even, far, wrong, **errors)
    few = cost[:2]
    for epsilon in EPSILONS:
        found = slope(lambda c, e=epsilon: transport_cost(c, e)[0].sum(), few)
        wanted = slope(lambda c, e=epsilon: unrolled_cost(c, e), few)
        against = "autograd through all iterations, float64"
        where = f"2 pictures, epsilon {epsilon}"
        wrong = error(found, wanted)
        yield Row("4e", "error of the gradient", against, where, wrong, **errors)
    easy, hard = (
        kept(lambda e=epsilon: transport_cost(cost.clone().requires_grad_(), e)[0])
        for epsilon in (EPSILONS[0], EPSILONS[-1])
    )
    yield Row(
        *("4f", "bytes kept for the gradient", "the same at epsilon .1", far),
        *(hard / easy, "at most", 1.0),
        plain_mb=easy,
        ours_mb=hard,
    )


def made_cost(pictures: int, channels: int, tokens: int, cells: int = 49) -> Tensor:
    """Return the cost of random maps after a relu and of random texts, float64.

    The published loop stops after 14 steps at epsilon .1. On the maps and texts of a
    trained network it takes as many or more.
    """
    maps = torch.randn(pictures, channels, cells, generator=stream(0, "maps")).relu()
    text = torch.randn(pictures, tokens, cells, generator=stream(0, "text"))
    return ground_cost(maps, text)


def slope(loss, cost: Tensor) -> Tensor:
    """Return the gradient of a loss in the cost."""
    start = cost.clone().requires_grad_()
    (found,) = torch.autograd.grad(loss(start), start)
    return found


def looped_cost(
    cost: Tensor, epsilon: float, most: int = 100, stop: float = 1e-3
) -> Tensor:
    """Return the sum of <T, C> over pictures, T by the published loop in C's type."""
    channels, tokens = cost.shape[1:]
    mu = cost.new_tensor(1 / channels + 1e-8).log()
    nu = cost.new_tensor(1 / tokens + 1e-8).log()
    u, v = cost.new_zeros(len(cost), channels), cost.new_zeros(len(cost), tokens)
    for _ in range(most):
        before = u
        scores = (u[:, :, None] + v[:, None] - cost) / epsilon
        u = epsilon * (mu - scores.logsumexp(2)) + u
        scores = (u[:, :, None] + v[:, None] - cost) / epsilon
        v = epsilon * (nu - scores.logsumexp(1)) + v
        if (u - before).abs().sum(1).mean().item() < stop:
            break
    plan = ((u[:, :, None] + v[:, None] - cost) / epsilon).exp()
    return (plan * cost).sum()


def pot_cost(cost: Tensor, epsilon: float) -> Tensor:
    """Return the same by POT."""
    solved = ot.batch.solve_batch(
        cost, epsilon, method="log_sinkhorn", grad="autodiff", max_iter=2000
    )
    return solved.value_linear.sum()


def unrolled_cost(cost: Tensor, epsilon: float) -> Tensor:
    """Return the same by Sinkhorn's steps until the plan has converged, unrolled."""
    target = sinkhorn_plan(cost.detach(), epsilon)
    scores = -cost / epsilon
    g = scores.new_zeros(len(cost), 1, cost.shape[2])
    while True:
        for _ in range(50):
            f = -(scores + g).logsumexp(2, keepdim=True)
            g = -(scores + f).logsumexp(1, keepdim=True)
        plan = (scores + f + g).softmax(1) / cost.shape[2]
        if error(plan, target) < 1e-9:
            return (plan * cost).sum()
