"""Scenes: the embedded data set, drawn fresh from a seed in seconds.

A scene shows one to four instances of one class on one of eight places, with small
distractors. The 24 classes are planted: four *families* (an outline, a shape word and
an attribute word) times six *marks* (a pattern painted on the outline). Each class has
a *home*, and the correlation between class and home is a parameter: the background
cue. Names have one, two and three tokens of CLIP's tokenizer, eight classes each.

Every random quantity has its own stream, so the first n scenes of a longer draw are
the same n scenes, and scenes that differ only in their cue differ only in their place.
"""

import re
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from helpers.data.painting import COLOURS, FAMILIES, MARKS, PLACES, paint

# Rows are families, columns are marks: rim, core, dots, stripes, halves, cross.
NAMES: tuple[tuple[str, ...], ...] = (
    (
        "bike wheel",
        "target",
        "button",
        "beach ball",
        "yin yang symbol",
        "hot cross bun",
    ),
    (
        "picture frame",
        "ace of spades",
        "dice",
        "barcode",
        "flag",
        "first aid kit",
    ),
    (
        "cog",
        "sun",
        "sea urchin",
        "circular saw blade",
        "compass rose",
        "throwing star",
    ),
    (
        "morning glory",
        "daisy",
        "orchid",
        "water lily",
        "bird of paradise",
        "four leaf clover",
    ),
)
CLASS_NAMES: tuple[str, ...] = tuple(name for row in NAMES for name in row)
FAMILY_OF: tuple[int, ...] = tuple(i // len(MARKS) for i in range(len(CLASS_NAMES)))
HOME_OF: tuple[int, ...] = tuple(2 * family for family in FAMILY_OF)

# Correlation of class and home that makes P(place = home) one, chance and zero.
CUES: dict[str, float] = {
    "on": 1.0,
    "decorrelated": 0.0,
    "off": -1.0 / (len(PLACES) - 1),
}
SPLITS: dict[str, int] = {"train": 0, "validation": 1, "test": 2, "language": 3}
MAX_INSTANCES = 4


@dataclass(frozen=True)
class Scenes:
    """Pictures with everything that is known of them.

    Shapes: images `[N, 3, H, W]` uint8; labels, places `[N]` int64; counts `[N]` int64,
    the number of instances; instances `[N, H, W]` uint8, 0 where there is none, else
    1 to 4; boxes `[N, 4, 4]` int64 as (left, top, right, bottom), right and bottom
    exclusive, -1 where there is no such instance; captions: N strings.
    """

    images: Tensor
    labels: Tensor
    places: Tensor
    counts: Tensor
    instances: Tensor
    boxes: Tensor
    captions: list[str]

    def masks(self) -> Tensor:
        """Return the pixels of any instance, `[N, H, W]` bool."""
        return self.instances > 0


def draw_scenes(
    count: int,
    split: str,
    size: int = 64,
    cue: float = 0.0,
    seed: int = 0,
    single: bool = False,
) -> Scenes:
    """Draw `count` scenes of `size` x `size` pixels.

    `cue` is the correlation r of class and home among P = 8 places,
    P(place = home) = r + (1 - r) / P, from -1/7 (never at home) over 0 (no relation)
    to 1 (always). `single` draws one instance a scene, else one to four with
    probabilities .55, .2, .15, .1.

    Raises `ValueError` for an unknown split, and for a size or cue out of range.
    """
    if split not in SPLITS:
        raise ValueError(f"split '{split}' is not one of {', '.join(SPLITS)}")
    if size < 32 or size > 256:
        raise ValueError(f"size {size} is outside 32 to 256 pixels")
    if not CUES["off"] - 1e-9 <= cue <= 1.0:
        raise ValueError(f"cue {cue} is outside {CUES['off']:.3f} to 1")
    if count < 1:
        raise ValueError(f"count {count}: at least one scene is needed")

    def stream(number: int) -> np.random.Generator:
        return np.random.default_rng([seed, SPLITS[split], number])

    classes, places, slots = len(CLASS_NAMES), len(PLACES), MAX_INSTANCES
    labels = stream(0).integers(classes, size=count)
    counts = 1 + stream(1).choice(slots, size=count, p=[0.55, 0.2, 0.15, 0.1])
    if single:
        counts = np.ones_like(counts)
    home = np.array(HOME_OF)[labels]
    away = (home + 1 + stream(2).integers(places - 1, size=count)) % places
    at_home = stream(3).random(count) < cue + (1 - cue) / places
    place = np.where(at_home, home, away)

    # A lone object may stand anywhere; several share the four quadrants.
    alone = (counts == 1)[:, None]
    radius = np.where(
        alone,
        stream(4).uniform(0.20, 0.36, (count, slots)),
        stream(5).uniform(0.17, 0.24, (count, slots)),
    )
    quadrant = stream(6).permuted(np.tile(np.arange(slots), (count, 1)), axis=1)
    corner = np.stack([quadrant % 2, quadrant // 2], axis=-1) * 0.5  # [N, 4, 2]
    corner = np.where(alone[..., None], 0.0, corner)
    room = np.where(alone, 1.0, 0.5) - 2 * radius
    centre = corner + radius[..., None]
    centre = centre + room[..., None] * stream(7).random((count, slots, 2))
    angle = stream(8).uniform(-0.4, 0.4, (count, slots))
    body = 2 * np.array(FAMILY_OF)[labels] + stream(9).integers(2, size=count)
    shift = 1 + stream(10).integers(len(COLOURS) - 1, size=count)
    mark = (body + shift) % len(COLOURS)

    images, instances = paint(
        size,
        family=np.array(FAMILY_OF)[labels],
        mark=labels % len(MARKS),
        place=place,
        present=np.arange(slots) < counts[:, None],
        centre=centre,
        radius=radius,
        angle=angle,
        body=body,
        colour=mark,
        streams=(stream(11), stream(12), stream(13)),
    )
    words = stream(14)
    captions = [
        caption(
            int(labels[i]),
            int(counts[i]),
            int(body[i]),
            int(mark[i]),
            int(place[i]),
            words,
        )
        for i in range(count)
    ]
    return Scenes(
        images=torch.from_numpy(images),
        labels=torch.from_numpy(labels),
        places=torch.from_numpy(place),
        counts=torch.from_numpy(counts),
        instances=torch.from_numpy(instances),
        boxes=boxes_of(torch.from_numpy(instances)),
        captions=captions,
    )


def caption(
    label: int,
    count: int,
    body: int,
    mark: int,
    place: int,
    rng: np.random.Generator,
) -> str:
    """Return a sentence on object, attributes and background, each named or not.

    Of 20 captions 12 name the class and 8 its family alone, by its shape and attribute
    word: so these words are learned from its pictures. Colours and place
    are named one time in 20: captions that name them often are matched to their
    pictures by them alone, and the class is learned late or never.
    """
    form, coloured, placed = rng.integers(20, size=3)
    words = [("a", "two", "three", "four")[count - 1]]
    if coloured == 0:
        words.append(f"{COLOURS[body][0]} and {COLOURS[mark][0]}")
    if form < 8:
        words += FAMILIES[FAMILY_OF[label]]
    name = "thing" if form < 8 else CLASS_NAMES[label]
    words.append(name if count == 1 else plural(name))
    if placed == 0:
        words.append(PLACES[place].words)
    return re.sub(r"^a (?=[aeiou])", "an ", " ".join(words))


def plural(name: str) -> str:
    """Return the plural of a class name: daisies, aces of spades, dice."""
    if name == "dice":
        return name
    head, of, rest = name.partition(" of ")
    head = head[:-1] + "ies" if head.endswith("y") else head + "s"
    return head + of + rest


def boxes_of(instances: Tensor) -> Tensor:
    """Return the tight boxes `[N, 4, 4]` of an instance map `[N, H, W]`; -1: none."""
    boxes = torch.full((len(instances), MAX_INSTANCES, 4), -1, dtype=torch.int64)
    for slot in range(MAX_INSTANCES):
        mask = instances == slot + 1
        found = mask.flatten(1).any(1)
        for axis, (low, high) in ((2, (1, 3)), (1, (0, 2))):
            line = mask.any(axis).to(torch.uint8)  # over columns, then over rows
            first = line.argmax(1)
            last = line.shape[1] - line.flip(1).argmax(1)
            boxes[found, slot, low] = first[found]
            boxes[found, slot, high] = last[found]
    return boxes


def family_distance() -> Tensor:
    """Return the planted distance of classes, `[K, K]`: 0 in a family, 1 across."""
    family = torch.tensor(FAMILY_OF)
    return (family[:, None] != family[None, :]).float()
