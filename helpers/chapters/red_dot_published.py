"""The red dot as published: where it lies, and what evaluation leaves of it.

Repository konradszewczyk/lico-reproduction: `datasets/construct_adversarial.py`
(commit b3697a2) draws the dot on the file; `evaluate_auc_metrics.py` (commit 9af66c0,
branch adversarial-dataset) reads the pictures that are scored.
"""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torchvision.transforms import CenterCrop, Compose, Resize

from helpers.data import scenes

PART = 40  # the dot's box is 1 / 40 of the picture's width and height
SIDE = 224  # pixels a side, as trained and as evaluated
VISIBLE = 16  # levels in 0..255 by which a pixel must differ to count as the dot's

# Appendix A, and the comment in `evaluate_auc_metrics.py` that holds more digits and
# insertion too: (insertion, deletion). The file it loads is named "...-epoch=1-...
# -val_acc1=0.36.ckpt".
RECORDED = {
    "overall": (0.22040, 0.12865),
    "the class with the dot": (0.09685, 0.02646),
}

# Sizes (width, height) of one picture of each class of ImageNet-S50, and how many have
# them: EliSchwartz/imagenet-sample-images @ bc69043.
SIZES = {
    (500, 375): 16,
    (500, 333): 6,
    **dict.fromkeys(
        (
            *((100, 100), (140, 320), (169, 240), (200, 160), (237, 350), (250, 250)),
            *((358, 500), (375, 500), (376, 263), (400, 291), (476, 500), (500, 281)),
            *((500, 313), (500, 332), (500, 334), (500, 339), (500, 353), (500, 357)),
            *((500, 360), (500, 386), (500, 407), (500, 490), (550, 412), (600, 400)),
            *((600, 460), (640, 480), (750, 499), (1024, 768)),
        ),
        1,
    ),
}


def recorded() -> pd.DataFrame:
    """Return the published scores of the trial, a row a set of pictures."""
    return pd.DataFrame(
        {"pictures": name, "insertion": insertion, "deletion": deletion}
        for name, (insertion, deletion) in RECORDED.items()
    )


def photograph(width: int, height: int, scene: int = 0) -> Tensor:
    """Return a test scene in the shape of a photograph, `[3, height, width]` uint8.

    Drawn as a square of 256 pixels and enlarged; of it the middle is kept.
    """
    side = max(width, height)
    drawn = scenes.draw_scenes(scene + 1, "test", size=256).images[scene]
    return CenterCrop((height, width))(Resize((side, side))(drawn))


def draw(picture: Tensor) -> Tensor:
    """Return the picture with the published dot: an ellipse filled with red.

    Bounding box (0, 0) to (int(W / 40), int(H / 40)), in pixels of the file. Shapes:
    `[3, H, W]` uint8 -> the same.
    """
    image = _to_file(picture)
    box = (0, 0, image.width // PART, image.height // PART)
    ImageDraw.Draw(image).ellipse(box, fill="red")
    return _from_file(image)


def as_trained(picture: Tensor) -> Tensor:
    """Return the picture as appendix A trains on it: resized to 224 x 224."""
    return _from_file(Resize((SIDE, SIDE))(_to_file(picture)))


def as_evaluated(picture: Tensor) -> Tensor:
    """Return the picture as the code scores it: Resize(224), then CenterCrop(224)."""
    return _from_file(Compose([Resize(SIDE), CenterCrop(SIDE)])(_to_file(picture)))


def visible_pixels(picture: Tensor) -> dict[str, int]:
    """Return how many pixels of the dot are left: in the file, trained, evaluated.

    Pixels by which the pictures with and without the dot differ by 16 levels or more
    in some channel, after the same steps.
    """
    dotted = draw(picture)
    steps = {"file": lambda p: p, "trained": as_trained, "evaluated": as_evaluated}
    return {
        name: int(_differs(step(dotted), step(picture), VISIBLE).sum())
        for name, step in steps.items()
    }


def arithmetic(width: int, height: int) -> dict[str, float]:
    """Return where the dot's box ends after Resize(224), and what the crop removes.

    In pixels: the shorter side becomes 224, the longer int(224 long / short); of what
    is over, CenterCrop takes half away on either side.
    """
    short = min(width, height)
    wide, high = (int(SIDE * side / short) for side in (width, height))
    return {
        "dot ends at x": (width // PART + 1) * SIDE / short,
        "columns cropped": round((wide - SIDE) / 2),
        "dot ends at y": (height // PART + 1) * SIDE / short,
        "rows cropped": round((high - SIDE) / 2),
    }


def geometry(sizes: Sequence[tuple[int, int]]) -> pd.DataFrame:
    """Return a row a picture's size (width, height): arithmetic and pixels left."""
    return pd.DataFrame(
        {
            "picture": f"{width} x {height}",
            **arithmetic(width, height),
            **{
                f"dot, {name}": count
                for name, count in visible_pixels(photograph(width, height)).items()
            },
        }
        for width, height in sizes
    )


def left_of_dot(width: int, height: int) -> float:
    """Return which part of the dot's box the crop leaves, 0 to 1, by `arithmetic`."""
    found = arithmetic(width, height)
    part = 1.0
    for end, cropped in (
        ("dot ends at x", "columns cropped"),
        ("dot ends at y", "rows cropped"),
    ):
        part *= max(0.0, found[end] - found[cropped]) / found[end]
    return part


def of_sizes(sizes: Mapping[tuple[int, int], int]) -> pd.DataFrame:
    """Return a row a size: the ratio of its sides, how many have it, what is left."""
    return pd.DataFrame(
        {
            "width / height": width / height,
            "pictures": count,
            "left of the dot": left_of_dot(width, height),
        }
        for (width, height), count in sizes.items()
    )


def survival(sizes: Mapping[tuple[int, int], int]) -> pd.DataFrame:
    """Return how many pictures keep some of their dot, and how many all of it."""
    frame = of_sizes(sizes)
    total = int(frame["pictures"].sum())
    rows = []
    for label, kept in (
        ("some of the dot is left", frame["left of the dot"] > 0),
        ("all of it is left", frame["left of the dot"] == 1),
    ):
        count = int(frame.loc[kept, "pictures"].sum())
        row = {"after the crop": label, "pictures": count, "of": total}
        rows.append({**row, "share": count / total})
    return pd.DataFrame(rows)


def encoded_again(picture: Tensor, first: int = 90, again: int = 100) -> float:
    """Return the share of pixels away from the dot that writing the file changes.

    The picture is once written as JPEG of quality `first` and read, as a photograph
    comes; then the dot is drawn and the file written with quality `again`. Pixels of
    8 x 8 blocks that the dot touches, and their neighbours, are not counted.
    """
    source = _jpeg(picture, first)
    dotted = draw(source)
    written = _jpeg(dotted, again)
    away = torch.ones(picture.shape[1:], dtype=torch.bool)
    rows, columns = (32 * (1 + side // PART // 16) for side in picture.shape[1:])
    away[:rows, :columns] = False
    return float(_differs(written, source, 1)[away].float().mean())


def _jpeg(picture: Tensor, quality: int) -> Tensor:
    file = io.BytesIO()
    _to_file(picture).save(file, "jpeg", quality=quality)
    return _from_file(Image.open(file))


def _differs(one: Tensor, two: Tensor, levels: int) -> Tensor:
    """Return where pictures `[3, H, W]` differ by so many levels or more, `[H, W]`."""
    return ((one.int() - two.int()).abs() >= levels).any(0)


def _to_file(picture: Tensor) -> Image.Image:
    return Image.fromarray(picture.permute(1, 2, 0).numpy())


def _from_file(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
