"""Published conventions: counts, areas by hand, curves against twins and torch-cam."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.measure.conventions import CONVENTIONS, Area, Start, area, step_counts
from helpers.measure.perturbation import insertion_deletion
from helpers.measure.published_perturbation import (
    STARTS,
    cut_blur,
    flat_blur,
    perturbed_as,
)
from helpers.settings import Refused

HERE, RISE, CGC = (
    CONVENTIONS[name] for name in ("here", "eclique/RISE", "UCDvision/CGC")
)
FACT = CONVENTIONS["robertdvdk/lico-fact, CIFAR"]
FACT_160 = CONVENTIONS["robertdvdk/lico-fact, Imagenette"]
TORCHCAM = CONVENTIONS["frgfm/torch-cam"]


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 4),
        ).double()

    def forward(self, images: Tensor) -> Tensor:
        return 20 * self.layers(images)


@pytest.fixture
def images() -> Tensor:  # 63 pixels: no step divides them
    generator = torch.Generator().manual_seed(1)
    return torch.randn(5, 3, 7, 9, dtype=torch.double, generator=generator)


@pytest.fixture
def maps() -> Tensor:
    return torch.randn(5, 7, 9, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def predicted(images: Tensor) -> Tensor:
    return Network().eval()(images).argmax(1)


labels = torch.tensor([0, 3, 1, 1, 2])


def close(a: Tensor, b: Tensor, atol: float = 1e-12) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=atol)


# Steps and areas


def test_the_published_numbers_of_evaluations() -> None:
    rise = step_counts(RISE, 224 * 224)
    assert (len(rise), rise[1], rise[-1]) == (29, 1792, 224 * 224)
    cifar = step_counts(FACT, 32 * 32)
    assert (len(cifar), cifar[1], cifar[-1]) == (103, 10, 1020)
    imagenette = step_counts(FACT_160, 160 * 160)
    assert (len(imagenette), imagenette[1], imagenette[-1]) == (28, 922, 27 * 922)
    torchcam = step_counts(TORCHCAM, 224 * 224)
    assert (len(torchcam), torchcam[1], torchcam[-1]) == (21, 2509, 224 * 224)


def test_the_classes_of_the_published_codes() -> None:
    classes = {name: (one.explained, one.scored) for name, one in CONVENTIONS.items()}
    assert classes == {
        "here": ("true", "true"),
        "eclique/RISE": ("predicted", "predicted"),
        "UCDvision/CGC": ("true", "predicted"),
        "konradszewczyk/lico-reproduction": ("true", "predicted"),
        "robertdvdk/lico-fact, CIFAR": ("true", "true"),
        "robertdvdk/lico-fact, Imagenette": ("true", "true"),
        "frgfm/torch-cam": ("predicted", "predicted"),
    }
    for name, one in CONVENTIONS.items():
        assert name == "here" or one.code.startswith(name.split(", ")[0])


def test_counts_by_hand() -> None:
    fifth = replace(HERE, step=Fraction(1, 5))
    assert step_counts(fifth, 12) == [0, 2, 5, 7, 10, 12]
    assert step_counts(replace(fifth, rest="shorter step"), 12) == [0, 3, 6, 9, 12]
    assert step_counts(replace(fifth, rest="shorter step"), 11) == [0, 3, 6, 9, 11]
    assert step_counts(replace(fifth, rest="left out"), 11) == [0, 3, 6, 9]
    for rest in ("spread", "shorter step", "left out"):
        whole = replace(HERE, step=Fraction(1), rest=rest)
        assert step_counts(whole, 11) == [0, 11]
        assert step_counts(replace(HERE, rest=rest), 9) == list(range(10))


def test_areas_by_hand() -> None:
    values = torch.tensor([[1.0, 0.5, 0.5, 0.0]]).double()
    shares = torch.tensor([0, 0.4, 0.8, 1]).double()
    wanted = {
        "trapezoid": 0.3 + 0.2 + 0.05,
        "equal steps": 1.5 / 3,
        "by evaluations": 1.5 / 4,
        "mean": 2 / 4,
        "left": 0.4 + 0.2 + 0.1,
    }
    assert set(wanted) == set(get_args(Area))
    for rule, value in wanted.items():
        assert area(values, shares, rule).item() == pytest.approx(value)


@pytest.mark.parametrize(
    ("convention", "pixels", "wanted"),
    [
        (RISE, 224 * 224, 1),
        (TORCHCAM, 224 * 224, 1),
        (HERE, 224 * 224, 1),
        (FACT, 32 * 32, 102 / 103),  # .9903
        (FACT_160, 160 * 160, 27 / 28),  # .9643
    ],
)
def test_the_area_under_certainty(convention, pixels: int, wanted: float) -> None:
    counts = torch.tensor(step_counts(convention, pixels)).double()
    ones = torch.ones(1, len(counts)).double()
    found = area(ones, counts / pixels, convention.area)
    assert found.item() == pytest.approx(wanted, abs=1e-12)


# Blurs


def test_the_flat_kernel() -> None:
    point = torch.zeros(1, 1, 31, 31).double()
    point[0, 0, 15, 15] = 1
    soft = flat_blur(point)[0, 0]
    inner = soft[10:21, 10:21]
    assert soft.sum().item() == pytest.approx(1)
    assert inner.sum().item() == pytest.approx(1)  # 11 x 11 pixels, no more
    assert (inner.min() > 0.0076) & (inner.max() < 0.0089)  # 1 / 121 is .00826
    white = flat_blur(torch.ones(1, 2, 31, 31))
    assert white[0, 0, 15, 15].item() == pytest.approx(1)
    assert white[0, 1, 0, 0] < 0.35  # dark borders


def test_the_flat_blur_against_a_convolution(images: Tensor) -> None:
    point = np.zeros((11, 11))
    point[5, 5] = 1
    kernel = torch.from_numpy(gaussian_filter(point, 5))
    wanted = torch.stack(
        [
            F.conv2d(images[:, [c]], kernel[None, None], padding=5)[:, 0]
            for c in range(3)
        ],
        1,
    )
    assert close(flat_blur(images), wanted)


def test_the_cut_kernel(images: Tensor) -> None:
    line = torch.exp(-(torch.arange(-4, 5).double() ** 2) / 50)
    kernel = torch.outer(line, line) / line.sum() ** 2
    edged = F.pad(images, (4, 4, 4, 4), mode="reflect")
    wanted = torch.stack(
        [F.conv2d(edged[:, [c]], kernel[None, None])[:, 0] for c in range(3)], 1
    )
    assert close(cut_blur(images), wanted)
    with pytest.raises(ValueError, match="needs 5 pixels a side"):
        cut_blur(images[:, :, :4])


def test_every_start_is_there(images: Tensor) -> None:
    assert set(STARTS) == set(get_args(Start))
    plain = torch.full_like(images, 0.25)
    starts = [start(images, plain) for start in STARTS.values()]
    assert all(start.shape == images.shape for start in starts)
    assert torch.equal(STARTS["fill"](images, plain), plain)


# Curves against twins


def probability(model: nn.Module, picture: NDArray, target: int) -> float:
    logits = model(torch.from_numpy(picture)[None])[0]
    return float(logits.softmax(0)[target])


def rise_twin(
    model: nn.Module, image: Tensor, saliency: Tensor, inserting: bool
) -> float:
    """eclique/RISE's rule for one picture: sort, turn round, replace, sum up."""
    picture = image.numpy()
    values = saliency.numpy().ravel()
    pixels, width = values.size, picture.shape[2]
    each = -(-pixels // 28)
    target = int(model(image[None])[0].argmax())
    point = np.zeros((11, 11))
    point[5, 5] = 1
    kernel = torch.from_numpy(gaussian_filter(point, 5)).expand(3, 1, 11, 11)
    soft = F.conv2d(image[None], kernel, padding=5, groups=3)[0].numpy()
    start, finish = (soft, picture) if inserting else (picture, 0 * picture)
    shown = start.copy()
    order = np.argsort(values, kind="stable")[::-1]
    heights = [probability(model, shown, target)]
    for first in range(0, pixels, each):
        for place in order[first : first + each]:
            shown[:, place // width, place % width] = finish[
                :, place // width, place % width
            ]
        heights.append(probability(model, shown, target))
    return (sum(heights) - (heights[0] + heights[-1]) / 2) / (len(heights) - 1)


@pytest.mark.parametrize("rounded", [False, True])
def test_rise(images: Tensor, maps: Tensor, predicted: Tensor, rounded: bool) -> None:
    maps = maps.round().relu() if rounded else maps
    assert not torch.equal(predicted, labels)
    asked = []

    def saliency(pictures: Tensor, classes: Tensor) -> Tensor:
        asked.append(classes)
        return maps

    found = perturbed_as(RISE, Network(), images, labels, saliency)
    model = Network().eval()
    with torch.no_grad():
        for one in range(5):
            wanted = [rise_twin(model, images[one], maps[one], way) for way in (1, 0)]
            got = [found.insertion[one].item(), found.deletion[one].item()]
            assert got == pytest.approx(wanted, abs=1e-10)
    assert len(asked) == 1
    for classes in (asked[0], found.explained, found.scored):
        assert torch.equal(classes, predicted)
    # the same numbers with the true class explained: the maps are as given
    cgc = perturbed_as(CGC, Network(), images, labels, saliency)
    assert torch.equal(cgc.insertion, found.insertion)
    assert torch.equal(cgc.scored, predicted)
    assert torch.equal(cgc.explained, labels)
    assert torch.equal(asked[1], labels)


def fact_twin(
    model: nn.Module, image: Tensor, saliency: Tensor, target: int, inserting: bool
) -> float:
    """lico-fact's rule for one picture: whole steps of pixels, dx = 1 / evaluations."""
    each, width = 13, image.shape[2]
    soft = cut_blur(image[None])[0]
    shown = (soft if inserting else image).clone()
    order = sorted(range(63), key=lambda at: -saliency.flatten()[at].item())
    heights = []
    for step in range(63 // each + 1):
        heights.append(probability(model, shown.numpy(), target))
        for at in order[step * each : (step + 1) * each]:
            y, x = divmod(at, width)
            shown[:, y, x] = image[:, y, x] if inserting else 0.0
    dx = 1 / len(heights)
    return sum((a + b) * dx / 2 for a, b in zip(heights[1:], heights[:-1], strict=True))


def test_lico_fact(images: Tensor, maps: Tensor) -> None:
    maps = maps.round()  # sorted() is stable: the first of equal pixels first
    coarse = replace(FACT, step=Fraction(1, 5))  # 13 of 63 pixels, 11 are left
    found = perturbed_as(coarse, Network(), images, labels, lambda x, c: maps)
    model = Network().eval()
    with torch.no_grad():
        for one in range(5):
            wanted = [
                fact_twin(model, images[one], maps[one], int(labels[one]), way)
                for way in (True, False)
            ]
            got = [found.insertion[one].item(), found.deletion[one].item()]
            assert got == pytest.approx(wanted, abs=1e-10)
    assert torch.equal(found.scored, labels)


def test_a_curve_that_leaves_pixels_out_ends_before_the_full_picture(
    images: Tensor, maps: Tensor
) -> None:
    coarse = replace(FACT, step=Fraction(1, 5))  # 13 of 63 pixels
    curves = perturbed_as(coarse, Network(), images, labels, lambda x, c: maps).curves
    assert curves.shares.tolist() == pytest.approx(
        [0, 13 / 63, 26 / 63, 39 / 63, 52 / 63]
    )
    assert not close(curves.insertion[:, -1], curves.full)
    assert close(curves.deletion[:, 0], curves.full)


@pytest.mark.parametrize("rounded", [False, True])
def test_witness_torchcam(images: Tensor, maps: Tensor, rounded: bool) -> None:
    metrics = pytest.importorskip("torchcam.metrics")
    maps = maps.round().relu() if rounded else maps
    model = Network().eval()

    class Given:  # an extractor that hands out our maps
        def __init__(self) -> None:
            self.model = model

        def __call__(self, *_: object) -> list[Tensor]:
            return [maps]

        def fuse_cams(self, cams: list[Tensor]) -> Tensor:
            return cams[0]

        def _hooks_off(self) -> AbstractContextManager[None]:
            return nullcontext()

    witness = metrics.DeletionInsertionMetric(
        Given(), lambda logits: logits.softmax(1), steps=20
    )
    witness.update(images)
    found = perturbed_as(TORCHCAM, model, images, labels, lambda x, c: maps)
    assert found.insertion.sum().item() == pytest.approx(witness.insertion, abs=1e-5)
    assert found.deletion.sum().item() == pytest.approx(witness.deletion, abs=1e-5)


@pytest.mark.parametrize("rounded", [False, True])
def test_here_is_what_perturbation_does(
    images: Tensor, maps: Tensor, rounded: bool
) -> None:
    maps = maps.round().relu() if rounded else maps
    wanted = insertion_deletion(Network(), images, labels, maps, seed=3)
    found = perturbed_as(HERE, Network(), images, labels, lambda x, c: maps, seed=3)
    assert close(found.curves.shares, wanted.shares)
    assert close(found.curves.insertion, wanted.insertion)
    assert close(found.curves.deletion, wanted.deletion)
    assert close(found.insertion, wanted.insertion_auc)
    assert close(found.deletion, wanted.deletion_auc)
    assert close(found.curves.full, wanted.full)
    assert torch.equal(found.curves.correct, wanted.correct)
    assert torch.equal(found.curves.tied, wanted.tied)


# One choice at a time


def mean_brightness(images: Tensor) -> Tensor:
    """A classifier whose probability of class 0 is the mean of the picture."""
    light = images.mean((1, 2, 3)).clamp(0, 1)
    return torch.stack([light.log(), (1 - light).log()], 1)


def test_the_order_of_equal_pixels() -> None:
    ramp = torch.arange(16.0).view(1, 1, 4, 4).double() / 16
    flat = torch.zeros(1, 4, 4)
    target = torch.tensor([0])

    def deletion(ties: str) -> list[float]:
        one = replace(HERE, ties=ties, step=Fraction(1, 16), orders=1)
        found = perturbed_as(one, mean_brightness, ramp, target, lambda x, c: flat)
        return found.curves.deletion[0].tolist()

    light = [i / 256 for i in range(16)]
    assert deletion("first") == pytest.approx([sum(light[s:]) for s in range(17)])
    assert deletion("last") == pytest.approx([sum(light[: 16 - s]) for s in range(17)])
    assert deletion("random") != pytest.approx(deletion("first"))


def test_each_choice_changes_what_it_names(images: Tensor, maps: Tensor) -> None:
    maps = maps.round().relu()

    def insertion(**choice) -> Tensor:
        chosen = replace(RISE, **choice)
        return perturbed_as(
            chosen, Network(), images, labels, lambda x, c: maps
        ).insertion

    plain = insertion()
    for choice in (
        {"step": Fraction(1, 5)},
        {"insertion_from": "fill"},
        {"scored": "true"},
        {"ties": "random"},
        {"area": "mean"},
        {"insertion_from": "fill", "fill": 0.5},
    ):
        assert not close(insertion(**choice), plain, 1e-6), choice
    assert close(insertion(explained="true"), plain)
    found = [
        perturbed_as(one, Network(), images, labels, lambda x, c: maps).deletion
        for one in (RISE, replace(RISE, fill=0.5))
    ]
    assert not close(found[0], found[1], 1e-6)


def test_state_and_input_are_left_as_found(images: Tensor, maps: Tensor) -> None:
    model = Network().train()
    model.layers[1].eval()
    flags = [part.training for part in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    before, modes = images.clone(), []

    def saliency(pictures: Tensor, classes: Tensor) -> Tensor:
        modes.append([part.training for part in model.modules()])
        assert torch.is_grad_enabled()
        return maps

    first, second = (
        perturbed_as(RISE, model, images, labels, saliency) for _ in range(2)
    )
    assert torch.equal(first.insertion, second.insertion)
    assert torch.equal(first.deletion, second.deletion)
    assert modes == [flags, flags]  # its mode is the method's own affair
    assert [part.training for part in model.modules()] == flags
    assert all(torch.equal(value, state[n]) for n, value in model.state_dict().items())
    assert torch.equal(images, before)
    chunked = perturbed_as(RISE, model, images, labels, saliency, chunk=2)
    assert close(chunked.insertion, first.insertion)


# Refusals


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"ties": "rndom"}, "ties='rndom' is unknown; did you mean 'random'"),
        ({"area": "sum"}, "area='sum' is unknown"),
        ({"scored": "label"}, "scored='label' is unknown"),
        ({"rest": "dropped"}, "rest='dropped' is unknown"),
        ({"insertion_from": "zeros"}, "insertion_from='zeros' is unknown"),
        ({"step": Fraction(0)}, r"step must be a share in \(0, 1\]"),
        ({"step": Fraction(3, 2)}, "step must be a share"),
        ({"orders": 0}, "orders positive"),
    ],
)
def test_unknown_choices_are_refused(choice: dict, text: str) -> None:
    with pytest.raises(Refused, match=text) as caught:
        replace(RISE, **choice)
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_is_refused(images: Tensor, maps: Tensor) -> None:
    def measure(pictures: Tensor, targets: Tensor, given: Tensor) -> None:
        perturbed_as(RISE, Network(), pictures, targets, lambda x, c: given)

    with pytest.raises(ValueError, match=r"\[5, 7, 9\], \[B, H, W\], gave \[5, 9, 7\]"):
        measure(images, labels, maps.mT)
    with pytest.raises(ValueError, match=r"0\.\.3"):
        measure(images, labels + 1, maps)
    with pytest.raises(ValueError, match="integers of shape"):
        measure(images, labels[:2], maps)
    with pytest.raises(ValueError, match="map of picture 0 is not finite"):
        measure(images, labels, maps / 0)
    with pytest.raises(Refused, match="area='sum' is unknown"):
        area(torch.ones(1, 3), torch.arange(3) / 2, "sum")  # type: ignore[arg-type]
