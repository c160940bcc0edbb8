"""Boxes drawn on a canvas whose sides are changed over, as both codes of LaViSE do.

A square picture is not changed by that. Scenes are square: for this one question each
is widened by half of the next one.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from helpers.chapters.lavise_material import Listings, Material
from helpers.chapters.lavise_naming import PRIMARY, Bench, explained, maps_of, rows_of
from helpers.chapters.lavise_switches import Moved, compared
from helpers.data import reference
from helpers.data.listing import Drawing, Entry, Listing
from helpers.methods.filter_words import Explained
from helpers.methods.lavise import teach
from helpers.methods.lavise_rows import on_swapped_canvas
from helpers.methods.lavise_settings import Teaching

NAME = "swapped canvas"
WHAT = "boxes are drawn on a canvas of (W, H), and read as (H, W)"


def swapped_canvas(
    bench: Bench,
    material: Material,
    teaching: Teaching,
    network: nn.Module,
    dataset: str,
    seed: int,
) -> Moved:
    """Return what masks on a swapped canvas do to recall@5, in wide pictures."""
    listed = wide(material.listed)
    right = _read(material, listed)
    wrong = _read(material, tuple(map(swapped, listed)))
    maps = maps_of(network, right, dataset)  # the pictures are the same
    found = []
    for some in (right, wrong):
        rows, checked = (
            rows_of(features, part, teaching, bench.cells)
            for features, part in (
                (maps.teach, some.teach),
                (maps.validate, some.validate),
            )
        )
        taught = teach(rows, checked, material.categories, teaching, seed)
        found.append(_explained(taught.explainer, maps.explain, some, bench))
    positives = bench.rows.positives
    return compared(NAME, WHAT, found[0], found[1], material, positives, PRIMARY)


def wide(listed: Listings) -> Listings:
    """Return pictures that are not square: as they are, or each half as wide again.

    To a square picture the left half of the next one is joined, with its objects.
    """
    first, second, third = (_wide(one) for one in listed)
    return first, second, third


def swapped(listing: Listing) -> Listing:
    """Return a listing whose masks went over a swapped canvas."""
    entries = [
        replace(
            entry,
            annotations=tuple(
                replace(one, mask=partial(_through_canvas, one.mask))
                for one in entry.annotations
            ),
        )
        for entry in listing.entries
    ]
    return replace(listing, entries=tuple(entries))


def _wide(listing: Listing) -> Listing:
    if any(entry.size[0] != entry.size[1] for entry in listing.entries):
        return listing
    entries = listing.entries
    following = (*entries[1:], entries[0])
    joined = [_beside(one, two) for one, two in zip(entries, following, strict=True)]
    return replace(listing, entries=tuple(joined))


def _beside(one: Entry, two: Entry) -> Entry:
    side, half = one.size[1], two.size[1] // 2
    objects = [
        replace(a, mask=partial(_shifted, a.mask, start, entry.size))
        for entry, start in ((one, 0), (two, side))
        for a in entry.annotations
    ]

    def image() -> Tensor:
        return torch.cat([one.image(), two.image()[:, :, :half]], 2)

    size = (one.size[0], side + half)
    return Entry(f"{one.name}, widened", size, image, tuple(objects))


def _shifted(
    draw: Drawing, start: int, own: tuple[int, int], size: tuple[int, int]
) -> Tensor:
    """Return an object's pixels in the wide picture, `[H, W]`, cut where it ends."""
    found = torch.zeros(size, dtype=torch.bool)
    room = min(own[1], size[1] - start)
    found[:, start : start + room] = draw(own)[:, :room]
    return found


def _through_canvas(draw: Drawing, size: tuple[int, int]) -> Tensor:
    return on_swapped_canvas(draw(size)[None])[0]


def _read(material: Material, listed: Sequence[Listing]) -> Material:
    size = material.explain.images.shape[-1]
    teach_with, validate, explain = (reference.read(one, size, size) for one in listed)
    return replace(material, teach=teach_with, validate=validate, explain=explain)


def _explained(
    explainer: nn.Module, maps: Tensor, some: Material, bench: Bench
) -> Explained:
    return explained(explainer, maps, some.explain, bench.naming, bench.cells)
