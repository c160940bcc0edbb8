"""Chapter 13: one table for all answers, on the same pictures by the same metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pydantic import Field, NonNegativeInt, field_validator
from torch import Tensor

from helpers.chapters import answers_made as made
from helpers.chapters import answers_rows as rows
from helpers.chapters import lavise, metric_assay, metric_trials, metrics
from helpers.chapters import training as chapter_03
from helpers.chapters.answers_bench import METRICS, Bench, bench, references, scored
from helpers.chapters.answers_clip import Sizes
from helpers.chapters.answers_filters import Lesson
from helpers.chapters.chapter import LicoChapter
from helpers.chapters.lavise_material import Material, material
from helpers.chapters.metric_methods import Budget, title
from helpers.chapters.probing_bench import Training as HeadTraining
from helpers.data import catalog
from helpers.explain.cam import coarse_grad_cam
from helpers.lab.runs import Run
from helpers.methods.heads import HEADS
from helpers.methods.lavise_settings import Naming, Teaching
from helpers.report.score_names import label
from helpers.settings import (
    DataSettings,
    Refused,
    RunSettings,
    TinyClip,
    nearest,
)

STUDY = "13_one_table-study"
CUED = metrics.CUED  # the assay's arm
METHOD = "gradcam"
HEAD_RATES = {"SGD": (3.0, 0.3)}
HEAD_BATCH = 64
SIZE = 64  # pixels a side of what the tiny CLIP takes
DRAWN = 64  # maps of an answer that are kept
Summary = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class OneSeed:
    """What one seed gives: a row an answer and a reference, and the answers' maps.

    Attributes:
        seed: of the trainings.
        rows: of the answers, by name.
        references: of maps that know nothing, or all, by name.
        maps: of the first pictures, by name, `[N, H, W]`, 64 of them at most.
    """

    seed: int
    rows: dict[str, dict[str, Any]]
    references: dict[str, dict[str, Any]]
    maps: dict[str, Tensor]


class Answers(LicoChapter):
    """The parameters of chapter 13."""

    seeds: list[NonNegativeInt] = Field([1], min_length=1, description="training seeds")
    variants: list[str] = Field(
        ["lico", "active"], description="rows that are runs of chapter 03"
    )
    judged: int = Field(48, ge=16, description="test pictures that are scored")
    areas: int = Field(8, ge=4, description="of them with insertion and deletion")
    grids: int = Field(24, ge=8, description="grids of 2 x 2 pictures")
    cue: float = Field(
        0.9, gt=0, le=1, description="class-background correlation of the assay"
    )
    assayed: int = Field(256, ge=0, description="test pictures of the assay, 0: none")
    assay_areas: int = Field(4, ge=4, description="of them with insertion, deletion")
    assay_grids: int = Field(64, ge=8, description="grids of the assay")
    head_epochs: int = Field(24, ge=1, description="passes over features, a head")
    bcos_head: str = Field("B-cos-1", description="B-cos-1, B-cos-2, B-cos-3")
    taught: int = Field(300, ge=8, description="pictures that teach an explainer")
    validated: int = Field(60, ge=4, description="pictures that choose its epoch")
    named: int = Field(200, ge=8, description="pictures in which filters are explained")
    passes: int = Field(20, ge=1, le=1000, description="epochs of an explainer")
    fitted: int = Field(128, ge=16, description="pictures that train a projection")
    fit_epochs: int = Field(12, ge=0, le=1000, description="of a projection")
    encoder_pictures: int = Field(
        300, ge=100, description="pictures of the encoder without labels"
    )
    encoder_epochs: int = Field(4, ge=1, le=1000, description="its epochs")

    @field_validator("variants")
    @classmethod
    def known_variants(cls, names: list[str]) -> list[str]:
        """Refuse a row that there is not, or that is given twice."""
        for name in names:
            if name not in rows.VARIANTS:
                known = list(rows.VARIANTS)
                raise ValueError(f"unknown row '{name}'{nearest(name, known)}")
        if len({*names}) < len(names):
            raise ValueError("give each row once")
        return names

    @field_validator("bcos_head")
    @classmethod
    def known_head(cls, name: str) -> str:
        """Refuse a head that is not of B-cos layers."""
        known = [one for one in HEADS if HEADS[one].kind == "B-cos"]
        if name not in known:
            raise ValueError(f"unknown head '{name}'{nearest(name, known)}")
        return name

    def check(self) -> None:
        """Raise `Refused` for pictures that some row cannot be made of, or no data."""
        if self.dataset != "scenes" or self.size != SIZE:
            raise Refused(
                "chapter 13 needs scenes of 64 pixels, which alone have captions, "
                "masks and a CLIP: take dataset=scenes and size=64, or judge networks "
                "on other pictures with python -m helpers.judge"
            )
        if max(self.judged, self.assayed) > self.test_pictures:
            raise Refused(
                f"{self.test_pictures} test pictures are fewer than 'judged' or "
                "'assayed': lower these"
            )
        super().check()

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return runs of chapter 03, the assay's cued network, and both CLIPs."""
        own = chapter_03.Training.of(
            **{name: getattr(self, name) for name in LicoChapter.model_fields}
            | {"few_seeds": self.seeds, "variants": [rows.BASELINE, *self.variants]}
        )
        cued = self.each(self.data(cue=self.cue), self.cross_entropy(), self.seeds)
        words = DataSettings(train=self.clip_pictures)
        clip = TinyClip(epochs=self.clip_epochs)
        other = clip.model_copy(update={"captions": "shuffled"})
        return {
            **own.arms(),
            CUED: cued,
            rows.CLIP: self.each(words, clip, self.seeds),
            rows.CLIP_SHUFFLED: self.each(words, other, self.seeds),
        }

    def material(self) -> Material:
        """Return the pictures and words by which filters are named."""
        counts = (self.taught, self.validated, self.named)
        return material("mixed", "own", counts, self.size)

    def bench(self) -> Bench:
        """Return what every answer is scored on."""
        test = catalog.load(self.data(), "test")
        return bench(test, self.judged, self.areas, self.grids)

    def answers(
        self, arms: Mapping[str, list[Run]], at: int, known: Material
    ) -> list[made.Answer]:
        """Return every answer of the seed at a place, in the order of the table."""
        base = arms[rows.BASELINE][at]
        test = catalog.load(self.data(), "test")
        heads = HeadTraining(self.head_epochs, HEAD_BATCH, HEAD_RATES)
        teaching = Teaching(epochs=self.passes, lr=lavise.RATE)
        sizes = Sizes(
            self.fitted, self.fit_epochs, self.encoder_pictures, self.encoder_epochs
        )
        found = [
            *made.runs_of(arms, [rows.BASELINE, *self.variants], at),
            *made.probed(base, heads, self.bcos_head),
            *made.by_filters(base, known, Lesson(teaching, Naming())),
            *made.of_clip(arms[rows.CLIP][at], test, sizes, words=True),
            *made.of_clip(arms[rows.CLIP_SHUFFLED][at], test, sizes, words=False),
        ]
        order = rows.ordered(one.name for one in found)
        return sorted(found, key=lambda one: order.index(one.name))

    def asked(
        self, arms: Mapping[str, list[Run]], at: int, shown: Bench, known: Material
    ) -> OneSeed:
        """Return the scores of every answer of the seed at a place."""
        run = arms[rows.BASELINE][at]
        network, labels = run.model(), shown.pictures.labels[:1]
        one = shown.images[:1].to(self.device)
        coarse = coarse_grad_cam(network, one, labels.to(self.device))
        cells = (coarse.shape[1], coarse.shape[2])
        scores, maps = {}, {}
        for answer in self.answers(arms, at, known):
            scores[answer.name], found = scored(answer, shown, cells)
            maps[answer.name] = found[:DRAWN].clone()
        levels = references(network, shown, cells)
        return OneSeed(run.settings.seed, scores, levels, maps)

    def assay(self, arms: Mapping[str, list[Run]]) -> pd.DataFrame | None:
        """Return chapter 05's trial of the metrics with Grad-CAM; None if not asked."""
        if not self.assayed:
            return None
        own = {name: arms[name] for name in (metrics.BASELINE, CUED)}
        test = catalog.load(self.data(), "test")
        pairs = metric_trials.known_pairs(own, test)
        budget = Budget(many=self.assayed, few=self.assay_areas)
        return metric_assay.assay(
            pairs, [METHOD], budget, self.assay_grids, self.device
        )

    def told(self, found: list[OneSeed], trial: pd.DataFrame | None) -> dict[str, Any]:
        """Return what a record keeps of some seeds and of the trial, JSON-ready."""
        kept: dict[str, Any] = {"rows": {}, "references": {}}
        for one in found:
            for part, given in (("rows", one.rows), ("references", one.references)):
                for name, row in given.items():
                    kept[part].setdefault(name, {})[str(one.seed)] = row
        tried = {name: f"{label(name)} was not tried on this page." for name in METRICS}
        heard: list[str] = []
        if trial is not None:
            heard = metric_assay.may_judge(trial, title(METHOD))
            tried = {
                name: metric_assay.standing(trial, name, title(METHOD))
                for name in METRICS
            }
        return {
            "parameters": self.model_dump(),
            "may judge": [name for name in METRICS if name in heard],
            "standing": tried,
            **kept,
        }

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return every score that the table and the verdicts need."""
        shown, known = self.bench(), self.material()
        places = range(len(self.seeds))
        found = [self.asked(arms, at, shown, known) for at in places]
        return self.told(found, self.assay(arms))
