"""Chapter 08: one graph or two, and what the check does not let pass."""

import pytest
import torch
from torch import nn

from helpers.chapters import cost_inference
from helpers.chapters.cost_inference import (
    SUPPORTED,
    inference_checks,
    verdict,
    with_text_head,
)
from helpers.streams import stream
from helpers.vision import SceneResNet, initialise

IMAGES = torch.zeros(2, 3, 32, 32)


def network(seed: int, **sizes: int) -> nn.Module:
    made = SceneResNet(3, **({"width": 4} | sizes))
    initialise(made, stream(seed))
    return made


def judged(other: nn.Module) -> str:
    found: str = verdict(inference_checks(network(0), other, IMAGES))["verdict"][0]
    return found


def test_two_trainings_of_a_network_are_one_graph() -> None:
    assert judged(network(1)) == SUPPORTED


@pytest.mark.parametrize("used", [True, False])
def test_what_a_text_side_leaves_behind_is_seen(used: bool) -> None:
    made = with_text_head(network(1), used)
    found = judged(made)
    assert found.startswith("contradicted: tensors of another name")
    assert ("FLOPs" in found) is used


def test_another_operation_of_the_same_weights_is_seen() -> None:
    made = network(1)
    made.stem[2] = nn.Softplus()  # type: ignore[index,operator]
    assert judged(made) == "contradicted: operations of the graph that differ"


def test_another_width_is_seen() -> None:
    assert judged(network(1, width=8)).startswith("contradicted")


def test_a_network_and_itself_are_no_comparison() -> None:
    assert judged(network(0)).startswith("undecided")


def test_operations_by_hand() -> None:
    layer = nn.Linear(3, 5)
    assert cost_inference.operations(layer, torch.zeros(2, 3)) == 2 * 2 * 3 * 5
