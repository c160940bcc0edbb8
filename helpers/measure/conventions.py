"""Insertion and deletion as published codes have them, every choice a field.

`perturbation.insertion_deletion` is how this book measures. Published codes differ from
it and from each other in what a pixel is replaced by, in the step, in the class that is
explained and the class that is followed, in the order of equal pixels and in the rule
of the area: numbers of two conventions do not compare. `CONVENTIONS` has them by
repository, `dataclasses.replace` changes one choice, and
`published_perturbation.perturbed_as` measures by any.

Not among them, since they come before: how pictures are resized, and in which mode of
batch normalisation maps are made. The step follows the picture's size, blurs are in
pixels as published.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, get_args

import torch
from torch import Tensor

from helpers.settings import Refused, nearest

Which = Literal["true", "predicted"]
Rest = Literal["spread", "shorter step", "left out"]
Start = Literal["Gaussian of a quarter side", "flat 11 x 11", "Gaussian 9 x 9", "fill"]
Ties = Literal["random", "first", "last"]
Area = Literal["trapezoid", "equal steps", "by evaluations", "mean", "left"]


@dataclass(frozen=True)
class Convention:
    """How insertion and deletion are taken.

    Attributes:
        code: where it comes from, repository and commit.
        step: pixels of a step, as a share of the picture's, rounded up.
        rest: of pixels that fill no step: "spread" over all steps by rounding, a
            "shorter step" at the end, or "left out", so that a curve ends before the
            last pixel.
        insertion_from: the picture without pixels, see `published_perturbation.STARTS`.
        fill: a deleted pixel, after normalisation: 0 is the mean colour.
        explained: the class that maps are made for.
        scored: the class whose probability is followed.
        ties: equal pixels in "random" order, the "first" or the "last" of them first,
            row by row.
        area: rule of the area under the values h_0 to h_n at shares x_0 to x_n, see
            `area`.
        orders: random orders of equal pixels that a curve is the mean of.

    Raises:
        Refused: a choice that is unknown, a step outside (0, 1], orders under 1.
    """

    code: str
    step: Fraction
    rest: Rest
    insertion_from: Start
    explained: Which
    scored: Which
    ties: Ties
    area: Area
    fill: float = 0.0
    orders: int = 1

    def __post_init__(self) -> None:
        kinds = {"rest": Rest, "insertion_from": Start, "explained": Which}
        kinds |= {"scored": Which, "ties": Ties, "area": Area}
        for name, kind in kinds.items():
            given, known = getattr(self, name), list(get_args(kind))
            if given not in known:
                raise Refused(
                    f"{name}={given!r} is unknown{nearest(str(given), known)}"
                )
        if not 0 < self.step <= 1 or self.orders < 1:
            got = f"got step={self.step}, orders={self.orders}"
            raise Refused(f"step must be a share in (0, 1], orders positive, {got}")


_RISE = Convention(
    code="eclique/RISE, d91ea00",
    step=Fraction(1, 28),  # 1,792 pixels of 224 x 224
    rest="shorter step",
    insertion_from="flat 11 x 11",
    explained="predicted",
    scored="predicted",
    ties="last",  # a sort that is not stable, turned round: the code leaves it open
    area="equal steps",
)
_FACT = Convention(
    code="robertdvdk/lico-fact, 76ed093",
    step=Fraction(10, 32 * 32),
    rest="left out",
    insertion_from="Gaussian 9 x 9",
    explained="true",
    scored="true",
    ties="first",  # torch.topk: left open
    area="by evaluations",
)
CONVENTIONS: dict[str, Convention] = {
    "here": Convention(
        code="helpers.measure.perturbation",
        step=Fraction(1, 28),
        rest="spread",
        insertion_from="Gaussian of a quarter side",
        explained="true",
        scored="true",
        ties="random",
        area="trapezoid",
        orders=3,
    ),
    "eclique/RISE": _RISE,
    # CGC publishes insertion alone; the class of the map is not that of the curve.
    "UCDvision/CGC": replace(_RISE, code="UCDvision/CGC, a66d872", explained="true"),
    "konradszewczyk/lico-reproduction": replace(
        _RISE, code="konradszewczyk/lico-reproduction, d63b896", explained="true"
    ),
    "robertdvdk/lico-fact, CIFAR": _FACT,
    "robertdvdk/lico-fact, Imagenette": replace(_FACT, step=Fraction(922, 160 * 160)),
    "frgfm/torch-cam": Convention(
        code="frgfm/torch-cam, 0.5.0",
        step=Fraction(1, 20),
        rest="shorter step",
        insertion_from="fill",
        explained="predicted",
        scored="predicted",
        ties="first",
        area="trapezoid",
    ),
}


def step_counts(convention: Convention, pixels: int) -> list[int]:
    """Return how many pixels are replaced at each evaluation, from 0 on, `[S + 1]`.

    With a step of p = ceil(step x pixels): "spread" has round(1 / step) steps, rounded
    each; "shorter step" 0, p, 2p and so on, then all; "left out" ends with the last
    whole step.
    """
    each = -(-convention.step * pixels // 1)  # rounded up
    if convention.rest == "spread":
        steps = min(round(1 / convention.step), pixels)
        return [(2 * pixels * s + steps) // (2 * steps) for s in range(steps + 1)]
    whole = list(range(0, pixels + 1, int(each)))
    if convention.rest == "left out" or whole[-1] == pixels:
        return whole
    return [*whole, pixels]


def area(values: Tensor, shares: Tensor, rule: Area) -> Tensor:
    """Return the area under curves, `[B, S + 1]` over shares `[S + 1]` -> `[B]`.

    "trapezoid": sum (x_i+1 - x_i)(h_i + h_i+1) / 2. "equal steps": (sum h - (h_0 + h_n)
    / 2) / n, the trapezoid as if all steps were alike. "by evaluations": the same over
    n + 1, so that h = 1 has n / (n + 1). "mean": sum h / (n + 1). "left": sum (x_i+1 -
    x_i) h_i.

    Raises:
        Refused: another rule.
    """
    steps = shares.diff()
    evaluations = values.shape[1]
    match rule:
        case "trapezoid":
            return torch.trapezoid(values, shares)
        case "equal steps":
            return torch.trapezoid(values, dx=1 / (evaluations - 1))
        case "by evaluations":
            return torch.trapezoid(values, dx=1 / evaluations)
        case "mean":
            return values.mean(1)
        case "left":
            return (values[:, :-1] * steps).sum(1)
    raise Refused(f"area={rule!r} is unknown{nearest(str(rule), list(get_args(Area)))}")
