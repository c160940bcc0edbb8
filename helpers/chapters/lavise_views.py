"""What the figures of chapter 10 show of filters: pictures, regions, words."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.chapters.lavise_kinds import KINDS, kinds_of
from helpers.chapters.lavise_material import Material
from helpers.chapters.lavise_naming import WORDS, Bench
from helpers.explain.filters import heat_map, regions
from helpers.explain.naming import Vocabulary, nearest_words
from helpers.measure import retrieval
from helpers.measure.aggregate import aggregate
from helpers.methods.filter_words import labels_of

LABEL = 5  # words of a picture that make a label, as published
PICTURES = 5  # a filter
CHOSEN = (150 / 512, 275 / 512, 400 / 512)  # the document's filters, as shares of d


@dataclass(frozen=True, eq=False)
class FilterView:
    """A filter as the document's figure 2 shows it.

    Attributes:
        number: of the filter.
        images: its first pictures, darkened where it is low, `[5, 3, H, W]`, 0 to 255.
        words: of its label, each with its kind, one of `KINDS`.
    """

    number: int
    images: Tensor
    words: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Steps:
    """One pair of a filter and a picture, step by step.

    Attributes:
        number: of the filter.
        image: `[3, H, W]` uint8.
        map: F_u enlarged, `[H, W]`.
        region: R, `[H, W]`, bool.
        objects: of the picture: its name, its mask `[H, W]`, its IoU with R.
        truth: words of G.
        said: the nearest words.
    """

    number: int
    image: Tensor
    map: Tensor
    region: Tensor
    objects: tuple[tuple[str, Tensor, float], ...]
    truth: tuple[str, ...]
    said: tuple[str, ...]


def chosen_filters(bench: Bench) -> list[int]:
    """Return three filters by place, at the document's shares: none is picked.

    A filter that is dead gives way to the next one.
    """
    dead = bench.found.scan.dead
    alive = (~dead).nonzero()[:, 0]
    wanted = [round(share * len(dead)) for share in CHOSEN]
    return [int(alive[min(int((alive < one).sum()), len(alive) - 1)]) for one in wanted]


def filter_views(
    bench: Bench, material: Material, filters: list[int]
) -> list[FilterView]:
    """Return the filters with their pictures and words."""
    kinds = kinds_of(material, torch.zeros(len(material.words), dtype=torch.bool))
    _, labels = labels_of(bench.found, material.raw, LABEL, bench.naming)
    return [
        FilterView(
            number,
            _darkened(bench, material, number),
            tuple(
                (material.raw.words[word], KINDS[int(kinds[word])])
                for word in labels[number].tolist()
                if word >= 0
            ),
        )
        for number in filters
    ]


def steps(bench: Bench, material: Material, number: int) -> Steps:
    """Return the steps for a filter's first picture that has a word in G, or its first.

    Raises:
        IndexError: a dead filter.
    """
    found = bench.found
    rows = (found.filters == number).nonzero()[:, 0]
    named = rows[found.truth[rows].any(1)]
    row = int(named[0] if len(named) else rows[0])
    picture = int(found.pictures[row])
    part = material.explain
    size = (part.images.shape[2], part.images.shape[3])
    own = bench.maps.explain[picture, number][None]
    region = regions(own, found.scan.thresholds[number][None], size)[0]
    objects = []
    for place in (part.image_of == picture).nonzero()[:, 0].tolist():
        mask = part.masks[place]
        share = float((mask & region).sum()) / max(1, int((mask | region).sum()))
        objects.append((part.names[place], mask, share))
    said = nearest_words(material.raw, found.vectors[row][None], LABEL)[0]
    return Steps(
        number,
        part.images[picture],
        F.interpolate(own[None], size, mode="bilinear")[0, 0],
        region,
        tuple(objects),
        tuple(material.words[c] for c in found.truth[row].nonzero()[:, 0].tolist()),
        tuple(material.raw.words[w] for w in said.tolist()),
    )


def overlap_table(view: Steps) -> pd.DataFrame:
    """Return a row an object of the picture: its name, its IoU with R."""
    return pd.DataFrame(
        [{"object": name, "IoU with R": share} for name, _, share in view.objects]
    )


def right_at_all(bench: Bench, material: Material) -> pd.DataFrame:
    """Return recall@s beside the share of pairs with any word found, and its chance.

    And the share whose *first* word is in G: what "the correct category" would mean.
    """
    found, places = bench.found, material.places
    longest = nearest_words(material.raw, found.vectors, max(WORDS))
    there = found.truth.any(1)
    size = found.truth[there].sum(1)
    rows = []
    for s in (1, *WORDS):
        values = retrieval.recall(longest[:, :s], found.truth, places)[there]
        blind = [
            retrieval.hit_by_chance(len(material.raw.words), s, n)
            for n in size.unique().tolist()
        ]
        weight = torch.tensor([int((size == n).sum()) for n in size.unique().tolist()])
        by_chance = float((torch.tensor(blind) * weight).sum() / weight.sum())
        rows.append(
            {
                "s": s,
                "recall@s": float(values.mean()),
                "chance of recall": s / len(material.raw.words),
                "any word of G": float((values > 0).float().mean()),
                "chance of any": by_chance,
                "all words of G": float((values == 1).float().mean()),
            }
        )
    return pd.DataFrame(rows)


def by_vocabulary(bench: Bench, material: Material, words: int = 5) -> pd.DataFrame:
    """Return recall@s of the same vectors among fewer words, beside s / V."""
    kinds = kinds_of(material, torch.zeros(len(material.words), dtype=torch.bool))
    categories = torch.zeros(len(kinds), dtype=torch.bool)
    categories[material.places] = True
    chosen = {
        "the categories alone": categories,
        "and their forms": kinds <= KINDS.index("form of one"),
        "and what is said of scenes": kinds < KINDS.index("foreign"),
        "all words": torch.ones_like(categories),
    }
    rows = []
    for name, kept in chosen.items():
        number = int(kept.sum())
        some = Vocabulary(
            tuple(w for w, k in zip(material.raw.words, kept, strict=True) if k),
            material.raw.vectors[kept],
        )
        lists = nearest_words(some, bench.found.vectors, min(words, number))
        values = retrieval.recall(lists, bench.found.truth, some.index(material.words))
        rows.append(
            {
                "vocabulary": name,
                "V": number,
                f"recall@{words}": aggregate(values).mean,
                "chance": min(1.0, words / number),
            }
        )
    return pd.DataFrame(rows)


def neighbours(material: Material, words: Sequence[str], number: int) -> pd.DataFrame:
    """Return the nearest words of some words of the vocabulary, but for themselves."""
    places = material.raw.index(words)
    found = nearest_words(material.raw, material.raw.vectors[places], number + 1)
    return pd.DataFrame(
        {
            "word": word,
            "nearest": ", ".join(material.raw.words[w] for w in row.tolist()[1:]),
        }
        for word, row in zip(words, found, strict=True)
    )


def examples(material: Material, number: int) -> tuple[Tensor, list[str]]:
    """Return the first pictures in which filters are explained, and what they show."""
    part = material.explain
    titles = []
    for picture in range(number):
        rows = (part.image_of == picture).nonzero()[:, 0].tolist()
        titles.append("\n".join(part.names[row] for row in rows))
    return part.images[:number], titles


def _darkened(bench: Bench, material: Material, number: int) -> Tensor:
    scan = bench.found.scan
    pictures = [one for one in scan.pictures[number].tolist() if one >= 0][:PICTURES]
    shown = [
        heat_map(material.explain.images[one].float(), bench.maps.explain[one, number])
        for one in pictures
    ]
    return torch.stack(shown)
