"""Geometry: whatever lies on a picture is moved by exactly what moved the picture."""

import pytest
import torch
from torch import Tensor
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms import functional as witness

from helpers.data.geometry import (
    Crops,
    crop_boxes,
    crop_images,
    crop_maps,
    crop_masks,
    random_crops,
)
from helpers.data.scenes import boxes_of, draw_scenes
from helpers.streams import stream


def crops(*rows: tuple[int, int, int, int, bool], size: tuple[int, int]) -> Crops:
    windows = torch.tensor([row[:4] for row in rows], dtype=torch.float32)
    return Crops(windows, torch.tensor([row[4] for row in rows]), size)


@pytest.fixture
def drawn() -> Crops:
    return random_crops(40, (24, 36), stream(3, "crops"))


# Drawing


@pytest.mark.parametrize(
    ("size", "scale", "ratio"),
    [
        ((32, 32), (0.08, 1.0), (3 / 4, 4 / 3)),
        ((24, 90), (0.08, 1.0), (3 / 4, 4 / 3)),  # few windows fit
        ((10, 90), (0.9, 1.0), (3 / 4, 4 / 3)),  # none does: too wide
        ((90, 10), (0.9, 1.0), (3 / 4, 4 / 3)),  # none does: too high
        ((20, 20), (1.0, 1.0), (0.5, 2.0)),
    ],
)
def test_the_windows_are_those_of_torchvision(
    size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]
) -> None:
    ours = random_crops(50, size, torch.Generator().manual_seed(8), scale, ratio)
    picture, windows, coins = torch.zeros(3, *size), [], []
    with torch.random.fork_rng():
        torch.manual_seed(8)
        for _ in range(50):
            drawn = RandomResizedCrop.get_params(picture, list(scale), list(ratio))
            windows.append(drawn)
            coins.append(bool(torch.rand(1) < 0.5))
    assert ours.windows.tolist() == [list(window) for window in windows]
    assert ours.mirrored.tolist() == coins


def test_fewer_pictures_have_the_same_crops_and_a_flip_moves_no_window(
    drawn: Crops,
) -> None:
    few = random_crops(7, (24, 36), stream(3, "crops"))
    plain = random_crops(40, (24, 36), stream(3, "crops"), flip=False)
    assert torch.equal(few.windows, drawn.windows[:7])
    assert torch.equal(few.mirrored, drawn.mirrored[:7])
    assert torch.equal(plain.windows, drawn.windows)
    assert not plain.mirrored.any()
    assert drawn.mirrored.any()


def test_drawing_leaves_the_global_stream_alone() -> None:
    before = torch.get_rng_state()
    random_crops(3, (8, 8), stream(0, "crops"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"count": 0}, "count must be positive, got 0"),
        ({"scale": (0.0, 1.0)}, r"scale must be .* got \(0.0, 1.0\)"),
        ({"scale": (0.9, 0.5)}, "scale must be"),
        ({"ratio": (2.0, 1.0)}, "ratio must be"),
    ],
)
def test_the_arguments_are_checked(wrong: dict, text: str) -> None:
    right = {"count": 2, "size": (8, 8), "generator": torch.Generator()}
    with pytest.raises(ValueError, match=text):
        random_crops(**(right | wrong))


@pytest.mark.parametrize(
    ("windows", "mirrored", "text"),
    [
        ([0.0, 0, 4, 4], [True], r"rows, got shape \[4\]"),
        ([[0.0, 0, 4, 4]], [1], "1 bools, got torch.int64"),
        ([[0.0, 0, 4, 4]], [True, False], "1 bools"),
        ([[0.0, 0, 4, 4], [5, 0, 4, 4]], [True, True], r"of picture 1 is not .*\(8, 6"),
        ([[0.0, 3, 4, 4]], [True], "of picture 0"),
        ([[-1.0, 0, 4, 4]], [True], "of picture 0"),
        ([[0.0, 0, 0, 4]], [True], "of picture 0"),
        ([[0.5, 0, 4, 4]], [True], "whole pixels"),
    ],
)
def test_crops_are_checked(windows: list, mirrored: list, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        Crops(torch.tensor(windows), torch.tensor(mirrored), (8, 6))
    assert "\n" not in str(caught.value)


# Moving


def test_pictures_against_torchvision(drawn: Crops) -> None:
    images = torch.rand(40, 3, 24, 36, generator=stream(0, "pictures"))
    for one, window, mirrored, ours in zip(
        images, drawn.windows, drawn.mirrored, crop_images(images, drawn), strict=True
    ):
        wanted = witness.resized_crop(one, *window.int().tolist(), [24, 36])
        wanted = witness.hflip(wanted) if mirrored else wanted
        assert torch.allclose(ours, wanted, atol=1e-6)


def test_bytes_stay_bytes_and_are_rounded(drawn: Crops) -> None:
    images = torch.randint(256, (40, 3, 24, 36), dtype=torch.uint8)
    ours = crop_images(images, drawn)
    assert ours.dtype == torch.uint8
    exact = crop_images(images.double(), drawn)
    assert exact.dtype == torch.float64
    assert (ours.double() - exact).abs().max() <= 0.5 + 1e-4


def test_maps_move_as_pictures(drawn: Crops) -> None:
    maps = torch.rand(40, 24, 36)
    assert torch.equal(crop_maps(maps, drawn), crop_images(maps[:, None], drawn)[:, 0])


def test_a_crop_by_hand() -> None:
    maps = torch.arange(16.0).view(1, 4, 4)
    half = crops((0, 2, 4, 2, False), size=(4, 4))
    assert crop_maps(maps, half)[0, 0].tolist() == [2.0, 2.25, 2.75, 3.0]
    mirrored = crops((0, 2, 4, 2, True), size=(4, 4))
    assert crop_maps(maps, mirrored)[0, 0].tolist() == [3.0, 2.75, 2.25, 2.0]
    masks = maps > 2.5
    assert crop_masks(masks, half)[0, 0].tolist() == [False, False, True, True]
    boxes = torch.tensor([[[1, 0, 3, 1], [0, 0, 1, 4], [-1, -1, -1, -1]]])
    none = [-1.0] * 4  # clipped away, and not there before
    assert crop_boxes(boxes, half)[0].tolist() == [[0.0, 0.0, 2.0, 1.0], none, none]
    assert crop_boxes(boxes, mirrored)[0].tolist() == [[2.0, 0.0, 4.0, 1.0], none, none]


def test_the_whole_window_leaves_all_as_it_was() -> None:
    scenes = draw_scenes(4, "test", size=32)
    whole = crops(*[(0, 0, 32, 32, False)] * 4, size=(32, 32))
    maps = torch.rand(4, 32, 32)
    assert torch.equal(crop_images(scenes.images, whole), scenes.images)
    assert torch.equal(crop_maps(maps, whole), maps)
    assert torch.equal(crop_masks(scenes.masks(), whole), scenes.masks())
    assert torch.equal(crop_boxes(scenes.boxes, whole), scenes.boxes.float())


def test_a_mirror_twice_leaves_all_as_it_was() -> None:
    scenes = draw_scenes(4, "test", size=32)
    mirror = crops(*[(0, 0, 32, 32, True)] * 4, size=(32, 32))
    for move, what in ((crop_images, scenes.images), (crop_masks, scenes.masks())):
        assert torch.equal(move(what, mirror), what.flip(-1))
        assert torch.equal(move(move(what, mirror), mirror), what)
    boxes = crop_boxes(scenes.boxes, mirror)
    assert torch.equal(boxes, boxes_of(scenes.instances.flip(-1)).float())
    assert torch.equal(crop_boxes(boxes, mirror), scenes.boxes.float())


def test_a_marker_moves_with_its_mask_and_its_box(drawn: Crops) -> None:
    height, width = drawn.size
    top, left = 9, 15
    image = torch.zeros(40, 1, height, width)
    image[:, 0, top : top + 6, left : left + 9] = 1
    mask = image[:, 0] > 0
    box = torch.tensor([left, top, left + 9, top + 6]).expand(40, 1, 4)
    shown = crop_images(image, drawn)[:, 0]  # [B, H, W]
    masks, boxes = crop_masks(mask, drawn), crop_boxes(box, drawn)[:, 0]
    y, x = torch.arange(height) + 0.5, torch.arange(width) + 0.5  # centres of pixels
    across = (x > boxes[:, :1]) & (x < boxes[:, 2:3])  # [B, W]
    down = (y > boxes[:, 1:2]) & (y < boxes[:, 3:])  # [B, H]
    framed = down[:, :, None] & across[:, None, :]
    sure_x = ((x - boxes[:, ::2, None]).abs() > 1e-3).all(1)  # no edge on a centre
    sure_y = ((y - boxes[:, 1::2, None]).abs() > 1e-3).all(1)
    sure = sure_y[:, :, None] & sure_x[:, None, :]
    assert torch.equal(framed & sure, masks & sure)
    assert sure.float().mean() > 0.9
    assert masks[shown > 0.501].all()  # a bilinear edge has 1/2, a corner 1/4
    assert shown[masks].min() > 0.249
    seen = masks.flatten(1).any(1)
    assert 10 < seen.sum() < 40  # some windows show it, some do not
    assert (boxes[~seen] == -1).all()


def test_boxes_keep_their_share_of_an_uncut_window(drawn: Crops) -> None:
    top, left, height, width = drawn.windows.unbind(1)
    frames = torch.stack([left, top, left + width, top + height], 1)[:, None]
    wanted = torch.tensor([0.0, 0, 36, 24]).expand(40, 1, 4)
    assert torch.allclose(crop_boxes(frames, drawn), wanted, atol=1e-4)


# Refusals


@pytest.mark.parametrize(
    ("move", "wrong", "text"),
    [
        (crop_images, torch.zeros(1, 3, 8, 6, dtype=torch.int64), "got torch.int64"),
        (crop_images, torch.zeros(2, 3, 8, 6), r"1 of \[8, 6\] pixels, got \[2, 3, 8"),
        (crop_images, torch.zeros(1, 3, 6, 8), "draw crops for these"),
        (crop_images, torch.zeros(1, 8, 6), r"images must be \[B, C, H, W\]"),
        (crop_maps, torch.zeros(1, 1, 8, 6), r"maps must be \[B, H, W\]"),
        (crop_maps, torch.zeros(1, 8, 6, dtype=torch.uint8), "got torch.uint8"),
        (crop_masks, torch.zeros(1, 8, 6), "masks must be bool, got torch.float32"),
        (crop_masks, torch.zeros(1, 8, 7, dtype=torch.bool), "masks must be"),
        (crop_boxes, torch.zeros(1, 4), r"boxes must be \[1, N, 4\], got \[1, 4\]"),
        (crop_boxes, torch.zeros(2, 3, 4), "boxes must be"),
    ],
)
def test_what_does_not_fit_is_refused(move, wrong: Tensor, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        move(wrong, crops((0, 0, 4, 4, False), size=(8, 6)))
    assert "\n" not in str(caught.value)
