"""Which recipe a run's method has, and what its folder is called.

A later method adds a module beside this one, and a row to `RECIPES`.
"""

from helpers.lab.classifier_recipes import CE, CGC
from helpers.lab.clip_recipe import TINY_CLIP
from helpers.lab.lico_recipe import LICO
from helpers.lab.recipe import Recipe
from helpers.methods.presets import modified
from helpers.settings import Cgc, Lico, RunSettings, TinyClip

RECIPES: dict[str, Recipe] = {
    "ce": CE,
    "cgc": CGC,
    "lico": LICO,
    "tiny-clip": TINY_CLIP,
}


def recipe(settings: RunSettings) -> Recipe:
    """Return the recipe of the run's method."""
    return RECIPES[settings.method.name]


def label(settings: RunSettings) -> str:
    """Return the name of the method's folder."""
    method = settings.method
    if isinstance(method, TinyClip) and method.captions != "aligned":
        return f"{method.name}-{method.captions}"
    if isinstance(method, Cgc):
        return method.name if method.lam else "three-views"
    if isinstance(method, Lico):
        return f"lico-{method.preset}" + ("-modified" if modified(method) else "")
    return method.name
