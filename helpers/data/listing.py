"""Pictures whose objects are outlined and named by words, listed but not read.

What is done to reference data (words, splits, same-category objects as one) is done to
a `Listing`; `helpers.data.reference` reads its pictures.
"""

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from helpers.settings import Refused
from helpers.streams import stream

Naming = Callable[[str], tuple[str, ...]]  # a category's name -> its words
Drawing = Callable[[tuple[int, int]], Tensor]  # (H, W) -> pixels of an object
NO_WORD = "annotations without a known word"


@dataclass(frozen=True)
class Annotation:
    """An outlined object: what it is, in words, and how to draw its pixels.

    Attributes:
        name: of its category, as the data say it.
        words: its positives, rows of the listing's words.
        mask: draws it on a picture of (H, W), `[H, W]` bool.
        crowd: whether it is a group whose members nobody outlined.
    """

    name: str
    words: tuple[int, ...]
    mask: Drawing
    crowd: bool = False


@dataclass(frozen=True)
class Entry:
    """A picture that has not been read: how to read it `[3, H, W]`, what is on it."""

    name: str
    size: tuple[int, int]  # (H, W), as its annotations say
    image: Callable[[], Tensor]
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class Listing:
    """Reference data before any picture is read.

    Attributes:
        words: the category words C, in the order of the data's categories.
        entries: the pictures, those without objects too.
        left_out: annotations and pictures that were not taken, by cause.
        unknown: words of category names that the vocabulary has not.
    """

    words: tuple[str, ...]
    entries: tuple[Entry, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counts:
    """How many pictures, of these without objects, annotations, of these crowds, words.

    `words` counts those that an annotation has.
    """

    images: int
    empty: int
    annotations: int
    crowds: int
    words: int


def by_token(name: str) -> tuple[str, ...]:
    """Return a name's words, split at blanks: "hot dog" has two (ErikBuis/FACT2023)."""
    return tuple(dict.fromkeys(name.lower().split()))


def as_one(name: str) -> tuple[str, ...]:
    """Return a name as one word: "hot dog" is hot_dog."""
    return ("_".join(name.lower().split()),)


def category_words(
    names: Sequence[str], naming: Naming, known: Container[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of category names, each once: those known, and those unknown.

    Without a vocabulary (None) all are known.
    """
    words = list(dict.fromkeys(word for name in names for word in naming(name)))
    inside = tuple(word for word in words if known is None or word in known)
    return inside, tuple(word for word in words if word not in inside)


def without_wordless(listing: Listing) -> Listing:
    """Return the listing without annotations of no word, which are counted."""
    lost = 0
    entries = []
    for entry in listing.entries:
        kept = tuple(one for one in entry.annotations if one.words)
        lost += len(entry.annotations) - len(kept)
        entries.append(replace(entry, annotations=kept))
    return _less(replace(listing, entries=tuple(entries)), NO_WORD, lost)


def restricted(listing: Listing, words: Sequence[str]) -> Listing:
    """Return the listing with these words alone, in this order.

    Raises:
        Refused: a word that the listing has not.
    """
    for word in words:
        if word not in listing.words:
            raise Refused(f"'{word}' is none of {len(listing.words)} category words")
    moved = {listing.words.index(word): row for row, word in enumerate(words)}
    entries = tuple(
        replace(
            entry, annotations=tuple(_moved(one, moved) for one in entry.annotations)
        )
        for entry in listing.entries
    )
    return without_wordless(replace(listing, words=tuple(words), entries=entries))


def united(listing: Listing) -> Listing:
    """Return the listing with objects of the same words in a picture made one.

    As the papers describe (Yang et al. 2022; Buis et al. 2023, section 4.2.1). A crowd
    is united with crowds alone.
    """
    entries = []
    for entry in listing.entries:
        groups: dict[tuple[tuple[int, ...], bool], list[Annotation]] = {}
        for one in entry.annotations:
            groups.setdefault((one.words, one.crowd), []).append(one)
        joined = tuple(
            replace(many[0], mask=partial(_union, tuple(one.mask for one in many)))
            for many in groups.values()
        )
        entries.append(replace(entry, annotations=joined))
    return replace(listing, entries=tuple(entries))


def without_crowds(listing: Listing) -> Listing:
    """Return the listing without crowds, which are counted."""
    lost = count(listing).crowds
    entries = tuple(
        replace(e, annotations=tuple(one for one in e.annotations if not one.crowd))
        for e in listing.entries
    )
    return _less(replace(listing, entries=entries), "crowds", lost)


def without_empty(listing: Listing) -> Listing:
    """Return the listing without pictures that show no object, which are counted."""
    kept = tuple(entry for entry in listing.entries if entry.annotations)
    lost = len(listing.entries) - len(kept)
    return _less(replace(listing, entries=kept), "pictures without objects", lost)


def split_pictures(
    listing: Listing, share: float, seed: int
) -> tuple[Listing, Listing]:
    """Return round(share N) pictures and the others, drawn by the seed, order kept.

    Raises:
        Refused: a share outside 0 to 1.
    """
    chosen = _chosen(len(listing.entries), share, seed, "pictures")
    parts = [
        [e for e, c in zip(listing.entries, chosen, strict=True) if c is which]
        for which in (True, False)
    ]
    first, second = (replace(listing, entries=tuple(part)) for part in parts)
    return first, second


def split_words(
    words: Sequence[str], share: float, seed: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return round(share C) words and the others, drawn by the seed, order kept.

    Raises:
        Refused: a share outside 0 to 1.
    """
    chosen = _chosen(len(words), share, seed, "words")
    first = tuple(w for w, c in zip(words, chosen, strict=True) if c)
    return first, tuple(w for w, c in zip(words, chosen, strict=True) if not c)


def count(listing: Listing) -> Counts:
    """Return how many pictures, annotations and words a listing has."""
    objects = [one for entry in listing.entries for one in entry.annotations]
    return Counts(
        images=len(listing.entries),
        empty=sum(not entry.annotations for entry in listing.entries),
        annotations=len(objects),
        crowds=sum(one.crowd for one in objects),
        words=len({row for one in objects for row in one.words}),
    )


def occurrences(listing: Listing) -> Counter[str]:
    """Return how many annotations each word has."""
    rows = (r for e in listing.entries for one in e.annotations for r in one.words)
    return Counter(listing.words[row] for row in rows)


def appearances(listing: Listing) -> Counter[str]:
    """Return in how many pictures each word has an annotation."""
    rows = (
        row
        for entry in listing.entries
        for row in {row for one in entry.annotations for row in one.words}
    )
    return Counter(listing.words[row] for row in rows)


def _less(listing: Listing, cause: str, lost: int) -> Listing:
    """Return the listing with what was left out for a cause added to its account."""
    if not lost:
        return listing
    before = listing.left_out.get(cause, 0)
    return replace(listing, left_out={**listing.left_out, cause: before + lost})


def _moved(one: Annotation, moved: Mapping[int, int]) -> Annotation:
    return replace(one, words=tuple(moved[row] for row in one.words if row in moved))


def _union(masks: Sequence[Drawing], size: tuple[int, int]) -> Tensor:
    whole = torch.zeros(size, dtype=torch.bool)
    for mask in masks:
        whole |= mask(size)
    return whole


def _chosen(number: int, share: float, seed: int, what: str) -> list[bool]:
    if not 0 <= share <= 1:
        raise Refused(f"share {share} of the {what} is outside 0 to 1")
    order = torch.randperm(number, generator=stream(seed, "reference", what)).tolist()
    first = set(order[: round(share * number)])
    return [row in first for row in range(number)]
