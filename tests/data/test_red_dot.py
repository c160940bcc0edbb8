"""The planted dot: its shape, its place, and on which pictures it is."""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from helpers.data.red_dot import POSITIONS, carriers, dot_mask, draw_dot, plant
from helpers.settings import Dot, Refused
from helpers.streams import stream

RED = (255, 0, 0)
LABELS = torch.arange(8).repeat_interleave(torch.tensor([40, 3, 25, 0, 7, 31, 1, 50]))


def pictures(count: int = 2, height: int = 20, width: int = 26) -> Tensor:
    size = (count, 3, height, width)
    return torch.randint(256, size, dtype=torch.uint8, generator=stream(3, "test"))


# the shape of the dot


def middle(size: tuple[int, int], radius: float, position: str) -> tuple[float, float]:
    """The centre, written out for each position."""
    (height, width), margin = size, radius + 1
    return {
        "top-left": (margin, margin),
        "top-right": (margin, width - margin),
        "bottom-left": (height - margin, margin),
        "bottom-right": (height - margin, width - margin),
        "centre": (height / 2, width / 2),
    }[position]


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("radius", [1, 2.0, 2.7, 5.0])
def test_slow_twin_sample_point_by_sample_point(position: str, radius: float) -> None:
    images = pictures()
    drawn = draw_dot(images, radius, (250, 10, 77), position)
    mask = dot_mask((20, 26), radius, position)
    down, right = middle((20, 26), radius, position)
    for y, x in np.ndindex(20, 26):
        hits = 0
        for i, j in np.ndindex(4, 4):
            distance = math.hypot(y + i / 4 + 1 / 8 - down, x + j / 4 + 1 / 8 - right)
            hits += distance <= radius
        assert mask[y, x] == (hits / 16 > 0.5)
        for channel, ink in enumerate((250, 10, 77)):
            for before, after in zip(
                images[:, channel, y, x], drawn[:, channel, y, x], strict=True
            ):
                wanted = before.item() + hits / 16 * (ink - before.item())
                assert abs(after.item() - wanted) <= 0.5


def test_witness_a_large_disc_of_pil_made_small() -> None:
    """PIL's disc at 32 times the size, averaged: the coverage without sampling."""
    for position in POSITIONS:
        black = torch.zeros(1, 3, 20, 26, dtype=torch.uint8)
        drawn = draw_dot(black, 4.0, (255, 255, 255), position)
        down, right = middle((20, 26), 4.0, position)
        canvas = Image.new("L", (26 * 32, 20 * 32))
        box = [32 * (right - 4), 32 * (down - 4), 32 * (right + 4), 32 * (down + 4)]
        ImageDraw.Draw(canvas).ellipse(box, fill=255)
        wanted = np.asarray(canvas, float).reshape(20, 32, 26, 32).mean((1, 3))
        assert np.abs(drawn[0, 0].numpy() - wanted).max() < 255 / 8
        assert abs(drawn[0, 0].sum().item() / 255 - 16 * math.pi) < 0.5


def test_smallest_dot_by_hand() -> None:
    white = torch.full((1, 3, 6, 6), 255, dtype=torch.uint8)
    drawn = draw_dot(white, 1.0, RED, "top-left")
    assert dot_mask((6, 6), 1.0, "top-left").nonzero().tolist() == [
        [1, 1],
        [1, 2],
        [2, 1],
        [2, 2],
    ]
    assert drawn[0, 0].eq(255).all()
    assert drawn[0, 1, 1:3, 1:3].flatten().tolist() == [48] * 4  # 13 of 16 points
    assert drawn[0, 1].ne(255).sum() == 4


def test_corners_are_mirror_images_and_not_mistaken() -> None:
    corner = dot_mask((20, 26), 3.0, "top-left")
    assert corner[1:7, 1:7].sum() == corner.sum() > 20
    assert torch.equal(dot_mask((20, 26), 3.0, "top-right"), corner.flip(1))
    assert torch.equal(dot_mask((20, 26), 3.0, "bottom-left"), corner.flip(0))
    assert torch.equal(dot_mask((20, 26), 3.0, "bottom-right"), corner.flip(0, 1))
    centre = dot_mask((20, 26), 3.0, "centre")
    assert torch.equal(centre, centre.flip(0, 1))


def test_pixels_off_the_dot_are_bit_equal_and_the_input_untouched() -> None:
    images = pictures()
    before = images.clone()
    drawn = draw_dot(images, 3.0, RED, "bottom-left")
    assert torch.equal(images, before)
    assert torch.equal(drawn[..., :11, :], images[..., :11, :])
    assert torch.equal(drawn[..., 8:], images[..., 8:])
    assert drawn[:, 0, 16, 4].eq(255).all()
    assert drawn[:, 1:, 16, 4].eq(0).all()
    assert draw_dot(images[:0], 3.0, RED, "centre").shape == (0, 3, 20, 26)


@pytest.mark.parametrize(
    ("radius", "colour", "position", "text"),
    [
        (9.1, RED, "centre", r"radius 9\.1 does not fit: radius in 1\.\.9 in 20 x 26"),
        (0.9, RED, "centre", "does not fit"),
        (math.nan, RED, "centre", "does not fit"),
        (2.0, (256, 0, 0), "centre", r"0\.\.255, got \(256, 0, 0\)"),
        (2.0, (0, -1, 0), "centre", r"0\.\.255"),
        (2.0, RED, "top-lefft", "unknown position 'top-lefft'.*mean 'top-left'"),
    ],
)
def test_wrong_dots_are_refused(
    radius: float, colour: tuple[int, int, int], position: str, text: str
) -> None:
    with pytest.raises(Refused, match=text) as caught:
        draw_dot(pictures(), radius, colour, position)
    assert "\n" not in str(caught.value)


def test_the_largest_dot_fits() -> None:
    mask = dot_mask((20, 26), 9.0, "top-left")
    assert mask.any(1).tolist() == [False] + [True] * 18 + [False]


@pytest.mark.parametrize(
    "images", [torch.rand(2, 3, 20, 20), pictures()[0], pictures()[:, :1]]
)
def test_wrong_pictures_are_refused(images: Tensor) -> None:
    with pytest.raises(Refused, match=r"uint8 pictures \[N, 3, H, W\], got"):
        draw_dot(images, 2.0, RED, "centre")


# which pictures carry it


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("elsewhere", [0.0, 0.1, 0.29, 0.5, 1.0])
@pytest.mark.parametrize("target", [0, 2, 6])
def test_counts_are_exact(share: float, elsewhere: float, target: int) -> None:
    order = torch.randperm(len(LABELS), generator=stream(0, "order"))
    labels = LABELS[order]
    carried = carriers(labels, target, share, elsewhere, stream(1, "dot"))
    assert carried.dtype == torch.bool
    own = labels == target
    assert carried[own].sum() == round(share * own.sum().item())
    assert carried[~own].sum() == round(elsewhere * (~own).sum().item())
    for label in set(labels.tolist()) - {target}:
        there = labels == label
        assert abs(carried[there].sum() - elsewhere * there.sum()) < 1


def test_the_left_over_picture_goes_where_most_is_missing() -> None:
    labels = torch.tensor([0] * 4 + [1] * 9 + [2] * 6 + [3] * 5)
    for seed in range(20):  # of .4 x (9, 6, 5) = 3.6, 2.4, 2.0
        carried = carriers(labels, 0, 1.0, 0.4, stream(seed, "dot"))
        assert labels[carried].bincount().tolist() == [4, 4, 2, 2]


def test_equal_claims_are_settled_by_chance() -> None:
    labels = torch.arange(5)  # .5 x 4 others: 2 of 4 classes of one picture
    times = torch.zeros(5)
    for seed in range(400):
        times += carriers(labels, 0, 1.0, 0.5, stream(seed, "dot"))
    assert times[0] == 400
    assert times[1:].min() > 150
    assert times[1:].max() < 250


def test_the_generator_decides() -> None:
    first = carriers(LABELS, 0, 0.5, 0.5, stream(1, "dot"))
    assert torch.equal(first, carriers(LABELS, 0, 0.5, 0.5, stream(1, "dot")))
    assert not torch.equal(first, carriers(LABELS, 0, 0.5, 0.5, stream(2, "dot")))
    often = sum(carriers(LABELS, 0, 0.5, 0.0, stream(s, "dot")) for s in range(300))
    assert often[:40].min() > 105  # each of the class's pictures: 150 +- 9
    assert often[:40].max() < 195


def test_the_control_says_nothing_of_the_class() -> None:
    labels = torch.arange(6).repeat_interleave(30)
    carried = carriers(labels, 2, 0.3, 0.3, stream(1, "dot"))
    assert labels[carried].bincount().tolist() == [9] * 6


@pytest.mark.parametrize(
    ("target", "share", "elsewhere", "text"),
    [
        (3, 1.0, 0.0, r"no picture is of the dot's target 3; .*\[0, 1, 2, 4"),
        (0, 1.1, 0.0, r"share of the dot must lie in 0\.\.1, got 1\.1"),
        (0, 1.0, -0.1, "elsewhere of the dot"),
    ],
)
def test_wrong_shares_are_refused(
    target: int, share: float, elsewhere: float, text: str
) -> None:
    with pytest.raises(Refused, match=text):
        carriers(LABELS, target, share, elsewhere, stream(0, "dot"))


# both


@pytest.mark.parametrize(("share", "elsewhere"), [(1.0, 0.0), (0.5, 0.2), (0.0, 0.0)])
def test_the_dot_is_on_the_carriers_alone(share: float, elsewhere: float) -> None:
    images, labels = pictures(30), torch.arange(3).repeat(10)
    before = images.clone()
    dot = Dot(target=1, share=share, elsewhere=elsewhere, radius=3.0, colour=(0, 9, 0))
    planted, carried = plant(images, labels, dot, seed=5)
    assert torch.equal(images, before)
    assert carried.sum() == round(10 * share) + round(20 * elsewhere)
    assert torch.equal(planted[~carried], images[~carried])
    assert torch.equal(
        planted[carried], draw_dot(images[carried], 3.0, (0, 9, 0), dot.position)
    )
    mask = dot_mask((20, 26), 3.0, dot.position)
    changed = (planted != images).any(1)[:, mask].any(1)
    assert torch.equal(changed, carried)
    again, same = plant(images, labels, dot, seed=5)
    assert torch.equal(again, planted)
    assert torch.equal(same, carried)


def test_a_label_a_picture() -> None:
    with pytest.raises(Refused, match="30 pictures need as many labels, got 29"):
        plant(pictures(30), torch.zeros(29).long(), Dot(target=0), seed=0)
