import copy

import torch
from torch import nn

from helpers.methods.muon import Muon, orthogonal


def optimizer(model: nn.Module) -> Muon:
    banks = [p for p in model.parameters() if p.ndim == 4]
    rest = [p for p in model.parameters() if p.ndim != 4]
    return Muon([{"params": banks, "orthogonal": True}, {"params": rest}], lr=0.01)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 4, 2))


def steps(model: nn.Module, chosen: torch.optim.Optimizer, first: int) -> None:
    for step in range(first, first + 3):
        x = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(step))
        chosen.zero_grad()
        model(x).square().sum().backward()
        chosen.step()


def test_singular_values_become_nearly_one_and_directions_stay() -> None:
    matrix = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    for given in (matrix, matrix.T):
        left, _, right = torch.linalg.svd(given, full_matrices=False)
        values = (left.T @ orthogonal(given) @ right.T).diagonal()
        assert ((values > 0.6) & (values < 1.3)).all()


def test_what_is_not_orthogonal_takes_adamws_step() -> None:
    one = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    fresh, theirs = network(), network()
    plain = torch.optim.AdamW(theirs.parameters(), lr=0.01)
    chosen = optimizer(fresh)
    for model, used in ((fresh, chosen), (theirs, plain)):
        model(one).square().sum().backward()
        used.step()
    torch.testing.assert_close(fresh[2].weight, theirs[2].weight)
    moved = (fresh[0].weight - network()[0].weight).flatten(1)
    size = 0.2 * 0.01 * 27**0.5
    assert (torch.linalg.svdvals(moved) < 1.4 * size).all()


def test_a_resumed_optimizer_goes_on_with_the_same_bits() -> None:
    model = network()
    chosen = optimizer(model)
    steps(model, chosen, 0)
    other = copy.deepcopy(model)
    resumed = optimizer(other)
    resumed.load_state_dict(copy.deepcopy(chosen.state_dict()))
    steps(model, chosen, 3)
    steps(other, resumed, 3)
    for mine, its in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, its)
