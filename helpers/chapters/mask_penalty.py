"""Chapter 05: a network taught to keep its map on the object, beside one that is not.

Before a metric judges LICO it must order two networks of which one was trained for what
the metric measures. Both go on from the same trained network, with the same pictures in
the same order; they differ in the penalty alone.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.data.catalog import Pictures
from helpers.explain.cam import is_pooled_linear, pooled_head_cam
from helpers.settings import Refused
from helpers.streams import stream

MOMENTUM, WEIGHT_DECAY, BATCH = 0.9, 1e-4, 32


def off_mask(saliency: Tensor, masks: Tensor) -> Tensor:
    """Return 1 - sum(H S) / sum(H), the share of saliency off the object, `[B]`.

    With S the share of each cell that the object covers. A zero map has 1, without
    gradient.

    Shapes: saliency `[B, h, w]`, non-negative, masks `[B, H, W]` bool -> `[B]`.
    Range: [0, 1].
    """
    cells = (saliency.shape[1], saliency.shape[2])
    covered = F.adaptive_avg_pool2d(masks[:, None].to(saliency), cells)[:, 0]
    least = torch.finfo(saliency.dtype).tiny
    whole = saliency.sum((1, 2)).clamp(min=least)
    return 1 - (saliency * covered).sum((1, 2)) / whole


def continued(
    model: nn.Module,
    pictures: Pictures,
    weight: float,
    epochs: int = 3,
    lr: float = 0.01,
    seed: int = 0,
    device: str = "cpu",
) -> nn.Module:
    """Return a copy of a trained network after a few more epochs of L_CE + w L_off.

    L_off is the mean of `off_mask` of Grad-CAM of the true class, in closed form: an
    ordinary gradient, no double backward. `weight` 0 is the control: as many steps.
    The network that was given is not touched.

    Raises:
        Refused: pictures without masks, or a network without a pooled linear head.
    """
    if pictures.masks is None:
        raise Refused("a penalty off the object needs pictures with masks")
    given: object = model
    if not is_pooled_linear(given):
        raise Refused("the penalty needs a network with `features` and a linear `head`")
    network: Any = copy.deepcopy(model).train()
    weights = [one.requires_grad_() for one in network.parameters()]
    optimizer = torch.optim.SGD(
        weights, lr=lr, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    for epoch in range(epochs):
        order = torch.randperm(
            len(pictures), generator=stream(seed, "mask penalty", epoch)
        )
        for rows in order.split(BATCH):
            some = pictures.rows(rows)
            assert some.masks is not None
            labels = some.labels.to(device)
            features = network.features(some.normalised().to(device))
            loss = F.cross_entropy(network.head(features.mean((2, 3))), labels)
            if weight:
                found = pooled_head_cam(features, network.head.weight, labels)
                loss = loss + weight * off_mask(found, some.masks.to(device)).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    return network.eval()
