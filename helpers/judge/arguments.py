"""The command line: what may be asked for, checked against what is there."""

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from torch import nn

from helpers.data.catalog import NORMALISATION
from helpers.data.places import expanded
from helpers.explain.hooks import named_layer
from helpers.explain.named import METHODS, How, method
from helpers.judge import coco, labels, networks, sources
from helpers.judge.choice import Choice
from helpers.judge.material import Material
from helpers.judge.sources import Cut
from helpers.measure.named import METRICS, completed
from helpers.settings import Refused, nearest

Three = tuple[float, float, float]
KNOWN: dict[str, tuple[Three, Three]] = {
    "imagenet": NORMALISATION["imagenette"],
    "cifar10": NORMALISATION["cifar10"],
    "cifar100": NORMALISATION["cifar100"],
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


@dataclass(frozen=True)
class Asked:
    """A command line that makes sense in itself; nothing is loaded yet.

    Attributes:
        model: a name of `networks.maker`.
        weights: file of its weights.
        data: folder of the pictures.
        masks: a COCO file, a folder of masks, or None.
        labels: file of a label map, or None.
        classes: names of the network's classes: a file, `imagenet`, or None.
        cut: how pictures become squares.
        limit: pictures at most, or None.
        choice: methods, metrics, settings.
        out: the JSON file.
        page: the HTML file.
    """

    model: str
    weights: Path
    data: Path
    masks: Path | None
    labels: str | None
    classes: str | None
    cut: Cut
    limit: int | None
    choice: Choice
    out: Path
    page: Path


def asked(arguments: list[str] | None = None) -> Asked:
    """Return what a command line asks for; raises `Refused` for what makes no sense."""
    given = parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    model, weights = networks.parts(given.model)
    methods, metrics = _names(given.methods), _names(given.metrics)
    for name in methods:
        method(name)
    completed(metrics)
    for name in ("batch", "limit", "size", "crop", "rise_masks", "draws", "grids"):
        value = getattr(given, name)
        if value is not None and value < 1:
            text = name.replace("_", "-")
            raise Refused(f"--{text} must be 1 or more, got {value}")
    for name in ("seed", "shown"):
        if getattr(given, name) < 0:
            raise Refused(f"--{name} must be 0 or more, got {getattr(given, name)}")
    mean, std = normalisation(given.normalise, given.mean, given.std)
    how = How(
        mean,
        std,
        layer=given.layer,
        masks=given.rise_masks,
        seed=given.seed,
        chunk=given.batch,
    )
    choice = Choice(
        methods,
        metrics,
        how,
        draws=given.draws,
        grids=given.grids,
        device=given.device,
        shown=given.shown,
    )
    out = expanded(given.out)
    page = expanded(given.html) if given.html else out.with_suffix(".html")
    for file in (out, page):
        _check_place(file)
    if out.resolve() == page.resolve():
        raise Refused(f"--out and --html are both '{out}': give two names")
    return Asked(
        model=model,
        weights=weights,
        data=expanded(given.data),
        masks=expanded(given.masks) if given.masks else None,
        labels=given.labels,
        classes=given.classes,
        cut=Cut(given.size, given.crop or given.size),
        limit=given.limit,
        choice=choice,
        out=out,
        page=page,
    )


def gathered(given: Asked) -> tuple[nn.Module, Material, tuple[str, ...] | None]:
    """Return network, pictures, and the network's class names where they are known.

    What can be refused is refused before a picture is read.

    Raises `Refused` as `networks`, `labels`, `sources` and `coco`.
    """
    label_map = labels.read_map(given.labels) if given.labels else None
    known = labels.class_names(given.classes) if given.classes else None
    annotated = given.masks is not None and given.masks.suffix == ".json"
    if annotated:
        assert given.masks is not None
        instances = coco.find(given.data, given.masks)
        names = list(dict.fromkeys(instances.classes.values()))
    else:
        if given.masks is not None and not given.masks.is_dir():
            raise Refused(
                f"masks '{given.masks}' are neither a COCO file (.json) nor a folder"
            )
        folders = sources.find(given.data, given.masks)
        names = list(folders.classes)
    model, outputs = networks.network(given.model, given.weights)
    if given.choice.how.layer is not None:
        try:
            named_layer(model, given.choice.how.layer)
        except ValueError as error:
            raise Refused(f"--layer: {error}") from None
    groups = labels.groups(names, outputs, label_map, known)
    if annotated:
        material = coco.read(instances, groups, given.cut, given.limit)
    else:
        material = sources.read(folders, groups, given.cut, given.limit)
    return model, material, known


def normalisation(
    name: str | None, mean: str | None, std: str | None
) -> tuple[Three, Three]:
    """Return mean and std by name (ImageNet's by default) or by three numbers each.

    Raises `Refused` for one without the other, or no three numbers, std over 0.
    """
    if (mean is None) != (std is None) or (name is not None and mean is not None):
        raise Refused("give --mean and --std together, or --normalise alone")
    if mean is None or std is None:
        if name is not None and name not in KNOWN:
            raise Refused(f"unknown normalisation '{name}'{nearest(name, [*KNOWN])}")
        return KNOWN[name or "imagenet"]
    first, second = _three("--mean", mean), _three("--std", std)
    if min(second) <= 0:
        raise Refused(f"--std must be over 0, got {std}")
    return first, second


class _Parser(argparse.ArgumentParser):
    """A parser whose faults are one line, as all others are."""

    def error(self, message: str) -> NoReturn:
        raise Refused(f"{message}; --help lists the options")


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    found = _Parser(
        prog="python -m helpers.judge",
        description="Explain and measure a trained classifier on your own pictures.",
    )
    add = found.add_argument
    add("--model", required=True, metavar="NAME:WEIGHTS", help=networks.FORM)
    add("--data", required=True, metavar="FOLDER", help="class folders, or pictures")
    add("--masks", metavar="FILE", help="COCO's .json, or a folder of PNGs")
    add("--labels", metavar="FILE", help="data's classes to the model's: .json or .csv")
    add(
        "--classes",
        metavar="FILE",
        help="the model's class names: one a line, or imagenet",
    )
    add("--methods", default="gradcam", metavar="A,B", help=", ".join(METHODS))
    add(
        "--metrics",
        default="insertion,deletion,ses",
        metavar="A,B",
        help=", ".join(METRICS),
    )
    add("--out", default="report.json", metavar="FILE", help="the JSON to write")
    add("--html", metavar="FILE", help="the page to write; default beside --out")
    add(
        "--size",
        type=int,
        metavar="N",
        default=224,
        help="of the short side, in pixels (224)",
    )
    add(
        "--crop",
        type=int,
        metavar="N",
        help="side of the middle that is cut out; default --size",
    )
    add("--normalise", metavar="NAME", help=f"{', '.join(KNOWN)}; default imagenet")
    add("--mean", metavar="R,G,B", help="of intensities in 0..1, in place of a name")
    add("--std", metavar="R,G,B", help="goes with --mean")
    add("--layer", metavar="NAME", help="of Grad-CAM; default the last feature map")
    add("--limit", type=int, metavar="N", help="pictures at most")
    add(
        "--batch",
        type=int,
        metavar="N",
        default=32,
        help="pictures a forward pass (32)",
    )
    add("--rise-masks", type=int, metavar="N", default=1000, help="of RISE (1000)")
    add("--draws", type=int, metavar="N", default=1, help="crops a picture for SES (1)")
    add("--grids", type=int, metavar="N", default=50, help="composites of GridPG (50)")
    add("--shown", type=int, metavar="N", default=6, help="pictures on the page (6)")
    add("--seed", type=int, metavar="N", default=0, help="of all chance (0)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1, mps")
    return found


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))


def _three(name: str, text: str) -> Three:
    try:
        first, second, third = (float(one) for one in text.split(","))
    except ValueError:
        raise Refused(
            f"{name} '{text}' must be three numbers: .485,.456,.406"
        ) from None
    if not all(math.isfinite(one) for one in (first, second, third)):
        raise Refused(f"{name} '{text}' must be finite")
    return first, second, third


def _check_place(file: Path) -> None:
    """Raise `Refused` unless a file can be written there."""
    if file.is_dir():
        raise Refused(f"'{file}' is a folder: name a file to write")
    if not file.parent.is_dir():
        raise Refused(f"folder '{file.parent}' is not there: make it, or name another")
