"""The scores of maps as records name them: title, direction, margin.

A score is a metric of `measure.named`, or what stands beside one, as its value less
what chance gives.
"""

from helpers.measure.named import METRICS
from helpers.report import margins
from helpers.report.margins import Metric

# Score: the metric, and what stands beside it ("" for the metric itself).
SCORES: dict[str, tuple[str, str]] = {
    "insertion": ("insertion", ""),
    "deletion": ("deletion", ""),
    "insertion / full": ("insertion", "/ full"),
    "deletion / full": ("deletion", "/ full"),
    "ses": ("ses", ""),
    "ses less chance": ("ses", "less chance"),
    "sch": ("sch", ""),
    "sch less area": ("sch", "less area"),
    "mosu": ("mosu", ""),
    "mosu reversed": ("mosu-reversed", ""),
    "epg": ("epg", ""),
    "epg less area": ("epg", "less area"),
    "gridpg": ("gridpg", ""),
    "pointing game": ("pointing", ""),
    "score contrast": ("contrast", ""),
    "iou": ("iou", ""),
    "gini": ("gini", ""),
    "entropy": ("entropy", ""),
    "border share": ("border", ""),
}


def metric(score: str) -> Metric:
    """Return the committed metric of a score, with its margin and direction."""
    committed = METRICS[SCORES[score][0]].margin
    assert committed is not None  # a test asks it of all scores
    return margins.metric(committed)


def sign(score: str) -> int:
    """Return 1 if a higher value is better, else -1."""
    return 1 if metric(score).higher_is_better else -1


def margin(score: str) -> float:
    """Return the committed margin of a score's metric."""
    return metric(score).margin


def label(score: str) -> str:
    """Return what tables and figures call a score."""
    name, beside = SCORES[score]
    return f"{METRICS[name].title} {beside}".strip()
