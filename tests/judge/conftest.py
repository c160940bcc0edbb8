"""Small made data in the real formats: class folders, COCO instances, weights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco
from safetensors.torch import save_file

from helpers.vision import backbone

SIZE = (48, 36)  # width and height of the made pictures


def drawn(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights of an untrained resnet20 with five logits."""
    torch.manual_seed(0)
    file = tmp_path / "resnet20.safetensors"
    save_file(backbone("resnet20", 5).state_dict(), file)
    return file


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Five class folders of three pictures, each with a mask of its left half."""
    top = tmp_path / "pictures"
    for number, name in enumerate(("ant", "bee", "cat", "dog", "elk")):
        (top / name).mkdir(parents=True)
        (top / "masks" / name).mkdir(parents=True)
        for k in range(3):
            drawn(10 * number + k).save(top / name / f"{k}.png")
            mask = np.zeros((SIZE[1], SIZE[0]), dtype=np.uint8)
            mask[:, :24] = 255
            Image.fromarray(mask).save(top / "masks" / name / f"{k}.png")
    return top


def polygon(left: int, top: int, right: int, bottom: int) -> dict[str, Any]:
    box = [left, top, right - left, bottom - top]
    corners = [left, top, right, top, right, bottom, left, bottom]
    return {"bbox": box, "segmentation": [corners], "area": box[2] * box[3]}


def rle(left: int, top: int, right: int, bottom: int, plain: bool) -> dict[str, Any]:
    """Run lengths as COCO's crowds have them (lists), or as its tools write them."""
    pixels = np.zeros((SIZE[1], SIZE[0]), dtype=np.uint8, order="F")
    pixels[top:bottom, left:right] = 1
    one = polygon(left, top, right, bottom)
    if plain:
        flat = pixels.flatten(order="F")
        edges = np.flatnonzero(np.diff(flat)) + 1
        runs = np.diff([0, *edges, flat.size]).tolist()
        counts: Any = runs if flat[0] == 0 else [0, *runs]
    else:
        counts = coco.encode(pixels)["counts"].decode()
    one["segmentation"] = {"size": [SIZE[1], SIZE[0]], "counts": counts}
    return one


@pytest.fixture
def instances() -> dict[str, Any]:
    """Eight pictures; 7 is in no folder. Pets are classes 2 and 3, cars class 4.

    1: two cats, of which one has run lengths. 2: a dog, larger than its car. 3: a car
    with a crowd of cars over part of it. 4: a lamp, which is not mapped. 5: nothing. 6:
    a crowd of cats alone. 8: a cat at the very left, outside the middle square.
    """
    cats = {1: "cat", 2: "dog", 3: "car", 4: "lamp"}
    objects: list[tuple[int, int, int, dict[str, Any]]] = [
        (1, 1, 0, polygon(8, 4, 20, 20)),
        (1, 1, 0, rle(24, 10, 40, 30, plain=False)),
        (2, 2, 0, polygon(10, 5, 40, 30)),
        (2, 3, 0, polygon(12, 30, 24, 35)),
        (3, 3, 0, polygon(8, 8, 24, 24)),
        (3, 3, 1, rle(20, 8, 40, 24, plain=True)),
        (4, 4, 0, polygon(5, 5, 30, 30)),
        (6, 1, 1, rle(5, 5, 30, 30, plain=True)),
        (7, 1, 0, polygon(5, 5, 30, 30)),
        (8, 1, 0, polygon(0, 5, 4, 30)),
    ]
    return {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": SIZE[0], "height": SIZE[1]}
            for n in range(1, 9)
        ],
        "categories": [{"id": n, "name": name} for n, name in cats.items()],
        "annotations": [
            {"id": k, "image_id": i, "category_id": c, "iscrowd": crowd, **rest}
            for k, (i, c, crowd, rest) in enumerate(objects)
        ],
    }


@pytest.fixture
def annotated(
    tmp_path: Path, instances: dict[str, Any]
) -> Callable[..., tuple[Path, Path]]:
    """Write pictures and their COCO file; return folder and file."""

    def write(whole: dict[str, Any] | None = None) -> tuple[Path, Path]:
        top = tmp_path / "flat"
        top.mkdir(exist_ok=True)
        for number in (*range(1, 7), 8, 99):
            drawn(number).save(top / f"{number}.png")
        file = tmp_path / "instances.json"
        file.write_text(json.dumps(instances if whole is None else whole), "utf-8")
        return top, file

    return write
