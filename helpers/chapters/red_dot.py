"""Chapter 04: a planted shortcut of known strength, and which metric notices it."""

from typing import Any

from pydantic import Field, field_validator

from helpers.chapters.chapter import ClassifierChapter
from helpers.data.red_dot import POSITIONS
from helpers.lab.runs import Run
from helpers.settings import Dot, RunSettings, nearest

EVERYWHERE = "dot on all classes"  # the control: it says nothing


class RedDot(ClassifierChapter):
    """The parameters of chapter 04."""

    dot_class: int = Field(0, ge=0, description="the class the dot stands for")
    dot_radius: float = Field(2.0, ge=1, description="radius in pixels")
    dot_colour: list[int] = Field(
        [255, 0, 0], min_length=3, max_length=3, description="red, green, blue"
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
        dots = {f"dot on {share:.0%}": self.dot(share) for share in self.strengths}
        dots[EVERYWHERE] = self.dot(0.5, 0.5)
        method = self.cross_entropy()
        return {
            name: self.each(self.data(dot=dot), method, self.seeds)
            for name, dot in dots.items()
        }

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return accuracy, the gate, and the scores on pictures with the dot."""
        kept: dict[str, Any] = {"parameters": self.model_dump(), "arms": {}}
        for name, runs in arms.items():
            kept["arms"][name] = {
                str(run.settings.seed): {
                    "accuracy": run.record["accuracy"],
                    "trained_out": run.record["trained_out"],
                    **run.record["dot"],
                }
                for run in runs
            }
        return kept
