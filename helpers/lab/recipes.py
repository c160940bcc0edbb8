"""What each method needs to become a run: its network, module, pictures and scores.

A later method adds a row to `RECIPES`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn

from helpers.data import catalog
from helpers.data.scenes import draw_scenes
from helpers.lab.score import score_classifier
from helpers.lab.score_language import score_language
from helpers.language import prompts, sources
from helpers.language.tiny_clip import Architecture, build_tiny_clip, tokenise
from helpers.settings import (
    Classifier,
    DataSettings,
    Lico,
    Refused,
    RunSettings,
    TinyClip,
)
from helpers.streams import stream
from helpers.vision import backbone

if TYPE_CHECKING:
    import lightning.pytorch as pl

    from helpers.methods.text_side import Language

    Material = tuple[pl.LightningModule, tuple[Tensor, ...]]

SMALLEST_MAP = 4  # cells a side; the method refuses coarser maps
CELL = {"scene-resnet": 8, "resnet20": 4, "resnet56": 4}  # pixels a side


@dataclass(frozen=True)
class Recipe:
    """What a run is made of.

    Attributes:
        check: raises `Refused` where method and data do not go together.
        network: the untrained network.
        module_and_tensors: the module to train, initialised, and the rows it sees;
            it is given the trained networks of `needs`.
        score: the scores of the trained network, JSON-ready.
        trained_by: the module whose code, with what it imports, decides the weights.
        scored_by: the module whose code decides the scores.
        needs: the runs that this one starts from.
        fingerprint: what identifies other input than the pictures.
    """

    check: Callable[[RunSettings], None]
    network: Callable[[RunSettings], nn.Module]
    module_and_tensors: Callable[[RunSettings, Sequence[nn.Module]], "Material"]
    score: Callable[[RunSettings, nn.Module], dict[str, Any]]
    trained_by: tuple[str, ...]
    scored_by: tuple[str, ...]
    needs: Callable[[RunSettings], tuple[RunSettings, ...]]
    fingerprint: Callable[[RunSettings], str]


def recipe(settings: RunSettings) -> Recipe:
    """Return the recipe of the run's method."""
    return RECIPES[settings.method.name]


def label(settings: RunSettings) -> str:
    """Return the name of the method's folder."""
    method = settings.method
    if isinstance(method, TinyClip) and method.captions != "aligned":
        return f"{method.name}-{method.captions}"
    return f"lico-{method.preset}" if isinstance(method, Lico) else method.name


def _nothing(_: RunSettings) -> tuple[RunSettings, ...]:
    return ()


def _no_file(_: RunSettings) -> str:
    return ""


# Classifiers


def _check_classifier(settings: RunSettings) -> None:
    name = cast(Classifier, settings.method).backbone
    cells = settings.data.size // CELL[name]
    if cells < SMALLEST_MAP:
        raise Refused(
            f"parameter 'size' = {settings.data.size}: {name} has "
            f"maps of {cells} x {cells} cells there, at least {SMALLEST_MAP} x "
            f"{SMALLEST_MAP} are needed to say where: take larger pictures"
        )


def _classifier(settings: RunSettings) -> nn.Module:
    name = cast(Classifier, settings.method).backbone
    return backbone(name, len(catalog.class_names(settings.data)))


def _ce_module(settings: RunSettings, _: Sequence[nn.Module]) -> "Material":
    from helpers.lab.fit import quiet_lightning

    quiet_lightning()
    from helpers.methods.baseline import Baseline

    pictures = catalog.load(settings.data, "train")
    module = Baseline(cast(Classifier, settings.method), pictures, settings.seed)
    return module, (pictures.images, pictures.labels)


# LICO


def _lico(settings: RunSettings) -> Lico:
    return cast(Lico, settings.method)


def _reads_text(method: Lico) -> bool:
    return bool(method.alpha or method.beta)


def _check_lico(settings: RunSettings) -> None:
    """Refuse before training what the text side would refuse when it is made."""
    _check_classifier(settings)
    method = _lico(settings)
    if not _reads_text(method):
        return
    sources.check_source(method.language)
    names = catalog.class_names(settings.data)
    kind, _, path = method.language.partition(":")
    if kind == "file":
        sources.read_features(path, names, method.text_width)
        return
    if method.language == "one-hot":
        sources.class_vectors("one-hot", len(names), Architecture.embed, stream(0))
    length = 77 if kind == "open-clip" else Architecture.context
    prompts.build_prompts(
        names, method.n_ctx, method.position, method.full_stop, length
    )


def _clip_run(settings: RunSettings) -> tuple[RunSettings, ...]:
    """Return the run of the tiny CLIP whose tower reads the prompts."""
    method = _lico(settings)
    kind = method.language.partition(":")[0]
    if not _reads_text(method) or kind in ("file", "open-clip", "random-tower"):
        return ()
    run = RunSettings(
        data=DataSettings(train=method.clip_pictures),
        method=TinyClip(epochs=method.clip_epochs),
        seed=method.clip_seed,
        threads=settings.threads,
        device=settings.device,
    )
    return (run,)


def _file_hash(settings: RunSettings) -> str:
    kind, _, path = _lico(settings).language.partition(":")
    if kind != "file" or not _reads_text(_lico(settings)):
        return ""
    return hashlib.sha256(Path(path).expanduser().read_bytes()).hexdigest()[:16]


def _language(settings: RunSettings, given: Sequence[nn.Module]) -> "Language":
    from helpers.methods.text_side import Language

    method, seed = _lico(settings), settings.seed
    class_names = catalog.class_names(settings.data)
    names = sources.ordered(class_names, method.names, stream(seed, "names"))
    kind, _, rest = method.language.partition(":")
    if kind == "file":
        features = sources.read_features(rest, class_names, method.text_width)
        order = [class_names.index(name) for name in names]
        return Language(names, vectors=features[order])
    if kind == "open-clip":
        return Language(names, sources.open_clip_tower(rest))
    if kind == "random-tower":
        return Language(names, build_tiny_clip(method.clip_seed))
    (tower,) = given
    if kind == "tiny-clip":
        return Language(names, tower)
    generator = stream(seed, "class vectors")
    width = Architecture.embed
    vectors = sources.class_vectors(kind, len(names), width, generator)
    return Language(names, tower, vectors)


def _lico_module(settings: RunSettings, given: Sequence[nn.Module]) -> "Material":
    from helpers.lab.fit import quiet_lightning

    quiet_lightning()
    from helpers.methods.lico import LicoClassifier

    method, pictures = _lico(settings), catalog.load(settings.data, "train")
    language = _language(settings, given) if _reads_text(method) else None
    module = LicoClassifier(method, pictures, language, settings.seed)
    return module, (pictures.images, pictures.labels)


# The tiny CLIP


def _clip(settings: RunSettings) -> TinyClip:
    return cast(TinyClip, settings.method)


def _check_clip(settings: RunSettings) -> None:
    size = Architecture.image_size
    if settings.data.name != "scenes" or settings.data.size != size:
        raise Refused(f"tiny-clip is trained on scenes of {size} pixels alone")


def _clip_network(settings: RunSettings) -> nn.Module:
    return build_tiny_clip(settings.seed)


def _clip_module(settings: RunSettings, _: Sequence[nn.Module]) -> "Material":
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
    "ce": Recipe(
        _check_classifier,
        _classifier,
        _ce_module,
        score_classifier,
        trained_by=("methods/baseline.py",),
        scored_by=("lab/score.py",),
        needs=_nothing,
        fingerprint=_no_file,
    ),
    "lico": Recipe(
        _check_lico,
        _classifier,
        _lico_module,
        score_classifier,
        trained_by=("methods/lico.py", "language/sources.py"),
        scored_by=("lab/score.py",),
        needs=_clip_run,
        fingerprint=_file_hash,
    ),
    "tiny-clip": Recipe(
        _check_clip,
        _clip_network,
        _clip_module,
        score_language,
        trained_by=("methods/clip.py",),
        scored_by=("lab/score_language.py",),
        needs=_nothing,
        fingerprint=_no_file,
    ),
}
