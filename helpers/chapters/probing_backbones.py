"""Chapter 11: networks that were trained in other ways, or not at all.

They are made by the recorded study alone, since each takes minutes; what is made is
kept beside the runs, under a name that holds its settings and its code.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from helpers import paths
from helpers.chapters.probing_bench import Data, Frozen
from helpers.data.catalog import Pictures
from helpers.lab.code import code_hash
from helpers.lab.weights import load_weights
from helpers.losses.probing import Loss, loss
from helpers.measure.representation import neighbour_accuracy, spread
from helpers.methods.self_supervised import Pretraining, pretrain
from helpers.settings import Refused
from helpers.streams import stream
from helpers.vision import SceneResNet, initialise
from helpers.vision.bcos_net import SceneBcosNet
from helpers.vision.features_at import FeaturesAt
from helpers.vision.vit import SceneViT

CLIP_LAYER = "layer2"  # of the tiny CLIP's tower: cells of 8 pixels, as the others have
RATE, DECAY = 1e-3, 0.05  # of AdamW, for networks that no run of this book trains
CODE = (
    "chapters/probing_backbones.py",
    "methods/self_supervised.py",
    "vision/bcos_net.py",
)


class WithInverse(nn.Module):
    """A B-cos network that takes normalised pictures: it is shown [x, 1 - x]."""

    def __init__(self, network: nn.Module, pictures: Pictures) -> None:
        super().__init__()
        self.network = network
        shape = (3, 1, 1)
        self.register_buffer("mean", torch.tensor(pictures.mean).view(shape))
        self.register_buffer("std", torch.tensor(pictures.std).view(shape))

    def whole(self, images: Tensor) -> Tensor:
        """Return six channels in [0, 1] of normalised pictures `[B, 3, H, W]`."""
        x = images * self.get_buffer("std") + self.get_buffer("mean")
        return torch.cat([x, 1 - x], 1)

    def features(self, images: Tensor) -> Tensor:
        """Return the last feature maps, `[B, 3, H, W]` -> `[B, C, h, w]`."""
        network: Any = self.network
        return network.features(self.whole(images))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, `[B, 3, H, W]` -> `[B, K]`."""
        return self.network(self.whole(images))


def untrained(classes: int, seed: int) -> nn.Module:
    """Return the book's network with random weights: the control of pre-training."""
    network = SceneResNet(classes)
    initialise(network, stream(seed, "untrained"))
    return network.eval()


def without_labels(
    pictures: Pictures, how: Pretraining, seed: int, report: Any = None
) -> nn.Module:
    """Return the book's network, trained by SimCLR on pictures without labels."""

    def make() -> nn.Module:
        network = SceneResNet(len(pictures.class_names))
        initialise(network, stream(seed, "initialisation"))
        return network

    def train(network: nn.Module) -> None:
        pretrain(
            network, pictures.images, pictures.mean, pictures.std, how, seed, report
        )

    settings = {"kind": "simclr", "how": repr(how), "seed": seed}
    return kept(settings, pictures, make, train)


def b_cos(pictures: Pictures, epochs: int, seed: int, report: Any = None) -> nn.Module:
    """Return a B-cos network, trained with sigmoids and off-targets 1 / K."""

    def make() -> nn.Module:
        network = SceneBcosNet(len(pictures.class_names))
        network.initialise(stream(seed, "initialisation"))
        return WithInverse(network, pictures)

    def train(network: nn.Module) -> None:
        supervised(network, pictures, loss("bce-uniform"), epochs, seed, report)

    settings = {"kind": "b-cos", "epochs": epochs, "seed": seed}
    return kept(settings, pictures, make, train)


def transformer(
    pictures: Pictures, epochs: int, seed: int, report: Any = None
) -> SceneViT:
    """Return a small Vision Transformer, trained with softmax cross-entropy.

    With 0 epochs it is untrained, and not kept.
    """

    def make() -> nn.Module:
        network = SceneViT(len(pictures.class_names), pictures.images.shape[-1])
        network.initialise(stream(seed, "initialisation"))
        return network

    def train(network: nn.Module) -> None:
        supervised(network, pictures, F.cross_entropy, epochs, seed, report)

    settings = {"kind": "vit", "epochs": epochs, "seed": seed}
    found = kept(settings, pictures, make, train) if epochs else make().eval()
    assert isinstance(found, SceneViT)
    return found


def clip_tower(model: Any) -> nn.Module:
    """Return the tiny CLIP's image tower up to a layer of cells of 8 pixels."""
    return FeaturesAt(model.visual, CLIP_LAYER).eval()


def supervised(
    network: nn.Module,
    pictures: Pictures,
    objective: Loss,
    epochs: int,
    seed: int,
    report: Any = None,
    batch: int = 32,
) -> None:
    """Train a network on labelled pictures in place: AdamW, cosine to 0.

    Raises:
        Refused: a loss that is no longer finite.
    """
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    steps = epochs * -(-len(pictures) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    images = pictures.normalised()
    for epoch in range(epochs):
        network.train()
        total = 0.0
        order = torch.randperm(len(pictures), generator=stream(seed, "order", epoch))
        for rows in order.split(batch):
            optimiser.zero_grad(set_to_none=True)
            found = objective(network(images[rows]), pictures.labels[rows])
            found.backward()
            optimiser.step()
            schedule.step()
            total += found.item() * len(rows)
        if not total < float("inf"):
            raise Refused(f"the loss is {total} in epoch {epoch}: train it longer")
        if report:
            report(f"epoch {epoch}: loss {total / len(pictures):.3f}")
    network.eval()


def kept(
    settings: Mapping[str, Any],
    pictures: Pictures,
    make: Callable[[], nn.Module],
    train: Callable[[nn.Module], None],
) -> nn.Module:
    """Return a network from where it was kept, else train and keep it."""
    total = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    total.update(pictures.images.numpy().tobytes())
    total.update(code_hash(CODE).encode())
    name = f"{settings['kind']}-seed{settings['seed']}-{total.hexdigest()[:12]}"
    file = paths.runs() / "probing" / f"{name}.safetensors"
    network = make()
    if file.is_file():
        network.load_state_dict(load_weights(file))
        return network.eval()
    train(network)
    file.parent.mkdir(parents=True, exist_ok=True)
    weights = {k: v.contiguous() for k, v in network.state_dict().items()}
    beside = file.with_suffix(".writing")
    save_file(weights, beside)
    beside.replace(file)
    return network.eval()


def known(frozen: Frozen) -> dict[str, float]:
    """Return what features know without a head: neighbours and spread, of test scenes.

    Keys: neighbours, the accuracy of the 20 nearest training pictures; spread, the mean
    SD of a dimension, 1 on a whole sphere and under .1 where all collapsed; dimensions
    in use.
    """
    data: Data = frozen.data
    train, test = frozen.train.maps.mean((2, 3)), frozen.test.maps.mean((2, 3))
    k = min(20, len(train))
    wide = spread(test)
    return {
        "neighbours": neighbour_accuracy(
            train, data.train.labels, test, data.test.labels, k
        ),
        "spread": float(wide.per_dimension.mean()),
        "dimensions": wide.effective,
    }
