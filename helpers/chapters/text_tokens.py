"""Chapter 01, token by token: what each feature carries, and the chapter's checks.

K classes, M = n + 1 text tokens, E text features, as in `text_features`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from helpers.chapters import class_names
from helpers.chapters.class_names import Naming
from helpers.chapters.text_features import CLIP_LENGTH, Batch, transported
from helpers.data.scenes import CLASS_NAMES, family_distance
from helpers.language import prompts, text_tower
from helpers.losses import transport
from helpers.measure.language import mantel, text_distances
from helpers.methods.text_side import TextSide
from helpers.report import tables

Check = tuple[str, str, float, bool]
WRONG = {  # texts at the wrong label, as the literature and the codes have them
    "CIFAR-10, authors' list": 1,
    "CIFAR-10, names": 7,
    "Imagenette, names": 7,
    "CIFAR-100, names": 15,
    "CIFAR-100, folders": 88,
}


@torch.no_grad()
def token_spread(sides: Mapping[str, TextSide]) -> pd.DataFrame:
    """Return a row a position: how far each token's feature differs between classes.

    The largest difference of any two classes in any feature; columns X_1 .. X_n, class.
    """
    rows = {}
    for name, side in sides.items():
        tokens = side().tokens[0]  # [K, M, E]
        apart = (tokens.amax(0) - tokens.amin(0)).amax(1)
        columns = [f"$X_{{{j}}}$" for j in range(1, len(apart))] + ["class"]
        rows[name] = dict(zip(columns, apart.tolist(), strict=True))
    return pd.DataFrame(rows).T


@torch.no_grad()
def carriers(sides: Mapping[str, TextSide]) -> pd.DataFrame:
    """Return a row a position: which part of G can tell classes apart.

    "tokens that differ" of M; "transport mass" that these tokens get, nu = 1/M each;
    "length in common": the share of ||G_k||^2 in tokens that are equal in all classes.
    """
    rows = []
    for name, side in sides.items():
        texts = side()
        assert texts.projected is not None
        differ = (texts.tokens[0] != texts.tokens[0, :1]).any(2).any(0)  # [M]
        squares = texts.projected.double().square().sum(2)  # [K, M]
        common = squares[:, ~differ].sum(1) / squares.sum(1)
        rows.append(
            {
                "name at": name,
                "tokens": len(differ),
                "tokens that differ": int(differ.sum()),
                "transport mass": float(differ.double().mean()),
                "length in common": float(common.mean()),
            }
        )
    return pd.DataFrame(rows)


@torch.no_grad()
def family_table(sides: Mapping[str, TextSide]) -> pd.DataFrame:
    """Return a row a text side: does a feature's distance follow the planted families?

    Spearman's rho over pairs of classes, and p of a permutation test, for the sentence
    feature, the class token and a context token; none where all classes are alike.
    """
    rows = []
    for name, side in sides.items():
        texts = side()
        features = {
            "pooled": texts.pooled[0],
            "class token": texts.tokens[0, :, -1],
            "context token": texts.tokens[0, :, 0],
        }
        for feature, values in features.items():
            row: dict[str, Any] = {"text side": name, "feature": feature}
            apart = (values != values[0]).any() and side.prompts.names == CLASS_NAMES
            if apart:
                distances = text_distances(values.cpu())
                row["rho"], row["p"] = mantel(distances, family_distance())
            rows.append({"rho": float("nan"), "p": float("nan")} | row)
    return pd.DataFrame(rows)[["text side", "feature", "rho", "p"]]


def copies_table(sides: Mapping[str, TextSide], batch: Batch) -> pd.DataFrame:
    """Return a row a way of rolling: how far copies differ, and what the plan does.

    The last row is the first in training mode: dropout in h_psi tells copies apart.
    """
    rows = []
    first = next(iter(sides))
    for name, side in {**sides, f"{first}, dropout on": sides[first]}.items():
        side.h_psi.train("dropout" in name)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            found = transported(side, batch)
            pooled = side().pooled
        side.h_psi.eval()
        assert side.context is not None
        entropy = transport.plan_entropy(found.plan)
        gain = transport.gain(found.plan, found.cost)
        rows.append(
            {
                "copies": name,
                "contexts differ": _apart(side.context),
                "features differ": _apart(pooled),
                "OT texts differ": _apart(found.tokens.transpose(0, 1)),
                "plan entropy": float(entropy.mean()),
                "plan gain": float(gain.mean()),
            }
        )
    return pd.DataFrame(rows)


def _apart(copies: Tensor) -> float:
    """Return the largest difference of any two copies, the first axis."""
    return float((copies.amax(0) - copies.amin(0)).max().detach())


def tokens_table(
    clip: nn.Module, sides: Mapping[str, TextSide], names: Sequence[str]
) -> pd.DataFrame:
    """Return a row a data set, preset and way: tokens that the tower runs in a step."""
    data = {
        f"this data, L = {text_tower.length(clip)}": (names, text_tower.length(clip)),
        f"CIFAR-10, L = {CLIP_LENGTH}": (class_names.CIFAR10, CLIP_LENGTH),
        f"CIFAR-100, L = {CLIP_LENGTH}": (class_names.CIFAR100, CLIP_LENGTH),
    }
    rows = []
    for where, (classes, length) in data.items():
        for name, side in sides.items():
            method = side.method
            made = prompts.build_prompts(
                classes, method.n_ctx, method.position, method.full_stop, length
            )
            if method.text_tokens == "every position":
                made = prompts.every_position(made)
            copies = method.n_ctx if method.contexts == "rolled" else 1
            own = method.contexts == "class"
            for way, count in text_tower.tokens_per_step(made, copies, own).items():
                rows.append(
                    {"data set": where, "preset": name, "way": way, "tokens": count}
                )
    return pd.DataFrame(rows)


def verdicts(
    silent: torch.Size,
    shuffled: pd.DataFrame,
    moved: pd.Series,
    carried: pd.DataFrame,
    spread: pd.DataFrame,
    copies: pd.DataFrame,
    parted: pd.DataFrame,
    names: Mapping[str, Naming],
) -> pd.DataFrame:
    """Return the chapter's statements, and whether they hold in what it computed.

    `silent` is the shape of a broadcast difference, summed over cells: `[B, C, B]`;
    the others are the results of `shuffled_labels`, `moved_by_batch`, `carriers`,
    `token_spread`, `copies_table`, `text_presets.copy_gradients` and
    `class_names.namings`.
    """
    rows: list[Check] = []

    def row(what: str, low: float | None, high: float | None, value: float) -> None:
        need = [f"at least {low:g}" for low in (low,) if low is not None]
        need += [f"at most {high:g}" for high in (high,) if high is not None]
        if low == high:
            need = [f"exactly {low:g}"]
        holds = (low is None or value >= low) and (high is None or value <= high)
        rows.append((what, " and ".join(need), float(value), bool(holds)))

    # Columns as dictionaries by text side, position or way of rolling.
    shuffle = shuffled.set_index("text side").to_dict()
    differ = carried.set_index("name at")["tokens that differ"].to_dict()
    rolled = copies.set_index("copies").to_dict()
    pictures, tokens = silent[0], float(carried["tokens"].iloc[0])
    context = float(spread.drop(columns="class").loc["end"].to_numpy().max())

    row("broadcast: texts that a picture meets", pictures, pictures, silent[2])
    largest, change = shuffle["largest"], shuffle["a picture"]
    row("lico_fact: labels shuffled", None, 1e-6, largest["lico_fact"])
    row("authors_jan: labels shuffled", 0, 0, largest["authors_jan"])
    row("paper, trained: labels shuffled", 1e-3, None, change["paper, trained"])
    row("lico_fact: batch of another size", 1e-3, None, moved["lico_fact"])
    row("paper, trained: the same", None, 1e-6, moved["paper, trained"])
    row("name at the end: context tokens differ by", 0, 0, context)
    row("name at the end: tokens that differ", 1, 1, differ["end"])
    row("name in front: tokens that differ", tokens, tokens, differ["front"])
    row("rolled: copies differ by", 0, 0, rolled["contexts differ"]["rolled"])
    row("rolled: plan entropy", 1 - 1e-4, None, rolled["plan entropy"]["rolled"])
    row("rolled: plan gain", None, 1e-4, rolled["plan gain"]["rolled"])
    steps = parted[parted["contexts"] == "rolled"].set_index("preset")
    for name, split in steps["others part by"].items():
        row(f"{name}: a step parts the other copies by", 0, 0, split)
    apart = rolled["contexts differ"]["rolled apart"]
    row("rolled apart: copies differ by", 1e-6, None, apart)
    for name, count in WRONG.items():
        row(f"{name}: wrong texts", count, count, len(names[name].wrong()))
    table = tables.of_checks(rows)
    return table.assign(measured=table["measured"].map("{:.3g}".format))


def exponents(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the table with these columns written as 1.2e-08."""
    written = {name: frame[name].map("{:.1e}".format) for name in columns}
    return frame.assign(**written)
