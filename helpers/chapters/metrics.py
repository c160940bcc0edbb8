"""Chapter 05: three saliency methods, all metrics, and conventions that move them."""

from typing import Any

from pydantic import Field

from helpers.chapters.chapter import ClassifierChapter
from helpers.lab.runs import Run
from helpers.settings import RunSettings

BASELINE, CUED, LICO = "ce", "ce with the cue", "lico"


class Metrics(ClassifierChapter):
    """The parameters of chapter 05."""

    cue: float = Field(
        0.9, gt=0, le=1, description="class-background correlation of the cued network"
    )
    rise_pictures: int = Field(20, ge=2, description="test pictures with RISE maps")
    rise_masks: int = Field(1000, ge=16, description="masks of RISE")

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return the baseline, for scenes the cued one, and LICO."""
        plain = self.cross_entropy()
        arms = {BASELINE: self.each(self.data(), plain, self.seeds)}
        if self.dataset == "scenes":
            arms[CUED] = self.each(self.data(cue=self.cue), plain, self.seeds)
        arms[LICO] = self.each(self.data(), self.lico("paper"), self.seeds)
        return arms

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return the mean scores of each run's maps."""
        return {
            "parameters": self.model_dump(),
            "arms": {
                name: {
                    str(run.settings.seed): {
                        "accuracy": run.record["accuracy"],
                        "trained_out": run.record["trained_out"],
                    }
                    for run in runs
                }
                for name, runs in arms.items()
            },
        }
