"""Published networks judged on real photographs, all from the folder REAL_DATA.

It holds `resnet56.th`, `cifar10/test/<class>/*.png`, `coco/train2017/` with
`coco/annotations/instances_train2017.json`, and `squeezenet1_0.safetensors`.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from helpers import paths
from helpers.judge.__main__ import main

FOLDER = Path(os.environ.get("REAL_DATA", "not-given"))
COCO = FOLDER / "coco" / "annotations" / "instances_train2017.json"
CIFAR_NAMES = ["airplane", "automobile", "bird", "cat", "deer"]
CIFAR_NAMES += ["dog", "frog", "horse", "ship", "truck"]
SHARED = {name: name for name in ("airplane", "bird", "cat", "dog", "horse", "truck")}
SHARED |= {"car": "automobile", "boat": "ship"}


def needs(*names: str) -> pytest.MarkDecorator:
    missing = [name for name in names if not (FOLDER / name).exists()]
    told = f"REAL_DATA names no folder with {', '.join(missing)}"
    return pytest.mark.skipif(bool(missing), reason=told)


def judged(tmp_path: Path, *line: str) -> dict[str, Any]:
    assert main([*line, "--out", str(tmp_path / "r.json")]) == 0
    assert (tmp_path / "r.html").stat().st_size > 10_000
    return json.loads((tmp_path / "r.json").read_text("utf-8"))


def mean(found: dict[str, Any], row: str, metric: str) -> float:
    of = {(one["map"], one["metric"]): one for one in found["summary"]}
    return of[row, metric]["mean"]


@needs("resnet56.th", "cifar10/test")
def test_resnet56_on_cifar10(tmp_path: Path) -> None:
    found = judged(
        tmp_path,
        *("--model", f"resnet56:{FOLDER / 'resnet56.th'}", "--size", "32"),
        *("--data", str(FOLDER / "cifar10" / "test"), "--limit", "40"),
        *("--metrics", "insertion,deletion,ses"),
    )
    assert found["pictures"]["left_out"] == {"over the limit": 4960}
    assert found["accuracy"]["top-1"] > 0.85
    for floor in ("uniform", "random smooth"):
        own, known = (
            mean(found, "Grad-CAM", "insertion"),
            mean(found, floor, "insertion"),
        )
        assert own > known


@needs("resnet56.th", "coco")
def test_resnet56_on_coco_by_the_names_that_both_have(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text(json.dumps(SHARED))
    (tmp_path / "names.txt").write_text("\n".join(CIFAR_NAMES))
    found = judged(
        tmp_path,
        *("--model", f"resnet56:{FOLDER / 'resnet56.th'}", "--size", "32"),
        *("--data", str(FOLDER / "coco" / "train2017"), "--masks", str(COCO)),
        *("--labels", str(tmp_path / "map.json")),
        *("--classes", str(tmp_path / "names.txt")),
        *("--metrics", "sch,mosu,epg"),
    )
    pictures = found["pictures"]
    assert set(pictures["classes"]) <= set(SHARED)
    counted = pictures["count"] + sum(pictures["left_out"].values())
    assert counted == len(json.loads(COCO.read_text("utf-8"))["images"])
    assert mean(found, "ground-truth mask", "sch") == 1
    assert mean(found, "uniform", "mosu") == pytest.approx(0, abs=1e-5)


@needs("squeezenet1_0.safetensors", "coco")
def test_squeezenet_on_coco_by_the_map_of_the_book(tmp_path: Path) -> None:
    """It ends in a convolution, ReLU and pooling: no linear head to read."""
    found = judged(
        tmp_path,
        *("--model", f"squeezenet1_0:{FOLDER / 'squeezenet1_0.safetensors'}"),
        *("--data", str(FOLDER / "coco" / "train2017"), "--masks", str(COCO)),
        *("--labels", str(paths.root() / "book" / "_static" / "coco_to_imagenet.json")),
        *("--classes", "imagenet", "--size", "256", "--crop", "224", "--limit", "20"),
        *("--metrics", "ses,sch,pointing"),
    )
    assert found["cells"] == [13, 13]
    assert mean(found, "Grad-CAM", "sch") > mean(found, "uniform", "sch")
