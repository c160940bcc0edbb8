"""Pointing game, EPG, contrast and overlap: by hand, against loops, where undefined."""

import math

import pytest
import torch
from torch import Tensor

from helpers.measure.consistency import mask_share, sch
from helpers.measure.localisation import (
    SHARES,
    above_quantile,
    above_share,
    best_share,
    box_masks,
    energy_pointing_game,
    iou,
    oracle_iou,
    pointing_game,
    positive,
    random_iou,
    score_contrast,
    without_object,
)
from helpers.streams import stream


@pytest.fixture
def maps() -> Tensor:
    return torch.randn(5, 12, 10, generator=stream(0, "maps"))


@pytest.fixture
def masks() -> Tensor:
    return torch.rand(5, 12, 10, generator=stream(0, "masks")) > 0.7


@pytest.fixture
def ignored() -> Tensor:
    return torch.rand(5, 12, 10, generator=stream(0, "ignored")) > 0.8


def square(top: int, left: int, height: int, width: int) -> Tensor:
    """A mask `[1, 8, 8]` of one rectangle."""
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[0, top : top + height, left : left + width] = True
    return mask


def pixels(mask: Tensor) -> set[tuple[int, int]]:
    return {(y, x) for y, x in mask.nonzero().tolist()}


# Pointing game


def test_a_maximum_on_the_object_hits() -> None:
    maps = torch.zeros(1, 8, 8)
    maps[0, 2, 3] = 1
    assert pointing_game(maps, square(2, 3, 2, 2)).tolist() == [1]
    assert pointing_game(maps, square(3, 3, 2, 2)).tolist() == [0]
    assert pointing_game(maps - 9, square(2, 3, 1, 1)).tolist() == [1]  # of any sign


@pytest.mark.parametrize(
    ("tolerance", "hit"), [(0, 0), (2.8, 0), (2.829, 1), (3, 1), (15, 1)]
)
def test_the_tolerance_is_a_distance(tolerance: float, hit: int) -> None:
    maps = torch.zeros(1, 8, 8)
    maps[0, 0, 0] = 1  # sqrt(8) from the corner of the object
    found = pointing_game(maps, square(2, 2, 3, 3), tolerance=tolerance)
    assert found.tolist() == [hit]


def test_several_maxima_share_the_hit() -> None:
    maps = torch.zeros(1, 8, 8)
    maps[0, 0, :4] = 5
    assert pointing_game(maps, square(0, 3, 8, 5)).tolist() == [0.25]
    uniform = torch.ones(1, 8, 8)
    assert pointing_game(uniform, square(0, 0, 2, 8)).tolist() == [0.25]
    assert pointing_game(uniform, square(0, 0, 2, 8), tolerance=1).tolist() == [0.375]


def test_a_maximum_on_ignored_pixels_does_not_count() -> None:
    maps, ignored = torch.zeros(1, 8, 8), square(0, 0, 1, 1)
    maps[0, 0, 0], maps[0, 4, 4] = 2, 1
    assert pointing_game(maps, square(4, 4, 1, 1)).tolist() == [0]
    assert pointing_game(maps, square(4, 4, 1, 1), ignored).tolist() == [1]
    only = pointing_game(maps, square(0, 0, 1, 1), ignored)  # all of it is ignored
    assert only.isnan().tolist() == [True]


def pointing_twin(
    values: Tensor, mask: Tensor, left_out: Tensor, tolerance: float
) -> float:
    """Zhang et al. 2018, section 4: is there object within reach of the maximum?"""
    known = pixels(~left_out)
    target = pixels(mask) & known
    if not target:
        return math.nan
    greatest = max(values[y, x].item() for y, x in known)
    tops = [(y, x) for y, x in known if values[y, x].item() == greatest]
    hits = [
        any(math.hypot(y - v, x - u) <= tolerance for v, u in target) for y, x in tops
    ]
    return sum(hits) / len(hits)


@pytest.mark.parametrize("tolerance", [0, 1, 2.5])
def test_pointing_against_loops(
    maps: Tensor, masks: Tensor, ignored: Tensor, tolerance: float
) -> None:
    maps, masks = (maps * 2).round(), masks & (maps.roll(1, 0) > 0.5)
    masks[3] = False
    found = pointing_game(maps, masks, ignored, tolerance)
    wanted = [
        pointing_twin(*one, tolerance) for one in zip(maps, masks, ignored, strict=True)
    ]
    torch.testing.assert_close(found, torch.tensor(wanted), equal_nan=True)
    assert found[3].isnan()


# Energy


def test_negative_values_count_nowhere() -> None:
    maps = torch.zeros(1, 8, 8)
    maps[0, 0] = torch.tensor([3.0, 1, -5, 0, 0, 0, 0, 0])
    assert energy_pointing_game(maps, square(0, 0, 1, 1)).tolist() == [0.75]
    assert energy_pointing_game(maps, square(0, 2, 1, 1)).tolist() == [0]
    assert energy_pointing_game(-maps, square(0, 2, 1, 1)).tolist() == [1]
    both = energy_pointing_game(maps.abs(), square(0, 0, 1, 1))
    assert both.tolist() == pytest.approx([3 / 9])


def test_energy_of_uniform_zero_and_negative_maps(masks: Tensor) -> None:
    uniform = torch.full((5, 12, 10), 0.3)
    torch.testing.assert_close(energy_pointing_game(uniform, masks), mask_share(masks))
    assert energy_pointing_game(0 * uniform, masks).tolist() == [0] * 5
    assert energy_pointing_game(-uniform, masks).tolist() == [0] * 5
    assert energy_pointing_game(uniform, masks & False).isnan().all()


def test_energy_is_sch_of_the_positive_part(
    maps: Tensor, masks: Tensor, ignored: Tensor
) -> None:
    found = energy_pointing_game(maps, masks, ignored)
    for one in range(5):
        kept = pixels(~ignored[one])
        energy = {at: max(maps[one][at].item(), 0) for at in kept}
        inside = sum(energy[at] for at in pixels(masks[one]) & kept)
        assert found[one].item() == pytest.approx(inside / sum(energy.values()))
    assert torch.equal(found, sch(maps.relu(), masks, ignored))


def test_boxes_as_masks() -> None:
    none = [-1.0] * 4
    boxes = torch.tensor([[[1, 2, 3, 4], none], [[0, 0, 1.6, 1.4], [4, 4, 9, 9]]])
    first, second = box_masks(boxes, (6, 5))
    assert pixels(first) == {(2, 1), (2, 2), (3, 1), (3, 2)}
    assert pixels(second) == {(0, 0), (0, 1), (4, 4), (5, 4)}  # by centres, clipped
    both = torch.tensor([[[0, 0, 2, 2], [1, 1, 3, 3]]])
    assert box_masks(both, (6, 5)).sum() == 7  # the union
    assert not box_masks(torch.tensor([[none]]), (6, 5)).any()
    with pytest.raises(ValueError, match="boxes must be"):
        box_masks(boxes[0], (6, 5))


# Contrast


def test_contrast_by_hand() -> None:
    maps = torch.full((1, 8, 8), 2.0)
    maps[0, :2, :2] = 10
    maps[0, 7, 7] = 6  # (6 - 2) / 8 = 1/2
    assert score_contrast(maps, square(0, 0, 2, 2)).item() == pytest.approx(
        1 - 0.5 / 60
    )
    assert score_contrast(maps, square(7, 6, 1, 2)).item() == pytest.approx(
        0.25 - 4 / 62
    )


def test_the_reverse_of_a_map_has_minus_its_contrast(
    maps: Tensor, masks: Tensor, ignored: Tensor
) -> None:
    found = score_contrast(maps, masks, ignored)
    torch.testing.assert_close(score_contrast(-maps, masks, ignored), -found)
    torch.testing.assert_close(score_contrast(5 - 3e8 * maps, masks, ignored), -found)
    for one in range(5):
        kept = pixels(~ignored[one])
        low, high = (f(maps[one][at].item() for at in kept) for f in (min, max))
        sides = [pixels(masks[one]) & kept, pixels(~masks[one]) & kept]
        means = [
            sum((maps[one][at].item() - low) / (high - low) for at in side) / len(side)
            for side in sides
        ]
        assert found[one].item() == pytest.approx(means[0] - means[1], abs=1e-6)


def test_contrast_at_its_ends(masks: Tensor) -> None:
    assert torch.equal(score_contrast(masks.float(), masks), torch.ones(5))
    assert torch.equal(
        score_contrast(torch.full((5, 12, 10), 0.1), masks), torch.zeros(5)
    )
    assert torch.equal(score_contrast(torch.zeros(5, 12, 10), masks), torch.zeros(5))
    nothing, all_of_it = masks & False, masks | True
    assert score_contrast(masks.float(), nothing).isnan().all()
    assert score_contrast(masks.float(), all_of_it).isnan().all()


# Overlap


def test_overlap_by_hand() -> None:
    found, mask = square(0, 0, 4, 4), square(2, 2, 4, 4)
    assert iou(found, mask).tolist() == pytest.approx([4 / 28])
    assert iou(mask, mask).tolist() == [1]
    assert iou(found & False, mask).tolist() == [0]
    assert iou(found, mask & False).isnan().tolist() == [True]
    ignored = square(2, 2, 1, 4)  # 2 of both, 2 of the mask alone
    assert iou(found, mask, ignored).tolist() == pytest.approx([2 / 24])


def test_thresholds_by_hand() -> None:
    maps = torch.arange(64.0).view(1, 8, 8) - 32  # -32 to 31
    assert above_share(maps, 1.0).sum() == 1
    assert above_share(maps, 0.5).sum() == 16  # 15.5 or more
    assert above_share(-maps - 40, 0.5).sum() == 0  # nothing positive
    assert above_quantile(maps, 0.75).sum() == 16
    assert above_quantile(maps - 99, 0.75).sum() == 16  # by order alone
    assert above_quantile(maps, 0.0).all()
    ignored = square(4, 0, 4, 8)  # the greater half
    assert above_share(maps, 0.5, ignored).sum() == 0
    assert above_quantile(maps, 0.75, ignored).sum() == 8
    for values in (torch.ones(1, 8, 8), torch.zeros(1, 8, 8)):
        assert above_quantile(values, 0.9).all()
    assert above_share(torch.ones(1, 8, 8), 0.9).all()
    assert not above_share(torch.zeros(1, 8, 8), 0.1).any()


@pytest.mark.parametrize("quantile", [0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_quantile_finds_its_share(maps: Tensor, quantile: float) -> None:
    ten = torch.arange(100.0).view(1, 10, 10)
    assert above_quantile(ten, quantile).sum() == round(100 * (1 - quantile))
    wanted = math.ceil(round((1 - quantile) * 120, 9))
    assert above_quantile(maps, quantile).sum((1, 2)).tolist() == [wanted] * 5


def test_the_floor_of_overlap_is_that_of_pixels_drawn_blindly() -> None:
    mask, generator = square(0, 0, 4, 6), stream(0, "draws")
    for number in (5, 20, 50):
        drawn = torch.zeros(4000, 64, dtype=torch.bool)
        for one in drawn:
            one[torch.randperm(64, generator=generator)[:number]] = True
        found = drawn.view(-1, 8, 8)
        mean = iou(found, mask.expand(4000, -1, -1)).mean().item()
        floor = random_iou(found[:1], mask).item()
        assert floor == pytest.approx(mean, abs=0.01)
        assert mean > floor - 0.003  # the ratio's mean is not under the means' ratio
    assert random_iou(mask | True, mask).tolist() == mask_share(mask).tolist()
    assert random_iou(mask & False, mask).tolist() == [0]
    assert random_iou(mask, mask & False).isnan().all()


def test_all_found_has_the_objects_share(masks: Tensor, ignored: Tensor) -> None:
    uniform = torch.ones(5, 12, 10)
    for found in (above_share(uniform, 0.4, ignored), above_quantile(uniform, 0.4)):
        torch.testing.assert_close(
            iou(found, masks, ignored), mask_share(masks, ignored)
        )


def test_the_best_threshold_by_hand() -> None:
    maps = torch.zeros(3, 8, 8)
    masks = torch.cat([square(0, 0, 2, 2), square(4, 4, 2, 2), square(0, 0, 0, 0)])
    maps[0, :2, :2], maps[0, 2:4, :2] = 1.0, 0.72  # best over .72
    maps[1, 4, 4:6], maps[1, 5, 4:6] = 1.0, 0.32  # best up to .32
    best = best_share(maps, masks)
    assert best.share == 0.05  # 1/2 and 1, against 1 and 1/2 over .72: the first
    assert best.iou[:2].tolist() == [0.5, 1]
    assert best.iou[2].isnan()
    assert oracle_iou(maps, masks)[:2].tolist() == [1, 1]
    again = best_share(maps, masks, shares=[0.1, 0.8, 0.5])
    assert (again.share, again.iou[:2].tolist()) == (0.1, [0.5, 1])


def test_the_best_threshold_against_loops(
    maps: Tensor, masks: Tensor, ignored: Tensor
) -> None:
    maps = maps + 2 * masks
    table = [[0.0] * 5 for _ in SHARES]
    for row, share in zip(table, SHARES, strict=True):
        for one in range(5):
            kept = pixels(~ignored[one])
            top = max(maps[one][at].item() for at in kept)
            shown = {at for at in kept if maps[one][at].item() >= share * top}
            wanted = pixels(masks[one]) & kept
            row[one] = len(shown & wanted) / len(shown | wanted)
    means = [sum(row) / 5 for row in table]
    best = best_share(maps, masks, ignored)
    assert best.share == SHARES[means.index(max(means))]
    assert best.iou.tolist() == pytest.approx(table[means.index(max(means))])
    oracle = [max(column) for column in zip(*table, strict=True)]
    assert oracle_iou(maps, masks, ignored).tolist() == pytest.approx(oracle)
    assert (oracle_iou(maps, masks, ignored) >= best.iou).all()


# All of them


def test_pictures_without_object_are_told() -> None:
    masks = torch.cat([square(0, 0, 2, 2), square(0, 0, 0, 0), square(4, 4, 1, 1)])
    assert without_object(masks).tolist() == [False, True, False]
    ignored = torch.cat([square(0, 0, 1, 1), square(0, 0, 1, 1), square(0, 0, 8, 8)])
    assert without_object(masks, ignored).tolist() == [False, True, True]
    maps = torch.rand(3, 8, 8)
    for found in (
        pointing_game(maps, masks, ignored),
        energy_pointing_game(maps, masks, ignored),
        score_contrast(maps, masks, ignored),
        iou(maps > 0.5, masks, ignored),
        random_iou(maps > 0.5, masks, ignored),
        oracle_iou(maps, masks, ignored),
    ):
        assert found.isnan().tolist() == [False, True, True]


FINE, INSIDE = torch.ones(2, 4, 6), torch.ones(2, 4, 6, dtype=torch.bool)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_maps_that_are_not_finite_are_refused(value: float) -> None:
    broken = FINE.clone()
    broken[1, 2, 3] = value
    for call in (
        lambda: pointing_game(broken, INSIDE),
        lambda: energy_pointing_game(broken, INSIDE),
        lambda: score_contrast(broken, INSIDE),
        lambda: above_share(broken, 0.5),
        lambda: above_quantile(broken, 0.5),
        lambda: best_share(broken, INSIDE),
        lambda: positive(broken),
    ):
        with pytest.raises(ValueError, match="map of picture 1 is not finite"):
            call()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: pointing_game(FINE, INSIDE, tolerance=-1), "tolerance must be 0"),
        (lambda: pointing_game(FINE, INSIDE, tolerance=math.nan), "tolerance must be"),
        (lambda: pointing_game(FINE[0], INSIDE), r"maps must be \[B, H, W\]"),
        (lambda: pointing_game(FINE, INSIDE.float()), "masks must be bool"),
        (lambda: score_contrast(FINE, INSIDE[:1]), "2 maps need as many masks, got 1"),
        (lambda: score_contrast(FINE, INSIDE, INSIDE[:1]), "ignored must be bool"),
        (lambda: iou(FINE, INSIDE), "masks must be bool"),
        (lambda: iou(INSIDE, INSIDE[:, :, :4]), "transform mask and picture"),
        (lambda: above_share(FINE, 0), r"share must be of the maximum, in \(0, 1\]"),
        (lambda: above_share(FINE, 1.1), "share must be"),
        (lambda: above_share(FINE, 0.5, INSIDE.float()), "ignored must be bool"),
        (lambda: above_quantile(FINE, 1), r"quantile must be in \[0, 1\)"),
        (lambda: best_share(FINE, INSIDE & False), "no picture has an object"),
        (lambda: best_share(FINE, INSIDE, shares=[]), "shares must hold a threshold"),
    ],
)
def test_what_does_not_fit_is_refused(call, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)
