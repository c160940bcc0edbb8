"""Chapter 05: the eight saliency methods of `helpers.explain.named` on one network.

Slow methods see fewer pictures, or draw fewer samples: `Budget` says of each how many.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from helpers.chapters.metrics import Metrics, RiseDraw
from helpers.data.catalog import Pictures
from helpers.explain.named import METHODS, How
from helpers.explain.rise import masked_scores, rise_masks
from helpers.streams import stream

SHOWN = ("gradcam", "gradcampp", "rise", "ixg", "ig", "guided", "lrp", "lime")
CHEAP = ("gradcam", "gradcampp")  # one pass a picture
DISPUTED = (*CHEAP, "rise")  # those of the dispute
FAST = (*CHEAP, "ixg", "guided")  # or two


@dataclass(frozen=True)
class Budget:
    """How many pictures a method explains, and how hard it tries.

    Attributes:
        many: pictures of Grad-CAM and Grad-CAM++.
        few: pictures of the others, and of insertion and deletion of the three methods
            of the dispute; the others have half as many.
        hidden: pictures of LIME.
        masks: of RISE, divided by their own mean.
        samples: pictures with hidden parts that LIME shows.
        steps: points on the way of Integrated Gradients.
    """

    many: int = 256
    few: int = 20
    hidden: int = 4
    masks: int = 200
    samples: int = 200
    steps: int = 16

    def pictures(self, name: str) -> int:
        """Return how many pictures a method explains."""
        if name in CHEAP:
            return self.many
        return self.hidden if name == "lime" else self.few

    def areas(self, name: str) -> int:
        """Return of how many of these insertion and deletion are taken at most."""
        return self.few if name in DISPUTED else max(2, self.few // 2)


def budget_of(chapter: Metrics) -> Budget:
    """Return what a chapter's parameters leave to a trial of many networks."""
    return Budget(
        many=min(4 * chapter.explained, chapter.test_pictures),
        few=chapter.rise_pictures,
        hidden=min(4, chapter.rise_pictures),
        masks=max(8, chapter.rise_masks // 5),
    )


def closer(chapter: Metrics) -> Budget:
    """Return what one picture is worth: all masks, samples and steps."""
    masks, samples, steps = chapter.rise_masks, How.samples, How.steps
    return replace(budget_of(chapter), masks=masks, samples=samples, steps=steps)


def signed() -> set[str]:
    """Return the titles of the methods whose maps have evidence against a class."""
    return {METHODS[name].title for name in SHOWN if METHODS[name].signed}


def title(name: str) -> str:
    """Return what tables call a method."""
    return METHODS[name].title


def maps(
    name: str,
    model: nn.Module,
    pictures: Pictures,
    budget: Budget,
    seed: int = 0,
    device: str = "cpu",
    images: Tensor | None = None,
) -> Tensor:
    """Return a method's maps of the true class, `[B, H, W]`, on the CPU.

    Signed where the method is. RISE is divided by the masks' own mean: at few masks
    that is the less noisy form. `seed`: of RISE's masks and LIME's samples; `images`:
    in the place of the pictures' own, normalised, `[B, 3, H, W]`.
    """
    shown = (pictures.normalised() if images is None else images).to(device)
    labels = pictures.labels.to(device)
    if name == "rise":
        size = (shown.shape[2], shown.shape[3])
        masks = rise_masks(budget.masks, size, generator=stream(seed, "rise masks"))
        scores = masked_scores(model, shown, labels, masks)
        return RiseDraw(masks, scores.cpu()).maps(own_mean=True)
    how = How(
        mean=pictures.mean,
        std=pictures.std,
        samples=budget.samples,
        steps=budget.steps,
        seed=seed,
    )
    return METHODS[name].maps(model, shown, labels, how).cpu()


def eight(
    model: nn.Module,
    pictures: Pictures,
    budget: Budget,
    names: Sequence[str] = SHOWN,
    seed: int = 0,
    device: str = "cpu",
) -> dict[str, Tensor]:
    """Return the maps of all methods by title, of as many pictures as each explains."""
    found = {}
    for name in names:
        shown = pictures.first(budget.pictures(name))
        found[title(name)] = maps(name, model, shown, budget, seed, device)
    return found


def valid_for(
    model: nn.Module, pictures: Pictures, device: str = "cpu"
) -> tuple[str, ...]:
    """Return the methods that take this network: one that raises at it is left out."""
    kept = []
    one = pictures.first(1)
    small = Budget(1, 1, 1, masks=1, samples=2, steps=1)
    for name in SHOWN:
        try:
            maps(name, model, one, small, device=device)
        except ValueError:
            continue
        kept.append(name)
    return tuple(kept)
