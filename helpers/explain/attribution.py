"""Saliency from the slope of the logit at the picture: three methods, signed maps.

Input x Gradient and Integrated Gradients are captum's. Guided Backprop follows the
autograd graph: captum's hooks find `nn.ReLU` modules alone, and a network that calls
`F.relu`, as those of this book do, would silently get its plain gradient.

What the methods give a picture, `[B, 3, H, W]`, is summed over the channels and keeps
its sign: evidence for and against the class. Who wants evidence for it alone takes
`maps.relu()`, after any smoothing or before: the order changes a score.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from helpers.explain.cam import check_images, check_targets
from helpers.explain.hooks import evaluating

Model = Callable[[Tensor], Tensor]
Part = Callable[[Model, Tensor, Tensor], Tensor]  # logits of, pictures, targets

# Nodes of the autograd graph that bend as ReLU does not: no guided rule is known.
BENT = (
    *("Gelu", "Silu", "Sigmoid", "Tanh", "Softmax", "Elu", "LeakyRelu", "Prelu"),
    *("Hardtanh", "Hardswish", "Hardsigmoid", "Mish", "Softplus", "Threshold"),
    *("Clamp", "ScaledDotProduct"),
)


def input_x_gradient(
    model: Model, images: Tensor, targets: Tensor, *, chunk: int = 64
) -> Tensor:
    """Return sum_channels x d y_c / d x (Shrikumar et al. 2016), signed.

    Valid for any differentiable network. Of a linear one w x the map is w x exactly,
    and so it is, picture by picture, of a ReLU network without biases: there the map
    sums to the logit.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient.
    Range: any sign, in logits.

    Args:
        model: any differentiable function images -> logits `[n, K]`.
        images: pictures as the model takes them, normalised: 0 is the mean colour.
        targets: the class to explain, per picture, in 0..K-1.
        chunk: pictures a forward pass.

    Raises:
        ValueError: images or targets of the wrong shape, dtype or range; no logits
            `[n, K]`; logits without gradient; a map that is not finite.

    >>> weights = torch.tensor([[1.0, 0.0, 0.0, -2.0]])  # of 2 x 2 pixels
    >>> def model(images):
    ...     return images[:, 0].flatten(1) @ weights.T
    >>> images = torch.full((1, 3, 2, 2), 0.5)
    >>> input_x_gradient(model, images, torch.tensor([0])).tolist()
    [[[0.5, 0.0], [0.0, -1.0]]]
    """
    from captum.attr import InputXGradient

    def part(logits: Model, pictures: Tensor, wanted: Tensor) -> Tensor:
        return InputXGradient(logits).attribute(pictures, target=wanted)

    return by_parts(part, model, images, targets, chunk)


def integrated_gradients(
    model: Model,
    images: Tensor,
    targets: Tensor,
    *,
    steps: int = 50,
    baseline: Tensor | float = 0.0,
    chunk: int = 64,
) -> Tensor:
    """Return sum_channels (x - b) int_0^1 d y_c / d x (b + a (x - b)) da, signed.

    Sundararajan et al. 2017, eq. 1, by Gauss-Legendre quadrature. Valid for any
    differentiable network. A map sums to y_c(x) - y_c(b) (proposition 1), up to the
    error of the quadrature, which at the bends of ReLU falls as 1 / steps.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient.
    Range: any sign, in logits.

    Args:
        model: any differentiable function images -> logits `[n, K]`.
        images: pictures as the model takes them, normalised.
        targets: the class to explain, per picture, in 0..K-1.
        steps: points of the quadrature on the way from the baseline to the picture.
        baseline: b, a number or a tensor that expands to the pictures; 0 is the mean
            colour of normalised pictures.
        chunk: points a forward pass, so that memory does not grow with the steps.

    Raises:
        ValueError: as `input_x_gradient`; steps under 1; a baseline of another shape.
    """
    from captum.attr import IntegratedGradients

    check_images(images)
    check_chunk(chunk)
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    start = torch.as_tensor(baseline).detach().to(images)
    try:
        start = start.expand_as(images)
    except RuntimeError:
        got = f"{list(start.shape)} for pictures of {list(images.shape)}"
        raise ValueError(
            f"the baseline must expand to the pictures, got {got}"
        ) from None

    def part(logits: Model, both: Tensor, wanted: Tensor) -> Tensor:
        pictures, starts = both.detach().chunk(2, 1)
        return IntegratedGradients(logits).attribute(
            pictures,
            starts,
            target=wanted,
            n_steps=steps,
            internal_batch_size=chunk if len(pictures) == 1 else None,
        )

    both = torch.cat([images.detach(), start], 1)  # a picture keeps its own baseline
    return by_parts(part, model, both, targets, max(1, chunk // steps))


def guided_backprop(
    model: Model, images: Tensor, targets: Tensor, *, chunk: int = 64
) -> Tensor:
    """Return sum_channels of the guided gradient of y_c, signed.

    On its way back the gradient passes a ReLU only where it is positive:
    r_in = [f > 0] [r_out > 0] r_out (Springenberg et al. 2015, figure 1 c). Valid for
    networks whose only activation is ReLU, as module or as function, in place or not.
    The maps hardly change when the upper layers are drawn anew (Adebayo et al. 2018,
    figure 2): a control more than evidence.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient.
    Range: any sign, in logits a unit of the picture.

    Raises:
        ValueError: as `input_x_gradient`; a network without ReLU, or with another
            activation or attention, which the message names.
    """

    def part(logits: Model, pictures: Tensor, wanted: Tensor) -> Tensor:
        score = logits(pictures).gather(1, wanted[:, None]).sum()
        guide(score, name_of(model))
        return torch.autograd.grad(score, pictures)[0]

    return by_parts(part, model, images, targets, chunk)


def guide(score: Tensor, name: str) -> None:
    """Let only positive gradients pass each ReLU of the graph behind a score.

    The graph goes with the score: nothing stays at the network.

    Raises:
        ValueError: no ReLU in the graph, or another activation: `guided_backprop`.
    """
    waiting = [score.grad_fn] if score.grad_fn is not None else []
    seen, ways = set(waiting), 0
    while waiting:
        node = waiting.pop()
        if node.name().startswith(BENT):
            bent = node.name().removesuffix("0").removesuffix("Backward")
            raise ValueError(f"Guided Backprop is of ReLU networks: {name} has {bent}")
        if node.name().startswith("Relu"):
            node.register_hook(_positive)
            ways += 1
        following = {node for node, _ in node.next_functions if node is not None}
        waiting += following - seen
        seen |= following
    if not ways:
        raise ValueError(f"Guided Backprop is of ReLU networks: {name} has no ReLU")


def by_parts(
    part: Part, model: Model, images: Tensor, targets: Tensor, chunk: int
) -> Tensor:
    """Return a method's maps `[B, H, W]`, part by part, summed over channels.

    The model runs in evaluation mode with gradients on, on a copy that it may
    overwrite; it and the pictures are left as found.

    Raises:
        ValueError: as `input_x_gradient`.
    """
    check_images(images)
    check_targets(targets, len(images))
    check_chunk(chunk)
    with evaluating(model), torch.inference_mode(False), torch.enable_grad():
        wanted = targets.to(images.device, torch.long, copy=True)
        maps = [
            _attributed(part, model, pictures, some)
            for pictures, some in zip(
                images.split(chunk), wanted.split(chunk), strict=True
            )
        ]
    whole = torch.cat(maps)
    broken = (~whole.isfinite()).flatten(1).any(1).nonzero().flatten().tolist()
    if broken:
        raise ValueError(f"the map of picture {broken[0]} is not finite (NaN or inf)")
    return whole


def check_chunk(chunk: int) -> None:
    """Raise a ValueError unless a forward pass has at least one picture."""
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1 picture, got {chunk}")


def checked_logits(model: Model, images: Tensor, targets: Tensor) -> Tensor:
    """Return the logits `[n, K]` of copies of the pictures.

    Raises:
        ValueError: if the model gives no `[n, K]` or NaN, or has no such class.
    """
    logits = model(images.clone())
    if logits.ndim != 2 or len(logits) != len(images):
        got = f"{list(logits.shape)} for {len(images)} pictures"
        raise ValueError(f"the model must give logits [n, K], gave {got}")
    check_targets(targets, len(targets), logits.shape[1])
    if not logits.isfinite().all():
        raise ValueError("the model gives NaN or inf for a picture: check its input")
    return logits


def _attributed(part: Part, model: Model, images: Tensor, targets: Tensor) -> Tensor:
    """Return the maps of one part, `[n, 3, H, W]` -> `[n, H, W]`."""

    def logits(pictures: Tensor) -> Tensor:
        found = checked_logits(model, pictures, targets)
        if not found.requires_grad:
            name = name_of(model)
            raise ValueError(f"the logits of {name} have no gradient at the picture")
        return found

    probe = images.detach().clone().requires_grad_()
    return part(logits, probe, targets).detach().sum(1)


def _positive(
    given: tuple[Tensor | None, ...], _: tuple[Tensor | None, ...]
) -> tuple[Tensor | None, ...]:
    """Return gradients without their negative part: a hook of an autograd node."""
    return tuple(None if slope is None else slope.relu() for slope in given)


def name_of(model: object) -> str:
    """Return what an error message calls a model: its class, or a function's name."""
    if isinstance(model, nn.Module):
        return type(model).__name__
    return getattr(model, "__name__", type(model).__name__)
