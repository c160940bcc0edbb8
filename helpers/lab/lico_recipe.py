"""Runs of LICO: where its language comes from, and what does not go together."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from torch import nn

from helpers.data import catalog
from helpers.data.places import expanded
from helpers.data.scenes import draw_scenes
from helpers.lab.classifier_recipes import check_classifier, classifier, judged_on
from helpers.lab.recipe import Recipe
from helpers.lab.score import score_classifier
from helpers.language import prompts, sources, spelling
from helpers.language.arrays import read_arrays
from helpers.language.tiny_clip import Architecture, build_tiny_clip
from helpers.methods.presets import PRESETS, UNREPAIRED
from helpers.settings import DataSettings, Lico, Refused, RunSettings, TinyClip
from helpers.streams import stream

if TYPE_CHECKING:
    from helpers.lab.recipe import Trainable
    from helpers.methods.text_side import Language

MOVED = ("sorted", "lexicographic")  # orders that some data are in already
_NO_CLIP = ("file", "vectors", "open-clip", "random-tower")  # no tiny one is trained


def _lico(settings: RunSettings) -> Lico:
    return cast(Lico, settings.method)


def _reads_text(method: Lico) -> bool:
    return bool(method.alpha or method.beta)


def _check_lico(settings: RunSettings) -> None:
    """Refuse before training what the text side would refuse when it is made."""
    check_classifier(settings)
    method = _lico(settings)
    if not _reads_text(method):
        return
    kind, _, path = method.language.partition(":")
    if kind == "file":
        expanded(path)
    sources.check_source(method.language)
    names = catalog.class_names(settings.data)
    _check_order(settings, names)
    _check_together(settings, len(names))
    if kind == "file":
        remedy = "write np.savez(path, features=[K, E] numbers, names=[K] strings)"
        read_arrays(expanded(path), ("features", "names"), "text features", remedy)
        sources.read_features(path, names, method.text_width)
        return
    if method.language.endswith("one-hot"):
        width = method.text_width if kind == "vectors" else Architecture.embed
        sources.class_vectors("one-hot", len(names), width, stream(0))
    if kind == "vectors":
        return
    length = 77 if kind == "open-clip" else Architecture.context
    prompts.build_prompts(
        names, method.n_ctx, method.position, method.full_stop, length
    )


def _check_order(settings: RunSettings, class_names: Sequence[str]) -> None:
    """Refuse an order asked for by itself that leaves every name at its label."""
    method = _lico(settings)
    asked = PRESETS[method.preset].get("names", "aligned") != method.names
    if not asked or method.names not in MOVED:
        return
    if _named(settings, class_names) == class_names:
        raise Refused(
            f"names='{method.names}' leaves every name of '{settings.data.name}' at "
            "its label, so that nothing would differ: take names='aligned'"
        )


def _named(settings: RunSettings, class_names: Sequence[str]) -> tuple[str, ...]:
    """Return the name that text k bears, for each label k."""
    order = cast(sources.Order, _lico(settings).names)
    if order == "sorted" and settings.data.name in spelling.SPELT_DATA:
        return spelling.sorted_as_spelled(class_names)
    return sources.ordered(class_names, order, stream(settings.seed, "names"))


def _check_together(settings: RunSettings, classes: int) -> None:
    """Refuse switches of LICO that these data, or this source of language, bar."""
    method = _lico(settings)
    told = "captions" in method.names
    if told and settings.data.name != "scenes":
        raise Refused(
            f"parameter 'names' = '{method.names}': '{settings.data.name}' has no "
            "captions, scenes have"
        )
    vectors = ("random-vectors", "one-hot")
    fixed = sources.is_fixed(method.language)
    if told and (fixed or method.language in vectors):
        raise Refused(f"language={method.language} reads no captions: take a tower")
    if method.tower == "trained" and fixed:
        raise Refused(f"language={method.language} has no tower to train")
    if fixed and (asked := _of_prompts(method)):
        raise Refused(
            f"{asked}: language={method.language} is one vector a class, without a "
            f"prompt, so that '{method.preset}' would be another method: take a tower, "
            "or leave it out"
        )
    rows = method.n_ctx * classes
    view = method.repairs == "none" and method.ot_text == "copies"
    if view and rows != UNREPAIRED[0] * UNREPAIRED[1]:
        raise Refused(
            f"unrepaired, {method.preset} views [{rows}, d'] text rows as "
            f"{list(UNREPAIRED)} x d': repairs='made' views them as "
            f"[{method.n_ctx}, {classes}] x d'"
        )
    if method.repairs == "none" and method.mm_labels == "twice" and method.alpha:
        count = settings.data.train
        last = min(count, count % method.batch or method.batch)
        if last < classes:
            raise Refused(
                f"unrepaired, {method.preset} takes text y of the {last} of its last "
                f"batch for labels y up to {classes - 1}: torch's IndexError; "
                "repairs='made' starts again at 0"
            )


def _of_prompts(method: Lico) -> str:
    """Return the switches by which a method asks for a prompt of a form, if any."""
    plain = Lico()
    names = ("contexts", "position", "shuffle", "text_tokens")
    asked = [name for name in names if getattr(method, name) != getattr(plain, name)]
    return ", ".join(f"{name}='{getattr(method, name)}'" for name in asked)


def _clip_run(settings: RunSettings) -> tuple[RunSettings, ...]:
    """Return the run of the tiny CLIP whose tower reads the prompts."""
    method = _lico(settings)
    kind = method.language.partition(":")[0]
    if not _reads_text(method) or kind in _NO_CLIP:
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
    names, captions = class_names, None
    if "captions" in method.names:
        captions = _captions(settings)
    else:
        names = _named(settings, class_names)
    kind, _, rest = method.language.partition(":")
    if kind == "file":
        features = sources.read_features(rest, class_names, method.text_width)
        rows = [class_names.index(name) for name in names]
        return Language(names, vectors=features[rows])
    if kind == "vectors":
        generator = stream(seed, "class vectors")
        vectors = sources.class_vectors(rest, len(names), method.text_width, generator)
        return Language(names, vectors=vectors)
    if kind == "open-clip":
        tower = sources.open_clip_tower(rest)
        return Language(names, tower, captions=captions)
    if kind == "random-tower":
        tower = build_tiny_clip(method.clip_seed)
        return Language(names, tower, captions=captions)
    (tower,) = given
    if kind == "tiny-clip":
        return Language(names, tower, captions=captions)
    generator = stream(seed, "class vectors")
    width = Architecture.embed
    vectors = sources.class_vectors(kind, len(names), width, generator)
    return Language(names, tower, vectors)


def _captions(settings: RunSettings) -> tuple[str, ...]:
    """Return what is said of each training scene, or of another one."""
    data = settings.data
    drawn = draw_scenes(data.train, "train", data.size, data.cue, data.seed)
    if _lico(settings).names == "captions":
        return tuple(drawn.captions)
    return sources.shuffled(drawn.captions, stream(settings.seed, "captions"))


def _lico_module(settings: RunSettings, given: Sequence[nn.Module]) -> "Trainable":
    from helpers.lab.fit import quiet_lightning

    quiet_lightning()
    from helpers.methods.lico import LicoClassifier

    method, pictures = _lico(settings), catalog.load(settings.data, "train")
    language = _language(settings, given) if _reads_text(method) else None
    module = LicoClassifier(
        method, pictures, language, settings.seed, judged_on(settings)
    )
    rows = (pictures.images, pictures.labels)
    if module.text is None or module.text.numbers is None:
        return module, rows
    return module, (*rows, module.text.numbers)


LICO = Recipe(
    _check_lico,
    classifier,
    _lico_module,
    score_classifier,
    trained_by=("methods/lico.py", "language/sources.py"),
    scored_by=("lab/score.py",),
    needs=_clip_run,
    fingerprint=_file_hash,
)
