"""Chapter 02: the transport plan between channels and text tokens."""

from typing import Any

from pydantic import Field, PositiveFloat

from helpers.chapters.chapter import ClassifierChapter
from helpers.lab.runs import Run
from helpers.settings import RunSettings

LICO = "lico"


class OtAlignment(ClassifierChapter):
    """The parameters of chapter 02."""

    epsilons: list[PositiveFloat] = Field(
        [1.0, 0.3, 0.1, 0.03, 0.01, 0.003],
        min_length=2,
        description="entropies of the plan, from large to small",
    )

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return a trained LICO a seed."""
        return {LICO: self.each(self.data(), self.lico("paper"), self.seeds)}

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return what the runs were trained with: all else is arithmetic."""
        return {"parameters": self.model_dump()}
