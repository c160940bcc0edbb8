"""Chapter 01: from a prompt to text features, shape by shape, in every preset."""

from typing import Any

from pydantic import Field

from helpers.chapters.chapter import ClassifierChapter
from helpers.lab.runs import Run
from helpers.settings import RunSettings

CLIP, LICO = "tiny CLIP", "lico"


class TextFeaturesChapter(ClassifierChapter):
    """The parameters of chapter 01."""

    n_ctx: int = Field(12, ge=1, description="learnable tokens of a prompt")

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return the tiny CLIP and a trained LICO a seed."""
        lico = self.lico("paper", n_ctx=self.n_ctx)
        return {CLIP: [self.clip()], LICO: self.each(self.data(), lico, self.seeds)}

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return what the runs were trained with: all else is arithmetic."""
        return {"parameters": self.model_dump()}
