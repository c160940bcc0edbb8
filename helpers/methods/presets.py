"""Every version of LICO as a row of switches, and where each choice comes from.

A preset is a `helpers.settings.Lico`; what a row does not name is as in `paper`.
Sources: [paper] Lei et al. 2023; [code] its repository ymLeiFDU/LICO; [response] Lei et
al. 2024; [study] Bartak et al. 2024 and konradszewczyk/lico-reproduction; [fact] the
code robertdvdk/lico-fact of Fletcher et al. 2024.
"""

from dataclasses import dataclass
from typing import Any

from helpers.settings import Lico, Refused, nearest

PRESETS: dict[str, dict[str, Any]] = {
    # Per-token projected features for both losses, eq. 1 with its minus sign.
    "paper": {},
    # The completions of [study]: 1 / tau = exp(t), t bounded to [0, log 100].
    "paper_stable": {"temperature": "bounded", "tau": 0.07},
    # No trivial optimum left: nobody is its own neighbour, tau cannot flee.
    "active": {"diagonal": False, "temperature": "fixed", "tau": 0.2},
    # [fact] as it stands: pooled features, a silent broadcast, sorted names.
    "lico_fact": {
        "names": "sorted",
        "contexts": "class",
        "position": "middle",
        "full_stop": True,
        "shuffle": True,
        "dropout": 0.5,
        "mm_text": "pooled",
        "mm_image": "pooled",
        "unit": False,
        "temperature": "raw",
        "kl_floor": 1e-4,
        "ot_text": "label",
        "plan": "published",
    },
    # [response]: [fact] with its corrections, contexts rolled into n_ctx copies.
    "rebuttal": {
        "contexts": "rolled",
        "full_stop": True,
        "dropout": 0.5,
        "mm_text": "pooled",
        "mm_image": "pooled",
        "unit": False,
        "temperature": "raw",
        "kl_floor": 1e-4,
        "ot_text": "copies",
        "plan": "published",
    },
}


@dataclass(frozen=True)
class Choice:
    """A choice that the paper leaves open, the default of `paper`, and its source."""

    switch: str
    open_point: str
    source: str


CHOICES = (
    Choice("n_ctx", "number of learnable tokens", "[code], [fact], [study]: 12"),
    Choice("contexts", "one context for all classes, or one a class", "[response]"),
    Choice(
        "position", "where the class name stands", "[response], [study]: at the end"
    ),
    Choice("full_stop", "whether a full stop ends the prompt", "[study]: none"),
    Choice("shuffle", "whether learnable tokens change places", "[response]: no"),
    Choice("dropout", "dropout inside h_psi", "[study]: none; [code], [fact]: 0.5"),
    Choice("mm_image", "full maps or pooled features", "eq. 1 as [study] reads it"),
    Choice("unit", "rows scaled to length 1", "[code], [study]: yes; [fact]: no"),
    Choice("temperature", "how tau stays positive", "here: tau = exp(t), unbounded"),
    Choice("tau", "tau at the start", "[code], [fact]: log(1 / 0.07), dividing"),
    Choice("diagonal", "whether j = i is in the softmax", "eq. 1: j over the batch"),
    Choice("epsilon", "entropy of the transport plan", "[code], [fact]: 0.1"),
    Choice("plan", "iterations of Sinkhorn", "here: to convergence"),
    Choice("plan_gradient", "gradient of <T, C> through T", "[fact], [study]: yes"),
)


def preset(name: str, **changed: Any) -> Lico:
    """Return the settings of a preset, with some of them changed.

    Raises `Refused` for an unknown preset or switch, in one line.
    """
    if name not in PRESETS:
        raise Refused(f"unknown preset '{name}'{nearest(name, list(PRESETS))}")
    return Lico.of(preset=name, **PRESETS[name] | changed)


def differences(name: str) -> dict[str, tuple[Any, Any]]:
    """Return what a preset changes: switch -> (value in `paper`, value here)."""
    paper = preset("paper")
    return {
        switch: (getattr(paper, switch), value)
        for switch, value in PRESETS[name].items()
        if getattr(paper, switch) != value
    }
