"""Chapter 11: heads on one frozen network, each at its own rate, and their grids.

The rate of each head is the one of best validation accuracy; no map is looked at. All
heads that are compared play on the same grids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from helpers.chapters.probing import (
    Arm,
    Probe,
    accuracy,
    planned,
    probe,
)
from helpers.chapters.probing_cells import cell_gridpg, grid_cells, head_maps
from helpers.data.catalog import Pictures
from helpers.measure.grid_pointing import draw_grids
from helpers.measure.shared_grids import LEAST_GRIDS, SharedGrids, shared_grids
from helpers.methods.heads import Head
from helpers.methods.mean_weight import centred
from helpers.methods.probing import RECIPES, Cached, Recipe, cached, predicted
from helpers.settings import Refused
from helpers.streams import stream

# The recipe that each optimiser is used with; rate, epochs and batch are this book's.
OPTIMISERS = {"SGD": "repository", "Adam": "document"}


@dataclass(frozen=True, eq=False)
class Data:
    """Pictures that heads are trained on, those that choose rates, those of maps."""

    train: Pictures
    validation: Pictures
    test: Pictures

    @property
    def classes(self) -> int:
        """Number of classes K."""
        return len(self.train.class_names)


@dataclass(frozen=True)
class Training:
    """How long heads are trained, and the rates that each optimiser tries."""

    epochs: int
    batch: int
    rates: Mapping[str, Sequence[float]]

    def recipe(self, optimiser: str, lr: float) -> Recipe:
        """Return an optimiser's recipe at a rate.

        Raises:
            Refused: an unknown optimiser.
        """
        if optimiser not in OPTIMISERS:
            known = " and ".join(OPTIMISERS)
            raise Refused(f"unknown optimiser '{optimiser}': take {known}")
        known_recipe = RECIPES[OPTIMISERS[optimiser]]
        return replace(known_recipe, lr=lr, epochs=self.epochs, batch=self.batch)


@dataclass(frozen=True, eq=False)
class Frozen:
    """A network that is not trained any more, and its features of all pictures."""

    name: str
    network: nn.Module
    data: Data
    train: Cached
    validation: Cached
    test: Cached


@dataclass(frozen=True, eq=False)
class Bench:
    """Heads on one frozen network, and the grids on which they are compared.

    Attributes:
        frozen: the network.
        probes: the heads.
        grids: which pictures stand where.
        fair: whether all heads get all pictures of the grids right.
        cells: features of the grids, `[G, C, n h, n w]`.
    """

    frozen: Frozen
    probes: tuple[Probe, ...]
    grids: SharedGrids
    fair: bool
    cells: Tensor

    @property
    def size(self) -> int:
        """Pixels of a picture's side."""
        return self.frozen.data.test.images.shape[-1]

    def head(self, arm: Arm) -> Head:
        """Return the head of an arm."""
        return self.probe(arm).head

    def probe(self, arm: Arm) -> Probe:
        """Return an arm's trained head with what is known of it.

        Raises:
            Refused: an arm that was not trained.
        """
        found = [one for one in self.probes if one.arm == arm]
        if not found:
            known = "; ".join(one.arm.name for one in self.probes)
            raise Refused(f"no head '{arm.name}' was trained here: {known}")
        return found[0]

    def maps(self, head: Head) -> Tensor:
        """Return coarse Grad-CAM of all classes of all grids, `[G, n^2, n h, n w]`."""
        return head_maps(head, self.cells, self.frozen.data.test.labels, self.grids)

    def gridpg(self, head: Head) -> Tensor:
        """Return GridPG of a head, a value a grid, `[G]`."""
        return cell_gridpg(self.maps(head), self.grids.side, self.size)


def freeze(name: str, network: nn.Module, data: Data) -> Frozen:
    """Return a network with its features of all pictures, computed once."""
    parts = [
        cached(network, one.normalised(), one.labels)
        for one in (data.train, data.validation, data.test)
    ]
    return Frozen(name, network, data, *parts)


def at_best_rate(
    arm: Arm, frozen: Frozen, training: Training, seed: int, prior: bool = True
) -> Probe:
    """Return the head at the rate that gives it the best validation accuracy.

    Of equally good rates the first. A rate at which the loss is no longer finite is
    passed over.

    Raises:
        Refused: an unknown head, loss or optimiser; no rate at which it trains.
    """
    classes = frozen.data.classes
    best: tuple[float, Probe] | None = None
    failed: Refused | None = None
    for lr in training.rates.get(arm.recipe, ()):
        recipe = training.recipe(arm.recipe, lr)
        plan = planned(arm, recipe, classes if prior else None)
        try:
            found = probe(arm, plan, seed, frozen.train, frozen.test, classes)
        except Refused as refusal:
            failed = refusal
            continue
        right = accuracy(found.head, frozen.validation)
        if best is None or right > best[0]:
            best = right, found
    if best is None:
        raise failed or Refused(f"no rate is given for optimiser '{arm.recipe}'")
    return best[1]


def heads_on(
    frozen: Frozen, arms: Sequence[Arm], training: Training, seed: int
) -> tuple[Probe, ...]:
    """Return the heads of all arms, each at its best rate."""
    return tuple(at_best_rate(arm, frozen, training, seed) for arm in arms)


def boards(
    logits: Mapping[str, Tensor], labels: Tensor, side: int, count: int = LEAST_GRIDS
) -> tuple[SharedGrids, bool]:
    """Return grids of pictures that all heads get right, and True; else any, and False.

    The second only where too few classes have a picture that all get right, as in a
    trial run: such grids show that the page runs and compare nothing.
    """
    try:
        return shared_grids(logits, labels, side, 0, count), True
    except Refused:
        rows = draw_grids(labels, side, count, stream(0, "grids", side))
        known = len(labels.unique())
        return SharedGrids(rows, side, len(labels), len(labels), known), False


def played(
    frozen: Frozen, probes: Sequence[Probe], grids: SharedGrids, fair: bool
) -> Bench:
    """Return heads with the features of their grids."""
    images = frozen.data.test.normalised()
    cells = grid_cells(frozen.network, images, grids)
    return Bench(frozen, tuple(probes), grids, fair, cells)


def benches(
    frozen: Sequence[Frozen],
    arms: Mapping[str, Sequence[Arm]],
    training: Training,
    seed: int,
    side: int = 2,
    count: int = LEAST_GRIDS,
    apart: Sequence[str] = (),
) -> dict[str, Bench]:
    """Return a bench a network, all on the same grids but those `apart`.

    A network apart, as an untrained one, gets so little right that grids of what all
    get right would shrink: it has grids of its own.
    """
    probes = {one.name: heads_on(one, arms[one.name], training, seed) for one in frozen}
    logits: dict[str, dict[str, Tensor]] = {"": {}}
    for one in frozen:
        group = logits.setdefault(one.name if one.name in apart else "", {})
        for each in probes[one.name]:
            group[f"{one.name}: {each.name}"] = predicted(each.head, one.test)
    labels = frozen[0].test.targets
    found = {
        group: boards(some, labels, side, count)
        for group, some in logits.items()
        if some
    }
    return {
        one.name: played(
            one, probes[one.name], *found[one.name if one.name in apart else ""]
        )
        for one in frozen
    }


def with_centred(bench: Bench, head: Head) -> tuple[Tensor, Tensor | None]:
    """Return GridPG of a linear head, and of its copy with centred weights, `[G]` each.

    The second is None for another head.
    """
    own = bench.gridpg(head)
    return own, bench.gridpg(centred(head)) if head.is_linear else None
