"""What every chapter's parameters can do, and those that several chapters share."""

from typing import Any

from pydantic import Field, NonNegativeInt, field_validator

from helpers.lab.grid import grid
from helpers.lab.runs import Run, check
from helpers.lab.watching import in_notebook
from helpers.lab.weights import Report
from helpers.methods.presets import modified, preset
from helpers.report.arms import marked_name
from helpers.settings import (
    Backbone,
    CrossEntropy,
    DataSettings,
    Lico,
    Method,
    RunSettings,
    Settings,
    TinyClip,
)


class Chapter(Settings):
    """A chapter's parameters, with the names of its notebook's parameters cell."""

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return the runs the chapter needs: for each arm, one a training seed."""
        raise TypeError(f"{type(self).__name__} must say which runs it needs")

    def runs(self) -> list[RunSettings]:
        """Return the runs of all arms in one list."""
        return [one for arm in self.arms().values() for one in arm]

    def check(self) -> None:
        """Raise `Refused` in one line if data or device are not there."""
        for one in self.runs():
            check(one)

    def trained(self, report: Report | None = None) -> dict[str, list[Run]]:
        """Return the trained runs of each arm; those that are missing are trained.

        In a notebook the progress is shown where nobody else is told.
        """
        arms = self.arms()
        runs = iter(grid(self.runs(), report or in_notebook()))
        return {name: [next(runs) for _ in arm] for name, arm in arms.items()}

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return the numbers of the chapter's record, JSON-ready."""
        raise TypeError(f"{type(self).__name__} keeps no record")


class ClassifierChapter(Chapter):
    """A chapter that trains classifiers, all with the same pictures and schedule."""

    dataset: str = Field(
        "scenes",
        description="scenes, cifar10, cifar100, imagenette, imagenet-s50:PATH, "
        "folder:PATH",
    )
    size: int = Field(64, ge=16, le=256, description="pixels a side")
    pictures: int = Field(850, ge=2, description="training pictures")
    test_pictures: int = Field(1000, ge=64, description="test pictures")
    explained: int = Field(64, ge=2, description="test pictures with maps")
    backbone: Backbone = Field(
        "scene-resnet",
        description="scene-resnet, resnet20, resnet56, resnet18, resnet50, wrn28-K",
    )
    epochs: int = Field(64, ge=1, le=1000, description="passes over the pictures")
    batch: int = Field(32, ge=2, description="pictures a step")
    lr: float = Field(0.03, gt=0, le=10, description="learning rate of the first step")
    flip: bool = Field(False, description="mirror half of the pictures")
    shift: int = Field(0, ge=0, le=16, description="crop after padding by so many")
    clip_pictures: int = Field(12000, ge=16, description="scenes with captions")
    clip_epochs: int = Field(2, ge=1, description="passes over scenes and captions")
    seeds: list[NonNegativeInt] = Field([1], min_length=1, description="training seeds")
    device: str = Field("cpu", description="cpu, cuda, cuda:1, mps")

    @field_validator("seeds", "few_seeds", check_fields=False)
    @classmethod
    def each_seed_once(cls, seeds: list[int]) -> list[int]:
        """Refuse a seed that is given twice: it is one unit of inference."""
        if len(set(seeds)) < len(seeds):
            raise ValueError("give each seed once")
        return seeds

    def data(self, **changed: Any) -> DataSettings:
        """Return the chapter's pictures, with another cue or a dot."""
        return DataSettings.of(
            name=self.dataset,
            size=self.size,
            train=self.pictures,
            test=self.test_pictures,
            explained=self.explained,
            **changed,
        )

    def schedule(self) -> dict[str, Any]:
        """Return what every classifier of the chapter is trained with."""
        names = ("backbone", "epochs", "batch", "lr", "flip", "shift")
        return {name: getattr(self, name) for name in names}

    def cross_entropy(self, **changed: Any) -> CrossEntropy:
        """Return the baseline's method, with some of its training changed."""
        return CrossEntropy.of(**self.schedule() | changed)

    def lico(self, name: str, **changed: Any) -> Lico:
        """Return a preset of LICO with the chapter's schedule and its tiny CLIP."""
        clip = {"clip_pictures": self.clip_pictures, "clip_epochs": self.clip_epochs}
        return preset(name, **self.schedule() | clip | changed)

    def clip(self) -> RunSettings:
        """Return the run of the tiny CLIP that gives the text features."""
        return RunSettings(
            data=DataSettings(train=self.clip_pictures),
            method=TinyClip(epochs=self.clip_epochs),
            device=self.device,
        )

    def each(
        self, data: DataSettings, method: Method, seeds: list[int]
    ) -> list[RunSettings]:
        """Return a run a seed."""
        return [
            RunSettings(data=data, method=method, seed=seed, device=self.device)
            for seed in seeds
        ]


class LicoChapter(ClassifierChapter):
    """A chapter that trains LICO beside its baseline: longer, until both are done."""

    epochs: int = Field(64, ge=1, le=1000, description="passes over the pictures")

    def called(self, name: str, **changed: Any) -> str:
        """Return what a preset is called where it is shown, with switches of the page.

        "paper", or "paper (modified)" where these switches make it another.
        """
        other = modified(self.lico(name, **changed))
        return marked_name(name, [name] if other else [])
