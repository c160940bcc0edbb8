"""What chapter 12 looks at: a CLIP, and what it says of pictures, read once.

The CLIP is the book's tiny one, a tower trained for this chapter, or any of open_clip.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from helpers.chapters.eclip_pictures import Shown
from helpers.data import catalog
from helpers.explain.cam import check_images
from helpers.explain.clip_tokens import (
    Projection,
    Reading,
    Tokens,
    class_attention,
    image_tower,
    own_projection,
)
from helpers.explain.similarity import Itsm
from helpers.explain.stitched import shifts_for, stitched_attention, stitched_tokens
from helpers.explain.zero_shot import ZeroShot
from helpers.language.open_models import class_texts, open_model
from helpers.language.tiny_clip import MEAN, STD, class_prompts, tokenise
from helpers.measure.recognition import top1
from helpers.settings import Refused

READING: Literal["value", "token"] = "value"  # of a ResNet's places
RATE = 3e-3  # of a projection, at the start
QUANTILE = 0.75  # of the places that are masked
LEAST = 7  # places a side: with fewer, maps are refused or warned of
CHUNK = 64  # pictures a forward pass


@dataclass(frozen=True, eq=False)
class Reader:
    """A CLIP in evaluation mode, and how its pictures and texts are given to it.

    Attributes:
        name: as tables call it.
        model: with `visual` and `encode_text`.
        tokenise: texts -> tokens.
        mean: of the normalisation of its pictures, per channel.
        std: of the same.
        size: of its pictures, in pixels a side.
        templates: texts of a class, of which the mean is taken.
        reading: what the token of a place is.
        shifts: a side, where the tower has too few places.
        note: what a reader of its results should know, or "".
    """

    name: str
    model: nn.Module
    tokenise: Callable[[list[str]], Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int
    templates: tuple[str | Callable[[str], str], ...]
    reading: Reading
    shifts: int
    note: str = ""

    @property
    def kind(self) -> str:
        """Whether the tower is a "ViT" or a "CNN"."""
        return "ViT" if hasattr(image_tower(self.model), "ln_post") else "CNN"

    def pixels(self, images: Tensor) -> Tensor:
        """Return pictures `[N, 3, H, W]` uint8 as the tower takes them."""
        device = next(self.model.parameters()).device
        return catalog.normalise(images, self.mean, self.std).to(device)

    @torch.no_grad()
    def features(self, texts: Sequence[str]) -> Tensor:
        """Return unit features of texts, `[N, E]`."""
        device = next(self.model.parameters()).device
        model: Any = self.model
        rows = self.tokenise(list(texts)).to(device).split(CHUNK)
        return torch.cat([model.encode_text(part, normalize=True) for part in rows])

    def classes(self, names: Sequence[str]) -> Tensor:
        """Return a unit feature a class, `[K, E]`."""
        return class_texts(self.model, self.tokenise, names, self.templates)

    @torch.no_grad()
    def right(self, shown: "Shown") -> Tensor:
        """Return whether it names each picture right, zero-shot, `[N]`."""
        model: Any = self.model
        found = [
            model.encode_image(self.pixels(part), normalize=True)
            for part in shown.images.split(CHUNK)
        ]
        classes = self.classes(shown.names)
        return top1(torch.cat(found), classes, shown.labels.to(classes.device))

    def tokens(self, images: Tensor, reading: Reading | None = None) -> Tokens:
        """Return the tokens of pictures, `[N, 3, H, W]` uint8, by a reading."""
        return stitched_tokens(
            self.model,
            self.pixels(images),
            reading or self.reading,
            shifts=self.shifts,
            chunk=CHUNK,
        )

    def attention(self, images: Tensor, tokens: Tokens) -> Tensor:
        """Return how much its whole attends to each place, `[N, h, w]`.

        Of a ViT that pools otherwise than by its class token, the share of each place
        in the mean: all alike.
        """
        if tokens.attention is not None:
            return tokens.attention
        pixels = self.pixels(images)
        tower: Any = image_tower(self.model)
        if getattr(tower, "pool_type", "tok") != "tok":
            rows, columns = tower.grid_size
            return torch.full((len(images), rows, columns), 1 / (rows * columns))
        if self.shifts == 1:
            return class_attention(self.model, pixels, chunk=CHUNK)
        return stitched_attention(self.model, pixels, shifts=self.shifts, chunk=CHUNK)


@dataclass(frozen=True, eq=False)
class Look:
    """What a CLIP says of pictures.

    Attributes:
        shown: the pictures.
        tokens: of their places, and of the whole.
        attention: of the whole to each place, `[N, h, w]`.
        texts: features of each picture's text, `[N, E]`.
    """

    shown: Shown
    tokens: Tokens
    attention: Tensor
    texts: Tensor

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of places."""
        return (self.tokens.places.shape[1], self.tokens.places.shape[2])


@dataclass(frozen=True, eq=False)
class Clip:
    """A CLIP and what it says of the three sets of pictures.

    Attributes:
        reader: the CLIP.
        classes: features of the classes, `[K, E]`.
        own: its projection.
        train: pictures that train another projection.
        validation: pictures that choose thresholds.
        test: pictures that are judged.
    """

    reader: Reader
    classes: Tensor
    own: Projection
    train: Look
    validation: Look
    test: Look

    @property
    def options(self) -> Itsm:
        """What its maps are made by."""
        return Itsm(reading=self.reader.reading)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its pictures."""
        return (self.reader.size, self.reader.size)

    def zero_shot(self) -> ZeroShot:
        """Return it as a classifier of its classes."""
        return ZeroShot(image_tower(self.reader.model), self.classes)


def small_reader(model: nn.Module, name: str, reading: Reading) -> Reader:
    """Return the reader of a CLIP with the book's own tokenizer and prompts."""
    tower: Any = image_tower(model)
    size = tower.image_size
    return Reader(
        name,
        model.eval(),
        tokenise,
        MEAN,
        STD,
        size if isinstance(size, int) else int(size[0]),
        (_prompt,),
        reading_for(tower, reading),
        shifts_for(model, LEAST),
    )


def open_reader(name: str, reading: Reading, device: str = "cpu") -> Reader:
    """Return the reader of a CLIP of open_clip, by tag or from a file.

    Raises:
        Refused: as `open_models.open_model`; a tower that gives no tokens.
    """
    found = open_model(name)
    try:
        tower = image_tower(found.model)
        shifts = shifts_for(found.model, LEAST)
    except ValueError as error:
        raise Refused(f"'{name}': {error}") from None
    if found.size[0] != found.size[1]:
        raise Refused(f"'{name}' takes pictures of {found.size}: take a square model")
    return Reader(
        name,
        found.model.to(device),
        found.tokenizer,
        found.mean,
        found.std,
        found.size[0],
        ("a photo of a {}.",),
        reading_for(tower, reading),
        shifts,
        found.note,
    )


def reading_for(tower: nn.Module, reading: Reading) -> Reading:
    """Return the reading of a tower: of a ViT always "token", its own."""
    return "token" if hasattr(tower, "ln_post") else reading


def looked(reader: Reader, shown: Shown) -> Look:
    """Return what a CLIP says of pictures: its one pass over them."""
    check_images(reader.pixels(shown.images[:1]))
    tokens = reader.tokens(shown.images)
    return Look(
        shown,
        tokens,
        reader.attention(shown.images, tokens),
        reader.features(shown.texts),
    )


def clip_of(reader: Reader, known: dict[str, Shown]) -> Clip:
    """Return a CLIP with its tokens of all pictures."""
    looks = {part: looked(reader, shown) for part, shown in known.items()}
    return Clip(
        reader,
        reader.classes(known["test"].names),
        own_projection(reader.model),
        **looks,
    )


def _prompt(name: str) -> str:
    return class_prompts([name])[0]
