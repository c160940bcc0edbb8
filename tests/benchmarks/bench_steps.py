"""Rows 5 to 7: a whole training step of LICO and of CGC against its baseline's."""

from collections.abc import Iterator

import torch
from bench_text import open_clip_text
from rows import Row, timed
from steps import Step, baseline, contrast, drawn, lico
from torch import nn

from helpers.chapters.class_names import CIFAR100
from helpers.data import catalog
from helpers.data.catalog import Pictures
from helpers.data.scenes import CLASS_NAMES
from helpers.lab.pairs import Pairs, alternate
from helpers.language.tiny_clip import build_tiny_clip
from helpers.settings import DataSettings

BATCH = 32  # scenes a step, profile `book`
MORE = 0.025  # seconds that a step of LICO may take on top, where 1.30 is less


def rows(
    clip: nn.Module | None = None, side: int = 224, batch: int = 64, pairs: int = 5
) -> Iterator[Row]:
    """Yield the rows; row 5 with a ViT-B-32 text tower unless another is given."""
    torch.set_num_threads(2)
    clip = open_clip_text() if clip is None else clip
    pictures = drawn(batch, side, CIFAR100[:50])
    found = side_by_side(pictures, "resnet18", clip, pairs)
    on = f"ResNet-18, {side} px, batch {batch}, 50 classes"
    against, sense = "baseline step", "at most"
    yield timed("5", "LICO step", against, on, found, sense, bar=1.25)
    torch.set_num_threads(1)
    scenes = catalog.load(DataSettings(train=BATCH), "train")
    found = side_by_side(scenes, "scene-resnet", build_tiny_clip(1), 6 * pairs)
    plain = found.seconds[0]
    extra = 1e3 * (found.seconds[1] - plain)
    more = {
        "bar": max(1.30, (plain + MORE) / plain),
        "note": f"{extra:.1f} ms more; the bar is 1.30 or {1e3 * MORE:.0f} ms more",
    }
    on = f"scenes, tiny CLIP, batch {BATCH}, {len(CLASS_NAMES)} classes"
    yield timed("6", "LICO step", against, on, found, sense, **more)
    steps = (Step(contrast(scenes, "scene-resnet", p), scenes, "cpu") for p in (1, 0))
    found = alternate(*steps, 4 * pairs)
    against, on = "cross-entropy, the same three views", f"scenes, batch {BATCH}"
    yield timed("7", "CGC step", against, on, found, sense, bar=1.15)


def side_by_side(
    pictures: Pictures, backbone: str, clip: nn.Module, pairs: int
) -> Pairs:
    """Return times of a step of the baseline and of LICO."""
    plain = Step(baseline(pictures, backbone), pictures, "cpu")
    ours = Step(lico(pictures, backbone, clip), pictures, "cpu")
    return alternate(plain, ours, pairs, warm=2)
