"""What chapter 10 explains filters with: pictures, objects in them, words and vectors.

Three sets of pictures: those that teach an explainer, those that choose its epoch, and
those in which filters are explained. No network was trained on any of them.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from pathlib import Path

import torch
from torch import Tensor

from helpers.data import catalog, coco, listing, reference, visual_genome
from helpers.data.listing import Annotation, Entry, Listing
from helpers.data.mixed_scenes import mixed_scenes
from helpers.data.multi_label import MultiLabel
from helpers.data.reference import ReferenceSet, naming_words
from helpers.data.scene_text import scene_vectors
from helpers.data.scenes import draw_scenes
from helpers.explain.naming import Vocabulary, centre_of, vocabulary
from helpers.language.glove import read_glove
from helpers.language.word_vectors import WordVectors, joined
from helpers.settings import Refused, nearest

SEED = 7  # of reference scenes: the networks' own pictures are drawn from 0
SHARES = (0.6, 0.15, 0.25)  # of a reader's pictures: teach, validate, explain
SPLITS = ("train", "validation", "test")
DRAWN = ("mixed", "scenes")
FOLDERS = ("coco", "vg")
LEAST = 5  # times that a word of Visual Genome appears, in what a reader has of it
Listings = tuple[Listing, Listing, Listing]
Words = Container[str] | None


@dataclass(frozen=True, eq=False)
class Material:
    """Reference pictures and their words.

    Attributes:
        listed: teaching, validation and explained pictures, as they are listed.
        teach: pictures that an explainer is taught with.
        validate: pictures that choose its epoch.
        explain: pictures in which filters are explained.
        raw: the vocabulary.
        centred: the same about the mean of the categories (`centre_of`).
        categories: word vectors of the category words, `[C, E]`.
        places: of the category words in the vocabulary, `[C]`.
    """

    listed: Listings
    teach: ReferenceSet
    validate: ReferenceSet
    explain: ReferenceSet
    raw: Vocabulary
    centred: Vocabulary
    categories: Tensor
    places: Tensor

    @property
    def words(self) -> tuple[str, ...]:
        """The category words C."""
        return self.teach.words

    def vocabulary(self, kind: str) -> Vocabulary:
        """Return the "raw" or the "centred" vocabulary."""
        return {"raw": self.raw, "centred": self.centred}[kind]


def material(
    reference_data: str, vectors: str, counts: tuple[int, int, int], size: int
) -> Material:
    """Return the reference pictures, cut to squares of `size` pixels, and their words.

    Args:
        reference_data: "mixed", "scenes", "coco:PATH" or "vg:PATH".
        vectors: `own` or `file:PATH`, several with commas between.
        counts: pictures to teach with, to validate with, to explain, at most.
        size: of the pictures, pixels a side.

    Raises:
        Refused: data or vectors that are not there or cannot be used.
    """
    known = word_vectors(vectors)
    listed = listings(reference_data, counts, size, known.index)
    teach, validate, explain = (reference.read(one, size, size) for one in listed)
    places = torch.tensor([known.index[word] for word in teach.words])
    categories = known.vectors[places]
    return Material(
        listed,
        teach,
        validate,
        explain,
        raw=vocabulary(known.words, known.vectors),
        centred=vocabulary(known.words, known.vectors, centre_of(categories)),
        categories=categories,
        places=places,
    )


def check_reference(name: str) -> None:
    """Raise `Refused` if the reference data are unknown or not there."""
    kind, _, path = name.partition(":")
    if (kind not in DRAWN or path) and (kind not in FOLDERS or not path):
        known = [*DRAWN, *(f"{one}:PATH" for one in FOLDERS)]
        raise Refused(f"unknown reference data '{name}'{nearest(name, known)}")
    if path and not Path(path).is_dir():
        raise Refused(f"reference data '{path}' are not there: name their folder")
    if kind == "coco":
        _annotations(Path(path))


def check_vectors(name: str) -> None:
    """Raise `Refused` if the word vectors are unknown or not there."""
    kind, _, path = name.partition(":")
    if name != "own" and (kind != "file" or not path):
        raise Refused(f"vectors '{name}' must be own, or file:PATH of GloVe's text")
    for one in path.split(",") if path else ():
        if not Path(one).is_file():
            raise Refused(f"word vectors '{one}' are not there: name GloVe's text file")


def word_vectors(name: str) -> WordVectors:
    """Return the vectors learned from the scenes' text, or those of a GloVe file."""
    check_vectors(name)
    _, _, path = name.partition(":")
    if not path:
        return scene_vectors()
    return reduce(joined, (read_glove(Path(one)) for one in path.split(",")))


def listings(
    name: str, counts: tuple[int, int, int], size: int, known: Words
) -> Listings:
    """Return what teaches, validates and is explained, with the same category words.

    Of a folder with one file of instances, shares of its pictures; where COCO's own
    validation file is beside the training file, that is explained.

    Raises:
        Refused: data that are not there, or too few of them.
    """
    check_reference(name)
    kind, _, path = name.partition(":")
    make: dict[str, Callable[[], Sequence[Listing]]] = {
        "mixed": partial(_mixed, counts, size, known),
        "scenes": partial(_scenes, counts, size, known),
        "coco": partial(_coco, Path(path), known),
        "vg": partial(_genome, Path(path), known),
    }
    parts = [
        replace(one, entries=one.entries[:most])
        for one, most in zip(make[kind](), counts, strict=True)
    ]
    if empty := [s for s, p in zip(SPLITS, parts, strict=True) if not p.entries]:
        raise Refused(f"reference data '{name}' leave no {empty[0]} pictures: add some")
    return parts[0], parts[1], parts[2]


def list_mixed(drawn: MultiLabel, known: Words = None) -> Listing:
    """List scenes of several classes; an object is its box, as in Visual Genome."""
    names = drawn.class_names
    words, missing = listing.category_words(names, naming_words, known)
    rows = {word: row for row, word in enumerate(words)}
    entries = []
    for i, image in enumerate(drawn.images):
        objects = []
        for label, box in zip(
            drawn.box_labels[i].tolist(), drawn.boxes[i].tolist(), strict=True
        ):
            if label >= 0:
                own = tuple(rows[w] for w in naming_words(names[label]) if w in rows)
                objects.append(Annotation(names[label], own, partial(_boxed, box)))
        size = (image.shape[1], image.shape[2])
        entries.append(
            Entry(f"mixed scene {i}", size, partial(_same, image), tuple(objects))
        )
    found = Listing(words, tuple(entries), unknown=missing)
    return listing.without_wordless(found)


def normalised(images: Tensor, dataset: str) -> Tensor:
    """Return reference pictures as a network trained on a data set takes them."""
    kind = dataset.partition(":")[0]
    return catalog.normalise(images, *catalog.NORMALISATION[kind])


def _mixed(counts: Sequence[int], size: int, known: Words) -> list[Listing]:
    return [
        list_mixed(mixed_scenes(count, split, size, SEED), known)
        for count, split in zip(counts, SPLITS, strict=True)
    ]


def _scenes(counts: Sequence[int], size: int, known: Words) -> list[Listing]:
    return [
        reference.list_scenes(draw_scenes(count, split, size, seed=SEED), known)
        for count, split in zip(counts, SPLITS, strict=True)
    ]


def _coco(path: Path, known: Words) -> list[Listing]:
    files = _annotations(path)
    found = []

    def naming(name: str) -> tuple[str, ...]:
        """Take a name as one word where the vectors have it so."""
        whole = listing.as_one(name)
        taken = known is not None and whole[0] in known
        return whole if taken else listing.by_token(name)

    for file in files:
        folder = path / file.stem.removeprefix("instances_")
        listed = coco.list_instances(coco.find(folder, file), naming, known)
        found.append(listing.without_empty(listing.without_crowds(listed)))
    if len(found) == 1:
        return _in_three(found[0])
    rest = SHARES[0] / (SHARES[0] + SHARES[1])
    return [*listing.split_pictures(found[0], rest, SEED), found[1]]


def _annotations(path: Path) -> list[Path]:
    """Return the files of instances: training first, at most two."""
    files = sorted((path / "annotations").glob("instances_*.json"))
    if not files:
        raise Refused(
            f"'{path}' has no annotations/instances_*.json: give COCO's own layout"
        )
    return files[:2]  # train before val


def _genome(path: Path, known: Words) -> list[Listing]:
    share = SHARES[0] + SHARES[1]
    both, explained = visual_genome.prepare(
        visual_genome.find(path), known, least=LEAST, share=share, seed=SEED
    )
    first = listing.split_pictures(both, SHARES[0] / share, SEED + 1)
    return [*first, explained]


def _in_three(whole: Listing) -> list[Listing]:
    both, last = listing.split_pictures(whole, SHARES[0] + SHARES[1], SEED)
    share = SHARES[0] / (SHARES[0] + SHARES[1])
    return [*listing.split_pictures(both, share, SEED + 1), last]


def _boxed(box: Sequence[float], size: tuple[int, int]) -> Tensor:
    """Return the pixels within a box (left, top, right, bottom), `[H, W]`."""
    left, top, right, bottom = (int(value) for value in box)
    inside = torch.zeros(size, dtype=torch.bool)
    inside[top:bottom, left:right] = True
    return inside


def _same(image: Tensor) -> Tensor:
    return image
