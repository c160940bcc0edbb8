"""Grad-CAM: the closed form against the backward pass, interleaved pairs."""

import statistics
import time

import torch

from helpers.explain.cam import grad_cam
from helpers.vision import backbone


def seconds(layer: torch.nn.Module | None) -> float:
    """Return the time of one batch of 64 pictures of 64 pixels."""
    start = time.perf_counter()
    grad_cam(MODEL, IMAGES, LABELS, layer)
    return time.perf_counter() - start


torch.set_num_threads(1)
MODEL = backbone("scene-resnet", 24).eval()
IMAGES, LABELS = torch.randn(64, 3, 64, 64), torch.arange(64) % 24

if __name__ == "__main__":
    seconds(None), seconds(MODEL.blocks)
    ratios = [seconds(MODEL.blocks) / seconds(None) for _ in range(15)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"general / closed form: {middle:.2f} [{low:.2f}, {high:.2f}], 15 pairs")
