"""Reference data of LaViSE in memory: pictures, masks and words, moved together.

`read` makes tensors of a `Listing`; `blocks` does so a few pictures at a time, which is
enough for data that do not fit: the network's maps are kept, the pictures are not.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.data.listing import (
    Annotation,
    Entry,
    Listing,
    by_token,
    category_words,
    without_wordless,
)
from helpers.data.scene_words import FUNCTION_WORDS
from helpers.data.scenes import CLASS_NAMES, Scenes
from helpers.data.squares import Picture, square
from helpers.settings import Refused

SIZE, CROP = 256, 224  # pixels: as both codes cut pictures for a network of ImageNet


@dataclass(frozen=True, eq=False)
class ReferenceSet:
    """Pictures and their outlined, named objects, moved together.

    Attributes:
        images: `[N, 3, H, W]` uint8.
        masks: pixels of each object, `[J, H, W]` bool; empty where it lies outside of
            what is shown.
        image_of: the picture of each object, `[J]` int64, ascending.
        words_of: the positives of each object, rows of `words`, one or more.
        words: the category words C.
        names: each object's category, as the data say it.
        crowd: whether it is a group whose members nobody outlined, `[J]` bool.
        pictures: names of the pictures; one without objects is in no `image_of`.

    Raises:
        Refused: parts of another shape or number, or rows outside of 0 to C - 1.
    """

    images: Tensor
    masks: Tensor
    image_of: Tensor
    words_of: tuple[tuple[int, ...], ...]
    words: tuple[str, ...]
    names: tuple[str, ...]
    crowd: Tensor
    pictures: tuple[str, ...]

    def __post_init__(self) -> None:
        images, masks, count = self.images, self.masks, len(self.masks)
        if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.uint8:
            got = f"{images.dtype} {list(images.shape)}"
            raise Refused(f"reference pictures must be uint8 [N, 3, H, W], got {got}")
        wanted = [count, *images.shape[2:]]
        if list(masks.shape) != wanted or masks.dtype != torch.bool:
            got = f"{masks.dtype} {list(masks.shape)}"
            raise Refused(f"masks must be bool {wanted}, as the pictures, got {got}")
        lengths = {len(self.image_of), len(self.words_of), len(self.names), count}
        if len(lengths | {len(self.crowd)}) > 1 or len(self.pictures) != len(images):
            raise Refused(
                f"{count} masks need as many pictures, words, names and crowd flags, "
                f"{len(images)} pictures as many names"
            )
        rows = [row for one in self.words_of for row in one]
        if not all(self.words_of) or any(not 0 <= r < len(self.words) for r in rows):
            raise Refused(f"each object needs words, rows of the {len(self.words)}")
        of = self.image_of
        if count and (of.min() < 0 or of.max() >= len(images) or (of.diff() < 0).any()):
            raise Refused(f"image_of must rise within 0 to {len(images) - 1}")

    def positives(self) -> Tensor:
        """Return which words name each object, `[J, C]` bool."""
        found = torch.zeros(len(self.masks), len(self.words), dtype=torch.bool)
        for row, words in enumerate(self.words_of):
            found[row, list(words)] = True
        return found


def read(listing: Listing, size: int = SIZE, crop: int = CROP) -> ReferenceSet:
    """Read all pictures, each cut to a square with its objects' masks.

    The short side is resized to `size` and the middle `crop` x `crop` is cut out, as
    torchvision's Resize and CenterCrop do; a mask's pixel takes its nearest's.

    Raises:
        Refused: no picture, a crop over the size, a picture that cannot be read or is
            not of the size that its annotations are for.
    """
    if not 1 <= crop <= size:
        raise Refused(f"crop {crop} must be from 1 to size, which is {size}")
    if not listing.entries:
        told = ", ".join(f"{n} {cause}" for cause, n in listing.left_out.items())
        raise Refused(f"no reference picture is left: {told or 'none was given'}")
    images, masks, image_of = [], [], []
    for number, entry in enumerate(listing.entries):
        image, found = _cut(entry, size, crop)
        images.append(image)
        masks.append(found)
        image_of += [number] * len(found)
    objects = [one for entry in listing.entries for one in entry.annotations]
    return ReferenceSet(
        images=torch.stack(images),
        masks=torch.cat(masks),
        image_of=torch.tensor(image_of, dtype=torch.long),
        words_of=tuple(one.words for one in objects),
        words=listing.words,
        names=tuple(one.name for one in objects),
        crowd=torch.tensor([one.crowd for one in objects], dtype=torch.bool),
        pictures=tuple(entry.name for entry in listing.entries),
    )


def blocks(
    listing: Listing, count: int, size: int = SIZE, crop: int = CROP
) -> Iterator[ReferenceSet]:
    """Yield what `read` returns, `count` pictures at a time; `image_of` starts at 0.

    Raises:
        Refused: as `read`, or a count under 1.
    """
    if count < 1:
        raise Refused(f"count {count}: a block has one picture or more")
    for first in range(0, len(listing.entries), count):
        part = listing.entries[first : first + count]
        yield read(replace(listing, entries=part), size, crop)


def naming_words(name: str) -> tuple[str, ...]:
    """Return the words of a scene's class that name it: "ace of spades" has two."""
    return tuple(word for word in by_token(name) if word not in FUNCTION_WORDS)


def list_scenes(drawn: Scenes, known: Container[str] | None = None) -> Listing:
    """List drawn scenes; the masks are exact, an instance each."""
    words, missing = category_words(CLASS_NAMES, naming_words, known)
    rows = {word: row for row, word in enumerate(words)}
    entries = []
    for i, (label, count) in enumerate(
        zip(drawn.labels.tolist(), drawn.counts.tolist(), strict=True)
    ):
        name = CLASS_NAMES[label]
        positives = tuple(rows[w] for w in naming_words(name) if w in rows)
        objects = [
            Annotation(name, positives, partial(_slot, drawn.instances[i], slot))
            for slot in range(1, count + 1)
        ]
        size = (drawn.images.shape[2], drawn.images.shape[3])
        image = partial(_same, drawn.images[i])
        entries.append(Entry(f"scene {i}", size, image, tuple(objects)))
    return without_wordless(Listing(words, tuple(entries), unknown=missing))


def _cut(entry: Entry, size: int, crop: int) -> tuple[Tensor, Tensor]:
    """Return the square `[3, crop, crop]` and its masks `[J, crop, crop]`."""
    image = entry.image()
    height, width = image.shape[1:]
    if (height, width) != entry.size:
        raise Refused(
            f"picture '{entry.name}' is {width} x {height}, its annotations are for "
            f"{entry.size[1]} x {entry.size[0]}: take the original picture"
        )
    inner = round((size - crop) / 2)
    shown = square(Picture(image), size).image[
        :, inner : inner + crop, inner : inner + crop
    ]
    masks = torch.zeros(len(entry.annotations), crop, crop, dtype=torch.bool)
    short = min(height, width)
    rows = _taken(height, size * height // short, size, crop)
    columns = _taken(width, size * width // short, size, crop)
    for row, one in enumerate(entry.annotations):
        masks[row] = one.mask(entry.size)[rows][:, columns]
    return shown, masks


def _taken(length: int, scaled: int, size: int, crop: int) -> Tensor:
    """Return the pixel of a side that each pixel of the square shows, `[crop]`.

    That of `helpers.data.squares.square`: nearest, then the middle.
    """
    pixels = torch.arange(length, dtype=torch.float32)[None, None]
    nearest = F.interpolate(pixels, scaled, mode="nearest-exact")[0, 0].long()
    start = round((scaled - size) / 2) + round((size - crop) / 2)
    return nearest[start : start + crop]


def _same(image: Tensor) -> Tensor:
    return image


def _slot(instances: Tensor, slot: int, size: tuple[int, int]) -> Tensor:
    """Return the pixels of an instance, `[H, W]`, which is of that size already."""
    assert instances.shape == size
    return instances == slot
