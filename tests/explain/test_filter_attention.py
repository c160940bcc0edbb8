"""Filter attention against the printed formulas, cell by cell."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.explain import filter_attention as attention
from helpers.settings import Refused


@pytest.fixture
def features() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(3, 5, 4, 6, generator=generator, dtype=torch.float64).relu()
    maps[1, 2] = 0  # a dead map
    return maps


FILTERS = torch.tensor([0, 2, 4])


def slow(features: Tensor, u: int, threshold: float, name: str, cells: int) -> Tensor:
    """One filter, one map at a time; pooled by torch."""
    mine, found = features[u], []
    for other in features:
        both = mine.norm() * other.norm()
        cosine = (mine * other).sum() / both if both > 0 else torch.zeros(())
        seen = {
            "scalar": cosine * other,
            "elementwise": other * mine / mine.norm() if mine.norm() > 0 else 0 * other,
            "none": other,
            "activation": other * (mine > threshold),
        }[name]
        found.append(F.adaptive_avg_pool2d(seen[None, None], cells).flatten())
    return torch.cat(found)


@pytest.mark.parametrize("cells", [1, 2, 3])
@pytest.mark.parametrize("name", list(attention.ATTENTION))
def test_readings_are_those_of_the_formulas(
    features: Tensor, name: str, cells: int
) -> None:
    thresholds = torch.tensor([0.5, 0.1, 0.3], dtype=torch.float64)
    for picture in features:
        found = attention.ATTENTION[name](picture, FILTERS, thresholds, cells)
        assert found.dtype == torch.float64
        for row, u in enumerate(FILTERS.tolist()):
            wanted = slow(picture, u, float(thresholds[row]), name, cells)
            assert torch.allclose(found[row], wanted, atol=1e-12), (u, name)


def test_the_codes_reading_is_the_printed_one_times_a_length(features: Tensor) -> None:
    """z_k = |F_k| cos(F_u, F_k) / h w against cos(F_u, F_k) mean(F_k)."""
    found = attention.elementwise(features[0], FILTERS, FILTERS)
    flat = features[0].flatten(1)
    cosines = F.cosine_similarity(flat[FILTERS][:, None], flat[None], dim=2)
    assert torch.allclose(found, flat.norm(dim=1) * cosines / 24, atol=1e-12)


def test_pooling_is_torchs(features: Tensor) -> None:
    for cells in (1, 2, 4, 6):
        wanted = F.adaptive_avg_pool2d(features, cells).flatten(1)
        assert torch.allclose(attention.pool(features, cells), wanted, atol=1e-12)
    assert attention.pool(features.half()).dtype == torch.float32
    with pytest.raises(Refused, match="cells must be 1 or more"):
        attention.pool(features, 0)


def test_alexnets_maps_are_flattened_not_squeezed() -> None:
    maps = torch.rand(2, 3, 6, 6)
    assert torch.allclose(attention.pool(maps, 6), maps.flatten(1))
    assert attention.pool(maps).shape == (2, 3)


def test_pairs_of_many_pictures_keep_their_order(features: Tensor) -> None:
    filters = torch.tensor([4, 0, 1, 3, 2])
    pictures = torch.tensor([2, 0, 2, 1, 0])
    thresholds = torch.linspace(0, 1, 5, dtype=torch.float64)
    for name in attention.ATTENTION:
        found = attention.attended(features, filters, pictures, thresholds, name)
        for row, (u, i) in enumerate(zip(filters, pictures, strict=True)):
            wanted = slow(features[i], int(u), float(thresholds[u]), name, 1)
            assert torch.allclose(found[row], wanted, atol=1e-12)
    with pytest.raises(Refused, match="one of scalar, elementwise, none, activation"):
        attention.attended(features, filters, pictures, thresholds, "projection")


def test_a_masked_picture_is_read_anew_and_not_written_on() -> None:
    images = torch.rand(2, 3, 4, 4)
    before = images.clone()
    pictures = torch.tensor([1, 0, 1])
    masks = torch.rand(3, 4, 4) > 0.5
    found = attention.attended_pictures(
        images, pictures, iter(masks.split(2)), lambda shown: shown[:, :2] ** 2
    )
    wanted = (before[pictures] * masks[:, None])[:, :2].square().mean((2, 3))
    assert torch.allclose(found, wanted)
    assert torch.equal(images, before)


def test_rows_are_grouped_by_picture() -> None:
    named = torch.tensor([3, 1, 3, 0, 1, 3])
    groups = {p: rows.tolist() for p, rows in attention.by_picture(named)}
    assert groups == {0: [3], 1: [1, 4], 3: [0, 2, 5]}
    assert list(attention.by_picture(named[:0])) == []
