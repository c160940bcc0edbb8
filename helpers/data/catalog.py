"""From a name to pictures: the embedded scenes, or photographs.

`scenes`, `cifar10`, `cifar100`, `imagenette`, `imagenet-s50:PATH` or `folder:PATH`.
Class names always come from the data set's own metadata, in label order.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from helpers import paths
from helpers.data import downloads, folders, imagenet_s, red_dot
from helpers.data.scenes import CLASS_NAMES, CUES, draw_scenes
from helpers.data.squares import Read
from helpers.settings import DataSettings, Refused, nearest

NAMES = (
    "scenes",
    "cifar10",
    "cifar100",
    "imagenette",
    "imagenet-s50:PATH",
    "folder:PATH",
)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
NORMALISATION = {
    "scenes": ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "imagenette": IMAGENET,
    "imagenet-s50": IMAGENET,
    "folder": IMAGENET,
}
FOLDERS = {"folder": folders.find, "imagenet-s50": imagenet_s.find}


@dataclass(frozen=True, eq=False)
class Pictures:
    """Labelled pictures in memory.

    Shapes: images `[N, 3, H, W]` uint8; labels `[N]` int64 in 0..K-1; masks
    `[N, H, W]` bool or None: the object's pixels; boxes `[N, M, 4]` of its instances
    (left, top, right, bottom; right and bottom exclusive) or None, -1 where there is
    none; ignored `[N, H, W]` bool or None: pixels that count neither as object nor as
    background. `mean` and `std` (per channel, of intensities in [0, 1]) normalise the
    pictures for a network.
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    masks: Tensor | None = None
    boxes: Tensor | None = None
    ignored: Tensor | None = None

    def __post_init__(self) -> None:
        highest = int(self.labels.max()) if len(self.labels) else -1
        if highest >= len(self.class_names):
            raise Refused(
                f"{len(self.class_names)} class names for labels up to {highest}: "
                "give one name a label, in label order"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> "Pictures":
        """Return the first `count` pictures."""
        return self.rows(slice(count))

    def rows(self, chosen: Tensor | slice) -> "Pictures":
        """Return the chosen pictures."""
        return replace(
            self,
            images=self.images[chosen],
            labels=self.labels[chosen],
            masks=None if self.masks is None else self.masks[chosen],
            boxes=None if self.boxes is None else self.boxes[chosen],
            ignored=None if self.ignored is None else self.ignored[chosen],
        )

    def normalised(self) -> Tensor:
        """Return the pictures as a network takes them, float `[N, 3, H, W]`."""
        return normalise(self.images, self.mean, self.std)


def normalise(
    images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]
) -> Tensor:
    """Return (images / 255 - mean) / std, `[N, 3, H, W]` uint8 to float32."""
    shape = (1, 3, 1, 1)
    scaled = images.float() / 255
    scaled = scaled - torch.tensor(mean, device=images.device).view(shape)
    scaled = scaled / torch.tensor(std, device=images.device).view(shape)
    return scaled.contiguous(memory_format=torch.channels_last)


def check(data: DataSettings) -> None:
    """Raise `Refused` if the data set is unknown or cannot be read; reads no picture.

    The scenes' cue is a parameter of scenes alone.
    """
    kind, _, path = data.name.partition(":")
    if kind not in NORMALISATION or (kind in FOLDERS) != bool(path):
        raise Refused(f"unknown data set '{data.name}'{nearest(data.name, [*NAMES])}")
    if kind != "scenes" and data.cue != 0:
        raise Refused(f"parameter 'cue' is for scenes; '{data.name}' has none")
    if data.dot is not None:
        red_dot.dot_mask((data.size,) * 2, data.dot.radius, data.dot.position)
    if kind in FOLDERS:
        FOLDERS[kind](path)


def fingerprint(data: DataSettings) -> str:
    """Return what identifies the pictures: a name, or a hash of a folder's content."""
    check(data)
    kind, _, path = data.name.partition(":")
    return FOLDERS[kind](path).fingerprint if kind in FOLDERS else kind


def class_names(data: DataSettings) -> tuple[str, ...]:
    """Return the class names in label order; reads two pictures at most."""
    check(data)
    kind, _, path = data.name.partition(":")
    if kind == "scenes":
        return CLASS_NAMES
    if kind in FOLDERS:
        return FOLDERS[kind](path).class_names
    return load(data.model_copy(update={"test": 2}), "test").class_names


def load(data: DataSettings, split: str, cue: float | None = None) -> Pictures:
    """Return the pictures of a split: train, validation or test.

    Test and validation scenes carry no cue unless `cue` (-1/7 to 1) is given, and a
    dot stands on training pictures alone.

    Raises `Refused` for what cannot be found or read, in one line.
    """
    check(data)
    kind = data.name.partition(":")[0]
    if split not in folders.SPLITS:
        raise Refused(f"unknown split '{split}'{nearest(split, [*folders.SPLITS])}")
    count = {"train": data.train, "test": data.test, "validation": data.test // 2}
    number = max(count[split], 1)
    mean, std = NORMALISATION[kind]
    if kind == "scenes":
        if cue is None:
            cue = data.cue if split == "train" else CUES["decorrelated"]
        drawn = draw_scenes(number, split, data.size, cue, data.seed)
        found = Pictures(
            drawn.images,
            drawn.labels,
            CLASS_NAMES,
            mean,
            std,
            drawn.masks(),
            drawn.boxes,
        )
        return _planted(found, data, split)
    read = _read(data, split, number)
    found = Pictures(
        read.images,
        read.labels,
        read.class_names,
        mean,
        std,
        read.masks,
        read.boxes,
        read.ignored,
    )
    return _planted(found, data, split)


def _read(data: DataSettings, split: str, number: int) -> Read:
    """Return photographs by the reader of their kind."""
    kind, _, path = data.name.partition(":")
    asked = (split, number, data.size, data.seed)
    if kind == "folder":
        return folders.read(folders.find(path), *asked)
    if kind == "imagenet-s50":
        return imagenet_s.read(imagenet_s.find(path), *asked)
    if kind == "imagenette":
        return downloads.read_imagenette(paths.data(), *asked)
    return downloads.read_cifar(kind, paths.data(), *asked)


def _planted(pictures: Pictures, data: DataSettings, split: str) -> Pictures:
    if data.dot is None:
        return pictures
    if data.dot.target >= len(pictures.class_names):
        raise Refused(
            f"the dot's class {data.dot.target} is not there: labels go from 0 to "
            f"{len(pictures.class_names) - 1}"
        )
    if split != "train":
        return pictures
    images, _ = red_dot.plant(pictures.images, pictures.labels, data.dot, data.seed)
    return replace(pictures, images=images)
