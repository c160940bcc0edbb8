"""The baseline: loss, schedule and augmentation by hand."""

import math
from types import SimpleNamespace

import pytest
import torch

from helpers.data.catalog import load, normalise
from helpers.methods.baseline import Baseline, augment
from helpers.settings import CrossEntropy, DataSettings


@pytest.fixture(scope="module")
def module() -> Baseline:
    pictures = load(DataSettings(train=16, size=32), "train")
    return Baseline(CrossEntropy(lr=0.03), pictures, seed=1)


def test_the_loss_is_the_equation(module: Baseline) -> None:
    images = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)
    labels = torch.tensor([3, 0, 23, 7])
    module.trainer = SimpleNamespace(global_step=0)
    step = module.training_step((images, labels))
    logits = module.model(normalise(images, module.mean, module.std))
    slow = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        total = sum(math.exp(value) for value in row)
        slow -= math.log(math.exp(row[label]) / total) / len(labels)
    assert abs(step["loss"].item() - slow) < 1e-5


def test_the_learning_rate_is_the_papers(module: Baseline) -> None:
    module.trainer = SimpleNamespace(estimated_stepping_batches=100)
    found = module.configure_optimizers()
    optimizer, schedule = found["optimizer"], found["lr_scheduler"]["scheduler"]
    assert found["lr_scheduler"]["interval"] == "step"
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    expected = [0.03 * math.cos(7 * math.pi * k / 1600) for k in range(100)]
    assert rates == pytest.approx(expected, abs=1e-12)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.195 * 0.03, rel=2e-3)


def test_pictures_move_by_up_to_the_shift_and_mirror_half_of_the_time() -> None:
    images = torch.arange(64 * 36.0).reshape(64, 1, 6, 6)
    moved = augment(images, True, 2, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2), mode="reflect")
    mirrored = 0
    for i, picture in enumerate(moved):
        crops = {
            (flip, top, left): (padded[i].flip(2) if flip else padded[i])[
                :, top : top + 6, left : left + 6
            ]
            for flip in (False, True)
            for top in range(5)
            for left in range(5)
        }
        found = [key for key, crop in crops.items() if torch.equal(crop, picture)]
        assert len(found) == 1
        mirrored += found[0][0]
    assert 20 <= mirrored <= 44


def test_without_augmentation_pictures_stay() -> None:
    images = torch.rand(3, 3, 8, 8)
    same = augment(images, False, 0, torch.Generator())
    assert torch.equal(same, images)
