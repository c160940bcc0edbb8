"""Chapter 03: cross-entropy, + MM, + OT, LICO, its versions, language controls."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pandas as pd
from pydantic import Field, NonNegativeInt, field_validator

from helpers.chapters.chapter import LicoChapter
from helpers.lab.recipes import label
from helpers.lab.runs import Run
from helpers.language import sources
from helpers.measure.aggregate import aggregate
from helpers.methods.presets import OPEN_IN_REBUTTAL, PRESETS, title
from helpers.report import arms as tables_of
from helpers.report import intervention, records
from helpers.settings import WORDLESS, Cgc, Lico, Method, Refused, RunSettings, nearest

GRAD_CAM = "Grad-CAM"
# Arm: the preset it starts from, and what it changes.
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "lico": ("paper", {}),
    "mm": ("paper", {"beta": 0.0}),
    "ot": ("paper", {"alpha": 0.0}),
    "stable": ("paper_stable", {}),
    **{name: (name, {}) for name in PRESETS if name not in ("paper", "paper_stable")},
    "permuted": ("paper", {"names": "permuted"}),
    "random-tower": ("paper", {"language": "random-tower"}),
    "random-vectors": ("paper", {"language": "random-vectors"}),
    "one-hot": ("paper", {"language": "one-hot"}),
    "captions": ("paper", {"names": "captions"}),
    "shuffled-captions": ("paper", {"names": "shuffled captions"}),
}
ARMS |= {  # the controls again, where manifold matching certainly acts
    f"active-{arm}": ("active", changed)
    for arm, (_, changed) in ARMS.items()
    if arm in ("permuted", "random-tower", "random-vectors", "one-hot")
}
# What the response leaves open: `rebuttal` with each other reading of it.
READINGS = {
    f"rebuttal: {choice.switch} {value}": ("rebuttal", {choice.switch: value})
    for choice, others in OPEN_IN_REBUTTAL.items()
    for value in others
}
ARMS |= READINGS
WITHOUT_WORDS = ("random-tower", "random-vectors", "one-hot")
# What takes their place where the language is fixed features, without a tower.
FIXED = {"random-vectors": "vectors:random", "one-hot": "vectors:one-hot"}
CONTRAST = ("cgc", "three-views")  # CGC, and the baseline that sees what it sees
GROUPS: dict[str, tuple[str, ...]] = {
    "losses": ("ce", "lico", "mm", "ot", "active"),
    "versions": (
        *("stable", "authors_jan", "authors_oct", "lico_fact", "rebuttal"),
        *("repro_shared", "repro_class_specific", "repro_label_front"),
    ),
    "readings": tuple(READINGS),
    "controls": ("permuted", *WITHOUT_WORDS),
    "active-controls": tuple(arm for arm in ARMS if arm.startswith("active-")),
    "captions": ("captions", "shuffled-captions"),
    "contrast": CONTRAST,
}
MAIN = ("ce", "lico")  # with all seeds; the others have `few_seeds`
# What photographs need to say something of the claims: training pictures, and the
# baseline's mean top-1. With less they show the mechanism only.
ENOUGH = (25_000, 0.85)


class Training(LicoChapter):
    """The parameters of chapter 03."""

    seeds: list[NonNegativeInt] = Field(
        [1, 2], min_length=1, description="training seeds of ce and lico"
    )
    few_seeds: list[NonNegativeInt] = Field(
        [1], min_length=1, description="training seeds of the other arms"
    )
    variants: list[str] = Field(["losses"], min_length=1, description="arms or groups")
    alpha: float = Field(10.0, ge=0, description="weight of manifold matching")
    beta: float = Field(1.0, ge=0, description="weight of optimal transport")
    hidden: int = Field(512, ge=1, description="width of the projection h_psi")
    n_ctx: int = Field(12, ge=1, description="learnable tokens of a prompt")
    epsilon: float = Field(0.1, gt=0, description="strength of the entropic term")
    language: str = Field(
        "tiny-clip", description="tiny-clip, open-clip:MODEL/TAG, file:PATH"
    )
    text_width: int = Field(512, ge=2, description="width of the features of file:PATH")

    @field_validator("variants")
    @classmethod
    def known_arms(cls, variants: list[str]) -> list[str]:
        """Refuse an arm or a group that is unknown or given twice."""
        known = [*GROUPS, *(arm for group in GROUPS.values() for arm in group)]
        for name in variants:
            if name not in known:
                raise ValueError(f"unknown arm '{name}'{nearest(name, known)}")
        if len(set(_arms_of(variants))) < len(_arms_of(variants)):
            raise ValueError("give each arm once")
        return variants

    def method(self, arm: str) -> Method:
        """Return the settings of an arm."""
        if arm == "ce":
            return self.cross_entropy()
        if arm in CONTRAST:
            weight = {} if arm == "cgc" else {"lam": 0.0}
            return Cgc.of(**self.schedule(), **weight)
        name, changed = ARMS[arm]
        given = {
            "alpha": self.alpha,
            "beta": self.beta,
            "hidden": self.hidden,
            "n_ctx": self.n_ctx,
            "epsilon": self.epsilon,
            "language": self.language,
            "text_width": self.text_width,
        }
        words = arm.removeprefix("active-")
        if sources.is_fixed(self.language) and words in FIXED:
            changed = {"language": FIXED[words]}
        own = PRESETS[name]  # what a preset sets, the chapter leaves
        return self.lico(name, **{k: given[k] for k in given.keys() - own} | changed)

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return the runs of each arm, `seeds` of ce and lico, `few_seeds` of others.

        Raises `Refused` where an arm needs a text tower that is not there.
        """
        wanted = _arms_of(self.variants)
        without = ("random-tower", "active-random-tower", *GROUPS["captions"])
        towers = [arm for arm in wanted if arm in without]
        if sources.is_fixed(self.language) and towers:
            raise Refused(
                f"arm '{towers[0]}' needs a text tower, and language={self.language} "
                "has none: leave it out of 'variants'"
            )
        return {
            arm: self.each(
                self.data(),
                self.method(arm),
                self.seeds if arm in MAIN else self.few_seeds,
            )
            for arm in wanted
        }

    def kind_of_language(self) -> str:
        """Return what the language of this chapter's runs may say about the claims."""
        if self.language.startswith("file:"):
            return "real-fixed"
        if self.language.startswith("open-clip:"):
            return "real"
        return "planted" if self.dataset == "scenes" else "mechanism check"

    def weight(self, arms: Mapping[str, list[Run]]) -> str:
        """Return the kind of language, and of photographs whether they are enough."""
        kind, baseline = self.kind_of_language(), arms.get("ce", [])
        if not kind.startswith("real"):
            return kind
        known = [run.record["accuracy"]["test"] for run in baseline]
        mean = sum(known) / len(known) if known else 0.0
        enough = self.pictures >= ENOUGH[0] and mean >= ENOUGH[1]
        return kind if enough else f"{kind}, mechanism only"

    def modified(self) -> list[str]:
        """Return the arms that these parameters make others than usual, as alpha does.

        A switch that is part of an arm, as beta = 0 of `mm`, does not modify it, nor
        does another tower; a page without words does.
        """
        wordless = self.language in (*sources.CONTROLS, *WORDLESS)
        usual = Training.of() if wordless else Training.of(language=self.language)
        return [
            arm
            for arm in _arms_of(self.variants)
            if isinstance(method := self.method(arm), Lico)
            and title(method) != title(cast(Lico, usual.method(arm)))
        ]

    def named(self, arms: Mapping[str, list[Run]]) -> dict[str, list[Run]]:
        """Return the runs by the names under which figures show their arms."""
        changed = self.modified()
        return {tables_of.marked_name(arm, changed): runs for arm, runs in arms.items()}

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return of each run what the claims need, per picture, and its means."""
        return {
            "parameters": self.model_dump(),
            "language": self.weight(arms),
            "modified": self.modified(),
            "arms": rows_of(arms),
        }


def rows_of(arms: Mapping[str, list[Run]]) -> dict[str, dict[str, Any]]:
    """Return what a record keeps of each run, `[arm][seed]`."""
    return {
        name: {str(run.settings.seed): _row(run) for run in runs}
        for name, runs in arms.items()
    }


def _arms_of(variants: Sequence[str]) -> list[str]:
    """Return the arms of a list of arms and groups."""
    return [arm for name in variants for arm in GROUPS.get(name, (name,))]


def histories(arms: Mapping[str, list[Run]]) -> dict[str, pd.DataFrame]:
    """Return the history of the first seed of each arm."""
    return {arm: runs[0].history for arm, runs in arms.items()}


def in_one(histories: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return histories in one table, a column `arm`; `ce` is the baseline's loss."""
    return pd.concat(
        history.assign(arm=arm, ce=history.get("ce", history["loss"]))
        for arm, history in histories.items()
    )


def part(record: records.Record | None, *groups: str) -> records.Record | None:
    """Return a record with the arms of some groups, beside its baseline and LICO.

    None where it has none of them; a line names those that it lacks.
    """
    wanted = [arm for name in groups for arm in GROUPS[name] if arm not in MAIN]
    kept = tables_of.only(record, [*MAIN, *wanted])
    if kept is None or set(kept["arms"]) <= set(MAIN):
        return None
    return kept


def words_of(settings: RunSettings) -> str:
    """Return what a run's method is called in a table: its title, or its label."""
    method = settings.method
    return title(method) if isinstance(method, Lico) else label(settings)


def _row(run: Run) -> dict[str, Any]:
    record = run.record
    shown, everyone = record["maps"], record["consistency"]
    method = run.settings.method
    row = {
        "method": words_of(run.settings),
        "accuracy": record["accuracy"],
        "training_accuracy": record["training_accuracy"],
        "trained_out": record["trained_out"],
        "correct": "".join(str(hit) for hit in record["correct"]),
        "full_correct": "".join(str(hit) for hit in record["full_correct"]),
        "means": {
            name: _means(
                shown[name]
                | everyone[name]
                | record["place"][name]
                | record["grids"].get(name, {})
            )
            for name in everyone
        },
        "insertion": records.packed(shown[GRAD_CAM]["insertion"]),
        "deletion": records.packed(shown[GRAD_CAM]["deletion"]),
        "full": records.packed(record["full"]),
    }
    if "sch" in everyone[GRAD_CAM]:
        row["sch"] = records.packed(everyone[GRAD_CAM]["sch"])
    contrasted = isinstance(method, Cgc) and method.lam > 0
    if "mm" in run.history or "ot" in run.history or contrasted:
        row["intervention"] = intervention.describe(run.history)
    return row


def _means(scores: Mapping[str, list[float | None]]) -> dict[str, float | None]:
    means = {name: aggregate(values).mean for name, values in scores.items()}
    return {name: None if v != v else round(v, 6) for name, v in means.items()}
