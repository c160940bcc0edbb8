"""Chapter 02: the plan and the gradient of every preset, at the same features.

B pictures, C channels, M text tokens, d' cells of a feature map.
"""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from helpers.chapters.ot_alignment import UNTRAINED, Features
from helpers.chapters.ot_gradients import (
    EXACT,
    LOSSES,
    above,
    against,
    at_most,
    map_gradient,
)
from helpers.losses.transport import (
    gain,
    ground_cost,
    optimal_plan,
    plan_entropy,
    published_plan,
    transport_cost,
)
from helpers.methods.presets import PRESETS, preset
from helpers.report.transport_figures import PAID
from helpers.settings import Lico

_GRADIENTS = {"through": EXACT, "envelope": "envelope", "detached": "plan detached"}


class Solver(NamedTuple):
    """How a preset finds its plan, and what of it has a gradient.

    `most` is the number of iterations at most, None where the plan converges.
    """

    epsilon: float
    most: int | None
    gradient: str  # through, envelope, detached, none

    def words(self) -> str:
        """Return it in a few words."""
        loop = "converged" if self.most is None else f"≤ {self.most:,} iterations"
        return f"ε {self.epsilon:g}, {loop}"


def solver(method: Lico) -> Solver:
    """Return how a method transports."""
    most = method.iterations if method.plan == "published" else None
    return Solver(method.epsilon, most, method.plan_gradient)


def solvers() -> dict[str, Solver]:
    """Return the solver of each preset; presets that share one are named together."""
    shared: dict[Solver, list[str]] = {}
    for name in PRESETS:
        shared.setdefault(solver(preset(name)), []).append(name)
    return {", ".join(names): found for found, names in shared.items()}


def solved(cost: Tensor, how: Solver) -> tuple[Tensor, Tensor]:
    """Return the transport loss of each picture `[B]`, and its plan `[B, C, M]`.

    The loss has the gradient that the preset's has in training; the plan has none.
    """
    if how.gradient == "none":
        cost = cost.detach()
    if how.most is None:
        loss = transport_cost
        if how.gradient != "none":
            loss = LOSSES[_GRADIENTS[how.gradient]]
        return loss(cost, how.epsilon)
    through = how.gradient == "through"
    given = cost if through else cost.detach()
    plan = published_plan(given, how.epsilon, most=how.most)
    return (plan * cost).sum((1, 2)), plan.detach()


def iterations_used(cost: Tensor, how: Solver) -> int | None:
    """Return after how many iterations a published loop stops, None if it converges.

    The fewest after which the plan is the one that it returns, found by bisection: the
    loop that is asked is the one that training runs.
    """
    if how.most is None:
        return None
    last = published_plan(cost, how.epsilon, most=how.most)
    low, high = 1, how.most
    while low < high:
        middle = (low + high) // 2
        same = torch.equal(published_plan(cost, how.epsilon, most=middle), last)
        low, high = (low, middle) if same else (middle + 1, high)
    return low


def half_relaxed(cost: Tensor, epsilon: float) -> Tensor:
    """Return the plan that keeps the columns alone, `[B, C, M]`: each token chooses.

    P_ij = softmax_i(-cost_ij / epsilon) / M. Its rows are what the costs make of them.
    """
    return (-cost.double() / epsilon).softmax(1) / cost.shape[2]


def own_gradient(given: Features, how: Solver) -> Tensor:
    """Return the gradient of a preset's loss in the maps, `[B, C, d']`, or zeros."""
    maps = given.maps.clone().requires_grad_()
    values, _ = solved(ground_cost(maps, given.tokens), how)
    if not values.requires_grad:
        return torch.zeros_like(given.maps)
    (slope,) = torch.autograd.grad(values.sum(), maps)
    return slope


def row_error(plan: Tensor) -> float:
    """Return sum_i |row i - 1/C|, the mean over pictures, in [0, 2]."""
    rows = plan.sum(2)
    return float((rows - 1 / rows.shape[1]).abs().sum(1).mean())


def of_presets(found: Mapping[str, Features]) -> pd.DataFrame:
    """Return a row a solver and kind of features: its plan, its value, its gradient.

    "row error" as in `row_error`; "way" is how far the value is from that of the
    half-relaxed plan (0) to that of the converged one (1), at the same epsilon; lengths
    are of the gradient on F and, "exact", of that of the converged plan's value.
    """
    rows = []
    for kind, given in found.items():
        cost = given.cost()
        exact: dict[float, tuple[Tensor, Tensor, Tensor]] = {}
        for names, how in solvers().items():
            if how.epsilon not in exact:
                exact[how.epsilon] = (
                    optimal_plan(cost, how.epsilon),
                    half_relaxed(cost, how.epsilon),
                    map_gradient(given, how.epsilon, EXACT),
                )
            best, free, slope = exact[how.epsilon]
            _, plan = solved(cost, how)
            paid, full, least = (float(_paid(p, cost)) for p in (plan, best, free))
            own = own_gradient(given, how)
            used = iterations_used(cost, how)
            rows.append(
                {
                    "features": kind,
                    "presets": names,
                    "solver": how.words(),
                    "iterations": float("nan") if used is None else used,
                    "row error": row_error(plan),
                    "entropy": float(plan_entropy(plan).mean()),
                    "gain": float(gain(plan, cost).mean()),
                    PAID: paid,
                    "converged": full,
                    "way": (paid - least) / (full - least) if full > least else 1.0,
                    "gradient": float(own.norm()),
                    "exact": float(slope.norm()),
                    "cosine": against(own, slope)["cosine"],
                }
            )
    return pd.DataFrame(rows)


def _paid(plan: Tensor, cost: Tensor) -> Tensor:
    return (plan * cost).sum((1, 2)).mean()


def plans_of_one(given: Features) -> dict[str, Tensor]:
    """Return the first picture's plan by each solver, `[C, M]`, by its presets' names.

    Below a published loop whose epsilon no converged preset has stands the plan that
    it was on its way to. The stop looks at all pictures given, as in a batch.
    """
    cost = given.cost()
    known = {how.epsilon for how in solvers().values() if how.most is None}
    plans = {}
    for names, how in solvers().items():
        plans[f"{names}:\n{how.words()}"] = solved(cost, how)[1][0]
        if how.epsilon not in known:
            end = Solver(how.epsilon, None, "through")
            plans[f"where these would end:\n{end.words()}"] = optimal_plan(
                cost, how.epsilon
            )[0]
    return plans


def noise(channels: int, tokens: int, cells: int, pictures: int = 2) -> Features:
    """Return Gaussian features of a given shape, the maps cut at 0 as by a relu."""
    generator = torch.Generator().manual_seed(0)

    def draw(rows: int) -> Tensor:
        return torch.randn(pictures, rows, cells, generator=generator).double()

    return Features(draw(channels).relu(), draw(tokens))


def preset_verdicts(frame: pd.DataFrame) -> list[tuple[str, str, float, bool]]:
    """Return what must hold of the presets, for all kinds of features of `of_presets`.

    The last row is asked of the features as training starts alone: does the loop of the
    smallest epsilon end before its rows are right?
    """

    def of(name: str) -> pd.DataFrame:
        return frame[[name in names.split(", ") for names in frame["presets"]]]

    authors, fact, start = map(of, ("authors_oct", "lico_fact", "repro_shared"))
    start = start[start["features"] == UNTRAINED]
    limit = PRESETS["lico_fact"].get("iterations", Lico().iterations)
    return [
        at_most("authors: length of the gradient", 0, authors["gradient"].max()),
        at_most("authors: row error", 0.01, authors["row error"].max()),
        at_most("paper: row error", 1e-9, of("paper")["row error"].max()),
        at_most("lico_fact: iterations", limit - 1, fact["iterations"].max()),
        at_most("lico_fact: 1 - cosine", 1e-3, float(1 - fact["cosine"].min())),
        above("repro, at the start: row error", 0.01, start["row error"].min()),
    ]
