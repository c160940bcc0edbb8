"""Backbones that hand out feature maps."""

from collections.abc import Callable

from helpers.settings import Refused, nearest
from helpers.vision.resnet import CifarResNet, SceneResNet, initialise

BACKBONES: dict[str, Callable[[int], SceneResNet | CifarResNet]] = {
    "scene-resnet": lambda classes: SceneResNet(classes),
    "resnet20": lambda classes: CifarResNet(classes, depth=20),
    "resnet56": lambda classes: CifarResNet(classes, depth=56),
}


def backbone(name: str, classes: int) -> SceneResNet | CifarResNet:
    """Return an untrained network by name; raises `Refused` for an unknown one."""
    if name not in BACKBONES:
        raise Refused(f"unknown backbone '{name}'{nearest(name, list(BACKBONES))}")
    return BACKBONES[name](classes)


__all__ = ["BACKBONES", "CifarResNet", "SceneResNet", "backbone", "initialise"]
