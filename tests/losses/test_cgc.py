"""CGC's contrast on cells against the published form on maps of the picture's size."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.data.geometry import Crops, crop_maps, random_crops
from helpers.losses import cgc
from helpers.streams import stream

SIZE = (40, 28)


def plain(maps: Tensor, crops: Crops | None = None) -> Tensor:
    """Enlarge, normalise, move, flatten, scale to length 1: `[B, H W]`."""
    wide = F.interpolate(maps[:, None], SIZE, mode="bilinear")[:, 0]
    wide = wide / (wide.sum((1, 2), keepdim=True) + 1e-8) + 1e-8
    if crops is not None:
        wide = crop_maps(wide, crops)
    return F.normalize(wide.flatten(1), dim=1)


def plain_loss(augmented: Tensor, original: Tensor, crops: Crops, t: float) -> Tensor:
    """Write the rows out: the positive, then the others in their order."""
    a, o = plain(augmented), plain(original, crops)
    losses = []
    for b in range(len(a)):
        others = [a[b] @ a[j] for j in range(len(a)) if j != b]
        row = torch.stack([a[b] @ o[b], *others]) / t
        losses.append(F.cross_entropy(row[None], torch.tensor([0])))
    return torch.stack(losses).mean()


def fast_loss(augmented: Tensor, original: Tensor, crops: Crops, t: float) -> Tensor:
    both = cgc.cosines(augmented, original, crops.windows, crops.mirrored, crops.size)
    return cgc.info_nce(*both, t).mean()


def drawn(count: int = 7, scale: float = 1.0) -> tuple[Tensor, Tensor, Crops]:
    """Return two batches of maps, some cells 0, one map of each all 0, and crops."""
    generator = stream(5, "maps")
    maps = torch.randn(2, count, 5, 4, generator=generator, dtype=torch.float64)
    maps = scale * maps.relu()
    maps[0, 2], maps[1, 3] = 0.0, 0.0
    augmented, original = (half.clone().requires_grad_() for half in maps)
    crops = random_crops(count, SIZE, stream(6, "crops"))
    crops.windows[0] = torch.tensor([39, 27, 1, 1])  # a pixel in the corner
    crops.windows[1] = torch.tensor([0, 0, *SIZE])
    assert crops.mirrored.any()
    assert not crops.mirrored.all()
    return augmented, original, crops


def test_cosines_are_those_of_maps_of_the_pictures_size() -> None:
    augmented, original, crops = drawn()
    same, others = cgc.cosines(
        augmented, original, crops.windows, crops.mirrored, crops.size
    )
    a, o = plain(augmented), plain(original, crops)
    assert (same - (a * o).sum(1)).abs().max() < 1e-12
    assert (others - a @ a.T).abs().max() < 1e-12


@pytest.mark.parametrize("t", [0.5, 0.01], ids=["the paper's", "the study's"])
@pytest.mark.parametrize("scale", [1.0, 1e-10], ids=["maps", "hardly any map"])
def test_the_loss_and_its_gradients_are_those_of_the_plain_form(
    t: float, scale: float
) -> None:
    """Of both maps: nothing is detached. The second scale makes the shift count."""
    augmented, original, crops = drawn(scale=scale)

    def found(loss: Callable[..., Tensor]) -> tuple[Tensor, ...]:
        value = loss(augmented, original, crops, t)
        return value, *torch.autograd.grad(value, (augmented, original))

    for one, two in zip(found(fast_loss), found(plain_loss), strict=True):
        assert two.abs().max() > 0
        assert (one - two).abs().max() < 1e-10 * max(1, two.abs().max())


def test_two_pictures_by_hand() -> None:
    same, others = torch.tensor([0.9, 0.2]), torch.tensor([[1.0, 0.6], [0.6, 1.0]])
    for t in (0.5, 0.01):
        wanted = [
            math.log(1 + math.exp((0.6 - 0.9) / t)),
            math.log(1 + math.exp((0.6 - 0.2) / t)),
        ]
        found = cgc.info_nce(same, others, t).tolist()
        assert found == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def test_a_map_that_moves_with_its_picture_agrees() -> None:
    original = drawn()[1].detach()
    whole = torch.tensor([[0.0, 0.0, *SIZE]] * len(original))
    moved = torch.tensor([True, False] * 4)[: len(original)]
    turned = torch.where(moved[:, None, None], original.flip(2), original)
    same, others = cgc.cosines(turned, original, whole, moved, SIZE)
    assert same.tolist() == pytest.approx([1.0] * len(original), abs=1e-12)
    assert others.diagonal().tolist() == pytest.approx([1.0] * len(original))
    still, _ = cgc.cosines(original, original, whole, moved, SIZE)
    assert still[~moved].min().item() == pytest.approx(1)
    assert still[moved].max() < 0.9


def test_shares_sum_to_one_and_are_even_where_there_is_no_map() -> None:
    _, original, _ = drawn()
    cells = cgc.shares(original, SIZE)
    wide = F.interpolate(cells[:, None], SIZE, mode="bilinear")[:, 0]
    sums = wide.sum((1, 2)).tolist()
    pixels = SIZE[0] * SIZE[1] * 1e-8
    nothing = (original == 0).flatten(1).all(1).tolist()
    assert any(nothing)
    wanted = [pixels if zero else 1 + pixels for zero in nothing]
    assert sums == pytest.approx(wanted, rel=1e-7)
    assert (cells[nothing] == 1e-8).all()


def test_a_picture_alone_has_no_contrast() -> None:
    augmented, original, crops = drawn()
    alone = Crops(crops.windows[:1], crops.mirrored[:1], SIZE)
    assert float(fast_loss(augmented[:1], original[:1], alone, 0.5).detach()) == 0


def test_gradients_come_back_in_the_type_that_came_in() -> None:
    augmented, original, crops = drawn()
    half = original.detach().float().requires_grad_()
    fast_loss(augmented.detach().float(), half, crops, 0.5).backward()
    assert half.grad is not None
    assert half.grad.dtype == torch.float32
    assert half.grad.isfinite().all()


def test_maps_and_windows_that_do_not_go_together() -> None:
    augmented, original, crops = drawn()
    with pytest.raises(ValueError, match="maps must both be"):
        cgc.cosines(augmented[:, :4], original, crops.windows, crops.mirrored, SIZE)
    with pytest.raises(ValueError, match="7 maps need as many windows"):
        cgc.cosines(augmented, original, crops.windows[:3], crops.mirrored, SIZE)
