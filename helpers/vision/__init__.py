"""Backbones that hand out feature maps."""

from collections.abc import Callable
from functools import partial

from helpers.settings import WIDE, Refused, check_backbone
from helpers.vision.resnet import CifarResNet, SceneResNet, initialise
from helpers.vision.torchvision_resnet import TorchvisionResNet
from helpers.vision.wide_resnet import WideResNet

Network = SceneResNet | CifarResNet | TorchvisionResNet | WideResNet

# Name: its kind, and what makes one of K classes with dropout inside its blocks.
BACKBONES: dict[str, tuple[type[Network], Callable[..., Network]]] = {
    "scene-resnet": (SceneResNet, SceneResNet),
    "resnet20": (CifarResNet, partial(CifarResNet, depth=20)),
    "resnet56": (CifarResNet, partial(CifarResNet, depth=56)),
    "resnet18": (TorchvisionResNet, partial(TorchvisionResNet, depth=18)),
    "resnet50": (TorchvisionResNet, partial(TorchvisionResNet, depth=50)),
}


def backbone(name: str, classes: int, dropout: float = 0.0) -> Network:
    """Return an untrained network by name, with dropout inside its blocks.

    Raises `Refused` for an unknown name.
    """
    _, make = _found(name)
    return make(classes, dropout=dropout)


def cell(name: str) -> int:
    """Return the side of a backbone's feature cell in pixels: its total stride.

    Raises `Refused` for an unknown name.
    """
    kind, _ = _found(name)
    return kind.cell


def _found(name: str) -> tuple[type[Network], Callable[..., Network]]:
    try:
        check_backbone(name)
    except ValueError as error:
        raise Refused(f"backbone '{name}': {error}") from None
    if wide := WIDE.fullmatch(name):
        return WideResNet, partial(WideResNet, width=int(wide[1]))
    return BACKBONES[name]


__all__ = [
    "BACKBONES",
    "CifarResNet",
    "Network",
    "SceneResNet",
    "TorchvisionResNet",
    "WideResNet",
    "backbone",
    "cell",
    "initialise",
]
