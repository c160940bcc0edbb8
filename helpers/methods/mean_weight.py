"""What a loss does not see of a head: one vector added to the weights of all classes.

softmax(z + a) = softmax(z) for any number a, the same for all classes. So adding a
vector v to every class's weights leaves all probabilities and cross-entropy as they
are, and adds sum_k v_k f_k to every class's map. Sigmoids see it. Plain gradient
descent on cross-entropy leaves the mean weight where it began, since its gradient sums
to 0 over the classes; Adam, which scales each weight's gradient by itself, does not.

Of a head with several layers this is its last layer, and f the channels before it.
"""

import copy
from typing import cast

import torch
from torch import Tensor, nn

from helpers.methods.heads import Head
from helpers.settings import Refused


def mean_weight(head: Head) -> Tensor:
    """Return (1/K) sum_c w_c of the last layer, `[C]`.

    Raises:
        Refused: a B-cos head, whose weights are unit vectors: it has no such freedom.
    """
    return _weights(head).mean(0)


def mean_weight_share(head: Head) -> float:
    """Return |mean_c w_c| / mean_c |w_c|, from 0 (centred) to 1 (all classes alike).

    Raises:
        Refused: as `mean_weight`.
    """
    weights = _weights(head)
    return float(weights.mean(0).norm() / weights.norm(dim=1).mean())


def centred(head: Head) -> Head:
    """Return a copy with w_c - mean_c w_c and b_c - mean_c b_c as its last layer.

    Its softmax is that of the head, and its logits sum to 0 over the classes.

    Raises:
        Refused: as `mean_weight`.
    """
    found = shifted(head, -mean_weight(head))
    last = cast(nn.Conv2d, found.last)
    if last.bias is not None:
        with torch.no_grad():
            last.bias -= last.bias.mean()
    return found


def shifted(head: Head, vector: Tensor, delta: float = 1.0) -> Head:
    """Return a copy with w_c + delta v for every class c; biases stay.

    Its softmax is that of the head, to the bit but for rounding; every class's map of
    w_c f moves by delta v f.

    Shapes: vector `[C]`, C the channels before the last layer.

    Raises:
        Refused: as `mean_weight`; a vector of another length.
    """
    weights = _weights(head)
    if vector.shape != weights.shape[1:]:
        raise Refused(
            f"the vector has shape {list(vector.shape)}, the last layer takes "
            f"[{weights.shape[1]}]: give one number a channel"
        )
    found = copy.deepcopy(head)
    with torch.no_grad():
        found.last.weight += delta * vector.to(weights)[:, None, None]
    return found


def common_direction(head: Head, maps: Tensor) -> Tensor:
    """Return the mean cell before the last layer, as long as a weight is on average.

    v = m mean_c |w_c| / |m| with m the mean over pictures and cells: the shift along
    which evidence spreads evenly over what every picture has in common.

    Shapes: maps, the frozen features, `[B, C, h, w]` -> `[C']`.

    Raises:
        Refused: as `mean_weight`; features whose mean is 0.
    """
    length = _weights(head).norm(dim=1).mean()
    before = maps
    with torch.no_grad():
        for layer in list(head)[: list(head).index(head.last)]:
            before = layer(before)
        middle = before.mean((0, 2, 3))
    if not middle.norm() > 0:
        raise Refused("the features have mean 0: there is no common direction")
    return middle * (length / middle.norm())


def _weights(head: Head) -> Tensor:
    """Return the weights of the last layer, `[K, C]`, or refuse a B-cos head."""
    if not isinstance(head.last, nn.Conv2d):
        raise Refused("a B-cos head has unit weights: no vector can be added to them")
    return head.last.weight.detach()[:, :, 0, 0]
