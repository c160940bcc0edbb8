"""Every method by its name is the method itself, called one way."""

import pytest
import torch
from torch import Tensor, nn

from helpers.explain.attribution import input_x_gradient, integrated_gradients
from helpers.explain.cam import grad_cam
from helpers.explain.lime import Lime, lime
from helpers.explain.named import METHODS, How, WithInverse, method
from helpers.explain.relevance import box_of, lrp
from helpers.explain.rise import rise_from_seed
from helpers.settings import Refused

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
HOW = How(MEAN, STD, masks=20, samples=20, steps=4, seed=3, chunk=2)
targets = torch.tensor([0, 3, 1])
OF_TOKENS = {"rollout", "cgw1", "cgw2", "vit-cx"}
OTHER = {"bcos", *OF_TOKENS}  # of other networks than this one


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU()]
    layers += [nn.Conv2d(6, 5, 3, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(20, 4)).eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    plain = torch.rand(3, 3, 16, 20, generator=generator)
    mean, std = (torch.tensor(one)[:, None, None] for one in (MEAN, STD))
    return (plain - mean) / std


@pytest.mark.parametrize("name", sorted(set(METHODS) - OTHER))
def test_each_gives_maps_of_the_pictures_size_and_says_their_sign(
    name: str, model: nn.Module, images: Tensor
) -> None:
    row = method(name)
    assert row.name == name
    found = row.maps(model, images, targets, HOW)
    assert found.shape == (3, 16, 20)
    assert bool((found < 0).any()) == row.signed
    assert torch.equal(row.maps(model, images, targets, HOW), found)


def test_what_a_method_needs_besides_is_that_of_how(
    model: nn.Module, images: Tensor
) -> None:
    direct = {
        "gradcam": grad_cam(model, images, targets, chunk=2),
        "rise": rise_from_seed(model, images, targets, 20, seed=3, chunk=2),
        "ixg": input_x_gradient(model, images, targets, chunk=2),
        "ig": integrated_gradients(model, images, targets, steps=4, chunk=2),
        "lrp": lrp(model, images, targets, box_of(MEAN, STD), chunk=2),
        "lime": lime(model, images, targets, options=Lime(20, seed=3), chunk=2),
    }
    for name, wanted in direct.items():
        assert torch.equal(METHODS[name].maps(model, images, targets, HOW), wanted)
    early = How(layer="2")
    found = METHODS["gradcam"].maps(model, images, targets, early)
    assert torch.equal(found, grad_cam(model, images, targets, "2"))
    assert not torch.equal(found, direct["gradcam"])


@pytest.mark.parametrize("name", sorted(OF_TOKENS))
def test_methods_of_transformers(name: str, model: nn.Module, images: Tensor) -> None:
    import timm

    torch.manual_seed(0)
    size = {"img_size": 16, "patch_size": 4, "depth": 2, "num_classes": 4}
    vit = timm.create_model("vit_tiny_patch16_224", **size).eval()
    found = method(name).maps(vit, images[..., :16], targets, HOW)
    assert found.shape == (3, 16, 16)
    assert found.std() > 0
    assert bool((found < 0).any()) <= method(name).signed
    with pytest.raises(ValueError, match="attention"):
        method(name).maps(model, images, targets, HOW)


def test_an_unknown_name_and_a_network_of_another_kind() -> None:
    with pytest.raises(Refused, match="unknown method 'gradcm'; did you mean 'grad"):
        method("gradcm")
    with pytest.raises(ValueError, match="no explanation mode"):
        METHODS["bcos"].maps(nn.Flatten(), torch.rand(1, 3, 8, 8), torch.tensor([0]))


def test_a_bcos_network_takes_three_channels_through_its_wrapper() -> None:
    """Its map sums to the logit less that of nothing, and undoes the normalisation."""
    bcos = pytest.importorskip("bcos")
    torch.manual_seed(0)
    from bcos.modules import BcosConv2d

    layers = [BcosConv2d(6, 5, 3, 2, 1), BcosConv2d(5, 4, 3, 2, 1)]
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    whole, plain = WithInverse(net), torch.rand(3, 3, 16, 16)
    found = METHODS["bcos"].maps(whole, plain, targets)
    logits = whole(plain).gather(1, targets[:, None])[:, 0]
    assert torch.allclose(found.sum((1, 2)), logits, rtol=1e-3)
    mean, std = (torch.tensor(one)[:, None, None] for one in (MEAN, STD))
    moved = METHODS["bcos"].maps(net, (plain - mean) / std, targets, How(MEAN, STD))
    assert torch.allclose(moved, found, atol=1e-5)
    assert bcos is not None
