"""Chapter 02: the gradients of a transport loss.

Each gradient is that on the feature maps F, `[B, C, d']`: what the classifier is told.
"""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor

from helpers.chapters.ot_alignment import (
    GAUSSIAN,
    OTHER,
    SHUFFLED,
    TRAINED,
    UNTRAINED,
    WITHOUT,
    Features,
)
from helpers.chapters.ot_plans import compare, exact_plan, pot_plan
from helpers.losses.transport import (
    detached_cost,
    ground_cost,
    optimal_plan,
    regularised_cost,
    transport_cost,
)
from helpers.report.transport_figures import PAID

EXACT, ENVELOPE, DETACHED = "through the plan", "envelope", "plan detached"
UNIFORM, NONE = "uniform plan", "none"
LOSSES = {EXACT: transport_cost, ENVELOPE: regularised_cost, DETACHED: detached_cost}


def map_gradient(given: Features, epsilon: float, kind: str) -> Tensor:
    """Return the gradient of a transport loss, summed over pictures, `[B, C, d']`.

    "uniform plan" is that of the mean cost: no choice is made at all.
    """
    if kind == NONE:
        return torch.zeros_like(given.maps)
    maps = given.maps.clone().requires_grad_()
    cost = ground_cost(maps, given.tokens)
    values = cost.mean((1, 2)) if kind == UNIFORM else LOSSES[kind](cost, epsilon)[0]
    (slope,) = torch.autograd.grad(values.sum(), maps)
    return slope


def against(slope: Tensor, exact: Tensor) -> dict[str, float]:
    """Return ||slope - exact|| / ||exact|| and the cosine of both, over the batch.

    The cosine of a gradient that is 0 is not defined: NaN.
    """
    length, own = exact.norm(), slope.norm()
    cosine = (
        (slope * exact).sum() / (length * own) if own > 0 else torch.tensor(torch.nan)
    )
    return {
        "relative difference": float((slope - exact).norm() / length),
        "cosine": float(cosine),
    }


def gradients(found: Mapping[str, Features], epsilons: Sequence[float]) -> pd.DataFrame:
    """Return each gradient against the exact one of <T, c>, at each epsilon."""
    rows = []
    for name, given in found.items():
        for epsilon in sorted(epsilons, reverse=True):
            exact = map_gradient(given, epsilon, EXACT)
            for kind in (ENVELOPE, DETACHED, UNIFORM, NONE):
                both = against(map_gradient(given, epsilon, kind), exact)
                rows.append(
                    {"features": name, "epsilon": epsilon, "gradient": kind, **both}
                )
    return pd.DataFrame(rows)


def slopes(given: Features, epsilon: float, step: float = 1e-5) -> pd.DataFrame:
    """Return how far each gradient is from the slope of its own loss.

    The cost of each picture is moved a little in a random direction, there and back:
    the value's change over the step is its slope, whatever autograd says. "error" is
    |claimed - measured| / |measured|, sums over pictures, divided.
    """
    cost = given.cost()
    generator = torch.Generator().manual_seed(0)
    way = torch.randn(cost.shape, generator=generator).double()
    way -= way.mean((1, 2), keepdim=True)  # a constant is every plan's alike
    rows = []
    for kind, loss in LOSSES.items():
        free = cost.clone().requires_grad_()
        (slope,) = torch.autograd.grad(loss(free, epsilon)[0].sum(), free)
        claimed = (slope * way).sum((1, 2))
        ahead, behind = (loss(cost + s * way, epsilon)[0] for s in (step, -step))
        measured = (ahead - behind) / (2 * step)
        error = (claimed - measured).abs().sum() / measured.abs().sum()
        value = f"{PAID} - epsilon H(T)" if kind == ENVELOPE else PAID
        rows.append((kind, value, float(error)))
    return pd.DataFrame(rows, columns=["gradient", "of the value", "error"])


def _paid(plan: Tensor, cost: Tensor) -> float:
    return float((plan * cost).sum((1, 2)).mean())


def verdicts(
    given: Features, epsilon: float, smallest: float
) -> list[tuple[str, str, float, bool]]:
    """Return what must hold of the arithmetic, as rows of checks.

    `epsilon` is the run's own, `smallest` the last of the sweep. Between the plans at
    an epsilon and at 0, <T, c> may differ by epsilon log M at most, for no plan with
    these marginals has an entropy below log C or above log (C M).
    """
    cost = given.cost()
    plan = optimal_plan(cost, epsilon)
    channels, tokens = cost.shape[1:]
    apart = (plan[:8] - pot_plan(cost[:8], epsilon)).abs().max() * channels * tokens
    left = _paid(optimal_plan(cost, smallest), cost) - _paid(exact_plan(cost), cost)
    bound = smallest * math.log(tokens)
    mass = float((plan[..., -1].sum(1) * tokens - 1).abs().max())
    error = slopes(given.first(8), epsilon).set_index("gradient")["error"]
    return [
        at_most("plan against POT's, in uniform entries", 1e-6, float(apart)),
        at_most("class token: mass times M, less 1", 1e-9, mass),
        at_most(f"{PAID} at the smallest epsilon, above the exact", bound, left),
        at_most("gradient through the plan, error", 1e-4, float(error[EXACT])),
        at_most("envelope gradient of its value, error", 1e-4, float(error[ENVELOPE])),
    ]


def held_fixed(given: Features, epsilon: float) -> list[tuple[str, str, float, bool]]:
    """Return whether a plan that is held fixed gives another gradient of <T, c>.

    That depends on the features: where all text rows are equal, it is the exact one.
    """
    few = given.first(8)
    error = slopes(few, epsilon).set_index("gradient")["error"]
    exact, held = (map_gradient(few, epsilon, kind) for kind in (EXACT, DETACHED))
    differs = against(held, exact)["relative difference"]
    return [
        above(f"detached gradient of {PAID}, error", 0.01, float(error[DETACHED])),
        above("detached gradient on F, difference", 0.01, differs),
    ]


def plan_verdicts(
    runs: Sequence[Mapping[str, Features]], epsilon: float
) -> list[tuple[str, str, float, bool]]:
    """Return whether training found a plan that controls do not have.

    One mapping a training seed, as of `features`; each row holds the least ratio over
    the seeds: of the gain, of what is saved in units of the cost, and of what another
    class's text costs. The last is a difference of gains, for one may be below 0.
    """
    compared = [compare(found, epsilon).set_index("features") for found in runs]
    rows = []
    for column in ("gain", "saved"):
        for name in (UNTRAINED, WITHOUT, SHUFFLED, GAUSSIAN, OTHER):
            least = min(
                frame[column][TRAINED] / frame[column][name] for frame in compared
            )
            words = name.removeprefix("control: ")
            rows.append(above(f"{column}: trained / {words}", 1.0, float(least)))
    least = min(frame[PAID][OTHER] / frame[PAID][TRAINED] for frame in compared)
    words = OTHER.removeprefix("control: ")
    rows.append(above(f"{PAID}: {words} / trained", 1.0, float(least)))
    least = min(
        frame["gain"][TRAINED] - frame["by another's plan"][TRAINED]
        for frame in compared
    )
    rows.append(above("gain: own plan less another picture's", 0.0, float(least)))
    return rows


def at_most(what: str, high: float, value: float) -> tuple[str, str, float, bool]:
    """Return a row of checks: `value` must not exceed `high`."""
    return what, f"at most {high:.3g}", value, value <= high


def above(what: str, low: float, value: float) -> tuple[str, str, float, bool]:
    """Return a row of checks: `value` must exceed `low`."""
    return what, f"above {low:g}", value, value > low
