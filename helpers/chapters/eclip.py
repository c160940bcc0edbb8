"""Chapter 12: CLIP's own maps, why they may fail, and masked max pooling."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, field_validator

from helpers.chapters import eclip_projections, eclip_towers
from helpers.chapters.chapter import Chapter
from helpers.chapters.eclip_kept import kept_numbers
from helpers.chapters.eclip_material import (
    QUANTILE,
    RATE,
    READING,
    Clip,
    clip_of,
    open_reader,
    small_reader,
)
from helpers.chapters.eclip_pictures import Shown, pictures
from helpers.chapters.eclip_projections import (
    SELF,
    UNTRAINED,
    Free,
)
from helpers.chapters.eclip_rows import TINY, Bench, for_record, row
from helpers.chapters.eclip_towers import OWN, check_towers, cue_of
from helpers.data import folder_checks
from helpers.lab.runs import Run
from helpers.language.open_models import check_open_model
from helpers.methods.eclip import Fitting
from helpers.settings import DataSettings, RunSettings, TinyClip


class Eclip(Chapter):
    """The parameters of chapter 12."""

    dataset: str = Field(
        "scenes", description="scenes, imagenet-s50:PATH, folder:PATH, cifar10"
    )
    vlm: str = Field(
        TINY, description="tiny, MODEL/TAG of open_clip, MODEL:FILE, MODEL:random"
    )
    reading: Literal["value", "token"] = Field(
        READING, description="of a ResNet's places: value, token"
    )
    pictures: int = Field(320, ge=50, description="pictures that train a projection")
    validated: int = Field(64, ge=8, description="pictures that choose a threshold")
    test_pictures: int = Field(160, ge=8, description="pictures that are judged")
    epochs: int = Field(12, ge=0, le=1000, description="of a projection")
    batch: int = Field(64, ge=2, description="pictures that must find their texts")
    lr: float = Field(RATE, gt=0, le=1, description="of a projection, at the start")
    temperature: float = Field(
        0.07, ge=0.01, le=10, description="similarities are divided by it"
    )
    quantile: float = Field(
        QUANTILE, ge=0, lt=1, description="share of the places that is masked"
    )
    encoder_pictures: int = Field(
        300, ge=100, description="pictures of the encoder without labels"
    )
    encoder_epochs: int = Field(4, ge=1, le=1000, description="its epochs")
    towers: list[str] = Field(
        [OWN], min_length=1, description="CNN, ViT, and their variants"
    )
    tower_pictures: int = Field(12000, ge=48, description="of a tower trained here")
    tower_epochs: int = Field(6, ge=1, description="its epochs")
    clip_pictures: int = Field(12000, ge=16, description="scenes with captions")
    clip_epochs: int = Field(2, ge=1, description="passes over scenes and captions")
    seeds: list[NonNegativeInt] = Field([1], min_length=1, description="training seeds")
    device: str = Field("cpu", description="cpu, cuda, cuda:1, mps")

    @field_validator("seeds")
    @classmethod
    def each_seed_once(cls, seeds: list[int]) -> list[int]:
        """Refuse a seed that is given twice: it is one unit of inference."""
        if len({*seeds}) < len(seeds):
            raise ValueError("give each seed once")
        return seeds

    @field_validator("towers")
    @classmethod
    def known_towers(cls, towers: list[str]) -> list[str]:
        """Refuse a tower that there is not, or that is given twice."""
        return check_towers(towers)

    def names(self) -> list[str]:
        """Return the CLIPs that are looked at, by their names in tables."""
        return self.towers if self.vlm == TINY else [self.vlm]

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return the tiny CLIP of each seed: a run of the laboratory."""
        if self.vlm != TINY:
            return {}
        made = [
            RunSettings(
                data=DataSettings(train=self.clip_pictures),
                method=TinyClip(epochs=self.clip_epochs),
                seed=seed,
                device=self.device,
            )
            for seed in self.seeds
        ]
        return {OWN: made}

    def check(self) -> None:
        """Raise `Refused` if model, data or device are not there."""
        if self.vlm != TINY:
            check_open_model(self.vlm)
        folder_checks.check(DataSettings.of(name=self.dataset))
        super().check()

    def fitting(self) -> Fitting:
        """Return how every projection is trained."""
        return Fitting(
            epochs=self.epochs,
            batch=self.batch,
            lr=self.lr,
            temperature=self.temperature,
        )

    def clip(self, arms: Mapping[str, list[Run]], name: str, place: int) -> Clip:
        """Return a CLIP of the seed at a place, and what it says of its pictures."""
        seed = self.seeds[place]
        if self.vlm != TINY:
            reader = open_reader(self.vlm, self.reading, self.device)
        elif name == OWN:
            reader = small_reader(arms[OWN][place].model(), name, self.reading)
        else:
            model = eclip_towers.varied_clip(
                name, seed, self.tower_pictures, self.tower_epochs
            )
            reader = small_reader(model.to(self.device), name, self.reading)
        counts = (self.pictures, self.validated, self.test_pictures)
        cue = cue_of(name) if self.vlm == TINY else 0.0
        return clip_of(reader, pictures(self.dataset, reader.size, counts, cue))

    def sources(self, clip: Clip, place: int) -> dict[str, Free]:
        """Return the sources of attention, encoders without labels among them."""
        seed, reader = self.seeds[place], clip.reader
        learnt = self._unlabelled(clip)
        encoders = {}
        for name, epochs in ((SELF, self.encoder_epochs), (UNTRAINED, 0)):
            network = eclip_towers.encoder(
                learnt, reader.mean, reader.std, epochs, seed
            )
            both = [
                eclip_towers.encoder_attention(network, reader, look.shown.images)
                for look in (clip.train, clip.test)
            ]
            encoders[name] = (both[0], both[1])
        return eclip_projections.sources(clip, self.quantile, seed, encoders)

    def _unlabelled(self, clip: Clip) -> Shown:
        """Return the encoder's pictures: of the same kind as those of the CLIP."""
        name, size = clip.reader.name, clip.reader.size
        cue = cue_of(name) if self.vlm == TINY else 0.0
        counts = (self.encoder_pictures, 1, 1)
        if self.dataset != "scenes":
            return clip.train.shown.rows(slice(self.encoder_pictures))
        return pictures(self.dataset, size, counts, cue)["train"]

    def look(self, arms: Mapping[str, list[Run]], name: str, place: int) -> "Bench":
        """Return everything that is asked of one CLIP."""
        clip = self.clip(arms, name, place)
        free = self.sources(clip, place)
        how = self.fitting()
        fits = eclip_projections.fitted(clip, free, how, self.seeds[place])
        return Bench(clip, free, how, fits)

    def numbers(
        self, arms: Mapping[str, list[Run]], name: str, place: int
    ) -> dict[str, Any]:
        """Return what a record has of one CLIP; of scenes it is kept.

        So a study of many towers goes on where it was stopped.
        """

        def computed() -> dict[str, Any]:
            return for_record(row(self.look(arms, name, place)))

        if self.vlm != TINY or self.dataset != "scenes":
            return computed()
        settings = self.model_dump(exclude={"seeds", "towers"})
        settings |= {"tower": name, "seed": self.seeds[place]}
        if name == OWN:
            settings["run"] = arms[OWN][place].folder.name
        return kept_numbers(settings, ("chapters/eclip.py",), computed)

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return what the claims need, `[tower][seed]`, scores as means of a seed."""
        return {
            "parameters": self.model_dump(),
            "towers": {
                name: {
                    str(seed): self.numbers(arms, name, place)
                    for place, seed in enumerate(self.seeds)
                }
                for name in self.names()
            },
        }
