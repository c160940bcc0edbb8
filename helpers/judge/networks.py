"""A network by its name, with weights from a file: this book's, torchvision's, timm's.

From Python any `nn.Module` will do; this is what a command line can name.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from helpers.data.places import expanded
from helpers.lab.given_weights import given_weights
from helpers.settings import Refused, check_backbone, nearest
from helpers.vision import BACKBONES, backbone

FORM = "write NAME:WEIGHTS, as resnet18:weights.safetensors or timm:NAME:WEIGHTS"
SHOWN = 3  # names of weights that a message lists


def parts(text: str) -> tuple[str, Path]:
    """Return name and weights' file of `NAME:WEIGHTS`; a name of timm keeps `timm:`.

    Raises `Refused` for another form or a name that nobody knows.
    """
    head, _, rest = text.partition(":")
    name, _, file = rest.partition(":") if head == "timm" else (head, "", rest)
    if not name or not file:
        raise Refused(
            f"model '{text}' lacks its {'weights' if name else 'name'}: {FORM}"
        )
    full = f"timm:{name}" if head == "timm" else name
    maker(full)
    return full, expanded(file)


def maker(name: str) -> Callable[[int], nn.Module]:
    """Return what makes an untrained network of K classes.

    A name of `helpers.vision` comes first: its ResNets are torchvision's, with feature
    maps handed out.

    Raises `Refused` for an unknown name.
    """
    if name.startswith("timm:"):
        import timm

        own = name.removeprefix("timm:")
        if not timm.is_model(own):
            raise Refused(
                f"timm has no model '{own}'{nearest(own, timm.list_models())}"
            )
        return lambda classes: timm.create_model(own, num_classes=classes)
    try:
        check_backbone(name)
    except ValueError:
        pass
    else:
        return lambda classes: backbone(name, classes)
    from torchvision.models import get_model, list_models

    names = [one for one in list_models() if "/" not in one and one[0] != "_"]
    if name not in names:
        known = [*BACKBONES, *names]
        close = nearest(name, known)
        tail = close if "did you mean" in close else "; see helpers.vision, torchvision"
        raise Refused(f"unknown model '{name}'{tail}")
    return lambda classes: get_model(name, weights=None, num_classes=classes)


def network(name: str, file: Path) -> tuple[nn.Module, int]:
    """Return a network with the weights of a file, and its number of classes.

    The number of classes is the one that makes the weights fit.

    Raises `Refused` for weights that cannot be read, do not fit or are not finite.
    """
    weights = given_weights(file)
    make = maker(name)
    outputs = _outputs(make, weights)
    if outputs < 1:
        raise Refused(f"weights '{file}' are of a network without a class")
    model = make(outputs)
    if wrong := _misfits(model, weights):
        raise Refused(f"weights '{file}' do not fit {name}: {wrong}")
    try:
        model.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        what = " ".join(str(error).split())[:120]
        raise Refused(f"weights '{file}' do not fit {name}: {what}") from None
    return model.eval(), outputs


def _outputs(make: Callable[[int], nn.Module], weights: Mapping[str, Tensor]) -> int:
    """Return K such that a network of K classes has weights of these shapes."""
    two, three = (_shapes(make(classes)) for classes in (2, 3))
    heads = {key for key, shape in two.items() if shape != three[key]}  # follow K
    for key in heads:
        axis = [a != b for a, b in zip(two[key], three[key], strict=True)].index(True)
        if key in weights and weights[key].ndim > axis:
            return weights[key].shape[axis]
    return 1000


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(values.shape) for key, values in model.state_dict().items()}


def _misfits(model: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """Return in words what of the weights does not fit; empty if all does."""
    own = _shapes(model)
    kinds = {
        "missing": sorted(set(own) - set(weights)),
        "unknown": sorted(set(weights) - set(own)),
        "of another shape": sorted(
            key for key in own.keys() & weights if own[key] != tuple(weights[key].shape)
        ),
    }
    # Counters of batches are of newer checkpoints alone and decide nothing.
    kinds["missing"] = [k for k in kinds["missing"] if "num_batches_tracked" not in k]
    told = []
    for kind, keys in kinds.items():
        if keys:
            more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
            told.append(f"{kind}: {', '.join(keys[:SHOWN])}{more}")
    return "; ".join(told)
