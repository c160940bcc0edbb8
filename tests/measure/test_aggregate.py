"""Mean, number used and numbers left out, by cause."""

import math

import numpy as np
import pytest
import torch

from helpers.measure.aggregate import UNKNOWN, Aggregate, aggregate
from helpers.measure.consistency import sch
from helpers.measure.localisation import without_object

NAN = math.nan


def test_by_hand() -> None:
    values = torch.tensor([1.0, NAN, 3.0, NAN, NAN, 5.0])
    causes = {
        "no object": torch.tensor([False, True, False, True, False, True]),
        "zero map": torch.tensor([True, True, False, False, False, False]),
    }
    found = aggregate(values, causes)
    # picture 1 has both causes, pictures 0 and 5 have a cause and a score
    undefined = {"no object": 2, "zero map": 0, UNKNOWN: 1}
    assert found == Aggregate(mean=3.0, used=3, undefined=undefined)
    assert found.pictures == 6


def test_nothing_left_out_and_nothing_left() -> None:
    assert aggregate([0.25, 0.75]) == Aggregate(0.5, 2, {})
    none = aggregate([NAN, NAN], {"no object": [True, True]})
    assert math.isnan(none.mean)
    assert (none.used, none.undefined) == (0, {"no object": 2})


@pytest.mark.parametrize(
    "values",
    [
        [0.5, None, 1.0],  # as a record has it
        np.array([0.5, NAN, 1.0], dtype=np.float32),
        torch.tensor([0.5, NAN, 1.0]).bfloat16(),
        torch.tensor([0.5, NAN, 1.0], requires_grad=True),
    ],
)
def test_scores_of_any_kind(values) -> None:
    assert aggregate(values) == Aggregate(0.75, 2, {UNKNOWN: 1})


def test_whole_numbers_have_a_mean() -> None:
    assert aggregate(torch.tensor([1, 0, 1, 1])).mean == 0.75


def test_a_picture_weighs_the_same_whatever_its_batch() -> None:
    values = torch.tensor([0.0, 0.0, 0.0, 1.0])
    batches = torch.stack([values[:3].mean(), values[3:].mean()]).mean()
    assert aggregate(values).mean == 0.25
    assert batches == 0.5


def test_with_a_score_of_maps() -> None:
    masks = torch.zeros(3, 4, 4, dtype=torch.bool)
    masks[0, :2] = True
    masks[2] = True
    values = sch(torch.ones(3, 4, 4), masks)
    found = aggregate(values, {"no object": without_object(masks)})
    assert found == Aggregate(0.75, 2, {"no object": 1})


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: aggregate([1.0, math.inf]), "infinite"),
        (lambda: aggregate([[1.0, 2.0]]), r"values must be \[B\], one a picture"),
        (lambda: aggregate([]), "got shape"),
        (
            lambda: aggregate([1.0, NAN], {"x": [True]}),
            r"cause 'x' must be 2 bools, got bool of shape \[1\]",
        ),
        (lambda: aggregate([1.0, NAN], {"x": [0, 1]}), "2 bools, got int64"),
    ],
)
def test_what_does_not_fit_is_refused(call, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)
