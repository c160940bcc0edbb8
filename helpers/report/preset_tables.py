"""Tables of the presets: what the paper leaves open, and what each code changes."""

from typing import Any

import pandas as pd

from helpers.methods.presets import CHOICES, PRESETS, RECIPES, differences, preset
from helpers.settings import Classifier

# Preset: where it comes from, as `helpers.methods.presets` says in full.
CODES = {
    "paper": "the paper's equations",
    "paper_stable": "the same, completed by Bartak et al.",
    "active": "this book: matching that acts",
    "authors_jan": "ymLeiFDU/LICO, January 2024",
    "authors_oct": "ymLeiFDU/LICO, October 2024",
    "lico_fact": "robertdvdk/lico-fact",
    "rebuttal": "the same, corrected by the response",
    "repro_shared": "konradszewczyk/lico-reproduction",
    "repro_class_specific": "the same, a context per class",
    "repro_label_front": "the same, name in front",
}
# Part of LICO: its switches.
PARTS = {
    "words": ("names", "tower"),
    "prompts": (
        *("contexts", "ctx_std", "position", "full_stop", "shuffle"),
        *("text_tokens", "dropout"),
    ),
    "matching": (
        *("mm_text", "mm_image", "mm_labels", "unit", "least_square", "sign"),
        *("temperature", "tau", "diagonal", "kl_floor"),
    ),
    "transport": ("ot_text", "epsilon", "plan", "iterations", "plan_gradient"),
}


def of(name: str) -> pd.DataFrame:
    """Return a preset as a table: a row a switch, with its value and that of `paper`.

    The part "training" is what the code behind it trains with, but for network, epochs
    and batch, which are the reader's; arms of this book are trained alike. Raises
    `Refused` for an unknown preset.
    """
    own, paper = preset(name, **RECIPES.get(name, {})), preset("paper")
    parts = {switch: part for part, named in PARTS.items() for switch in named}
    parts |= dict.fromkeys(Classifier.model_fields, "training")
    order = ["weights, sizes, source", *PARTS, "training"]
    rows: list[dict[str, str]] = [
        {
            "part": parts.get(switch, order[0]),
            "switch": switch,
            "value": str(getattr(own, switch)),
            "in paper": "·" if value == getattr(own, switch) else str(value),
        }
        for switch, value in paper
        if switch not in ("name", "preset", "backbone", "epochs", "batch")
    ]
    rows.sort(key=lambda row: order.index(row["part"]))
    return pd.DataFrame(rows)


def open_choices() -> pd.DataFrame:
    """Return what the paper leaves open: switch, question, value of `paper`, source."""
    paper = preset("paper")
    return pd.DataFrame(
        {
            "switch": choice.switch,
            "left open": choice.open_point,
            "paper": str(getattr(paper, choice.switch)),
            "source of the value": choice.source,
        }
        for choice in CHOICES
    )


def versions() -> pd.DataFrame:
    """Return what each preset changes from `paper`, a row a part, below its code.

    Raises KeyError for a preset without a code, and for a switch of no part.
    """
    rows = []
    for name in PRESETS:
        changed = {switch: new for switch, (_, new) in differences(name).items()}
        rows.append({"preset": name, "part": "code", "changed": CODES[name]})
        for part, switches in PARTS.items():
            said = [_said(s, changed.pop(s)) for s in switches if s in changed]
            if said:
                rows.append({"preset": "", "part": part, "changed": "; ".join(said)})
        if changed:
            raise KeyError(f"preset '{name}': no part has {', '.join(changed)}")
    return pd.DataFrame(rows)


def _said(switch: str, value: Any) -> str:
    """Return "full stop", "no unit" or "contexts class"."""
    name = switch.replace("_", " ")
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return f"{name} {value}"
