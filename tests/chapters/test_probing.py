"""A study of heads in small: its record, its controls, its fast path."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from helpers.chapters.probing import (
    LIME_SCORES,
    Arm,
    by_backbone,
    crossed,
    difference,
    fit_to_show,
    method_scores,
    published_lime_score,
    study,
    trained,
)
from helpers.chapters.probing_cells import (
    cell_gridpg,
    grid_cells,
    head_maps,
)
from helpers.chapters.probing_real import frozen
from helpers.data.catalog import Pictures
from helpers.explain.lime import Lime, lime
from helpers.measure.shared_grids import SharedGrids, Smoothing
from helpers.methods.heads import Head, Probed, head_shape
from helpers.methods.probing import Cached
from helpers.settings import Refused
from helpers.streams import stream
from helpers.vision import CifarResNet, initialise

MEAN, STD = (0.5,) * 3, (0.25,) * 3


class AsGiven(nn.Module):
    """A network whose features are what it is given: for features computed before."""

    def features(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the maps, `[B, C, h, w]`."""
        return maps


def pictures(count: int, seed: int) -> Pictures:
    """Return pictures of four classes: a bright block of one colour or of all."""
    labels = torch.arange(count) % 4
    noise = torch.randint(60, (count, 3, 16, 16), generator=stream(seed, "x"))
    for n, label in enumerate(labels.tolist()):
        channel = slice(None) if label == 3 else slice(label, label + 1)
        noise[n, channel, 4:12, 4:12] += 180
    names = ("red", "green", "blue", "white")
    return Pictures(noise.to(torch.uint8), labels, names, MEAN, STD)


@pytest.fixture(scope="module")
def network() -> CifarResNet:
    made = CifarResNet(4, depth=8)
    initialise(made, stream(1, "network"))
    return made.eval()


@pytest.fixture(scope="module")
def record(network: CifarResNet) -> dict:
    arms = crossed(["linear", "B-cos-2"], ["ce", "bce"], ["document"])
    train, test = pictures(64, 1), pictures(48, 2)
    return study(network, train, test, arms, (1, 2), sides=(2,), epochs=200)


def test_a_record_has_every_arm_and_its_controls(record: dict) -> None:
    assert json.loads(json.dumps(record)) == record
    assert len(record["arms"]) == 4
    linear = record["arms"]["linear / ce / document"]
    assert set(linear) == {
        "accuracy",
        "training loss",
        "mean weight share",
        *(f"{what} 2 gradcam" for what in ("gridpg", "gini", "entropy")),
        *(f"{what} 2 gradcam, centred" for what in ("gridpg", "gini", "entropy")),
    }
    assert all(len(values) == 2 for values in linear.values())
    bcos = record["arms"]["B-cos-2 / ce / document"]
    assert "mean weight share" not in bcos
    assert not any("centred" in name for name in bcos)
    grids = record["grids"]["2"]
    assert grids["number"] == 200
    assert grids["floor"] == 0.25
    assert grids["ceiling"] == 1
    assert grids["usable"] <= 48


def test_probes_of_an_untrained_network_learn_the_colours(record: dict) -> None:
    for name, row in record["arms"].items():
        assert min(row["accuracy"]) > 0.5, name
        assert 0 <= min(row["gridpg 2 gradcam"]) <= 1


@pytest.mark.parametrize("name", ["linear", "MLP-2"])
def test_the_fast_path_is_the_method_on_the_whole_network(
    network: CifarResNet, name: str
) -> None:
    shown = pictures(24, 3)
    head = Head(head_shape(name), 64, 4)
    head.reset(stream(1, "head"))
    head.eval()
    rows = torch.stack([torch.randperm(4, generator=stream(n, "g")) for n in range(5)])
    grids = SharedGrids(rows, 2, 24, 24, 4)
    cells = grid_cells(network, shown.normalised(), grids)
    maps = head_maps(head, cells, shown.labels, grids)
    fast = cell_gridpg(maps, 2, 16, Smoothing(3))
    whole = method_scores("gradcam", network, head, shown, grids, Smoothing(3))
    assert torch.allclose(fast, whole, rtol=0, atol=1e-5)
    short = cell_gridpg(maps, 2, 16)  # without a wide map
    assert torch.allclose(short, cell_gridpg(maps, 2, 16, Smoothing()), atol=1e-5)
    assert cell_gridpg(torch.zeros(3, 4, 8, 8), 2, 16).tolist() == [0, 0, 0]
    assert Probed(AsGiven(), head)(cells).shape == (5, 4)


def test_the_prior_starts_every_loss_alike_and_is_no_confound() -> None:
    maps = torch.rand(32, 8, 2, 2, generator=stream(1, "m"))
    data = Cached(maps, torch.arange(32) % 4)
    arms = [Arm("linear, no bias", "ce", "document")]
    both = [trained(arms, [1], data, data, 4, 3, prior)[0] for prior in (True, False)]
    for one, other in zip(*(p.head.last.weight for p in both), strict=True):
        assert torch.allclose(one, other, atol=1e-6)  # softmax does not see it
    assert both[0].head.last.bias.unique().numel() == 1


def test_names_that_nobody_knows_are_refused_before_training() -> None:
    data = Cached(torch.rand(8, 4, 2, 2), torch.arange(8) % 4)
    for arm in (
        Arm("linear", "ce", "recipe"),
        Arm("lin", "ce", "document"),
        Arm("linear", "cee", "document"),
    ):
        good = Arm("linear", "ce", "document")
        with pytest.raises(Refused, match="unknown"):
            trained([good, arm], [1], data, data, 4)


def test_a_network_at_floor_or_ceiling_shows_nothing() -> None:
    assert fit_to_show([0.4, 0.6], 0.25, 1.0)
    assert not fit_to_show([0.25, 0.28], 0.25, 1.0)
    assert not fit_to_show([0.99, 1.0], 0.25, 1.0)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    file = str(tmp_path / "w.safetensors")
    save_file(dict(CifarResNet(4, depth=20).state_dict()), file)
    assert isinstance(frozen("resnet20", file, 4), CifarResNet)
    with pytest.raises(Refused, match="do not fit"):
        frozen("resnet20", file, 10)
    with pytest.raises(Refused, match="do not fit"):
        frozen("resnet56", file, 4)


def test_lime_on_probabilities_differs_by_loss_and_on_logits_does_not() -> None:
    """Defect H7's neighbour: of each head one class is fitted, not a thousand."""
    head = Head(head_shape("linear"), 3, 4)
    head.reset(stream(1, "head"))
    with torch.no_grad():
        head.last.weight *= 300
    model = Probed(AsGiven(), head).eval()
    images = torch.rand(1, 3, 8, 8, generator=stream(2, "x"))
    maps, asked = {}, []

    def counted(logits: torch.Tensor, name: str) -> torch.Tensor:
        asked.append(len(logits))
        return LIME_SCORES[name](logits)

    for name in LIME_SCORES:
        options = Lime(samples=20, score=partial(counted, name=name))
        maps[name] = lime(model, images, torch.tensor([1]), options=options)
    assert sum(asked) == 3 * 20
    assert not torch.allclose(maps["logits"], maps["softmax"])
    assert not torch.allclose(maps["sigmoid"], maps["softmax"])
    assert published_lime_score("ce") == "softmax"
    assert published_lime_score("bce-uniform") == "sigmoid"


def test_differences_and_tables_pair_the_seeds() -> None:
    arms = crossed(["linear"], ["ce", "bce"], ["document"])

    def made(*scores: list[float]) -> dict:
        return {"arms": {a.name: {"s": x} for a, x in zip(arms, scores, strict=True)}}

    one, two = made([0.1, 0.3], [0.4, 0.7]), made([0.2, 0.2], [0.5, 0.6])
    mean, low, high = difference(one, "s", arms[1], arms[0])
    assert mean == pytest.approx(0.35)
    assert high - mean == pytest.approx(mean - low) == pytest.approx(0.05 * 12.7062)
    table = by_backbone({"a": one, "b": two}, "s")
    assert table.shape == (2, 2, 2)  # seeds, arms, backbones
    assert table[1].tolist() == [[0.3, 0.2], [0.7, 0.6]]
    with pytest.raises(Refused, match="no arm"):
        by_backbone({"a": one, "b": two}, "t")
    with pytest.raises(Refused, match="unlike"):
        by_backbone({"a": one, "b": made([0.1], [0.2])}, "s")
