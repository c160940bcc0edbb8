"""A world in which each filter sees one colour, and each colour has a word."""

import torch
from torch import Tensor, nn

from helpers.chapters.lavise_material import Material
from helpers.data.listing import Listing
from helpers.data.reference import ReferenceSet
from helpers.explain.naming import centre_of, vocabulary

CLASSES, SIDE, CELL = 12, 32, 4
NAMES = tuple(f"class{k}" for k in range(CLASSES))
OTHERS = tuple(f"other{k}" for k in range(30))


def colours() -> Tensor:
    """Colours that lie far apart, `[K, 3]`, 0 to 255."""
    levels = torch.tensor([40, 140, 240])
    grid = torch.cartesian_prod(levels, levels, levels)
    return grid[torch.arange(CLASSES) * 2 + 1]


class Planted(nn.Module):
    """Filter k is high where colour k is, and 0 elsewhere; the last filter is dead."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))  # tells the device

    def features(self, images: Tensor) -> Tensor:
        """Return `[B, K + 1, H / 4, W / 4]` of pictures normalised as the scenes'."""
        pixels = (images * 0.25 + 0.5) * 255
        apart = (pixels[:, None] - colours()[:, :, None, None]).abs().amax(2)
        seen = (1 - apart / 45).clamp(min=0)
        maps = nn.functional.avg_pool2d(seen, CELL)
        return nn.functional.pad(maps, (0, 0, 0, 0, 0, 1))


def part(count: int, seed: int) -> ReferenceSet:
    """Pictures of two squares of different colours each."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.zeros(count, 3, SIDE, SIDE, dtype=torch.uint8)
    masks = torch.zeros(2 * count, SIDE, SIDE, dtype=torch.bool)
    labels = [torch.randperm(CLASSES, generator=generator)[:2] for _ in range(count)]
    for i, two in enumerate(labels):
        for slot, label in enumerate(two.tolist()):
            rows = slice(4 + 4 * slot, 16 + 4 * slot)
            columns = slice(16 * slot, 16 * slot + 12)
            images[i, :, rows, columns] = colours()[label].byte()[:, None, None]
            masks[2 * i + slot, rows, columns] = True
    flat = torch.cat(labels).tolist()
    return ReferenceSet(
        images,
        masks,
        torch.arange(count).repeat_interleave(2),
        tuple((k,) for k in flat),
        NAMES,
        tuple(NAMES[k] for k in flat),
        torch.zeros(2 * count, dtype=torch.bool),
        tuple(f"picture {i}" for i in range(count)),
    )


def material() -> Material:
    """Return the world's pictures and its 42 words."""
    generator = torch.Generator().manual_seed(5)
    vectors = torch.randn(CLASSES + len(OTHERS), 16, generator=generator)
    words = (*NAMES, *OTHERS)
    centre = centre_of(vectors[:CLASSES])
    nothing = Listing(NAMES, ())
    return Material(
        (nothing, nothing, nothing),
        part(120, 0),
        part(40, 1),
        part(80, 2),
        vocabulary(words, vectors),
        vocabulary(words, vectors, centre),
        vectors[:CLASSES],
        torch.arange(CLASSES),
    )
