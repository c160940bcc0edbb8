"""Chapter 04: a planted shortcut of known strength, and which metric notices it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import Field, field_validator
from torch import Tensor

from helpers.chapters.chapter import ClassifierChapter
from helpers.data import catalog, red_dot
from helpers.data.catalog import Pictures
from helpers.data.red_dot import POSITIONS
from helpers.explain.cam import coarse_grad_cam, grad_cam
from helpers.lab.runs import Run
from helpers.measure import consistency
from helpers.measure.perturbation import Curves, insertion_deletion
from helpers.measure.reference_maps import pooled_mask
from helpers.settings import Dot, RunSettings, nearest

EVERYWHERE = "dot on all classes"  # the control: it says nothing
GRAD_CAM = "Grad-CAM"
DECIMALS = 5


def arm_of(strength: float) -> str:
    """Return the name of the arm whose class carries the dot with this share."""
    return f"dot on {strength:.0%}"


SOUND, FULL = arm_of(0), arm_of(1)  # never saw a dot; the shortcut at full strength


class RedDot(ClassifierChapter):
    """The parameters of chapter 04."""

    dot_class: int = Field(0, ge=0, description="the class the dot stands for")
    dot_radius: float = Field(7.0, ge=1, description="radius in pixels")
    dot_colour: list[int] = Field(
        [255, 0, 255], min_length=3, max_length=3, description="red, green, blue"
    )
    dot_position: str = Field(
        "top-left", description="a corner such as top-left, or centre"
    )
    strengths: list[float] = Field(
        [0.0, 1.0], min_length=2, description="share of the class that carries the dot"
    )

    @field_validator("dot_position")
    @classmethod
    def known_position(cls, position: str) -> str:
        """Refuse a position that has no name."""
        if position not in POSITIONS:
            raise ValueError(f"unknown{nearest(position, list(POSITIONS))}")
        return position

    @field_validator("strengths")
    @classmethod
    def none_to_full(cls, strengths: list[float]) -> list[float]:
        """Refuse a trial without a sound network and one at full strength."""
        if sorted({*strengths}) != strengths or not {0.0, 1.0} <= {*strengths}:
            raise ValueError("give rising strengths from 0.0 to 1.0, both among them")
        return strengths

    def dot(self, share: float, elsewhere: float = 0.0) -> Dot:
        """Return the dot on so many pictures of its class and of the others."""
        red, green, blue = self.dot_colour
        return Dot.of(
            target=self.dot_class,
            share=share,
            elsewhere=elsewhere,
            radius=self.dot_radius,
            colour=(red, green, blue),
            position=self.dot_position,
        )

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return a network a strength and seed, and the control."""
        dots = {arm_of(share): self.dot(share) for share in self.strengths}
        dots[EVERYWHERE] = self.dot(0.5, 0.5)
        method = self.cross_entropy()
        return {
            name: self.each(self.data(dot=dot), method, self.seeds)
            for name, dot in dots.items()
        }

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return accuracy, the gate, and the scores on pictures with the dot.

        `scores`: of Grad-CAM, a value a picture of the class with the dot; `means`: of
        each map on these pictures; `all classes`: of Grad-CAM on the first test
        pictures, which carry no dot.
        """
        kept: dict[str, Any] = {"parameters": self.model_dump(), "arms": {}}
        for name, runs in arms.items():
            kept["arms"][name] = {
                str(run.settings.seed): _kept(run.record) for run in runs
            }
        return kept


def _kept(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the summary keeps of a run's record."""
    dot = record["dot"]
    maps = {
        name: {**dot["maps"][name], **dot["consistency"][name]} for name in dot["maps"]
    }
    names = ("flips", "target, with the dot", "target, without", "on the dot")
    return {
        "accuracy": record["accuracy"],
        "trained_out": record["trained_out"],
        **{name: dot[name] for name in names},
        "full": [round(value, DECIMALS) for value in dot["full"]],
        "full_correct": dot["full_correct"],
        "scores": {
            score: [None if v is None else round(v, DECIMALS) for v in values]
            for score, values in maps[GRAD_CAM].items()
        },
        "means": {
            name: _means(scores, dot["full_correct"]) for name, scores in maps.items()
        },
        "all classes": _means(record["maps"][GRAD_CAM], record["full_correct"]),
    }


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
        named = right if score.startswith("relative") else [1] * len(values)
        pairs = zip(values, named, strict=True)
        known = [value for value, hit in pairs if value is not None and hit]
        found[score] = float(np.mean(known)) if known else None
    return found


def own_pictures(chapter: RedDot) -> Pictures:
    """Return the test pictures of the dot's class, as they were drawn."""
    test = catalog.load(chapter.data(), "test")
    return test.rows(test.labels == chapter.dot_class)


def with_dot(pictures: Pictures, chapter: RedDot) -> Pictures:
    """Return the same pictures, each with the chapter's dot."""
    dot = chapter.dot(1.0)
    drawn = red_dot.draw_dot(pictures.images, dot.radius, dot.colour, dot.position)
    return replace(pictures, images=drawn)


def dot_pixels(chapter: RedDot) -> Tensor:
    """Return the pixels of the dot, bool `[H, W]`."""
    size = (chapter.size, chapter.size)
    return red_dot.dot_mask(size, chapter.dot_radius, chapter.dot_position)


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
        full = float(found.full.mean())
        deletion = float(found.deletion_auc.mean())
        insertion = float(found.insertion_auc.mean())
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
