"""Chapter 13: maps of the filters that LaViSE names after a class.

Chapter 10 gives each filter of a network ten words. Here they are asked to explain a
class: its map is the sum of the filters among whose words is one of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from helpers.chapters.answers_bench import MapsOf
from helpers.chapters.lavise_material import Material
from helpers.chapters.lavise_naming import explained, maps_of, permuted, rows_of
from helpers.data.reference import naming_words
from helpers.explain.cam import upsample
from helpers.explain.hooks import evaluating
from helpers.methods.filter_words import labels_of
from helpers.methods.lavise import teach
from helpers.methods.lavise_settings import Naming, Teaching

LABEL = 5  # words of a picture that make a label, as published
CHUNK = 64


@dataclass(frozen=True)
class Lesson:
    """How filters are named: how explainers are taught, and how filters are read."""

    teaching: Teaching
    naming: Naming


def named_after(
    network: nn.Module, known: Material, names: Sequence[str], lesson: Lesson, seed: int
) -> tuple[Tensor, Tensor]:
    """Return which filters carry a word of each class, `[K, d]` bool, and of the twin.

    The twin is taught with each word's vector another's: its filters are named after
    what they do not see. Both read the same maps of the same pictures.
    """
    maps = maps_of(network, known, "scenes")
    rows = rows_of(maps.teach, known.teach, lesson.teaching)
    checked = rows_of(maps.validate, known.validate, lesson.teaching)
    found = []
    for vectors in (known.categories, permuted(known.categories, seed)):
        taught = teach(rows, checked, vectors, lesson.teaching, seed)
        all_filters = explained(
            taught.explainer, maps.explain, known.explain, lesson.naming, 1
        )
        _, labels = labels_of(all_filters, known.raw, LABEL, lesson.naming)
        found.append(carriers(labels, known.raw.words, names))
    return found[0], found[1]


def carriers(labels: Tensor, words: Sequence[str], names: Sequence[str]) -> Tensor:
    """Return which filters have a word of a class's name in their label, `[K, d]`.

    Shapes: labels `[d, n]`, places in the words, -1 for none -> bool.
    """
    said = [{words[place] for place in row if place >= 0} for row in labels.tolist()]
    return torch.tensor(
        [[bool(one.intersection(naming_words(name))) for one in said] for name in names]
    )


def filter_maps(network: nn.Module, carry: Tensor, device: str = "cpu") -> MapsOf:
    """Return what makes the maps: relu of the sum of F_u over filters of the class.

    Shapes: carry `[K, d]` bool. A class that no filter carries has a zero map.
    """

    def maps(images: Tensor, targets: Tensor) -> Tensor:
        parts = []
        chunks = zip(images.split(CHUNK), targets.split(CHUNK), strict=True)
        for some, wanted in chunks:
            with torch.no_grad(), evaluating(network):
                features = network.features(some.to(device)).cpu()  # type: ignore[operator]
            chosen = carry[wanted].to(features)
            cells = torch.einsum("bd,bdhw->bhw", chosen, features).relu()
            parts.append(upsample(cells, (images.shape[2], images.shape[3])))
        return torch.cat(parts)

    return maps
