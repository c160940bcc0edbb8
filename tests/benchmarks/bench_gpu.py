"""Row 13: the LICO step of ResNet-18 and -50 on a graphics card, where there is one."""

from collections.abc import Iterator
from itertools import product

import torch
from bench_text import open_clip_text
from rows import Row, machine, timed
from steps import Step, baseline, drawn, lico
from torch import nn

from helpers.chapters.class_names import CIFAR100
from helpers.lab.pairs import alternate

# Table 1 of the reproducibility study: pictures an epoch, side, classes.
SHAPES = {"CIFAR-100": (50_000, 32, 100), "ImageNet-S50": (64_431, 224, 50)}


def rows() -> Iterator[Row]:
    """Yield a row a network, data set, batch and precision; none without a card."""
    if not torch.cuda.is_available():
        return
    clip = open_clip_text()
    for network, data, batch, bf16 in product(
        ("resnet18", "resnet50"), SHAPES, (64, 128), (True, False)
    ):
        yield row(clip, network, data, batch, bf16, "cuda", 20)


def row(
    clip: nn.Module,
    network: str,
    data: str,
    batch: int,
    bf16: bool,
    device: str,
    pairs: int,
) -> Row:
    """Return a row; its note says the seconds an epoch, as Table 1 does."""
    count, side, classes = SHAPES[data]
    pictures = drawn(batch, side, CIFAR100[:classes])
    plain = Step(baseline(pictures, network), pictures, device, bf16)
    ours = Step(lico(pictures, network, clip), pictures, device, bf16)
    found = alternate(plain, ours, pairs, warm=3)
    epoch = [count / batch * seconds for seconds in found.seconds]
    precision = "bf16" if bf16 else "fp32"
    return timed(
        *("13", "LICO step", "baseline step"),
        f"{network}, {data}, batch {batch}, {precision}",
        *(found, "at most"),
        bar=1.15,
        note=f"{epoch[0]:.0f} and {epoch[1]:.0f} s an epoch of {count:,} pictures",
        machine=machine(device),
    )
