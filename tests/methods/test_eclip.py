"""Training of a projection: against steps written out, the same bits, each switch."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from helpers.explain.clip_tokens import Projection, image_tokens, own_projection
from helpers.explain.similarity import itsm
from helpers.language.tiny_clip import contrastive_loss
from helpers.methods.eclip import (
    Fitting,
    Material,
    fit_projection,
    pooled_features,
    projection_loss,
)
from helpers.settings import Refused
from helpers.streams import stream
from tests.explain.clips import pictures, resnet

S, N, W, E = 32, 6, 7, 5
SHORT = Fitting(epochs=3, batch=8, lr=1e-2)
POOLINGS = ("masked max", "max", "mean", "attention", "class token")


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.double)


def material(seed: int = 0) -> Material:
    return Material(
        draw(S, N, W, seed=seed),
        draw(S, W, seed=seed + 1),
        draw(S, E, seed=seed + 2),
        (draw(S, N, seed=seed + 3) > 0) | (torch.arange(N) == 0),
        draw(S, N, seed=seed + 4).sigmoid(),
    )


def own(bias: bool = True) -> Projection:
    return Projection(draw(W, E, seed=9), draw(E, seed=10) if bias else None)


def slow_loss(
    batch: Material, weight: Tensor, bias: Tensor, texts: Tensor, scale, how: Fitting
) -> Tensor:
    """Pooling, unit length and cross-entropy, picture by picture."""
    rows = []
    for b in range(len(batch.places)):
        before = how.order == "project, pool"
        spots = [
            spot @ weight + bias if before else spot
            for spot, kept in zip(batch.places[b], batch.kept[b], strict=True)
            if kept or how.pooling != "masked max"
        ]
        if how.pooling in ("masked max", "max"):
            one = torch.stack(spots).max(0).values
            if how.fill == "zero" and not batch.kept[b].all():
                one = torch.maximum(one, torch.zeros_like(one))
        elif how.pooling == "mean":
            one = sum(spots) / len(spots)
        elif how.pooling == "attention":
            shares = batch.weights[b] / batch.weights[b].sum()
            one = sum(a * spot for a, spot in zip(shares, spots, strict=True))
        else:
            one = batch.whole[b] @ weight + bias if before else batch.whole[b]
        one = one if before else one @ weight + bias
        rows.append(one / (one**2).sum().sqrt())
    units = [text / (text**2).sum().sqrt() for text in texts]
    total = 0.0
    for b in range(len(rows)):
        right = scale * rows[b] @ units[b]
        among_texts = sum((scale * rows[b] @ one).exp() for one in units)
        among_images = sum((scale * one @ units[b]).exp() for one in rows)
        total = total + among_texts.log() - right + among_images.log() - right
    return total / (2 * len(rows))


@pytest.mark.parametrize("order", ["project, pool", "pool, project"])
@pytest.mark.parametrize(
    ("pooling", "fill"), [*((one, "-inf") for one in POOLINGS), ("masked max", "zero")]
)
def test_the_loss_and_its_gradient_are_their_slow_twins(pooling, fill, order) -> None:
    how, batch = Fitting(pooling, order, fill), material()
    texts, scale = batch.texts, torch.tensor(7.0).double().requires_grad_()
    weight, bias = own().weight.requires_grad_(), own().bias.requires_grad_()
    found = projection_loss(batch, Projection(weight, bias), texts, scale, how)
    ways = torch.autograd.grad(found, (weight, bias, scale))
    wanted = slow_loss(batch, weight, bias, texts, scale, how)
    slow_ways = torch.autograd.grad(wanted, (weight, bias, scale))
    torch.testing.assert_close(found, wanted)
    for one, other in zip(ways, slow_ways, strict=True):
        torch.testing.assert_close(one, other)


def test_training_is_its_steps_written_out() -> None:
    """AdamW (Loshchilov and Hutter 2019) by hand, with learned scale and text side."""
    how = replace(
        SHORT, text_side="trained", scale="learned", weight_decay=0.1, temperature=0.2
    )
    data, start = material(), own()
    found = fit_projection(data, start, how, seed=4)
    names = [start.weight, start.bias, torch.eye(E), torch.tensor(math.log(5.0))]
    values = [one.double().clone() for one in names]
    first, second = [0.0] * 4, [0.0] * 4
    steps, k = how.epochs * S // how.batch, 0
    for epoch in range(how.epochs):
        rows = torch.randperm(S, generator=stream(4, "order", epoch))
        for some in rows.split(how.batch):
            leaves = [one.clone().requires_grad_() for one in values]
            batch = data.rows(some)
            loss = slow_loss(
                batch, *leaves[:2], batch.texts @ leaves[2], leaves[3].exp(), how
            )
            slopes = torch.autograd.grad(loss, leaves)
            lr = how.lr * (1 + math.cos(math.pi * k / steps)) / 2
            k += 1
            for i, slope in enumerate(slopes):
                first[i] = 0.9 * first[i] + 0.1 * slope
                second[i] = 0.999 * second[i] + 0.001 * slope**2
                m, v = first[i] / (1 - 0.9**k), second[i] / (1 - 0.999**k)
                values[i] = values[i] * (1 - lr * how.weight_decay)
                values[i] = values[i] - lr * m / (v.sqrt() + 1e-8)
            values[3] = values[3].clamp(0, math.log(100))
    kinds = [found.projection.weight, found.projection.bias, found.text_side.weight]
    for one, other in zip(kinds, values[:3], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)
    assert found.scale == pytest.approx(float(values[3].exp()))
    assert not torch.equal(found.text_side.weight, torch.eye(E).double())


@pytest.mark.parametrize("start", ["own", "random"])
def test_the_same_bits_twice_whatever_was_drawn_before(start) -> None:
    how, given = replace(SHORT, start=start), own()
    kept = given.weight.clone()
    one = fit_projection(material(), given, how, 3)
    torch.manual_seed(99)
    drawn = torch.get_rng_state()
    two = fit_projection(material(), given, how, 3)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert one.losses == two.losses
    assert torch.equal(one.projection.weight, two.projection.weight)
    assert torch.equal(one.projection.bias, two.projection.bias)
    assert torch.equal(given.weight, kept)
    other = fit_projection(material(), given, how, 4)
    assert not torch.equal(one.projection.weight, other.projection.weight)
    assert torch.equal(one.text_side.weight, torch.eye(E).double())
    assert one.scale == pytest.approx(1 / 0.07)


def test_all_poolings_see_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list] = {}
    rows_of = Material.rows
    for pooling in POOLINGS:
        seen[pooling] = []

        def rows(self, some, notes=seen[pooling]):
            notes.append(some.tolist())
            return rows_of(self, some)

        monkeypatch.setattr(Material, "rows", rows)
        fit_projection(material(), own(), replace(SHORT, pooling=pooling), 3)
    assert all(one == seen["max"] for one in seen.values())
    assert len(seen["max"]) == 3 * S // 8


def test_no_epoch_leaves_the_towers_own() -> None:
    found = fit_projection(material(), own(False), replace(SHORT, epochs=0), 0)
    assert torch.equal(found.projection.weight, own().weight)
    assert found.projection.bias is None
    assert found.losses == ()


def planted(seed: int) -> tuple[Material, Tensor]:
    """Eight texts; two places show the picture's, four show another, louder.

    What an oracle mask is good for: by it the pictures can be told apart, without it
    the maximum is the background's.
    """
    generator = torch.Generator().manual_seed(seed)
    count, classes = 128, 8
    labels = torch.randint(classes, (count,), generator=generator)
    others = torch.randint(classes, (count,), generator=generator)
    codes = torch.eye(classes)
    places = 0.1 * torch.randn(count, 6, classes, generator=generator)
    places[:, :2] += codes[labels][:, None]
    places[:, 2:] += 3 * codes[others][:, None]
    kept = (torch.arange(6) < 2).expand(count, 6)
    return Material(places, places.mean(1), codes[labels], kept), labels


def test_the_mask_decides_what_is_learnt() -> None:
    how = Fitting(epochs=8, batch=32, lr=1e-2, temperature=0.2)
    start = Projection(torch.eye(8))
    losses = {}
    for pooling in ("masked max", "max"):
        data, _ = planted(0)
        chosen = replace(how, pooling=pooling)
        found = fit_projection(data, start, chosen, 0).losses
        assert found[-1] < found[0]
        losses[pooling] = found[-1]
    assert losses["masked max"] < losses["max"] - 0.3


@pytest.mark.filterwarnings("ignore::helpers.explain.cam.CoarseMapWarning")
def test_a_trained_projection_is_read_by_itsm() -> None:
    tower = resnet()
    images = pictures(tower)
    tokens, given = image_tokens(tower, images, "value"), own_projection(tower)
    texts = draw(3, given.weight.shape[1], seed=5)
    data = Material(tokens.places.flatten(1, 2), tokens.whole, texts)
    how = Fitting("max", epochs=2, batch=3, lr=1e-2)
    found = fit_projection(data, given, how, 0)
    aims = torch.arange(3)
    maps = itsm(tower, images, aims, text_features=texts, projection=found.projection)
    before = itsm(tower, images, aims, text_features=texts)
    assert maps.shape == before.shape
    assert not torch.equal(maps, before)
    kept = pooled_features(data, given, replace(how, pooling="class token"))
    torch.testing.assert_close(
        kept, torch.nn.functional.normalize(tower(images), dim=1).detach()
    )
    assert contrastive_loss(kept, kept, 1.0).isfinite()


def test_what_is_refused() -> None:
    data = material()
    for call, text in (
        (lambda: Fitting(batch=1), "batch 2 or more"),
        (lambda: Fitting(lr=0.0), "lr must be"),
        (lambda: Fitting(temperature=0.001), "temperature"),
        (lambda: fit_projection(data, own(), Fitting(), 0), "fewer than a batch"),
        (
            lambda: fit_projection(data, Projection(draw(E, W)), SHORT, 0),
            r"\[W, E\] = \[7, 5\]",
        ),
        (lambda: Material(data.places, data.whole, data.texts[1:]), "same pictures"),
        (
            lambda: Material(data.places, data.whole, data.texts, data.kept[:, 1:]),
            "same pictures",
        ),
        (
            lambda: fit_projection(
                Material(data.places, data.whole, data.texts), own(), SHORT, 0
            ),
            "needs kept places",
        ),
        (
            lambda: pooled_features(data, own(), Fitting(order="pool")),
            "unknown order",
        ),
        (
            lambda: fit_projection(
                Material(data.places, data.whole, data.texts / 0), own(), SHORT, 0
            ),
            "masked max|not finite|loss is",
        ),
    ):
        with pytest.raises(Refused, match=text) as caught:
            call()
        assert "\n" not in str(caught.value)
