"""Composites for GridPG: pictures that the network gets right, side x side of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from helpers.data.catalog import normalise
from helpers.judge.choice import Choice
from helpers.judge.material import Material
from helpers.measure.grid_pointing import cell_masks, draw_grids, grid_pictures
from helpers.measure.reference_maps import reference_maps
from helpers.measure.subject import Subject
from helpers.settings import Refused
from helpers.streams import mix, stream

CONFIDENT = 0.5  # probability of a right class of a picture in a composite, at least


@dataclass(frozen=True, eq=False)
class Grids:
    """Which pictures stand in which composite.

    Attributes:
        side: pictures a row, n.
        places: their positions in the material, `[G, n^2]`, row by row.
    """

    side: int
    places: Tensor

    @property
    def cells(self) -> Tensor:
        """The cell of each of a composite's classes in turn, `[G n^2]`."""
        return torch.arange(self.side**2).repeat(len(self.places))

    def subject(self, model: nn.Module, targets: Tensor) -> Subject:
        """Return what GridPG reads; it needs no picture any more."""
        wanted = targets[self.places.flatten()]
        return Subject(model, torch.empty(0), wanted, grid=(self.side, self.cells))

    def each(self) -> Iterator["Grids"]:
        """Yield the composites one by one: their maps need not be kept."""
        return (replace(self, places=place[None]) for place in self.places)

    def composites(self, material: Material, choice: Choice) -> Tensor:
        """Return each composite once for each of its classes in turn, normalised."""
        pictures = material.images[self.places.flatten()]
        images = normalise(pictures, choice.how.mean, choice.how.std)
        numbers = torch.arange(len(images)).view_as(self.places)
        whole = grid_pictures(images, numbers)
        return whole.repeat_interleave(self.side**2, 0)

    def references(
        self, material: Material, choice: Choice, cells: tuple[int, int]
    ) -> dict[str, Tensor]:
        """Return floors and ceilings of composites, `[G n^2, n H, n W]` each."""
        height, width = (self.side * side for side in material.images.shape[2:])
        masks = cell_masks(self.cells, self.side, (height, width))
        finer = (self.side * cells[0], self.side * cells[1])
        shape = (len(masks), height, width)
        seed = mix(choice.how.seed, "grids", *self.places.flatten().tolist())
        return reference_maps(shape, finer, seed, masks)


def drawn(material: Material, choice: Choice, right: Tensor) -> Grids:
    """Draw composites of different classes, of pictures that are named right.

    Args:
        material: the pictures.
        choice: number of composites, their side, and the seed.
        right: whether a right class has probability `CONFIDENT`, `[N]`, bool.

    Raises `Refused` for fewer classes than a composite has pictures.
    """
    numbers = {group: n for n, group in enumerate(dict.fromkeys(material.groups))}
    labels = torch.tensor([numbers[group] for group in material.groups])
    generator = stream(choice.how.seed, "grids")
    try:
        places = draw_grids(labels, choice.side, choice.grids, generator, right)
    except ValueError as error:
        raise Refused(
            f"metric 'gridpg': {error} that is named right with confidence"
        ) from None
    return Grids(choice.side, places)
