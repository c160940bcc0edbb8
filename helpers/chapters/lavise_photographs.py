"""A check of the pipeline on photographs: a known network, COCO or VG, GloVe's words.

Not a replication: pictures are few where the reader has few. They are taken in halves,
each half explained by what the other taught, so that none is wasted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torchvision
from torch import Tensor, nn

from helpers.chapters import lavise_material as materials
from helpers.chapters.lavise_naming import permuted
from helpers.data import listing, reference
from helpers.data.catalog import NORMALISATION, normalise
from helpers.data.reference import ReferenceSet
from helpers.explain.filters import cached, feature_blocks
from helpers.explain.hooks import named_layer
from helpers.explain.naming import Vocabulary, nearest_words, vocabulary
from helpers.lab.given_weights import given_weights
from helpers.measure import retrieval
from helpers.measure.aggregate import aggregate
from helpers.methods.filter_words import Explained, explain_filters, labels_of
from helpers.methods.lavise import teach
from helpers.methods.lavise_rows import teaching_rows
from helpers.methods.lavise_settings import Naming, Teaching
from helpers.settings import Refused, nearest
from helpers.vision import backbone

# Name: its last maps, the cells that its pooling leaves, pixels a side, normalisation.
LAYERS: dict[str, tuple[str, int, int, str]] = {
    "resnet18": ("layer4", 1, 224, "imagenette"),
    "resnet50": ("layer4", 1, 224, "imagenette"),
    "alexnet": ("features", 6, 224, "imagenette"),
    "squeezenet1_0": ("features", 1, 224, "imagenette"),
    "resnet20": ("layer3", 1, 64, "imagenette"),
    "resnet56": ("layer3", 1, 64, "imagenette"),
}
CIFAR = ("resnet20", "resnet56")  # of akamaster/pytorch_resnet_cifar10
WORDS = (5, 10, 20)
BLOCK = 16  # pictures a pass


@dataclass(frozen=True, eq=False)
class Checked:
    """What the check found: recalls and the words of filters.

    Attributes:
        recalls: a row a s: taught, permuted words, most frequent, chance.
        words: a row a filter: its ten words, novel ones with a star.
        counts: pictures, instances, categories, words, filters, dead ones.
    """

    recalls: pd.DataFrame
    words: pd.DataFrame
    counts: pd.DataFrame


def check(extractor: str) -> None:
    """Raise `Refused` unless the extractor is "none" or NETWORK:FILE of its weights."""
    name, _, file = extractor.partition(":")
    if extractor == "none":
        return
    if name not in LAYERS:
        raise Refused(f"unknown extractor '{name}'{nearest(name, list(LAYERS))}")
    if not Path(file).is_file():
        raise Refused(f"weights '{file}' are not there: write {name}:FILE")


def network_of(extractor: str) -> nn.Module:
    """Return the network with its weights, in evaluation mode.

    Raises:
        Refused: an unknown network, or weights of another.
    """
    check(extractor)
    name, _, file = extractor.partition(":")
    weights = given_weights(file)
    if name in CIFAR:
        return _cifar(name, weights)
    network = getattr(torchvision.models, name)()
    _load(network, weights, name)
    return network.eval()


def photographs_checked(
    extractor: str,
    reference_data: str,
    vectors: str,
    teaching: Teaching,
    naming: Naming,
    seed: int,
    filters: int = 5,
) -> Checked:
    """Teach on each half of the pictures, explain the other, and count.

    Args:
        extractor: NETWORK:FILE.
        reference_data: "coco:PATH" or "vg:PATH".
        vectors: `file:PATH` of GloVe's text, several with commas between.
        teaching: how explainers are taught; there is no third part that could choose
            the epoch: the last one's weights are those of least loss on what taught.
        naming: how filters are explained.
        seed: of the teaching.
        filters: how many are shown with their words.

    Raises:
        Refused: data, vectors or weights that are not there.
    """
    known = materials.word_vectors(vectors)
    everything = 10**9
    counts = (everything, everything, everything)
    parts = materials.listings(reference_data, counts, 64, known.index)
    whole = listing.Listing(parts[0].words, tuple(e for p in parts for e in p.entries))
    layer, cells, side, kind = LAYERS[extractor.partition(":")[0]]
    data = reference.read(whole, side * 8 // 7, side)
    network = network_of(extractor)
    maps = _maps(network, layer, normalise(data.images, *NORMALISATION[kind]))
    words = vocabulary(known.words, known.vectors)
    places = words.index(data.words)
    categories = known.vectors[places].float()
    sides = [
        _half(maps, data, side, categories, teaching, naming, seed, cells)
        for side in (0, 1)
    ]
    order = permuted(categories, seed)
    wrong = [
        _half(maps, data, side, order, teaching, naming, seed, cells) for side in (0, 1)
    ]
    there = torch.cat([one.filters for one, _ in sides])
    rows = []
    for s in WORDS:
        said = [_recall(one, words, places, s) for one, _ in sides]
        other = [_recall(one, words, places, s) for one, _ in wrong]
        frequent = [_frequent(one, positives, places, s) for one, positives in sides]
        found = retrieval.over_filters(torch.cat(said), there)
        rows.append(
            {
                "s": s,
                "taught": found.mean,
                "from": found.low,
                "to": found.high,
                "permuted words": aggregate(torch.cat(other)).mean,
                "most frequent": aggregate(torch.cat(frequent)).mean,
                "chance": retrieval.by_chance(len(words.words), s),
            }
        )
    return Checked(
        pd.DataFrame(rows),
        _words(sides[0][0], words, data.words, naming, filters),
        _counts(data, words, sides[0][0]),
    )


def _half(
    maps: Tensor,
    data: ReferenceSet,
    side: int,
    categories: Tensor,
    teaching: Teaching,
    naming: Naming,
    seed: int,
    cells: int,
) -> tuple[Explained, Tensor]:
    """Teach on pictures of one parity, explain the others; and what it was taught."""
    parity, positives = data.image_of % 2, data.positives()
    own, other = parity == side, parity != side
    rows = teaching_rows(
        maps, data.masks[own], data.image_of[own], positives[own], teaching, cells
    )
    explainer = teach(rows, rows, categories, teaching, seed).explainer
    found = explain_filters(
        explainer,
        maps[1 - side :: 2],
        data.masks[other],
        data.image_of[other] // 2,
        positives[other],
        naming,
        cells=cells,
    )
    return found, rows.positives


def _maps(network: nn.Module, layer: str, images: Tensor) -> Tensor:
    blocks = feature_blocks(network, named_layer(network, layer), images.split(BLOCK))
    return cached(blocks, len(images), torch.float32)


def _recall(found: Explained, words: Vocabulary, places: Tensor, s: int) -> Tensor:
    lists = nearest_words(words, found.vectors, s)
    return retrieval.recall(lists, found.truth, places)


def _frequent(found: Explained, positives: Tensor, places: Tensor, s: int) -> Tensor:
    most = retrieval.most_frequent(positives, places, s)
    return retrieval.recall(most.expand(len(found.truth), -1), found.truth, places)


def _words(
    found: Explained,
    words: Vocabulary,
    categories: tuple[str, ...],
    naming: Naming,
    filters: int,
) -> pd.DataFrame:
    _, labels = labels_of(found, words, min(5, len(words.words)), naming)
    alive = (~found.scan.dead).nonzero()[:, 0]
    chosen = alive[torch.linspace(0, len(alive) - 1, filters).long()]
    rows = []
    for row in chosen.tolist():
        label = [words.words[w] for w in labels[row].tolist() if w >= 0]
        told = [w if w in categories else f"{w}*" for w in label]
        rows.append({"filter": row, "words": ", ".join(told)})
    return pd.DataFrame(rows)


def _counts(data: ReferenceSet, words: Vocabulary, found: Explained) -> pd.DataFrame:
    values: dict[str, Any] = {
        "pictures": len(data.images),
        "instances": len(data.masks),
        "category words": len(data.words),
        "words in all": len(words.words),
        "filters": len(found.scan.dead),
        "dead": int(found.scan.dead.sum()),
    }
    return pd.DataFrame({"what": list(values), "number": list(values.values())})


def _cifar(name: str, weights: dict[str, Tensor]) -> nn.Module:
    classes = weights.get("linear.weight", torch.empty(0))
    network = backbone(name, len(classes))
    _load(network, weights, name)
    return network.eval()


def _load(network: nn.Module, weights: dict[str, Tensor], name: str) -> None:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise Refused(f"the weights are not those of {name}: {first}") from None
