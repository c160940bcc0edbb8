"""The parameters of each chapter and the runs it needs.

A later chapter adds a module here and a line to `CHAPTERS`.
"""

from helpers.chapters.chapter import Chapter
from helpers.chapters.laboratory import Laboratory
from helpers.chapters.metrics import Metrics
from helpers.chapters.ot_alignment import OtAlignment
from helpers.chapters.red_dot import RedDot
from helpers.chapters.text_features import TextFeaturesChapter
from helpers.chapters.training import Training
from helpers.chapters.verdicts import Verdicts

CHAPTERS: dict[str, type[Chapter]] = {
    "00_laboratory": Laboratory,
    "01_text_features": TextFeaturesChapter,
    "02_ot_alignment": OtAlignment,
    "03_training": Training,
    "04_red_dot": RedDot,
    "05_metrics": Metrics,
    "09_verdicts": Verdicts,
}

__all__ = ["CHAPTERS", "Chapter"]
