"""A small network in the manner of AlexNet, to be explained beside residual ones.

Krizhevsky et al. (2012): large first filters, max pooling, no normalisation, no
shortcut, and a head that reads the pooled maps flattened, place by place.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.data import catalog
from helpers.settings import DataSettings
from helpers.streams import mix, stream

CELLS = 3  # a side that the head reads; AlexNet's reads 6
WIDTHS = (32, 64, 96, 64)  # channels of the convolutions
BATCH, LR = 32, 1e-3
PICTURES = 3000  # to train with: without normalisation it needs more than the others


class AlexNetLike(nn.Module):
    """Four convolutions, three poolings and a head of two layers."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        one, two, three, four = WIDTHS
        self.features = nn.Sequential(
            nn.Conv2d(3, one, 7, stride=2, padding=3),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
            nn.Conv2d(one, two, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
            nn.Conv2d(two, three, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(three, four, 3, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Sequential(
            nn.Dropout(0.25),
            nn.Linear(four * CELLS**2, 128),
            nn.ReLU(),
            nn.Dropout(0.25),
            nn.Linear(128, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, `[B, 3, H, W]` -> `[B, K]`."""
        pooled = F.adaptive_avg_pool2d(self.features(images), CELLS)
        logits: Tensor = self.head(pooled.flatten(1))
        return logits


def trained_alexnet(
    settings: DataSettings, epochs: int, seed: int
) -> tuple[AlexNetLike, float]:
    """Return a network trained on `PICTURES` of the data, and its test accuracy.

    Adam with a falling rate, pictures mirrored by chance; in evaluation mode.
    """
    more = settings.model_copy(update={"train": PICTURES})
    train, test = (catalog.load(more, split) for split in ("train", "test"))
    with torch.random.fork_rng():
        torch.manual_seed(mix(seed, "AlexNet"))
        network = AlexNetLike(len(train.class_names))
    inputs = train.normalised()
    steps = epochs * -(-len(inputs) // BATCH)
    optimiser = torch.optim.Adam(network.parameters(), LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for epoch in range(epochs):
        order = torch.randperm(len(inputs), generator=stream(seed, "AlexNet", epoch))
        with torch.random.fork_rng():
            torch.manual_seed(mix(seed, "AlexNet dropout", epoch))
            for some in order.split(BATCH):
                mirrored = torch.rand(len(some), 1, 1, 1) < 0.5
                shown = torch.where(mirrored, inputs[some].flip(3), inputs[some])
                loss = F.cross_entropy(network(shown), train.labels[some])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
    network.eval()
    with torch.no_grad():
        parts = [network(block).argmax(1) for block in test.normalised().split(256)]
    return network, float((torch.cat(parts) == test.labels).float().mean())
