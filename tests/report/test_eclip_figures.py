"""Figures of chapter 12 draw what they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from helpers.report import eclip_figures as drawn


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_masked_places_are_dark() -> None:
    images = torch.full((2, 3, 8, 8), 200, dtype=torch.uint8)
    kept = torch.zeros(2, 2, 2, dtype=torch.bool)
    kept[:, 0, 0] = True
    masks = torch.zeros(2, 8, 8, dtype=torch.bool)
    masks[:, 2:6, 2:6] = True
    figure = drawn.kept_places(images, {"free-one": kept}, ["a", "b"], masks)
    axes = figure.axes
    assert len(axes) == 4
    shown = axes[2].images[0].get_array()
    assert shown[0, 0].tolist() == [200] * 3
    assert shown[7, 7].tolist() == [30] * 3
    assert axes[2].get_ylabel() == "free-\none"
    drawn.kept_places(images, {"one": kept}, ["a", "b"])


def test_a_method_a_row_and_its_floor() -> None:
    frame = pd.DataFrame(
        {
            "map": ["first", "last"],
            "kind": ["rival", "reference"],
            "mIoU": [0.5, 0.3],
            "blind": [0.2, 0.1],
            "floor": [0.25, 0.25],
        }
    )
    axis = drawn.methods(frame).axes[0]
    assert [one.get_text() for one in axis.get_yticklabels()] == ["last", "first"]
    dots = [line.get_xdata()[0] for line in axis.lines if line.get_marker() == "o"]
    assert dots == [0.3, 0.5]
    assert 0.25 in [line.get_xdata()[0] for line in axis.lines]


def test_a_projection_a_mark() -> None:
    frame = pd.DataFrame(
        {"projection": ["original", "new"], "top-1": [0.7, 0.6], "mIoU": [0.3, 0.4]}
    )
    axis = drawn.trade(frame, 0.68).axes[0]
    marks = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axis.lines]
    assert marks == [(0.7, 0.3), (0.6, 0.4)]
    assert axis.get_xlim()[0] < 0.6


def test_bands_are_by_share_and_empty_without_masks() -> None:
    likeness = np.array([[0.0, 1.0, 2.0, 3.0]])
    shares = np.array([[0.0, 0.1, 0.6, 1.0]])
    axis = drawn.bands(likeness, shares).axes[0]
    names = [one.get_text() for one in axis.get_xticklabels()]
    assert names == ["none", "to 1/4", "to 3/4", "all"]
    drawn.bands(likeness, np.full((1, 4), np.nan))
