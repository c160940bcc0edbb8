"""Relevance of attention weights, against rules written out number by number."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers.explain import transformer_lrp as lrp
from helpers.explain.transformer import inputs
from helpers.explain.transformer_lrp import attention_relevance, steps_of
from tests.explain.vits import as_timm, timm_vit, torchvision_vit

images = torch.randn(
    2, 3, 16, 16, dtype=torch.double, generator=torch.Generator().manual_seed(1)
)
targets = torch.tensor([2, 0])


def relevance(model: nn.Module, pictures: Tensor, wanted: Tensor) -> list[Tensor]:
    steps = steps_of(model)
    with torch.no_grad(), inputs(steps.first) as tokens:
        logits = model(pictures)
    return attention_relevance(steps, tokens[0], wanted, logits)


def shared(rule: type, given: list[float], *parts: list) -> list[list]:
    """Return what a rule gives each of its inputs of a relevance."""
    tensors = [torch.tensor(one).double().requires_grad_() for one in parts]
    if rule is lrp._Linear:
        output = rule.apply(tensors[0], tensors[1].detach(), None)
        tensors = tensors[:1]
    else:
        output = rule.apply(*tensors)
    found = torch.autograd.grad(output, tensors, torch.tensor(given).double())
    return [one.numpy().round(6).tolist() for one in found]


# rules by hand


def test_a_linear_layer_shares_by_positive_contributions() -> None:
    """x w = 1, 4, -3, and 2, -2, 3: of 1 + 4 and of 2 + 3."""
    weight = [[1.0, -2.0, -1.0], [2.0, 1.0, 1.0]]
    [found] = shared(lrp._Linear, [[10.0, 5.0]], [[1.0, -2.0, 3.0]], weight)
    assert found == [[2 + 2, 8 + 0, 0 + 3]]


def test_a_layer_without_positive_contribution_gives_none() -> None:
    [found] = shared(lrp._Linear, [[1.0]], [[1.0, -1.0]], [[-1.0, 1.0]])
    assert found == [[0, 0]]


def test_a_sum_keeps_the_sum() -> None:
    """u R / (u + v) = 3, 2 and -2, -1: sums 5 and -3 in absolute shares of 2."""
    found = shared(
        lrp._Sum, [[[1.0, 1.0]]], [[[3.0, 1.0]]], [[[-2.0, -0.5]]]
    )  # scaled by 2 / 8, the second turned
    assert found == [[[[0.75, 0.5]]], [[[0.5, 0.25]]]]


def test_a_product_halves() -> None:
    """(1 2) (3 4)' = 11: of 22, 3 / 11 and 8 / 11, half of it to each factor."""
    found = shared(lrp._Product, [[[22.0]]], [[[1.0, 2.0]]], [[[3.0], [4.0]]])
    assert found == [[[[3, 8]]], [[[3], [8]]]]


def test_nothing_is_shared_where_the_output_is_nothing() -> None:
    found = shared(lrp._Sum, [[[1.0, 4.0]]], [[[2.0, 1.0]]], [[[-2.0, 1.0]]])
    assert found == [[[[0, 2.5]]], [[[0, 2.5]]]]


# the slow twin: one picture, rule by rule, in numbers


lost: list[float] = []  # at units without a positive contribution


def per(a: float, b: float) -> float:
    return a / b if b else 0.0


def down_linear(x: np.ndarray, layer_weight: np.ndarray, R: np.ndarray) -> np.ndarray:
    given = np.zeros_like(x)
    for t, k in np.ndindex(R.shape):
        shares = [max(0.0, x[t, j] * w) for j, w in enumerate(layer_weight[k])]
        if not any(shares):
            lost.append(R[t, k])
        for j, share in enumerate(shares):
            given[t, j] += per(share, sum(shares)) * R[t, k]
    return given


def down_sum(u: np.ndarray, v: np.ndarray, R: np.ndarray) -> list[np.ndarray]:
    found = []
    for one in (u, v):
        share = np.zeros_like(u)
        for place in np.ndindex(u.shape):
            share[place] = one[place] * per(R[place], u[place] + v[place])
        found.append(share)
    total = abs(found[0].sum()) + abs(found[1].sum())
    return [f * abs(f.sum()) / total * R.sum() / f.sum() for f in found]


def down_product(u: np.ndarray, v: np.ndarray, R: np.ndarray) -> list[np.ndarray]:
    uv, of_u, of_v = u @ v, np.zeros_like(u), np.zeros_like(v)
    for i, j in np.ndindex(R.shape):
        for k in range(u.shape[1]):
            share = u[i, k] * v[k, j] * per(R[i, j], uv[i, j])
            of_u[i, k] += share
            of_v[k, j] += share
    return [
        f * abs(f.sum()) / (abs(of_u.sum()) + abs(of_v.sum())) * R.sum() / f.sum()
        for f in (of_u, of_v)
    ]


def array(x: Tensor) -> np.ndarray:
    return x.detach().numpy()


def softmax(x: np.ndarray) -> np.ndarray:
    raised = np.exp(x)
    return raised / raised.sum(1, keepdims=True)


def twin(model: nn.Module, tokens: Tensor, target: int) -> list[np.ndarray]:
    """Return R of the attention of timm's ViT for one picture's tokens `[T, C]`."""
    x, notes = array(tokens), []
    lost.clear()
    for block in model.blocks:
        C, heads = x.shape[1], block.attn.num_heads
        d = C // heads
        y = array(block.norm1(torch.tensor(x)))
        qkv = y @ array(block.attn.qkv.weight).T + array(block.attn.qkv.bias)
        cut = [
            [qkv[:, s * C :][:, h * d :][:, :d] for h in range(heads)]
            for s in (0, 1, 2)
        ]
        q, k, v = cut
        A = [softmax(q[h] @ k[h].T / math.sqrt(d)) for h in range(heads)]
        z = np.concatenate([A[h] @ v[h] for h in range(heads)], 1)
        out = z @ array(block.attn.proj.weight).T + array(block.attn.proj.bias)
        middle = x + out
        y2 = array(block.norm2(torch.tensor(middle)))
        inner = y2 @ array(block.mlp.fc1.weight).T + array(block.mlp.fc1.bias)
        bent = array(nn.functional.gelu(torch.tensor(inner)))
        last = bent @ array(block.mlp.fc2.weight).T + array(block.mlp.fc2.bias)
        notes.append((block, x, y, q, k, v, A, z, out, middle, y2, bent, last))
        x = middle + last
    final = array(model.norm(torch.tensor(x)))
    R = np.zeros((1, 4))
    R[0, target] = 1
    first = down_linear(final[:1], array(model.head.weight), R)
    R = np.zeros_like(x)
    R[0] = first
    found = []
    for block, x, y, q, k, v, A, z, out, middle, y2, bent, last in reversed(notes):
        d = q[0].shape[1]
        R_skip, R_mlp = down_sum(middle, last, R)
        R_mlp = down_linear(bent, array(block.mlp.fc2.weight), R_mlp)
        R_mlp = down_linear(y2, array(block.mlp.fc1.weight), R_mlp)
        R_skip, R_out = down_sum(x, out, R_skip + R_mlp)
        R_z = down_linear(z, array(block.attn.proj.weight), R_out)
        R_A, R_qkv = [], [[], [], []]
        for h in range(len(A)):
            of_A, of_v = down_product(A[h], v[h], R_z[:, h * d :][:, :d])
            of_q, of_k = down_product(q[h], k[h].T, of_A)
            R_A.append(of_A)
            for kind, one in enumerate((of_q, of_k.T, of_v)):
                R_qkv[kind].append(one)
        whole = np.concatenate([one for kind in R_qkv for one in kind], 1)
        R = R_skip + down_linear(y, array(block.attn.qkv.weight), whole)
        found.append(np.stack(R_A))
    assert abs(R.sum() + sum(lost) - 1) < 1e-9  # what was put in at the class
    return found[::-1]


def test_slow_twin() -> None:
    model = timm_vit(depth=2)
    with torch.no_grad(), inputs(model.blocks[0]) as tokens:
        model(images)
    found = relevance(model, images, targets)
    for one in range(2):
        wanted = twin(model, tokens[0][one], int(targets[one]))
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a[one], b, rtol=1e-5, atol=1e-7)
            assert abs(b).max() > 1e-3


# networks


def test_one_set_of_weights_in_two_libraries() -> None:
    model = torchvision_vit()
    one, two = (relevance(m, images, targets) for m in (model, as_timm(model)))
    for a, b in zip(one, two, strict=True):
        assert a.shape == (2, 2, 5, 5)
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


def test_a_head_of_two_layers_and_layer_scale() -> None:
    model = torchvision_vit()
    heads = {"pre_logits": nn.Linear(8, 6), "act": nn.Tanh(), "head": nn.Linear(6, 4)}
    model.heads = nn.Sequential(*heads.values()).double()
    for network in (model, timm_vit(init_values=0.5, qk_norm=True)):
        found = relevance(network, images, targets)
        assert all(one.abs().max() > 1e-4 for one in found)


@pytest.mark.parametrize(
    "network",
    [nn.Linear(3, 4), nn.MultiheadAttention(4, 2), nn.Transformer(8, 2, 1, 1, 8)],
)
def test_other_networks_are_refused(network: nn.Module) -> None:
    with pytest.raises(ValueError, match="torchvision's and timm's VisionTr") as caught:
        steps_of(network)
    assert "\n" not in str(caught.value)


def test_networks_that_do_more_are_refused() -> None:
    model = timm_vit()
    model.head.register_forward_hook(lambda *x: x[2] * 2)
    with pytest.raises(ValueError, match="more than its blocks and head say"):
        relevance(model, images, targets)
    model = timm_vit()
    model.blocks[1].mlp.act = nn.GLU()  # halves the width
    model.blocks[1].mlp.fc2 = nn.Linear(8, 8).double()
    with pytest.raises(ValueError, match="relevance has no rule for GLU"):
        relevance(model, images, targets)
    model = timm_vit()
    model.blocks[1].mlp.forward = lambda x: x
    model.blocks[1].mlp.fc2 = nn.Linear(5, 8).double()
    with pytest.raises(ValueError, match="head say: ") as caught:
        relevance(model, images, targets)
    assert "\n" not in str(caught.value)
