"""SES, SCH, MOSU and Gini: worked by hand, against witnesses, and where undefined."""

import math

import pytest
import torch
from scipy.stats import entropy
from torch import Tensor

from helpers.data.geometry import Crops, crop_images, crop_maps, random_crops
from helpers.measure.consistency import (
    degenerate,
    gini,
    mask_share,
    mosu,
    sch,
    sch_skipping_zero,
    self_consistency,
    ses,
)
from helpers.measure.reference_maps import centred_gaussian
from helpers.streams import stream

NONE = [-1, -1, -1, -1]


@pytest.fixture
def maps() -> Tensor:
    return torch.rand(5, 12, 10, generator=stream(0, "maps"))


@pytest.fixture
def masks() -> Tensor:
    return torch.rand(5, 12, 10, generator=stream(0, "masks")) > 0.6


@pytest.fixture
def boxes() -> Tensor:
    first = [[0, 0, 4, 6], [5, 6, 9, 11], NONE]
    second = [[1, 2, 3, 4], NONE, [3, 4, 10, 12]]
    third = [[2, 0, 9, 2], [0, 3, 4, 8], [6, 5, 10, 12]]
    return torch.tensor([first, second, third, first, second])


@pytest.fixture
def crops() -> Crops:
    return random_crops(5, (12, 10), stream(0, "crops"))


# SES


def test_ses_by_hand() -> None:
    one, two = torch.zeros(2, 4, 4), torch.zeros(2, 4, 4)
    one[0, 0, 0], one[0, 0, 1] = 3, 4
    two[0, 0, 0], two[0, 1, 1] = 12, 5
    one[1, 2, 2], two[1, 3, 3] = 1, 1
    assert torch.allclose(ses(one, two), torch.tensor([36 / 65, 0.0]))


def test_a_uniform_map_is_perfectly_consistent(crops: Crops) -> None:
    ones = torch.ones(5, 12, 10)
    found = self_consistency(lambda x: ones, torch.rand(5, 3, 12, 10), crops)
    assert torch.allclose(found.ses, torch.ones(5))
    assert torch.allclose(found.excess, torch.zeros(5), atol=1e-6)


def test_a_map_that_moves_with_its_picture_has_ses_one(crops: Crops) -> None:
    images = torch.rand(5, 3, 12, 10, generator=stream(1, "images"))
    found = self_consistency(lambda x: x.mean(1), images, crops)
    assert torch.allclose(found.ses, torch.ones(5), atol=1e-5)
    assert (found.excess > 0.03).all()
    assert torch.equal(found.excess, found.ses - found.by_chance)
    assert not found.zero.any()


def test_chance_is_the_next_pictures_map_under_this_pictures_crop(crops: Crops) -> None:
    images = torch.rand(5, 3, 12, 10, generator=stream(2, "images"))

    def saliency(pictures: Tensor) -> Tensor:
        return pictures[:, 0] ** 2 + centred_gaussian((len(pictures), 12, 10))

    found = self_consistency(saliency, images, crops)
    for i in range(5):
        own = Crops(crops.windows[[i]], crops.mirrored[[i]], crops.size)
        anew = saliency(crop_images(images[[i]], own))
        moved = crop_maps(saliency(images[[i]]), own)
        other = crop_maps(saliency(images[[(i + 1) % 5]]), own)
        assert torch.allclose(
            found.ses[i], torch.cosine_similarity(moved.flatten(), anew.flatten(), 0)
        )
        assert torch.allclose(
            found.by_chance[i],
            torch.cosine_similarity(other.flatten(), anew.flatten(), 0),
        )


def test_a_map_that_ignores_the_picture_gains_nothing(crops: Crops) -> None:
    middle = centred_gaussian((5, 12, 10))
    found = self_consistency(lambda x: middle, torch.rand(5, 3, 12, 10), crops)
    assert (found.ses > 0.5).all()  # it looks consistent
    assert torch.equal(found.excess, torch.zeros(5))


def test_a_zero_map_on_either_side_has_ses_zero_and_is_told(crops: Crops) -> None:
    blank = torch.ones(5, 1, 1)
    blank[1] = 0

    calls = []

    def saliency(images: Tensor) -> Tensor:
        calls.append(len(images))
        shown = images.mean(1)
        return shown * (blank if len(calls) == 1 else blank.roll(2, 0))

    found = self_consistency(saliency, torch.rand(5, 3, 12, 10) + 0.1, crops)
    assert calls == [5, 5]  # the whole batch, twice
    assert found.zero.tolist() == [False, True, False, True, False]
    assert (found.ses == 0).tolist() == found.zero.tolist()
    assert found.by_chance[0] == 0  # the next picture's map is zero
    assert not found.ses.isnan().any()


def test_gradients_of_a_saliency_end_there(crops: Crops) -> None:
    scale = torch.ones(1, requires_grad=True)
    images = torch.rand(5, 3, 12, 10)
    assert not self_consistency(
        lambda x: x.sum(1) * scale, images, crops
    ).ses.requires_grad


def test_one_picture_has_no_chance() -> None:
    crop = random_crops(1, (8, 8), stream(0, "crops"))
    with pytest.raises(ValueError, match="needs another picture: give two or more"):
        self_consistency(lambda x: x.mean(1), torch.rand(1, 3, 8, 8), crop)


def test_maps_of_cells_are_no_maps_of_the_picture(crops: Crops) -> None:
    wanted = r"maps \[5, 12, 10\], \[B, H, W\], gave \[5, 6, 5\]: interpolate"
    with pytest.raises(ValueError, match=wanted):
        self_consistency(
            lambda x: x.mean(1)[:, ::2, ::2], torch.rand(5, 3, 12, 10), crops
        )


# SCH


def test_sch_by_hand() -> None:
    maps = torch.zeros(1, 4, 4)
    maps[0, 0] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    masks = torch.zeros(1, 4, 4, dtype=torch.bool)
    masks[0, :, 2] = True
    assert torch.allclose(sch(maps, masks), torch.tensor([0.3]))
    assert mask_share(masks).tolist() == [0.25]


def test_the_floor_and_the_ceiling_of_sch(masks: Tensor) -> None:
    assert torch.allclose(sch(torch.ones(5, 12, 10), masks), mask_share(masks))
    assert torch.equal(sch(masks.float(), masks), torch.ones(5))
    assert torch.equal(sch((~masks).float(), masks), torch.zeros(5))


def test_ignored_pixels_count_neither_above_nor_below_by_hand() -> None:
    maps = torch.zeros(1, 4, 4)
    maps[0, 0] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    masks = torch.zeros(1, 4, 4, dtype=torch.bool)
    masks[0, :, 2] = True
    ignored = torch.zeros(1, 4, 4, dtype=torch.bool)
    ignored[0, 0, 3] = True  # background, of 4
    assert torch.allclose(sch(maps, masks, ignored), torch.tensor([3 / 6]))
    assert mask_share(masks, ignored).tolist() == pytest.approx([4 / 15])
    ignored[0, 1:, 2] = True  # of the object, where the map has nothing
    assert torch.allclose(sch(maps, masks, ignored), torch.tensor([3 / 6]))
    assert mask_share(masks, ignored).tolist() == pytest.approx([1 / 12])


def test_a_map_on_ignored_pixels_alone_is_a_zero_map(maps: Tensor) -> None:
    ignored = torch.zeros(5, 12, 10, dtype=torch.bool)
    ignored[:, 4:] = True
    masks, maps = ~ignored, maps * ignored
    assert sch(maps, masks, ignored).tolist() == [0.0] * 5
    assert sch_skipping_zero(maps, masks, ignored).isnan().all()
    boxes = torch.tensor([[NONE]] * 5)
    counted = degenerate(maps, ignored, boxes, ignored)  # no pixel of it is left
    assert counted["empty mask"] == 5
    assert mask_share(masks, torch.ones_like(masks)).isnan().all()


def test_without_ignored_pixels_all_is_as_before(maps: Tensor, masks: Tensor) -> None:
    nothing = torch.zeros_like(masks)
    assert torch.equal(sch(maps, masks, nothing), sch(maps, masks))
    assert torch.equal(mask_share(masks, nothing), mask_share(masks))
    uniform = torch.ones_like(maps)
    ignored = torch.rand(5, 12, 10, generator=stream(0, "ignored")) > 0.8
    share = mask_share(masks, ignored)
    torch.testing.assert_close(sch(uniform, masks, ignored), share)


def test_zero_maps_and_empty_masks_in_both_conventions(
    maps: Tensor, masks: Tensor
) -> None:
    maps[1], masks[2] = 0, False
    maps[3], masks[3] = 0, False
    published, skipping = sch(maps, masks), sch_skipping_zero(maps, masks)
    assert published[1] == 0
    assert published.isnan().tolist() == [False, False, True, True, False]
    assert skipping.isnan().tolist() == [False, True, True, True, False]
    assert torch.equal(published[[0, 4]], skipping[[0, 4]])


# MOSU


def test_mosu_of_two_boxes_by_hand() -> None:
    maps = torch.zeros(1, 4, 4)
    maps[0, 0, 0], maps[0, 3, 3], maps[0, 0, 3] = 1, 3, 7  # 7 lies in no box
    boxes = torch.tensor([[[0, 0, 1, 3], [3, 3, 4, 4]]])  # 3 pixels and 1
    found = mosu(maps, boxes, smoothing=0)
    wanted = 0.75 * math.log(3) - 0.25 * math.log(3)  # (3/4, 1/4) to (1/4, 3/4)
    assert math.isclose(found.area_to_saliency.item(), wanted, rel_tol=1e-6)
    assert math.isclose(found.saliency_to_area.item(), wanted, rel_tol=1e-6)
    assert found.boxes.tolist() == [2]
    assert found.overlapping.tolist() == [False]


def test_a_uniform_map_has_mosu_zero(boxes: Tensor) -> None:
    cut = boxes.double() * 0.9 + 0.05 * (boxes >= 0)  # edges within pixels
    for frames in (boxes, cut):
        found = mosu(torch.full((5, 12, 10), 0.3), frames)
        assert torch.allclose(found.area_to_saliency, torch.zeros(5), atol=1e-6)
        assert torch.allclose(found.saliency_to_area, torch.zeros(5), atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 1e-6, 0.1])
def test_both_directions_against_scipy(
    maps: Tensor, boxes: Tensor, smoothing: float
) -> None:
    maps = maps**4
    found = mosu(maps, boxes, smoothing)
    for i in range(5):
        inside = [box for box in boxes[i].tolist() if box != NONE]
        area = [(right - left) * (low - top) for left, top, right, low in inside]
        sums = [maps[i, t:b, l:r].sum().item() for l, t, r, b in inside]  # noqa: E741
        saliency = [one + smoothing * sum(sums) for one in sums]
        one, two = found.area_to_saliency[i].item(), found.saliency_to_area[i].item()
        assert math.isclose(one, entropy(area, saliency), abs_tol=1e-6)
        assert math.isclose(two, entropy(saliency, area), abs_tol=1e-6)
    assert found.area_to_saliency[2] != found.saliency_to_area[2]
    assert found.boxes.tolist() == [2, 2, 3, 2, 2]


def test_an_edge_within_a_pixel_takes_its_part() -> None:
    maps = torch.zeros(1, 4, 4)
    maps[0, 1, 1], maps[0, 3, 3] = 8, 1
    boxes = torch.tensor([[[0.0, 0.0, 1.5, 1.25], [3.0, 3.0, 4.0, 4.0]]])
    found = mosu(maps, boxes, smoothing=0)  # 8 * 0.5 * 0.25 = 1, as the other
    area = [1.5 * 1.25, 1.0]
    assert math.isclose(
        found.area_to_saliency.item(), entropy(area, [1, 1]), abs_tol=1e-6
    )


def test_a_box_without_saliency_is_finite_by_smoothing() -> None:
    maps = torch.zeros(1, 4, 4)
    maps[0, 0, 0] = 5
    boxes = torch.tensor([[[0, 0, 2, 2], [2, 2, 4, 4]]])
    assert mosu(maps, boxes, smoothing=0).area_to_saliency.isinf().all()
    assert math.isclose(
        mosu(maps, boxes, smoothing=0).saliency_to_area.item(),
        math.log(2),
        abs_tol=1e-6,
    )
    wanted = entropy([1, 1], [1 + 1e-6, 1e-6])
    assert math.isclose(mosu(maps, boxes).area_to_saliency.item(), wanted, rel_tol=1e-5)


def test_a_map_without_saliency_in_boxes_counts_as_uniform_over_them() -> None:
    maps = torch.zeros(2, 4, 4)
    maps[1, 3, 0] = 1  # in no box
    boxes = torch.tensor([[[0, 0, 3, 1], [3, 3, 4, 4]]] * 2)
    found = mosu(maps, boxes).area_to_saliency
    assert torch.allclose(found, torch.tensor(entropy([3, 1], [1, 1])).float())
    assert mosu(maps, boxes, smoothing=0).area_to_saliency.isnan().all()


def test_boxes_without_area_in_the_picture_do_not_count() -> None:
    maps = torch.ones(5, 4, 6)
    one = [1, 1, 3, 3]
    boxes = torch.tensor(
        [
            [one, NONE],
            [one, [4, 0, 4, 3]],  # no width
            [one, [6, 0, 9, 3]],  # right of the picture
            [one, [5, 0, 9, 3]],  # one column of it inside
            [NONE, NONE],
        ]
    )
    found = mosu(maps, boxes)
    assert found.boxes.tolist() == [1, 1, 1, 2, 0]
    assert found.area_to_saliency.isnan().tolist() == [True, True, True, False, True]
    assert found.saliency_to_area.isnan().tolist() == [True, True, True, False, True]
    assert abs(found.area_to_saliency[3]) < 1e-6  # clipped on both sides alike


def test_overlapping_boxes_are_told_and_count_twice() -> None:
    maps = torch.zeros(3, 4, 4)
    maps[:, 1, 1], maps[:, 3, 3] = 2, 1
    boxes = torch.tensor(
        [
            [[0, 0, 2, 2], [1, 1, 4, 4], NONE],
            [[0, 0, 2, 2], [2, 1, 4, 4], NONE],  # they touch
            [[0, 0, 1.5, 2], [1.5, 1, 4, 4], NONE],  # they touch within a pixel
        ]
    )
    found = mosu(maps, boxes, smoothing=0)
    assert found.overlapping.tolist() == [True, False, False]
    wanted = [
        entropy([4, 9], [2, 3]),
        entropy([4, 6], [2, 1]),
        entropy([3, 7.5], [1, 2]),
    ]
    assert torch.allclose(
        found.area_to_saliency.double(), torch.tensor(wanted), atol=1e-6
    )


# Gini


def by_pairs(one: Tensor) -> float:
    """Return the Gini coefficient from all pairs of pixels."""
    values = one.double().flatten()
    apart = (values[:, None] - values[None]).abs().sum()
    return float(apart / (2 * len(values) * values.sum()))


def test_gini_against_all_pairs(maps: Tensor) -> None:
    maps[1] = maps[1] ** 9
    maps[2] = (maps[2] - 0.8).relu()
    wanted = torch.tensor([by_pairs(one) for one in maps])
    assert torch.allclose(gini(maps), wanted, atol=1e-6)


def test_the_range_of_gini() -> None:
    maps = torch.zeros(4, 4, 5)
    maps[0] = 0.1
    maps[2, 3, 1] = 7
    maps[3, :2] = 1  # half of the pixels
    wanted = torch.tensor([0.0, 0.0, 1 - 1 / 20, 0.5])
    assert gini(maps)[:2].tolist() == [0, 0]
    assert torch.allclose(gini(maps), wanted)


# All of them


def scores(maps: Tensor, masks: Tensor, boxes: Tensor) -> Tensor:
    """Return all scores of maps side by side, `[B, 6]`."""
    both = mosu(maps, boxes)
    columns = [ses(maps, masks.float()), sch(maps, masks), gini(maps)]
    columns += [sch_skipping_zero(maps, masks), both.area_to_saliency]
    return torch.stack([*columns, both.saliency_to_area], 1)


@pytest.mark.parametrize("factor", [1e-12, 3.0, 1e25])
def test_no_score_depends_on_the_scale_of_a_map(
    maps: Tensor, masks: Tensor, boxes: Tensor, factor: float
) -> None:
    wanted = scores(maps, masks, boxes)
    assert torch.allclose(scores(maps * factor, masks, boxes), wanted, atol=1e-6)
    swapped = ses(masks.float(), maps * factor)
    assert torch.allclose(swapped, wanted[:, 0], atol=1e-6)


def test_a_picture_is_scored_by_itself(
    maps: Tensor, masks: Tensor, boxes: Tensor
) -> None:
    maps[1] *= 1000
    order = [3, 0, 4, 2, 1]
    wanted = scores(maps, masks, boxes)
    moved = scores(maps[order], masks[order], boxes[order][:, [2, 0, 1]])
    assert torch.allclose(moved, wanted[order], atol=1e-6)
    alone = [scores(maps[[i]], masks[[i]], boxes[[i]]) for i in range(5)]
    assert torch.allclose(torch.cat(alone), wanted, atol=1e-6)


def test_half_precision_is_scored_in_single(
    maps: Tensor, masks: Tensor, boxes: Tensor
) -> None:
    half = (maps * 100).half()
    wanted = scores(half.float(), masks, boxes)
    assert torch.equal(scores(half, masks, boxes), wanted)


def test_degenerate_pictures_are_counted(
    maps: Tensor, masks: Tensor, boxes: Tensor
) -> None:
    assert set(degenerate(maps, masks, boxes).values()) == {0}
    maps[[0, 1]], masks[2] = 0, False
    boxes[[0, 1, 3], 1:] = -1
    boxes[2, 1] = boxes[2, 0]
    before = maps.clone()
    assert degenerate(maps, masks, boxes) == {
        "zero map": 2,
        "empty mask": 1,
        "fewer than two boxes": 3,
        "overlapping boxes": 1,
    }
    assert torch.equal(maps, before)


# Refusals

FINE, INSIDE = torch.ones(2, 4, 6), torch.ones(2, 4, 6, dtype=torch.bool)
FRAMES = torch.tensor([[[0, 0, 2, 2]]] * 2)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (FINE[0], r"maps must be \[B, H, W\], got \[4, 6\]"),
        (torch.ones(2, 3, 6), "3 x 6 pixels are too coarse: interpolate"),
        (FINE / 0, "map of picture 0 is not finite"),
        (
            FINE * torch.tensor([1.0, -1.0])[:, None, None],
            "picture 1 is negative: apply",
        ),
    ],
)
def test_maps_are_checked(wrong: Tensor, text: str) -> None:
    calls = [
        lambda: sch(wrong, INSIDE),
        lambda: sch_skipping_zero(wrong, INSIDE),
        lambda: mosu(wrong, FRAMES),
        lambda: gini(wrong),
        lambda: degenerate(wrong, INSIDE, FRAMES),
    ]
    calls += [lambda: ses(wrong, wrong)] * ("negative" not in text)
    for call in calls:
        with pytest.raises(ValueError, match=text) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_signed_maps_have_an_ses() -> None:
    assert torch.allclose(ses(FINE, -FINE), -torch.ones(2))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ses(FINE, FINE[:1]), r"\[2, 4, 6\] and \[1, 4, 6\] differ: move"),
        (lambda: sch(FINE, INSIDE.float()), "masks must be bool"),
        (lambda: sch(FINE, INSIDE[:, :, :4]), "transform mask and picture together"),
        (lambda: sch(FINE, INSIDE[:1]), "2 maps need as many masks, got 1"),
        (lambda: mask_share(FINE), "masks must be bool"),
        (lambda: sch(FINE, INSIDE, INSIDE[:1]), r"ignored must be bool \[2, 4, 6\]"),
        (lambda: mask_share(INSIDE, FINE), "ignored must be bool"),
        (lambda: mosu(FINE, FRAMES[:1]), r"boxes must be \[2, N, 4\].* \[1, 1, 4\]"),
        (lambda: mosu(FINE, FRAMES[0]), "boxes must be"),
        (lambda: mosu(FINE, FRAMES.flip(2)), "not .left, top, width, height"),
        (lambda: mosu(FINE, FRAMES / 0), "or NaN"),
        (lambda: mosu(FINE, FRAMES, smoothing=-1), "smoothing must be a share"),
    ],
)
def test_what_does_not_fit_is_refused(call, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)
