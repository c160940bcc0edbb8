"""The book's Vision Transformer: torchvision's, its tokens, its initialisation."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models.vision_transformer import VisionTransformer

from helpers.explain.cam import grad_cam, is_pooled_linear
from helpers.streams import stream
from helpers.vision.vit import SceneViT

images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_logits_are_those_of_torchvision_with_the_same_weights() -> None:
    plain = VisionTransformer(64, 8, 4, 3, 96, 192, num_classes=5).eval()
    nn.init.normal_(plain.heads.head.weight)
    model = SceneViT(5).eval()
    model.load_state_dict(plain.state_dict(), strict=True)
    assert torch.equal(model(images), plain(images))


def test_tokens_and_maps_are_what_the_head_reads_and_leaves() -> None:
    model = SceneViT(5).eval()
    model.initialise(stream(0, "test"))
    tokens = model.tokens(images)
    assert tokens.shape == (2, 65, 96)
    torch.testing.assert_close(model.heads(tokens[:, 0]), model(images))
    maps = model.features(images)
    assert maps.shape == (2, 96, 8, 8)
    assert torch.equal(maps[1, :, 2, 5], tokens[1, 1 + 2 * 8 + 5])


def test_one_generator_decides_all_weights() -> None:
    first, second = SceneViT(5), SceneViT(5)
    with torch.no_grad():
        for weight in second.parameters():
            weight.fill_(7.0)
    before = torch.get_rng_state()
    first.initialise(stream(3, "test"))
    second.initialise(stream(3, "test"))
    assert torch.equal(torch.get_rng_state(), before)
    found = copy.deepcopy(second.state_dict())
    assert all(torch.equal(a, found[name]) for name, a in first.state_dict().items())
    second.initialise(stream(4, "test"))
    assert not torch.equal(second.heads.head.weight, first.heads.head.weight)
    logits = first.eval()(images)
    assert 0.1 < logits.std() < 10


def test_grad_cam_has_nothing_to_weigh() -> None:
    model = SceneViT(5)
    assert not is_pooled_linear(model)
    with pytest.raises(ValueError, match="no last feature map"):
        grad_cam(model, images, torch.tensor([0, 1]))


def test_a_side_that_is_no_multiple() -> None:
    with pytest.raises(ValueError, match="multiple of 8, got 60"):
        SceneViT(5, size=60)
