"""Grids shared by all probes; floors and ceilings of their scores."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.measure.grid_pointing import grid_pictures
from helpers.measure.shared_grids import (
    LEAST_GRIDS,
    SharedGrids,
    Smoothing,
    ceiling,
    confidence,
    grid_scores,
    prepared,
    published_ceiling,
    right_for_all,
    scaled_width,
    shared_grids,
)
from helpers.settings import Refused
from helpers.streams import stream

LABELS = torch.arange(60) % 12


def logits(seed: int, wrong: float = 0.2, classes: int = 12) -> Tensor:
    """Return logits that are right for all but a share of the pictures."""
    generator = stream(seed, "z")
    z = torch.randn(60, classes, generator=generator)
    hit = torch.rand(60, generator=generator) >= wrong
    z[torch.arange(60), LABELS] += 20 * hit - 20 * ~hit
    return z


def test_grids_hold_pictures_that_every_probe_gets_right() -> None:
    probes = {"ce": logits(1), "bce": logits(2)}
    found = shared_grids(probes, LABELS, 3, seed=1)
    assert found.rows.shape == (LEAST_GRIDS, 9)
    for z in probes.values():
        assert (z.argmax(1) == LABELS)[found.rows].all()
    both = (probes["ce"].argmax(1) == LABELS) & (probes["bce"].argmax(1) == LABELS)
    assert found.usable == int(both.sum()) < 60 == found.pictures
    for row in found.rows:
        assert len(LABELS[row].unique()) == 9
    again = shared_grids(dict(reversed(probes.items())), LABELS, 3, seed=1)
    assert torch.equal(found.rows, again.rows)
    other = shared_grids(probes, LABELS, 3, seed=2)
    assert not torch.equal(found.rows, other.rows)


def test_confidence_is_asked_in_the_form_given() -> None:
    z = torch.tensor([[3.0, -3.0], [9.0, 8.0], [-2.0, -9.0], [1.0, 2.0]])
    labels = torch.tensor([0, 0, 0, 0])
    assert right_for_all({"a": z}, labels).tolist() == [True, True, True, False]
    soft = right_for_all({"a": z}, labels, 0.9)
    sigmoid = right_for_all({"a": z}, labels, 0.9, "sigmoid")
    assert soft.tolist() == [True, False, True, False]
    assert sigmoid.tolist() == [True, True, False, False]
    with pytest.raises(Refused, match="hardmax"):
        confidence(z, "hardmax")  # type: ignore[arg-type]


def test_classes_over_200_have_grids() -> None:
    """Defect H6: the published default of 200 outputs fails at class 200."""
    labels = torch.arange(230)
    z = 20 * torch.eye(230)
    found = shared_grids({"a": z}, labels, 2, seed=1)
    assert found.classes == 230
    assert int(labels[found.rows].max()) >= 200


def test_what_gives_no_grids_is_refused_in_one_line() -> None:
    probes = {"good": logits(1), "bad": -logits(1)}
    for call, what in (
        (lambda: shared_grids(probes, LABELS, 3, 1), "'bad' gets"),
        (lambda: shared_grids({"a": logits(1)}, LABELS, 4, 1), "16 classes"),
        (lambda: shared_grids({"a": logits(1)}, LABELS, 2, 1, count=199), "200 grids"),
        (lambda: shared_grids({}, LABELS, 2, 1), "a probe"),
        (lambda: shared_grids({"a": logits(1)[:5]}, LABELS, 2, 1), "'a' must be"),
    ):
        with pytest.raises(Refused) as raised:
            call()
        assert what in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.fixture
def game() -> tuple[Tensor, SharedGrids]:
    images = torch.rand(60, 3, 8, 8, generator=stream(3, "x"))
    rows = shared_grids({"a": logits(1)}, LABELS, 2, seed=1).rows[:10]
    return images, SharedGrids(rows, 2, 0, 60, 12)


@pytest.mark.parametrize("order", ["smooth, clamp", "clamp, smooth"])
def test_a_map_that_ignores_the_class_has_chance_exactly(game, order) -> None:
    """The negative control: Rollout, of every probe the same."""
    images, grids = game

    def rollout(pictures: Tensor, _: Tensor) -> Tensor:
        return pictures.sum(1) - 1.2

    got = grid_scores(rollout, images, LABELS, grids, Smoothing(3, order), chunk=3)
    assert torch.allclose(got, torch.full_like(got, 1 / 4), rtol=0, atol=1e-6)


def test_scores_are_those_of_each_grid_by_itself(game) -> None:
    images, grids = game

    def saliency(pictures: Tensor, classes: Tensor) -> Tensor:
        return pictures[:, 0] - 0.04 * classes[:, None, None]

    got = grid_scores(saliency, images, LABELS, grids, Smoothing(), chunk=4)
    for g, row in enumerate(grids.rows):
        picture = grid_pictures(images, row[None])
        shares = []
        for cell, number in enumerate(row.tolist()):
            one = saliency(picture, LABELS[[number]])[0].clamp(min=0)
            y, x = divmod(cell, 2)
            inside = one[8 * y : 8 * y + 8, 8 * x : 8 * x + 8]
            shares.append(float(inside.sum() / one.sum()))
        assert got[g] == pytest.approx(sum(shares) / 4, rel=1e-5)


def test_a_perfect_map_has_the_ceiling(game) -> None:
    images, grids = game
    cell = torch.arange(4).repeat(10)
    at = iter(range(0, 40, 8))

    def perfect(pictures: Tensor, _: Tensor) -> Tensor:
        start = next(at)
        maps = torch.zeros(len(pictures), 16, 16)
        for n, place in enumerate(cell[start : start + len(pictures)].tolist()):
            y, x = divmod(place, 2)
            maps[n, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8] = 1
        return maps

    smoothing = Smoothing(3)
    got = grid_scores(perfect, images, LABELS, grids, smoothing, chunk=2)
    assert got.mean() == pytest.approx(ceiling(2, 8, smoothing), abs=1e-6)
    assert ceiling(2, 8, Smoothing()) == 1


def test_the_order_of_smoothing_and_clamping_moves_a_map_of_both_signs() -> None:
    maps = torch.randn(1, 12, 12, generator=stream(1, "m"))
    before = prepared(maps, Smoothing(5, "clamp, smooth"))
    after = prepared(maps, Smoothing(5))
    assert after.sum() < 0.7 * before.sum()
    positive = maps.abs()
    one, other = (
        prepared(positive, Smoothing(5, order))  # type: ignore[arg-type]
        for order in ("smooth, clamp", "clamp, smooth")
    )
    assert torch.equal(one, other)


def test_the_published_blur_caps_a_perfect_map() -> None:
    """Defect H2, at a quarter of its size: .866 and .899, against .993 and .995."""
    assert published_ceiling(3, 56, 33) == pytest.approx(0.866, abs=0.004)
    assert published_ceiling(2, 56, 33) == pytest.approx(0.899, abs=0.004)
    assert ceiling(3, 224, Smoothing(5)) == pytest.approx(0.993, abs=0.001)
    assert ceiling(2, 224, Smoothing(5)) == pytest.approx(0.995, abs=0.001)


def test_a_width_is_scaled_with_the_cell() -> None:
    assert [scaled_width(side) for side in (32, 64, 224, 672)] == [1, 1, 5, 15]
    assert scaled_width(224, 129) == 129
    assert scaled_width(64, 129) == 37
    for width in (0, 2, -1):
        with pytest.raises(Refused, match="odd"):
            Smoothing(width)
    with pytest.raises(Refused, match="order"):
        Smoothing(3, "clamp")  # type: ignore[arg-type]


def test_the_mean_of_five_pixels_is_that_of_the_library_inside() -> None:
    maps = torch.randn(2, 11, 11, generator=stream(1, "m"))
    got = prepared(maps, Smoothing(5))[:, 2:-2, 2:-2]
    wanted = F.avg_pool2d(maps[:, None], 5, 1)[:, 0].relu()
    assert torch.allclose(got, wanted, atol=1e-6)
