"""Torchvision's networks with feature maps: the same logits, names and shapes."""

import pytest
import torch
from torchvision import models

from helpers.explain.cam import coarse_grad_cam, is_pooled_linear
from helpers.vision import TorchvisionResNet, backbone


@pytest.mark.parametrize(
    ("name", "shape"), [("resnet18", (512, 7, 7)), ("resnet50", (2048, 7, 7))]
)
def test_logits_are_those_of_the_plain_network_with_the_same_weights(
    name: str, shape: tuple[int, int, int]
) -> None:
    plain = models.get_model(name, weights=None).eval()  # 1,000 classes, as ImageNet
    model = backbone(name, 1000).eval()
    model.load_state_dict(plain.state_dict(), strict=True)
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model(images), plain(images))
        assert model.features(images).shape == (1, *shape)


def test_grad_cam_in_closed_form_is_that_of_a_backward_pass() -> None:
    model = backbone("resnet18", 4).eval()
    assert is_pooled_linear(model)
    images = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([1, 3])
    closed = coarse_grad_cam(model, images, targets)
    backward = coarse_grad_cam(model, images, targets, layer="layer4")
    torch.testing.assert_close(closed, backward)


@pytest.mark.parametrize(("depth", "last"), [(18, "conv2"), (50, "conv3")])
def test_dropout_stands_before_the_last_convolution_of_each_block(
    depth: int, last: str
) -> None:
    model = TorchvisionResNet(2, depth, dropout=0.999999).train()
    seen = {}
    for name, module in model.named_modules():
        if name.endswith(("conv1", "conv2", "conv3")):
            module.register_forward_pre_hook(
                lambda _, given, name=name: seen.update({name: given[0]})
            )
    model(torch.randn(2, 3, 64, 64))
    dropped = {name for name, given in seen.items() if (given == 0).all()}
    assert dropped == {name for name in seen if name.endswith(last)}


def test_another_depth() -> None:
    with pytest.raises(ValueError, match="depth 34 is not there: 18 and 50 are"):
        TorchvisionResNet(2, 34)
