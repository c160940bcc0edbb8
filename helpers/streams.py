"""Random streams: each purpose draws from a generator of its own.

Initialisation, data order, augmentation, prompts and dropout never share a stream, so
that a method that draws more of one changes nothing in the others.
"""

import hashlib

import torch


def mix(seed: int, *purpose: str | int) -> int:
    """Return a number in [0, 2^63) fixed by the seed and the purpose of a stream."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a generator for one purpose, as `stream(1, "augmentation", step)`."""
    return torch.Generator().manual_seed(mix(seed, *purpose))
