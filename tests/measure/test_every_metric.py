"""What holds of every metric by name and of any map: range, causes, refusals."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from helpers.data.geometry import crop_maps, random_crops
from helpers.measure.named import METRICS, scores
from helpers.measure.subject import Maps, Subject

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
KINDS = ["random", "signed", "negative", "zero", "constant", "one pixel", "plateaus"]
KINDS += ["huge", "tiny"]
SIDE = 12
LEAST = dict.fromkeys(METRICS, 0.0) | {"contrast": -1.0}
MOST = dict.fromkeys(METRICS, 1.0)
MOST |= {"mosu": math.log(1e7), "mosu-reversed": math.log(1e7), "border": 4.0}
some = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def brightness(images: Tensor) -> Tensor:
    """A classifier whose probability of class 0 is the mean of the picture."""
    light = images.mean((1, 2, 3)).clamp(1e-3, 1 - 1e-3)
    return torch.stack([light.log(), (1 - light).log()], 1)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Subject, Maps]:
    """Pictures with all that a metric may need, and maps of any kind and dtype."""
    count = draw(st.integers(2, 3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def drawn(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.double)

    dtype = draw(st.sampled_from(DTYPES))
    maps = drawn(count, SIDE, SIDE)
    for one in maps:
        kind = draw(st.sampled_from(KINDS))
        if kind == "signed":
            one -= 0.5
        elif kind == "negative":
            one *= -1
        elif kind == "zero":
            one *= 0
        elif kind == "constant":
            one[:] = one[0, 0]
        elif kind == "one pixel":
            one[1:], one[0, 1:] = 0, 0
        elif kind == "plateaus":
            one[:] = one.round()
        elif kind == "huge":
            one *= torch.finfo(dtype).max / 4
        elif kind == "tiny":
            one *= torch.finfo(dtype).tiny
    maps = maps.to(dtype)
    corner = torch.randint(0, SIDE - 4, (count, 2, 2), generator=generator)
    extent = torch.randint(1, 5, (count, 2, 2), generator=generator)
    boxes = torch.cat([corner, corner + extent], 2)
    boxes[drawn(count, 2) < 0.2] = -1
    masks = drawn(count, SIDE, SIDE) > draw(st.floats(0, 1))
    crops = random_crops(count, (SIDE, SIDE), generator)
    subject = Subject(
        model=brightness,
        images=drawn(count, 3, SIDE, SIDE),
        targets=torch.randint(2, (count,), generator=generator),
        cells=(4, 4),
        masks=masks,
        ignored=drawn(count, SIDE, SIDE) > 0.9,
        boxes=boxes,
        crops=(crops,),
        grid=(2, torch.arange(count) % 4),
    )
    moved = crop_maps(maps.double(), crops).to(dtype) if draw(st.booleans()) else maps
    return subject, Maps(maps, (moved,), maps.roll(-1, 0))


@given(case=cases())
@some
def test_values_lie_in_their_range_or_have_a_cause(case: tuple[Subject, Maps]) -> None:
    subject, maps = case
    before = maps.pictures.clone()
    for name, score in scores(list(METRICS), subject, maps).items():
        values, missing = score.values, score.values.isnan()
        known = torch.zeros_like(missing)
        for holds in score.causes.values():
            known |= holds
        assert not (missing & ~known).any(), name  # none is missing without a cause
        within = (values >= LEAST[name] - 1e-5) & (values <= MOST[name] + 1e-5)
        assert (within | missing).all(), (name, values)
        assert score.mean().pictures == len(values)
    assert torch.equal(maps.pictures, before)


@given(case=cases(), data=st.data())
@some
def test_a_picture_is_scored_by_itself(
    case: tuple[Subject, Maps], data: st.DataObject
) -> None:
    """All but SES less chance, which needs another picture, and GridPG's smoothing."""
    subject, maps = case
    one = data.draw(st.integers(0, len(maps.pictures) - 1))
    pick: Any = [one]
    crops = subject.crops[0]
    alone = Subject(
        model=subject.model,
        images=subject.images[pick],
        targets=subject.targets[pick],
        cells=subject.cells,
        masks=None if subject.masks is None else subject.masks[pick],
        ignored=None if subject.ignored is None else subject.ignored[pick],
        boxes=None if subject.boxes is None else subject.boxes[pick],
        crops=(type(crops)(crops.windows[pick], crops.mirrored[pick], crops.size),),
        grid=None if subject.grid is None else (2, subject.grid[1][pick]),
    )
    single = Maps(maps.pictures[pick], (maps.cropped[0][pick],))
    together = scores(list(METRICS), subject, maps)
    for name, score in scores(list(METRICS), alone, single).items():
        wanted = together[name].values[pick]
        torch.testing.assert_close(
            score.values, wanted, equal_nan=True, rtol=1e-4, atol=1e-5, msg=name
        )


@pytest.mark.parametrize("name", list(METRICS))
@given(case=cases(), value=st.sampled_from([math.nan, math.inf, -math.inf]))
@settings(some, max_examples=6)
def test_maps_that_are_not_finite_are_refused(
    name: str, case: tuple[Subject, Maps], value: float
) -> None:
    subject, maps = case
    for broken in (
        (maps.pictures, maps.cropped[0]) if name == "ses" else [maps.pictures]
    ):
        kept = broken[-1, 0, 0].clone()
        broken[-1, 0, 0] = value
        with pytest.raises(ValueError, match="not finite"):
            scores([name], subject, maps)
        broken[-1, 0, 0] = kept
