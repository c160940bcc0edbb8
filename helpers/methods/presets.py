"""Every version of LICO as a row of switches, and where each choice comes from.

A preset is a `helpers.settings.Lico`; what a row does not name is as in `paper`.
Sources: [paper] Lei et al. 2023; [code] its repository ymLeiFDU/LICO; [response] Lei et
al. 2024; [study] Bartak et al. 2024 and konradszewczyk/lico-reproduction; [fact] the
code robertdvdk/lico-fact of Fletcher et al. 2024.
"""

from dataclasses import dataclass
from typing import Any

from helpers.language.sources import CONTROLS, FIXED
from helpers.settings import Classifier, Lico, Refused, nearest

Row = dict[str, Any]
UNREPAIRED = (6, 10)  # contexts and classes, written into [code] of October 2024

# The authors' code as it was first published: no gradient through transport.
_CODE: Row = {
    "tower": "trained",
    "full_stop": True,
    "dropout": 0.5,
    "mm_text": "pooled",
    "mm_image": "pooled",
    "least_square": 1e-4,
    "sign": "far",
    "temperature": "raw",
    "plan": "published",
    "iterations": 100,
    "plan_gradient": "none",
}
# [fact] as it stands: pooled features, a silent broadcast, sorted names.
_FACT: Row = {
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
}
# [study] in its main form: all positions of a prompt, an unconverged plan.
_STUDY: Row = {
    "ctx_std": 1.0,
    "shuffle": True,
    "text_tokens": "every position",
    "temperature": "bounded",
    "tau": 0.07,
    "plan": "published",
    "epsilon": 1e-4,
    "iterations": 100,
}
PRESETS: dict[str, Row] = {
    # Per-token projected features for both losses, eq. 1 with its minus sign.
    "paper": {},
    # The completions of [study]: 1 / tau = exp(t), t bounded to [0, log 100].
    "paper_stable": {"temperature": "bounded", "tau": 0.07},
    # No trivial optimum left: nobody is its own neighbour, tau cannot flee.
    "active": {"diagonal": False, "temperature": "fixed", "tau": 0.2},
    # [code], January 2024.
    "authors_jan": {
        **_CODE,
        "contexts": "class",
        "position": "middle",
        "shuffle": True,
        "ot_text": "classes",
    },
    # [code], October 2024, with the repairs of `REPAIRS`.
    "authors_oct": {
        **_CODE,
        "contexts": "rolled",
        "mm_labels": "twice",
        "ot_text": "copies",
    },
    "lico_fact": _FACT,
    # [response]: [fact] with its corrections, contexts rolled into n_ctx copies.
    "rebuttal": {
        **_FACT,
        "names": "aligned",
        "contexts": "rolled",
        "position": "end",
        "shuffle": False,
        "ot_text": "copies",
    },
    "repro_shared": _STUDY,
    "repro_class_specific": {**_STUDY, "contexts": "class"},
    "repro_label_front": {**_STUDY, "position": "front"},
}
# What each code trains with, where it is not what `paper` trains with.
RECIPES: dict[str, Row] = {
    "authors_jan": {
        **{"lr": 0.1, "weight_decay": 5e-4, "schedule": "epochs"},
        # what it reports; the weights that it holds in the end are the last ones
        **{"flip": True, "shift": 4, "padding": "zeros", "keep": "best test"},
    },
    "lico_fact": {
        **{"flip": True, "shift": 4, "backbone_dropout": 0.5},
        **{"precision": "16", "scaler": True},
    },
    "rebuttal": {"flip": True, "shift": 4, "backbone_dropout": 0.5},
    "repro_shared": {"flip": True, "least_area": 0.08, "clip_norm": 0.5},
}
RECIPES["authors_oct"] = RECIPES["authors_jan"]
RECIPES["repro_class_specific"] = RECIPES["repro_shared"]
RECIPES["repro_label_front"] = RECIPES["repro_shared"]


@dataclass(frozen=True)
class Choice:
    """A choice that a source leaves open, the value taken, and where it comes from."""

    switch: str
    open_point: str
    source: str


CHOICES = (
    Choice("n_ctx", "number of learnable tokens", "[code], [fact], [study]: 12"),
    Choice("contexts", "one context for all classes, or one a class", "[response]"),
    Choice("ctx_std", "learnable tokens at the start", "[code], [fact]: N(0, .02^2)"),
    Choice(
        "position", "where the class name stands", "[response], [study]: at the end"
    ),
    Choice("full_stop", "whether a full stop ends the prompt", "[study]: none"),
    Choice("shuffle", "whether learnable tokens change places", "[response]: no"),
    Choice("text_tokens", "which text tokens are read", "here: n slots, the class"),
    Choice("dropout", "dropout inside h_psi", "[study]: none; [code], [fact]: 0.5"),
    Choice("text_decay", "weight decay on prompts and tau", "[fact]: yes"),
    Choice("mm_image", "full maps or pooled features", "eq. 1 as [study] reads it"),
    Choice("unit", "rows scaled to length 1", "[code], [study]: yes; [fact]: no"),
    Choice("temperature", "how tau stays positive", "here: tau = exp(t), unbounded"),
    Choice("tau", "tau at the start", "[code], [fact]: log(1 / 0.07), dividing"),
    Choice("diagonal", "whether j = i is in the softmax", "eq. 1: j over the batch"),
    Choice("epsilon", "strength of the entropic term", "[code], [fact]: 0.1"),
    Choice("plan", "iterations of Sinkhorn", "here: to convergence"),
    Choice("plan_gradient", "gradient of <T, C> through T", "[fact], [study]: yes"),
)
# What [response] leaves open, the value that `rebuttal` takes, and the other readings.
OPEN_IN_REBUTTAL: dict[Choice, tuple[Any, ...]] = {
    Choice("n_ctx", "6 in a view of [code], 12 in its prompts", "[fact]: 12"): (6,),
    Choice("contexts", "rolled by 1 each time, or by i", "[code]: by 1"): (
        "rolled apart",
    ),
    Choice("position", "where the class name stands", "[code]: at the end"): (
        "middle",
    ),
    Choice("shuffle", "whether learnable tokens change places", "[code]: no"): (True,),
    Choice("plan_gradient", "through the plan, or held fixed", "[fact]: through"): (
        *("detached", "none"),
    ),
    Choice("unit", "rows scaled to length 1", "[fact]: no"): (True,),
    Choice("sign", "softmax of -D, or of +D as in [code]", "[fact]: -D"): ("far",),
    Choice("kl_floor", "KL plain as in [code], or floored", "[fact]: 1e-4"): (0.0,),
    Choice("tower", "text tower trained as in [code], or frozen", "[fact]: frozen"): (
        "trained",
    ),
}


@dataclass(frozen=True)
class Repair:
    """What stops a published code, and what is done here instead."""

    fails: str
    instead: str


# What stops both states of [code], beside its tensors.
_OF_NAMES = (
    Repair(
        "names not defined where they are read: criterion, args.language, "
        "PromptLearnerBERT; modules not in the repository",
        "cross-entropy, CLIP's prompts, this book's networks",
    ),
    Repair(
        "class names of CIFAR-10 for every data set, 'automobile' in the place of "
        "'bird'",
        "the data set's own",
    ),
    Repair(
        "its test reads an average of weights that is None unless an option asks for "
        "it",
        "the weights (ema=0.999: the average)",
    ),
)
REPAIRS: dict[str, tuple[Repair, ...]] = {
    "authors_jan": _OF_NAMES,
    "authors_oct": (
        Repair(
            "view(6, 10, d') of n K = 12 K text rows: torch's RuntimeError unless "
            "n K = 60",
            "viewed as [n, K, d']",
        ),
        Repair(
            "texts indexed by the labels twice: IndexError once a label is B or more",
            "y[y_i mod B]",
        ),
        *_OF_NAMES,
    ),
}


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


# What may be chosen without making a preset another: its training, the width of its
# projection, and where its language comes from.
FREE = {
    *Classifier.model_fields,
    *("name", "preset", "language", "text_width", "hidden"),
    *("clip_pictures", "clip_epochs", "clip_seed"),
}


# What all arms of a page are trained with, whatever it is.
SCHEDULE = {"name", "backbone", "epochs", "batch", "lr", "flip", "shift"}


def modified(method: Lico) -> dict[str, Any]:
    """Return the switches by which a method is no longer its preset, with values.

    A tower is as good as another; a source that knows no words is not.
    """
    own = preset(method.preset)
    wordless = method.language in (*CONTROLS, *FIXED)
    return {
        switch: getattr(method, switch)
        for switch in Lico.model_fields
        if getattr(method, switch) != getattr(own, switch)
        and (switch not in FREE or (switch == "language" and wordless))
    }


def title(method: Lico) -> str:
    """Return what a method is called wherever it is shown: "paper, modified: beta 0".

    A preset of which a switch was changed never bears its bare name; nor does one that
    was trained otherwise than all arms of the book are, but for its `SCHEDULE`, nor one
    whose language is a file of vectors, one a class, so that it has no prompt.
    """
    usual = Classifier()
    trained = {
        name: getattr(method, name)
        for name in Classifier.model_fields
        if name not in SCHEDULE and getattr(method, name) != getattr(usual, name)
    }
    fixed = method.language.startswith("file:")
    found = f"{method.preset}, on fixed features" if fixed else method.preset
    for how, changed in (("modified", modified(method)), ("trained with", trained)):
        what = ", ".join(f"{name} {value}" for name, value in changed.items())
        found += f", {how}: {what}" if what else ""
    return found


def switches(method: Lico) -> dict[str, Any]:
    """Return all switches of a method but its training's, in their order."""
    return {
        name: getattr(method, name)
        for name in Lico.model_fields
        if name not in Classifier.model_fields and name not in ("name", "preset")
    }
