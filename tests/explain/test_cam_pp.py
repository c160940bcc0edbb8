import copy
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from helpers.explain.cam import CoarseMapWarning, upsample, weighted_map
from helpers.explain.cam_pp import (
    coarse_grad_cam_pp,
    features_and_slope,
    grad_cam_pp,
    plus_weights,
    relative_epsilon,
)
from helpers.vision.resnet import CifarResNet, SceneResNet

pytestmark = pytest.mark.filterwarnings("ignore::helpers.explain.cam.CoarseMapWarning")


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


def deep() -> nn.Sequential:
    """A net whose head is not pooled and linear, its batch norm trained a little."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 5, 3, 2, 1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(20, 8),
        nn.ReLU(),
        nn.Linear(8, 4),
    ).double()
    model(torch.randn(8, 3, 14, 18, dtype=torch.double))
    return model.eval()


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(5, 3, 14, 18, dtype=torch.double, generator=generator)


targets = torch.tensor([0, 3, 1, 1, 2])


def close(a: Tensor, b: Tensor, rtol: float = 1e-10) -> bool:
    return a.shape == b.shape and (a - b).abs().max() <= rtol * b.abs().max()


# hand-worked


def test_one_channel_by_hand() -> None:
    """W = 8 over 7 x 8 cells of 3: g = 1/7, S = 168, w = 8 / (2 + 24), F = 3."""
    glass, threes = Glass([[8.0]]), torch.full((1, 1, 7, 8), 3.0).double()
    maps = coarse_grad_cam_pp(glass, threes, torch.tensor([0]), relative=0)
    assert close(maps, torch.full((1, 7, 8), 24 / 26, dtype=torch.double))
    half = coarse_grad_cam_pp(glass, threes, torch.tensor([0]), relative=1)
    assert close(
        half, torch.full((1, 7, 8), 24 / 28, dtype=torch.double)
    )  # epsilon = 2 g^2


def test_two_channels_by_hand() -> None:
    """A channel counts W / (2 + W mean(F)) if W > 0, else nothing."""
    images = torch.rand(2, 2, 7, 7, dtype=torch.double)
    maps = coarse_grad_cam_pp(
        Glass([[1.0, -2.0], [0.5, 3.0]]), images, torch.tensor([0, 1]), relative=0
    )
    first, second = images[:, 0], images[:, 1]
    half, three = 0.5 / (2 + 0.5 * first[1].mean()), 3 / (2 + 3 * second[1].mean())
    hand = [first[0] / (2 + first[0].mean()), half * first[1] + three * second[1]]
    assert close(maps, torch.stack(hand))


def test_weights_by_hand_where_slopes_differ_and_vanish() -> None:
    slope = torch.tensor([[[[1.0, -1.0, 2.0, 0.0]], [[0.0, 0.0, 0.0, 0.0]]]])
    features = torch.tensor([[[[1.0, 1.0, 0.0, 2.0]], [[1.0, 1.0, 1.0, 1.0]]]])
    # S = 4: a = 1 / (2 + 4), -, 4 / (8 + 32), 0
    weights = plus_weights(slope, features, 0.0)
    assert close(weights, torch.tensor([[1 / 6 + 2 / 10, 0]]), 1e-6)
    more = plus_weights(slope, features, torch.tensor([3.0]))
    assert close(more, torch.tensor([[1 / 9 + 2 * 4 / 43, 0]]), 1e-6)


def test_a_denominator_of_zero_gives_no_weight() -> None:
    slope = torch.full((1, 1, 1, 2), 2.0)
    features = torch.tensor([[[[-0.5, -0.5]]]])  # 2 g^2 + S g^3 = 8 - 8
    assert plus_weights(slope, features, 0.0).tolist() == [[0]]
    assert plus_weights(slope, features, 8.0).tolist() == [[2.0]]


def test_no_positive_evidence_gives_a_zero_map() -> None:
    images = torch.rand(3, 1, 7, 7, dtype=torch.double)
    maps = grad_cam_pp(Glass([[-1.0], [0.0], [1.0]]), images, torch.tensor([0, 1, 2]))
    assert maps[:2].abs().sum() == 0
    assert maps[2].min() > 0


# against definitions and other implementations


def test_slow_twin_of_the_paper_with_exponential() -> None:
    """Derivatives of exp(y_c) cell by cell, by autograd: the map times exp(y_c)."""
    model = Glass([[1.0, -2.0, 3.0], [0.5, 3.0, 1.0]])
    image = torch.rand(1, 3, 4, 5, dtype=torch.double)
    for target in (0, 1):
        weights = []
        for k in range(3):
            weight = torch.zeros(()).double()
            for i, j in np.ndindex(4, 5):
                cell = torch.zeros_like(image)
                cell[0, k, i, j] = 1
                step = torch.zeros((), dtype=torch.double, requires_grad=True)
                value = model(image + step * cell)[0, target].exp()
                slopes = []
                for _ in range(3):
                    (value,) = torch.autograd.grad(value, step, create_graph=True)
                    slopes.append(value)
                one, two, three = slopes
                a = two / (2 * two + image[0, k].sum() * three)
                weight = weight + a * one.relu()
            weights.append(weight.detach())
        wanted = weighted_map(image, torch.stack(weights)[None])
        found = coarse_grad_cam_pp(model, image, torch.tensor([target]), relative=0)
        assert close(found * model(image)[0, target].exp().detach(), wanted)


@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_closed_form_equals_general_form(images: Tensor, dtype: torch.dtype) -> None:
    model = Pooled().to(dtype)
    closed = grad_cam_pp(model, images.to(dtype), targets)
    general = grad_cam_pp(model, images.to(dtype), targets, "body")
    assert closed.max() > 0
    assert close(closed, general, 1e-4 if dtype is torch.float else 1e-10)


@pytest.mark.parametrize(
    ("model", "layer"), [(SceneResNet(4, 4), "blocks"), (CifarResNet(4, 8), "layer3")]
)
def test_the_networks_of_this_book(model: nn.Module, layer: str) -> None:
    images = torch.randn(5, 3, 56, 64)
    closed = grad_cam_pp(model, images, targets)
    assert closed.max() > 0
    assert close(closed, grad_cam_pp(model, images, targets, layer), 1e-5)


@pytest.mark.parametrize("name", ["layer4", "layer3", "layer2.0.conv1"])
def test_witness_pytorch_grad_cam(name: str) -> None:
    """Their epsilon is 1e-6 at any scale: `plus_weights` can be given it."""
    witness = pytest.importorskip("pytorch_grad_cam")
    chosen = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    torch.manual_seed(0)
    network = resnet18(weights=None, num_classes=6).eval()
    photographs = torch.randn(2, 3, 128, 160)
    theirs = copy.deepcopy(network)
    with witness.GradCAMPlusPlus(theirs, [theirs.get_submodule(name)]) as cam:
        aims = [chosen.ClassifierOutputTarget(target) for target in (4, 0)]
        wanted = torch.from_numpy(cam(photographs, aims))

    def stretched(maps: Tensor) -> Tensor:  # their scaling, before and after upsampling
        maps = maps - maps.amin((1, 2), keepdim=True)
        return maps / (1e-7 + maps.amax((1, 2), keepdim=True))

    layer, aims = network.get_submodule(name), torch.tensor([4, 0])
    features, slope = features_and_slope(network, layer, photographs, aims)
    maps = weighted_map(features, plus_weights(slope, features, 1e-6))
    maps = stretched(upsample(stretched(maps), (128, 160)))
    assert wanted.std() > 0.01
    assert close(maps, wanted, 1e-4)


# scale


def test_features_times_a_number_and_slopes_divided_by_it(images: Tensor) -> None:
    """Equal logits, equal maps; with a fixed epsilon they differ."""
    slope = torch.rand(5, 3, 14, 18, dtype=torch.double) / 252
    plain = weighted_map(images, plus_weights(slope, images, relative_epsilon(slope)))
    fixed = weighted_map(images, plus_weights(slope, images, 1e-6))
    for scale in (1e-3, 30.0, 1e4):
        a, b = slope / scale, images * scale
        assert close(weighted_map(b, plus_weights(a, b, relative_epsilon(a))), plain)
    assert not close(weighted_map(b, plus_weights(a, b, 1e-6)), fixed, 0.5)


def test_the_published_epsilon_matters_at_a_small_head() -> None:
    """W = .05 over 49 cells: 2 g^2 = 2e-6; the relative epsilon is out of sight."""
    features = torch.rand(1, 4, 7, 7, dtype=torch.double)
    slope = torch.full_like(features, 0.05 / 49)
    exact = plus_weights(slope, features, 0.0)
    assert close(plus_weights(slope, features, relative_epsilon(slope)), exact, 1e-5)
    assert not close(plus_weights(slope, features, 1e-6), exact, 0.2)


def test_relative_epsilon_by_hand() -> None:
    slope = torch.tensor([1.0, 2.0, 0.0]).view(3, 1, 1, 1).expand(3, 2, 4, 4).clone()
    slope[1, 0] = 0
    assert relative_epsilon(slope, 0.5).tolist() == [1.0, 2.0, 0.0]


# one picture at a time, in any batch


def test_a_picture_has_the_same_map_in_any_batch(images: Tensor) -> None:
    for model in (deep(), Pooled().double()):
        together = grad_cam_pp(model, images, targets)
        assert together.shape == (5, 14, 18)
        assert not together.requires_grad
        assert together.min() >= 0
        for one in range(5):
            alone = grad_cam_pp(model, images[one : one + 1], targets[one : one + 1])
            assert close(alone[0], together[one])
        assert close(grad_cam_pp(model, images, targets, chunk=2), together)
        assert torch.equal(grad_cam_pp(model, images, targets), together)


def test_the_last_feature_map_is_found(images: Tensor) -> None:
    model = deep()
    found = coarse_grad_cam_pp(model, images, targets)
    assert torch.equal(found, coarse_grad_cam_pp(model, images, targets, model[4]))
    assert torch.equal(found, coarse_grad_cam_pp(model, images, targets, "4"))


# the model is left as found


@pytest.fixture(params=["general", "closed"])
def model(request: pytest.FixtureRequest) -> Iterator[nn.Module]:
    """A model in a mixed state, which is compared when the test is over."""
    model = deep() if request.param == "general" else Pooled().double()
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
    assert [p.requires_grad for p in parameters].count(False) == 1
    assert [p.grad is None for p in parameters].count(False) == 1
    assert parameters[1].grad.eq(1).all()
    assert all(torch.equal(a, state[name]) for name, a in model.state_dict().items())
    for part in parts:
        hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks)
        assert not any(hooks)


def test_state_after_a_map(model: nn.Module, images: Tensor) -> None:
    before = images.clone()
    grad_cam_pp(model, images, targets)
    with torch.inference_mode():
        grad_cam_pp(model, images.clone(), targets)
    assert torch.equal(images, before)
    assert not images.requires_grad


def test_state_after_an_exception(model: nn.Module, images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"0\.\.3"):
        grad_cam_pp(model, images, targets + 1)
    with pytest.raises(RuntimeError):  # from inside the network
        grad_cam_pp(model, images[:, :2], targets)
    first = next(name for name, part in model.named_modules() if name)
    with pytest.raises(ValueError, match="not finite"):
        grad_cam_pp(model, images * float("nan"), targets, first)


# what is refused


@pytest.mark.parametrize("size", [(3, 9), (9, 3), (1, 1)])
def test_maps_under_4_x_4_are_refused(size: tuple[int, int]) -> None:
    images = torch.rand(1, 1, *size, dtype=torch.double)
    with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} cells is too coarse"):
        grad_cam_pp(Glass([[1.0]]), images, torch.tensor([0]))


@pytest.mark.parametrize(("size", "warned"), [(4, 1), (6, 1), (7, 0)])
def test_maps_under_7_x_7_are_warned_of_once(size: int, warned: int) -> None:
    images = torch.rand(4, 1, size, 9, dtype=torch.double)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        grad_cam_pp(Glass([[1.0]]), images, torch.zeros(4).long(), chunk=1)
    assert [one.category for one in caught] == [CoarseMapWarning] * warned


def test_wrong_input_is_refused(images: Tensor) -> None:
    model = deep()
    with pytest.raises(ValueError, match="images must be"):
        grad_cam_pp(model, images[0], targets)
    with pytest.raises(ValueError, match=r"shape \[5\], got"):
        grad_cam_pp(model, images, targets[:2])
    with pytest.raises(ValueError, match="relative must be 0 or a small positive"):
        grad_cam_pp(model, images, targets, relative=-1e-6)
    with pytest.raises(ValueError, match="no layer 'layer4' in Sequential"):
        grad_cam_pp(model, images, targets, "layer4")
    with pytest.raises(ValueError, match=r"Conv2d must give one .*, gave \[\]"):
        grad_cam_pp(model, images, targets, deep()[0])  # of another model


def test_features_and_head_that_do_not_make_the_logits(images: Tensor) -> None:
    class Scaled(Pooled):
        def forward(self, images: Tensor) -> Tensor:
            return 2 * super().forward(images)

    with pytest.raises(ValueError, match="in Scaled: name a layer"):
        grad_cam_pp(Scaled().double(), images, targets)


def test_a_layer_without_influence_is_refused(images: Tensor) -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.aside, self.main = nn.Conv2d(3, 1, 1).double(), deep()

        def forward(self, images: Tensor) -> Tensor:
            self.aside(images)
            return self.main(images)

    with pytest.raises(ValueError, match="no gradient at layer Conv2d"):
        grad_cam_pp(Aside(), images, targets, "aside")
