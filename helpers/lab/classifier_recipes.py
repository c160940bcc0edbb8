"""Runs of classifiers without language: cross-entropy, and CGC."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from torch import nn

from helpers.data import catalog
from helpers.explain.cam import SMALL, SMALLEST, CoarseMapWarning
from helpers.lab.recipe import Recipe, no_file, no_runs
from helpers.lab.score import score_classifier
from helpers.settings import Cgc, Classifier, Refused, RunSettings
from helpers.vision import backbone, cell

if TYPE_CHECKING:
    from helpers.lab.recipe import Trainable


def check_classifier(settings: RunSettings) -> None:
    """Refuse maps under 4 x 4 cells, warn of those under 7 x 7."""
    name, size = cast(Classifier, settings.method).backbone, settings.data.size
    side = cell(name)
    cells = size // side
    known = f"parameter 'size' = {size}: {name} has maps of {cells} x {cells} cells"
    if cells < SMALLEST:
        raise Refused(
            f"{known} there, at least {SMALLEST} x {SMALLEST} are needed to say where: "
            f"take size >= {SMALLEST * side}, or a backbone with smaller cells"
        )
    if cells < SMALL:
        text = f"{known}, which say only coarsely where: {SMALL * side} pixels give 7"
        warnings.warn(text, CoarseMapWarning, stacklevel=2)


def classifier(settings: RunSettings) -> nn.Module:
    """Return the untrained network."""
    name = cast(Classifier, settings.method).backbone
    return backbone(name, len(catalog.class_names(settings.data)))


def _ce_module(settings: RunSettings, _: Sequence[nn.Module]) -> "Trainable":
    from helpers.lab.fit import quiet_lightning

    quiet_lightning()
    from helpers.methods.baseline import Baseline

    pictures = catalog.load(settings.data, "train")
    method = cast(Classifier, settings.method)
    module = Baseline(method, pictures, settings.seed, judged_on(settings))
    return module, (pictures.images, pictures.labels)


def judged_on(settings: RunSettings) -> catalog.Pictures | None:
    """Return the pictures on which a training chooses its epoch, if it does."""
    keep = cast(Classifier, settings.method).keep
    if keep == "last":
        return None
    return catalog.load(settings.data, keep.removeprefix("best "))


def _cgc_module(settings: RunSettings, _: Sequence[nn.Module]) -> "Trainable":
    from helpers.lab.fit import quiet_lightning

    quiet_lightning()
    from helpers.methods.contrast import CgcClassifier

    method, pictures = cast(Cgc, settings.method), catalog.load(settings.data, "train")
    module = CgcClassifier(method, pictures, settings.seed, judged_on(settings))
    return module, (pictures.images, pictures.labels)


CE = Recipe(
    check_classifier,
    classifier,
    _ce_module,
    score_classifier,
    trained_by=("methods/baseline.py",),
    scored_by=("lab/score.py",),
    needs=no_runs,
    fingerprint=no_file,
)
CGC = Recipe(
    check_classifier,
    classifier,
    _cgc_module,
    score_classifier,
    trained_by=("methods/contrast.py",),
    scored_by=("lab/score.py",),
    needs=no_runs,
    fingerprint=no_file,
)
