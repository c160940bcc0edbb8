"""A judgement as a table in words and as JSON: means, counts, conventions, values."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch import Tensor

from helpers.judge.judging import Judgement
from helpers.judge.material import Material
from helpers.measure import consistency, named, perturbation
from helpers.measure.aggregate import Aggregate
from helpers.measure.named import METRICS
from helpers.report.provenance import provenance

DECIMALS = 6
WIDTH = 96  # of a table in the terminal
LIBRARIES = ("captum", "zennit", "timm", "pycocotools", "pillow")  # of a judgement
BESIDE = ("less chance", "less area", "relative", "random")  # columns of their own
CONVENTIONS = {
    "class explained": "of the classes that are right for a picture, the one of the "
    "highest logit; its probability is followed",
    "insertion and deletion": f"{perturbation.STEPS} equal steps, into a Gaussian blur "
    f"of {perturbation.BLUR} of the shorter side and out to the mean colour (0 after "
    "normalisation); equal pixels in 3 random orders; trapezoid over shares",
    "over full": "area over the full picture's probability, of pictures that are named "
    "right alone",
    "SES": "cosine after torchvision's random resized crop (area .08 to 1) and mirror; "
    "a zero map has 0; chance is the next picture's map under the same crop",
    "SCH and EPG": "SCH on the class's own mask, EPG in the boxes of its instances; "
    "ignored pixels count nowhere; less area: less the share of the area",
    "MOSU": "KL(area || saliency) over the boxes of the class explained, in nats, "
    f"{consistency.SMOOTHING} of the saliency added to each; reversed: the other way",
    "signed maps": "ranked and pointed with as they are; their positive part is summed",
    "pointing game": "the maximum lies on the object itself",
    "IoU": f"pixels of {named.FOUND} of the map's maximum or more are found; random: "
    "as many drawn blindly",
    "GridPG": "composites of pictures that are named right; maps smoothed over "
    f"{named.SMOOTH:.3f} of a picture's side before their positive part is taken",
}


@dataclass(frozen=True)
class Column:
    """A column of the table: a metric, or what stands beside it.

    What is relative to the full picture's probability is of pictures that are named
    right: a probability near 0 would make the mean that of a few others.
    """

    title: str
    better: str
    metric: str
    beside: str = ""

    def of(self, judgement: Judgement, row: int) -> Aggregate:
        """Return the mean of one row, with what it leaves out."""
        score = judgement.rows[row].scores[self.metric]
        if self.beside != "relative":
            return score.mean(self.beside)
        some = score.mean(self.beside, judgement.top1)
        others = int((~judgement.top1).sum())
        return replace(some, undefined={**some.undefined, "named wrong": others})


def columns(judgement: Judgement) -> list[Column]:
    """Return the metrics' columns, then those of what stands beside them."""
    first, second = [], []
    for name in judgement.choice.metrics:
        row = METRICS[name]
        first.append(Column(row.title, row.better, name))
        for key in judgement.rows[0].scores[name].beside:
            if key in BESIDE:
                better = "floor" if key == "random" else row.better
                words = "over full" if key == "relative" else key
                second.append(Column(f"{row.title} {words}", better, name, key))
    return first + second


def table(judgement: Judgement) -> str:
    """Return the table as text: a row a map, its mean under each metric.

    A mean over fewer pictures than there are has their number behind it. Wide tables
    are broken into several.
    """
    heads = [(one.title, _better(one.better)) for one in columns(judgement)]
    cells = [
        [_cell(one.of(judgement, row)) for one in columns(judgement)]
        for row in range(len(judgement.rows))
    ]
    names = [row.name for row in judgement.rows]
    left = max(map(len, names))
    wide = [
        max(len(text) for text in (*head, *(line[i] for line in cells)))
        for i, head in enumerate(heads)
    ]
    parts, room = [[]], WIDTH - left  # type: list[list[int]], int
    for i, width in enumerate(wide):
        if parts[-1] and room < width + 2:
            parts.append([])
            room = WIDTH - left
        parts[-1].append(i)
        room -= width + 2
    lines: list[str] = []
    for part in parts:
        for level in (0, 1):
            head = "".join(f"  {heads[i][level]:>{wide[i]}}" for i in part)
            lines.append(f"{('map', '')[level]:<{left}}{head}".rstrip())
        kind = ""
        for row, line in zip(judgement.rows, cells, strict=True):
            if kind and kind != row.kind:
                lines.append(f"-- {row.kind}s")
            kind = row.kind
            values = "".join(f"  {line[i]:>{wide[i]}}" for i in part)
            lines.append(f"{row.name:<{left}}{values}")
        lines.append("")
    return "\n".join(lines).rstrip()


def counts(judgement: Judgement) -> list[str]:
    """Return in sentences which pictures have no score, and which a convention."""
    told: dict[str, list[str]] = {}
    for name in judgement.choice.metrics:
        for row in judgement.rows:
            score = row.scores[name]
            for cause, number in score.mean().undefined.items():
                if number:
                    told.setdefault(
                        f"{METRICS[name].title}: {number} without score, {cause}", []
                    ).append(row.name)
            for cause, which in score.noted.items():
                if number := int(which.sum()):
                    told.setdefault(
                        f"{METRICS[name].title}: {number} counted with {cause}", []
                    ).append(row.name)
    every = len(judgement.rows)
    return [
        text if len(names) == every else f"{text} ({', '.join(names)})"
        for text, names in told.items()
    ]


def headline(judgement: Judgement, material: Material) -> list[str]:
    """Return pictures, accuracy and what was left out, in sentences."""
    top5 = judgement.top5
    fifth = "" if top5 is None else f", top-5 {float(top5.float().mean()):.3f}"
    height, width = material.images.shape[2:]
    lines = [
        f"{len(material)} pictures of {width} x {height}, {len(set(material.classes))} "
        f"classes of the data, {judgement.outputs} logits: top-1 "
        f"{float(judgement.top1.float().mean()):.3f}{fifth}; feature map "
        f"{judgement.cells[0]} x {judgement.cells[1]}"
    ]
    if material.left_out:
        told = ", ".join(f"{n} {cause}" for cause, n in material.left_out.items())
        lines.append(f"left out: {told}")
    return lines + [f"note: {note}" for note in judgement.notes]


def document(
    judgement: Judgement, material: Material, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all of it, ready for JSON; `given` says what was asked for, and files."""
    choice = judgement.choice
    return {
        "format": "helpers.judge 1",
        "given": dict(given),
        "choice": asdict(choice),
        "conventions": CONVENTIONS,
        "pictures": {
            "count": len(material),
            "left_out": material.left_out,
            "fingerprint": material.fingerprint,
            "names": list(material.names),
            "classes": list(material.classes),
            "right": [list(group) for group in material.groups],
            "explained": judgement.targets.tolist(),
            "first_choice": judgement.first.tolist(),
            "probability": _list(judgement.probability),
        },
        "accuracy": {
            "top-1": float(judgement.top1.double().mean()),
            "top-5": None
            if judgement.top5 is None
            else float(judgement.top5.double().mean()),
            "correct": judgement.top1.int().tolist(),
            "outputs": judgement.outputs,
        },
        "cells": list(judgement.cells),
        "notes": list(judgement.notes),
        "summary": _summary(judgement),
        "values": {
            row.name: {
                name: {
                    "values": _list(score.values),
                    **{key: _list(values) for key, values in score.beside.items()},
                }
                for name, score in row.scores.items()
            }
            for row in judgement.rows
        },
        "seconds": {row.name: round(row.seconds, 2) for row in judgement.rows},
        "provenance": {
            **provenance(judgement.seconds, choice.device),
            "libraries": _versions(),
        },
    }


def _summary(judgement: Judgement) -> list[dict[str, Any]]:
    """Return a row a map and metric: mean, pictures, causes, and what stands beside."""
    found = []
    for row in judgement.rows:
        for name, score in row.scores.items():
            whole = score.mean()
            line: dict[str, Any] = {
                "map": row.name,
                "kind": row.kind,
                "metric": name,
                "better": METRICS[name].better,
                "mean": _number(whole.mean),
                "used": whole.used,
                "undefined": whole.undefined,
                "noted": {
                    cause: int(which.sum()) for cause, which in score.noted.items()
                },
                "beside": {key: _number(score.mean(key).mean) for key in score.beside},
            }
            if len(score.values) == len(judgement.top1):
                right = score.mean(where=judgement.top1)
                beside = {key: score.mean(key, judgement.top1) for key in score.beside}
                line["named_right"] = {
                    "mean": _number(right.mean),
                    "used": right.used,
                    "beside": {key: _number(one.mean) for key, one in beside.items()},
                }
            found.append(line)
    return found


def sha256(file: Path) -> str:
    """Return the hash of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _versions() -> dict[str, str]:
    found = {}
    for package in LIBRARIES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _cell(total: Aggregate) -> str:
    if not total.used:
        return "-"
    few = f" n={total.used}" if total.used < total.pictures else ""
    return f"{total.mean:.3f}{few}"


def _better(word: str) -> str:
    return {"higher": "(higher)", "lower": "(lower)", "floor": "(floor)"}.get(word, "")


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, DECIMALS)


def _list(values: Tensor) -> Sequence[float | None]:
    return [_number(value) for value in values.double().cpu().tolist()]
