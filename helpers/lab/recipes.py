"""What each method needs to become a run: its network, module, pictures and scores.

A later method adds a row to `RECIPES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from helpers.data import catalog
from helpers.data.scenes import draw_scenes
from helpers.lab.score import score_classifier, score_language
from helpers.language.tiny_clip import Architecture, build_tiny_clip, tokenise
from helpers.settings import CrossEntropy, Refused, RunSettings, TinyClip
from helpers.vision import backbone

if TYPE_CHECKING:
    import lightning.pytorch as pl

SMALLEST_MAP = 4  # cells a side; the method refuses coarser maps
IMAGE_SIZE = Architecture.image_size
CELL = {"scene-resnet": 8, "resnet20": 4, "resnet56": 4}  # pixels a side


@dataclass(frozen=True)
class Recipe:
    """What a run is made of.

    Attributes:
        check: raises `Refused` where method and data do not go together.
        network: the untrained network.
        module_and_tensors: the module to train, initialised, and the rows it sees.
        score: the scores of the trained network, JSON-ready.
    """

    check: Callable[[RunSettings], None]
    network: Callable[[RunSettings], nn.Module]
    module_and_tensors: Callable[
        [RunSettings], tuple["pl.LightningModule", tuple[Tensor, ...]]
    ]
    score: Callable[[RunSettings, nn.Module], dict[str, Any]]


def recipe(settings: RunSettings) -> Recipe:
    """Return the recipe of the run's method."""
    return RECIPES[settings.method.name]


def label(settings: RunSettings) -> str:
    """Return the name of the method's folder."""
    method = settings.method
    if isinstance(method, TinyClip) and method.captions != "aligned":
        return f"{method.name}-{method.captions}"
    return method.name


def _ce(settings: RunSettings) -> CrossEntropy:
    assert isinstance(settings.method, CrossEntropy)
    return settings.method


def _check_ce(settings: RunSettings) -> None:
    name = _ce(settings).backbone
    cells = settings.data.size // CELL[name]
    if cells < SMALLEST_MAP:
        raise Refused(
            f"parameter 'size' = {settings.data.size}: {name} has "
            f"maps of {cells} x {cells} cells there, at least {SMALLEST_MAP} x "
            f"{SMALLEST_MAP} are needed to say where: take larger pictures"
        )


def _ce_network(settings: RunSettings) -> nn.Module:
    return backbone(_ce(settings).backbone, len(catalog.class_names(settings.data)))


def _ce_module(
    settings: RunSettings,
) -> tuple["pl.LightningModule", tuple[Tensor, ...]]:
    from helpers.lab.fit import quiet_lightning

    quiet_lightning()
    from helpers.methods.baseline import Baseline

    pictures = catalog.load(settings.data, "train")
    module = Baseline(_ce(settings), pictures, settings.seed)
    return module, (pictures.images, pictures.labels)


def _clip(settings: RunSettings) -> TinyClip:
    assert isinstance(settings.method, TinyClip)
    return settings.method


def _check_clip(settings: RunSettings) -> None:
    if settings.data.name != "scenes" or settings.data.size != IMAGE_SIZE:
        raise Refused(f"tiny-clip is trained on scenes of {IMAGE_SIZE} pixels alone")


def _clip_network(settings: RunSettings) -> nn.Module:
    return build_tiny_clip(settings.seed)


def _clip_module(
    settings: RunSettings,
) -> tuple["pl.LightningModule", tuple[Tensor, ...]]:
    from helpers.lab.fit import quiet_lightning

    quiet_lightning()
    from helpers.methods.clip import ContrastivePairs, shuffled

    data = settings.data
    drawn = draw_scenes(data.train, "language", data.size, seed=data.seed, single=True)
    tokens = tokenise(drawn.captions)
    if _clip(settings).captions == "shuffled":
        tokens = shuffled(tokens, settings.seed)
    module = ContrastivePairs(_clip(settings), settings.seed)
    return module, (drawn.images, tokens)


RECIPES: dict[str, Recipe] = {
    "ce": Recipe(_check_ce, _ce_network, _ce_module, score_classifier),
    "tiny-clip": Recipe(_check_clip, _clip_network, _clip_module, score_language),
}
