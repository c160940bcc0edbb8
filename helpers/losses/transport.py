"""Optimal transport of channels to text tokens (LICO, Lei et al. 2023, eq. 4).

A plan P `[B, C, M]` says, picture by picture, how much of channel i goes to token j:
P >= 0, each channel sends mu = 1/C, each token gets nu = 1/M. The entropic plan is the
one that minimises <P, cost> - epsilon H(P), H(P) = -sum P log P (Cuturi 2013).

`sinkhorn_plan` is the algorithm to read, `optimal_plan` the same plan faster, and
`published_plan` the loop of the published codes. The paper's loss <P, cost> has three
gradients in circulation: `transport_cost` is the exact one, `detached_cost` holds P
fixed, `regularised_cost` adds the entropy, which makes a fixed P exact.

Costs are those of the features' own type; all after them is float64, and gradients
flow back in the type that came in.
B pictures, C channels, M tokens, d cells of a map.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

FACTOR = 4  # epsilon falls by it from stage to stage of `optimal_plan`
EASY = 40  # a spread of the cost under 40 epsilon needs no stage before
ROUGH = 1e-2  # largest relative error of a marginal that ends a stage
ROUNDING = 1e-15  # the same for the last stage, at scores of size 1
STEPS = 60  # Newton steps a stage: 5 to 10 are usual


def ground_cost(maps: Tensor, text: Tensor) -> Tensor:
    """Return 2 - 2 cos(maps_i, text_j): squared distances of rows of unit length.

    A row of zeros, as of a channel that is silent in a picture, has cosine 0: it costs
    2 to every row and has no slope.

    Shapes: maps `[B, C, d]`, text `[B, M, d]` -> `[B, C, M]`. Range: [0, 4].

    Raises:
        ValueError: unless both have three axes and share B and d: broadcasting a text
            `[B, d]` would send each picture to the texts of the whole batch.
    """
    both = maps.ndim == text.ndim == 3
    if not both or len(maps) != len(text) or maps.shape[2] != text.shape[2]:
        got = f"got {list(maps.shape)} and {list(text.shape)}"
        remedy = "one text row a picture is text[:, None]"
        raise ValueError(f"maps must be [B, C, d] and text [B, M, d], {got}: {remedy}")
    return (2 - 2 * _unit(maps) @ _unit(text).mT).double()


@torch.no_grad()
def sinkhorn_plan(
    cost: Tensor, epsilon: float, *, tolerance: float = 1e-10, most: int = 100_000
) -> Tensor:
    """Return the entropic plan by Sinkhorn's iteration, run until it converges.

    P = exp(f_i + g_j - cost_ij / epsilon), where f sets the row sums to mu, then g the
    column sums to nu, in turn (Cuturi 2013, algorithm 1, in logarithms).

    Shapes: cost `[B, C, M]` -> `[B, C, M]`, no gradient. Range: (0, 1/C]; columns sum
    to nu, rows to mu within `tolerance` of it.

    Raises:
        ValueError: if cost is not `[B, C, M]` and finite, or epsilon is not positive.
        RuntimeError: if `most` iterations do not reach the tolerance.
    """
    scores = -_checked(cost, epsilon) / epsilon
    channels, tokens = scores.shape[1:]
    g = scores.new_zeros(len(scores), 1, tokens)
    for iteration in range(1, most + 1):
        f = -math.log(channels) - (scores + g).logsumexp(2, keepdim=True)
        g = -math.log(tokens) - (scores + f).logsumexp(1, keepdim=True)
        if iteration % 10 == 0 or iteration == most:
            plan = (scores + f + g).exp()
            if (channels * plan.sum(2) - 1).abs().max() < tolerance:
                return plan
    raise RuntimeError(
        f"no plan after {most} iterations: raise epsilon ({epsilon}) or tolerance"
    )


@torch.no_grad()
def optimal_plan(cost: Tensor, epsilon: float) -> Tensor:
    """Return the plan of `sinkhorn_plan`, to rounding, by Newton steps.

    With f eliminated, P_ij = softmax_j(g_j - cost_ij / epsilon) / C, and g maximises a
    concave function of M numbers (the semi-dual of Cuturi and Peyré 2016) with
    gradient nu - b, b the column sums of P. Newton takes about as many steps at any
    epsilon, Sinkhorn about 1 / epsilon. Where the cost spreads over many epsilon, g
    comes from a larger epsilon first.

    Shapes: cost `[B, C, M]` -> `[B, C, M]`, no gradient. Range: [0, 1/C].
    Raises ValueError as `sinkhorn_plan`, which takes over if Newton does not arrive.
    """
    return _optimal(_checked(cost, epsilon), epsilon)


def _optimal(cost: Tensor, epsilon: float) -> Tensor:
    """Return `optimal_plan` of a cost that was checked."""
    given = cost.mT.contiguous()  # [B, M, C]: softmax 5 times faster
    spread = float(given.max() - given.min())
    stages = 0
    while spread > EASY * epsilon * FACTOR**stages:
        stages += 1
    g = given.new_zeros(*given.shape[:2], 1)
    for stage in range(stages, -1, -1):
        scaled = given / (epsilon * FACTOR**stage)
        if stage == stages:  # two steps of Sinkhorn to begin with, f eliminated
            for _ in range(2):
                g = g - (g - scaled).softmax(1).sum(2, keepdim=True).log()
        fine = ROUNDING * (10 + float(scaled.abs().max()))
        g, arrived = _newton(scaled, g, ROUGH if stage else fine)
        if stage:
            g = g * FACTOR
    if not arrived:
        return sinkhorn_plan(cost, epsilon)
    return ((g - scaled).softmax(1) / scaled.shape[2]).mT


def plan_gradient(plan: Tensor, cost: Tensor, epsilon: float) -> Tensor:
    """Return d <P, cost> / d cost at the optimal plan, P's own change included.

    P + P (alpha_i + beta_j - cost_ij) / epsilon. The implicit function theorem gives
    alpha and beta: they make the second term sum to 0 over every row and column, for a
    small change of the cost leaves the marginals as they are.

    Shapes: plan and cost `[B, C, M]` -> `[B, C, M]`, no gradient. Entries sum to 1.
    Raises ValueError as `sinkhorn_plan`.
    """
    return _slope(plan.double(), _checked(cost, epsilon), epsilon)


@torch.no_grad()
def _slope(P: Tensor, cost: Tensor, epsilon: float) -> Tensor:
    """Return `plan_gradient` of a cost that was checked, both float64."""
    rows = P.sum(2, keepdim=True)  # [B, C, 1]
    paid = P * cost
    mean = paid.sum(2, keepdim=True) / rows  # what a channel pays
    S = torch.diag_embed(P.sum(1)) - (P / rows).mT @ P  # [B, M, M]
    wanted = paid.sum(1)[..., None] - P.mT @ mean
    beta = torch.linalg.pinv(S, hermitian=True) @ wanted  # a constant is free: S 1 = 0
    alpha = mean - P @ beta / rows
    return P + P * (alpha + beta.mT - cost) / epsilon


def transport_cost(cost: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return <P, cost> of the optimal plan, with its exact gradient, and the plan.

    The gradient is `plan_gradient`: the plan moves with the cost. First order only.

    Shapes: cost `[B, C, M]` -> `[B]` and `[B, C, M]`, the plan without gradient.
    Raises ValueError as `sinkhorn_plan`.
    """
    cost = _checked(cost, epsilon)
    with torch.no_grad():
        plan = _optimal(cost, epsilon)
    return _Transport.apply(cost, plan, epsilon), plan


def regularised_cost(cost: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return <P, cost> - epsilon H(P) of the optimal plan, and the plan.

    P minimises this very value, so its gradient in the cost is P alone (the envelope
    theorem): nothing is lost by holding P fixed. First order only.

    Shapes: cost `[B, C, M]` -> `[B]` and `[B, C, M]`, the plan without gradient.
    Raises ValueError as `sinkhorn_plan`.
    """
    value, plan = detached_cost(cost, epsilon)
    return value - epsilon * torch.special.entr(plan).sum((1, 2)), plan


def detached_cost(cost: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return <P, cost> of the optimal plan held fixed, and the plan.

    The value of `transport_cost` with the gradient P: that of another function.

    Shapes: cost `[B, C, M]` -> `[B]` and `[B, C, M]`, the plan without gradient.
    Raises ValueError as `sinkhorn_plan`.
    """
    plan = optimal_plan(cost, epsilon)
    return _paid(plan, cost.double()), plan


def published_plan(
    cost: Tensor, epsilon: float, *, most: int = 1000, stop: float = 1e-3
) -> Tensor:
    """Return the plan of the published codes: Sinkhorn, stopped early, with gradient.

    From u = v = 0, u <- u + epsilon (log(mu + 1e-8) - LSE_j((u + v - cost) / epsilon)),
    then v likewise over i, until the batch mean of sum_i |change of u_i| is below
    `stop` or `most` is reached, converged or not. Autograd goes through every step.

    ymLeiFDU/LICO runs epsilon .1, at most 100 steps and no gradient at all;
    robertdvdk/lico-fact .1, 1000; konradszewczyk/lico-reproduction 1e-4, 100.

    Shapes: cost `[B, C, M]` -> `[B, C, M]`. Range: [0, 1/M + 1e-8]; columns sum to nu +
    1e-8, rows to mu as nearly as the stop allows. The stop couples the batch.
    Raises ValueError as `sinkhorn_plan`.
    """
    cost = _checked(cost, epsilon)
    channels, tokens = cost.shape[1:]
    mu, nu = math.log(1 / channels + 1e-8), math.log(1 / tokens + 1e-8)
    u = cost.new_zeros(len(cost), channels, 1)
    v = cost.new_zeros(len(cost), 1, tokens)
    for _ in range(most):
        before = u
        u = u + epsilon * (mu - ((u + v - cost) / epsilon).logsumexp(2, keepdim=True))
        v = v + epsilon * (nu - ((u + v - cost) / epsilon).logsumexp(1, keepdim=True))
        if (u - before).abs().sum(1).mean() < stop:
            break
    return ((u + v - cost) / epsilon).exp()


def plan_entropy(plan: Tensor) -> Tensor:
    """Return H(P) / log(C M), `[B, C, M]` -> `[B]`, in [0, 1]: 1 the uniform plan."""
    entries = plan.shape[1] * plan.shape[2]
    if entries == 1:
        return plan.new_ones(len(plan), dtype=torch.float64)
    return torch.special.entr(plan.double()).sum((1, 2)) / math.log(entries)


def gain(plan: Tensor, cost: Tensor) -> Tensor:
    """Return 1 - <P, cost> / mean(cost), what the plan saves over the uniform plan.

    Shapes: plan and cost `[B, C, M]` -> `[B]`. Range: [0, 1] for an optimal plan of a
    cost >= 0; 0 where the mean cost is 0.
    """
    uniform = cost.double().mean((1, 2))
    free = uniform == 0
    saved = 1 - _paid(plan.double(), cost.double()) / uniform.masked_fill(free, 1)
    return saved.masked_fill(free, 0)


class _Transport(torch.autograd.Function):
    """<P, cost> `[B]`, whose gradient in the cost is `plan_gradient`."""

    @staticmethod
    def forward(ctx: Any, cost: Tensor, plan: Tensor, epsilon: float) -> Tensor:
        ctx.save_for_backward(cost, plan)
        ctx.epsilon = epsilon
        return _paid(plan, cost)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        cost, plan = ctx.saved_tensors
        return slope[:, None, None] * _slope(plan, cost, ctx.epsilon), None, None


def _newton(scaled: Tensor, g: Tensor, close: float) -> tuple[Tensor, bool]:
    """Return g `[B, M, 1]` of the cost / epsilon `[B, M, C]`, and whether it is close.

    Close is when the column sums, before the last step, are wrong by under `close` of
    nu. The last stage goes on to rounding: between blocks of channels and tokens that
    hardly exchange anything, a small error of the sums is a large one of g. A step d
    wide is cut to log(1 + d), under which the semi-dual rises at every step.
    """
    tokens, channels = scaled.shape[1:]
    ridge = 1 / tokens + 1e-13 * torch.eye(tokens, dtype=g.dtype, device=g.device)
    for _ in range(STEPS):
        plan = (g - scaled).softmax(1) / channels
        columns = plan.sum(2, keepdim=True)  # [B, M, 1]
        S = torch.diag_embed(columns[..., 0]) - channels * plan @ plan.mT
        step = torch.linalg.solve(S + ridge, 1 / tokens - columns)
        wide = step.amax(1, keepdim=True) - step.amin(1, keepdim=True)
        g = g + step * wide.log1p() / wide.clamp_min(1e-300)
        if (tokens * columns - 1).abs().max() < close:
            return g, True
    return g, False


def _unit(rows: Tensor) -> Tensor:
    """Return rows of length 1 over the last axis; a row of zeros stays so."""
    lengths = rows.norm(dim=-1, keepdim=True)
    return rows / lengths.where(lengths > 0, math.inf)


def _paid(plan: Tensor, cost: Tensor) -> Tensor:
    """Return <P, cost>, `[B, C, M]` -> `[B]`."""
    return (plan * cost).sum((1, 2))


def _checked(cost: Tensor, epsilon: float) -> Tensor:
    """Return the cost in float64; refuse a wrong shape, NaN, and epsilon <= 0."""
    if not epsilon > 0:
        exact = "an exact plan (epsilon 0) is ot.emd of POT"
        raise ValueError(f"epsilon {epsilon} must be positive: {exact}")
    cost = cost.double()
    if cost.ndim != 3 or not cost.detach().sum().isfinite():
        raise ValueError(f"cost must be finite [B, C, M], got {list(cost.shape)}")
    return cost
