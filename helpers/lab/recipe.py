"""What a run of any method is made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from helpers.settings import RunSettings

if TYPE_CHECKING:
    import lightning.pytorch as pl

    Trainable = tuple[pl.LightningModule, tuple[Tensor, ...]]


def no_runs(_: RunSettings) -> tuple[RunSettings, ...]:
    """Return the runs that a run starts from where it starts from none."""
    return ()


def no_file(_: RunSettings) -> str:
    """Return what identifies other input than the pictures where there is none."""
    return ""


@dataclass(frozen=True)
class Recipe:
    """What a run is made of.

    Attributes:
        check: raises `Refused` where method and data do not go together.
        network: the untrained network.
        module_and_tensors: the module to train, initialised, and the rows it sees;
            it is given the trained networks of `needs`.
        score: the scores of the trained network, JSON-ready.
        trained_by: the module whose code, with what it imports, decides the weights.
        scored_by: the module whose code decides the scores.
        needs: the runs that this one starts from.
        fingerprint: what identifies other input than the pictures.
    """

    check: Callable[[RunSettings], None]
    network: Callable[[RunSettings], nn.Module]
    module_and_tensors: Callable[[RunSettings, Sequence[nn.Module]], "Trainable"]
    score: Callable[[RunSettings, nn.Module], dict[str, Any]]
    trained_by: tuple[str, ...]
    scored_by: tuple[str, ...]
    needs: Callable[[RunSettings], tuple[RunSettings, ...]]
    fingerprint: Callable[[RunSettings], str]
