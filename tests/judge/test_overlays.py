"""Overlays show the map that they are given, and alt texts say where it is."""

import base64
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.judge.overlays import data_uri, outlined, overlay, place, scaled


def test_red_is_for_and_blue_against() -> None:
    image = torch.full((3, 8, 8), 100, dtype=torch.uint8)
    saliency = torch.zeros(8, 8)
    saliency[0, 0], saliency[7, 7] = 2.0, -2.0
    found = overlay(image, saliency)
    assert found[:, 0, 0].tolist() == [191, 58, 44]  # .3 of grey, .7 of red
    assert found[:, 7, 7].tolist() == [51, 86, 191]
    assert found[:, 3, 3].tolist() == [100] * 3
    assert torch.equal(overlay(image, torch.zeros(8, 8)), image)


def test_the_scale_is_a_quantile_of_the_map() -> None:
    saliency = torch.arange(1000.0).view(20, 50)
    assert scaled(saliency)[10, 0] == pytest.approx(500 / 994, abs=1e-2)
    assert scaled(1e-9 * saliency).max() == 1
    alone = torch.zeros(40, 40)
    alone[1, 2] = 3
    assert scaled(alone).nonzero().tolist() == [[1, 2]]


def test_an_address_holds_the_picture() -> None:
    image = torch.randint(0, 256, (3, 9, 12), dtype=torch.uint8)
    kind, text = data_uri(image).split(",")
    assert kind == "data:image/png;base64"
    back = np.asarray(Image.open(BytesIO(base64.b64decode(text))))
    assert torch.equal(torch.tensor(back).permute(2, 0, 1), image)
    large = data_uri(torch.zeros(3, 600, 1200, dtype=torch.uint8))
    assert large.startswith("data:image/jpeg")
    assert Image.open(BytesIO(base64.b64decode(large.split(",")[1]))).size == (512, 256)


def test_what_lies_outside_the_object_is_dark() -> None:
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[1, 2] = True
    found = outlined(torch.full((3, 4, 4), 200, dtype=torch.uint8), mask)
    assert found[0, 1, 2] == 200
    assert found[0, 0, 0] == 60


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ((0, 0), "at the top left"),
        ((8, 4), "at the bottom"),
        ((4, 8), "at the right"),
        ((4, 4), "in the middle"),
    ],
)
def test_places_in_words(where: tuple[int, int], words: str) -> None:
    saliency = torch.zeros(9, 9)
    saliency[where] = 1
    assert place(saliency) == words
    assert place(-saliency).startswith("nowhere")
