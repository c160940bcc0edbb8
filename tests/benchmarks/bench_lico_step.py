"""A training step of LICO against the baseline's, interleaved pairs, one thread."""

import statistics
import time
from types import SimpleNamespace

import torch

from helpers.data import catalog
from helpers.data.scenes import CLASS_NAMES
from helpers.language.text_tower import tokens_per_step
from helpers.language.tiny_clip import build_tiny_clip
from helpers.methods.baseline import Baseline
from helpers.methods.lico import LicoClassifier
from helpers.methods.presets import preset
from helpers.methods.text_side import Language
from helpers.settings import CrossEntropy, DataSettings

BATCH, EPOCH = 32, 850  # pictures
PAIRS = 30


def seconds(module: Baseline) -> float:
    """Return the time of one step: forward, losses, backward, update."""
    start = time.perf_counter()
    OPTIMIZERS[module].zero_grad()
    module.training_step((PICTURES.images, PICTURES.labels))["loss"].backward()
    OPTIMIZERS[module].step()
    module.trainer.global_step += 1
    return time.perf_counter() - start


torch.set_num_threads(1)
PICTURES = catalog.load(DataSettings(train=BATCH), "train")
WORDS = Language(CLASS_NAMES, build_tiny_clip(1))
PLAIN = Baseline(CrossEntropy(), PICTURES, seed=1)
LICO = LicoClassifier(preset("paper"), PICTURES, WORDS, seed=1)
OPTIMIZERS = {}
for _module in (PLAIN, LICO):
    _module.trainer = SimpleNamespace(global_step=0, estimated_stepping_batches=100)
    OPTIMIZERS[_module] = _module.configure_optimizers()["optimizer"]

if __name__ == "__main__":
    for _ in range(3):
        seconds(PLAIN), seconds(LICO)
    pairs = [(seconds(PLAIN), seconds(LICO)) for _ in range(PAIRS)]
    low, middle, high = statistics.quantiles([b / a for a, b in pairs], n=4)
    plain, lico = (statistics.median(side) for side in zip(*pairs, strict=True))
    steps = -(-EPOCH // BATCH)
    assert LICO.text is not None
    print(f"LICO / baseline step: {middle:.2f} [{low:.2f}, {high:.2f}], {PAIRS} pairs")
    print(f"  seconds an epoch: {plain * steps:.2f} and {lico * steps:.2f}")
    print(f"  text tokens a step: {tokens_per_step(LICO.text.prompts)}")
