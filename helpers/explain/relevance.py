"""Layer-wise relevance propagation (Bach et al. 2015) by zennit: epsilon, gamma, box.

The target's logit is handed down layer by layer, each unit's share to its inputs in
proportion to what they put into it, so that it arrives at the pixels undiminished but
for what biases take. Which proportion is the layer's rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from helpers.explain.attribution import Model, by_parts, check_chunk
from helpers.explain.cam import check_images, check_targets
from helpers.explain.canonical import Mean, Sum, canonical
from helpers.explain.hooks import evaluating

STABILISER = 1e-6  # added to denominators, with their sign
SAME = 1e-3  # of the largest logit: the canonical form must give the network's


@dataclass(frozen=True)
class Box:
    """The lowest and the highest value a pixel of a picture can have, per channel.

    Not those of the pictures at hand: the rule of the first layer asks what a pixel
    could have been.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]


def box_of(mean: Sequence[float], std: Sequence[float]) -> Box:
    """Return the box of pictures in [0, 1] after (x - mean) / std, per channel."""
    pairs = list(zip(mean, std, strict=True))
    return Box(tuple(-m / s for m, s in pairs), tuple((1 - m) / s for m, s in pairs))


def lrp(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    box: Box,
    *,
    epsilon: float = 1e-6,
    gamma: float = 0.25,
    chunk: int = 16,
) -> Tensor:
    """Return LRP maps by the rules epsilon, gamma and box, signed.

    From the output's R_k, at first the target's logit, an input's share is R_j =
    sum_k z_jk / sum_j' z_j'k R_k; the map sums it over the channels. Linear layers:
    z_jk = a_j w_jk, the denominator plus epsilon (Bach et al. 2015, eq. 58).
    Convolutions: a_j (w_jk + gamma w_jk^+), in its form for inputs of either sign
    (Montavon et al. 2019, table 1). The first: a_j w_jk - low_j w_jk^+ - high_j w_jk^-
    (Montavon et al. 2017, section 5). Sums and means: in proportion to the summands.
    ReLU and batch norms that follow no layer to merge with hand R on; max pooling gives
    it to the maximum.

    Valid for networks of convolutions, batch norms, ReLU, pooling, residual sums and
    linear layers that `torch.fx` can read, such as ResNet, VGG and the networks of
    `helpers.vision`; not for attention. A network without biases has maps that sum to
    about the logit: biases keep what is theirs.

    Shapes: images `[B, 3, H, W]`, targets `[B]` -> `[B, H, W]`, no gradient.
    Range: any sign, in logits.

    Args:
        model: a network images -> logits `[n, K]`.
        images: pictures as the model takes them, normalised.
        targets: the class to explain, per picture, in 0..K-1.
        box: the lowest and highest pixel values: `box_of` the normalisation.
        epsilon: added to the denominators of linear layers.
        gamma: how much more the positive weights of convolutions count.
        chunk: pictures a forward pass.

    Raises:
        ValueError: images or targets of the wrong shape, dtype or range; pictures that
            leave the box; a layer or function without a rule, by name: `canonical`; a
            map that is not finite.
    """
    check_images(images)
    check_targets(targets, len(images))
    check_chunk(chunk)
    _check_box(box, images)
    if not (epsilon >= 0 and gamma >= 0):
        raise ValueError(f"epsilon and gamma must be 0 or more, got {epsilon}, {gamma}")
    if not isinstance(model, nn.Module):
        raise ValueError(f"LRP is of networks, got a {type(model).__name__}")
    with evaluating(model), torch.inference_mode(False):
        network = canonical(model)
        _check_same(network, model, images)
        composite = _composite(box, epsilon, gamma)

    def part(logits: Model, probe: Tensor, wanted: Tensor) -> Tensor:
        with composite.context(network):
            found = logits(probe)
            score = found.gather(1, wanted[:, None])
            start = torch.zeros_like(found).scatter(1, wanted[:, None], score.detach())
            return torch.autograd.grad(found, probe, start)[0]

    return by_parts(part, network, images, targets, chunk)


def _composite(box: Box, epsilon: float, gamma: float) -> Any:
    """Return zennit's assignment of rules to layers."""
    from zennit.composites import EpsilonGammaBox
    from zennit.rules import Norm

    low, high = (torch.tensor(one, dtype=torch.double) for one in (box.low, box.high))
    return EpsilonGammaBox(
        low=low[None, :, None, None],
        high=high[None, :, None, None],
        epsilon=epsilon,
        gamma=gamma,
        stabilizer=STABILISER,
        layer_map=[((Mean, Sum), Norm(stabilizer=STABILISER))],
    )


def _check_box(box: Box, images: Tensor) -> None:
    """Raise a ValueError unless the box has the channels and holds the pictures."""
    channels = images.shape[1]
    if not len(box.low) == len(box.high) == channels:
        got = f"{len(box.low)} and {len(box.high)}"
        raise ValueError(
            f"the box needs {channels} lowest and highest values, got {got}"
        )
    low, high = (torch.tensor(one).to(images) for one in (box.low, box.high))
    if not (low < high).all():
        raise ValueError(f"the box is empty: lowest {box.low}, highest {box.high}")
    slack = 1e-3 * (high - low)
    least, most = images.amin((0, 2, 3)), images.amax((0, 2, 3))
    for channel in range(channels):
        if least[channel] < low[channel] - slack[channel]:
            wrong = f"{least[channel]:.3g}, under {low[channel]:.3g}"
        elif most[channel] > high[channel] + slack[channel]:
            wrong = f"{most[channel]:.3g}, over {high[channel]:.3g}"
        else:
            continue
        raise ValueError(f"a picture leaves the box in channel {channel}: {wrong}")


@torch.no_grad()
def _check_same(network: fx.GraphModule, model: nn.Module, images: Tensor) -> None:
    """Raise a ValueError if the canonical form gives other logits than the network."""
    one = images[:1].detach().clone()
    wanted = model(one.clone())
    if not isinstance(wanted, Tensor) or wanted.ndim != 2:
        what = (
            list(wanted.shape) if isinstance(wanted, Tensor) else type(wanted).__name__
        )
        raise ValueError(f"the model must give logits [n, K], gave {what}")
    gap = (network(one) - wanted).abs().max()
    if gap > SAME * wanted.abs().max():
        name = type(model).__name__
        raise ValueError(
            f"{name} does more than its forward pass says (hooks, in place?)"
        )
