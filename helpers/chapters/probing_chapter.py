"""Chapter 11: a head's loss, optimiser, bias and depth, and what its maps then say."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field, NonNegativeInt, field_validator

from helpers.chapters import probing_backbones as backbones
from helpers.chapters import probing_confounds as confounds
from helpers.chapters import probing_labels as labels
from helpers.chapters import probing_lico as lico
from helpers.chapters import probing_methods as methods
from helpers.chapters import training as chapter_03
from helpers.chapters.chapter import LicoChapter
from helpers.chapters.probing import Arm, Probe, crossed
from helpers.chapters.probing_bench import (
    Bench,
    Data,
    Frozen,
    Training,
    at_best_rate,
    benches,
    freeze,
    with_centred,
)
from helpers.chapters.probing_cells import compactness
from helpers.chapters.probing_claims import HEADS
from helpers.data import catalog
from helpers.lab.runs import Run
from helpers.measure.aggregate import aggregate
from helpers.measure.shared_grids import LEAST_GRIDS
from helpers.methods.heads import HEADS as KNOWN
from helpers.methods.mean_weight import mean_weight_share
from helpers.methods.self_supervised import Pretraining
from helpers.report.records import packed
from helpers.settings import Refused, RunSettings, nearest
from helpers.vision.vit import SceneViT

STUDY = "11_probing-study"
MAIN = ("ce", "lico")  # runs of chapter 03
CLIP = "tiny-clip"
OTHERS = ("untrained", "simclr", CLIP, "b-cos")
APART = ("untrained",)  # it names too little right to share grids
TWIN = "another seed"
LOSSES = ("ce", "bce")
ELSEWHERE = ("linear", "MLP-2")  # heads on networks other than the baseline
SORTED = 40  # grids whose maps are sorted for Gini
SIDE = 2  # pictures a row of a grid


class Probing(LicoChapter):
    """The parameters of chapter 11."""

    seeds: list[NonNegativeInt] = Field([1], min_length=1, description="training seeds")
    heads: list[str] = Field(
        ["linear", "linear, no bias"],
        min_length=1,
        description="heads on the baseline, linear among them",
    )
    head_epochs: int = Field(16, ge=1, description="passes over features, a head")
    head_batch: int = Field(64, ge=2, description="pictures a step of a head")
    sgd_rates: list[float] = Field(
        [3.0, 0.3], min_length=1, description="learning rates that SGD tries, falling"
    )
    adam_rates: list[float] = Field(
        [0.01, 0.001], min_length=1, description="those that Adam tries, falling"
    )
    networks: list[str] = Field(
        ["untrained"],
        description="further networks: untrained, simclr, tiny-clip, b-cos",
    )
    grids: int = Field(LEAST_GRIDS, ge=LEAST_GRIDS, description="grids of 2 x 2")
    methods: list[str] = Field(
        ["gradcam", "gradcampp", "ixg", "guided", "lrp"],
        min_length=1,
        description="saliency methods by name",
    )
    method_grids: int = Field(8, ge=2, description="grids of the methods' table")
    lime_grids: int = Field(0, ge=0, description="grids of LIME's switch, 0 for none")
    labelled: int = Field(360, ge=12, description="scenes of several classes")
    pretrain_pictures: int = Field(2000, ge=16, description="pictures without labels")
    pretrain_epochs: int = Field(20, ge=1, description="passes over them")
    tokens_epochs: int = Field(0, ge=0, description="passes of the small transformer")
    bcos_epochs: int = Field(40, ge=1, description="passes of the B-cos network")

    @field_validator("heads")
    @classmethod
    def known_heads(cls, heads: list[str]) -> list[str]:
        """Refuse a head that is unknown or given twice, and heads without a linear."""
        for name in heads:
            if name not in KNOWN:
                raise ValueError(f"unknown head '{name}'{nearest(name, [*KNOWN])}")
        if len({*heads}) < len(heads) or "linear" not in heads:
            raise ValueError("give each head once, 'linear' among them")
        return heads

    @field_validator("networks")
    @classmethod
    def known_networks(cls, networks: list[str]) -> list[str]:
        """Refuse a network that is unknown or given twice."""
        for name in networks:
            if name not in OTHERS:
                raise ValueError(f"unknown network '{name}'{nearest(name, [*OTHERS])}")
        if len({*networks}) < len(networks):
            raise ValueError("give each network once")
        return networks

    @field_validator("methods")
    @classmethod
    def known_methods(cls, names: list[str]) -> list[str]:
        """Refuse a method that convolutional networks do not have."""
        methods.check_methods(names)
        return names

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return chapter 03's baseline and LICO, and the tiny CLIP if asked for."""
        own = chapter_03.Training.of(
            **{name: getattr(self, name) for name in LicoChapter.model_fields}
            | {"few_seeds": self.seeds, "variants": list(MAIN)}
        )
        clip = {CLIP: [self.clip()]} if CLIP in self.networks else {}
        # Of one seed the twin is the next one, which chapter 03 trains as well.
        twins = [*self.seeds[1:], self.seeds[0]]
        if len(self.seeds) == 1:
            twins = [self.seeds[0] + 1]
        again = {TWIN: self.each(self.data(), own.method("ce"), twins)}
        return {**own.arms(), **again, **clip}

    def check(self) -> None:
        """Raise `Refused` if data or device are not there, or a size has no patches."""
        if self.size % SceneViT.cell:
            raise Refused(
                f"parameter 'size' = {self.size}: the small transformer here needs a "
                f"multiple of {SceneViT.cell}"
            )
        super().check()

    def training(self) -> Training:
        """Return how heads are trained here."""
        rates = {"SGD": self.sgd_rates, "Adam": self.adam_rates}
        return Training(self.head_epochs, self.head_batch, rates)

    def material(self) -> Data:
        """Return the pictures of heads, of their rates and of their maps."""
        parts = [catalog.load(self.data(), s) for s in ("train", "validation", "test")]
        return Data(*parts)

    def heads_of(self, network: str) -> list[Arm]:
        """Return the heads on a network, losses and optimisers crossed."""
        if network in APART:
            return crossed(["linear"], LOSSES, ["SGD"])
        heads = self.heads
        if network != "ce":
            heads = [name for name in heads if name in ELSEWHERE]
        return crossed(heads, LOSSES, ["SGD", "Adam"])

    def frozen(
        self, arms: dict[str, list[Run]], place: int, data: Data
    ) -> list[Frozen]:
        """Return the networks of one seed with their features."""
        seed = arms["ce"][place].settings.seed
        found = {name: arms[name][place].model() for name in MAIN}
        for name in self.networks:
            if name == "untrained":
                found[name] = backbones.untrained(data.classes, seed)
            elif name == CLIP:
                found[name] = backbones.clip_tower(arms[CLIP][0].model())
            elif name == "b-cos":
                found[name] = backbones.b_cos(data.train, self.bcos_epochs, seed)
            else:
                wide = self.data().model_copy(update={"train": self.pretrain_pictures})
                how = Pretraining(
                    epochs=self.pretrain_epochs,
                    batch=min(100, self.pretrain_pictures // 2),
                )
                pictures = catalog.load(wide, "train")
                found[name] = backbones.without_labels(pictures, how, seed)
        return [freeze(name, network, data) for name, network in found.items()]

    def benches(self, frozen: Sequence[Frozen], seed: int) -> dict[str, Bench]:
        """Return the networks with their trained heads and the grids they share."""
        arms = {one.name: self.heads_of(one.name) for one in frozen}
        return benches(frozen, arms, self.training(), seed, SIDE, self.grids, APART)

    def page(
        self, arms: dict[str, list[Run]], place: int, found: dict[str, Bench]
    ) -> dict[str, Any]:
        """Return a summary of one seed that holds its heads alone, so far."""
        seed = arms["ce"][place].settings.seed
        row = {
            "trained out": [arms[name][place].record["trained_out"] for name in MAIN],
            "networks": {name: network_row(bench) for name, bench in found.items()},
        }
        return {"parameters": self.model_dump(), "arms": {HEADS: {str(seed): row}}}

    def row(self, arms: dict[str, list[Run]], place: int, data: Data) -> dict[str, Any]:
        """Return all numbers of one seed."""
        seed = arms["ce"][place].settings.seed
        found = self.benches(self.frozen(arms, place, data), seed)
        return self.page(arms, place, found)["arms"][HEADS][str(seed)] | {
            "methods": self.methods_of(found["ce"], seed),
            "confounds": self.switches_of(found["ce"], seed),
            "tokens": self.tokens_of(data, seed),
            "labels": self.labels_of(found["ce"], seed),
            "lico": self.lico_of(arms, place, found),
        }

    def lico_of(
        self, arms: dict[str, list[Run]], place: int, found: dict[str, Bench]
    ) -> dict[str, Any]:
        """Return what moves maps: the head's loss, LICO, the seed; `[optimiser]`."""
        run, how = arms[TWIN][place], self.training()
        twin = freeze("twin", run.model(), found["ce"].frozen.data)
        rows = {}
        for name in how.rates:
            arm = Arm("linear", "ce", name)
            head = at_best_rate(arm, twin, how, run.settings.seed).head
            rows[name] = lico.compared(found, name, (twin, head))
        return rows

    def methods_of(self, bench: Bench, seed: int) -> dict[str, dict[str, float]]:
        """Return GridPG `[head][method]` of linear heads, a random one among them."""
        how, few = methods.how_for(bench.frozen.data.test), self.method_grids
        heads = {one.upper(): bench.head(Arm("linear", one, "SGD")) for one in LOSSES}
        heads[methods.RANDOM] = methods.never_trained(bench, "linear", seed)
        return methods.by_method(bench, heads, self.methods, few, how)

    def switches_of(self, bench: Bench, seed: int) -> list[dict[str, Any]]:
        """Return the confounds of linear heads under SGD, a row each."""
        ce, bce = (Arm("linear", one, "SGD") for one in LOSSES)
        how = self.training()
        made = confounds.all_switches(bench, (ce, bce), how, seed, self.lime_grids)
        return [vars(one) for one in made]

    def tokens_of(self, data: Data, seed: int) -> dict[str, Any]:
        """Return GridPG of methods on attention, `[head][method]`, and accuracies."""
        network = backbones.transformer(data.train, self.tokens_epochs, seed)
        arms = crossed(["linear"], LOSSES, ["SGD"])
        heads = methods.token_heads(network, data, arms, self.training(), seed)
        given = {name: probe.head for name, probe in heads.items()}
        few = max(2, self.method_grids // 2)
        return {
            "accuracy": {name: probe.accuracy for name, probe in heads.items()},
            "gridpg": methods.on_tokens(network, given, data.test, few),
        }

    def labels_of(self, bench: Bench, seed: int) -> dict[str, Any]:
        """Return scores of heads for several labels, by their arm's name."""
        if self.dataset != "scenes":
            return {}  # boxes of several classes are drawn with scenes alone
        data = labels.several(bench.frozen.network, self.labelled, self.size)
        heads = [name for name in self.heads if name in ELSEWHERE]
        arms = crossed(heads, ("bce", "bce-uniform"), ["SGD", "Adam"])
        return labels.rows(data, arms, self.training(), seed)

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return a row a seed: what every claim of the chapter is judged by."""
        data = self.material()
        return {
            "parameters": self.model_dump(),
            "arms": {
                HEADS: {
                    str(run.settings.seed): self.row(arms, place, data)
                    for place, run in enumerate(arms["ce"])
                }
            },
        }


def network_row(bench: Bench) -> dict[str, Any]:
    """Return what is kept of a network's heads, and what it knows without one."""
    return {
        "fair": bench.fair,
        "grids": len(bench.grids.rows),
        "usable": bench.grids.usable,
        "known": backbones.known(bench.frozen),
        "arms": {probe.arm.name: probe_row(bench, probe) for probe in bench.probes},
    }


def probe_row(bench: Bench, probe: Probe) -> dict[str, Any]:
    """Return what is kept of a head: accuracy, rate, mean weight, scores a grid."""
    own, even = with_centred(bench, probe.head)
    maps = bench.maps(probe.head)[:SORTED]
    gathered, spread = compactness(maps, bench.grids.side, bench.size)
    row: dict[str, Any] = {
        "accuracy": probe.accuracy,
        "rate": probe.recipe.lr,
        "gridpg": packed(own.tolist()),
        "gini": _mean(gathered),
        "entropy": _mean(spread),
    }
    if probe.head.shape.kind == "standard":
        row["share"] = mean_weight_share(probe.head)
    if even is not None:
        row["centred"] = packed(even.tolist())
    return row


def _mean(values: Any) -> float | None:
    mean = aggregate(values).mean
    return None if mean != mean else mean
