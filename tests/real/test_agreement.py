"""Our maps and curves are those of other packages, on a network with real weights."""

import copy
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.data import catalog
from helpers.data.catalog import Pictures
from helpers.explain.attribution import input_x_gradient, integrated_gradients
from helpers.explain.cam import coarse_grad_cam, grad_cam, upsample, weighted_map
from helpers.explain.cam_pp import features_and_slope, plus_weights
from helpers.explain.rise import rise, rise_masks
from helpers.lab.weights import load_weights
from helpers.measure.conventions import CONVENTIONS
from helpers.measure.perturbation import blurred, insertion_deletion
from helpers.measure.published_perturbation import flat_blur, perturbed_as
from helpers.settings import DataSettings
from helpers.vision import backbone

FOLDER = Path(os.environ.get("REAL_DATA", "not-given"))
pytestmark = pytest.mark.skipif(
    not (FOLDER / "resnet20.th").is_file(),
    reason="REAL_DATA names no folder with resnet20.th",
)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    model = backbone("resnet20", 10).eval()
    model.load_state_dict(load_weights(FOLDER / "resnet20.th"))
    return model


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    data = DataSettings(name=f"folder:{FOLDER / 'cifar10'}", size=32, test=5000)
    return catalog.load(data, "test").first(8)


def untied(maps: Tensor) -> Tensor:
    """Maps of which no two pixels are equal."""
    generator = torch.Generator().manual_seed(0)
    return maps + 1e-4 * torch.rand(maps.shape, generator=generator)


def stretched(maps: Tensor) -> Tensor:
    """pytorch-grad-cam's scaling, before and after upsampling."""
    maps = maps - maps.amin((1, 2), keepdim=True)
    return maps / (1e-7 + maps.amax((1, 2), keepdim=True))


def test_captum_and_pytorch_grad_cam_give_the_same_maps(
    network: nn.Module, pictures: Pictures
) -> None:
    captum = pytest.importorskip("captum.attr")
    witness = pytest.importorskip("pytorch_grad_cam")
    chosen = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    images, labels = pictures.normalised(), pictures.labels
    theirs = copy.deepcopy(network)
    *_, name = (n for n, m in theirs.named_modules() if isinstance(m, nn.BatchNorm2d))
    layer, own = theirs.get_submodule(name), network.get_submodule(name)
    coarse = coarse_grad_cam(network, images, labels, own)
    wanted = captum.LayerGradCam(theirs, layer).attribute(
        images, target=labels, relu_attributions=True
    )[:, 0]
    assert wanted.max() > 0
    top = wanted.max().item()
    torch.testing.assert_close(coarse, wanted, rtol=0, atol=1e-5 * top)
    aims = [chosen.ClassifierOutputTarget(int(label)) for label in labels]
    for kind, maps in (
        (witness.GradCAM, coarse),
        (witness.GradCAMPlusPlus, plus(network, own, images, labels)),
    ):
        with kind(theirs, [layer]) as cam:
            found = torch.from_numpy(cam(images, aims))
        ours = stretched(upsample(stretched(maps), (32, 32)))
        torch.testing.assert_close(ours, found, rtol=0, atol=1e-5)


def plus(model: nn.Module, layer: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Grad-CAM++ with the fixed epsilon of pytorch-grad-cam."""
    features, slope = features_and_slope(model, layer, images, labels)
    return weighted_map(features, plus_weights(slope, features, 1e-6))


def test_the_closed_form_is_grad_cam_by_gradients(
    network: nn.Module, pictures: Pictures
) -> None:
    images, labels = pictures.normalised(), pictures.labels
    closed = coarse_grad_cam(network, images, labels)
    by_hand = network.features(images).detach().requires_grad_()  # type: ignore[operator]
    logits = network.head(by_hand.mean((2, 3)))  # type: ignore[operator]
    score = logits.gather(1, labels[:, None]).sum()
    (slope,) = torch.autograd.grad(score, by_hand)
    wanted = weighted_map(by_hand.detach(), slope.mean((2, 3)))
    torch.testing.assert_close(closed, wanted, rtol=0, atol=1e-5 * wanted.max().item())


def slopes(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    at = images.detach().requires_grad_()
    logits = network(at).gather(1, labels[:, None]).sum()
    return torch.autograd.grad(logits, at)[0]


def test_attributions_are_slopes_along_the_way(
    network: nn.Module, pictures: Pictures
) -> None:
    """They are captum's inside; here by Gauss's rule, point by point, in float64."""
    exact = copy.deepcopy(network).double()
    images, labels = pictures.normalised()[:4].double(), pictures.labels[:4]
    wanted = (images * slopes(exact, images, labels)).sum(1)
    found = input_x_gradient(exact, images, labels)
    top = wanted.abs().max().item()
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * top)
    wanted = torch.zeros_like(wanted)
    for place, weight in zip(*np.polynomial.legendre.leggauss(16), strict=True):
        share = (place + 1) / 2  # from (-1, 1) to the way
        slope = slopes(exact, share * images, labels)
        wanted += weight / 2 * (images * slope).sum(1)
    found = integrated_gradients(exact, images, labels, steps=16)
    top = wanted.abs().max().item()
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * top)


@torch.no_grad()
def test_integrated_gradients_sum_to_the_gain_of_the_logit(
    network: nn.Module, pictures: Pictures
) -> None:
    """Many ReLUs bend the way: a thousandth of the gain needs many steps.

    100, 400, 1000 steps are 6, 2, 2 thousandths off, in float64 too.
    """
    images, labels = pictures.normalised()[2:4], pictures.labels[2:4]
    ends = network(images), network(torch.zeros_like(images))
    gain = (ends[0] - ends[1]).gather(1, labels[:, None])[:, 0]
    found = integrated_gradients(network, images, labels, steps=1500).sum((1, 2))
    assert (found / gain).tolist() == pytest.approx([1, 1], abs=1e-3)


def test_insertion_and_deletion_are_torchcams(
    network: nn.Module, pictures: Pictures
) -> None:
    """32 steps of 32 pixels, so that no step is rounded; no two pixels are equal."""
    metrics = pytest.importorskip("torchcam.metrics")
    images, labels = pictures.normalised(), pictures.labels
    maps = grad_cam(network, images, labels)
    maps = untied(maps)

    class Given:  # an extractor that hands out our maps
        model = network

        def __call__(self, *_: object) -> list[Tensor]:
            return [maps]

        def fuse_cams(self, cams: list[Tensor]) -> Tensor:
            return cams[0]

        def _hooks_off(self) -> AbstractContextManager[None]:
            return nullcontext()

    curves = insertion_deletion(network, images, labels, maps, steps=32)
    for start, name, ours in (
        (torch.zeros_like, "deletion", curves.deletion_auc),
        (blurred, "insertion", curves.insertion_auc),
    ):
        witness = metrics.DeletionInsertionMetric(
            Given(), lambda logits: logits.softmax(1), steps=32, baseline=start
        )
        witness.update(images, labels.tolist())
        assert ours.sum().item() == pytest.approx(getattr(witness, name), abs=1e-5)


@torch.no_grad()
def test_the_rule_of_rise(network: nn.Module, pictures: Pictures) -> None:
    """Picture by picture, as the loop of eclique/RISE's `single_run` has it."""
    images, labels = pictures.normalised()[:3], pictures.labels[:3]
    maps = grad_cam(network, images, labels)
    maps = untied(maps)
    pixels, step = 32 * 32, -(-32 * 32 // 28)
    wanted: dict[str, list[float]] = {"insertion": [], "deletion": []}
    for image, saliency in zip(images, maps, strict=True):
        whole = image[None]
        first = int(network(whole).argmax())
        order = saliency.flatten().argsort(descending=True)
        for mode, start, end in (
            ("deletion", whole, torch.zeros_like(whole)),
            ("insertion", flat_blur(whole), whole),
        ):
            shown, scores = start.clone(), []
            count = -(-pixels // step)
            for number in range(count + 1):
                scores.append(network(shown).softmax(1)[0, first].item())
                places = order[step * number : step * (number + 1)]
                shown.view(1, 3, -1)[..., places] = end.reshape(1, 3, -1)[..., places]
            inner = sum(scores) - scores[0] / 2 - scores[-1] / 2
            wanted[mode].append(inner / (len(scores) - 1))
    found = perturbed_as(
        CONVENTIONS["eclique/RISE"], network, images, labels, lambda x, c: maps
    )
    assert found.insertion.tolist() == pytest.approx(wanted["insertion"], abs=1e-5)
    assert found.deletion.tolist() == pytest.approx(wanted["deletion"], abs=1e-5)


@torch.no_grad()
def test_maps_of_rise_are_the_mean_of_its_masks(
    network: nn.Module, pictures: Pictures
) -> None:
    images, labels = pictures.normalised()[:2], pictures.labels[:2]
    masks = rise_masks(16, (32, 32), generator=torch.Generator().manual_seed(0))
    wanted = torch.zeros(2, 32, 32)
    for mask in masks:
        scores = F.softmax(network(images * mask), 1)
        wanted += scores.gather(1, labels[:, None])[:, :, None] * mask
    found = rise(network, images, labels, masks)
    torch.testing.assert_close(found, wanted / (16 * 0.5), rtol=0, atol=1e-5)
