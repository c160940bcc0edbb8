"""Pictures of chapter 12, with their texts: scenes, or a reader's own.

Three sets: those that train a projection, those that choose a threshold, and those that
are judged.
"""

from dataclasses import dataclass, replace

from torch import Tensor

from helpers.data import catalog
from helpers.data.scenes import CLASS_NAMES, draw_scenes
from helpers.settings import DataSettings, Refused

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Shown:
    """Pictures with their texts, and where their objects are if that is known.

    Attributes:
        images: `[N, 3, H, W]` uint8.
        labels: of the class of each, `[N]`.
        texts: of each picture.
        names: of the classes.
        masks: of the objects, `[N, H, W]` bool, or None.
        ignored: pixels that count nowhere, or None.
    """

    images: Tensor
    labels: Tensor
    texts: tuple[str, ...]
    names: tuple[str, ...]
    masks: Tensor | None = None
    ignored: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, some: slice) -> "Shown":
        """Return these pictures alone."""
        return replace(
            self,
            images=self.images[some],
            labels=self.labels[some],
            texts=self.texts[some],
            masks=None if self.masks is None else self.masks[some],
            ignored=None if self.ignored is None else self.ignored[some],
        )


def pictures(
    dataset: str, size: int, counts: tuple[int, int, int], cue: float = 0.0
) -> dict[str, Shown]:
    """Return the three sets of pictures, `counts` of each at most.

    Scenes that train show one object, with their captions; they are the first that the
    CLIP was trained with, and have its `cue`. Those that choose a threshold and those
    that are judged have none, so that all CLIPs are judged on the same pictures. Of
    photographs the texts name their class, and the threshold is chosen on the first of
    the test pictures, which are not judged.

    Raises:
        Refused: data that are not there, or too few of them.
    """
    if dataset == "scenes":
        splits = ("language", *PARTS[1:])
        return {
            part: _scenes(count, split, size, cue if part == PARTS[0] else 0.0)
            for part, split, count in zip(PARTS, splits, counts, strict=True)
        }
    data = DataSettings.of(
        name=dataset, size=size, train=counts[0], test=counts[1] + counts[2]
    )
    train, test = (_photographs(data, split) for split in ("train", "test"))
    if len(test) <= counts[1]:
        raise Refused(
            f"{len(test)} test pictures of '{dataset}' leave none to judge: lower "
            "`validated`"
        )
    rows = (slice(counts[1]), slice(counts[1], None))
    return {"train": train, **dict(zip(PARTS[1:], map(test.rows, rows), strict=True))}


def single_scenes(count: int, size: int) -> Shown:
    """Return test scenes of one object each, at any place: what a CLIP should name."""
    drawn = draw_scenes(count, "test", size, single=True)
    return Shown(drawn.images, drawn.labels, tuple(drawn.captions), CLASS_NAMES)


def _scenes(count: int, split: str, size: int, cue: float) -> Shown:
    single = split == "language"
    drawn = draw_scenes(count, split, size, cue, single=single)
    return Shown(
        drawn.images, drawn.labels, tuple(drawn.captions), CLASS_NAMES, drawn.masks()
    )


def _photographs(data: DataSettings, split: str) -> Shown:
    found = catalog.load(data, split)
    texts = tuple(f"a photo of a {found.class_names[k]}." for k in found.labels)
    return Shown(
        found.images, found.labels, texts, found.class_names, found.masks, found.ignored
    )
