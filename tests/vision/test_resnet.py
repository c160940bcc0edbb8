"""Networks: shapes by hand, blocks against torchvision's."""

import pytest
import torch
from torchvision.models.resnet import BasicBlock as Witness

from helpers.streams import stream
from helpers.vision import BACKBONES, CifarResNet, SceneResNet, backbone, initialise
from helpers.vision.resnet import BasicBlock


def test_a_scene_gives_maps_of_128_channels_and_8_x_8_cells() -> None:
    assert SceneResNet(24).features(torch.zeros(2, 3, 64, 64)).shape == (2, 128, 8, 8)


def test_a_cifar_picture_gives_maps_of_64_channels_and_8_x_8_cells() -> None:
    assert CifarResNet(10).features(torch.zeros(2, 3, 32, 32)).shape == (2, 64, 8, 8)


@pytest.mark.parametrize("name", BACKBONES)
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
