"""Runs of the tiny CLIP."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from torch import nn

from helpers.data.scenes import draw_scenes
from helpers.lab.recipe import Recipe, no_file, no_runs
from helpers.lab.score_language import score_language
from helpers.language.tiny_clip import Architecture, build_tiny_clip, tokenise
from helpers.settings import Refused, RunSettings, TinyClip

if TYPE_CHECKING:
    from helpers.lab.recipe import Trainable


def _clip(settings: RunSettings) -> TinyClip:
    return cast(TinyClip, settings.method)


def _check_clip(settings: RunSettings) -> None:
    size = Architecture.image_size
    if settings.data.name != "scenes" or settings.data.size != size:
        raise Refused(f"tiny-clip is trained on scenes of {size} pixels alone")


def _clip_network(settings: RunSettings) -> nn.Module:
    return build_tiny_clip(settings.seed)


def _clip_module(settings: RunSettings, _: Sequence[nn.Module]) -> "Trainable":
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


TINY_CLIP = Recipe(
    _check_clip,
    _clip_network,
    _clip_module,
    score_language,
    trained_by=("methods/clip.py",),
    scored_by=("lab/score_language.py",),
    needs=no_runs,
    fingerprint=no_file,
)
