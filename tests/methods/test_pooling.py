"""Pooling of places: by hand, by loops, with gradients."""

import pytest
import torch
from torch import Tensor

from helpers.methods.pooling import masked_max, pool, weighted_mean
from helpers.settings import Refused


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.double)


tokens = torch.tensor([[[-1.0, 4.0], [-2.0, 1.0], [3.0, 9.0]]])
kept = torch.tensor([[True, True, False]])


def test_zeros_win_over_what_is_negative() -> None:
    assert masked_max(tokens, kept).tolist() == [[-1, 4]]
    assert masked_max(tokens, kept, "zero").tolist() == [[0, 4]]
    whole = torch.ones_like(kept)
    assert masked_max(tokens, whole, "zero").tolist() == [[3, 9]]


@pytest.mark.parametrize("fill", ["-inf", "zero"])
def test_masked_max_is_its_slow_twin_with_its_gradient(fill) -> None:
    x, mask = draw(3, 5, 4).requires_grad_(), draw(3, 5, seed=1) > -0.3
    y = x.detach().clone().requires_grad_()
    found = masked_max(x, mask, fill)
    rows = []
    for b in range(3):
        for c in range(4):
            values = [y[b, i, c] for i in range(5) if mask[b, i]]
            if fill == "zero" and not mask[b].all():
                values.append(torch.zeros(()).double())
            rows.append(max(values))
    wanted = torch.stack(rows).view(3, 4)
    torch.testing.assert_close(found, wanted)
    seen = draw(3, 4, seed=2)
    (found * seen).sum().backward()
    (wanted * seen).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    assert not x.grad[~mask].any()
    assert torch.autograd.gradcheck(lambda z: masked_max(z, mask, fill), x)


def test_each_pooling() -> None:
    whole = torch.tensor([[7.0, 8.0]])
    weights = torch.tensor([[1.0, 2.0, 1.0]])
    wanted = {
        "masked max": [[-1, 4]],
        "max": [[3, 9]],
        "mean": [[0, 14 / 3]],
        "attention": [[-0.5, 3.75]],
        "class token": [[7, 8]],
    }
    for name, values in wanted.items():
        found = pool(name, tokens, whole, kept, weights)
        torch.testing.assert_close(found, torch.tensor(values).float())
    assert torch.equal(
        weighted_mean(tokens, weights), weighted_mean(tokens, 9 * weights)
    )


def test_what_is_refused() -> None:
    whole = tokens[:, 0]
    for call, text in (
        (lambda: masked_max(tokens, kept.float()), "kept must be bool"),
        (lambda: masked_max(tokens, kept & False), "a place or more"),
        (lambda: masked_max(tokens, kept[:, :2]), r"beside \[B, N\]"),
        (lambda: masked_max(tokens, kept, "mean"), "fill must be"),
        (lambda: weighted_mean(tokens, -kept.float()), "weights must be"),
        (lambda: weighted_mean(tokens, 0 * kept.float()), "weights must be"),
        (lambda: pool("masked max", tokens, whole, None, None), "needs kept"),
        (lambda: pool("attention", tokens, whole, kept, None), "needs weights"),
        (lambda: pool("min", tokens, whole, kept, None), "unknown pooling 'min'"),
    ):
        with pytest.raises(Refused, match=text) as caught:
            call()
        assert "\n" not in str(caught.value)
