"""Chapter 11's mechanism: a head shifted along the vector that softmax does not see."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from helpers.chapters.probing_bench import Bench
from helpers.chapters.probing_cells import cell_maps
from helpers.explain.cam import upsample
from helpers.losses.probing import loss
from helpers.measure.grid_pointing import grid_pictures
from helpers.methods.heads import Head
from helpers.methods.mean_weight import centred, common_direction, shifted
from helpers.methods.probing import Cached, pooled, predicted

DELTAS = (-1.5, -1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5)


@dataclass(frozen=True, eq=False)
class Shown:
    """One grid, and the maps of one of its classes at each delta.

    Shapes: picture `[3, n H, n W]` uint8, maps `[D, n H, n W]`; `place` is the cell
    that is asked for, row by row, of `side` a row.
    """

    picture: Tensor
    maps: Tensor
    place: int
    side: int
    name: str


def sweep(
    bench: Bench, head: Head, vector: Tensor, deltas: Sequence[float] = DELTAS
) -> pd.DataFrame:
    """Return a row a delta: what a head says and shows with w_c + delta v.

    Columns: delta, GridPG (its mean over the grids), accuracy, CE and BCE on the test
    pictures in nats, and the largest change of any softmax probability.
    """
    known: Cached = bench.frozen.test
    small = pooled(known) if head.is_linear else known
    start = predicted(head, small).softmax(1)
    rows = []
    for delta in deltas:
        moved = shifted(head, vector, delta)
        logits = predicted(moved, small)
        rows.append(
            {
                "delta": delta,
                "GridPG": float(bench.gridpg(moved).mean()),
                "accuracy": float((logits.argmax(1) == known.targets).double().mean()),
                "CE": float(loss("ce")(logits, known.targets)),
                "BCE": float(loss("bce")(logits, known.targets)),
                "probability moved": float((logits.softmax(1) - start).abs().max()),
            }
        )
    return pd.DataFrame(rows)


def direction(bench: Bench, head: Head) -> Tensor:
    """Return the mean cell of the training pictures, as long as a weight, `[C]`."""
    return common_direction(head, bench.frozen.train.maps)


def one_grid(
    bench: Bench,
    head: Head,
    vector: Tensor,
    deltas: Sequence[float] = DELTAS,
    grid: int = 0,
    place: int = 0,
) -> Shown:
    """Return a grid of the list, and the maps of one of its classes over delta."""
    data = bench.frozen.data.test
    rows = bench.grids.rows[grid : grid + 1]
    wanted = data.labels[rows[:, place : place + 1]]  # [1, 1]
    wide = bench.grids.side * bench.size
    coarse = [
        cell_maps(shifted(head, vector, delta), bench.cells[grid : grid + 1], wanted)
        for delta in deltas
    ]
    return Shown(
        grid_pictures(data.images[rows[0]].float(), torch.arange(rows.shape[1])[None])[
            0
        ].to(torch.uint8),
        upsample(torch.cat(coarse)[:, 0], (wide, wide)),
        place,
        bench.grids.side,
        data.class_names[int(wanted)],
    )


def exactness(bench: Bench, head: Head) -> pd.DataFrame:
    """Return what centring and a shift by random weights change, in double precision.

    Largest changes over the test pictures: of a probability under softmax, of a logit,
    of a coarse map in the largest value of all maps.
    """
    exact = _double(head)
    cells = bench.cells[:20].double()
    wanted = bench.frozen.data.test.labels[bench.grids.rows[:20]]
    small = Cached(
        bench.frozen.test.maps.double().mean((2, 3), True),
        wanted.new_zeros(len(bench.frozen.test)),
    )
    before, maps = predicted(exact, small), cell_maps(exact, cells, wanted)
    vector = torch.randn(
        head.last.weight.shape[1], generator=torch.Generator().manual_seed(0)
    ).double()
    rows = []
    for name, other in (
        ("mean weight taken away", centred(exact)),
        ("a random vector added", shifted(exact, vector)),
    ):
        after = predicted(other, small)
        moved = cell_maps(other, cells, wanted)
        rows.append(
            {
                "change": name,
                "probability": float(
                    (after.softmax(1) - before.softmax(1)).abs().max()
                ),
                "logit": float((after - before).abs().max()),
                "map": float((moved - maps).abs().max() / maps.max()),
            }
        )
    return pd.DataFrame(rows)


def in_powers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its numbers as text, in powers of ten."""
    return frame.map(lambda v: f"{v:.1e}" if isinstance(v, float) else v)


def _double(head: Head) -> Head:
    found = Head(head.shape, head.last.weight.shape[1], len(head.last.weight))
    found.load_state_dict(head.state_dict())
    return found.double().eval().requires_grad_(False)
