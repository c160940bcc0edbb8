"""Chapter 08: the operations of a step, by counting: what a token and a picture cost.

Operations are FLOPs: a multiplication and its addition are two. They are counted on
tensors without content, from the modules themselves.
"""

from collections.abc import Callable
from functools import cache

import pandas as pd
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from helpers.chapters.class_names import CIFAR100
from helpers.chapters.cost import printed_prices
from helpers.chapters.cost_tokens import (
    CONTEXTS,
    DATA,
    FORMS,
    LAYERS,
    LENGTH,
    WIDTH,
    blank_tower,
)
from helpers.language import text_tower
from helpers.vision import backbone

SIDE = 224  # pixels of the published networks' pictures
GIGA, MEGA = 1e9, 1e6


@cache
def text_flops(rows: int, length: int, backward: str = "") -> float:
    """Return the FLOPs of ViT-B/32's text blocks on `[rows, length, W]`, all positions.

    `backward`: "" none, "context" to the inputs alone, "weights" to the weights too.
    Counted on tensors without content.
    """
    with torch.device("meta"):
        blocks = blank_tower(LAYERS).transformer
        mask = torch.empty(length, length)
        given = torch.empty(rows, length, WIDTH, requires_grad=True)
    blocks.requires_grad_(backward == "weights")
    return _counted(lambda: blocks(given, attn_mask=mask), bool(backward))


@cache
def picture_flops(name: str, backward: bool = False) -> float:
    """Return the FLOPs of a backbone for one picture of 224 pixels."""
    with torch.device("meta"):
        network = backbone(name, len(CIFAR100))
        picture = torch.empty(1, 3, SIDE, SIDE)
    return _counted(lambda: network(picture), backward)


def _counted(forward: Callable[[], Tensor], backward: bool) -> float:
    with FlopCounterMode(display=False) as counter:
        made = forward()
        if backward:
            made.sum().backward()
    return float(counter.get_total_flops())


def block_weights() -> int:
    """Return the numbers in the weights of all blocks of ViT-B/32's text tower."""
    with torch.device("meta"):
        blocks = blank_tower(LAYERS).transformer
    return sum(int(w.numel()) for w in blocks.parameters() if w.ndim == 2)


def prices() -> pd.DataFrame:
    """Return what goes into a step: a row a thing, GFLOP forward and with backward."""
    rows = [
        {
            "what": "a token, ViT-B/32, alone",
            "forward": text_flops(1, 1),
            "and backward": text_flops(1, 1, "weights"),
        },
        {
            "what": f"a prompt, padded to {LENGTH}",
            "forward": text_flops(1, LENGTH),
            "and backward": text_flops(1, LENGTH, "weights"),
        },
        *(
            {
                "what": f"a picture, {words}, {SIDE} px",
                "forward": picture_flops(name),
                "and backward": picture_flops(name, True),
            }
            for name, words in (("resnet18", "ResNet-18"), ("resnet50", "ResNet-50"))
        ),
    ]
    frame = pd.DataFrame(rows)
    for column in ("forward", "and backward"):
        frame[column] /= GIGA
    return frame


def predicted() -> pd.DataFrame:
    """Return what counting alone makes of Table 1: a row a column of it.

    "text by picture" is a padded prompt a picture, with gradients to the weights of
    the tower, in units of the network's own FLOPs; "predicted" is 1 more, "ratio" what
    was measured. "with the trie" has the prompts of all classes once, beginnings
    shared, and gradients to the context alone.
    """
    rows = []
    for row in printed_prices().to_dict("records"):
        net = str(row["network"]).lower().replace("-", "")
        picture, batch = picture_flops(net, True), int(row["batch"])
        share = text_flops(1, LENGTH, "weights") / picture
        made = FORMS[0].prompts(DATA[str(row["data"])])
        nodes = text_tower.tokens_per_step(made)["trie"]
        rows.append(
            {
                "data": row["data"],
                "network": row["network"],
                "batch": batch,
                "text by picture": share,
                "predicted": 1 + share,
                "ratio": row["ratio"],
                "with the trie": 1
                + text_flops(1, nodes, "context") / (batch * picture),
            }
        )
    return pd.DataFrame(rows)


def difference_tensors(batch: int) -> pd.DataFrame:
    """Return the sizes of the tensors of differences that losses can be written with.

    MM: all pairs of pictures, `[B, B, C d']`, where a Gram matrix needs `[B, B]`; OT:
    `[B, C, M, d']`, where a product needs `[B, C, M]`. In MB, at 16 bits a number; one
    copy, autograd may keep several. M = n + 4, as the study reads its prompts.
    """
    cells, read = (SIDE // 32) ** 2, CONTEXTS + 4
    rows = []
    for network, channels in (("ResNet-18", 512), ("ResNet-50", 2048)):
        sizes = {
            "MM, differences": batch * batch * channels * cells,
            "MM, Gram matrix": batch * batch,
            "OT, differences": batch * channels * read * cells,
            "OT, product": batch * channels * read,
        }
        rows.append(
            {
                "network": network,
                "batch": batch,
                **{name: 2 * size / MEGA for name, size in sizes.items()},
            }
        )
    return pd.DataFrame(rows)
