"""ViT-CX: masks and scores by hand, by scikit-learn and by a slow twin."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain.transformer import inputs
from helpers.explain.vit_cx import VitCx, feature_masks, vit_cx, weighted_masks
from helpers.streams import stream
from tests.explain.vits import timm_vit, torchvision_vit

targets = torch.tensor([0, 3, 1])


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 3, 16, 16, dtype=torch.double, generator=generator)


# by hand


def test_equal_features_are_one_mask() -> None:
    """Two maps that differ in scale and offset, one reversed, one without a shape."""
    left = torch.tensor([[4.0, 0.0], [4.0, 0.0]])
    masks = feature_masks(
        torch.stack([left, 2 * left + 9, -left, 0 * left]), (2, 2), 0.1
    )
    assert masks.tolist() == [[[1, 0], [1, 0]], [[0, 1], [0, 1]]]


def test_a_cluster_is_summed_and_scaled() -> None:
    """Of cosine distances .024, .030 and .106 the last decides for the whole."""
    maps = torch.tensor([[[1.0, 0, 0]], [[1.0, 0.5, 0]], [[1.0, 0.25, 0]]])
    whole = feature_masks(maps, (1, 3), 0.2)
    assert torch.allclose(whole, torch.tensor([[[1.0, 0.25, 0]]]))
    for distance in (0.028, 0.08):  # whose mean with .030 is less
        assert len(feature_masks(maps, (1, 3), distance)) == 2
    assert len(feature_masks(maps, (1, 3), 0.0)) == 3


def test_scores_are_averaged_where_masks_show() -> None:
    masks = torch.tensor([[[1.0, 0.5, 0.0]], [[0.0, 0.5, 0.0]]])
    found = weighted_masks(masks, torch.tensor([0.8, -0.2]))
    assert torch.allclose(found, torch.tensor([[0.8, 0.3, 0.0]]) / 2)


def test_a_network_that_sees_the_same_everywhere(images: Tensor) -> None:
    """Its P is constant: each score is P, and the map P / N wherever a mask shows."""
    model = timm_vit()
    with torch.no_grad():
        model.head.weight.zero_()
    chance = model.head.bias.softmax(0)[targets]
    with torch.no_grad(), inputs(model.blocks[-1].attn) as tokens:
        model(images)
    maps = vit_cx(model, images, targets)
    for one in range(3):
        features = tokens[0][one, 1:].T.unflatten(1, (2, 2))
        number = len(feature_masks(features, (16, 16), 0.1))
        wanted = (chance[one] / number).expand(16, 16)
        torch.testing.assert_close(maps[one], wanted.detach())


# the slow twin


def test_slow_twin(images: Tensor) -> None:
    """Masks by scikit-learn's clustering, scores picture by picture."""
    cluster = pytest.importorskip("sklearn.cluster")
    model = torchvision_vit()
    found = vit_cx(model, images, targets, VitCx(0.05, 0.2, seed=3), chunk=3)
    for one in range(3):
        with torch.no_grad(), inputs(model.encoder.layers[-1].self_attention) as kept:
            whole = model(images[one : one + 1]).softmax(1)[0, targets[one]]
        features = kept[0][0, 1:].T.reshape(8, 1, 2, 2)
        wide = F.interpolate(features, (16, 16), mode="bilinear")[:, 0]
        rows = [(m - m.min()) / (m.max() - m.min()) for m in wide]
        gaps = [
            [1 - float((a * b).sum() / (a.norm() * b.norm())) for b in rows]
            for a in rows
        ]
        labels = cluster.AgglomerativeClustering(
            n_clusters=None,
            distance_threshold=0.05,
            metric="precomputed",
            linkage="complete",
        ).fit_predict(gaps)
        masks = []
        for label in dict.fromkeys(labels.tolist()):
            total = sum(
                m for m, one_of in zip(rows, labels, strict=True) if one_of == label
            )
            masks.append((total - total.min()) / (total.max() - total.min()))
        assert 2 < len(masks) < 8
        generator = stream(3, "vit-cx noise")
        weighted, shown = torch.zeros(16, 16).double(), torch.zeros(16, 16).double()
        for mask in masks:
            noise = 0.2 * torch.randn(3, 16, 16, generator=generator).double()
            both = torch.stack(
                [
                    images[one] * mask + noise * (1 - mask),
                    images[one] + noise * (1 - mask),
                ]
            )
            chance = model(both).softmax(1)[:, targets[one]].detach()
            weighted += (chance[0] - chance[1] + whole) * mask
            shown += mask
        wanted = weighted / shown / len(masks)
        torch.testing.assert_close(found[one], wanted, rtol=1e-9, atol=1e-12)


def test_the_seed_decides_the_noise(images: Tensor) -> None:
    model = timm_vit()
    first = vit_cx(model, images, targets)
    assert torch.equal(vit_cx(model, images, targets, VitCx(seed=0)), first)
    assert not torch.equal(vit_cx(model, images, targets, VitCx(seed=1)), first)
    still = vit_cx(model, images, targets, VitCx(noise=0))
    assert torch.equal(vit_cx(model, images, targets, VitCx(noise=0, seed=1)), still)


def test_every_picture_has_the_same_noise(images: Tensor) -> None:
    same = images[:1].expand(3, -1, -1, -1)
    maps = vit_cx(timm_vit(), same, torch.tensor([2, 2, 2]))
    assert torch.equal(maps[0], maps[2])


# what is refused


def test_features_that_give_no_mask() -> None:
    flat = torch.ones(3, 2, 2)
    with pytest.raises(ValueError, match="there is no mask"):
        feature_masks(flat, (4, 4), 0.1)
    left = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match="there is no mask"):
        feature_masks(torch.stack([left, 1 - left]), (2, 2), 1.0)  # a sum of 1
    flat[0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        feature_masks(flat, (4, 4), 0.1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (VitCx(distance=-0.1), r"distance must lie in \[0, 1\]"),
        (VitCx(distance=float("nan")), "distance must lie"),
        (VitCx(noise=-1), "noise must be 0 or more, got -1"),
        (VitCx(noise=float("inf")), "noise must be"),
    ],
)
def test_options_out_of_range(images: Tensor, options: VitCx, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        vit_cx(timm_vit(), images, targets, options)


def test_a_convolutional_network_is_refused(images: Tensor) -> None:
    cnn = nn.Sequential(nn.Conv2d(3, 4, 16), nn.Flatten()).double()
    with pytest.raises(ValueError, match="has no attention"):
        vit_cx(cnn, images, targets)
