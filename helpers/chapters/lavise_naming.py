"""Words for the filters of one network, beside the controls that they must beat.

A bench is one layer of one network: its maps of all reference pictures, an explainer
taught with them, and the same under each control, on the same pictures. Recall is
counted on pairs of a filter and one of its pictures.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from helpers.chapters.lavise_material import Material, normalised
from helpers.data.reference import ReferenceSet
from helpers.explain.filters import cached, feature_blocks
from helpers.explain.hooks import evaluating, named_layer
from helpers.explain.naming import nearest_words
from helpers.measure import retrieval
from helpers.measure.retrieval import Estimate
from helpers.methods.filter_words import Explained, explain_filters
from helpers.methods.lavise import Taught, teach
from helpers.methods.lavise_rows import Rows, teaching_rows
from helpers.methods.lavise_settings import Naming, Teaching
from helpers.settings import Refused
from helpers.streams import mix, stream
from helpers.vision import initialise

WORDS = (5, 10, 20)  # s of recall@s
PRIMARY = 5  # the s, the vocabulary and the attention that decide
VOCABULARIES = ("raw", "centred")
LAST = "last"  # what a network calls `features`
BLOCK = 100  # pictures a pass
PAIRED = ("permuted words", "untaught explainer", "most frequent")
CONTROLS = (*PAIRED, "random network")


@dataclass(frozen=True, eq=False)
class Maps:
    """Maps of the reference pictures, `[N, d, h, w]` each: computed once."""

    teach: Tensor
    validate: Tensor
    explain: Tensor


@dataclass(frozen=True, eq=False)
class Bench:
    """A layer of a network, what was taught on it, and its controls.

    Attributes:
        maps: of the reference pictures.
        rows: what the explainer was taught with.
        taught: the explainer and how it learnt.
        found: its explanation of all filters.
        answers: controls on the same pairs, by name.
        other: the random network's explanation, by an explainer of its own, or None.
        naming: the settings.
        cells: of the pooling.
        lists: words that were looked up once, by control and vocabulary.
    """

    maps: Maps
    rows: Rows
    taught: Taught
    found: Explained
    answers: Mapping[str, Tensor]  # vectors `[P, E]`
    other: Explained | None
    naming: Naming
    cells: int
    lists: dict[tuple[str, str], Tensor] = field(default_factory=dict)


def maps_of(
    network: nn.Module, material: Material, dataset: str, layer: str = LAST
) -> Maps:
    """Return the maps that a layer gives of all reference pictures, float32.

    Raises:
        Refused: no such layer.
    """
    found = [
        cached(
            _blocks(network, normalised(one.images, dataset), layer),
            len(one.images),
            torch.float32,
        )
        for one in (material.teach, material.validate, material.explain)
    ]
    return Maps(*found)


def random_network(network: nn.Module, seed: int) -> nn.Module:
    """Return a network of the same build with weights as drawn: the control.

    The network that is given is left as it is.
    """
    drawn = deepcopy(network)
    initialise(drawn, torch.Generator().manual_seed(mix(seed, "random network")))
    for module in drawn.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.zeros_(module.bias)  # no network of the book's own has any
    return drawn.eval()


def rows_of(
    maps: Tensor,
    part: ReferenceSet,
    teaching: Teaching,
    cells: int = 1,
    positives: Tensor | None = None,
) -> Rows:
    """Return the teaching rows of a part, with its own or other positives."""
    positives = part.positives() if positives is None else positives
    return teaching_rows(maps, part.masks, part.image_of, positives, teaching, cells)


def explained(
    explainer: nn.Module, maps: Tensor, part: ReferenceSet, naming: Naming, cells: int
) -> Explained:
    """Return the explanation of all filters in the pictures of a part."""
    return explain_filters(
        explainer,
        maps,
        part.masks,
        part.image_of,
        part.positives(),
        naming,
        cells=cells,
    )


def permuted(categories: Tensor, seed: int) -> Tensor:
    """Return the words' vectors in another order: each word has another's."""
    order = torch.randperm(len(categories), generator=stream(seed, "permuted words"))
    return categories[order]


def bench(
    network: nn.Module,
    material: Material,
    dataset: str,
    teaching: Teaching,
    naming: Naming,
    seed: int,
    *,
    layer: str = LAST,
    cells: int = 1,
    controls: Sequence[str] = CONTROLS,
) -> Bench:
    """Teach an explainer on a layer, explain all its filters, and so each control.

    The controls: "permuted words", taught with each word's vector another's;
    "untaught explainer", as drawn; "most frequent", the words of most teaching
    instances, the same for every filter (it needs no vector); "random network", this
    network with weights as drawn and an explainer taught on it.
    """
    maps = maps_of(network, material, dataset, layer)
    rows = rows_of(maps.teach, material.teach, teaching, cells)
    checked = rows_of(maps.validate, material.validate, teaching, cells)
    taught = teach(rows, checked, material.categories, teaching, seed)
    found = explained(taught.explainer, maps.explain, material.explain, naming, cells)
    answers = {}
    for name in controls:
        if name == "permuted words":
            wrong = permuted(material.categories, seed)
            one = teach(rows, checked, wrong, teaching, seed)
        elif name == "untaught explainer":
            still = teaching.model_copy(update={"epochs": 0})
            one = teach(rows, checked, material.categories, still, seed)
        else:
            continue
        again = explained(one.explainer, maps.explain, material.explain, naming, cells)
        answers[name] = again.vectors
    other = None
    if "random network" in controls:
        blank = random_network(network, seed)
        bare = bench(
            blank,
            material,
            dataset,
            teaching,
            naming,
            seed,
            layer=layer,
            cells=cells,
            controls=(),
        )
        other = bare.found
    return Bench(maps, rows, taught, found, answers, other, naming, cells)


def recalls(
    bench: Bench, material: Material, name: str, words: int, kind: str = "raw"
) -> Tensor:
    """Return recall@s of each pair, `[P]`, NaN where nothing is there to be named.

    `name` is "taught", "oracle" or a control of `CONTROLS` that the bench has; `words`
    is one of `WORDS`.

    Raises:
        Refused: a control that the bench was not made with.
    """
    found, truth = bench.found, bench.found.truth
    if name == "random network":
        if bench.other is None:
            raise Refused("this bench was made without a random network: ask for it")
        found, truth = bench.other, bench.other.truth
    if name == "most frequent":
        most = retrieval.most_frequent(bench.rows.positives, material.places, words)
        return retrieval.recall(most.expand(len(truth), -1), truth, material.places)
    if (name, kind) not in bench.lists:
        if name == "oracle":
            vectors = retrieval.oracle_vectors(material.categories, truth)
        elif name in bench.answers:
            vectors = bench.answers[name]
        elif name in ("taught", "random network"):
            vectors = found.vectors
        else:
            raise Refused(f"this bench was made without '{name}': ask for it")
        longest = nearest_words(material.vocabulary(kind), vectors, max(WORDS))
        bench.lists[name, kind] = longest
    lists = bench.lists[name, kind][:, :words]
    return retrieval.recall(lists, truth, material.places)


def estimate(
    bench: Bench, material: Material, name: str, words: int, kind: str = "raw"
) -> Estimate:
    """Return the mean of `recalls` with an interval over filters."""
    values = recalls(bench, material, name, words, kind)
    found = bench.other if name == "random network" and bench.other else bench.found
    return retrieval.over_filters(values, found.filters)


def margin_over(
    bench: Bench, material: Material, name: str, words: int, kind: str = "raw"
) -> Estimate:
    """Return recall@s of the taught explainer minus a control's, over filters.

    On the same pairs, but for the random network, whose filters have other pictures.
    """
    if name == "random network":
        own, other = (
            estimate(bench, material, one, words, kind) for one in ("taught", name)
        )
        return retrieval.difference(own, other)
    apart = recalls(bench, material, "taught", words, kind)
    apart = apart - recalls(bench, material, name, words, kind)
    return retrieval.over_filters(apart, bench.found.filters)


def row(bench: Bench, material: Material) -> dict[str, Any]:
    """Return what a record keeps of a bench: recalls, what is above what, counts."""
    names = ["taught", *bench.answers, "most frequent", "oracle"]
    if bench.other is not None:
        names.append("random network")
    filters = len(bench.found.scan.thresholds)
    return {
        "filters": filters,
        "dead": int(bench.found.scan.dead.sum()),
        "pairs": len(bench.found.filters),
        "empty": int((~bench.found.truth.any(1)).sum()),
        "unseen": bench.rows.unseen,
        "best epoch": bench.taught.best,
        "vocabulary": len(material.raw.words),
        "recall": {
            kind: {
                name: {str(s): _numbers(bench, material, name, s, kind) for s in WORDS}
                for name in names
            }
            for kind in VOCABULARIES
        },
        "above": {
            kind: {
                name: {
                    str(s): _three(margin_over(bench, material, name, s, kind))
                    for s in WORDS
                }
                for name in names
                if name in CONTROLS
            }
            for kind in VOCABULARIES
        },
    }


def _numbers(
    bench: Bench, material: Material, name: str, words: int, kind: str
) -> list[float | None]:
    """Return mean and both ends of the interval, None for what is not finite."""
    return _three(estimate(bench, material, name, words, kind))


def _three(found: Estimate) -> list[float | None]:
    ends = (found.mean, found.low, found.high)
    return [round(x, 6) if abs(x) < float("inf") else None for x in ends]


def _blocks(network: nn.Module, images: Tensor, layer: str) -> Iterator[Tensor]:
    blocks = images.split(BLOCK)
    if layer != LAST:
        try:
            module = named_layer(network, layer)
        except ValueError as error:
            raise Refused(f"layer '{layer}': {error}") from None
        yield from feature_blocks(network, module, blocks)
        return
    device = next(network.parameters()).device
    for block in blocks:
        with torch.no_grad(), evaluating(network):
            yield network.features(block.to(device)).cpu()  # type: ignore[operator]
