"""Networks: shapes by hand, blocks against torchvision's."""

import pytest
import torch
from torchvision.models.resnet import BasicBlock as Witness

from helpers import settings
from helpers.explain.cam import CoarseMapWarning
from helpers.lab.recipes import recipe
from helpers.settings import Refused
from helpers.streams import stream
from helpers.vision import (
    BACKBONES,
    CifarResNet,
    SceneResNet,
    backbone,
    cell,
    initialise,
)
from helpers.vision.resnet import BasicBlock


def test_a_scene_gives_maps_of_128_channels_and_8_x_8_cells() -> None:
    assert SceneResNet(24).features(torch.zeros(2, 3, 64, 64)).shape == (2, 128, 8, 8)


def test_a_cifar_picture_gives_maps_of_64_channels_and_8_x_8_cells() -> None:
    assert CifarResNet(10).features(torch.zeros(2, 3, 32, 32)).shape == (2, 64, 8, 8)


@pytest.mark.parametrize("name", [*BACKBONES, "wrn28-1"])
def test_logits_are_a_linear_head_on_pooled_maps(name: str) -> None:
    model = backbone(name, 5).eval()
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    pooled = model.features(images).mean((2, 3))
    torch.testing.assert_close(model(images), model.head(pooled))


@pytest.mark.parametrize(("inside", "outside", "stride"), [(8, 8, 1), (8, 16, 2)])
def test_a_block_is_torchvisions(inside: int, outside: int, stride: int) -> None:
    block = BasicBlock(inside, outside, stride)
    shortcut = block.shortcut
    witness = Witness(inside, outside, stride, shortcut)
    own = {
        name.replace("shortcut", "downsample"): value
        for name, value in block.state_dict().items()
    }
    witness.load_state_dict(own)
    x = torch.randn(2, inside, 12, 12)
    torch.testing.assert_close(block.eval()(x), witness.eval()(x))


def test_shortcut_a_takes_every_second_pixel_and_pads_channels_by_zero() -> None:
    block = BasicBlock(2, 4, 2, project=False).eval()
    torch.nn.init.zeros_(block.conv2.weight)
    x = torch.rand(1, 2, 4, 4)
    y = block(x)
    assert torch.equal(y[:, 1:3], x[:, :, ::2, ::2])
    assert y[:, [0, 3]].abs().max() == 0


@pytest.mark.parametrize(("depth", "weights"), [(20, 0.27e6), (56, 0.85e6)])
def test_sizes_are_the_published_ones(depth: int, weights: float) -> None:
    """He et al. 2016, table 6: 0.27 and 0.85 million parameters."""
    model = CifarResNet(10, depth)
    total = sum(weight.numel() for weight in model.parameters())
    assert abs(total - weights) < 0.006e6
    assert {"conv1.weight", "layer3.0.bn2.bias", "linear.bias"} <= set(
        model.state_dict()
    )


def test_a_depth_that_is_not_6_n_plus_2() -> None:
    with pytest.raises(ValueError, match=r"depth 21 is not 6 n \+ 2"):
        CifarResNet(10, 21)


def test_initialisation_has_a_stream_of_its_own() -> None:
    first, second = SceneResNet(4), SceneResNet(4)
    initialise(first, stream(1, "initialisation"))
    torch.rand(3)
    initialise(second, stream(1, "initialisation"))
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    filters = first.blocks[3].conv2.weight
    assert abs(filters.std() / (2 / 128) ** 0.5 - 1) < 0.02  # 1 x 1, 128 out


@pytest.mark.parametrize("name", [*BACKBONES, "wrn28-1"])
def test_initialisation_covers_every_network_and_nothing_else_draws(name: str) -> None:
    first, second = backbone(name, 3), backbone(name, 3)
    for model, seed in ((first, 1), (second, 2)):
        for weight in model.parameters():
            torch.nn.init.constant_(weight, seed)  # what is not drawn anew stays apart
        torch.manual_seed(seed)
        initialise(model, stream(1, "initialisation"))
    same = second.state_dict()
    assert all(
        torch.equal(value, same[key]) for key, value in first.state_dict().items()
    )


@pytest.mark.parametrize("name", [*BACKBONES, "wrn28-1"])
def test_dropout_stands_inside_blocks_and_acts_in_training_alone(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 64, 64, generator=generator)
    plain, dropping = backbone(name, 3), backbone(name, 3, dropout=0.5)
    dropping.load_state_dict(plain.state_dict())  # the same names
    assert torch.equal(plain.eval()(images), dropping.eval()(images))
    torch.manual_seed(0)
    first = dropping.train()(images)
    assert not torch.allclose(first, dropping(images))


def test_a_cell_is_the_total_stride_and_names_are_those_of_the_settings() -> None:
    for name in [*BACKBONES, "wrn28-2"]:
        with torch.device("meta"):
            maps = backbone(name, 2).features(torch.zeros(1, 3, 224, 224))
        assert maps.shape[2:] == (224 // cell(name),) * 2
    assert (*BACKBONES, "wrn28-K") == settings.BACKBONES


@pytest.mark.parametrize("name", ["vgg", "wrn28-0", "wrn28-K", "wrn28-100", "wrn40-2"])
def test_an_unknown_backbone_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(Refused, match=f"'{name}': input should be 'scene-resnet'"):
        backbone(name, 2)
    with pytest.raises(Refused, match=rf"'{name}': input .* 'wrn28-K'"):
        settings.CrossEntropy.of(backbone=name)


@pytest.mark.parametrize(
    ("name", "size", "cells", "least"),
    [("resnet18", 32, 1, 128), ("scene-resnet", 24, 3, 32), ("wrn28-10", 16, 4, 0)],
)
def test_maps_under_4_x_4_cells_are_refused_and_small_ones_warned_of(
    name: str, size: int, cells: int, least: int
) -> None:
    run = settings.RunSettings(
        data=settings.DataSettings(size=size),
        method=settings.CrossEntropy(backbone=name),
    )
    said = f"{name} has maps of {cells} x {cells} cells"
    if least:
        with pytest.raises(Refused, match=f"{said} there.* size >= {least}"):
            recipe(run).check(run)
    else:
        with pytest.warns(CoarseMapWarning, match=said):
            recipe(run).check(run)
