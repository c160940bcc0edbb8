"""Chapter 02: plans, what they save, and what they have to choose from.

B pictures, C channels, M text tokens, d' cells of a feature map.
"""

from collections.abc import Mapping, Sequence

import ot  # type: ignore[import-untyped]
import pandas as pd
import torch
from torch import Tensor

from helpers.chapters.ot_alignment import Features
from helpers.losses.transport import (
    gain,
    optimal_plan,
    plan_entropy,
)
from helpers.report.transport_figures import PAID


def compare(found: Mapping[str, Features], epsilon: float) -> pd.DataFrame:
    """Return what the plan saves, a row a kind of features, means over pictures.

    "saved" is mean cost - <T, c>; "by another's plan" is the gain where each picture
    is given the plan of the one before it: what a plan saves without having seen it.
    """
    rows = []
    for name, given in found.items():
        cost = given.cost()
        plan = optimal_plan(cost, epsilon)
        paid = float((plan * cost).sum((1, 2)).mean())
        rows.append(
            {
                "features": name,
                "mean cost": float(cost.mean()),
                PAID: paid,
                "saved": float(cost.mean()) - paid,
                "gain": float(gain(plan, cost).mean()),
                "by another's plan": float(gain(plan.roll(1, 0), cost).mean()),
                "entropy": float(plan_entropy(plan).mean()),
            }
        )
    return pd.DataFrame(rows)


def likeness(found: Mapping[str, Features]) -> pd.DataFrame:
    """Return how alike the rows are that a plan has to tell apart, means over pictures.

    Mean cosines: of two channels of a picture, of one channel in two pictures, of two
    tokens of a prompt. "choice" as in `choice`, "border" as in `border`; "silent" is
    the share of channels that are 0 in a picture.
    """
    return pd.DataFrame(
        {
            "features": name,
            "two channels": alike(given.maps),
            "two pictures": alike(given.maps.transpose(0, 1)),
            "two tokens": alike(given.tokens),
            "choice": float(choice(given.cost()).mean()),
            "border": float(border(given.maps).mean()),
            "silent": float((given.maps == 0).all(2).double().mean()),
        }
        for name, given in found.items()
    )


def alike(rows: Tensor) -> float:
    """Return the mean cosine of two different rows, `[B, N, d']`, over B, in [-1, 1].

    A row of zeros has cosine 0 with every other.
    """
    unit = torch.nn.functional.normalize(rows.double(), dim=2, eps=1e-300)
    count = rows.shape[1]
    total = unit.sum(1).square().sum(1) - unit.square().sum((1, 2))
    return float((total / (count * max(count - 1, 1))).mean())


def border(maps: Tensor) -> Tensor:
    """Return the share of a channel's absolute values in the outermost cells, `[B]`.

    The mean over channels that are not silent, of square maps `[B, C, d']`. A map that
    is the same everywhere has (4 h - 4) / h^2: 0.44 of 8 x 8 cells.
    """
    side = round(maps.shape[2] ** 0.5)
    cells = maps.abs().unflatten(2, (side, side))
    total = cells.sum((2, 3))
    inner = cells[:, :, 1:-1, 1:-1].sum((2, 3))
    share = 1 - inner / total.where(total > 0, 1)
    return (share * (total > 0)).sum(1) / (total > 0).sum(1).clamp_min(1)


def choice(cost: Tensor) -> Tensor:
    """Return the share of a cost's variance that is interaction, `[B]`, in [0, 1].

    c_ij = mean + a_i + b_j + r_ij: no plan can change what a and b add to <T, c>, for
    the marginals are fixed. The share is that of r; 0 where the cost is constant.
    """
    centred = cost - cost.mean((1, 2), keepdim=True)
    rest = centred - centred.mean(1, keepdim=True) - centred.mean(2, keepdim=True)
    total = centred.square().sum((1, 2))
    flat = total < 1e-20
    share = rest.square().sum((1, 2)) / total.masked_fill(flat, 1)
    return share.masked_fill(flat, 0)


def exact_plan(cost: Tensor) -> Tensor:
    """Return the plan without entropy, by POT, picture by picture, `[B, C, M]`."""
    mu, nu = marginals(cost[0])
    plans = [ot.emd(mu.numpy(), nu.numpy(), one.double().numpy()) for one in cost]
    return torch.stack([torch.as_tensor(plan) for plan in plans])


def pot_plan(cost: Tensor, epsilon: float) -> Tensor:
    """Return POT's entropic plan of each picture, `[B, C, M]`, to convergence."""
    mu, nu = marginals(cost[0])
    return torch.stack(
        [
            ot.sinkhorn(
                mu,
                nu,
                one.double(),
                reg=epsilon,
                method="sinkhorn_log",
                numItermax=20_000,
                stopThr=1e-12,
            )
            for one in cost
        ]
    )


def marginals(cost: Tensor) -> tuple[Tensor, Tensor]:
    """Return mu `[C]` and nu `[M]`, equal masses, of a cost `[C, M]`."""
    channels, tokens = cost.shape
    return (
        torch.full((channels,), 1 / channels, dtype=torch.float64),
        torch.full((tokens,), 1 / tokens, dtype=torch.float64),
    )


@torch.no_grad()
def convergence(cost: Tensor, epsilons: Sequence[float], most: int) -> pd.DataFrame:
    """Return Sinkhorn's marginal error after each iteration, at each epsilon.

    The error is sum_i |row i - mu|, the mean over pictures, in [0, 2): the share of the
    mass that is at the wrong channel, twice. The columns are exact at that moment.
    """
    channels, tokens = cost.shape[1:]
    mu, nu = marginals(cost[0])
    rows = []
    for epsilon in epsilons:
        scores = -cost.double() / epsilon
        g = scores.new_zeros(len(cost), 1, tokens)
        before = None
        for iteration in range(most + 1):
            f = mu.log()[:, None] - (scores + g).logsumexp(2, keepdim=True)
            if before is not None:  # the rows were mu exp(f before - f)
                wrong = ((before - f).exp() - 1).abs().sum(1).mean() / channels
                rows.append((epsilon, iteration, float(wrong)))
            g = nu.log() - (scores + f).logsumexp(1, keepdim=True)
            before = f
    return pd.DataFrame(rows, columns=["epsilon", "iteration", "error"])


def sweep(found: Mapping[str, Features], epsilons: Sequence[float]) -> pd.DataFrame:
    """Return entropy, gain and <T, c> at each epsilon; epsilon 0 is the exact plan."""
    rows = []
    for name, given in found.items():
        cost = given.cost()
        for epsilon in [*sorted(epsilons, reverse=True), 0.0]:
            plan = optimal_plan(cost, epsilon) if epsilon else exact_plan(cost)
            rows.append(
                {
                    "features": name,
                    "epsilon": epsilon,
                    "entropy": float(plan_entropy(plan).mean()),
                    "gain": float(gain(plan, cost).mean()),
                    PAID: float((plan * cost).sum((1, 2)).mean()),
                }
            )
    return pd.DataFrame(rows)


def degenerate(cases: Mapping[str, Features], epsilon: float) -> pd.DataFrame:
    """Return, a row a text side: M, how its rows differ, what the plan makes of it."""
    rows = []
    for name, given in cases.items():
        cost = given.cost()
        plan = optimal_plan(cost, epsilon)
        apart = (given.tokens - given.tokens[:, :1]).abs().max()
        uniform = plan.shape[1] * plan.shape[2] * plan
        paid = (plan * cost).sum((1, 2)) - cost.mean((1, 2))
        rows.append(
            {
                "text": name,
                "M": plan.shape[2],
                "rows differ by": float(apart),
                "T C M, smallest": float(uniform.min()),
                "T C M, largest": float(uniform.max()),
                f"{PAID} - mean cost": float(paid.mean()),
            }
        )
    return pd.DataFrame(rows)


def toy() -> tuple[Tensor, dict[str, Tensor]]:
    """Return a cost `[3, 2]` by hand, and its plans from much entropy to none."""
    cost = torch.tensor([[0.2, 1.0], [0.8, 0.6], [1.4, 0.4]], dtype=torch.float64)
    plans = {f"epsilon {e:g}": optimal_plan(cost[None], e)[0] for e in (1.0, 0.1)}
    return cost, plans | {"exact": exact_plan(cost[None])[0]}


def example_plans(found: Mapping[str, Features], epsilon: float) -> dict[str, Tensor]:
    """Return the plan of the first picture, `[C, M]`, for each kind of features."""
    return {
        name: optimal_plan(given.first(1).cost(), epsilon)[0]
        for name, given in found.items()
    }


def token_masses(given: Features, epsilon: float) -> Tensor:
    """Return the share of a plan's mass that each token gets, pictures' mean, `[M]`."""
    return optimal_plan(given.cost(), epsilon).sum(1).mean(0)


def free_masses(given: Features, epsilon: float) -> Tensor:
    """Return the same where no token must get its share: each channel chooses, `[M]`.

    P_ij = softmax_j(-cost_ij / epsilon) / C: the rows sum to 1/C, the columns to what
    the costs make of them.
    """
    return (-given.cost() / epsilon).softmax(2).mean(1).mean(0)
