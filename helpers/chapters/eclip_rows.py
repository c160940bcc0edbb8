"""What chapter 12 keeps of one CLIP: its maps, gates and recognition, as numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from helpers.chapters import eclip_maps, eclip_projections
from helpers.chapters.eclip_maps import Scored
from helpers.chapters.eclip_material import Clip
from helpers.chapters.eclip_pictures import single_scenes
from helpers.chapters.eclip_projections import Free, Way
from helpers.data.scenes import CLASS_NAMES
from helpers.measure.aggregate import aggregate
from helpers.measure.recognition import Retrieval, retrieval, same_text, top1
from helpers.methods.eclip import Fitted, Fitting
from helpers.report.records import packed, unpacked

TINY = "tiny"
ORIGINAL = "original"
PER_PICTURE = (
    *("iou", "contrast", "correlation"),
    *("hits", "text of picture", "picture of text"),
)
FIT_TO_JUDGE = 0.60  # zero-shot top-1 that a CLIP must reach to be judged ...
SINGLE = 1000  # ... on so many scenes of one object


@dataclass(frozen=True, eq=False)
class Bench:
    """A CLIP, its sources of attention and its trained projections."""

    clip: Clip
    free: dict[str, Free]
    how: Fitting
    fits: dict[str, tuple[Way, Fitted]]


def row(bench: Bench, scored: Mapping[str, Scored] | None = None) -> dict[str, Any]:
    """Return the numbers of a bench, JSON-ready; `scored`: its maps, if made before."""
    clip = bench.clip
    if scored is None:
        scored = eclip_maps.without_training(clip) | eclip_maps.trained(
            clip, bench.fits
        )
    along = eclip_maps.own_correlation(clip, clip.test)
    return {
        "kind": clip.reader.kind,
        "note": clip.reader.note,
        "zero-shot": named_right(clip),
        "gate": gates(bench),
        "maps": {
            name: _scores(one)
            for name, one in scored.items()
            if one.overlap is not None
        },
        "correlation": None if along is None else packed(_listed(along)),
        "recognition": recognition(bench),
        "trained out": {
            name: eclip_projections.is_calm(one.losses)
            for name, (_, one) in bench.fits.items()
        },
    }


def for_record(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with each score's mean in the place of its pictures.

    The seed is what a verdict counts, so nothing changes but rounding at the fourth
    digit; a record of all pictures would have ten megabytes.
    """

    kept: dict[str, Any] = {}
    for name, value in numbers.items():
        if isinstance(value, Mapping):
            kept[name] = for_record(value)
        elif name in PER_PICTURE and isinstance(value, str):
            kept[name] = packed(
                _listed(torch.tensor([aggregate(unpacked(value)).mean]))
            )
        else:
            kept[name] = value
    return kept


def named_right(clip: Clip) -> float:
    """Return zero-shot top-1: on scenes of one object, or on the test pictures."""
    shown = clip.test.shown
    if shown.names == CLASS_NAMES:
        shown = single_scenes(SINGLE, clip.reader.size)
    return _mean(clip.reader.right(shown))


def gates(bench: Bench) -> dict[str, dict[str, Any]]:
    """Return, for each source, its overlap with the objects of training pictures."""
    found = {}
    for name, free in bench.free.items():
        look = bench.clip.train
        if look.shown.masks is None:
            continue
        beside = eclip_projections.gate(free, look, "train")
        another = (
            float("nan") if beside.another is None else aggregate(beside.another).mean
        )
        found[name] = {
            "iou": _mean(beside.score),
            "chance": _mean(beside.chance),
            "another": round(another, 4),
            "empty": _mean(free.kept("train").empty.float()),
            "testable": eclip_projections.is_testable(beside),
        }
    return found


def recognition(bench: Bench) -> dict[str, dict[str, Any]]:
    """Return what the original and each trained projection recognise."""
    clip, look = bench.clip, bench.clip.test
    whole = torch.nn.functional.normalize(clip.own(look.tokens.whole), dim=1)
    labels = look.shown.labels.to(whole.device)
    known = top1(whole, clip.classes, labels)
    found = retrieval(whole, look.texts, same_text(look.shown.texts))
    rows = {ORIGINAL: _recognised(known, known, found)}
    for name, (way, fit) in bench.fits.items():
        one = eclip_projections.recognised(
            clip, bench.free, way, fit.projection, bench.how
        )
        rows[name] = _recognised(one.pooled, one.whole, one.found)
        if one.read is not None:
            rows[name]["read"] = _mean(one.read.score)
            rows[name]["read by chance"] = _mean(one.read.chance)
    return rows


def is_fit(numbers: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Tell whether a CLIP recognises enough for its maps to mean anything.

    One of scenes must name enough of them; of another it is asked that it was trained.
    """
    if parameters["vlm"] != TINY:
        return not numbers["note"].startswith("random weights")
    return bool(numbers["zero-shot"] >= FIT_TO_JUDGE)


def _recognised(pooled: Any, whole: Any, found: Retrieval) -> dict[str, Any]:
    return {
        "top-1": _mean(pooled),
        "top-1 of the whole": _mean(whole),
        "hits": packed(_listed(pooled)),
        "text of picture": packed(_listed(found.text_of_image)),
        "picture of text": packed(_listed(found.image_of_text)),
        "chance": _mean(found.text_by_chance),
    }


def _scores(one: Scored) -> dict[str, Any]:
    assert one.overlap is not None
    assert one.contrast is not None
    return {
        "iou": packed(_listed(one.overlap.iou)),
        "contrast": packed(_listed(one.contrast)),
        "share": one.overlap.share,
        "floor": round(one.overlap.floor, 4),
        "blind": _mean(one.overlap.blind),
        "oracle": _mean(one.overlap.oracle),
    }


def _listed(values: torch.Tensor) -> list[float | None]:
    return [None if one != one else float(one) for one in values.tolist()]


def _mean(values: torch.Tensor) -> float:
    return round(aggregate(values).mean, 4)
