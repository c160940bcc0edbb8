"""Tables of chapter 12, of its summary: attention, maps, recognition."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from helpers.chapters.eclip_claims import NO_SCORES, Summary, has_scores, scores
from helpers.chapters.eclip_maps import FLOORS, OTHER_OPTIONS, RIVALS, maps_by, scored
from helpers.chapters.eclip_material import Clip, Look
from helpers.chapters.eclip_projections import WAYS
from helpers.chapters.eclip_rows import ORIGINAL, Bench
from helpers.explain.clip_tokens import Projection
from helpers.explain.similarity import Itsm, similarity
from helpers.measure.aggregate import aggregate
from helpers.measure.foreground import place_shares
from helpers.measure.recognition import LOST
from helpers.report.records import unpacked

TRAINED = tuple(way.name for way in WAYS)
ZEROS = tuple(way.name for way in WAYS if way.zero)
CEILINGS = ("ground-truth mask", "pooled mask")


def attention(summary: Summary, tower: str) -> pd.DataFrame:
    """Return a row a source: its overlap with the object beside both floors."""
    seeds = summary["towers"][tower]
    names = next(iter(seeds.values()))["gate"]
    if not names:
        return pd.DataFrame({"attention": [NO_SCORES]})
    return pd.DataFrame(
        {
            "attention": name,
            "IoU": _mean(seeds, "gate", name, "iou"),
            "blind": _mean(seeds, "gate", name, "chance"),
            "another's": _mean(seeds, "gate", name, "another"),
            "seeds that pass": sum(
                bool(one["gate"][name]["testable"]) for one in seeds.values()
            ),
            "seeds": len(seeds),
        }
        for name in names
    )


def maps(summary: Summary, tower: str) -> pd.DataFrame:
    """Return a row a map: mIoU beside its floors, contrast; the mean over seeds."""
    seeds = summary["towers"][tower]
    if not has_scores(summary, tower):
        return pd.DataFrame({"map": [NO_SCORES]})
    rows = []
    for name in next(iter(seeds.values()))["maps"]:
        row: dict[str, Any] = {"map": name, "kind": kind_of(name)}
        row["mIoU"] = float(np.nanmean(scores(summary, tower, name, "iou")))
        for column, key in (("blind", "blind"), ("floor", "floor")):
            row[column] = _mean(seeds, "maps", name, key)
        row["best threshold each"] = _mean(seeds, "maps", name, "oracle")
        row["contrast"] = float(np.nanmean(scores(summary, tower, name, "contrast")))
        rows.append(row)
    rows.sort(key=lambda one: one["kind"] == "reference")  # last, the rest as it was
    return pd.DataFrame(rows)


def kind_of(name: str) -> str:
    """Return what sort of map a name is of, as `eclip_figures.KINDS`."""
    if name in (*FLOORS, *CEILINGS):
        return "reference"
    if name in TRAINED:
        return "trained projection"
    return "rival" if name in RIVALS else "without training"


def recognition(summary: Summary, tower: str) -> pd.DataFrame:
    """Return a row a projection: top-1 and R@1, and what was lost of the original's."""
    seeds = summary["towers"][tower]
    rows = []
    for name in next(iter(seeds.values()))["recognition"]:
        row: dict[str, Any] = {"projection": name}
        for column, key in (
            ("top-1", "top-1"),
            ("of the whole", "top-1 of the whole"),
            ("R@1 by chance", "chance"),
        ):
            row[column] = _mean(seeds, "recognition", name, key)
        for column, key in (
            ("R@1 of texts", "text of picture"),
            ("R@1 of pictures", "picture of text"),
        ):
            row[column] = _mean(seeds, "recognition", name, key)
        rows.append(row)
    frame = pd.DataFrame(rows)
    first = frame.iloc[0]
    names = ("top-1", "R@1 of texts", "R@1 of pictures")
    lost = pd.concat([first[name] - frame[name] for name in names], axis=1).max(axis=1)
    return frame.assign(
        kept=["yes" if one <= LOST + 1e-9 else "no" for one in lost],
    )


def selection(summary: Summary, tower: str) -> pd.DataFrame:
    """Return a row a projection: the share of its maxima that the object has.

    Where masked places are 0 and take part, a maximum need not be at a place.
    """
    seeds = summary["towers"][tower]
    rows = next(iter(seeds.values()))["recognition"]
    found = [
        {
            "projection": name,
            "read in the object": _mean(seeds, "recognition", name, "read"),
            "by chance": _mean(seeds, "recognition", name, "read by chance"),
        }
        for name, row in rows.items()
        if "read" in row and "max" in name and name not in ZEROS
    ]
    return pd.DataFrame(found or {"projection": [NO_SCORES]})


def trade(summary: Summary, tower: str) -> tuple[pd.DataFrame, float]:
    """Return top-1 and mIoU of each projection, and the least top-1 that is kept."""
    seen = recognition(summary, tower).set_index("projection")["top-1"]
    overlaps = maps(summary, tower).set_index("map")["mIoU"]
    rows = [{"projection": ORIGINAL, "top-1": seen[ORIGINAL], "mIoU": overlaps["ITSM"]}]
    rows += [
        {"projection": name, "top-1": seen[name], "mIoU": overlaps[name]}
        for name in seen.index
        if name in overlaps
    ]
    return pd.DataFrame(rows), float(seen[ORIGINAL]) - LOST


def options(bench: Bench) -> pd.DataFrame:
    """Return a row an option of ITSM changed: what it does to the scores."""
    clip = bench.clip
    if clip.test.shown.masks is None:
        return pd.DataFrame({"option": [NO_SCORES]})
    rows = []
    for name, option in {"as above": clip.options, **OTHER_OPTIONS}.items():
        found = scored(clip, partial(_with, clip, option))
        if found.overlap is not None and found.contrast is not None:
            rows.append(
                {
                    "option": name,
                    "mIoU": found.overlap.mean,
                    "contrast": aggregate(found.contrast).mean,
                }
            )
    return pd.DataFrame(rows)


def _with(clip: Clip, option: Itsm, look: Look) -> Tensor:
    return maps_by(clip, look, clip.own, option)


def places(
    bench: Bench, projection: Projection | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return likeness to the text and share of object of places, `[N, places]` each."""
    clip, look = bench.clip, bench.clip.test
    used = projection or clip.own
    alike = similarity(look.tokens, used, clip.classes, clip.options).cpu()
    chosen = alike[torch.arange(len(look.shown)), :, :, look.shown.labels].flatten(1)
    if look.shown.masks is None:
        return chosen.numpy(), np.full(chosen.shape, np.nan)
    return chosen.numpy(), place_shares(look.shown.masks, look.grid).numpy()


def _mean(seeds: Mapping[str, Any], *path: str) -> float:
    """Return what lies at a path of each seed's row, the mean over all."""
    found = []
    for one in seeds.values():
        for key in path:
            one = one[key]
        value = unpacked(one) if isinstance(one, str) else [one]
        found.append(aggregate(value).mean)
    return float(np.mean(found))
