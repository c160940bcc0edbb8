"""The baseline: loss, schedule and augmentation by hand."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.transforms.v2 import functional as vision

from helpers.data.catalog import load, normalise
from helpers.data.geometry import random_crops
from helpers.lab.fit import fit
from helpers.methods.baseline import Baseline, augment
from helpers.methods.lico import LicoClassifier
from helpers.methods.presets import RECIPES, preset
from helpers.settings import CrossEntropy, DataSettings
from helpers.streams import stream


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


def test_momentum_and_decay_are_the_settings() -> None:
    pictures = load(DataSettings(train=16, size=32), "train")
    method = CrossEntropy(lr=0.02, momentum=0.5, weight_decay=0.07)
    module = Baseline(method, pictures, seed=1)
    module.trainer = SimpleNamespace(estimated_stepping_batches=100)
    (group,) = module.configure_optimizers()["optimizer"].param_groups
    found = group["initial_lr"], group["momentum"], group["weight_decay"]
    assert found == (0.02, 0.5, 0.07)


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


def made(**method: Any) -> Baseline:
    pictures = load(DataSettings(train=16, size=32), "train")
    module = Baseline(CrossEntropy.of(**method), pictures, seed=1)
    module.trainer = SimpleNamespace(
        global_step=5, estimated_stepping_batches=12, world_size=1
    )
    return module


def test_the_cosine_by_epochs_is_torchs(tmp_path: Path) -> None:
    """The rates of a real training, two steps an epoch, against the recursion."""
    seen = []

    class Watched(Baseline):
        def training_step(self, batch: Any) -> Any:
            seen.append(self.trainer.optimizers[0].param_groups[0]["lr"])
            return super().training_step(batch)

    pictures = load(DataSettings(train=16, size=32), "train")
    method = CrossEntropy(lr=0.1, schedule="epochs", epochs=6, batch=8)
    module = Watched(method, pictures, seed=1)
    rows = (pictures.images, pictures.labels)
    fit(module, rows, epochs=6, batch=8, seed=1, folder=tmp_path)
    weight = nn.Parameter(torch.zeros(1))
    theirs = torch.optim.SGD([weight], 0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, T_max=6)
    expected = []
    for _ in range(6):
        expected += [theirs.param_groups[0]["lr"]] * 2
        theirs.step()
        schedule.step()
    assert seen == pytest.approx(expected, rel=1e-12)
    assert seen[-1] == pytest.approx(0.1 * (1 + math.cos(math.pi * 5 / 6)) / 2)


def test_zeros_move_in_where_the_border_is_not_reflected() -> None:
    images = 1 + torch.arange(32 * 36.0).reshape(32, 1, 6, 6)  # no 0
    generator = torch.Generator().manual_seed(0)
    moved = augment(images, False, 2, generator, "zeros")
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    for picture, frame in zip(moved, padded, strict=True):
        crops = [
            frame[:, top : top + 6, left : left + 6]
            for top in range(5)
            for left in range(5)
        ]
        assert sum(torch.equal(crop, picture) for crop in crops) == 1
    assert (moved == 0).any()
    again = torch.Generator().manual_seed(0)
    reflected = augment(images, False, 2, again)
    inside = moved != 0
    assert torch.equal(moved[inside], reflected[inside])
    assert (reflected != 0).all()


def test_resized_crops_are_torchvisions() -> None:
    module = made(least_area=0.08, flip=True)
    images = load(DataSettings(train=16, size=32), "train").images
    found = module.prepared(images)
    generator = stream(1, "augmentation", 5)
    drawn = random_crops(16, (32, 32), generator, scale=(0.08, 1.0), flip=False)
    mirrored = torch.rand(16, generator=generator) < 0.5
    assert 3 < mirrored.sum() < 13
    plain = normalise(images, module.mean, module.std)
    areas = []
    for picture, one, window, flip in zip(
        plain, found, drawn.windows.tolist(), mirrored, strict=True
    ):
        top, left, height, width = map(int, window)
        areas.append(height * width / 32**2)
        wanted = vision.resized_crop(
            picture, top, left, height, width, [32, 32], antialias=False
        )
        wanted = wanted.flip(2) if flip else wanted
        torch.testing.assert_close(one, wanted, rtol=1e-4, atol=1e-4)
    assert min(areas) < 0.5 < max(areas)
    whole = made().prepared(images)
    assert torch.equal(whole, plain)  # least_area = 1: the picture itself


def test_dropout_stands_inside_the_blocks_and_only_while_training() -> None:
    plain, dropped = made(), made(backbone_dropout=0.5)
    rates = [m.p for m in dropped.modules() if isinstance(m, nn.Dropout)]
    assert rates == [0.5] * 4  # one a block
    assert {m.p for m in plain.modules() if isinstance(m, nn.Dropout)} == {0.0}
    one, two = plain.model.state_dict(), dropped.model.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(plain.model.eval()(images), dropped.model.eval()(images))
        torch.manual_seed(0)
        a, b = (dropped.model.train()(images) for _ in "ab")
        assert (a - b).abs().max() > 0.01
        c, d = (plain.model.train()(images) for _ in "cd")
        assert torch.equal(c, d)


@pytest.mark.parametrize(
    "name", ["paper", "authors_jan", "lico_fact", "rebuttal", "repro_shared"]
)
def test_without_its_losses_lico_is_the_baseline_by_any_recipe(
    name: str, tmp_path: Path
) -> None:
    """Bit by bit, through the trainer: order, augmentation, dropout, schedule."""
    recipe = {**RECIPES.get(name, {}), "epochs": 2, "batch": 8}
    numerics = ("precision", "scaler", "clip_norm")
    given = {key: recipe[key] for key in numerics if key in recipe}
    pictures = load(DataSettings(train=16, size=32), "train")
    judged_on = load(DataSettings(test=8, size=32), "test")
    kept = []
    for kind in ("lico", "ce"):
        if kind == "lico":
            method = preset(name, alpha=0.0, beta=0.0, **recipe)
            module: Baseline = LicoClassifier(method, pictures, None, 3, judged_on)
        else:
            module = Baseline(CrossEntropy.of(**recipe), pictures, 3, judged_on)
        rows, folder = (pictures.images, pictures.labels), tmp_path / kind
        fit(module, rows, epochs=2, batch=8, seed=3, folder=folder, **given)
        kept.append(module.kept().state_dict())
    one, two = kept
    assert all(torch.equal(one[key], two[key]) for key in two)
