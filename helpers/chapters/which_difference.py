"""Chapter 07: from `paper` towards each published code, one difference at a time."""

from typing import Any

import pandas as pd
import torch
from pydantic import Field, field_validator

from helpers.chapters.chapter import LicoChapter
from helpers.chapters.training import GRAD_CAM, rows_of
from helpers.lab.runs import Run
from helpers.methods.factors import FACTORS, GROUPS, Factor, factor
from helpers.methods.presets import (
    OPEN_IN_REBUTTAL,
    RECIPES,
    REPAIRS,
    differences,
    preset,
    switches,
)
from helpers.methods.text_side import published_view
from helpers.report.factors import group_of
from helpers.settings import Classifier, RunSettings, nearest

BASELINE, LICO = "ce", "lico"
# Preset: repository, state, in a column's words.
CODES = {
    "authors_jan": "ymLeiFDU/LICO\nJan 2024",
    "authors_oct": "ymLeiFDU/LICO\nOct 2024",
    "lico_fact": "robertdvdk/lico-fact\n76ed093",
    "rebuttal": "author response\n2024",
    "repro_shared": "konradszewczyk/\nlico-reproduction\nd63b896: shared",
    "repro_class_specific": "the same:\na context a class",
    "repro_label_front": "the same:\nname in front",
}
WHOLE, PART, ELSEWHERE, ABSENT = "yes", "part of another", "CIFAR-100 alone", ""
OPTION = "by an option, or not kept"
# What a code does on one data set alone, only if asked, or without effect on the
# weights that it holds in the end: no preset has it.
SOMEWHERE = {
    "names by folder": {"repro_shared": ELSEWHERE},
    "averaged weights": {"authors_jan": OPTION, "authors_oct": OPTION},
    "best validation epoch": {"lico_fact": OPTION},
}


class WhichDifference(LicoChapter):
    """The parameters of chapter 07."""

    factors: list[str] = Field([], description="differences trained here, or groups")

    @field_validator("factors")
    @classmethod
    def known_factors(cls, factors: list[str]) -> list[str]:
        """Refuse a factor or a group that is unknown or given twice."""
        known = [*GROUPS, *(one.name for one in FACTORS)]
        for name in factors:
            if name not in known:
                raise ValueError(f"unknown difference '{name}'{nearest(name, known)}")
        if len(set(_names(factors))) < len(_names(factors)):
            raise ValueError("give each difference once")
        return factors

    def arms(self) -> dict[str, list[RunSettings]]:
        """Return baseline and LICO, and LICO with each factor.

        A factor of the training has a baseline of its own, "ce: NAME".
        """
        plain = {
            BASELINE: self.each(self.data(), self.cross_entropy(), self.seeds),
            LICO: self.each(self.data(), self.lico("paper"), self.seeds),
        }
        for one in self.chosen():
            if one.training:
                method = self.cross_entropy(**one.changed)
                plain[f"{BASELINE}: {one.name}"] = self.each(
                    self.data(), method, self.seeds
                )
            lico = self.lico("paper", **one.changed)
            plain[one.name] = self.each(self.data(), lico, self.seeds)
        return plain

    def chosen(self) -> list[Factor]:
        """Return the factors that this chapter trains."""
        return [factor(name) for name in _names(self.factors)]

    def summary(self, arms: dict[str, list[Run]]) -> dict[str, Any]:
        """Return of each run what effects need: accuracy per picture, means of maps."""
        arms_of = {
            arm: {seed: _means_alone(row) for seed, row in rows.items()}
            for arm, rows in rows_of(arms).items()
        }
        return {"parameters": self.model_dump(), "arms": arms_of}


def _means_alone(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without scores of maps per picture, and without reference maps.

    A record of many arms would be five times as large; effects are of means of a seed.
    """
    per_picture = ("sch", "insertion", "deletion", "full", "full_correct")
    kept = {name: value for name, value in row.items() if name not in per_picture}
    return kept | {"means": {GRAD_CAM: row["means"][GRAD_CAM]}}


def _names(factors: list[str]) -> list[str]:
    """Return the factors of a list of factors and groups."""
    return [one for name in factors for one in GROUPS.get(name, (name,))]


# Which code has which difference


def code_table() -> pd.DataFrame:
    """Return a row a factor, a column a published code: has it, has part, or not.

    "part of another": its switches are there together with those of a larger factor,
    which stands in its own row. `ELSEWHERE` and `OPTION` as `SOMEWHERE` says.
    """
    rows = []
    for one in FACTORS:
        row = {"difference": one.name, "group": group_of(one)}
        rows.append(row | {code: _mark(one, code) for code in CODES})
    return pd.DataFrame(rows)


def _mark(one: Factor, code: str) -> str:
    if code in SOMEWHERE.get(one.name, {}):
        return SOMEWHERE[one.name][code]
    if code not in one.codes():
        return ABSENT
    larger = [
        other
        for other in FACTORS
        if other.training == one.training
        and one.changed.items() < other.changed.items()
        and code in other.codes()
    ]
    return PART if larger else WHOLE


def in_no_code(table: pd.DataFrame) -> list[str]:
    """Return the factors that no published code has: readings and remedies."""
    absent = (table[list(CODES)] == ABSENT).all(axis=1)
    return list(table.loc[absent, "difference"])


def switch_table() -> pd.DataFrame:
    """Return a row a switch that a code changes: `paper`, then each code's value.

    First those of the method, then those of the training (`RECIPES`).
    """
    changed = {
        code: {switch: new for switch, (_, new) in differences(code).items()}
        | RECIPES.get(code, {})
        for code in CODES
    }
    paper = preset("paper")
    trained = {name: getattr(paper, name) for name in Classifier.model_fields}
    return pd.DataFrame(
        {
            "switch": switch,
            "paper": str(value),
            **{code: str(row.get(switch, "·")) for code, row in changed.items()},
        }
        for switch, value in (switches(paper) | trained).items()
        if any(switch in row for row in changed.values())
    )


def repairs_table() -> pd.DataFrame:
    """Return what stops a published code, and what is done here instead."""
    return pd.DataFrame(
        {
            "code": CODES[code].replace("\n", ", "),
            "fails": one.fails,
            "here": one.instead,
        }
        for code, repairs in REPAIRS.items()
        for one in repairs
    )


def unrepaired(contexts: int, classes: int, cells: int) -> str:
    """Return what torch says to the October code's view of n K text rows."""
    try:
        shape = tuple(published_view(torch.zeros(contexts * classes, cells)).shape)
    except RuntimeError as error:
        return f"torch's {type(error).__name__}, {error}"
    return f"no error: {shape}"


def open_table() -> pd.DataFrame:
    """Return what the response leaves open: the value taken, and the other readings."""
    taken = preset("rebuttal")
    return pd.DataFrame(
        {
            "switch": choice.switch,
            "left open": choice.open_point,
            "taken": str(getattr(taken, choice.switch)),
            "because of": choice.source,
            "other readings": ", ".join(map(str, others)),
        }
        for choice, others in OPEN_IN_REBUTTAL.items()
    )
