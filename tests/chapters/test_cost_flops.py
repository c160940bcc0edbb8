"""Chapter 08: operations from the modules, against counts by hand."""

import pytest

from helpers.chapters import cost_flops

WIDTH, LAYERS = 512, 12
WEIGHTS = 12 * WIDTH**2 * LAYERS  # 4 of attention, 8 of the two wide layers


@pytest.mark.parametrize(("rows", "length"), [(1, 1), (3, 77), (1, 232)])
def test_a_token_is_two_operations_a_weight_and_its_attention(
    rows: int, length: int
) -> None:
    attention = 2 * 2 * WIDTH * length * LAYERS  # scores and their sums
    by_hand = rows * length * (2 * WEIGHTS + attention)
    assert cost_flops.block_weights() == WEIGHTS
    assert cost_flops.text_flops(rows, length) == by_hand


def test_gradients_to_weights_cost_more_than_to_inputs() -> None:
    forward, context, weights = (
        cost_flops.text_flops(1, 77, way) for way in ("", "context", "weights")
    )
    linear = 2 * WEIGHTS * 77
    assert weights - context == linear
    assert context >= 2 * forward


def test_resnets_are_of_their_known_size() -> None:
    """1.81 and 4.09 billion multiplications (He et al. 2016: 1.8 and 3.8 by design)."""
    assert cost_flops.picture_flops("resnet18") == pytest.approx(2 * 1.814e9, rel=2e-3)
    assert cost_flops.picture_flops("resnet50") == pytest.approx(2 * 4.09e9, rel=2e-3)
    assert cost_flops.prices()["forward"].iloc[2] == pytest.approx(3.63, abs=0.01)


def test_the_prediction_is_one_and_the_text() -> None:
    row = cost_flops.predicted().iloc[0]
    text = cost_flops.text_flops(1, 77, "weights")
    picture = cost_flops.picture_flops("resnet18", True)
    assert row["predicted"] == pytest.approx(1 + text / picture)
    trie = cost_flops.text_flops(1, 232, "context")
    assert row["with the trie"] == pytest.approx(1 + trie / (64 * picture))
    assert row["ratio"] == pytest.approx(98 / 23)


def test_tensors_of_differences_by_hand() -> None:
    large = cost_flops.difference_tensors(128).iloc[1]
    assert large["MM, differences"] == pytest.approx(2 * 128**2 * 2048 * 49 / 1e6)
    assert large["OT, product"] == pytest.approx(2 * 128 * 2048 * 16 / 1e6)
