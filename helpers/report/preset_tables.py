"""Tables of the presets: what the paper leaves open, and what each code changes."""

from typing import Any

import pandas as pd

from helpers.methods.presets import CHOICES, PRESETS, differences, preset

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
