import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet18
from torchvision.models.resnet import BasicBlock as TorchvisionBlock

from helpers.explain.canonical import canonical
from helpers.explain.relevance import Box, box_of, lrp
from helpers.vision import backbone
from helpers.vision.resnet import BasicBlock

BOX = Box((-6.0, -5.0, -7.0), (6.0, 7.0, 5.0))
targets = torch.tensor([1, 0])


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, 6, 7, dtype=torch.double, generator=generator)


def pictures(side: int) -> Tensor:
    drawn = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(2))
    return drawn.clamp(-4, 4)


class Residual(nn.Module):
    """A convolution, a residual sum, a mean and a linear layer; ReLUs as functions."""

    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, 3, padding=1, bias=bias)
        self.inner = nn.Conv2d(4, 4, 3, padding=1, bias=bias)
        self.head = nn.Linear(4, 3, bias=bias)
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.first(images))
        x = (x + self.inner(x)).relu()
        return self.head(x.mean((2, 3)))


def close(a: Tensor, b: Tensor, rtol: float = 1e-6) -> bool:
    return a.shape == b.shape and (a - b).abs().max() <= rtol * b.abs().max()


# the rules, unit by unit


def matrix(layer: nn.Module, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Return a layer as weights [out, in] and biases [out] on flattened input."""
    size = shape.numel()
    nothing = torch.zeros(1, *shape, dtype=torch.double)
    bias = layer(nothing).flatten()
    basis = torch.eye(size, dtype=torch.double).view(size, *shape)
    return (layer(basis).flatten(1) - bias).mT.detach(), bias.detach()


def held(value: Tensor) -> Tensor:
    """Return a denominator, 1e-6 further from zero."""
    return value + torch.where(value >= 0, 1e-6, -1e-6)


def test_slow_twin_of_the_rules(images: Tensor) -> None:
    """Each rule as its paper has it, z_jk in a matrix; see `lrp` for the equations."""
    model = Residual()
    maps = lrp(model, images, targets, BOX)
    for one, target in enumerate(targets.tolist()):
        x = images[one]
        a = model.first(x[None])[0].relu().detach()
        inner = model.inner(a[None])[0].detach()
        b = (a + inner).relu()
        means = b.mean((1, 2))
        out = model.head(means)[target].detach()
        # epsilon, from the logit to the means
        z = means * model.head.weight[target].detach()
        back = z / held(out) * out  # [4]
        # means: in proportion to what is averaged
        back = (b / 42 / held(means)[:, None, None]) * back[:, None, None]
        # sum: in proportion to the summands
        total = held(a + inner)
        past, through = a / total * back, inner / total * back
        # gamma: for a positive output positive contributions count more
        weight, bias = matrix(model.inner, a.shape)
        more = weight + 0.25 * weight.clamp(min=0)
        less = weight + 0.25 * weight.clamp(max=0)
        flat, output, share = a.flatten(), inner.flatten(), through.flatten()
        upper = more @ flat + bias + 0.25 * bias.clamp(min=0)
        lower = less @ flat + bias + 0.25 * bias.clamp(max=0)
        up = torch.where(output > 0, share / held(upper), 0)
        down = torch.where(output < 0, share / held(lower), 0)
        back = past.flatten() + flat * (more.mT @ up + less.mT @ down)
        # box
        weight, bias = matrix(model.first, x.shape)
        low = torch.tensor(BOX.low).double()[:, None, None].expand_as(x).flatten()
        high = torch.tensor(BOX.high).double()[:, None, None].expand_as(x).flatten()
        z = weight * x.flatten() - weight.clamp(min=0) * low
        z = z - weight.clamp(max=0) * high  # [out, in]
        taken = bias - bias.clamp(min=0) - bias.clamp(max=0)
        back = (z / held(z.sum(1) + taken)[:, None] * back[:, None]).sum(0)
        wanted = back.view_as(x).sum(0)
        assert close(maps[one], wanted, 1e-9)


def test_one_layer_by_hand() -> None:
    """A 1 x 1 convolution of one pixel: z = x w - low w+ - high w-, R = z / sum z y."""
    model = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.Flatten())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -2, 3], [0, 1, 0]])[..., None, None])
    pixel = torch.tensor([1.0, 2, 3]).view(1, 3, 1, 1)
    box = Box((0.0,) * 3, (4.0,) * 3)
    maps = lrp(model, pixel, torch.tensor([0]), box)
    # z = 1, -4 + 8, 9, of which all is for the one pixel: y = 6
    assert torch.allclose(maps, torch.tensor([[[6.0]]]), rtol=1e-5)
    two = pixel.repeat(1, 1, 1, 2)
    wide = nn.Sequential(nn.Conv2d(3, 2, (1, 2), bias=False), nn.Flatten())
    with torch.no_grad():
        wide[0].weight.copy_(model[0].weight.repeat(1, 1, 1, 2))
        wide[0].weight[:, :, :, 1] *= 2
    maps = lrp(wide, two, torch.tensor([0]), box)  # y = 18, shares 14 : 28
    assert torch.allclose(maps, torch.tensor([[[6.0, 12.0]]]), rtol=1e-5)


def test_epsilon_and_gamma_count(images: Tensor) -> None:
    model = Residual()
    plain = lrp(model, images, targets, BOX)
    assert not close(lrp(model, images, targets, BOX, gamma=1.0), plain, 1e-3)
    damped = lrp(model, images, targets, BOX, epsilon=10.0)
    assert damped.abs().sum() < 0.5 * plain.abs().sum()


# witness and conservation


@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_witness_zennit_on_its_own_canonical_form(dtype: torch.dtype) -> None:
    composites = pytest.importorskip("zennit.composites")
    canonizers = pytest.importorskip("zennit.torchvision")
    torch.manual_seed(0)
    network = resnet18(num_classes=4)
    network.train()(pictures(32))  # batch norms that are worth merging
    network.eval().to(dtype)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = 0.0  # zennit's merged batch norms still divide by (1 + eps)^.5
    photographs = pictures(32).to(dtype)
    found = lrp(network, photographs, targets, BOX)
    low, high = (torch.tensor(one).view(1, 3, 1, 1) for one in (BOX.low, BOX.high))
    form = [canonizers.ResNetCanonizer()]
    composite = composites.EpsilonGammaBox(
        low.to(dtype), high.to(dtype), canonizers=form
    )
    with composite.context(network) as modified:
        probe = photographs.clone().requires_grad_()
        logits = modified(probe)
        start = torch.zeros_like(logits)
        start[range(2), targets] = logits[range(2), targets].detach()
        (wanted,) = torch.autograd.grad(logits, probe, start)
    assert close(found, wanted.sum(1), 1e-9 if dtype is torch.double else 5e-3)


@pytest.mark.parametrize("name", ["scene-resnet", "resnet20", "wrn28-1", "resnet18"])
def test_relevance_arrives_undiminished_without_biases(name: str) -> None:
    torch.manual_seed(0)
    model = backbone(name, 3).double().eval()
    nn.init.zeros_(model.head.bias)  # the batch norms are new: they have none
    photographs = pictures(32).double()
    maps = lrp(model, photographs, targets, BOX)
    logits = model(photographs)[range(2), targets]
    assert close(maps.sum((1, 2)), logits, 0.05)


def test_a_block_of_another_class_has_the_same_map() -> None:
    """Torchvision's block and the book's, of equal weights: not the class counts."""
    torch.manual_seed(0)
    ours = BasicBlock(4, 4, 1)
    theirs = TorchvisionBlock(4, 4)
    theirs.load_state_dict(ours.state_dict())

    def network(block: nn.Module) -> nn.Sequential:
        torch.manual_seed(1)
        stem = nn.Conv2d(3, 4, 3, padding=1)
        ending = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
        return nn.Sequential(stem, nn.ReLU(), block, *ending).double()

    photographs = pictures(9).double()
    wanted = lrp(network(theirs), photographs, targets, BOX)
    assert close(lrp(network(ours), photographs, targets, BOX), wanted, 1e-12)


def test_a_plain_network_with_max_pooling() -> None:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for inside, outside in ((3, 8), (8, 16), (16, 16)):
        conv = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
        layers += [
            conv,
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        ]
    ending = (nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 3, bias=False))
    model = nn.Sequential(*layers, *ending)
    photographs = pictures(32)
    maps = lrp(model, photographs, targets, BOX)
    logits = model.eval()(photographs)[range(2), targets]
    assert close(maps.sum((1, 2)), logits, 0.05)


# the canonical form


@pytest.mark.parametrize("name", ["scene-resnet", "resnet20", "wrn28-1", "resnet50"])
def test_the_canonical_form_has_the_same_logits(name: str) -> None:
    torch.manual_seed(0)
    model = backbone(name, 3, dropout=0.2)
    model.train()(pictures(32))
    model.double().eval()
    form = canonical(model)
    photographs = pictures(32).double()
    assert close(form(photographs), model(photographs), 1e-9)
    kinds = [type(part) for part in form.children()]
    assert kinds[0] is nn.Conv2d
    assert (nn.BatchNorm2d in kinds) == name.startswith("wrn")


class Shared(nn.Module):
    """What a network may do to be hard to read: all in one forward pass."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.same = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.norm, self.head = nn.BatchNorm2d(4), nn.Linear(8, 3)
        self.act, self.drop = nn.ReLU(inplace=True), nn.Dropout(0.5)
        self.other = nn.BatchNorm2d(4)

    def forward(self, images: Tensor, scale: float | None = None) -> Tensor:
        x = self.act(self.first(images))
        y = self.same(x)
        z = self.norm(y) + self.other(self.drop(y))  # not merged: y is used again
        x = self.act(self.same(F.dropout(x, 0.5, self.training)))
        x = torch.cat([x, F.avg_pool2d(F.pad(z, (1, 1, 1, 1)), 3, 1)], 1)
        y += x[:, :4]
        x = torch.cat([F.max_pool2d(y, 2), F.adaptive_avg_pool2d(x[:, 4:], (3, 3))], 1)
        x = torch.add(x, x).mean(dim=(-2, -1), keepdim=True)
        return self.head(x.view(x.size(0), -1)) if scale is None else x


def test_functions_are_read_too(images: Tensor) -> None:
    model = Shared().double()
    model(images)
    model.eval()
    assert close(canonical(model)(images), model(images), 1e-12)
    assert lrp(model, images, targets, BOX).abs().max() > 0


def test_box_of_a_normalisation_by_hand() -> None:
    box = box_of((0.5, 0.25), (0.5, 0.25))
    assert box == Box((-1.0, -1.0), (1.0, 3.0))


# what is refused


class Times(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x.sigmoid()


def headed(*layers: nn.Module) -> nn.Sequential:
    first = nn.Conv2d(3, 4, 3, padding=1)
    return nn.Sequential(first, *layers, nn.Flatten(2), Averaged()).double()


class Averaged(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(2)


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y = x.flatten(2).mT
        return self.attention(y, y, y)[0].mT.view_as(x)


class Looking(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Biased(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1.0


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        return (self.a(images) + self.b(images)).mean((2, 3))


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (headed(nn.GELU()), "no rule for GELU at 1;"),
        (headed(Times()), "no rule for sigmoid at 1;"),
        (headed(Biased()), "no rule for add at 1;"),
        (headed(nn.GroupNorm(2, 4)), "no rule for GroupNorm at 1;"),
        (headed(Attending()), r"no rule for MultiheadAttention at 1\.attention;"),
        (headed(nn.BatchNorm2d(4, track_running_stats=False)), "BatchNorm2d at 1;"),
        (headed(Looking()), "Sequential cannot be read by torch.fx"),
        (nn.Sequential(nn.ReLU(), headed()), "one convolution, goes into ReLU"),
        (Twice().double(), "goes into Conv2d, Conv2d"),
    ],
)
def test_other_architectures_are_refused(
    images: Tensor, model: nn.Module, text: str
) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        lrp(model, images, targets, BOX)
    assert "\n" not in str(caught.value)


def test_a_hook_that_changes_the_network_is_refused(images: Tensor) -> None:
    model = Residual()
    model.inner.register_forward_hook(lambda _layer, _given, output: output * 2)
    with pytest.raises(ValueError, match="Residual does more than its forward pass"):
        lrp(model, images, targets, BOX)


def test_a_hook_that_looks_on_is_not_called_by_the_copy(images: Tensor) -> None:
    model, seen = Residual(), []
    wanted = lrp(model, images, targets, BOX)
    model.inner.register_forward_hook(lambda *_: seen.append(1))
    assert torch.equal(lrp(model, images, targets, BOX), wanted)
    assert len(seen) == 1  # the network itself, asked once for its logits
    assert len(model.inner._forward_hooks) == 1


def test_pictures_outside_the_box_are_refused(images: Tensor) -> None:
    model = Residual()
    for box, text in (
        (Box((-6.0,), (6.0,)), "needs 3 lowest and highest values, got 1 and 1"),
        (Box((-6.0,) * 3, (-6.0,) * 3), "the box is empty"),
        (
            Box((0.0, -9.0, -9.0), (9.0,) * 3),
            "leaves the box in channel 0: -.*, under 0",
        ),
        (Box((-9.0,) * 3, (9.0, 9.0, 0.5)), "in channel 2: .*, over 0.5"),
    ):
        with pytest.raises(ValueError, match=text):
            lrp(model, images, targets, box)
    with pytest.raises(ValueError, match="epsilon and gamma must be 0 or more"):
        lrp(model, images, targets, BOX, gamma=-1.0)
    with pytest.raises(ValueError, match="LRP is of networks, got a function"):
        lrp(lambda x: x, images, targets, BOX)


def test_the_network_is_left_as_found(images: Tensor) -> None:
    model = Shared().double().train()
    state, parts = copy.deepcopy(model.state_dict()), list(model.modules())
    lrp(model, images, targets, BOX)
    with pytest.raises(ValueError, match=r"0\.\.2"):
        lrp(model, images, targets + 2, BOX)
    assert all(torch.equal(a, state[name]) for name, a in model.state_dict().items())
    assert list(model.modules()) == parts
    assert all(part.training for part in parts)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in parts)
