"""A training over two processes is the training of one, on the whole batch."""

import multiprocessing
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from helpers.data.catalog import load
from helpers.lab.fit import CHECKPOINT, fit
from helpers.lab.nodes import check_spread, fit_spread, launched
from helpers.lab.recipes import recipe
from helpers.lab.runs import FILES, digest, train_or_load
from helpers.lab.sums import SUMS
from helpers.losses.manifold import log_affinity, manifold_loss, pairwise_distances
from helpers.methods.baseline import Baseline
from helpers.methods.presets import preset
from helpers.settings import (
    Cgc,
    CrossEntropy,
    DataSettings,
    Method,
    Refused,
    RunSettings,
    TinyClip,
)

EPOCHS, BATCH, PICTURES = 2, 12, 41  # the last batch has 5: 3 rows and 2
METHODS: dict[str, Method] = {
    "ce": CrossEntropy(epochs=EPOCHS, batch=BATCH, flip=True, shift=2, ema=0.9),
    "mm": preset(
        "paper", epochs=EPOCHS, batch=BATCH, language="random-tower", beta=0.0
    ),
    "lico": preset(
        "paper", epochs=EPOCHS, batch=BATCH, language="random-tower", dropout=0.5
    ),
    "cgc": Cgc(epochs=EPOCHS, batch=BATCH),
}


def settings_of(method: Method) -> RunSettings:
    data = DataSettings(train=PICTURES, test=16, explained=4, size=32)
    return RunSettings(data=data, method=method)


def made(name: str) -> tuple[Any, tuple[Tensor, ...]]:
    """A module in float64, where what is the same is the same to the last digits."""
    settings = settings_of(METHODS[name])
    module, tensors = recipe(settings).module_and_tensors(settings, [])
    module.double()
    text = getattr(module, "text", None)
    if text is not None:
        text._frozen[0].double()
    single = module.model.features
    module.model.features = lambda images: single(images.double())
    return module, tensors


def trained(name: str, folder: Path, **place: int) -> tuple[dict, pd.DataFrame]:
    """The weights and the history of a method, trained here or by all processes."""
    module, tensors = made(name)
    asked = {"epochs": EPOCHS, "batch": BATCH, "seed": 1, "folder": folder}
    how = fit_spread if place else fit
    history = how(module, tensors, **asked, **place)
    return {k: v.contiguous() for k, v in module.state_dict().items()}, history


def all_trained(folder: Path) -> None:
    """Train all methods as one of two processes, and keep what came out."""
    rank = os.environ["LOCAL_RANK"]
    for name in METHODS:
        os.environ["LOCAL_RANK"], os.environ["NODE_RANK"] = rank, "0"
        place = {"devices": 2}
        if name == "ce":  # as if each were alone on a machine
            os.environ["LOCAL_RANK"], os.environ["NODE_RANK"] = "0", rank
            place = {"devices": 1, "nodes": 2}
        weights, history = trained(name, folder / name, **place)
        save_file(weights, folder / f"{name}-{rank}.safetensors")
        history.to_csv(folder / f"{name}-{rank}.csv", index=False)


def furthest(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """The largest difference of two states."""
    assert ours.keys() == theirs.keys()
    pairs = [(ours[k].double(), theirs[k].double()) for k in ours]
    return max(float((one - other).abs().max()) for one, other in pairs)


def test_two_processes_do_what_one_does(tmp_path: Path) -> None:
    """Losses, their parts, accuracies and weights; one test, since starting is slow."""
    with launched(2, partial(all_trained, tmp_path)):
        all_trained(tmp_path)
    assert "MASTER_PORT" not in os.environ
    for name in METHODS:
        alone, history = trained(name, tmp_path / f"{name} alone")
        for rank in (0, 1):
            found = load_file(tmp_path / f"{name}-{rank}.safetensors")
            assert furthest(found, alone) < 1e-10
            table = pd.read_csv(tmp_path / f"{name}-{rank}.csv")
            assert len(table) == EPOCHS
            assert float((table - history).abs().max().max()) < 1e-10
        assert (tmp_path / name / CHECKPOINT).is_file()
    assert list(tmp_path.rglob("*.writing")) == []


def test_a_run_of_two_processes_is_kept_as_any_other(home: Path) -> None:
    """It is a run of its own: in single precision sums are rounded otherwise."""
    method = CrossEntropy(epochs=1, batch=BATCH)
    settings = settings_of(method)
    both = settings.model_copy(update={"devices": 2})
    assert digest(both) != digest(settings)
    lines: list[str] = []
    shared, alone = train_or_load(both, lines.append), train_or_load(settings)
    assert lines[0].startswith("epoch 1 of 1")
    assert sorted(f.name for f in shared.folder.iterdir()) == sorted([*FILES, SUMS])
    ours, theirs = shared.model().state_dict(), alone.model().state_dict()
    assert 0 < furthest(ours, theirs) < 1e-4
    assert train_or_load(both).folder == shared.folder


def test_manifold_matching_of_parts_is_another_loss() -> None:
    """Why maps are gathered: pictures are compared across the whole batch."""
    generator = torch.Generator().manual_seed(0)
    image, text = (torch.rand(2, 16, 8, generator=generator).double()).unbind()

    def loss(rows: slice) -> float:
        affinities = (
            log_affinity(pairwise_distances(side[rows]), torch.tensor(1.0).double())
            for side in (text, image)
        )
        return float(manifold_loss(*affinities).mean())

    whole = loss(slice(None))
    parts = (loss(slice(8)) + loss(slice(8, 16))) / 2
    assert abs(parts / whole - 1) > 0.01


def test_statistics_of_parts_are_other_statistics() -> None:
    """What the network would do without `WholeBatchNorm`, on halves of a batch."""
    settings = settings_of(METHODS["ce"])
    pictures = load(settings.data, "train")
    model = Baseline(CrossEntropy(), pictures, 1).model
    images = pictures.images[:BATCH].float() / 255
    whole = model(images)
    parts = torch.cat([model(half) for half in images.tensor_split(2)])
    apart = float((parts - whole).abs().mean() / whole.abs().mean())
    assert apart > 0.05


def module_of(method: CrossEntropy | TinyClip) -> nn.Module:
    settings = settings_of(method)
    if isinstance(method, TinyClip):
        settings = settings.model_copy(update={"data": DataSettings(train=PICTURES)})
    module, _ = recipe(settings).module_and_tensors(settings, [])
    return module


@pytest.mark.parametrize(
    ("method", "count", "processes", "said"),
    [
        (TinyClip(), 41, 2, "has no feature maps to split over 2 processes"),
        (CrossEntropy(backbone_dropout=0.1), 41, 2, "take backbone_dropout=0"),
        (CrossEntropy(), 37, 2, "the smallest batch has 1 pictures for 2 processes"),
        (CrossEntropy(), 48, 13, "the smallest batch has 12 pictures for 13"),
    ],
)
def test_what_processes_cannot_share_is_refused(
    method: CrossEntropy | TinyClip, count: int, processes: int, said: str
) -> None:
    with pytest.raises(Refused, match=said):
        check_spread(module_of(method), count, BATCH, processes)


def test_others_end_with_the_first() -> None:
    with pytest.raises(KeyboardInterrupt), launched(2, partial(time.sleep, 600)):
        raise KeyboardInterrupt
    assert multiprocessing.active_children() == []
