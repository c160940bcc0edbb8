"""Rows of a judgement: maps of methods and references, measured block by block."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from helpers.data.geometry import Crops, crop_images, crop_masks, random_crops
from helpers.explain.named import method
from helpers.explain.rise import stability
from helpers.judge.choice import Choice, normalised
from helpers.judge.grids import Grids
from helpers.judge.material import Material
from helpers.measure import named
from helpers.measure.aggregate import aggregate
from helpers.measure.reference_maps import reference_maps
from helpers.measure.subject import Maps, Score, Subject, joined
from helpers.settings import Refused
from helpers.streams import stream

COMPARED = 4  # pictures with RISE maps of two mask seeds
STEADY = 0.9  # their rank correlation, at least
CEILINGS = ("ground-truth mask", "pooled mask")
PATIENCE = 30  # seconds between two lines about what takes long
SEVERAL_PASSES = ("rise", "lime", "vit-cx")  # a picture fills forward passes by itself
FEW = 2  # pictures of these at a time

Report = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Case:
    """All that every row is judged by.

    Attributes:
        model: the network, on the device of the choice.
        material: the pictures.
        choice: methods, metrics, settings.
        targets: the class that is explained, `[N]`.
        cells: (h, w) of the feature map.
        crops: draws of SES; none where it is not asked for.
        grids: composites of GridPG; None where it is not asked for.
    """

    model: nn.Module
    material: Material
    choice: Choice
    targets: Tensor
    cells: tuple[int, int]
    crops: tuple[Crops, ...]
    grids: Grids | None

    def blocks(self, what: str, report: Report, step: int = 0) -> Iterator[slice]:
        """Yield the pictures in blocks, of a forward pass unless a step is given.

        What takes long is reported on the way, so that nobody waits in silence.
        """
        step, count = step or self.choice.how.chunk, len(self.material)
        started = last = time.monotonic()
        for first in range(0, count, step):
            yield slice(first, first + step)
            now, done = time.monotonic(), min(first + step, count)
            if now - last >= PATIENCE and done < count:
                spent = now - started
                left = spent / done * (count - done)
                report(
                    f"{what}: {done} of {count} pictures after {spent:.0f} s, about "
                    f"{left:.0f} s left"
                )
                last = now


@dataclass(frozen=True, eq=False)
class Row:
    """A method or a reference, with its scores.

    Attributes:
        name: as in tables.
        kind: "method", "floor" or "ceiling".
        scores: by the names of the metrics.
        maps: of the first pictures, `[shown, H, W]`.
        seconds: that its maps took, of all pictures and their crops.
        note: what else a reader should know of it; empty for nothing.
    """

    name: str
    kind: str
    scores: dict[str, Score]
    maps: Tensor
    seconds: float
    note: str = ""


def drawn(material: Material, choice: Choice) -> tuple[Crops, ...]:
    """Return the crops of SES; the first of more draws are the same."""
    size = (material.images.shape[2], material.images.shape[3])
    return tuple(
        random_crops(len(material), size, stream(choice.how.seed, "crops", draw))
        for draw in range(choice.draws)
    )


def rows(case: Case, report: Report) -> Iterator[Row]:
    """Yield methods, then floors, then ceilings."""
    for name in case.choice.methods:
        started, title = time.monotonic(), method(name).title
        maps = explained(case, name, report)
        seconds = time.monotonic() - started
        scores = measured(case, maps, f"{title}, scores", report)
        scores |= pointed(case, partial(_on_grid, case, name))
        whole = time.monotonic() - started
        report(f"{title}: maps in {seconds:.0f} s, scores in {whole - seconds:.0f} s")
        note = agreement(case, maps) if name == "rise" else ""
        yield Row(title, "method", scores, _first(case, maps), seconds, note)
    for name, maps in references(case).items():
        started = time.monotonic()
        kind = "ceiling" if name in CEILINGS else "floor"
        scores = measured(case, maps, f"{kind} {name}", report)
        scores |= pointed(case, partial(_known_grid, case, name))
        report(f"{kind} {name}: scores in {time.monotonic() - started:.0f} s")
        yield Row(name, kind, scores, _first(case, maps), 0.0)


def explained(case: Case, name: str, report: Report) -> Maps:
    """Return a method's maps of all pictures, and of their crops, on the CPU."""
    own: list[Tensor] = []
    cropped: list[list[Tensor]] = [[] for _ in case.crops]
    few = FEW if name in SEVERAL_PASSES else 0
    for part in case.blocks(f"{method(name).title}, maps", report, few):
        images, targets = normalised(case.material, case.choice, part), case.targets
        own.append(_maps(case, name, images, targets[part]))
        for draw, maps in zip(case.crops, cropped, strict=True):
            moved = crop_images(images, _some(draw, part))
            maps.append(_maps(case, name, moved, targets[part]))
    pictures = torch.cat(own)
    others = pictures.roll(-1, 0) if case.crops else None
    return Maps(pictures, tuple(torch.cat(maps) for maps in cropped), others)


def agreement(case: Case, maps: Maps) -> str:
    """Say how well RISE's maps of two mask seeds agree on the first pictures.

    By `explain.rise.stability`: what does not agree is noise of the masks.
    """
    part = slice(COMPARED)
    how = replace(case.choice.how, seed=case.choice.how.seed + 1)
    other = replace(case, choice=replace(case.choice, how=how))
    images = normalised(case.material, case.choice, part)
    again = _maps(other, "rise", images, case.targets[part])
    known = aggregate(stability(maps.pictures[part], again))
    if not known.used:
        return ""
    remedy = "" if known.mean >= STEADY else f", under {STEADY}: take more --rise-masks"
    return (
        f"RISE of {how.masks} masks: two mask seeds agree to {known.mean:.2f} (rank "
        f"correlation, {known.used} pictures){remedy}"
    )


def references(case: Case) -> dict[str, Maps]:
    """Return floors and ceilings of all pictures, and of their crops."""
    masks, seed = case.material.masks, case.choice.how.seed
    _, _, height, width = case.material.images.shape
    shape = (len(case.material), height, width)
    first = reference_maps(shape, case.cells, seed, masks)
    anew = [
        reference_maps(
            shape,
            case.cells,
            seed + 1 + number,
            None if masks is None else crop_masks(masks, draw),
        )
        for number, draw in enumerate(case.crops)
    ]
    return {
        name: Maps(
            values,
            tuple(maps[name] for maps in anew),
            values.roll(-1, 0) if case.crops else None,
        )
        for name, values in first.items()
    }


def pointed(case: Case, maps: Callable[[Grids], Tensor]) -> dict[str, Score]:
    """Return GridPG of maps of composites, if it is asked for."""
    if case.grids is None:
        return {}
    found = [
        named.scores(["gridpg"], one.subject(case.model, case.targets), Maps(maps(one)))
        for one in case.grids.each()
    ]
    return {"gridpg": joined([score["gridpg"] for score in found])}


def measured(case: Case, maps: Maps, what: str, report: Report) -> dict[str, Score]:
    """Return the scores of one row's maps but GridPG, by the names of the metrics."""
    choice, material = case.choice, case.material
    names = [name for name in choice.metrics if name != "gridpg"]
    parts: list[dict[str, Score]] = []
    for part in case.blocks(what, report) if names else ():
        subject = Subject(
            model=case.model,
            images=normalised(material, choice, part),
            targets=case.targets[part].to(choice.device),
            cells=case.cells,
            masks=_on(material.masks, part, choice),
            ignored=_on(material.ignored, part, choice),
            boxes=_on(material.boxes, part, choice),
            crops=tuple(_some(draw, part) for draw in case.crops),
            seed=choice.how.seed,
            chunk=choice.how.chunk,
        )
        some = Maps(
            maps.pictures[part].to(choice.device),
            tuple(anew[part].to(choice.device) for anew in maps.cropped),
            _on(maps.others, part, choice),
        )
        try:
            parts.append(named.scores(names, subject, some))
        except ValueError as error:  # a perturbed picture may have no finite logits
            raise Refused(f"metrics: {error}") from None
    return {name: joined([part[name] for part in parts]) for name in names}


def _on_grid(case: Case, name: str, grids: Grids) -> Tensor:
    images = grids.composites(case.material, case.choice)
    return _maps(case, name, images, case.targets[grids.places.flatten()])


def _known_grid(case: Case, name: str, grids: Grids) -> Tensor:
    return grids.references(case.material, case.choice, case.cells)[name]


def _maps(case: Case, name: str, images: Tensor, targets: Tensor) -> Tensor:
    """Return a method's maps, on the CPU; raises `Refused` naming the method."""
    device, how = case.choice.device, case.choice.how
    try:
        found = method(name).maps(
            case.model, images.to(device), targets.to(device), how
        )
    except ValueError as error:
        raise Refused(f"method '{name}': {error}") from None
    return found.float().cpu()


def _first(case: Case, maps: Maps) -> Tensor:
    return maps.pictures[: case.choice.shown].clone()


def _some(crops: Crops, part: slice) -> Crops:
    return Crops(crops.windows[part], crops.mirrored[part], crops.size)


def _on(values: Tensor | None, part: slice, choice: Choice) -> Tensor | None:
    return None if values is None else values[part].to(choice.device)
