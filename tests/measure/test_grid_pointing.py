"""GridPG: composites, cells, the share in the cell and what a map without class has."""

import pytest
import torch
from torch import Tensor

from helpers.measure.grid_pointing import (
    cell_masks,
    draw_grids,
    grid_pictures,
    grid_pointing_game,
    smoothed,
)
from helpers.streams import stream


def test_a_composite_by_hand() -> None:
    images = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 2, 2, 3)
    made = grid_pictures(images, torch.tensor([[4, 0, 1, 3], [2, 2, 2, 0]]))
    assert made.shape == (2, 2, 4, 6)
    rows = [[4, 4, 4, 0, 0, 0]] * 2 + [[1, 1, 1, 3, 3, 3]] * 2
    assert made[0, 1].tolist() == rows
    assert made[1, 0, 3].tolist() == [2, 2, 2, 0, 0, 0]


@pytest.mark.parametrize("side", [1, 2, 3])
def test_each_cell_holds_its_picture(side: int) -> None:
    images = torch.rand(9, 3, 4, 5, generator=stream(0, "images"))
    grids = torch.stack(
        [torch.randperm(9, generator=stream(i, "grids"))[: side**2] for i in range(4)]
    )
    made = grid_pictures(images, grids)
    for grid in range(4):
        for cell in range(side**2):
            y, x = 4 * (cell // side), 5 * (cell % side)
            shown = made[grid, :, y : y + 4, x : x + 5]
            assert torch.equal(shown, images[grids[grid, cell]])


def test_cells_by_hand() -> None:
    found = cell_masks(torch.tensor([0, 3, 2]), 2, (4, 6))
    assert found.sum((1, 2)).tolist() == [6, 6, 6]
    assert found[0, :2, :3].all()
    assert found[1, 2:, 3:].all()
    assert found[2, 2:, :3].all()


def game_twin(values: Tensor, cell: int, side: int) -> float:
    """Positive saliency in the target's cell over all of it, pixel by pixel."""
    height, width = values.shape[0] // side, values.shape[1] // side
    inside = everywhere = 0.0
    for y, row in enumerate(values.tolist()):
        for x, value in enumerate(row):
            everywhere += max(value, 0)
            if (y // height) * side + x // width == cell:
                inside += max(value, 0)
    return inside / everywhere if everywhere else 0.0


@pytest.mark.parametrize("side", [2, 3])
def test_the_game_against_loops(side: int) -> None:
    maps = torch.randn(4, 12, 18, generator=stream(0, "maps"))
    maps[2] = -maps[2].abs()  # without positive value
    cells = torch.tensor([0, side**2 - 1, 1, side])
    found = grid_pointing_game(maps, cells, side)
    wanted = [
        game_twin(one, cell, side)
        for one, cell in zip(maps, cells.tolist(), strict=True)
    ]
    assert found.tolist() == pytest.approx(wanted, abs=1e-6)
    assert found[2] == 0


@pytest.mark.parametrize("side", [1, 2, 3])
def test_floor_and_ceiling(side: int) -> None:
    cells = torch.arange(side**2)
    uniform = torch.full((side**2, 4 * side, 6 * side), 0.7)
    found = grid_pointing_game(uniform, cells, side)
    torch.testing.assert_close(found, torch.full((side**2,), 1 / side**2))
    perfect = cell_masks(cells, side, (4 * side, 6 * side)).float()
    assert torch.equal(grid_pointing_game(perfect, cells, side), torch.ones(side**2))


def test_a_map_that_ignores_the_class_has_the_floor_on_average() -> None:
    one = torch.randn(1, 12, 12, generator=stream(0, "maps"))
    for side in (2, 3):
        maps = one.expand(side**2, -1, -1)
        found = grid_pointing_game(maps, torch.arange(side**2), side)
        assert found.mean().item() == pytest.approx(1 / side**2, abs=1e-7)
        assert found.std() > 0.005


def test_the_order_of_smoothing_and_the_positive_part_changes_the_score() -> None:
    noise = torch.randn(1, 20, 20, generator=stream(1, "noise"))
    noise[:, :10, :10] += 0.5
    cell = torch.tensor([0])
    before = grid_pointing_game(smoothed(noise), cell, 2)
    after = grid_pointing_game(smoothed(noise.relu()), cell, 2)
    assert before > after + 0.1


def test_smoothing_against_loops() -> None:
    maps = torch.randn(2, 6, 7, generator=stream(0, "maps"))
    found = smoothed(maps, 3)
    for one in range(2):
        for y in range(6):
            for x in range(7):
                around = maps[one, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
                assert found[one, y, x].item() == pytest.approx(
                    around.mean().item(), abs=1e-6
                )
    constant = torch.full((1, 6, 7), 0.3)
    torch.testing.assert_close(smoothed(constant), constant)
    torch.testing.assert_close(smoothed(maps, 1), maps)


# Drawing


def test_grids_hold_different_classes_of_usable_pictures() -> None:
    labels = torch.arange(60) % 6
    usable = torch.arange(60) >= 12
    usable[labels == 5] = False
    grids = draw_grids(labels, 2, 200, stream(0, "grids"), usable)
    assert grids.shape == (200, 4)
    assert usable[grids].all()
    for classes in labels[grids].tolist():
        assert len(set(classes)) == 4
    assert set(labels[grids].flatten().tolist()) == {0, 1, 2, 3, 4}
    assert len(grids.flatten().unique()) == int(usable.sum())  # all of them are drawn


def test_classes_are_drawn_alike_whatever_their_number() -> None:
    labels = torch.tensor([0] * 90 + [1] * 5 + [2] * 5)
    grids = draw_grids(labels, 1, 600, stream(0, "grids"))
    counts = labels[grids].flatten().bincount()
    assert (counts > 150).all()


def test_a_shorter_draw_is_the_beginning_of_a_longer() -> None:
    labels = torch.arange(40) % 8
    long = draw_grids(labels, 2, 30, stream(3, "grids"))
    assert torch.equal(draw_grids(labels, 2, 7, stream(3, "grids")), long[:7])
    assert not torch.equal(draw_grids(labels, 2, 30, stream(4, "grids")), long)


IMAGES, LABELS = torch.rand(4, 3, 4, 4), torch.arange(4)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: draw_grids(LABELS, 3, 1, stream(0, "g")),
            "3 x 3 needs 9 classes, 4 classes have a usable picture",
        ),
        (
            lambda: draw_grids(LABELS, 2, 1, stream(0, "g"), LABELS > 0),
            "2 x 2 needs 4 classes, 3 classes",
        ),
        (lambda: draw_grids(LABELS, 0, 1, stream(0, "g")), "side and count"),
        (lambda: draw_grids(LABELS.float(), 2, 1, stream(0, "g")), "must be integers"),
        (lambda: draw_grids(LABELS, 2, 1, stream(0, "g"), LABELS), "4 bools"),
        (lambda: grid_pictures(IMAGES, torch.tensor([[0, 1, 2]])), r"\[G, n\^2\]"),
        (lambda: grid_pictures(IMAGES, torch.tensor([[0, 1, 2, 4]])), r"0\.\.3"),
        (lambda: grid_pictures(IMAGES[0], LABELS[None]), "images must be"),
        (lambda: cell_masks(LABELS, 2, (4, 5)), "4 x 5 has no 2 x 2 cells"),
        (lambda: cell_masks(LABELS + 1, 2, (4, 4)), r"0\.\.3"),
        (lambda: grid_pointing_game(IMAGES[:, 0], LABELS[:3], 2), r"shape \[4\]"),
        (lambda: grid_pointing_game(IMAGES[:, 0] / 0, LABELS, 2), "not finite"),
        (lambda: smoothed(IMAGES[:, 0], 4), "width must be odd"),
    ],
)
def test_what_does_not_fit_is_refused(call, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)
