"""Chapter 10: LaViSE names filters; its claims, and the filters of LICO's networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from pydantic import Field, NonNegativeInt
from torch import nn

from helpers.chapters import lavise_naming as benches
from helpers.chapters import lavise_novel as novel
from helpers.chapters import lavise_photographs as photographs
from helpers.chapters import lavise_switches as switches
from helpers.chapters.chapter import LicoChapter
from helpers.chapters.lavise_alexnet import CELLS, trained_alexnet
from helpers.chapters.lavise_material import (
    Material,
    check_reference,
    check_vectors,
    material,
)
from helpers.chapters.lavise_swapped import swapped_canvas
from helpers.chapters.training import Training
from helpers.lab.runs import Run
from helpers.methods.lavise_settings import Naming, Teaching
from helpers.report.reference_table import PUBLISHED, reference_table
from helpers.settings import Refused, RunSettings

BASELINE = "ce"
ALONE = ("untaught explainer",)  # the control of a network in the comparison of arms
RATE = 3e-3  # learning rate of the explainers
POSITIONS = 2  # cells a side where positions are kept, as AlexNet keeps 6
HOW = "the check on photographs: -p extractor=NETWORK:FILE -p reference=coco:PATH"
HOW = f"{HOW} -p vectors=file:PATH"
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class OneSeed:
    """What is found of the networks of one training seed.

    Attributes:
        seed: of the training.
        bench: of the baseline's last layer.
        held: the same filters, explained without whole categories.
        settings: claim 3's rows, a network and layer each.
        networks: a row an arm of chapter 03.
    """

    seed: int
    bench: benches.Bench
    held: novel.HeldOut
    settings: dict[str, Row]
    networks: dict[str, Row]


class Lavise(LicoChapter):
    """The parameters of chapter 10."""

    seeds: list[NonNegativeInt] = Field([1], min_length=1, description="training seeds")
    variants: list[str] = Field(["losses"], min_length=1, description="arms or groups")
    reference: str = Field("mixed", description="mixed, scenes, coco:PATH, vg:PATH")
    vectors: str = Field("own", description="own, or file:PATH of GloVe's text")
    taught: int = Field(700, ge=8, description="pictures that teach an explainer")
    validated: int = Field(150, ge=4, description="pictures that choose its epoch")
    named: int = Field(400, ge=8, description="pictures in which filters are explained")
    passes: int = Field(20, ge=1, le=1000, description="epochs of an explainer")
    top: int = Field(25, ge=1, description="pictures of a filter, p")
    attention: Literal["scalar", "elementwise", "none", "activation"] = Field(
        "scalar", description="scalar, elementwise, none, activation"
    )
    held_out: float = Field(
        0.3, gt=0, lt=1, description="share of the categories that claim 2 holds out"
    )
    earlier: str = Field("blocks.2", description="another layer, by its name")
    alexnet_epochs: int = Field(
        0, ge=0, le=1000, description="of an AlexNet-like network, 0: none"
    )
    extractor: str = Field("none", description="none, or NETWORK:FILE for photographs")

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return the networks of chapter 03."""
        shared = {name: getattr(self, name) for name in LicoChapter.model_fields}
        changed: dict[str, Any] = {"few_seeds": self.seeds, "variants": self.variants}
        return Training.of(**shared | changed).arms()

    def check(self) -> None:
        """Raise `Refused` if data, device, reference data or vectors are not there."""
        check_reference(self.reference)
        check_vectors(self.vectors)
        photographs.check(self.extractor)
        if BASELINE not in self.arms():
            raise Refused(f"chapter 10 explains '{BASELINE}': have it in 'variants'")
        super().check()

    def material(self) -> Material:
        """Return the reference pictures and words."""
        counts = (self.taught, self.validated, self.named)
        return material(self.reference, self.vectors, counts, self.size)

    def table_1(self, known: Material) -> pd.DataFrame:
        """Return how much reference data there is, beside the published table 1."""
        kind = self.reference.partition(":")[0].upper()
        teach, validate, _ = known.listed
        published = kind if kind in PUBLISHED else None
        return reference_table(teach, validate, published)

    def teaching(self) -> Teaching:
        """Return how explainers are taught here."""
        return Teaching(epochs=self.passes, lr=RATE)

    def naming(self) -> Naming:
        """Return how filters are explained here."""
        return Naming(top=self.top, attention=self.attention)

    def bench(
        self, network: nn.Module, known: Material, seed: int, **changed: Any
    ) -> benches.Bench:
        """Return a network's filters, named, beside the controls."""
        teaching, naming = self.teaching(), self.naming()
        return benches.bench(
            network, known, self.dataset, teaching, naming, seed, **changed
        )

    def measured(
        self, arms: Mapping[str, Sequence[Run]], place: int, known: Material
    ) -> OneSeed:
        """Return all that is asked of the networks of the seed at this place."""
        run = arms[BASELINE][place]
        seed = run.settings.seed
        own = self.bench(run.model(), known, seed)
        rows = {"last layer": benches.row(own, known)}
        for name, changed in (
            ("earlier layer", {"layer": self.earlier}),
            ("positions kept", {"cells": POSITIONS}),
        ):
            one = self.bench(run.model(), known, seed, **changed)
            rows[name] = benches.row(one, known)
        if self.alexnet_epochs:
            rows["AlexNet-like"] = self._alexnet(known, seed)
        held = novel.hold_out(own, known, self.teaching(), self.held_out, seed)
        networks = {BASELINE: _with_accuracy(rows["last layer"], run)}
        for arm, runs in arms.items():
            if arm != BASELINE and place < len(runs):
                networks[arm] = self._network(runs[place], known)
        return OneSeed(seed, own, held, rows, networks)

    def of_seeds(self, found: Sequence[OneSeed], known: Material) -> dict[str, Any]:
        """Return what the claims and the comparison need of some seeds, JSON-ready."""
        settings: dict[str, Row] = {}
        networks: dict[str, Row] = {}
        for one in found:
            for name, row in one.settings.items():
                settings.setdefault(name, {})[str(one.seed)] = row
            for arm, row in one.networks.items():
                networks.setdefault(arm, {})[str(one.seed)] = row
        return {
            "parameters": self.model_dump(),
            "settings": settings,
            "held out": {str(one.seed): novel.row(one.held, known) for one in found},
            "networks": networks,
        }

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return every recall that the claims and the comparison need."""
        known = self.material()
        places = range(len(arms[BASELINE]))
        return self.of_seeds([self.measured(arms, i, known) for i in places], known)

    def photographs(self) -> photographs.Checked | None:
        """Return the check on photographs, or None with a line on how to ask for it."""
        if self.extractor == "none" or self.vectors == "own":
            print(HOW)
            return None
        return photographs.photographs_checked(
            self.extractor,
            self.reference,
            self.vectors,
            Teaching(epochs=2 * self.passes, batch=64),
            Naming(top=5, attention=self.attention),
            self.seeds[0],
        )

    def optimum(self, one: OneSeed, known: Material) -> pd.DataFrame:
        """Return how near the explainer's vectors are to the loss's optimum."""
        return switches.optimum(one.bench, known, self.teaching())

    def readings(self, run: Run, one: OneSeed, known: Material) -> pd.DataFrame:
        """Return recall@s of each reading of the maps."""
        return switches.attentions(one.bench, known, run.model(), self.dataset)

    def defects(self, run: Run, one: OneSeed, known: Material) -> list[switches.Moved]:
        """Return what each defect of the published codes does to recall@5."""
        network, teaching = run.model(), self.teaching()
        encode = switches.as_encoder(network)
        found = switches.defects(
            one.bench, known, teaching, encode, self.dataset, one.seed
        )
        boxes = swapped_canvas(
            one.bench, known, teaching, network, self.dataset, one.seed
        )
        return [*found, boxes]

    def _network(self, run: Run, known: Material) -> Row:
        own = self.bench(run.model(), known, run.settings.seed, controls=ALONE)
        return _with_accuracy(benches.row(own, known), run)

    def _alexnet(self, known: Material, seed: int) -> Row:
        network, accuracy = trained_alexnet(self.data(), self.alexnet_epochs, seed)
        own = self.bench(network, known, seed, cells=CELLS)
        return {**benches.row(own, known), "accuracy": {"test": accuracy}}


def checked_recalls(found: photographs.Checked | None) -> pd.DataFrame:
    """Return the recalls of the check on photographs, or a row that there is none."""
    return _asked_for(None if found is None else found.recalls)


def checked_words(found: photographs.Checked | None) -> pd.DataFrame:
    """Return the words of some filters in photographs, or a row that there are none."""
    return _asked_for(None if found is None else found.words)


def checked_counts(found: photographs.Checked | None) -> pd.DataFrame:
    """Return how many there were of everything, or a row that there was nothing."""
    return _asked_for(None if found is None else found.counts)


def _asked_for(found: pd.DataFrame | None) -> pd.DataFrame:
    if found is None:
        return pd.DataFrame({"photographs": ["not asked for"]})
    return found


def _with_accuracy(row: Row, run: Run) -> Row:
    record = run.record
    kept = ("accuracy", "trained_out")
    return {**row, **{name: record[name] for name in kept}}
