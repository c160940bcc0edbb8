"""Networks of torchvision and timm, cut at a layer."""

import pytest
import timm
import torch
from torchvision.models import resnet18, squeezenet1_0
from torchvision.models.vision_transformer import VisionTransformer

from helpers.explain.hooks import outputs
from helpers.explain.relevance import box_of, lrp
from helpers.language.tiny_clip import build_tiny_clip
from helpers.methods.heads import CELLS, Head, Probed, head_shape
from helpers.settings import Refused
from helpers.streams import stream
from helpers.vision.features_at import FeaturesAt, TokensAt, folded


def vit() -> VisionTransformer:
    return VisionTransformer(32, 8, 1, 2, 16, 32)


@pytest.fixture(autouse=True)
def _same_weights() -> None:
    torch.manual_seed(1)


@pytest.mark.parametrize(
    ("make", "layer", "shape"),
    [
        (lambda: resnet18(num_classes=3), "layer4", (512, 2, 2)),
        (lambda: squeezenet1_0(num_classes=3), "features", (512, 3, 3)),
        (lambda: timm.create_model("test_resnet", num_classes=3), "layer3", None),
        (lambda: build_tiny_clip(1).visual, "layer2", (128, 8, 8)),
        (vit, "encoder.ln", (16, 4, 4)),
    ],
)
def test_features_are_the_output_of_the_layer(make, layer: str, shape) -> None:
    network = make().eval()
    kind, side = (TokensAt, 32) if make is vit else (FeaturesAt, 64)
    images = torch.randn(2, 3, side, side)
    cut = kind(network, layer).eval()
    found = cut.features(images)
    with outputs(network.get_submodule(layer)) as kept:
        network(images)
    wanted = kept[0] if kept[0].ndim == 4 else folded(kept[0])
    assert torch.equal(found, wanted)
    if shape:
        assert found.shape == (2, *shape)


def test_patches_stand_row_by_row_behind_the_class_token() -> None:
    tokens = torch.arange(10.0)[None, :, None].expand(1, 10, 3)
    assert folded(tokens)[0, 0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_a_cut_network_is_probed_and_explained_by_lrp() -> None:
    network = resnet18(num_classes=3).eval()
    head = Head(head_shape("MLP-2"), 512, 4)
    head.reset(stream(1, "head"))
    model = Probed(FeaturesAt(network, "layer4"), head).eval()
    images = torch.randn(1, 3, 64, 64).clamp(-2, 2)
    maps = lrp(model, images, torch.tensor([2]), box_of((0.5,) * 3, (0.2,) * 3))
    assert maps.shape == (1, 64, 64)
    assert maps.abs().sum() > 0
    assert CELLS in dict(model.named_modules())


def test_what_cannot_be_cut_is_refused_in_one_line() -> None:
    network = resnet18(num_classes=3).eval()
    images = torch.randn(1, 3, 64, 64)
    for call, what in (
        (lambda: FeaturesAt(network, "layer5"), "no layer 'layer5'.*layer4.1"),
        (lambda: TokensAt(network, "layer4").features(images), r"\[B, n, C\]"),
        (lambda: folded(torch.zeros(1, 15, 3)), "15 tokens"),
    ):
        with pytest.raises(Refused, match=what) as raised:
            call()
        assert "\n" not in str(raised.value)
