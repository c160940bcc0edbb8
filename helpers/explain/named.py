"""Saliency methods by name: one way to call any of them, and what each is valid for.

`METHODS[name].maps(model, images, targets, how)` gives maps `[B, H, W]` whatever the
method; `How` holds what some of them need besides, with the defaults of this book.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from helpers.explain.attention import cgw1, cgw2, rollout
from helpers.explain.attribution import (
    guided_backprop,
    input_x_gradient,
    integrated_gradients,
)
from helpers.explain.bcos import bcos_contributions, with_inverse
from helpers.explain.cam import grad_cam
from helpers.explain.cam_pp import grad_cam_pp
from helpers.explain.lime import Lime, lime
from helpers.explain.relevance import box_of, lrp
from helpers.explain.rise import rise_from_seed
from helpers.explain.vit_cx import VitCx, vit_cx
from helpers.settings import Refused, nearest


@dataclass(frozen=True)
class How:
    """What methods take besides network, pictures and classes.

    Attributes:
        mean: of the normalisation that made the pictures, per channel: LRP asks what a
            pixel could have been, B-cos networks take pictures as they were.
        std: of the same.
        layer: whose maps Grad-CAM and Grad-CAM++ weigh, by its name; None for the last.
        masks: pictures with random masks that RISE shows.
        samples: pictures with hidden parts that LIME shows.
        steps: points on the way of Integrated Gradients.
        seed: of RISE's masks, LIME's samples and the noise of ViT-CX.
        chunk: pictures a forward pass, at most.
    """

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    layer: str | None = None
    masks: int = 1000
    samples: int = 500
    steps: int = 50
    seed: int = 0
    chunk: int = 64


Call = Callable[[nn.Module, Tensor, Tensor, How], Tensor]
AS_GIVEN = How()


@dataclass(frozen=True)
class SaliencyMethod:
    """One row of `METHODS`.

    Attributes:
        name: as on the command line.
        title: as in tables.
        networks: those that it is valid for, in words; it raises ValueError at others.
        signed: whether a map has evidence against the class too, as negative values.
        call: the method, with the settings it reads of `How`.
    """

    name: str
    title: str
    networks: str
    signed: bool
    call: Call

    def maps(
        self, model: nn.Module, images: Tensor, targets: Tensor, how: How = AS_GIVEN
    ) -> Tensor:
        """Return the maps of pictures for a class each, in the size of the picture.

        Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient.
        Range: of the method; [0, inf) unless it is signed.

        Raises:
            ValueError: as the method, also for a network that it is not valid for.
        """
        return self.call(model, images, targets, how)


class WithInverse(nn.Module):
    """A B-cos network of 6 channels as one of 3: x, 1 - x are made inside.

    `bcos` explains the network itself; all other methods and metrics take the pictures
    in [0, 1] through it, not normalised (mean 0, std 1).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of pictures `[B, 3, H, W]` in [0, 1]."""
        return self.network(with_inverse(images))


def method(name: str) -> SaliencyMethod:
    """Return the method of a name; raises `Refused` for an unknown one."""
    if name not in METHODS:
        raise Refused(f"unknown method '{name}'{nearest(name, list(METHODS))}")
    return METHODS[name]


def _grad_cam(model: nn.Module, images: Tensor, targets: Tensor, how: How) -> Tensor:
    return grad_cam(model, images, targets, how.layer, chunk=how.chunk)


def _grad_cam_pp(model: nn.Module, images: Tensor, targets: Tensor, how: How) -> Tensor:
    return grad_cam_pp(model, images, targets, how.layer, chunk=how.chunk)


def _rise(model: nn.Module, images: Tensor, targets: Tensor, how: How) -> Tensor:
    return rise_from_seed(
        model, images, targets, how.masks, seed=how.seed, chunk=how.chunk
    )


def _ixg(model: nn.Module, images: Tensor, targets: Tensor, how: How) -> Tensor:
    return input_x_gradient(model, images, targets, chunk=how.chunk)


def _ig(model: nn.Module, images: Tensor, targets: Tensor, how: How) -> Tensor:
    return integrated_gradients(
        model, images, targets, steps=how.steps, chunk=how.chunk
    )


def _guided(model: nn.Module, images: Tensor, targets: Tensor, how: How) -> Tensor:
    return guided_backprop(model, images, targets, chunk=how.chunk)


def _lrp(model: nn.Module, images: Tensor, targets: Tensor, how: How) -> Tensor:
    box = box_of(how.mean, how.std)
    return lrp(model, images, targets, box, chunk=min(how.chunk, 16))


def _lime(model: nn.Module, images: Tensor, targets: Tensor, how: How) -> Tensor:
    options = Lime(samples=how.samples, seed=how.seed)
    return lime(model, images, targets, options=options, chunk=how.chunk)


def _bcos(model: nn.Module, images: Tensor, targets: Tensor, how: How) -> Tensor:
    network = model.network if isinstance(model, WithInverse) else model
    mean, std = (
        images.new_tensor(one)[:, None, None] for one in (how.mean, how.std)
    )  # [C, 1, 1]
    return bcos_contributions(network, images * std + mean, targets, chunk=how.chunk)


def _rollout(model: nn.Module, images: Tensor, targets: Tensor, how: How) -> Tensor:
    return rollout(model, images, targets, chunk=how.chunk)


def _cgw1(model: nn.Module, images: Tensor, targets: Tensor, how: How) -> Tensor:
    return cgw1(model, images, targets, chunk=how.chunk)


def _cgw2(model: nn.Module, images: Tensor, targets: Tensor, how: How) -> Tensor:
    return cgw2(model, images, targets, chunk=how.chunk)


def _vit_cx(model: nn.Module, images: Tensor, targets: Tensor, how: How) -> Tensor:
    return vit_cx(model, images, targets, VitCx(seed=how.seed), chunk=how.chunk)


RECTIFIED = "of ReLU, convolutions, pooling, sums"
ANY = "any function of pictures"
TOKENS = "vision transformers with a class token"
_ROWS: Sequence[SaliencyMethod] = (
    SaliencyMethod("gradcam", "Grad-CAM", "with a feature map", False, _grad_cam),
    SaliencyMethod(
        "gradcampp", "Grad-CAM++", "with a feature map", False, _grad_cam_pp
    ),
    SaliencyMethod("rise", "RISE", ANY, False, _rise),
    SaliencyMethod("ixg", "Input x Gradient", "differentiable", True, _ixg),
    SaliencyMethod("ig", "Integrated Gradients", "differentiable", True, _ig),
    SaliencyMethod(
        "guided", "Guided Backprop", "of ReLU and no other bend", True, _guided
    ),
    SaliencyMethod("lrp", "LRP", RECTIFIED, True, _lrp),
    SaliencyMethod("lime", "LIME", ANY, True, _lime),
    SaliencyMethod("bcos", "B-cos", "B-cos networks", True, _bcos),
    SaliencyMethod("rollout", "Rollout", TOKENS, False, _rollout),
    SaliencyMethod("cgw1", "CGW1", TOKENS, False, _cgw1),
    SaliencyMethod("cgw2", "CGW2", TOKENS, False, _cgw2),
    SaliencyMethod("vit-cx", "ViT-CX", TOKENS, True, _vit_cx),
)
METHODS: dict[str, SaliencyMethod] = {row.name: row for row in _ROWS}
