"""The parameters of each chapter and the runs it needs.

A later chapter adds a module here and a line to `CHAPTERS`.
"""

from helpers.chapters.answers import Answers
from helpers.chapters.chapter import Chapter
from helpers.chapters.cost import Cost
from helpers.chapters.eclip import Eclip
from helpers.chapters.laboratory import Laboratory
from helpers.chapters.lavise import Lavise
from helpers.chapters.metrics import Metrics
from helpers.chapters.ot_alignment import OtAlignment
from helpers.chapters.probing_chapter import Probing
from helpers.chapters.prompt_variants import PromptVariants
from helpers.chapters.published import PublishedNumbers
from helpers.chapters.red_dot import RedDot
from helpers.chapters.text_features import TextFeaturesChapter
from helpers.chapters.training import Training
from helpers.chapters.verdicts import Verdicts
from helpers.chapters.which_difference import WhichDifference

CHAPTERS: dict[str, type[Chapter]] = {
    "00_laboratory": Laboratory,
    "01_text_features": TextFeaturesChapter,
    "02_ot_alignment": OtAlignment,
    "03_training": Training,
    "04_red_dot": RedDot,
    "05_metrics": Metrics,
    "06_prompt_variants": PromptVariants,
    "07_which_difference": WhichDifference,
    "08_cost": Cost,
    "09_verdicts": Verdicts,
    "10_lavise": Lavise,
    "11_probing": Probing,
    "12_eclip": Eclip,
    "13_one_table": Answers,
    "90_published": PublishedNumbers,
}

__all__ = ["CHAPTERS", "Chapter"]
