"""Judge a network: maps of several methods, floors and ceilings, by several metrics.

Whatever can be refused is refused before the pictures go through the network: what
the metrics need, the network's logits, and each method on one picture.
"""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from helpers.explain.hooks import evaluating
from helpers.judge import grids
from helpers.judge.choice import Choice, checked, normalised, tried
from helpers.judge.material import Material
from helpers.judge.rows import Case, Row, drawn, rows
from helpers.measure.perturbation import probabilities
from helpers.settings import Refused

ASSUMED = (7, 7)  # cells of a network without a feature map
# Warnings for who writes a library, not for who reads a score.
OF_LIBRARIES = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)


@dataclass(frozen=True, eq=False)
class Judgement:
    """What came out.

    Attributes:
        choice: what was asked for, metrics completed.
        outputs: the network's classes, K.
        targets: the class that was explained, `[N]`: of a group the one of the highest
            logit.
        probability: of that class in the full picture, `[N]`.
        first: the network's first choice, `[N]`.
        top1: whether it is a right class, `[N]`, bool.
        top5: whether one of the first five is, `[N]`, bool; None under six classes.
        cells: (h, w) of the feature map.
        rows: methods, floors and ceilings.
        notes: in sentences.
        seconds: of all.
    """

    choice: Choice
    outputs: int
    targets: Tensor
    probability: Tensor
    first: Tensor
    top1: Tensor
    top5: Tensor | None
    cells: tuple[int, int]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    seconds: float


def judge(
    model: nn.Module,
    material: Material,
    choice: Choice | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Judgement:
    """Return the scores of a network's maps, beside those of floors and ceilings.

    The network is left as it was found, but for its device.

    Args:
        model: any classifier, pictures -> logits `[n, K]`.
        material: the pictures and what is known of them.
        choice: methods, metrics and their settings.
        report: what is told of the progress, a line at a time.

    Raises:
        Refused: names that are unknown, metrics without what they need, a network that
            does not take the pictures, or whose logits do not fit them, a method that
            is not valid for it: before anything is computed on the pictures.
    """
    started = time.monotonic()
    choice = choice or Choice()
    choice = replace(choice, metrics=checked(choice, material))
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = model.to(choice.device)
        outputs, cells = tried(model, material, choice)
        if cells is None:
            cells = ASSUMED
            notes.append(
                f"no feature map was found: references and border have {cells} cells"
            )
        known = _probabilities(model, material, choice)  # [N, K]
        right = _right(known, material)
        targets = _targets(known, right)
        ranks = known.argsort(descending=True, stable=True)
        top1 = right.gather(1, ranks[:, :1]).any(1)
        sure = known.gather(1, targets[:, None])[:, 0] >= grids.CONFIDENT
        composed = "gridpg" in choice.metrics
        case = Case(
            model,
            material,
            choice,
            targets,
            cells,
            drawn(material, choice) if "ses" in choice.metrics else (),
            grids.drawn(material, choice, sure) if composed else None,
        )
        found = tuple(rows(case, report))
    notes += [row.note for row in found if row.note]
    notes += dict.fromkeys(
        str(one.message) for one in caught if not issubclass(one.category, OF_LIBRARIES)
    )
    return Judgement(
        choice=choice,
        outputs=outputs,
        targets=targets,
        probability=known.gather(1, targets[:, None])[:, 0],
        first=ranks[:, 0],
        top1=top1,
        top5=right.gather(1, ranks[:, :5]).any(1) if outputs > 5 else None,
        cells=cells,
        rows=found,
        notes=(*material.notes, *notes),
        seconds=time.monotonic() - started,
    )


def _probabilities(model: nn.Module, material: Material, choice: Choice) -> Tensor:
    """Return the softmax probabilities of all pictures, `[N, K]`, on the CPU."""
    parts = []
    with torch.no_grad(), evaluating(model):
        for start in range(0, len(material), choice.how.chunk):
            part = slice(start, start + choice.how.chunk)
            images = normalised(material, choice, part)
            try:
                parts.append(probabilities(model, images, choice.how.chunk).cpu())
            except ValueError as error:
                raise Refused(str(error)) from None
    return torch.cat(parts)


def _right(known: Tensor, material: Material) -> Tensor:
    """Return which classes are right for each picture, `[N, K]`, bool."""
    right = torch.zeros(known.shape, dtype=torch.bool)
    for row, group in zip(right, material.groups, strict=True):
        row[list(group)] = True
    return right


def _targets(known: Tensor, right: Tensor) -> Tensor:
    """Return of each picture's right classes the one of the highest logit, `[N]`."""
    return known.where(right, -1).argmax(1)
