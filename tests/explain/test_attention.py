"""Rollout, CGW1 and CGW2: by hand, by slow twins, and what all three keep."""

import copy
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from helpers.explain.attention import (
    Cgw,
    Rollout,
    cgw1,
    cgw2,
    class_row,
    rollout,
    rollout_matrix,
)
from helpers.explain.cam import upsample
from helpers.explain.transformer import attentions, inputs
from helpers.explain.transformer_lrp import attention_relevance, steps_of
from helpers.explain.vit_cx import vit_cx
from tests.explain.vits import as_timm, clip_tower, timm_vit, torchvision_vit

METHODS: dict[str, Callable[..., Tensor]] = {
    "rollout": rollout,
    "cgw1": cgw1,
    "cgw2": cgw2,
    "vit_cx": vit_cx,
}
targets = torch.tensor([0, 3, 1])


@pytest.fixture(params=list(METHODS))
def method(request: pytest.FixtureRequest) -> Callable[..., Tensor]:
    return METHODS[request.param]


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 3, 16, 16, dtype=torch.double, generator=generator)


def close(a: Tensor, b: Tensor, rtol: float = 1e-6) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() <= rtol * b.abs().max())


# by hand: two tokens, the class token and one patch


def test_rollout_of_two_tokens_and_two_blocks() -> None:
    """M = [.6 .4; .3 .7] twice: the first row of M M is [.48 .52]."""
    heads = torch.tensor([[[[0.1, 0.9], [0.5, 0.5]], [[0.3, 0.7], [0.7, 0.3]]]])
    matrix = rollout_matrix(heads, Rollout())
    assert torch.allclose(matrix, torch.tensor([[0.6, 0.4], [0.3, 0.7]]))
    assert torch.allclose(class_row([matrix, matrix]), torch.tensor([[0.48, 0.52]]))


def test_the_last_block_asks_first() -> None:
    first, last = (
        torch.tensor([[[1.0, 2.0], [3, 4]]]),
        torch.tensor([[[5.0, 6], [7, 8]]]),
    )
    assert class_row([first, last]).tolist() == [[5 * 1 + 6 * 3, 5 * 2 + 6 * 4]]


def test_heads_are_fused_and_small_weights_discarded() -> None:
    heads = torch.tensor([[[[0.1, 0.9], [0.4, 0.6]], [[0.3, 0.7], [0.8, 0.2]]]])
    plain = Rollout(residual=0)
    least = rollout_matrix(heads, Rollout("min", residual=0))
    assert torch.allclose(least, torch.tensor([[0.125, 0.875], [2 / 3, 1 / 3]]))
    most = rollout_matrix(heads, Rollout("max", residual=0))
    assert torch.allclose(most, torch.tensor([[0.25, 0.75], [4 / 7, 3 / 7]]))
    # the mean is [.2 .8; .6 .4]; the least, .2, is the class token's own: .4 goes
    few = rollout_matrix(heads, Rollout(discard=0.3, residual=0))
    assert torch.allclose(few, torch.tensor([[0.2, 0.8], [1, 0]]))
    assert torch.allclose(rollout_matrix(heads, plain).sum(-1), torch.ones(1, 2))


class TwoTokens(nn.Module):
    """One block of attention on the class token and one patch; values 1 and 3.

    Queries and keys are zero: A is 1/2 everywhere; the logits are a and -a of the class
    token, 0 + a with a = (1 + 3) / 2.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 2, 2, bias=False)
        self.attention = nn.MultiheadAttention(1, 1, batch_first=True)
        with torch.no_grad():
            self.conv.weight.fill_(1 / 4)
            self.attention.in_proj_weight.copy_(torch.tensor([[0.0], [0.0], [1.0]]))
            self.attention.out_proj.weight.fill_(1.0)
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        patches = self.conv(images).flatten(2).mT  # [B, 1, 1]
        tokens = torch.cat([torch.ones_like(patches), patches], 1)
        mixed = self.attention(tokens, tokens, tokens, need_weights=False)[0][:, 0]
        return torch.cat([mixed, -mixed], 1)


def test_cgw2_of_two_tokens() -> None:
    """dy / dA of the class token's row is the values, 1 and 3, and A is 1/2.

    For the other class both are negative: nothing but I, and nothing at the patch.
    """
    pictures = torch.ones(2, 3, 2, 2).double()  # a patch of 3 quarters of 4 pixels
    maps = cgw2(TwoTokens(), pictures, torch.tensor([0, 1]))
    assert torch.allclose(maps[0], torch.full((2, 2), 1.5).double())
    assert maps[1].eq(0).all()
    halves = cgw2(TwoTokens(), pictures, torch.tensor([0, 1]), Cgw(unit_rows=True))
    assert torch.allclose(halves[0], torch.full((2, 2), 1.5 / (1.5 + 1.5)).double())
    assert torch.allclose(
        rollout(TwoTokens(), pictures, targets[:2] * 0),
        torch.full((2, 2, 2), 0.25).double(),
    )


# slow twins: whole matrices, picture by picture, head by head


def twin_rollout(weights: list[Tensor], heads: str) -> Tensor:
    joint = None
    for block in weights:  # [heads, T, T]
        T = block.shape[-1]
        M = torch.zeros(T, T).double()
        for i in range(T):
            for j in range(T):
                values = [float(block[h, i, j]) for h in range(len(block))]
                mean = sum(values) / len(values)
                M[i, j] = {"mean": mean, "min": min(values), "max": max(values)}[heads]
        M = 0.5 * M + 0.5 * torch.eye(T).double()
        for i in range(T):
            M[i] = M[i] / M[i].sum()
        joint = M if joint is None else M @ joint
    return joint[0, -4:].view(2, 2)


@pytest.mark.parametrize("heads", ["mean", "min", "max"])
def test_slow_twin_of_rollout(images: Tensor, heads: str) -> None:
    model = torchvision_vit()
    found = rollout(model, images, targets, Rollout(heads))
    with torch.no_grad(), attentions(model) as seen:
        model(images)
    coarse = torch.stack(
        [twin_rollout([one[n] for one in seen], heads) for n in range(3)]
    )
    assert close(found, upsample(coarse, (16, 16)), 1e-10)


@pytest.mark.parametrize("unit_rows", [False, True])
@pytest.mark.parametrize("name", ["cgw1", "cgw2"])
def test_slow_twin_of_cgw(images: Tensor, name: str, unit_rows: bool) -> None:
    """The paper's matrices, with slopes by differences of the logit in each weight."""
    model = timm_vit(depth=2)
    found = METHODS[name](model, images[:1], targets[1:2], Cgw(unit_rows))
    steps = steps_of(model)
    with torch.no_grad(), attentions(model) as seen, inputs(steps.first) as tokens:
        logits = model(images[:1])
    weights = [one[0] for one in seen]
    shares = weights
    if name == "cgw1":
        whole = attention_relevance(steps, tokens[0], targets[1:2], logits)
        shares = [one[0] for one in whole]
    joint = torch.eye(5).double()
    for number, weight in enumerate(weights):
        M = torch.eye(5).double()
        for h, i, j in torch.ones(2, 5, 5).nonzero().tolist():
            slope = 0.0
            for sign in (1, -1):
                moved = weight.clone()
                moved[h, i, j] += sign * 1e-5
                slope += sign * logit_with(model, images[:1], number, moved)[3] / 2e-5
            M[i, j] += max(0.0, slope * float(shares[number][h, i, j])) / 2
        if unit_rows:
            M = M / M.sum(1, keepdim=True)
        joint = M @ joint
    coarse = joint[0, 1:].view(1, 2, 2)
    assert close(found, upsample(coarse, (16, 16)), 1e-6)


def logit_with(model: nn.Module, pictures: Tensor, number: int, weight: Tensor) -> list:
    """Return the logits where a block's attention weights are replaced."""
    attention = model.blocks[number].attn
    attention.fused_attn = False
    handle = attention.attn_drop.register_forward_hook(lambda *_: weight[None])
    with torch.no_grad():
        logits = model(pictures)[0].tolist()
    handle.remove()
    attention.fused_attn = True
    return logits


# what the maps must be


@pytest.mark.parametrize("make", [torchvision_vit, timm_vit, clip_tower])
def test_uniform_attention_gives_a_uniform_map(make: Callable, images: Tensor) -> None:
    model = make()
    for part in model.modules():
        weight = getattr(part, "in_proj_weight", None)
        bias = getattr(part, "in_proj_bias", None)
        if hasattr(part, "qkv"):
            weight, bias = part.qkv.weight, part.qkv.bias
        if weight is not None:
            with torch.no_grad():
                weight[: 2 * 8].zero_()  # queries and keys
                if bias is not None:
                    bias[: 2 * 8].zero_()
    maps = rollout(model, images, targets)
    # of (1 - r^3) / 5: what three blocks of 1/2 I + 1/10 move from the class token
    assert torch.allclose(maps, torch.full_like(maps, (1 - 0.5**3) / 5))


def test_rollout_is_the_same_for_all_classes(images: Tensor) -> None:
    model = torchvision_vit()
    assert torch.equal(
        rollout(model, images, targets), rollout(model, images, (targets + 1) % 4)
    )


@pytest.mark.parametrize("name", ["rollout", "cgw1", "cgw2"])
def test_the_order_of_heads_does_not_matter(name: str, images: Tensor) -> None:
    model, other = timm_vit(), timm_vit()
    with torch.no_grad():
        for block in other.blocks:
            qkv, proj = block.attn.qkv, block.attn.proj
            turned = torch.tensor([4, 5, 6, 7, 0, 1, 2, 3])
            rows = torch.cat([turned, turned + 8, turned + 16])
            qkv.weight.copy_(qkv.weight[rows].clone())
            qkv.bias.copy_(qkv.bias[rows].clone())
            proj.weight.copy_(proj.weight[:, turned].clone())
    method = METHODS[name]
    assert close(method(other, images, targets), method(model, images, targets))


def test_two_libraries_with_the_same_weights(method, images: Tensor) -> None:
    model = torchvision_vit()
    found = method(as_timm(model), images, targets)
    assert close(found, method(model, images, targets))


def test_a_net_inside_another(images: Tensor) -> None:
    """A normalisation in front, the class token's tower inside."""
    inside = timm_vit()
    model = nn.Sequential(nn.Identity(), inside)
    for method in (rollout, cgw2, vit_cx):
        assert torch.equal(
            method(model, images, targets), method(inside, images, targets)
        )
    with pytest.raises(ValueError, match="CGW1 knows the steps of"):
        cgw1(model, images, targets)


def test_open_clip(images: Tensor) -> None:
    tower = clip_tower()
    for method in (rollout, cgw2, vit_cx):
        maps = method(tower, images, targets)
        assert maps.shape == (3, 16, 16)
        assert maps.std() > 1e-4


# what every method keeps


def test_form_of_a_picture_that_is_no_square(method) -> None:
    wide = torch.randn(2, 3, 16, 32, generator=torch.Generator().manual_seed(1))
    model = timm_vit((16, 32), reg_tokens=2).float()
    maps = method(model, wide, targets[:2])
    assert maps.shape == (2, 16, 32)
    assert maps.dtype == torch.float
    assert not maps.requires_grad
    assert maps.std() > 1e-4
    assert torch.equal(method(model, wide, targets[:2]), maps)


def test_a_picture_has_the_same_map_in_any_batch_and_chunk(method, images) -> None:
    model = timm_vit()
    together = method(model, images, targets)
    for chunk in (1, 2, 7):
        assert close(method(model, images, targets, chunk=chunk), together)
    for one in range(3):
        alone = method(model, images[one : one + 1], targets[one : one + 1])
        assert close(alone[0], together[one])


def test_single_precision_and_small_integers(method, images) -> None:
    wanted = method(timm_vit(), images, targets)
    found = method(timm_vit().float(), images.float(), targets.to(torch.uint8))
    assert found.dtype == torch.float
    assert close(found.double(), wanted, 2e-3)


def test_the_target_and_the_weights_decide(method, images) -> None:
    """The randomised-weights check of Adebayo et al. 2018; Rollout has no target."""
    model = torchvision_vit()
    wanted = method(model, images, targets)
    if method is not rollout:
        assert not close(method(model, images, (targets + 1) % 4), wanted, 0.05)
    model.initialise(torch.Generator().manual_seed(5))
    with torch.no_grad():
        for part in model.encoder.layers:
            part.self_attention.in_proj_weight.mul_(3)
    assert not close(method(model, images, targets), wanted, 0.05)


@pytest.fixture(params=[torchvision_vit, partial(timm_vit, attn_drop_rate=0.3)])
def mixed(request: pytest.FixtureRequest) -> Iterator[nn.Module]:
    """A model in a mixed state, which is compared when the test is over."""
    model = request.param().train()
    parts = list(model.modules())
    parts[4].eval()
    first, second = list(model.parameters())[:2]
    first.requires_grad_(False)
    second.grad = torch.ones_like(second)
    flags, state = [part.training for part in parts], copy.deepcopy(model.state_dict())
    places, drawn = list(map(id, model.parameters())), torch.get_rng_state()
    names = [sorted(vars(part)) for part in parts]
    yield model
    assert [part.training for part in parts] == flags
    assert [sorted(vars(part)) for part in parts] == names
    assert list(map(id, model.parameters())) == places
    assert [p.requires_grad for p in model.parameters()].count(False) == 1
    assert [p.grad is None for p in model.parameters()].count(False) == 1
    assert second.grad.eq(1).all()
    assert all(torch.equal(a, state[name]) for name, a in model.state_dict().items())
    for part in parts:
        hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks)
        assert not any(hooks)
    assert torch.equal(torch.get_rng_state(), drawn)


def test_state_after_a_map(method, mixed, images) -> None:
    before = images.clone()
    wanted = method(copy.deepcopy(mixed).eval(), images, targets)
    assert torch.equal(method(mixed, images, targets), wanted)
    assert torch.equal(images, before)
    assert not images.requires_grad


def test_state_after_an_exception(method, mixed, images) -> None:
    with pytest.raises(ValueError, match=r"0\.\.3"):
        method(mixed, images, targets + 1)
    images[1, 0, 2, 2] = float("nan")
    with pytest.raises(ValueError, match=r"finite|NaN") as caught:
        method(mixed, images, targets)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_without_gradients_and_all_frozen(method, images, context) -> None:
    model = timm_vit()
    wanted = method(model, images, targets)
    model.requires_grad_(False)
    with context():
        assert torch.equal(method(model, images.clone(), targets.clone()), wanted)
        assert not torch.is_grad_enabled()


def test_wrong_input_is_refused(method, images: Tensor) -> None:
    model = timm_vit()
    cnn = nn.Sequential(nn.Conv2d(3, 4, 16), nn.Flatten()).double()
    for network, wrong, aims, text in (
        (model, images[0], targets, "images must be"),
        (model, images[:0], targets[:0], "images must be"),
        (model, images, targets[:2], r"shape \[3\], got .* shape \[2\]"),
        (model, images, targets.double(), "float64"),
        (model, images[..., :8], targets, "takes no pictures of 16 x 8"),
        (cnn, images, targets, "Sequential has no attention: this is of ViTs"),
        (images.sum, images, targets, "has no attention"),
    ):
        with pytest.raises(ValueError, match=text) as caught:
            method(network, wrong, aims)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        method(model, images, targets, chunk=0)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (Rollout(heads="sum"), "mean, min or max, got 'sum'"),
        (Rollout(discard=1.0), r"discard must lie in \[0, 1\), got 1"),
        (Rollout(residual=-0.1), "residual must lie"),
        (Rollout(residual=float("nan")), "residual must lie"),
    ],
)
def test_options_out_of_range(images: Tensor, options: Rollout, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        rollout(timm_vit(), images, targets, options)
