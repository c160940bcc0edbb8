"""What holds of any map: floors, scale, order of pictures, refusals (hypothesis)."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from helpers.explain.cam import upsample
from helpers.measure.concentration import border_share, entropy
from helpers.measure.consistency import gini, mask_share, mosu, sch, ses
from helpers.measure.grid_pointing import grid_pointing_game
from helpers.measure.localisation import (
    above_quantile,
    above_share,
    energy_pointing_game,
    iou,
    oracle_iou,
    pointing_game,
    random_iou,
    score_contrast,
)

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
KINDS = ["random", "signed", "zero", "constant", "one pixel", "huge", "tiny"]
some = settings(
    max_examples=40,
    deadline=None,  # no test asserts a time
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def cases(draw: st.DrawFn, signed: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Maps `[B, H, W]` of every kind and dtype, masks and ignored pixels."""
    shape = tuple(draw(st.tuples(st.integers(1, 3), *[st.integers(4, 13)] * 2)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    dtype = draw(st.sampled_from(DTYPES))
    maps = torch.rand(shape, generator=generator, dtype=torch.double)
    kinds = [kind for kind in KINDS if signed or kind != "signed"]
    for one in maps:
        kind = draw(st.sampled_from(kinds))
        if kind == "signed":
            one -= 0.5
        elif kind == "zero":
            one *= 0
        elif kind == "constant":
            one[:] = one[0, 0]
        elif kind == "one pixel":
            one[1:], one[0, 1:] = 0, 0
        elif kind == "huge":
            one *= torch.finfo(dtype).max / 4
        elif kind == "tiny":
            one *= torch.finfo(dtype).tiny
    masks = torch.rand(shape, generator=generator) > draw(st.floats(0, 1))
    ignored = torch.rand(shape, generator=generator) > draw(st.floats(0, 1))
    return maps.to(dtype), masks, ignored


def localised(maps: Tensor, masks: Tensor, ignored: Tensor) -> dict[str, Tensor]:
    """All scores against a mask, `[B]` each."""
    found = above_share(maps, 0.5, ignored)
    return {
        "pointing": pointing_game(maps, masks, ignored),
        "pointing, wide": pointing_game(maps, masks, ignored, tolerance=2),
        "energy": energy_pointing_game(maps, masks, ignored),
        "overlap": iou(found, masks, ignored),
        "overlap, quantile": iou(above_quantile(maps, 0.7, ignored), masks, ignored),
        "best overlap": oracle_iou(maps, masks, ignored),
        "blind overlap": random_iou(found, masks, ignored),
    }


@given(case=cases())
@some
def test_scores_of_any_map_lie_in_their_range(case: tuple[Tensor, ...]) -> None:
    maps, masks, ignored = case
    empty = ~(masks & ~ignored).flatten(1).any(1)
    full = ~(~masks & ~ignored).flatten(1).any(1)
    before = maps.clone()
    scores = localised(maps, masks, ignored)
    for name, values in scores.items():
        assert torch.equal(values.isnan(), empty), name
        assert ((values >= 0) & (values <= 1 + 1e-6) | empty).all(), name
    assert (scores["pointing, wide"] >= scores["pointing"])[~empty].all()
    assert (scores["best overlap"] >= scores["overlap"] - 1e-6)[~empty].all()
    contrast = score_contrast(maps, masks, ignored)
    assert torch.equal(contrast.isnan(), empty | full)
    assert (contrast.abs() <= 1 + 1e-6)[~(empty | full)].all()
    assert torch.equal(maps, before)


@given(case=cases(signed=False), cells=st.sampled_from([3, 4]))
@some
def test_concentration_of_any_map_lies_in_its_range(
    case: tuple[Tensor, ...], cells: int
) -> None:
    maps = case[0]
    zero = ~maps.flatten(1).any(1)
    ring = 1 - (1 - 2 / cells) ** 2
    for values, most in (
        (entropy(maps), 1.0),
        (border_share(maps, cells), 1 / ring),
    ):
        assert torch.equal(values.isnan(), zero)
        assert ((values >= -1e-9) & (values <= most + 1e-6) | zero).all()
    assert ((gini(maps) >= -1e-6) & (gini(maps) < 1)).all()


@given(case=cases(), power=st.integers(-3, 3))
@some
def test_no_score_depends_on_the_scale_of_a_map(
    case: tuple[Tensor, ...], power: int
) -> None:
    maps, masks, ignored = case
    maps = maps.double()
    maps = maps / maps.abs().amax((1, 2), keepdim=True).clamp(min=1e-300)
    wanted = localised(maps, masks, ignored)
    found = localised(maps * 2.0**power, masks, ignored)
    for name, values in found.items():
        torch.testing.assert_close(values, wanted[name], equal_nan=True)


@given(case=cases(), data=st.data())
@some
def test_a_picture_is_scored_by_itself(
    case: tuple[Tensor, ...], data: st.DataObject
) -> None:
    maps, masks, ignored = case
    one = data.draw(st.integers(0, len(maps) - 1))
    together = localised(maps, masks, ignored)
    alone = localised(maps[[one]], masks[[one]], ignored[[one]])
    for name, values in together.items():
        torch.testing.assert_close(alone[name], values[[one]], equal_nan=True)


@given(case=cases(), value=st.sampled_from([math.nan, math.inf, -math.inf]))
@some
def test_maps_that_are_not_finite_are_refused_by_name(
    case: tuple[Tensor, ...], value: float
) -> None:
    maps, masks, ignored = case
    maps[-1, 0, 0] = value
    for call in (
        lambda: localised(maps, masks, ignored),
        lambda: energy_pointing_game(maps, masks),
        lambda: score_contrast(maps, masks),
        lambda: above_quantile(maps, 0.5),
        lambda: grid_pointing_game(maps, torch.zeros(len(maps)).long(), 1),
        lambda: entropy(maps),
        lambda: border_share(maps, 3),
    ):
        with pytest.raises(ValueError, match=f"picture {len(maps) - 1} is not finite"):
            call()


# Floors: a map without knowledge


@given(case=cases(), level=st.sampled_from([1e-20, 0.3, 1.0, 1e20]))
@some
def test_a_uniform_map_has_the_objects_share(
    case: tuple[Tensor, ...], level: float
) -> None:
    maps, masks, ignored = case
    uniform = torch.full(maps.shape, level)
    share = mask_share(masks, ignored)
    share[~(masks & ~ignored).flatten(1).any(1)] = math.nan
    found = localised(uniform, masks, ignored)
    assert found.pop("pointing, wide").nan_to_num().ge(share.nan_to_num() - 1e-6).all()
    for name, values in [*found.items(), ("sch", sch(uniform, masks, ignored))]:
        torch.testing.assert_close(values, share, equal_nan=True, msg=name)


@given(side=st.integers(1, 4), cell=st.integers(4, 7), level=st.floats(1e-6, 1e6))
@some
def test_a_uniform_map_has_one_nth_in_a_grid(
    side: int, cell: int, level: float
) -> None:
    uniform = torch.full((side**2, side * cell, side * cell), level)
    found = grid_pointing_game(uniform, torch.arange(side**2), side)
    assert found.tolist() == pytest.approx([1 / side**2] * side**2, rel=1e-5)


@given(
    edges=st.lists(st.integers(0, 12), min_size=3, max_size=5, unique=True),
    level=st.floats(1e-6, 1e6),
)
@some
def test_saliency_shared_out_by_area_has_mosu_zero(
    edges: list[int], level: float
) -> None:
    """Not only a uniform map: whatever is inside a box, if its sum goes by its area."""
    edges = sorted(edges)
    maps = torch.zeros(1, 12, 12)
    pairs = list(pairwise(edges))
    for left, right in pairs:
        maps[0, 3, left] = level * (right - left) * 4  # all of it in one pixel
    boxes = torch.tensor([[[left, 3, right, 7] for left, right in pairs]])
    found = mosu(maps, boxes)
    assert found.area_to_saliency.item() == pytest.approx(0, abs=1e-6)
    assert found.saliency_to_area.item() == pytest.approx(0, abs=1e-6)


# SES is 1 of a map that moves with its picture


def cell_means(images: Tensor) -> Tensor:
    """A saliency method of 4 x 4 pixel cells, interpolated as Grad-CAM is."""
    coarse = torch.nn.functional.avg_pool2d(images.mean(1, keepdim=True), 4)[:, 0]
    return upsample(coarse, (images.shape[2], images.shape[3]))


@given(
    seed=st.integers(0, 2**31),
    down=st.integers(-1, 1),
    across=st.integers(-1, 1),
    flipped=st.booleans(),
    exact=st.booleans(),
)
@some
def test_flips_and_shifts_of_whole_cells_keep_ses_one(
    seed: int, down: int, across: int, flipped: bool, exact: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.zeros(2, 3, 32, 32, dtype=torch.double if exact else torch.float)
    inside = torch.rand(2, 3, 16, 16, generator=generator).to(images) + 0.01
    images[:, :, 8:24, 8:24] = inside  # two cells from the border

    def moved(values: Tensor) -> Tensor:
        values = values.flip(-1) if flipped else values
        return values.roll((4 * down, 4 * across), (-2, -1))

    found = ses(moved(cell_means(images)), cell_means(moved(images)))
    assert found.tolist() == pytest.approx([1, 1], abs=1e-6)
    within = ses(moved(cell_means(images)).roll(2, -1), cell_means(moved(images)))
    assert (within < 0.999).all()  # half a cell apart is seen
