import math
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from helpers.measure.perturbation import (
    STEPS,
    blurred,
    extremes,
    filled,
    insertion_deletion,
    pixel_ranks,
    probabilities,
    tied_share,
)


def mean_brightness(images: Tensor) -> Tensor:
    """A classifier whose probability of class 0 is the mean of the picture."""
    light = images.mean((1, 2, 3))
    return torch.stack([light.log(), (1 - light).log()], 1)


class Network(nn.Module):
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.ReLU(inplace),
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace),
            nn.Dropout(0.5),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 4),
        ).double()
        self.seen = 0

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return 20 * self.layers(images)


@pytest.fixture
def images() -> Tensor:  # 54 pixels, not square, no multiple of the steps
    generator = torch.Generator().manual_seed(1)
    return torch.randn(5, 3, 6, 9, dtype=torch.double, generator=generator)


@pytest.fixture
def maps() -> Tensor:
    return torch.randn(5, 6, 9, generator=torch.Generator().manual_seed(2))


targets = torch.tensor([0, 3, 1, 1, 2])
few = {"steps": 7}


def close(a: Tensor, b: Tensor, atol: float = 1e-12) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=atol)


# hand-worked


def test_deletion_by_hand() -> None:
    images = torch.tensor([[[[0.8, 0.4], [0.2, 0.0]]]], dtype=torch.double)
    maps = torch.tensor([[[4.0, 1.0], [3.0, 2.0]]])  # order: .8, .2, 0, .4
    curves = insertion_deletion(
        mean_brightness, images, torch.tensor([0]), maps, steps=4
    )
    assert close(curves.shares, torch.tensor([0, 0.25, 0.5, 0.75, 1]).double())
    assert curves.full.tolist() == pytest.approx([0.35])
    assert curves.deletion[0].tolist() == pytest.approx([0.35, 0.15, 0.1, 0.1, 0.0])
    assert curves.deletion_auc.tolist() == pytest.approx([2.1 / 16])
    assert curves.relative_deletion_auc.tolist() == pytest.approx([0.375])


def test_insertion_by_hand() -> None:
    images = torch.rand(2, 1, 5, 7, dtype=torch.double)
    maps = torch.rand(2, 5, 7)
    soft = blurred(images).flatten(1)
    curves = insertion_deletion(
        mean_brightness, images, torch.tensor([0, 0]), maps, steps=35
    )
    for one in range(2):
        order = sorted(range(35), key=lambda i: -maps[one].flatten()[i].item())
        change = images[one].flatten() - soft[one]
        light = soft[one].mean() + torch.stack(
            [change[order[:s]].sum() for s in range(36)]
        ).div(35)
        assert close(curves.insertion[one], light)
        area = (light.sum() - (light[0] + light[-1]) / 2) / 35
        assert curves.insertion_auc[one].item() == pytest.approx(area.item())


@pytest.mark.parametrize("steps", [1, 2, 5, 28, 54])
def test_a_white_picture_has_deletion_one_half_under_any_map(steps: int) -> None:
    white = torch.ones(3, 1, 6, 9, dtype=torch.double)
    maps = torch.stack([torch.rand(6, 9), torch.zeros(6, 9), torch.full((6, 9), 2.0)])
    curves = insertion_deletion(
        mean_brightness, white, torch.zeros(3).long(), maps, steps=steps
    )
    assert close(curves.deletion, (1 - curves.shares).expand(3, -1))
    assert close(curves.deletion_auc, torch.full((3,), 0.5).double())
    assert close(curves.insertion_auc, torch.ones(3).double())
    assert close(curves.relative_insertion_auc, torch.ones(3).double())
    assert curves.correct.all()


def test_the_step_is_one_28th_of_the_pixels_at_any_size() -> None:
    for size in [(6, 9), (16, 16), (28, 28)]:
        white = torch.full((1, 1, *size), 0.9)
        curves = insertion_deletion(
            mean_brightness, white, torch.tensor([0]), torch.rand(1, *size)
        )
        assert curves.insertion.shape == curves.deletion.shape == (1, 29)
        shares = torch.arange(29) / 28
        assert close(curves.shares, shares, 0.5 / (size[0] * size[1]) + 1e-6)


# against the definition and another implementation


def slow_twin(
    model: nn.Module, image: Tensor, target: int, order: list[int], counts: list[int]
) -> tuple[list[float], list[float]]:
    """Petsiuk et al. 2018, algorithm 1: pixel by pixel, one picture a forward pass."""
    curves: tuple[list[float], list[float]] = ([], [])
    width = image.shape[2]
    deleted, inserted = image.clone(), blurred(image[None])[0]
    for done in range(len(order) + 1):
        if done in counts:
            for curve, picture in zip(curves, (inserted, deleted), strict=True):
                logits = model(picture[None])[0]
                curve.append((logits[target].exp() / logits.exp().sum()).item())
        if done < len(order):
            y, x = divmod(order[done], width)
            inserted[:, y, x] = image[:, y, x]
            deleted[:, y, x] = 0
    return curves


def test_slow_twin_pixel_by_pixel(images: Tensor, maps: Tensor) -> None:
    model = Network().eval()
    curves = insertion_deletion(model, images, targets, maps, **few)
    counts = [0, 8, 15, 23, 31, 39, 46, 54]  # round(54 s / 7)
    assert close(curves.shares, torch.tensor(counts).double() / 54)
    for one in range(5):
        order = sorted(range(54), key=lambda i: -maps[one].flatten()[i].item())
        twin = slow_twin(model, images[one], int(targets[one]), order, counts)
        for curve, area, wanted in zip(
            (curves.insertion, curves.deletion),
            (curves.insertion_auc, curves.deletion_auc),
            twin,
            strict=True,
        ):
            assert curve[one].tolist() == pytest.approx(wanted, abs=1e-12)
            pairs = list(zip(counts, wanted, strict=True))
            trapezia = [
                (b - a) / 54 * (p + q) / 2 for (a, p), (b, q) in pairwise(pairs)
            ]
            assert area[one].item() == pytest.approx(sum(trapezia), abs=1e-12)
        assert curves.full[one].item() == pytest.approx(twin[0][-1], abs=1e-12)
    first_choice = model(images).argmax(1)
    assert torch.equal(curves.correct, first_choice == targets)
    assert 0 < curves.correct.sum() < 5


def test_slow_twin_with_ties(images: Tensor, maps: Tensor) -> None:
    model, maps = Network().eval(), maps.round().relu()
    curves = insertion_deletion(model, images, targets, maps, orders=3, seed=5, **few)
    ranks = pixel_ranks(maps, 3, seed=5)
    counts = [0, 8, 15, 23, 31, 39, 46, 54]
    for one in range(5):
        twins = [
            slow_twin(model, images[one], int(targets[one]), order.tolist(), counts)
            for order in ranks[:, one].argsort(1)
        ]
        wanted = torch.tensor(twins, dtype=torch.double).mean(0)  # [2, 8]
        assert close(curves.insertion[one], wanted[0])
        assert close(curves.deletion[one], wanted[1])


def test_witness_torchcam(images: Tensor, maps: Tensor) -> None:
    metrics = pytest.importorskip("torchcam.metrics")
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

    curves = insertion_deletion(model, images, targets, maps, steps=9)  # 6 pixels each
    for start in (torch.zeros_like, blurred):
        witness = metrics.DeletionInsertionMetric(
            Given(), lambda logits: logits.softmax(1), steps=9, baseline=start
        )
        witness.update(images, targets.tolist())
        if start is blurred:
            wanted, ours = witness.insertion, curves.insertion_auc
        else:
            wanted, ours = witness.deletion, curves.deletion_auc
        assert ours.sum().item() == pytest.approx(wanted, abs=1e-6)


# ties


def test_ranks_keep_the_order_and_shuffle_equal_pixels() -> None:
    maps = torch.tensor([[[3.0, 1.0, 2.0, 1.0, 1.0]], [[0.0, 0.0, 0.0, 0.0, 0.0]]])
    ranks = pixel_ranks(maps, 40, seed=0)
    assert ranks.shape == (40, 2, 5)
    assert ranks.sort(2).values.eq(torch.arange(5)).all()
    assert ranks[:, 0, 0].eq(0).all()
    assert ranks[:, 0, 2].eq(1).all()
    assert ranks[:, 0, [1, 3, 4]].unique().tolist() == [2, 3, 4]
    assert len(ranks[:, 0].unique(dim=0)) == 6  # all orders of three
    assert torch.equal(ranks, pixel_ranks(maps, 40, seed=0))
    assert not torch.equal(ranks, pixel_ranks(maps, 40, seed=1))


def test_negative_zero_is_zero() -> None:
    ranks = pixel_ranks(torch.tensor([[[0.0, -0.0]]]), 20)
    assert ranks[:, 0, 0].unique().tolist() == [0, 1]


def test_ranks_of_a_picture_depend_on_no_other() -> None:
    maps = torch.rand(4, 3, 5).mul(4).round()
    together = pixel_ranks(maps, 3, seed=7)
    assert torch.equal(pixel_ranks(maps[2:3], 3, seed=7)[:, 0], together[:, 2])


def test_tied_share_by_hand() -> None:
    maps = torch.tensor(
        [
            [[1.0, 2.0], [3.0, 2.0]],
            [[1.0, 2.0], [3.0, 4.0]],
            [[0.0, 0.0], [0.0, 0.0]],
            [[5.0, 0.0], [0.0, 0.0]],
            [[5.0, 0.0], [0.0, 5.0]],
        ]
    )
    assert tied_share(maps).tolist() == [0.5, 0, 1, 0.75, 1]


def test_many_orders_of_a_constant_map_come_near_the_mean() -> None:
    images = torch.rand(1, 1, 6, 9, dtype=torch.double)
    curves = insertion_deletion(
        mean_brightness, images, torch.tensor([0]), torch.ones(1, 6, 9), orders=400
    )
    assert curves.tied.item() == 1
    assert close(curves.deletion[0], curves.full * (1 - curves.shares), 0.01)
    one = insertion_deletion(
        mean_brightness, images, torch.tensor([0]), torch.ones(1, 6, 9), orders=1
    )
    assert not close(one.deletion[0], one.full * (1 - one.shares), 0.01)


def test_without_ties_the_seed_and_the_orders_change_nothing(
    images: Tensor, maps: Tensor
) -> None:
    wanted = insertion_deletion(Network(), images, targets, maps, orders=1)
    again = insertion_deletion(Network(), images, targets, maps, orders=4, seed=9)
    assert close(wanted.insertion, again.insertion)
    assert close(wanted.deletion, again.deletion)
    assert wanted.tied.sum() == 0


def test_only_steps_that_cut_a_tie_are_evaluated_again(
    images: Tensor, maps: Tensor
) -> None:
    maps[1] = 0
    maps[2, :, :4] = maps[2].min() - 1  # the last 24 pixels; steps end at 31, 39, 46
    model = Network()
    insertion_deletion(model, images, targets, maps, orders=3, **few)
    once = 5 * (3 + 2 * 6)  # full, blurred, deleted, two curves of six inner points
    assert model.seen == once + 2 * 2 * (6 + 3)


def test_one_step_needs_the_ends_only(images: Tensor, maps: Tensor) -> None:
    model = Network()
    curves = insertion_deletion(model, images, targets, maps, steps=1)
    assert curves.shares.tolist() == [0, 1]
    assert model.seen == 15


def test_nothing_is_kept_for_gradients(images: Tensor, maps: Tensor) -> None:
    curves = insertion_deletion(
        Network(), images.requires_grad_(), targets, maps.requires_grad_()
    )
    assert not curves.insertion.requires_grad
    assert images.grad is None


def test_zero_and_constant_maps_are_defined(images: Tensor) -> None:
    zero = insertion_deletion(Network(), images, targets, torch.zeros(5, 6, 9))
    ones = insertion_deletion(Network(), images, targets, torch.ones(5, 6, 9))
    assert zero.insertion.isfinite().all()
    assert torch.equal(zero.insertion, ones.insertion)
    assert torch.equal(zero.deletion, ones.deletion)


# conventions


def test_the_curves_share_their_ends(images: Tensor, maps: Tensor) -> None:
    model = Network().eval()
    curves = insertion_deletion(model, images, targets, maps)
    assert torch.equal(curves.insertion[:, -1], curves.full)
    assert torch.equal(curves.deletion[:, 0], curves.full)
    wanted = [
        probabilities(model, start)[range(5), targets].detach()
        for start in (blurred(images), torch.zeros_like(images))
    ]
    assert torch.equal(curves.insertion[:, 0], wanted[0])
    assert torch.equal(curves.deletion[:, -1], wanted[1])


def test_areas_in_units_of_the_full_picture(images: Tensor, maps: Tensor) -> None:
    curves = insertion_deletion(Network(), images, targets, maps)
    assert close(curves.relative_insertion_auc * curves.full, curves.insertion_auc)
    assert close(curves.relative_deletion_auc * curves.full, curves.deletion_auc)
    black = torch.zeros(1, 1, 6, 9)
    curves = insertion_deletion(
        mean_brightness, black, torch.tensor([0]), maps[:1], fill=0.9
    )
    assert curves.full.item() == 0
    assert curves.deletion_auc.item() == pytest.approx(0.45, abs=0.01)
    assert curves.relative_deletion_auc.isnan().all()


def test_the_fill_is_a_colour(images: Tensor, maps: Tensor) -> None:
    colour = torch.tensor([0.5, -1.0, 2.0])
    curves = insertion_deletion(Network(), images, targets, maps, fill=colour)
    plain = colour.double().view(1, 3, 1, 1).expand(5, 3, 6, 9)
    wanted = probabilities(Network().eval(), plain)[range(5), targets]
    assert close(curves.deletion[:, -1], wanted)
    assert filled(images, 0.25).eq(0.25).all()
    with pytest.raises(ValueError, match=r"one number or 3, got shape \[2\]"):
        filled(images, torch.zeros(2))


def test_the_blur_is_a_gaussian_and_scales_with_the_picture() -> None:
    point = torch.zeros(1, 1, 33, 49, dtype=torch.double)
    point[0, 0, 16, 24] = 1
    soft = blurred(point, 1 / 11)[0, 0]  # sigma = 3 pixels, kernel of 19
    y, x = torch.arange(33).double() - 16, torch.arange(49).double() - 24
    bells = [torch.exp(-(v**2) / 18) * (v.abs() <= 9) for v in (y, x)]
    assert close(
        soft, torch.outer(bells[0] / bells[0].sum(), bells[1] / bells[1].sum())
    )
    edges = []
    for side in (32, 96):
        edge = torch.zeros(1, 1, side, side, dtype=torch.double)
        edge[..., side // 2 :] = 1
        edges.append(blurred(edge)[0, 0, 0].view(16, -1).mean(1))
    assert close(edges[0], edges[1], 0.005)
    plain = torch.full((1, 2, 4, 5), 3.0)
    assert close(blurred(plain), plain, 1e-6)
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="blur must be"):
            blurred(point, wrong)


def test_a_picture_has_the_same_curves_in_any_batch(
    images: Tensor, maps: Tensor
) -> None:
    maps = maps.round()
    together = insertion_deletion(Network(), images, targets, maps)
    for chunk in (1, 7, 1000):
        again = insertion_deletion(Network(), images, targets, maps, chunk=chunk)
        assert close(again.insertion, together.insertion)
        assert close(again.deletion, together.deletion)
    alone = insertion_deletion(Network(), images[3:4], targets[3:4], maps[3:4])
    assert close(alone.insertion[0], together.insertion[3])


def test_twice_in_a_row_is_bit_equal(images: Tensor, maps: Tensor) -> None:
    model = Network()
    first, second = (
        insertion_deletion(model, images, targets, maps.round()) for _ in range(2)
    )
    assert torch.equal(first.insertion, second.insertion)
    assert torch.equal(first.deletion, second.deletion)


# the model is left as found


@pytest.mark.parametrize("fails", [False, True])
def test_state(images: Tensor, maps: Tensor, fails: bool) -> None:
    model = Network(inplace=True).train()
    model.layers[2].eval()
    flags = [part.training for part in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random, before = torch.get_rng_state(), images.clone()
    if fails:
        with pytest.raises(ValueError, match=r"0\.\.3"):
            insertion_deletion(model, images, targets + 1, maps)
        with pytest.raises(ValueError, match=r"0\.\.3"):
            extremes(model, images, targets + 1)
    else:
        insertion_deletion(model, images, targets, maps)
        extremes(model, images, targets)
    assert [part.training for part in model.modules()] == flags
    assert all(torch.equal(value, state[n]) for n, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(images, before)  # though the network overwrites its input


# what is refused


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_broken_maps_are_one_clear_line(
    images: Tensor, maps: Tensor, value: float
) -> None:
    maps[2, 0, 0] = value
    with pytest.raises(ValueError, match="the map of picture 2 is not finite"):
        insertion_deletion(Network(), images, targets, maps)


def test_shapes_are_checked(images: Tensor, maps: Tensor) -> None:
    with pytest.raises(ValueError, match=r"maps must be \[5, 6, 9\], .* \[5, 9, 6\]"):
        insertion_deletion(Network(), images, targets, maps.mT)
    with pytest.raises(ValueError, match=r"targets must be integers of shape \[5\]"):
        insertion_deletion(Network(), images, targets[:2], maps)
    with pytest.raises(ValueError, match="images must be"):
        insertion_deletion(Network(), images[0], targets, maps)
    for wrong in ({"steps": 0}, {"steps": 55}, {"orders": 0}):
        with pytest.raises(ValueError, match=r"steps must be in 1\.\.pixels"):
            insertion_deletion(Network(), images, targets, maps, **wrong)


def test_models_are_checked(images: Tensor, maps: Tensor) -> None:
    with pytest.raises(ValueError, match=r"logits \[B, K\], gave \[5, 3, 6\] for 5"):
        insertion_deletion(lambda x: x.mean(3), images, targets, maps)
    with pytest.raises(ValueError, match="gives NaN"):
        insertion_deletion(lambda x: x.mean((2, 3)).log(), images, targets % 3, maps)


# extremes


def test_extremes_are_means_per_class() -> None:
    light = torch.tensor([0.2, 0.6, 0.5]).view(3, 1, 1, 1).expand(3, 1, 6, 9)
    ends = extremes(mean_brightness, light, torch.tensor([0, 0, 1]), fill=0.9)
    assert ends.blurred.tolist() == pytest.approx([0.4, 0.5])
    assert ends.deleted.tolist() == pytest.approx([0.9, 0.1])
    assert ends.pictures.tolist() == [2, 1]
    assert ends.chance == 0.5


def test_a_class_without_pictures_has_no_extremes() -> None:
    light = torch.full((2, 1, 6, 9), 0.25)
    ends = extremes(mean_brightness, light, torch.tensor([1, 1]))
    assert ends.pictures.tolist() == [0, 2]
    assert ends.blurred.isnan().tolist() == [True, False]
    assert ends.deleted.isnan().tolist() == [True, False]


def test_extremes_are_the_ends_of_the_curves(images: Tensor, maps: Tensor) -> None:
    curves = insertion_deletion(Network(), images, targets, maps)
    ends = extremes(Network(), images, targets)
    assert ends.blurred[1].item() == pytest.approx(curves.insertion[2:4, 0].mean())
    assert ends.deleted[3].item() == pytest.approx(curves.deletion[1, -1])


def test_the_published_number_of_evaluations() -> None:
    assert STEPS * 1792 == 224 * 224
