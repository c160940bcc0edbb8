"""Heads on ResNet-56 over CIFAR-10, and COCO's boxes, all from the folder REAL_DATA.

It holds `resnet56.th`, `cifar10/{train,test}/<class>/*.png` and `tiny-coco/` with
`annotations/` and `train2017/`.
"""

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

from helpers.chapters.probing import crossed, study
from helpers.chapters.probing_real import frozen
from helpers.data import catalog, coco, coco_boxes
from helpers.settings import DataSettings

FOLDER = Path(os.environ.get("REAL_DATA", "not-given"))
COCO = FOLDER / "tiny-coco"
INSTANCES = COCO / "annotations" / "instances_train2017.json"


def needs(*names: str) -> pytest.MarkDecorator:
    missing = [name for name in names if not (FOLDER / name).exists()]
    told = f"REAL_DATA names no folder with {', '.join(missing)}"
    return pytest.mark.skipif(bool(missing), reason=told)


@needs("resnet56.th", "cifar10/train", "cifar10/test")
def test_linear_heads_on_resnet56_are_as_right_as_its_own() -> None:
    name = f"folder:{FOLDER / 'cifar10'}"
    data = DataSettings(name=name, size=32, train=400, test=200)
    network = frozen("resnet56", str(FOLDER / "resnet56.th"), 10)
    arms = crossed(["linear, no bias"], ["ce", "bce"], ["repository"])
    train, test = catalog.load(data, "train"), catalog.load(data, "test")
    record = study(network, train, test, arms, [1], sides=(2,))
    ce, bce = (record["arms"][arm.name] for arm in arms)
    assert min(ce["accuracy"] + bce["accuracy"]) > 0.85
    assert ce["mean weight share"][0] < 0.02 < bce["mean weight share"][0]
    assert bce["gridpg 2 gradcam"][0] > ce["gridpg 2 gradcam"][0] + 0.05
    even = [row["gridpg 2 gradcam, centred"][0] for row in (ce, bce)]
    assert even[1] < even[0] + 0.03  # of these softmax is the same
    for row in (ce, bce):
        assert 0.3 < row["gridpg 2 gradcam"][0] < 1


@needs("tiny-coco")
def test_every_box_of_50_pictures_is_read() -> None:
    found = coco.find(COCO / "train2017", INSTANCES)
    read = coco_boxes.read(found, len(found.files), 64)
    assert len(read) == 50
    assert int((read.box_labels >= 0).sum()) == 470  # 5 crowds among them
    whole = json.loads(INSTANCES.read_text("utf-8"))
    names = {one["id"]: one["name"] for one in whole["categories"]}
    shown = defaultdict(set)
    for one in whole["annotations"]:
        shown[one["image_id"]].add(names[one["category_id"]])
    for number, present in zip(
        sorted(one["id"] for one in whole["images"]), read.present, strict=True
    ):
        ours = {read.class_names[k] for k in present.nonzero().flatten().tolist()}
        assert ours == shown[number]
