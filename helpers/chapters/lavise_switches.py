"""What single choices of LaViSE do: size, optimum, attention, defects of the codes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from helpers.chapters.lavise_material import Material, normalised
from helpers.chapters.lavise_naming import (
    PRIMARY,
    WORDS,
    Bench,
    explained,
    rows_of,
)
from helpers.explain.naming import nearest_words
from helpers.losses.ranking import best_directions, cosine_similarity
from helpers.measure import retrieval
from helpers.measure.aggregate import aggregate
from helpers.methods.explainer import parameter_counts
from helpers.methods.filter_words import Explained, explain_filters
from helpers.methods.lavise import teach
from helpers.methods.lavise_rows import Rows, view_rows
from helpers.methods.lavise_settings import DEFECTS, Naming, Teaching, with_defects

ATTENTIONS = ("none", "scalar", "elementwise", "activation", "image")
VIEWS = 1  # where a defect is one of views, with it and without
LAYERS = {"ResNet-18": 512, "ResNet-50": 2048, "AlexNet": 9216}  # published


@dataclass(frozen=True)
class Moved:
    """What a change does to recall@5, as a difference with an interval over filters.

    Attributes:
        name: of the change.
        what: it is, in one line.
        before: recall without it.
        recall: with it.
        apart: recall with it minus without.
        low: end of the interval over filters.
        high: the other end.
        frequent: recall of the most frequent categories, with it.
        truth: mean number of words in G, with it.
    """

    name: str
    what: str
    before: float
    recall: float
    apart: float
    low: float
    high: float
    frequent: float
    truth: float


def sizes(own: int, width: int) -> pd.DataFrame:
    """Return parameters of explainers: in the codes, in the document, of this page.

    `own` and `width`: numbers that this page's explainer reads and gives.
    """
    rows = []
    for name, inputs, outputs in (
        *((name, inputs, 300) for name, inputs in LAYERS.items()),
        ("this page", own, width),
    ):
        found = parameter_counts(inputs, outputs)
        rows.append(
            {
                "network": name,
                "d": inputs,
                "E": outputs,
                "built as the text says": f"{found.built:,}",
                "by the formula": f"{found.document:,}",
                "norm last": f"{found.output:,}",
            }
        )
    return pd.DataFrame(rows)


@torch.no_grad()
def optimum(bench: Bench, material: Material, teaching: Teaching) -> pd.DataFrame:
    """Return where the explainer's vectors of validation instances lie, by cosine.

    Beside the share of hinges that act: the closed form holds as far as they do.
    """
    rows = rows_of(bench.maps.validate, material.validate, teaching, bench.cells)
    vectors = bench.taught.explainer(rows.inputs)
    words = material.categories
    alike = cosine_similarity(vectors, words)  # [B, C]
    own = (alike * rows.positives).sum(1) / rows.positives.sum(1)
    best = best_directions(words, rows.positives)
    near = torch.nn.functional.cosine_similarity(vectors, best, dim=1)
    acting = (teaching.margin - own[:, None] + alike > 0) & ~rows.positives
    share = acting.sum() / (~rows.positives).sum()
    between = torch.nn.functional.cosine_similarity(
        best, _own(words, rows.positives), dim=1
    )
    return pd.DataFrame(
        [
            {"mean over instances": "cosine to the word", "value": float(own.mean())},
            {
                "mean over instances": "cosine to the closed form",
                "value": float(near.mean()),
            },
            {
                "mean over instances": "cosine of closed form and word",
                "value": float(between.mean()),
            },
            {"mean over instances": "share of hinges that act", "value": float(share)},
        ]
    )


def attentions(
    bench: Bench, material: Material, network: nn.Module, dataset: str
) -> pd.DataFrame:
    """Return recall@s of each reading of the same filters, by the same explainer."""
    rows = []
    for name in ATTENTIONS:
        naming = bench.naming.model_copy(update={"attention": name})
        found = _read(bench, material, naming, network, dataset)
        for kind in ("raw", "centred"):
            for s in WORDS:
                one = retrieval.over_filters(
                    _recalls(found, material, s, kind), found.filters
                )
                rows.append(
                    {
                        "attention": name,
                        "vocabulary": kind,
                        "s": s,
                        "recall": one.mean,
                        "from": one.low,
                        "to": one.high,
                    }
                )
    return pd.DataFrame(rows)


def defects(
    bench: Bench,
    material: Material,
    teaching: Teaching,
    encode: Callable[[Tensor], Tensor],
    dataset: str,
    seed: int,
    names: Sequence[str] = tuple(DEFECTS),
) -> list[Moved]:
    """Return what each defect does to recall@5, all else as it is.

    A defect of the views is compared with as many views whose masks move along.
    """
    moved = []
    for name in names:
        bad_teaching, bad_naming = with_defects((name,), teaching, bench.naming)
        before = bench.found
        explainer: nn.Module = bench.taught.explainer
        if bad_teaching.views:
            views = {"views": VIEWS}
            right = teaching.model_copy(update=views)
            bad_teaching = bad_teaching.model_copy(update=views)
            good = _taught(bench, material, right, encode, dataset, seed)
            before = explained(
                good, bench.maps.explain, material.explain, bench.naming, bench.cells
            )
        if bad_teaching != teaching:
            explainer = _taught(bench, material, bad_teaching, encode, dataset, seed)
        found = explained(
            explainer, bench.maps.explain, material.explain, bad_naming, bench.cells
        )
        what = DEFECTS[name].what
        positives = bench.rows.positives
        moved.append(compared(name, what, before, found, material, positives, PRIMARY))
    return moved


def compared(
    name: str,
    what: str,
    before: Explained,
    after: Explained,
    material: Material,
    positives: Tensor,
    words: int,
) -> Moved:
    """Return what a change does to recall@s, the same pairs with it and without.

    Where the change moves the pictures, filter by filter. `positives`: categories of
    the teaching instances, `[J, C]`.
    """
    one, two = (_recalls(found, material, words) for found in (before, after))
    if torch.equal(before.pictures, after.pictures):
        apart = retrieval.over_filters(two - one, after.filters)
    else:
        ends = (
            retrieval.over_filters(values, found.filters)
            for values, found in ((two, after), (one, before))
        )
        apart = retrieval.difference(*ends)
    most = retrieval.most_frequent(positives, material.places, words)
    blind = retrieval.recall(most.expand(len(two), -1), after.truth, material.places)
    return Moved(
        name,
        what,
        aggregate(one).mean,
        aggregate(two).mean,
        apart.mean,
        apart.low,
        apart.high,
        aggregate(blind).mean,
        words_there(after),
    )


def words_there(found: Explained) -> float:
    """Return the mean number of words in G, of pairs that have any."""
    there = found.truth.any(1)
    return float(found.truth[there].sum(1).float().mean())


def defect_table(moved: Sequence[Moved], bench: Bench) -> pd.DataFrame:
    """Return what each defect is, and what it changes beside recall."""
    plain = {"defect": "none", "words in G": words_there(bench.found)}
    return pd.DataFrame(
        [
            plain,
            *(
                {
                    "defect": one.name,
                    "words in G": one.truth,
                    "R@5 without": one.before,
                    "with": one.recall,
                    "most frequent": one.frequent,
                    "what it does": one.what,
                }
                for one in moved
            ),
        ]
    ).fillna({"what it does": ""})


def as_encoder(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return what gives a network's last maps of a block, without gradients."""

    def encode(images: Tensor) -> Tensor:
        with torch.no_grad():
            return network.features(images)  # type: ignore[operator]

    return encode


def _taught(
    bench: Bench,
    material: Material,
    teaching: Teaching,
    encode: Callable[[Tensor], Tensor],
    dataset: str,
    seed: int,
) -> nn.Module:
    part = material.teach
    if teaching.views:
        rows = view_rows(
            encode,
            normalised(part.images, dataset),
            part.masks,
            part.image_of,
            part.positives(),
            teaching,
            seed,
            bench.cells,
        )
    else:
        rows = rows_of(bench.maps.teach, part, teaching, bench.cells)
    checked = _validation(bench, material, teaching)
    return teach(rows, checked, material.categories, teaching, seed).explainer


def _validation(bench: Bench, material: Material, teaching: Teaching) -> Rows:
    return rows_of(bench.maps.validate, material.validate, teaching, bench.cells)


def _read(
    bench: Bench, material: Material, naming: Naming, network: nn.Module, dataset: str
) -> Explained:
    part = material.explain
    return explain_filters(
        bench.taught.explainer,
        bench.maps.explain,
        part.masks,
        part.image_of,
        part.positives(),
        naming,
        cells=bench.cells,
        images=normalised(part.images, dataset),
        encode=as_encoder(network),
    )


def _recalls(
    found: Explained, material: Material, words: int, kind: str = "raw"
) -> Tensor:
    lists = nearest_words(material.vocabulary(kind), found.vectors, words)
    return retrieval.recall(lists, found.truth, material.places)


def _own(words: Tensor, positives: Tensor) -> Tensor:
    """Return the mean unit vector of each row's words, `[B, E]`."""
    units = torch.nn.functional.normalize(words, dim=1)
    return positives.float() @ units
