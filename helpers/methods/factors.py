"""The differences between `paper` and the published codes, one at a time.

A factor is the smallest change of switches that makes sense alone: transport to copies
of a prompt needs rolled contexts, and the other way round. Factors of the training
change the baseline too, so their effect is one on LICO minus its baseline.
"""

from dataclasses import dataclass, field
from typing import Any

from helpers.methods.presets import PRESETS, RECIPES
from helpers.settings import Refused, nearest


@dataclass(frozen=True)
class Factor:
    """One difference from `paper`: its switches, and whether CE gets it too."""

    name: str
    changed: dict[str, Any] = field(hash=False)
    training: bool = False

    def codes(self) -> tuple[str, ...]:
        """Return the presets that have this difference, all of its switches."""
        rows = RECIPES if self.training else PRESETS
        return tuple(
            name for name, row in rows.items() if self.changed.items() <= row.items()
        )


def _language(name: str, **changed: Any) -> Factor:
    return Factor(name, changed)


def _training(name: str, **changed: Any) -> Factor:
    return Factor(name, changed, training=True)


_ROLLED = {"ot_text": "copies"}
_STOPPED = {"plan": "published"}
FACTORS = (
    # Words
    _language("names sorted", names="sorted"),
    _language("names by folder", names="lexicographic"),
    _language("tower trained", tower="trained"),
    # Prompts
    _language("context per class", contexts="class"),
    _language("context N(0, 1)", ctx_std=1.0),
    _language("name in the middle", position="middle"),
    _language("name in front", position="front"),
    _language("full stop", full_stop=True),
    _language("context shuffled", shuffle=True),
    _language("every position read", text_tokens="every position"),
    _language("dropout in h_psi", dropout=0.5),
    # Manifold matching
    _language("MM: text pooled", mm_text="pooled"),
    _language("MM: image pooled", mm_image="pooled"),
    _language("MM: both pooled", mm_text="pooled", mm_image="pooled"),
    _language("MM: labels twice", mm_labels="twice"),
    _language("MM: not normalised", unit=False),
    _language("MM: least distance", least_square=1e-4),
    _language("MM: far is alike", sign="far"),
    _language("MM: tau raw", temperature="raw"),
    _language("MM: tau bounded", temperature="bounded", tau=0.07),
    _language("MM: tau fixed", temperature="fixed", tau=0.2),
    _language("MM: diagonal out", diagonal=False),
    _language("MM: floor in KL", kl_floor=1e-4),
    # Transport
    _language("OT: silent broadcast", ot_text="label"),
    _language("OT: all classes", ot_text="classes"),
    _language("OT: equal copies", contexts="rolled", **_ROLLED),
    _language("OT: distinct copies", contexts="rolled apart", **_ROLLED),
    _language("OT: stopped early", **_STOPPED),
    _language("OT: epsilon 1e-4", epsilon=1e-4, iterations=100, **_STOPPED),
    _language("OT: no gradient", plan_gradient="none"),
    _language("OT: plan detached", plan_gradient="detached"),
    _language("OT: value with entropy", plan_gradient="envelope"),
    # Training
    _training("rate 0.1", lr=0.1),
    _training("decay 5e-4", weight_decay=5e-4),
    _training("cosine by epochs", schedule="epochs"),
    _training("mirror, shift 4", flip=True, shift=4),
    _training("shift into zeros", flip=True, shift=4, padding="zeros"),
    _training("resized crops", flip=True, least_area=0.08),
    _training("backbone dropout", backbone_dropout=0.5),
    _training("gradient clipped", clip_norm=0.5),
    _training("autocast float16", precision="16"),
    _training("autocast and scaler", precision="16", scaler=True),
    _training("averaged weights", ema=0.999),
    _training("best validation epoch", keep="best validation"),
    _training("best test epoch", keep="best test"),
)
GROUPS = {
    "language": tuple(factor.name for factor in FACTORS if not factor.training),
    "training": tuple(
        factor.name
        for factor in FACTORS
        if factor.training and "precision" not in factor.changed
    ),
    "precision": tuple(
        factor.name for factor in FACTORS if "precision" in factor.changed
    ),
}


def factor(name: str) -> Factor:
    """Return a factor by name; raises `Refused` for an unknown one."""
    known = {factor.name: factor for factor in FACTORS}
    if name not in known:
        raise Refused(f"unknown factor '{name}'{nearest(name, list(known))}")
    return known[name]
