"""What is judged, and how: checked before the pictures go through the network."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from helpers.data.catalog import normalise
from helpers.explain.cam import coarse_grad_cam
from helpers.explain.hooks import evaluating
from helpers.explain.named import How, method
from helpers.judge.material import Material
from helpers.measure import named
from helpers.measure.subject import Need
from helpers.settings import Refused

TRIED = How(masks=4, samples=4, steps=2)  # of the trial on one picture


@dataclass(frozen=True)
class Choice:
    """What is judged, and how: the defaults are the command line's.

    Attributes:
        methods: names of `explain.named.METHODS`.
        metrics: names of `measure.named.METRICS`; those that they are read beside are
            added.
        how: what methods take besides: normalisation, layer, masks of RISE, seed.
        draws: crops a picture for SES.
        grids: composites of GridPG.
        side: pictures a row of a composite.
        device: where the network runs.
        shown: pictures whose maps are kept for the page.
    """

    methods: Sequence[str] = ("gradcam",)
    metrics: Sequence[str] = ("insertion", "deletion", "ses")
    how: How = field(default_factory=How)
    draws: int = 1
    grids: int = 50
    side: int = 2
    device: str = "cpu"
    shown: int = 6


def checked(choice: Choice, material: Material) -> tuple[str, ...]:
    """Return the metrics with those they are read beside; raises `Refused` else."""
    if not choice.methods or not choice.metrics:
        raise Refused(
            "a method and a metric are needed: --methods gradcam --metrics ses"
        )
    for name in choice.methods:
        method(name)
    has: set[Need] = {"grid"}
    has |= {"masks"} if material.masks is not None else set()
    has |= {"boxes"} if material.boxes is not None else set()
    has |= {"crops"} if len(material) > 1 else set()
    remedy = {
        "masks": "give --masks, a COCO file or a folder of PNGs",
        "boxes": "give --masks coco.json",
        "crops": "give two pictures or more",
        "grid": "",
    }
    for name in choice.metrics:
        for need in named.metric(name).needs:
            if need not in has:
                raise Refused(f"metric '{name}' needs {need}: {remedy[need]}")
    for name in ("draws", "grids", "side"):
        if getattr(choice, name) < 1:
            raise Refused(f"--{name} must be 1 or more, got {getattr(choice, name)}")
    try:
        place = torch.device(choice.device)
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError) as error:
        what = str(error).splitlines()[0]
        raise Refused(f"device '{choice.device}' is not there: {what}") from None
    return tuple(named.completed(choice.metrics))


@torch.no_grad()
def tried(
    model: nn.Module, material: Material, choice: Choice
) -> tuple[int, tuple[int, int] | None]:
    """Return the number of logits and the cells of the feature map, None without one.

    One picture goes through the network, and through each method in small.

    Raises `Refused` for what does not fit.
    """
    how, size = choice.how, tuple(material.images.shape[1:])
    picture = normalised(material, choice, slice(1))
    try:
        with evaluating(model):
            logits = model(picture.clone())
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
        what = (str(error).splitlines() or [type(error).__name__])[0]
        raise Refused(
            f"the model does not take pictures of {' x '.join(map(str, size))}: "
            f"{what}; another --size?"
        ) from None
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != 1:
        got = (
            list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        )
        raise Refused(f"the model must give logits [n, K], one picture gave {got}")
    if not logits.isfinite().all():
        raise Refused(
            "the model gives NaN or inf for a picture: are its weights whole?"
        )
    outputs = logits.shape[1]
    low = min(min(group) for group in material.groups)
    high = max(max(group) for group in material.groups)
    if low < 0 or high >= outputs:
        raise Refused(
            f"labels lie in {low}..{high}, the model has classes 0 to {outputs - 1}: "
            "is it the right one, or the label map?"
        )
    target = torch.tensor([material.groups[0][0]], device=choice.device)
    small = replace(how, masks=TRIED.masks, samples=TRIED.samples, steps=TRIED.steps)
    for name in choice.methods:
        try:
            method(name).maps(model, picture, target, small)
        except ImportError as error:
            remedy = "pip install 'does-language-explain[judge]'"
            raise Refused(f"method '{name}' needs {error.name}: {remedy}") from None
        except (ValueError, RuntimeError, TypeError) as error:
            what = (str(error).splitlines() or [type(error).__name__])[0]
            raise Refused(f"method '{name}': {what}") from None
    try:
        coarse = coarse_grad_cam(model, picture, target, how.layer)
    except (ValueError, RuntimeError, TypeError):
        return outputs, None
    return outputs, (coarse.shape[1], coarse.shape[2])


def normalised(material: Material, choice: Choice, part: slice) -> Tensor:
    """Return some pictures as the network takes them, `[n, 3, H, W]`, on its device."""
    pictures = material.images[part].to(choice.device)
    return normalise(pictures, choice.how.mean, choice.how.std)
