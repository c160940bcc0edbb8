"""Sources of free attention and thresholds: by hand, by loops."""

import copy

import pytest
import torch
from torch import Tensor, nn

from helpers.explain.clip_tokens import class_attention
from helpers.explain.transformer import attentions
from helpers.methods.free_attention import (
    ByClassToken,
    Threshold,
    feature_attention,
    keep,
    mask_attention,
    on_grid,
    random_attention,
)
from helpers.methods.self_supervised import Pretraining, Views, pretrain
from helpers.settings import Refused
from helpers.streams import stream
from helpers.vision.vit import SceneViT

shares = torch.tensor([[[0.1, 0.2], [0.3, 0.4]]], dtype=torch.double)


@pytest.mark.parametrize(
    ("rule", "value", "wanted"),
    [
        ("quantile", 0.75, [0, 0, 0, 1]),
        ("quantile", 0.74, [0, 0, 1, 1]),
        ("quantile", 0.5, [0, 0, 1, 1]),
        ("quantile", 0.0, [1, 1, 1, 1]),
        ("quantile", 0.99, [0, 0, 0, 1]),
        ("absolute", 0.25, [0, 0, 1, 1]),
        ("range", 0.5, [0, 0, 1, 1]),
        ("range", 0.9, [0, 0, 0, 1]),
        ("mass", 0.4, [0, 0, 0, 1]),
        ("mass", 0.41, [0, 0, 1, 1]),
        ("mass", 0.71, [0, 1, 1, 1]),
    ],
)
def test_thresholds_by_hand(rule, value: float, wanted: list[int]) -> None:
    found = keep(shares, Threshold(rule, value))
    assert found.places.flatten().int().tolist() == wanted
    assert not found.empty.any()


def test_half_of_a_softmax_leaves_nothing_and_the_maximum_stands_in() -> None:
    """The summary's .5: 64 places that share 1 rarely have one of over a half."""
    generator = torch.Generator().manual_seed(0)
    attention = torch.randn(50, 64, generator=generator).softmax(1).view(50, 8, 8)
    found = keep(attention, Threshold("absolute", 0.5))
    assert found.empty.all()
    top = attention.flatten(1).argmax(1)
    assert torch.equal(found.places.flatten(1).int().argmax(1), top)
    assert (found.places.sum((1, 2)) == 1).all()


def test_equal_places_are_kept_together() -> None:
    flat = torch.full((1, 3, 3), 0.2)
    for rule in ("quantile", "absolute", "range"):
        assert keep(flat, Threshold(rule, 0.5)).places.all()
    assert keep(torch.zeros(1, 3, 3), Threshold("mass", 0.5)).places.all()


def test_a_quantile_keeps_as_many_of_every_source() -> None:
    noise = random_attention(20, (7, 9), 3)
    assert torch.equal(noise, random_attention(20, (7, 9), 3))
    assert not torch.equal(noise, random_attention(20, (7, 9), 4))
    places = keep(noise, Threshold("quantile", 0.8)).places
    assert (places.sum((1, 2)) == 13).all()  # .2 * 63 = 12.6


class Given(nn.Module):
    """Hands out given features, and notes its mode."""

    def __init__(self, maps: Tensor) -> None:
        super().__init__()
        self.maps, self.modes = maps, []

    def features(self, images: Tensor) -> Tensor:
        self.modes.append(self.training)
        return self.maps[images[:, 0, 0, 0].long()]


def test_feature_attention_is_its_slow_twin() -> None:
    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(3, 4, 2, 3, generator=generator, dtype=torch.double)
    images = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 3, 8, 8)
    network = Given(maps)
    for kind in ("share", "cosine"):
        found = feature_attention(network, images, kind, chunk=2)
        for b in range(3):
            cells = [maps[b, :, y, x] for y in range(2) for x in range(3)]
            mean = sum(cells) / 6
            products = torch.stack([cell @ mean for cell in cells])
            if kind == "share":
                wanted = products / products.sum()
            else:
                norms = torch.stack([cell.norm() for cell in cells])
                wanted = products / norms / mean.norm()
            torch.testing.assert_close(found[b].flatten(), wanted)
    assert network.training
    assert not any(network.modes)


def test_the_source_that_knows() -> None:
    masks = torch.zeros(2, 4, 4, dtype=torch.bool)
    masks[0, :2, 1:] = True
    found = mask_attention(masks, (2, 2))
    assert found[0].tolist() == [[0.5, 1], [0, 0]]
    kept = keep(found, Threshold("absolute", 0.4))
    assert kept.places[0].tolist() == [[True, True], [False, False]]
    assert kept.empty.tolist() == [False, True]
    assert kept.places[1].all()  # no object: nothing is known, nothing is masked


def test_other_grids() -> None:
    fine = torch.arange(16.0).view(1, 4, 4)
    assert on_grid(fine, (2, 2)).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    assert on_grid(fine, (8, 8)).shape == (1, 8, 8)
    assert torch.equal(on_grid(fine, (4, 4)), fine)


def test_a_vit_trained_by_its_class_token() -> None:
    """By the mean of its patches the last class row would get no gradient."""
    images = (255 * torch.rand(8, 3, 16, 16, generator=stream(0, "x"))).to(torch.uint8)
    network = SceneViT(4, size=16, depth=1, heads=2, width=8)
    network.initialise(stream(0, "vit"))
    network.eval()
    pixels = images.float() / 255
    for features, trained in (
        (ByClassToken(network).features, True),
        (network.features, False),
    ):
        with attentions(network) as seen:
            maps = features(pixels)
        slope = torch.autograd.grad(maps.square().sum(), seen)[0]
        assert bool(slope[:, :, 0].any()) is trained
    before, start = class_attention(network, pixels), copy.deepcopy(network)
    settings = Pretraining(epochs=2, batch=4, projection=4, views=Views(0.8))
    pretrain(ByClassToken(network), images, (0.5,) * 3, (0.25,) * 3, settings, 0)
    assert (class_attention(network, pixels) - before).abs().max() > 1e-4
    assert torch.equal(class_attention(start, pixels), before)


def test_what_is_refused() -> None:
    for call, text in (
        (lambda: Threshold("mean"), "unknown threshold"),
        (lambda: Threshold("quantile", 1.0), r"in \[0, 1\)"),
        (lambda: keep(shares / 0), "finite"),
        (lambda: keep(shares[0]), r"\[B, h, w\]"),
        (lambda: keep(-shares, Threshold("mass", 0.5)), "0 or more"),
        (
            lambda: feature_attention(Given(shares), torch.ones(1, 3, 8, 8), "norm"),
            "'share' or 'cosine'",
        ),
        (
            lambda: feature_attention(
                Given(torch.zeros(2, 4, 2, 2)), torch.ones(1, 3, 8, 8)
            ),
            "0 on the mean",
        ),
    ):
        with pytest.raises(Refused, match=text) as caught:
            call()
        assert "\n" not in str(caught.value)
