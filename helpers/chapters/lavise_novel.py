"""Claim 2: does an explainer name things that it was never taught?

Whole categories are held out: of a name of two words both, and no instance of them
teaches. Then two questions. Are the held-out words found where they are to be seen, and
more often than where they are not? And what are the words of filter labels that are no
category: forms of taught words, or news?
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from helpers.chapters.lavise_kinds import KINDS, kinds_of
from helpers.chapters.lavise_material import Material
from helpers.chapters.lavise_naming import (
    Bench,
    explained,
    permuted,
    rows_of,
)
from helpers.data import scene_words
from helpers.data.listing import split_words
from helpers.data.reference import ReferenceSet
from helpers.data.scenes import CLASS_NAMES, FAMILY_OF
from helpers.explain.naming import nearest_words
from helpers.measure import retrieval
from helpers.methods.filter_words import Explained, labels_of
from helpers.methods.lavise import teach
from helpers.methods.lavise_settings import Teaching

WORDS = 20  # s: recall@20, published too; a held-out word is seldom among the first 5
LABEL = 5  # words a picture that make a filter's label, as published
PRESENT, ABSENT, SIBLINGS = "there", "not there", "same family, not there"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What an explainer that never saw some categories says of all filters.

    Attributes:
        names: of the categories held out.
        columns: which category words are held out, `[C]`, bool.
        found: the explanation; its truth has all category words.
        answers: controls' vectors on the same pairs, `[P, E]`.
        seen: which category words a pair's picture shows, `[P, C]`, bool.
    """

    names: tuple[str, ...]
    columns: Tensor
    found: Explained
    answers: Mapping[str, Tensor]
    seen: Tensor


def hold_out(
    bench: Bench, material: Material, teaching: Teaching, share: float, seed: int
) -> HeldOut:
    """Teach without a share of the categories, and explain the same filters.

    A word is held out if no category that teaches has it. The controls: the kept words'
    vectors permuted; an explainer as drawn.
    """
    known = sorted({*material.teach.names, *material.explain.names})
    names, _ = split_words(known, share, seed=0)  # the same for every network
    kept = _kept_words(material, names)
    rows, checked = (
        rows_of(maps, part, teaching, bench.cells, _without(part, names)[:, kept])
        for maps, part in (
            (bench.maps.teach, material.teach),
            (bench.maps.validate, material.validate),
        )
    )
    vectors = material.categories[kept]
    still = teaching.model_copy(update={"epochs": 0})
    made = {
        "taught": (vectors, teaching),
        "permuted words": (permuted(vectors, seed), teaching),
        "untaught explainer": (vectors, still),
    }
    found = {
        name: explained(
            teach(rows, checked, words, how, seed).explainer,
            bench.maps.explain,
            material.explain,
            bench.naming,
            bench.cells,
        )
        for name, (words, how) in made.items()
    }
    own = found.pop("taught")
    answers = {name: one.vectors for name, one in found.items()}
    shown = shown_words(material.explain)
    return HeldOut(tuple(names), ~kept, own, answers, shown[own.pictures])


def shown_words(part: ReferenceSet) -> Tensor:
    """Return which category words the pictures show, `[N, C]`, bool."""
    counts = torch.zeros(len(part.images), len(part.words), dtype=torch.long)
    counts.index_add_(0, part.image_of, part.positives().long())
    return counts > 0


def named_share(
    held: HeldOut,
    material: Material,
    where: str = PRESENT,
    who: str = "taught",
    kind: str = "raw",
) -> Tensor:
    """Return which share of held-out words is among a pair's 20, `[P]`, NaN for none.

    Of those in the filter's region (`PRESENT`), of those not in the picture (`ABSENT`),
    or of the latter those that share a family with one in the region (`SIBLINGS`): an
    explainer that knows the family alone names these as often.
    """
    lists = nearest_words(material.vocabulary(kind), _said(held, who), WORDS)
    truth = _words_where(held, material, where)
    return retrieval.recall(lists, truth, material.places[held.columns])


def told_apart(
    held: HeldOut,
    material: Material,
    where: str = ABSENT,
    who: str = "taught",
    kind: str = "raw",
) -> Tensor:
    """Return how often a held-out word in the region is nearer than one elsewhere.

    Over all couples of a held-out word in the pair's region and one that is not in the
    picture (`ABSENT`), or is not and shares its family (`SIBLINGS`): the share in which
    the first has the greater cosine, ties half; chance is 1/2. No other word is asked,
    so that this sees what is too weak to come among 20 of all words. `[P]`, NaN where
    there is no couple.
    """
    words = material.vocabulary(kind).vectors[material.places[held.columns]]
    alike = _said(held, who) @ words.T  # [P, H]: order alone counts
    here = _words_where(held, material, PRESENT)
    other = _words_where(held, material, where)
    couples = here[:, :, None] & other[:, None, :]  # [P, H, H]
    apart = alike[:, :, None] - alike[:, None, :]
    won = ((apart > 0).float() + 0.5 * (apart == 0).float()) * couples
    return won.sum((1, 2)) / couples.sum((1, 2))  # 0 / 0 is NaN


def forced_choice(held: HeldOut, material: Material, kind: str = "raw") -> pd.DataFrame:
    """Return `told_apart` of each explainer, with intervals over filters."""
    rows = []
    for who in ("taught", *held.answers):
        for where in (ABSENT, SIBLINGS):
            values = told_apart(held, material, where, who, kind)
            found = retrieval.over_filters(values, held.found.filters)
            rows.append(
                {
                    "explainer": who,
                    "against a word": where,
                    "nearer": found.mean,
                    "from": found.low,
                    "to": found.high,
                    "pairs": found.pairs,
                }
            )
    return pd.DataFrame(rows)


def table(held: HeldOut, material: Material, kind: str = "raw") -> pd.DataFrame:
    """Return how often held-out words are named, where they are and where not."""
    rows = []
    cases = [("taught", w) for w in (PRESENT, ABSENT, SIBLINGS)]
    cases += [(who, PRESENT) for who in held.answers]
    for who, where in cases:
        values = named_share(held, material, where, who, kind)
        found = retrieval.over_filters(values, held.found.filters)
        rows.append(
            {
                "explainer": who,
                "held-out words": where,
                "named": found.mean,
                "from": found.low,
                "to": found.high,
                "pairs": found.pairs,
            }
        )
    chance = retrieval.by_chance(len(material.raw.words), WORDS)
    blind = {"explainer": "chance", "held-out words": "any", "named": chance}
    blind["pairs"] = len(held.found.filters)
    return pd.DataFrame([*rows, blind])


def label_kinds(held: HeldOut, material: Material, bench: Bench) -> pd.DataFrame:
    """Return what the words of all filter labels are, in shares, a row an explainer.

    The row "vocabulary" is what blind choice would give.
    """
    kinds = kinds_of(material, held.columns)
    rows = {"vocabulary": kinds}
    for who, vectors in {**held.answers, "taught": held.found.vectors}.items():
        _, labels = labels_of(
            _with(held.found, vectors), material.raw, LABEL, bench.naming
        )
        rows[who] = kinds[labels[labels >= 0]]
    return pd.DataFrame(
        [
            {"explainer": who, **dict(zip(KINDS, _shares(found), strict=True))}
            for who, found in rows.items()
        ]
    )


def row(held: HeldOut, material: Material) -> dict[str, Any]:
    """Return what a record keeps: `table` and `forced_choice`, raw and centred."""
    kinds = ("raw", "centred")
    return {
        "names": list(held.names),
        **{kind: _kept(table(held, material, kind)) for kind in kinds},
        "forced choice": {k: _kept(forced_choice(held, material, k)) for k in kinds},
    }


def _kept(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as JSON has them: no NaN, no infinity, six digits."""
    return [
        {str(key): _number(value) for key, value in one.items()}
        for one in frame.to_dict("records")
    ]


def _number(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return round(value, 6) if math.isfinite(value) else None


def _said(held: HeldOut, who: str) -> Tensor:
    return held.found.vectors if who == "taught" else held.answers[who]


def _words_where(held: HeldOut, material: Material, where: str) -> Tensor:
    """Return which held-out words are somewhere, of each pair, `[P, H]`, bool."""
    here, shown = held.found.truth[:, held.columns], held.seen[:, held.columns]
    if where == ABSENT:
        return ~shown
    if where == SIBLINGS:
        alike = _same_family(material.words)[held.columns][:, held.columns]
        return ((here.float() @ alike.float()) > 0) & ~shown
    return here


def _kept_words(material: Material, names: tuple[str, ...]) -> Tensor:
    """Return which words an instance of a category that is not held out has, `[C]`."""
    return _without(material.teach, names).any(0)


def _without(part: ReferenceSet, names: tuple[str, ...]) -> Tensor:
    """Return positives, none for instances of held-out categories, `[J, C]`."""
    out = torch.tensor([name in names for name in part.names], dtype=torch.bool)
    return part.positives() & ~out[:, None]


def _same_family(words: tuple[str, ...]) -> Tensor:
    """Return which words belong to scenes' classes of one family, `[C, C]`, bool."""
    families = torch.zeros(len(words), max(FAMILY_OF) + 1, dtype=torch.bool)
    for label in range(len(CLASS_NAMES)):
        for word in scene_words.class_words(label):
            if word in words:
                families[words.index(word), FAMILY_OF[label]] = True
    return (families.float() @ families.float().T) > 0


def _with(found: Explained, vectors: Tensor) -> Explained:
    return replace(found, vectors=vectors)


def _shares(kinds: Tensor) -> list[float]:
    counts = torch.bincount(kinds, minlength=len(KINDS)).double()
    return (counts / counts.sum().clamp(min=1)).tolist()
