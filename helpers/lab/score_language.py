"""The scores of a tiny CLIP: what its record holds."""

from collections.abc import Callable
from typing import Any

from open_clip.model import CLIP
from torch import Tensor, nn

from helpers.data import catalog
from helpers.data.scenes import CLASS_NAMES, draw_scenes, family_distance
from helpers.language.tiny_clip import (
    build_tiny_clip,
    class_bearing_features,
    class_prompts,
    text_features,
    zero_shot,
)
from helpers.measure.language import mantel, text_distances
from helpers.settings import RunSettings

FEATURES: dict[str, Callable[[CLIP], Tensor]] = {
    "pooled": lambda model: text_features(model, class_prompts(CLASS_NAMES)).cpu(),
    "token": lambda model: class_bearing_features(model, CLASS_NAMES).cpu(),
}


def score_language(settings: RunSettings, model: nn.Module) -> dict[str, Any]:
    """Return zero-shot accuracy, and rank correlations of text with planted distances.

    Zero-shot on test scenes of one object, without a cue; distances of pooled features
    and of the name's own tokens, also for the same tower with random weights.
    """
    assert isinstance(model, CLIP)
    data = settings.data
    scenes = draw_scenes(data.test, "test", data.size, seed=data.seed, single=True)
    images = catalog.normalise(scenes.images, *catalog.NORMALISATION["scenes"])
    named = zero_shot(model, images.to(settings.device), CLASS_NAMES).cpu()
    planted = family_distance()
    random = build_tiny_clip(settings.seed).to(settings.device).eval()
    scores: dict[str, float] = {
        "zero-shot": (named == scenes.labels).float().mean().item()
    }
    for kind, features in FEATURES.items():
        rho, p = mantel(text_distances(features(model)), planted)
        scores |= {f"{kind} rho": rho, f"{kind} p": p}
        rho, _ = mantel(text_distances(features(random)), planted)
        scores[f"{kind} rho, random tower"] = rho
    return {"language": scores}
