"""Chapter 04: a planted shortcut of known strength, and which metric notices it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import pandas as pd
import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from helpers.chapters.chapter import ClassifierChapter
from helpers.data import catalog, red_dot
from helpers.data.catalog import Pictures
from helpers.data.red_dot import POSITIONS
from helpers.explain.cam import coarse_grad_cam, grad_cam
from helpers.lab.runs import Run
from helpers.measure import consistency
from helpers.measure.aggregate import aggregate
from helpers.measure.perturbation import Curves, insertion_deletion
from helpers.measure.reference_maps import pooled_mask
from helpers.report.records import packed
from helpers.settings import Dot, RunSettings, nearest

EVERYWHERE = "dot on all classes"  # the control: it says nothing
GRAD_CAM = "Grad-CAM"
DECIMALS = 5
# Kept as means alone: no scores, or between networks as different as the one beside.
MEANS_ALONE = ("tied", "sch less area", "epg less area", "iou by chance")


def arm_of(strength: float) -> str:
    """Return the name of the arm whose class carries the dot with this share."""
    return f"dot on {strength:.0%}"


SOUND, FULL = arm_of(0), arm_of(1)  # never saw a dot; the shortcut at full strength


def named(arm: str, place: str, epochs: int | None = None) -> str:
    """Return an arm's whole name: with the dot's place, and epochs if cut short."""
    return f"{arm}, {place}" + ("" if epochs is None else f", {epochs} epochs")


class RedDot(ClassifierChapter):
    """The parameters of chapter 04."""

    dot_class: int = Field(0, ge=0, description="the class the dot stands for")
    dot_radius: float = Field(7.0, ge=1, description="radius in pixels")
    dot_colour: list[int] = Field(
        [255, 0, 255], min_length=3, max_length=3, description="red, green, blue"
    )
    places: list[str] = Field(
        ["top-left"], min_length=1, description="corners such as top-left, centre"
    )
    strengths: list[float] = Field(
        [0.0, 1.0], min_length=2, description="share of the class that carries the dot"
    )
    shorter: list[int] = Field(
        [], description="divisors of epochs, for runs that stop early"
    )

    @field_validator("places")
    @classmethod
    def known_places(cls, places: list[str]) -> list[str]:
        """Refuse a place that has no name, or is given twice."""
        for place in places:
            if place not in POSITIONS:
                raise ValueError(f"unknown '{place}'{nearest(place, list(POSITIONS))}")
        if len({*places}) < len(places):
            raise ValueError("give each place once")
        return places

    @field_validator("shorter")
    @classmethod
    def real_divisors(cls, shorter: list[int]) -> list[int]:
        """Refuse a divisor that shortens nothing, or is given twice."""
        if any(one < 2 for one in shorter) or len({*shorter}) < len(shorter):
            raise ValueError("give each divisor once, from 2 up")
        return shorter

    @model_validator(mode="after")
    def an_epoch_is_left(self) -> Self:
        """Refuse divisors that leave no epoch, or the same number of them."""
        left = self.short_epochs()
        if 0 in left or len({*left}) < len(left):
            known = f"epochs = {self.epochs} leaves {left}"
            raise ValueError(f"parameter 'shorter' = {self.shorter}: {known} epochs")
        return self

    @field_validator("strengths")
    @classmethod
    def none_to_full(cls, strengths: list[float]) -> list[float]:
        """Refuse a trial without a sound network and one at full strength."""
        if sorted({*strengths}) != strengths or not {0.0, 1.0} <= {*strengths}:
            raise ValueError("give rising strengths from 0.0 to 1.0, both among them")
        return strengths

    def short_epochs(self) -> list[int]:
        """Return the epochs of the runs that stop early."""
        return [self.epochs // one for one in self.shorter]

    def dot(self, place: str, share: float, elsewhere: float = 0.0) -> Dot:
        """Return the dot on so many pictures of its class and of the others."""
        red, green, blue = self.dot_colour
        return Dot.of(
            target=self.dot_class,
            share=share,
            elsewhere=elsewhere,
            radius=self.dot_radius,
            colour=(red, green, blue),
            position=place,
        )

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return for each place a network a strength and seed, and the control.

        At the first place also, without and with the dot on all of the class, networks
        that are trained for fewer epochs.
        """
        whole, found = self.cross_entropy(), {}
        for place in self.places:
            dots = {arm_of(share): self.dot(place, share) for share in self.strengths}
            dots[EVERYWHERE] = self.dot(place, 0.5, 0.5)
            for arm, dot in dots.items():
                data = self.data(dot=dot)
                found[named(arm, place)] = self.each(data, whole, self.seeds)
        place = self.places[0]
        for epochs in self.short_epochs():
            for share in (0.0, 1.0):
                found[named(arm_of(share), place, epochs)] = self.each(
                    self.data(dot=self.dot(place, share)),
                    self.cross_entropy(epochs=epochs),
                    self.seeds,
                )
        return found

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return accuracy, the gate, and scores on pictures of the class.

        `[arm][seed]`: under `present` and `absent`, with and without the dot on these
        pictures, `scores` of Grad-CAM, packed, a value a picture, and `means` of each
        map; `all classes`: of Grad-CAM on the first test pictures, which carry no dot.
        References are kept of sound networks, scores of all that were not cut short.
        """
        cut = [f", {epochs} epochs" for epochs in self.short_epochs()]
        kept: dict[str, Any] = {"parameters": self.model_dump(), "arms": {}}
        for name, runs in arms.items():
            short = any(name.endswith(end) for end in cut)
            sound = name.startswith(f"{SOUND},") and not short
            kept["arms"][name] = {
                str(run.settings.seed): _kept(run.record, short, sound) for run in runs
            }
        return kept


def _kept(record: Mapping[str, Any], short: bool, references: bool) -> dict[str, Any]:
    """Return what the summary keeps of a run's record."""
    dot = record["dot"]
    names = ("flips", "target, with the dot", "target, without")
    return {
        "accuracy": record["accuracy"],
        "trained_out": record["trained_out"],
        **{name: dot[name] for name in names},
        "present": _condition(dot, short, references),
        "absent": _condition(dot["absent"], short, False),
        "all classes": _means(record["maps"][GRAD_CAM], record["full_correct"]),
    }


def _condition(
    part: Mapping[str, Any], short: bool, references: bool
) -> dict[str, Any]:
    """Return what is kept of the class's pictures, all with the dot or all without."""
    right = part["full_correct"]
    groups = [part[group] for group in ("maps", "consistency", "place", "grids")]
    maps: dict[str, dict[str, Any]] = {}
    for name in part["maps"] if references else (GRAD_CAM,):
        maps[name] = {k: v for group in groups for k, v in group.get(name, {}).items()}
    kept = {
        "on the dot": packed(part["on the dot"]),
        "full": packed(part["full"]),
        "full_correct": packed(right),
        "means": {name: _means(scores, right) for name, scores in maps.items()},
    }
    if not short:
        kept["scores"] = {
            score: packed(values)
            for score, values in maps[GRAD_CAM].items()
            if score not in MEANS_ALONE
        }
    return kept


def _means(
    scores: Mapping[str, Sequence[float | None]], right: Sequence[int]
) -> dict[str, float | None]:
    """Return the mean of each score over the pictures that have it, None if none has.

    Relative scores over the pictures that the network names right: a full picture's
    probability near 0 makes a ratio as large as one likes. A score that no picture
    has: MOSU, where none shows two instances.
    """
    found: dict[str, float | None] = {}
    for score, values in scores.items():
        if score.startswith("relative"):
            pairs = zip(values, right, strict=True)
            values = [value if hit else None for value, hit in pairs]
        mean = aggregate(values).mean
        found[score] = None if mean != mean else round(mean, DECIMALS)
    return found


def own_pictures(chapter: RedDot) -> Pictures:
    """Return the test pictures of the dot's class, as they were drawn."""
    test = catalog.load(chapter.data(), "test")
    return test.rows(test.labels == chapter.dot_class)


def with_dot(pictures: Pictures, chapter: RedDot) -> Pictures:
    """Return the same pictures, each with the chapter's dot at its first place."""
    dot = chapter.dot(chapter.places[0], 1.0)
    drawn = red_dot.draw_dot(pictures.images, dot.radius, dot.colour, dot.position)
    return replace(pictures, images=drawn)


def dot_pixels(chapter: RedDot) -> Tensor:
    """Return the pixels of the dot at its first place, bool `[H, W]`."""
    size = (chapter.size, chapter.size)
    return red_dot.dot_mask(size, chapter.dot_radius, chapter.places[0])


def object_under(pictures: Pictures, chapter: RedDot) -> float:
    """Return the share of the objects' pixels that the dot hides; NaN without masks."""
    if pictures.masks is None:
        return float("nan")
    hidden = (pictures.masks & dot_pixels(chapter)).sum() / pictures.masks.sum()
    return float(hidden)


def colour_distance(pictures: Pictures, colour: Sequence[int]) -> Tensor:
    """Return how far each picture's nearest pixel is from a colour, `[N]`.

    Euclidean distance of red, green and blue in 0..255.
    """
    ink = torch.tensor(colour).view(1, 3, 1, 1)
    squared = (pictures.images.float() - ink).square().sum(1)  # [N, H, W]
    return squared.flatten(1).amin(1).sqrt()


def maps_of(run: Run, pictures: Pictures) -> Tensor:
    """Return Grad-CAM of each picture's own class, `[N, H, W]`."""
    device = run.settings.device
    images, labels = pictures.normalised().to(device), pictures.labels.to(device)
    return grad_cam(run.model(), images, labels).cpu()


def curves_of(run: Run, pictures: Pictures) -> Curves:
    """Return insertion and deletion of Grad-CAM of each picture's own class."""
    device = run.settings.device
    images, labels = pictures.normalised().to(device), pictures.labels.to(device)
    model = run.model()
    saliency = grad_cam(model, images, labels)
    return insertion_deletion(model, images, labels, saliency, orders=1)


def of_curves(curves: Mapping[str, Curves]) -> pd.DataFrame:
    """Return a row a name: the mean full probability, the areas, and their ratios.

    The ratios are those of the means: a single picture's may be as large as one likes.
    """
    rows = []
    for name, found in curves.items():
        full = aggregate(found.full).mean
        deletion = aggregate(found.deletion_auc).mean
        insertion = aggregate(found.insertion_auc).mean
        rows.append(
            {
                "network and pictures": name,
                "full": full,
                "deletion": deletion,
                "deletion / full": deletion / full,
                "insertion": insertion,
                "insertion / full": insertion / full,
            }
        )
    return pd.DataFrame(rows)


def bounds_on_dot(run: Run, pictures: Pictures, chapter: RedDot) -> tuple[float, float]:
    """Return the share on the dot of a uniform map, and of the best map of such cells.

    The area of the dot, and what a map in the cells of the network that follows the
    dot alone has on it after interpolation.
    """
    place = dot_pixels(chapter)[None]
    one = pictures.first(1)
    images = one.normalised().to(run.settings.device)
    coarse = coarse_grad_cam(run.model(), images, one.labels.to(run.settings.device))
    best = pooled_mask(place, (coarse.shape[1], coarse.shape[2]))
    return float(place.float().mean()), float(consistency.sch(best, place))
