"""Averaged weights and best epochs, against torch's own average and by hand."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from helpers.data.catalog import Pictures, load
from helpers.lab.fit import CHECKPOINT, fit, quiet_lightning
from helpers.methods.keeping import Keeper
from helpers.settings import CrossEntropy, DataSettings

DATA = DataSettings(train=24, test=200, size=32)


class Small(nn.Module):
    """A network with statistics of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.BatchNorm1d(12), nn.Linear(12, 4)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def network() -> Small:
    torch.manual_seed(0)
    return Small()


def pictures(labels: list[int]) -> Pictures:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (len(labels), 3, 8, 8), generator=generator)
    return Pictures(
        images.to(torch.uint8),
        torch.tensor(labels),
        ("a", "b", "c", "d"),
        (0.5,) * 3,
        (0.25,) * 3,
    )


def disturb(model: nn.Module, seed: int) -> None:
    """As a training step would: other weights, other statistics."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight += torch.randn(weight.shape, generator=generator)
    model.train()(torch.randn(6, 3, 8, 8, generator=generator))


@pytest.mark.parametrize("decay", [0.999, 0.5])
def test_the_average_is_torchs(decay: float) -> None:
    model = network()
    keeper = Keeper(CrossEntropy(ema=decay), model, None)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
    theirs.update_parameters(model)  # torch takes the weights at its first call
    for step in range(6):
        disturb(model, step)
        keeper.after_step(model)
        theirs.update_parameters(model)
    kept = keeper.network(model)
    assert kept is not model
    for mine, its in zip(kept.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-6, atol=1e-7)
    assert not torch.allclose(next(kept.parameters()), next(model.parameters()))


def test_statistics_are_copied_once_an_epoch() -> None:
    model = network()
    keeper = Keeper(CrossEntropy(ema=0.9), model, None)
    disturb(model, 1)
    keeper.after_step(model)
    statistics = keeper.network(model).net[2]
    assert (statistics.running_mean == 0).all()
    keeper.after_epoch(model)
    assert torch.equal(statistics.running_mean, model.net[2].running_mean)
    assert statistics.num_batches_tracked == 1
    disturb(model, 2)
    assert not torch.equal(statistics.running_mean, model.net[2].running_mean)


def says(model: Small, label: int) -> None:
    """Let the network say this label of every picture."""
    with torch.no_grad():
        model.net[3].weight.zero_()
        model.net[3].bias.copy_(torch.eye(4)[label])


@pytest.mark.parametrize("keep", ["best validation", "best test"])
def test_the_first_best_epoch_is_kept(keep: str) -> None:
    judged_on = pictures([2] * 300 + [1] * 150 + [0] * 100 + [3] * 150)
    model = network()
    keeper = Keeper(CrossEntropy.of(keep=keep), model, judged_on)
    model.train()
    kept = []
    for label in (0, 1, 3, 2, 0):  # 100, 150, 150 again, 300, 100 right
        says(model, label)
        keeper.after_epoch(model)
        kept.append(int(keeper.network(model).net[3].bias.argmax()))
    assert kept == [0, 1, 1, 2, 2]
    assert keeper.best_accuracy.item() == pytest.approx(300 / 700)
    assert model.training
    assert model.net[2].num_batches_tracked == 0  # judged in evaluation mode


def test_the_best_average_is_kept_where_weights_are_averaged() -> None:
    model = network()
    method = CrossEntropy(ema=0.5, keep="best validation")
    keeper = Keeper(method, model, pictures([1, 1, 1, 0]))
    says(model, 1)
    with torch.no_grad():
        model.net[3].bias *= 100
    for _ in range(9):
        keeper.after_step(model)
    says(model, 0)  # the network itself says 0, its average still 1
    keeper.after_step(model)
    keeper.after_epoch(model)
    assert keeper.best_accuracy.item() == 0.75
    assert torch.equal(keeper.network(model).net[3].bias, keeper.average.net[3].bias)


def test_the_last_weights_are_the_network_itself() -> None:
    model = network()
    keeper = Keeper(CrossEntropy(), model, None)
    keeper.after_step(model)
    keeper.after_epoch(model)
    assert keeper.network(model) is model
    assert list(keeper.parameters()) == []


class Killed(BaseException):
    """As a signal would end it."""


def trained(folder: Path, killed_after: int | None = None) -> dict[str, torch.Tensor]:
    """Return all weights, the kept ones among them, of four epochs."""
    quiet_lightning()
    from helpers.methods.baseline import Baseline

    method = CrossEntropy(
        ema=0.8, keep="best validation", epochs=4, batch=8, flip=True, lr=0.1
    )
    train = load(DATA, "train")
    module = Baseline(method, train, 1, load(DATA, "validation"))

    def report(line: str) -> None:
        if killed_after and line.startswith(f"epoch {killed_after} "):
            raise Killed

    fit(
        module,
        (train.images, train.labels),
        epochs=4,
        batch=8,
        seed=1,
        folder=folder,
        report=report,
    )
    return module.state_dict() | {
        f"kept.{name}": value for name, value in module.kept().state_dict().items()
    }


def test_an_interrupted_training_keeps_the_same_bits(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole")
    for other in ("model", "keeper.average"):  # the best epoch is not the last
        last = whole[f"{other}.head.weight"]
        assert not torch.equal(whole["kept.head.weight"], last)
    for epoch in (2, 4):
        folder = tmp_path / str(epoch)
        with pytest.raises(Killed):
            trained(folder, killed_after=epoch)
        assert (folder / CHECKPOINT).is_file()
        resumed = trained(folder)
        assert resumed.keys() == whole.keys()
        for name, value in whole.items():
            assert torch.equal(resumed[name], value), name
