"""Row 11: peak memory of a training step, the frozen tower's weights counted apart.

Each measurement is a process of its own: a process's peak never falls again.
"""

import subprocess
import sys
from collections.abc import Iterator

import torch
from bench_text import open_clip_text
from rows import Row
from steps import Step, baseline, drawn, lico

from helpers.chapters.class_names import CIFAR100
from helpers.report.provenance import peak_memory

SIDE, BATCH = 224, 64


def rows(
    networks: tuple[str, ...] = ("resnet18", "resnet50"),
    side: int = SIDE,
    batch: int = BATCH,
) -> Iterator[Row]:
    """Yield a row a network."""
    for name in networks:
        plain, ours = (peak(name, method, side, batch) for method in ("ce", "lico"))
        yield Row(
            *("11", "peak memory of a LICO step", "baseline step"),
            f"{name}, {side} px, batch {batch}",
            *(ours / plain, "at most", 1.20),
            plain_mb=plain,
            ours_mb=ours,
            note="text tower's weights and what importing takes are not counted",
        )


def peak(network: str, method: str, side: int, batch: int) -> float:
    """Return what two steps need at most, in MB, measured in a new process."""
    words = [sys.executable, __file__, network, method, str(side), str(batch)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return float(done.stdout)


def measured(network: str, method: str, side: int, batch: int) -> float:
    """Return the same of this process, which has done nothing else."""
    pictures = drawn(batch, side, CIFAR100[:50])
    if method == "lico":
        clip = open_clip_text()
        module = lico(pictures, network, clip)
        apart = sum(p.nbytes for p in clip.parameters()) / 2**20
    else:
        module, apart = baseline(pictures, network), 0.0
    step = Step(module, pictures, "cpu")
    step(), step()
    return peak_memory() - IMPORTED - apart


if __name__ == "__main__":
    torch.set_num_threads(2)
    IMPORTED = peak_memory()
    _network, _method, _side, _batch = sys.argv[1:]
    print(measured(_network, _method, int(_side), int(_batch)))
