"""The explainer: both counts, its normalisations, masks at the cells."""

import pytest
import torch
from torch import Tensor, nn

from helpers.methods import explainer as explaining
from helpers.settings import Refused


@pytest.mark.parametrize(
    ("filters", "code", "document"),
    [(512, 418_604, 418_180), (2048, 4_819_244, 4_815_748), (9216, 87_745_836, None)],
)
def test_text_and_formula_are_two_networks(
    filters: int, code: int, document: int | None
) -> None:
    """512 and 2,048 filters of ResNet-18 and -50; AlexNet's 256 maps of 6 x 6."""
    found = explaining.parameter_counts(filters)
    assert found.built == found.code == code
    assert found.output == found.document
    assert document is None or found.document == document
    assert found.code - found.document == 2 * filters - 600


def test_counts_hold_for_other_widths() -> None:
    found = explaining.parameter_counts(128, 50)
    assert found.built == found.code == 128**2 + 55 * 128 + 50
    assert found.output == found.document == 128**2 + 53 * 128 + 150


@pytest.fixture
def made() -> tuple[explaining.Explainer, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return explaining.Explainer(6, 4, dropout=0), 3 + 2 * torch.randn(50, 6)


def test_it_is_two_layers_each_behind_a_normalisation(
    made: tuple[explaining.Explainer, Tensor],
) -> None:
    explainer, rows = made
    kinds = [type(layer).__name__ for layer in explainer.layers]
    assert " ".join(kinds) == (
        "BatchNorm1d Dropout Linear ReLU BatchNorm1d Dropout Linear"
    )
    kinds = [type(x).__name__ for x in explaining.Explainer(6, 4, 0.1, "output").layers]
    assert " ".join(kinds) == (
        "BatchNorm1d Dropout Linear ReLU Dropout Linear BatchNorm1d"
    )

    def normal(x: Tensor) -> Tensor:
        return (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()

    first, last = explainer.layers[2], explainer.layers[6]
    hidden = (normal(rows) @ first.weight.T + first.bias).relu()
    wanted = normal(hidden) @ last.weight.T + last.bias
    assert torch.allclose(explainer(rows), wanted, atol=1e-5)


def test_frozen_norms_normalise_nothing(
    made: tuple[explaining.Explainer, Tensor],
) -> None:
    explainer, rows = made
    frozen = explaining.Explainer(6, 4, dropout=0, frozen_norms=True).train()
    frozen.load_state_dict(explainer.state_dict())
    norms = [x for x in frozen.layers if isinstance(x, nn.BatchNorm1d)]
    found = frozen(rows)
    assert all((norm.running_mean == 0).all() for norm in norms)
    assert torch.equal(found, frozen.eval()(rows))
    assert not torch.allclose(found, explainer.train()(rows), atol=0.1)
    assert frozen.train().layers[2].training


def test_another_width_is_refused(made: tuple[explaining.Explainer, Tensor]) -> None:
    with pytest.raises(Refused, match="reads 6 numbers a row, got 5"):
        made[0](torch.zeros(2, 5))


def test_masks_take_the_middle_of_each_cell() -> None:
    masks = torch.zeros(3, 8, 8, dtype=torch.bool)
    masks[0, :4, :4] = True
    masks[1, 7, 7] = True  # in no cell's middle
    masks[2, 6, 2] = True  # in one
    cells = explaining.to_cells(masks, (2, 2))
    assert cells[0].tolist() == [[True, False], [False, False]]
    assert not cells[1].any()
    assert cells[2].tolist() == [[False, False], [True, False]]
    with pytest.raises(Refused, match=r"masks must be bool \[J, H, W\]"):
        explaining.to_cells(masks.float(), (2, 2))


def test_empty_masks_follow_their_rule() -> None:
    maps = torch.rand(3, 2, 2, 2)
    masks = torch.tensor([[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]]).bool()
    masks = masks.view(3, 2, 2)
    shown = explaining.masked_features
    for rule in ("whole", "nothing", "batch"):
        found = shown(maps, masks, rule)
        assert torch.equal(found[0], maps[0] * masks[0])
        assert torch.equal(found[2], maps[2])
        wanted = maps[1] if rule == "whole" else 0 * maps[1]
        assert torch.equal(found[1], wanted)
        alone = shown(maps[1:2], masks[1:2], rule)[0]
        assert torch.equal(alone, 0 * maps[1] if rule == "nothing" else maps[1])
    scaled = shown(maps, masks, "whole", 1 / 255)
    assert torch.allclose(scaled[0] * 255, maps[0] * masks[0])
    assert torch.equal(scaled[1], maps[1])
    with pytest.raises(Refused, match="whole, nothing or batch"):
        shown(maps, masks, "drop")
    with pytest.raises(Refused, match="masks must be bool"):
        shown(maps, masks[:2])
