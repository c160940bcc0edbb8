"""Chapter 11: what changes maps more, LICO or the loss of the head behind it?

Three pairs of models, which differ in one thing: the loss of the head on LICO's
network; the network, LICO's or the baseline's, under heads of one loss; and, as the
measure of changing nothing, the random seed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from helpers.chapters.probing import Arm
from helpers.chapters.probing_bench import Bench, Frozen
from helpers.chapters.probing_cells import cell_maps
from helpers.data.catalog import Pictures
from helpers.explain.cam import upsample
from helpers.measure.aggregate import aggregate
from helpers.measure.consistency import sch
from helpers.methods.heads import Head
from helpers.report.records import packed, unpacked

HEAD, LICO, NOTHING = "head's loss", "LICO", "changing nothing"
PAIRS = (HEAD, LICO, NOTHING)
Explained = tuple[Tensor, Tensor | None]  # maps, and their SCH where masks are known
Models = dict[tuple[str, str], Explained]


def true_maps(frozen: Frozen, head: Head) -> Tensor:
    """Return Grad-CAM of the true class of each test picture, `[N, h, w]`."""
    known = frozen.test
    return cell_maps(head, known.maps, known.targets[:, None])[:, 0]


def on_object(maps: Tensor, pictures: Pictures) -> Tensor | None:
    """Return SCH of coarse maps, `[N]`; None where no masks are known."""
    if pictures.masks is None:
        return None
    wide = upsample(maps, (pictures.images.shape[2], pictures.images.shape[3]))
    return sch(wide, pictures.masks, pictures.ignored)


def unlike(one: Tensor, other: Tensor) -> Tensor:
    """Return 1 - cosine of two maps, `[N]`; 1 where one of them is zero.

    Shapes: `[N, h, w]` each. Range: [0, 1] of maps that are not negative.
    """
    first, second = one.flatten(1).double(), other.flatten(1).double()
    return 1 - torch.cosine_similarity(first, second, dim=1)


def models(benches: Mapping[str, Bench], optimiser: str) -> Models:
    """Return maps and SCH of each network under heads of both losses.

    Keys: (network, loss), of networks "ce" and "lico".
    """
    found: Models = {}
    for name in ("ce", "lico"):
        bench = benches[name]
        for loss in ("ce", "bce"):
            head = bench.head(Arm("linear", loss, optimiser))
            maps = true_maps(bench.frozen, head)
            found[name, loss] = maps, on_object(maps, bench.frozen.data.test)
    return found


def compared(
    benches: Mapping[str, Bench],
    optimiser: str,
    other: tuple[Frozen, Head] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return for each pair how unlike the maps are, and how far SCH moves, a picture.

    `[pair]`: unlike and "SCH moved" (its size, |a - b|), packed a picture, and "SCH
    gained", the mean of a - b. `other`: the baseline of another seed with its softmax
    head; without it, changing nothing is left out.
    """
    known = models(benches, optimiser)
    pairs: dict[str, tuple[Explained, Explained]] = {
        HEAD: (known["lico", "bce"], known["lico", "ce"]),
        LICO: (known["lico", "ce"], known["ce", "ce"]),
    }
    if other is not None:
        maps = true_maps(*other)
        twin = maps, on_object(maps, other[0].data.test)
        pairs[NOTHING] = (twin, known["ce", "ce"])
    return {name: _difference(*pair) for name, pair in pairs.items()}


def _difference(one: Explained, other: Explained) -> dict[str, Any]:
    row: dict[str, Any] = {"unlike": packed(unlike(one[0], other[0]).tolist())}
    if one[1] is not None and other[1] is not None:
        gap = one[1] - other[1]
        row["SCH moved"] = packed([_or_none(v) for v in gap.abs().tolist()])
        row["SCH gained"] = aggregate(gap).mean
    return row


def _or_none(value: float) -> float | None:
    return None if value != value else value


def table(rows: Sequence[Mapping[str, Mapping[str, Any]]]) -> pd.DataFrame:
    """Return a row a pair, means over seeds: unlikeness of maps, movement of SCH."""
    made = []
    for pair in PAIRS:
        mine = [row[pair] for row in rows if pair in row]
        if not mine:
            continue
        moved = [
            aggregate(unpacked(one["SCH moved"])).mean for one in mine if len(one) > 1
        ]
        gained = [one["SCH gained"] for one in mine if "SCH gained" in one]
        made.append(
            {
                "what changes": pair,
                "1 - cosine of maps": np.mean(
                    [aggregate(unpacked(one["unlike"])).mean for one in mine]
                ),
                "SCH moved by": np.mean(moved) if moved else np.nan,
                "SCH gained": np.mean(gained) if gained else np.nan,
                "seeds": len(mine),
            }
        )
    return pd.DataFrame(made)


def unlikenesses(row: Mapping[str, Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Return 1 - cosine of each picture by what changes, `[N]` each."""
    return {
        pair: np.array(unpacked(row[pair]["unlike"])) for pair in PAIRS if pair in row
    }
