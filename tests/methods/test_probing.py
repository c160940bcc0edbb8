"""Training of heads: against steps written out, the same bits twice, recipes."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from helpers.losses.probing import loss
from helpers.methods.heads import HEADS, Head, HeadShape, head_shape
from helpers.methods.probing import (
    RECIPES,
    Cached,
    Recipe,
    cached,
    head_logits,
    pooled,
    predicted,
    random_head,
    rate,
    train_head,
)
from helpers.settings import Refused
from helpers.streams import stream

SHORT = Recipe("adam", 5e-3, 6, 16)


def toy(count: int = 48, seed: int = 1) -> Cached:
    """Four classes, each with a channel that is stronger in one cell."""
    labels = torch.arange(count) % 4
    maps = torch.rand(count, 8, 3, 3, generator=stream(seed, "toy"))
    maps[torch.arange(count), labels, 1, 1] += 4
    return Cached(maps, labels)


@pytest.mark.parametrize("name", [*HEADS])
@pytest.mark.parametrize("objective", ["ce", "bce", "bce-uniform"])
def test_a_head_learns_and_twice_to_the_same_bits(name: str, objective: str) -> None:
    shape = head_shape(name)
    if shape.kind == "B-cos":
        shape = replace(shape, temperature=0.1)
    recipe = replace(SHORT, lr=1e-1 if shape.kind == "B-cos" else 2e-2, epochs=25)
    kept = torch.get_rng_state()
    one = train_head(shape, toy(), 4, loss(objective), recipe, seed=3)
    torch.manual_seed(99)
    two = train_head(shape, toy(), 4, loss(objective), recipe, seed=3)
    torch.set_rng_state(kept)
    assert one.losses == two.losses
    for key, value in one.head.state_dict().items():
        assert torch.equal(value, two.head.state_dict()[key])
    assert one.losses[-1] < one.losses[0]
    right = predicted(one.head, toy(seed=2)).argmax(1) == toy(seed=2).targets
    assert right.float().mean() > 0.6
    other = train_head(shape, toy(), 4, loss(objective), recipe, seed=4)
    assert not torch.equal(one.head.last.weight, other.head.last.weight)


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_the_steps_are_those_of_the_equations(optimiser: str) -> None:
    """A slow twin in float64: maps of all cells, momentum and Adam by hand."""
    data = toy(20)
    data = Cached(data.maps.double(), data.targets)
    recipe = Recipe(optimiser, 0.05, 3, 8, weight_decay=0.01, warmup=0.34)  # type: ignore[arg-type]
    found = train_head(HeadShape(bias=False), data, 4, loss("bce"), recipe, seed=5)
    w = Head(HeadShape(bias=False), 8, 4)
    w.reset(stream(5, "initialisation"))
    weight = w.last.weight[:, :, 0, 0].detach().double()
    first, second, step = torch.zeros_like(weight), torch.zeros_like(weight), 0
    for epoch in range(3):
        order = torch.randperm(20, generator=stream(5, "order", epoch))
        for rows in order.split(8):
            z = torch.einsum("kc,bchw->bkhw", weight, data.maps[rows]).mean((2, 3))
            t = torch.eye(4).double()[data.targets[rows]]
            slope = (z.sigmoid() - t).T @ data.maps[rows].mean((2, 3)) / z.numel()
            slope = slope + 0.01 * weight
            warm = 3  # of 9 steps
            after = (1 + math.cos(math.pi * (step - warm) / 6)) / 2
            lr = 0.05 * ((step + 1) / 3 if step < 3 else after)
            step += 1
            if optimiser == "sgd":
                first = 0.9 * first + slope
                weight = weight - lr * first
            else:
                first = 0.9 * first + 0.1 * slope
                second = 0.999 * second + 0.001 * slope**2
                up, root = first / (1 - 0.9**step), (second / (1 - 0.999**step)).sqrt()
                weight = weight - lr * up / (root + 1e-8)
    got = found.head.last.weight[:, :, 0, 0]
    assert torch.allclose(got, weight, rtol=0, atol=1e-10)


def test_two_losses_see_the_same_batches_and_start_alike() -> None:
    seen: dict[str, list[Tensor]] = {"ce": [], "bce": []}
    starts = {}
    for name in seen:

        def noted(z: Tensor, y: Tensor, name: str = name) -> Tensor:
            seen[name].append(y.clone())
            starts.setdefault(name, z.detach().clone())
            return loss(name)(z, y)

        train_head(head_shape("MLP-2"), toy(), 4, noted, SHORT, seed=1)
    assert len(seen["ce"]) == 18
    for one, other in zip(seen["ce"], seen["bce"], strict=True):
        assert torch.equal(one, other)
    assert torch.equal(starts["ce"], starts["bce"])


def test_features_are_computed_once_in_evaluation_mode() -> None:
    """Defect H8: the published code encodes every picture again in every epoch."""

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.seen = nn.BatchNorm2d(3), 0

        def features(self, images: Tensor) -> Tensor:
            assert not self.training
            self.seen += len(images)
            return self.norm(images)

    network = Counting().train()
    images = torch.rand(10, 3, 4, 4, generator=stream(1, "x"))
    data = cached(network, images, torch.arange(10) % 2, chunk=4)
    assert network.seen == 10
    assert network.training
    assert not data.maps.requires_grad
    assert torch.equal(network.norm.running_mean, torch.zeros(3))
    train_head(head_shape("MLP-2"), data, 2, loss("ce"), SHORT, seed=1)
    assert network.seen == 10


def test_a_linear_head_on_pooled_cells_is_one_on_all_cells() -> None:
    data = toy()
    head = random_head(HeadShape(), 8, 4, seed=1)
    assert pooled(data).maps.shape == (48, 8, 1, 1)
    both = predicted(head, data), predicted(head, pooled(data))
    assert torch.allclose(*both, rtol=0, atol=1e-6)


def test_the_best_epoch_is_that_of_lowest_validation_loss() -> None:
    recipe = Recipe("sgd", 20.0, 12, 8, keep="best")  # too fast: it goes up and down
    found = train_head(
        head_shape("MLP-2"), toy(), 4, loss("ce"), recipe, 1, toy(16, seed=2)
    )
    assert len(found.validation) == 12
    assert found.epoch == min(range(12), key=lambda e: found.validation[e])
    assert found.epoch < 11
    again = head_logits(found.head, toy(16, seed=2).maps)
    best = float(loss("ce")(again, toy(16, seed=2).targets))
    assert best == pytest.approx(min(found.validation), rel=1e-6)
    last = train_head(
        head_shape("MLP-2"),
        toy(),
        4,
        loss("ce"),
        replace(recipe, keep="last"),
        1,
        toy(16, seed=2),
    )
    assert last.validation == found.validation
    assert last.epoch == 11
    with pytest.raises(Refused, match="validation"):
        train_head(head_shape("linear"), toy(), 4, loss("ce"), recipe, 1)


def test_rates_follow_torchs_own_schedules() -> None:
    steps = 7
    weight = nn.Parameter(torch.zeros(1))
    for name, scheduler in (
        ("repository", lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [60, 80])),
        (
            "repository, several labels",
            lambda o: torch.optim.lr_scheduler.StepLR(o, 6, 0.1),
        ),
    ):
        recipe = RECIPES[name]
        optimiser = torch.optim.SGD([weight], 1.0)
        theirs = scheduler(optimiser)
        for epoch in range(recipe.epochs):
            warm = round(recipe.warmup * recipe.epochs)
            got = rate(recipe, epoch * steps + 3, steps)
            if epoch < warm:
                assert got == (epoch * steps + 4) / (warm * steps)
            else:
                assert got == pytest.approx(theirs.get_last_lr()[0])
            optimiser.step()
            theirs.step()
    recipe = RECIPES["document"]
    optimiser = torch.optim.SGD([weight], 1.0)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 95 * steps)
    for step in range(95 * steps):
        got = rate(recipe, 5 * steps + step, steps)
        assert got == pytest.approx(cosine.get_last_lr()[0], abs=1e-9)
        optimiser.step()
        cosine.step()
    assert rate(recipe, 0, steps) == 1 / 35


def test_a_shorter_recipe_drops_at_the_same_shares() -> None:
    short = replace(RECIPES["repository"], epochs=5)
    got = [rate(short, epoch * 2, 2) for epoch in range(5)]
    assert got == pytest.approx([1, 1, 1, 0.1, 0.01])


def test_the_recipes_are_the_published_ones() -> None:
    document, repository = RECIPES["document"], RECIPES["repository"]
    assert (document.optimiser, document.batch, document.epochs) == ("adam", 256, 100)
    assert (repository.optimiser, repository.lr, repository.batch) == ("sgd", 30, 512)
    assert repository.momentum == 0.9
    assert repository.weight_decay == document.weight_decay == 0
    assert all(one.epochs == 50 for name, one in RECIPES.items() if "several" in name)


def test_several_labels_are_learnt() -> None:
    data = toy()
    several = torch.eye(4, dtype=torch.bool)[data.targets]
    several |= several.roll(1, 1)
    found = train_head(
        head_shape("linear"),
        Cached(data.maps, several),
        4,
        loss("bce"),
        replace(SHORT, lr=0.3, epochs=40),
        seed=1,
    )
    right = (predicted(found.head, data) > 0) == several
    assert right.float().mean() > 0.9


@pytest.mark.parametrize(
    "change",
    [
        {"optimiser": "lamb"},
        {"lr": 0.0},
        {"lr": math.inf},
        {"epochs": 0},
        {"batch": 0},
        {"momentum": 1.0},
        {"weight_decay": -1.0},
        {"warmup": 1.0},
        {"drops": (0.5, 1.0)},
        {"keep": "first"},
    ],
)
def test_recipes_that_cannot_train_are_refused_in_one_line(change: dict) -> None:
    with pytest.raises(Refused) as raised:
        replace(SHORT, **change)
    assert "\n" not in str(raised.value)


def test_features_and_losses_that_are_broken_are_refused() -> None:
    with pytest.raises(Refused, match=r"\[N, C, h, w\]"):
        Cached(torch.zeros(3, 4), torch.zeros(3, dtype=torch.long))
    with pytest.raises(Refused, match="finite"):
        Cached(torch.full((3, 4, 2, 2), math.nan), torch.zeros(3, dtype=torch.long))
    fast = Recipe("sgd", 1e30, 3, 16)
    with pytest.raises(Refused, match="learning rate"):
        train_head(head_shape("MLP-3"), toy(), 4, loss("ce"), fast, 1)
