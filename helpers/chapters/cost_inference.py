"""Chapter 08: does a network trained with LICO predict at its baseline's price?

Everything but the network is thrown away after training, so that this is an identity of
two graphs: it is checked, not timed.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, cast

import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

SUPPORTED, CONTRADICTED = "supported: identical graph", "contradicted"
Check = tuple[str, str, float, bool]


def graph(network: nn.Module, images: torch.Tensor) -> list[tuple[str, ...]]:
    """Return a network's graph in evaluation mode, an operation a row, weights apart.

    Each is its kind, name, target, arguments and the shape of what it returns, as
    torch.export traces them for pictures `[B, 3, H, W]`.
    """
    traced = torch.export.export(network.eval(), (images,), strict=False)
    return [
        (
            node.op,
            node.name,
            str(node.target),
            str(node.args),
            str(node.kwargs),
            str(getattr(node.meta.get("val"), "shape", "")),
        )
        for node in traced.graph.nodes
        if node.op != "placeholder"  # weights, and the pictures
    ]


@torch.no_grad()
def operations(network: nn.Module, images: torch.Tensor) -> int:
    """Return the FLOPs of one prediction of pictures `[B, 3, H, W]`."""
    with FlopCounterMode(display=False) as counted:
        network.eval()(images)
    return int(counted.get_total_flops())


def inference_checks(
    plain: nn.Module, lico: nn.Module, images: torch.Tensor
) -> list[Check]:
    """Return whether two networks predict by the same graph, at the same cost.

    The last row guards the rest: two networks of equal weights would be one.
    """
    one, two = plain.state_dict(), lico.state_dict()
    shapes = [{name: tuple(w.shape) for name, w in kept.items()} for kept in (one, two)]
    unlike = sum(shapes[0].get(name) != shapes[1].get(name) for name in {*one, *two})
    numbers = sum(w.numel() for w in two.values()) - sum(
        w.numel() for w in one.values()
    )
    graphs = graph(plain, images), graph(lico, images)
    apart = abs(len(graphs[0]) - len(graphs[1])) + sum(
        a != b for a, b in zip(*graphs, strict=False)
    )
    more = operations(lico, images) - operations(plain, images)
    own = sum(
        not torch.equal(w, two[name])
        for name, w in one.items()
        if shapes[0][name] == shapes[1].get(name)
    )
    return [
        ("tensors of another name or shape", "exactly 0", float(unlike), unlike == 0),
        ("numbers more than the baseline", "exactly 0", float(numbers), numbers == 0),
        ("operations of the graph that differ", "exactly 0", float(apart), apart == 0),
        ("FLOPs more than the baseline", "exactly 0", float(more), more == 0),
        ("tensors of other values", "at least 1", float(own), own > 0),
    ]


def verdict(checks: Sequence[Check]) -> pd.DataFrame:
    """Return the verdict on "no computational overhead during inference", in a row.

    An identity, not a statistical claim: it needs no seed and no margin. Contradicted
    by any check that fails, undecided if a network was compared with itself.
    """
    *same, (guard, *_, two) = checks
    failed = [what for what, _, _, holds in same if not holds]
    found = SUPPORTED
    if failed:
        found = f"{CONTRADICTED}: {'; '.join(failed)}"
    elif not two:
        found = f"undecided: no {guard}"
    return pd.DataFrame(
        {"claim": ["no computational overhead during inference"], "verdict": [found]}
    )


def with_text_head(network: nn.Module, used: bool) -> nn.Module:
    """Return a copy of a network that carries a second head, used in its logits or not.

    What a text side left behind would look like to `inference_checks`.
    """
    made: Any = deepcopy(network)
    made.text_head = deepcopy(made.head)
    if used:
        made.register_forward_hook(
            lambda own, given, logits: (
                logits + own.text_head(own.features(given[0]).mean((2, 3)))
            )
        )
    return cast(nn.Module, made)
