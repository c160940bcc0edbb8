import copy
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import SwinTransformer, resnet18

from helpers.explain.cam import (
    CoarseMapWarning,
    coarse_grad_cam,
    grad_cam,
    is_pooled_linear,
    normalise,
    pooled_head_cam,
    upsample,
)
from helpers.vision.resnet import CifarResNet, SceneResNet

pytestmark = pytest.mark.filterwarnings(
    "ignore::helpers.explain.cam.CoarseMapWarning",
    "ignore:Setting backward hooks on ReLU",
)


class Glass(nn.Module):
    """The picture is the feature map: what comes out can be worked by hand."""

    def __init__(self, weight: list[list[float]]) -> None:
        super().__init__()
        self.head = nn.Linear(len(weight[0]), len(weight)).double()
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor(weight))

    def features(self, images: Tensor) -> Tensor:
        return images

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).mean((2, 3)))


class Pooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3)
        )
        self.head = nn.Linear(5, 4)

    def features(self, images: Tensor) -> Tensor:
        return self.body(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).mean((2, 3)))


def deep(inplace: bool = False, first: bool = False) -> nn.Sequential:
    """A net with a head that is not linear, whose batch norms are trained a little."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace),
        nn.Conv2d(6, 5, 3, 2, 1),
        nn.BatchNorm2d(5),
        nn.ReLU(inplace),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(20, 8),
        nn.Tanh(),
        nn.Linear(8, 4),
    ]
    model = nn.Sequential(*([nn.ReLU(inplace)] if first else []), *layers).double()
    model(torch.randn(8, 3, 14, 18, dtype=torch.double))
    return model.eval()


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(5, 3, 14, 18, dtype=torch.double, generator=generator)


targets = torch.tensor([0, 3, 1, 1, 2])


def close(a: Tensor, b: Tensor, atol: float = 1e-10) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=atol)


# hand-worked


def test_closed_form_by_hand() -> None:
    model = Glass([[1.0, -2.0], [0.0, 3.0]])
    images = torch.randn(3, 2, 7, 8, dtype=torch.double)
    maps = coarse_grad_cam(model, images, torch.tensor([0, 1, 0]))
    first, second = images[:, 0], images[:, 1]
    hand = torch.stack(
        [first[0] - 2 * second[0], 3 * second[1], first[2] - 2 * second[2]]
    )
    assert close(maps, hand.relu() / 56)


def test_cells_before_the_relu_sum_to_the_logit_less_its_bias() -> None:
    model = Glass([[1.0, 2.0], [0.0, 3.0]])
    images = torch.rand(3, 2, 7, 8, dtype=torch.double)  # positive: no relu
    maps = coarse_grad_cam(model, images, torch.tensor([0, 1, 0]))
    logits = (model(images) - model.head.bias)[range(3), [0, 1, 0]]
    assert close(maps.sum((1, 2)), logits)


def test_general_form_by_hand() -> None:
    class Squared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look = nn.Identity()

        def forward(self, images: Tensor) -> Tensor:
            total = self.look(images).sum((2, 3))  # [B, 2]
            return torch.stack([total[:, 0] ** 2, -total[:, 1]], 1)

    images = torch.randn(2, 2, 7, 7, dtype=torch.double)
    maps = coarse_grad_cam(Squared(), images, torch.tensor([0, 1]))
    total = images[0, 0].sum()
    hand = torch.stack([2 * total * images[0, 0], -images[1, 1]]).relu()
    assert close(maps, hand)


def test_a_picture_without_positive_evidence_has_a_zero_map() -> None:
    model = Glass([[-1.0], [1.0]])
    images = torch.rand(2, 1, 7, 7, dtype=torch.double)
    maps = grad_cam(model, images, torch.tensor([0, 1]))
    assert maps[0].abs().sum() == 0
    assert maps[1].min() > 0
    assert close(normalise(maps)[0], maps[0])


# against definitions and other implementations


def test_slow_twin_by_finite_differences(images: Tensor) -> None:
    """Equations 1 and 2 of the paper, cell by cell and without autograd."""
    model = deep()
    body, rest = model[:5], model[5:]
    features = body(images[:2]).detach()
    step = 1e-6
    for picture, target in enumerate((3, 1)):
        one = features[picture : picture + 1]
        total = torch.zeros(one.shape[2:], dtype=torch.double)
        for channel in range(one.shape[1]):
            slopes = []
            for cell in np.ndindex(*one.shape[2:]):
                bump = torch.zeros_like(one)
                bump[0, channel, *cell] = step
                rise = rest(one + bump)[0, target] - rest(one - bump)[0, target]
                slopes.append(rise.item() / (2 * step))
            total += sum(slopes) / len(slopes) * one[0, channel]
        maps = coarse_grad_cam(
            model, images[:2], torch.tensor([3, 1]), model[4], chunk=1
        )
        assert close(maps[picture], total.relu(), 1e-8)


@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_closed_form_equals_general_form(images: Tensor, dtype: torch.dtype) -> None:
    model = Pooled().to(dtype)
    closed = grad_cam(model, images.to(dtype), targets)
    general = grad_cam(model, images.to(dtype), targets, "body")
    assert closed.max() > 0
    assert close(closed, general, 1e-6 if dtype is torch.float else 1e-10)


@pytest.mark.parametrize(
    ("model", "layer"), [(SceneResNet(4, 4), "blocks"), (CifarResNet(4, 8), "layer3")]
)
def test_the_networks_of_this_book(model: nn.Module, layer: str) -> None:
    images = torch.randn(5, 3, 56, 64)
    assert is_pooled_linear(model)
    closed = grad_cam(model, images, targets)
    assert close(closed, grad_cam(model, images, targets, layer), 1e-6)


@pytest.mark.parametrize("layer", [0, 1, 3, 4])
def test_an_in_place_net_equals_its_twin(images: Tensor, layer: int) -> None:
    plain, inplace = deep(), deep(inplace=True)
    wanted = grad_cam(plain, images, targets, plain[layer])
    assert wanted.max() > 0
    assert torch.equal(grad_cam(inplace, images, targets, inplace[layer]), wanted)


def test_a_net_that_overwrites_its_input(images: Tensor) -> None:
    before = images.clone()
    maps = grad_cam(deep(inplace=True, first=True), images, targets)
    assert torch.equal(images, before)
    assert torch.equal(maps, grad_cam(deep(first=True), images, targets))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_a_pooled_net_that_overwrites_its_input(images: Tensor, context: type) -> None:
    with context():
        given = images.clone()
        plain, careless = Pooled().double(), Pooled().double()
        plain.body.insert(0, nn.ReLU())
        careless.body.insert(0, nn.ReLU(inplace=True))
        maps = grad_cam(careless, given, targets)
        assert torch.equal(given, images)
        assert torch.equal(maps, grad_cam(plain, given, targets))


def test_a_pooled_head_costs_one_pass_and_one_picture(images: Tensor) -> None:
    model, shown = Pooled().double(), []
    model.body.register_forward_pre_hook(lambda _, seen: shown.append(len(seen[0])))
    grad_cam(model, images, targets)
    assert shown == [1, len(images)]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return resnet18(weights=None, num_classes=6).eval()


@pytest.fixture(scope="module")
def photographs() -> Tensor:
    return torch.randn(2, 3, 128, 160, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", ["layer4", "layer4.1.bn2", "layer3"])
def test_witness_captum(network: nn.Module, photographs: Tensor, name: str) -> None:
    captum = pytest.importorskip("captum.attr")
    witness = captum.LayerGradCam(network, network.get_submodule(name))
    wanted = witness.attribute(
        photographs, target=torch.tensor([4, 0]), relu_attributions=True
    )[:, 0].detach()
    maps = coarse_grad_cam(network, photographs, torch.tensor([4, 0]), name)
    assert wanted.max() > 0
    assert close(maps, wanted, 1e-6 * wanted.max().item())


def test_witness_pytorch_grad_cam(network: nn.Module, photographs: Tensor) -> None:
    witness = pytest.importorskip("pytorch_grad_cam")
    chosen = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    theirs = copy.deepcopy(network)
    with witness.GradCAM(theirs, [theirs.layer4]) as cam:
        aims = [chosen.ClassifierOutputTarget(target) for target in (4, 0)]
        wanted = torch.from_numpy(cam(photographs, aims))

    def stretched(maps: Tensor) -> Tensor:  # their scaling, before and after upsampling
        maps = maps - maps.amin((1, 2), keepdim=True)
        return maps / (1e-7 + maps.amax((1, 2), keepdim=True))

    maps = coarse_grad_cam(network, photographs, torch.tensor([4, 0]))
    maps = stretched(upsample(stretched(maps), (128, 160)))
    assert close(maps, wanted, 1e-5)


# one picture at a time, in any batch


def test_a_picture_has_the_same_map_in_any_batch(images: Tensor) -> None:
    for model in (deep(), Pooled().double()):
        together = grad_cam(model, images, targets)
        for one in range(5):
            alone = grad_cam(model, images[one : one + 1], targets[one : one + 1])
            assert close(alone[0], together[one])
        assert close(grad_cam(model, images, targets, chunk=2), together)


def test_twice_in_a_row_is_bit_equal(images: Tensor) -> None:
    for model in (deep(), Pooled().double()):
        first = grad_cam(model, images, targets)
        assert torch.equal(first, grad_cam(model, images, targets))


def test_maps_have_the_size_of_the_picture_and_no_gradient(images: Tensor) -> None:
    for layer in (None, "body.0"):
        maps = grad_cam(Pooled().double(), images, targets, layer)
        assert maps.shape == (5, 14, 18)
        assert not maps.requires_grad
        assert maps.min() >= 0


def test_upsampling_by_hand() -> None:
    wide = upsample(torch.tensor([[[0.0, 1.0]]]), (1, 4))
    assert wide.flatten().tolist() == [0, 0.25, 0.75, 1]


def test_the_tensor_form_has_gradients() -> None:
    features = torch.rand(3, 5, 4, 4, dtype=torch.double, requires_grad=True)
    weight = torch.rand(4, 5, dtype=torch.double, requires_grad=True)
    aims = torch.tensor([0, 3, 1])
    assert torch.autograd.gradcheck(
        lambda f, w: pooled_head_cam(f, w, aims), (features, weight)
    )


# the model is left as found


@pytest.fixture(params=["general", "closed"])
def model(request: pytest.FixtureRequest) -> Iterator[nn.Module]:
    """A model in a mixed state, which is compared when the test is over."""
    model = deep(inplace=True) if request.param == "general" else Pooled().double()
    model.train()
    parts = list(model.modules())
    next(part for part in parts if isinstance(part, nn.BatchNorm2d)).eval()
    parameters = list(model.parameters())
    parameters[0].requires_grad_(False)
    parameters[1].grad = torch.ones_like(parameters[1])
    flags = [part.training for part in parts]
    state = copy.deepcopy(model.state_dict())
    yield model
    assert [part.training for part in parts] == flags
    assert [p.requires_grad for p in parameters] == [False] + [True] * (
        len(parameters) - 1
    )
    assert [p.grad is None for p in parameters].count(False) == 1
    assert parameters[1].grad.eq(1).all()
    assert all(torch.equal(a, state[name]) for name, a in model.state_dict().items())
    for part in parts:
        hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks)
        assert not any(hooks)


def test_state_after_a_map(model: nn.Module, images: Tensor) -> None:
    before = images.clone()
    grad_cam(model, images, targets)
    assert torch.equal(images, before)
    assert not images.requires_grad


def test_state_after_an_exception(model: nn.Module, images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"0\.\.3"):
        grad_cam(model, images, targets + 1)
    with pytest.raises(RuntimeError):  # from inside the network
        grad_cam(model, images[:, :2], targets)
    first = next(name for name, part in model.named_modules() if name)
    with pytest.raises(ValueError, match="not finite"):
        grad_cam(model, images * float("nan"), targets, first)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_without_gradients_and_all_frozen(images: Tensor, context: type) -> None:
    for model in (deep(inplace=True), Pooled().double()):
        wanted = grad_cam(model, images, targets)
        model.requires_grad_(False)
        assert torch.equal(grad_cam(model, images, targets), wanted)
        with context():
            fresh = images.clone()
            assert torch.equal(grad_cam(model, fresh, targets), wanted)
            assert not torch.is_grad_enabled()


# what is refused


@pytest.mark.parametrize("size", [(3, 3), (3, 9), (9, 3), (1, 1)])
def test_maps_under_4_x_4_are_refused(size: tuple[int, int]) -> None:
    images = torch.rand(1, 1, *size, dtype=torch.double)
    with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} cells is too coarse"):
        grad_cam(Glass([[1.0]]), images, torch.tensor([0]))


@pytest.mark.parametrize(("size", "warned"), [(4, 1), (6, 1), (7, 0)])
def test_maps_under_7_x_7_are_warned_of_once(size: int, warned: int) -> None:
    images = torch.rand(4, 1, size, 9, dtype=torch.double)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        grad_cam(Glass([[1.0]]), images, torch.zeros(4).long(), chunk=1)
    assert [one.category for one in caught] == [CoarseMapWarning] * warned


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (torch.tensor([0, 1]), r"integers of shape \[5\], got .* shape \[2\]"),
        (torch.zeros(5, 1).long(), r"shape \[5, 1\]"),
        (torch.zeros(5), "float32"),
        (torch.zeros(5).bool(), "bool"),
        (torch.tensor([0, 1, 2, 3, 4]), r"0\.\.3, got values from 0 to 4"),
        (torch.tensor([0, 1, -1, 3, 0]), "from -1 to 3"),
    ],
)
def test_targets_are_checked(images: Tensor, wrong: Tensor, text: str) -> None:
    for model in (deep(), Pooled().double()):
        with pytest.raises(ValueError, match=text) as caught:
            grad_cam(model, images, wrong)
        assert "\n" not in str(caught.value)


def test_small_integers_are_targets_too(images: Tensor) -> None:
    maps = grad_cam(deep(), images, targets)
    assert torch.equal(grad_cam(deep(), images, targets.to(torch.uint8)), maps)


@pytest.mark.parametrize("shape", [(3, 14, 18), (0, 3, 14, 18)])
def test_images_are_checked(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="images must be"):
        grad_cam(deep(), torch.rand(shape), targets)


def test_layers_are_checked(images: Tensor) -> None:
    model = deep()
    with pytest.raises(ValueError, match="no layer 'layer4' in Sequential"):
        grad_cam(model, images, targets, "layer4")
    with pytest.raises(ValueError, match=r"Conv2d must give one .*, gave \[\]"):
        grad_cam(model, images, targets, deep()[0])  # of another model
    with pytest.raises(ValueError, match="Linear must give one"):
        grad_cam(model, images, targets, model[8])


def test_a_layer_without_influence_is_refused(images: Tensor) -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.aside, self.main = nn.Conv2d(3, 1, 1).double(), deep()

        def forward(self, images: Tensor) -> Tensor:
            self.aside(images)
            return self.main(images)

    with pytest.raises(ValueError, match="no gradient at layer Conv2d"):
        grad_cam(Aside(), images, targets, "aside")


def test_features_and_head_that_do_not_make_the_logits(images: Tensor) -> None:
    class Scaled(Pooled):
        def forward(self, images: Tensor) -> Tensor:
            return 2 * super().forward(images)

    with pytest.raises(ValueError, match="in Scaled: name a layer"):
        grad_cam(Scaled().double(), images, targets)
    doubled = grad_cam(Scaled().double(), images, targets, "body")
    assert close(doubled, 2 * grad_cam(Pooled().double(), images, targets))


def test_a_module_called_features_promises_nothing() -> None:
    swin = SwinTransformer([4, 4], 8, [2], [1], [2, 2], num_classes=2)
    assert isinstance(swin.head, nn.Linear)
    assert not is_pooled_linear(swin)


def test_nan_is_one_clear_line(images: Tensor) -> None:
    images[3, 0, 2, 2] = float("nan")
    for model in (deep(), Pooled().double()):
        with pytest.raises(ValueError, match="the map of picture 3 is not finite"):
            grad_cam(model, images, targets)


# normalise


def test_normalise_divides_by_each_maximum() -> None:
    maps = torch.tensor([[[0.0, 4.0]], [[0.0, 0.0]], [[3.0, 3.0]], [[1e-30, 5e-31]]])
    assert normalise(maps).tolist() == [[[0, 1]], [[0, 0]], [[1, 1]], [[1, 0.5]]]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_normalise_refuses(value: float) -> None:
    with pytest.raises(ValueError, match="finite and non-negative"):
        normalise(torch.tensor([[[0.0, value]]]))
