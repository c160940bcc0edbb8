import pytest
import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer, resnet18

from helpers.explain.hooks import (
    evaluating,
    feature_map_layer,
    named_layer,
    outputs,
)


def chain(inplace: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )


def hooks_in(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def test_outputs_come_in_the_order_in_which_layers_run() -> None:
    model, images = chain(), torch.rand(2, 3, 5, 6)
    with outputs(model[4], model[0]) as kept:
        model(images)
    assert [list(output.shape) for output in kept] == [[2, 4, 5, 6], [2, 4]]
    assert torch.equal(kept[0], model[0](images))


def test_an_in_place_successor_does_not_touch_what_is_kept() -> None:
    images = torch.randn(2, 3, 5, 6)
    kept_of = []
    for inplace in (False, True):
        model = chain(inplace)
        with outputs(model[1]) as kept:
            model(images)
        kept_of.append(kept[0].detach())
    assert kept_of[1].min() < 0
    assert torch.equal(*kept_of)


def test_watching_does_not_change_what_the_network_says() -> None:
    model, images = chain(inplace=True).eval(), torch.randn(2, 3, 5, 6)
    plain = model(images)
    with outputs(*model):
        watched = model(images)
    assert torch.equal(plain, watched)


def test_what_is_kept_is_in_the_graph() -> None:
    model = chain(inplace=True)
    with outputs(model[1]) as kept:
        logits = model(torch.randn(2, 3, 5, 6))
    (slope,) = torch.autograd.grad(logits.sum(), kept)
    assert slope.shape == (2, 4, 5, 6)
    assert slope.abs().sum() > 0


def test_hooks_are_gone_after_the_block_and_after_an_exception() -> None:
    model = chain()
    with outputs(*model):
        assert hooks_in(model) == 6
    assert hooks_in(model) == 0
    with pytest.raises(KeyError, match="inside"), outputs(*model):
        raise KeyError("inside")
    assert hooks_in(model) == 0


def test_an_output_that_is_no_tensor_is_named() -> None:
    model = nn.LSTM(3, 4)
    with pytest.raises(TypeError, match="LSTM gives a tuple"), outputs(model):
        model(torch.rand(5, 2, 3))


@pytest.mark.parametrize("fails", [False, True])
def test_each_module_gets_its_own_flag_back(fails: bool) -> None:
    model = chain().train()
    model[1].eval()  # a frozen batch norm
    found = [module.training for module in model.modules()]
    try:
        with evaluating(model):
            assert not any(module.training for module in model.modules())
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert [module.training for module in model.modules()] == found


def test_a_plain_function_has_no_mode() -> None:
    def double(images: Tensor) -> Tensor:
        return 2 * images

    with evaluating(double):
        assert double(torch.ones(1)).item() == 2


def test_a_layer_by_its_name() -> None:
    model = resnet18(weights=None, num_classes=2)
    assert named_layer(model, "layer4.1") is model.layer4[1]
    with pytest.raises(ValueError, match=r"no layer 'layer9' in ResNet; its layers: "):
        named_layer(model, "layer9")


def test_the_message_lists_outer_layers_first_and_stays_short() -> None:
    model = resnet18(weights=None, num_classes=2)
    with pytest.raises(ValueError, match="no layer ''") as caught:
        named_layer(model, "")
    text = str(caught.value)
    assert "layers: conv1, bn1, relu, maxpool, layer1, layer2, layer3, layer4" in text
    assert text.endswith("and 7 more")
    assert "\n" not in text


def test_the_last_feature_map_is_before_the_pooling() -> None:
    model = resnet18(weights=None, num_classes=2)
    layer = feature_map_layer(model, torch.rand(2, 3, 64, 64))
    assert layer is model.layer4
    for cells in (1, 2):
        model = chain()
        model[3], model[5] = nn.AdaptiveAvgPool2d(cells), nn.Linear(4 * cells**2, 2)
        assert feature_map_layer(model, torch.rand(2, 3, 5, 6)) is model[2]


def test_looking_for_it_leaves_the_model_as_found() -> None:
    model, images = chain(inplace=True).train(), torch.rand(2, 3, 5, 6)
    running, before = model[1].running_mean.clone(), images.clone()
    feature_map_layer(model, images)
    assert model.training
    assert model[1].training
    assert hooks_in(model) == 0
    assert torch.equal(model[1].running_mean, running)
    assert torch.equal(images, before)
    with pytest.raises(RuntimeError):
        feature_map_layer(model, torch.rand(2, 7, 5, 6))
    assert model.training
    assert hooks_in(model) == 0


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Linear(12, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.inside(images.flatten(1))


def test_a_network_without_feature_map_is_refused_with_its_layers() -> None:
    wanted = r"no last feature map .* in Perceptron; its layers: inside$"
    with pytest.raises(ValueError, match=wanted):
        feature_map_layer(Perceptron(), torch.rand(1, 3, 2, 2))


def test_a_patch_embedding_is_not_the_last_feature_map() -> None:
    model = VisionTransformer(32, 8, 1, 2, 8, 8, num_classes=2)
    with pytest.raises(ValueError, match="no last feature map"):
        feature_map_layer(model, torch.rand(1, 3, 32, 32))
