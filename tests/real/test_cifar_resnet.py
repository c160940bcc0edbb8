"""A published network on real photographs; both lie in the folder REAL_DATA."""

import os
from pathlib import Path

import pytest
import torch

from helpers.data import catalog
from helpers.explain.cam import grad_cam
from helpers.lab.score import correct
from helpers.lab.weights import load_weights
from helpers.measure.perturbation import insertion_deletion
from helpers.settings import DataSettings
from helpers.vision import backbone

FOLDER = Path(os.environ.get("REAL_DATA", "not-given"))
NEEDED = ("resnet20.th", "cifar10/train", "cifar10/test")


@pytest.mark.skipif(
    not all((FOLDER / name).exists() for name in NEEDED),
    reason=f"REAL_DATA names no folder with {', '.join(NEEDED)}",
)
def test_resnet20_names_4599_of_5000_pictures_and_its_maps_are_scored() -> None:
    """REAL_DATA holds `cifar10/{train,test}/<class>/*.png` and `resnet20.th`."""
    model = backbone("resnet20", 10).eval()
    model.load_state_dict(load_weights(FOLDER / "resnet20.th"))
    data = DataSettings(name=f"folder:{FOLDER / 'cifar10'}", size=32, test=5000)
    test = catalog.load(data, "test")
    assert int(correct(model, test).sum()) == 4599
    shown = test.first(64)
    images, labels = shown.normalised(), shown.labels
    maps = grad_cam(model, images, labels)
    assert maps.shape == (64, 32, 32)
    by_map = insertion_deletion(model, images, labels, maps)
    by_nothing = insertion_deletion(model, images, labels, torch.ones_like(maps))
    assert by_map.insertion_auc.mean() > by_nothing.insertion_auc.mean()
