"""Chapter 90: every published number of the dispute, tested; no run is needed."""

import hashlib
from typing import Any, Literal

import pandas as pd
from pydantic import Field

from helpers.chapters.chapter import Chapter
from helpers.lab.runs import Run
from helpers.report import margins, published
from helpers.report import published_checks as checks
from helpers.report.published import NAMES
from helpers.report.published_checks import Checked, Sum
from helpers.report.published_contrasts import (
    Tested,
    Untested,
    all_tested,
    all_untested,
)
from helpers.settings import RunSettings


class PublishedNumbers(Chapter):
    """The parameters of chapter 90."""

    documents: list[
        Literal["all", "lei2024response", "fletcher2024lico", "bartak2024lico"]
    ] = Field(["all"], min_length=1, description="all, or keys of the references")
    confidence: float = Field(0.95, ge=0.8, lt=1, description="of the intervals")
    power: float = Field(
        0.8, ge=0.5, lt=1, description="of the smallest detectable difference"
    )

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return no run: the chapter reads numbers that are printed."""
        return {}

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return the parameters: all else is arithmetic on files of the package."""
        return {"parameters": self.model_dump()}

    def sources(self) -> list[str]:
        """Return the keys of the documents, in the order of the book."""
        return [key for key in NAMES if {"all", key} & set(self.documents)]

    def tested(self) -> list[Tested]:
        """Return every contrast with SDs, with its test."""
        return all_tested(self.sources(), self.confidence, self.power)

    def untested(self) -> list[Untested]:
        """Return every contrast of which an arm has no SD."""
        return all_untested(self.sources(), self.confidence)

    def sums(self) -> list[Sum]:
        """Return every printed overall score beside insertion - deletion."""
        return checks.overalls(self.sources())

    def statements(self) -> list[Checked]:
        """Return every statement of the texts, held against their tables."""
        return checks.statements(self.sources())


def files() -> pd.DataFrame:
    """Return what the page is made of: its files, what each holds, its digest."""
    counts = {
        published.FILE: f"{len(published.load())} cells",
        checks.FILE: f"{len(checks.load())} statements",
        margins.FILE: f"{len(margins.load().metrics)} margins",
    }
    return pd.DataFrame(
        {
            "file": file.name,
            "holds": words,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest()[:12],
        }
        for file, words in counts.items()
    )
