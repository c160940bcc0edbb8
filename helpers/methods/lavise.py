"""LaViSE (Yang et al. 2022): teach an explainer what masked objects are called.

The network is frozen, and what the explainer reads of an instance is the same in every
epoch: teaching is that of two layers on a table (`lavise_rows`). That needs no trainer:
a plain loop, whose draws come from streams of their own, so that a seed gives the same
bits twice.

Axes: J instances, d filters, c pooled numbers a filter, C categories, E numbers a word
vector.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from helpers.losses.ranking import SIMILARITIES, check_positives, ranking_losses
from helpers.methods.explainer import Explainer
from helpers.methods.lavise_rows import Rows
from helpers.methods.lavise_settings import Teaching
from helpers.settings import Refused
from helpers.streams import mix, stream


@dataclass(frozen=True, eq=False)
class Taught:
    """An explainer, in evaluation mode, and how it came about.

    Attributes:
        explainer: with the weights of the best epoch.
        history: a row an epoch: epoch, loss, validation, lr.
        best: the epoch of least validation loss, 0 if there was none.
    """

    explainer: Explainer
    history: pd.DataFrame
    best: int


def teach(
    rows: Rows, validation: Rows, categories: Tensor, teaching: Teaching, seed: int
) -> Taught:
    """Return an explainer that maps each row near its categories' word vectors.

    Minimises `helpers.losses.ranking.ranking_loss`; the weights kept are those of the
    epoch of least validation loss, all validation rows together.

    Args:
        rows: to learn from.
        validation: of other pictures, for the choice of the epoch.
        categories: word vectors, `[C, E]`.
        teaching: the settings.
        seed: of initialisation, order and dropout.

    Raises:
        Refused: rows that do not fit each other or the categories; a batch of one row
            to be normalised; a loss that is not finite; "dadapt-adam" without its
            package.
    """
    _check(rows, validation, categories, teaching)
    with torch.random.fork_rng():
        torch.manual_seed(mix(seed, "initialisation"))
        explainer = Explainer(
            rows.inputs.shape[1],
            categories.shape[1],
            teaching.dropout,
            teaching.normalised,
            teaching.frozen_norms,
        ).to(rows.inputs.device)
    optimiser = _optimiser(explainer, teaching)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser)
    history: list[dict[str, float]] = []
    least, best, kept = math.inf, 0, _weights(explainer)
    for epoch in range(teaching.epochs):
        loss = _epoch(explainer, optimiser, rows, categories, teaching, seed, epoch)
        found = _loss(explainer, validation, categories, teaching)
        if not math.isfinite(loss + found):
            raise Refused(f"the loss is not finite in epoch {epoch}: take a smaller lr")
        if found < least:
            least, best, kept = found, epoch, _weights(explainer)
        group = optimiser.param_groups[0]
        rate = group["lr"] * group.get("d", 1.0)
        row = {"epoch": epoch, "loss": loss, "validation": found, "lr": rate}
        history.append(row)
        if teaching.optimiser == "adam":
            schedule.step(found)
    explainer.load_state_dict(kept)
    columns = ["epoch", "loss", "validation", "lr"]
    return Taught(explainer.eval(), pd.DataFrame(history, columns=columns), best)


def _epoch(
    explainer: Explainer,
    optimiser: torch.optim.Optimizer,
    rows: Rows,
    categories: Tensor,
    teaching: Teaching,
    seed: int,
    epoch: int,
) -> float:
    """Take one step a batch and return the mean loss of a row."""
    explainer.train()
    total = 0.0
    with torch.random.fork_rng():
        torch.manual_seed(mix(seed, "dropout", epoch))
        for some in _batches(len(rows.inputs), teaching.batch, seed, epoch):
            vectors = explainer(rows.inputs[some])
            alike = SIMILARITIES[teaching.similarity](vectors, categories)
            losses = ranking_losses(alike, rows.positives[some], teaching.margin)
            optimiser.zero_grad()
            losses.mean().backward()
            optimiser.step()
            total += float(losses.detach().sum())
    return total / len(rows.inputs)


def _batches(count: int, batch: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """Yield shuffled rows in parts as even as can be: none of one row is left over."""
    order = torch.randperm(count, generator=stream(seed, "order", epoch))
    yield from order.tensor_split(-(-count // batch))


@torch.no_grad()
def _loss(
    explainer: Explainer, rows: Rows, categories: Tensor, teaching: Teaching
) -> float:
    """Return the mean loss of a row in evaluation mode."""
    explainer.eval()
    total = 0.0
    parts = zip(rows.inputs.split(4096), rows.positives.split(4096), strict=True)
    for inputs, positives in parts:
        alike = SIMILARITIES[teaching.similarity](explainer(inputs), categories)
        total += float(ranking_losses(alike, positives, teaching.margin).sum())
    return total / len(rows.inputs)


def _weights(explainer: Explainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in explainer.state_dict().items()}


def _optimiser(explainer: Explainer, teaching: Teaching) -> torch.optim.Optimizer:
    """Return the optimiser; the preprint's takes no step while |s|_1 is 0."""
    if teaching.optimiser == "adam":
        return torch.optim.Adam(explainer.parameters(), teaching.lr)
    try:
        from dadaptation.experimental import dadapt_adam_preprint as preprint
    except ImportError:
        raise Refused(
            "optimiser 'dadapt-adam' needs the package dadaptation: "
            "pip install -e '.[book]', or take adam"
        ) from None
    return preprint.DAdaptAdamPreprint(explainer.parameters(), lr=teaching.lr)


def _check(
    rows: Rows, validation: Rows, categories: Tensor, teaching: Teaching
) -> None:
    for name, some in (("rows", rows), ("validation", validation)):
        if not len(some.inputs):
            raise Refused(f"{name} are empty: an explainer needs one instance or more")
        check_positives(some.positives, (len(some.inputs), len(categories)))
    if rows.inputs.shape[1] != validation.inputs.shape[1]:
        raise Refused(
            f"rows of {rows.inputs.shape[1]} numbers cannot be validated on rows of "
            f"{validation.inputs.shape[1]}: take both from the same layer"
        )
    least = len(rows.inputs) // -(-len(rows.inputs) // teaching.batch)
    if least < 2 and not teaching.frozen_norms and teaching.epochs:
        raise Refused(
            f"batch {teaching.batch} leaves a batch of one row, which cannot be "
            "normalised: take 4 or more, or frozen_norms"
        )
