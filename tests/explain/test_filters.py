"""One pass over all filters against full sorts, torch's quantile and slow loops."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.explain import filters
from helpers.settings import Refused


@pytest.fixture
def features() -> Tensor:
    """Maps with ties: few values, a filter that is dead and one that nearly is."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(37, 6, 5, 4, generator=generator).mul(3).round().div(2).relu()
    maps[:, 2] = 0
    maps[:, 4] = 0
    maps[11, 4, 2, 2] = maps[29, 4, 0, 0] = 0.5
    return maps


@pytest.mark.parametrize("block", [1, 5, 37])
@pytest.mark.parametrize("top", [1, 4, 50])
def test_the_top_pictures_are_those_of_a_full_sort(
    features: Tensor, block: int, top: int
) -> None:
    scan = filters.scan_filters(features.split(block), 37, top)
    for u in range(6):
        highest = features[:, u].flatten(1).amax(1).tolist()
        order = sorted(range(37), key=lambda i: (-highest[i], i))  # bisect's
        order = [i for i in order if highest[i] > 0][:top]
        missing = top - len(order)
        assert scan.pictures[u].tolist() == order + [-1] * missing
        assert scan.maxima[u].tolist() == [highest[i] for i in order] + [0] * missing
    assert scan.dead.tolist() == [u == 2 for u in range(6)]


@pytest.mark.parametrize("block", [1, 8, 40])
@pytest.mark.parametrize("quantile", [0.995, 0.9, 0.5, 0.3, 0.005])
def test_thresholds_are_the_quantiles_of_all_values(
    block: int, quantile: float
) -> None:
    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(40, 3, 4, 4, generator=generator, dtype=torch.float64)
    found = filters.scan_filters(maps.split(block), 40, 2, quantile).thresholds
    values = maps.transpose(0, 1).flatten(1)
    assert torch.allclose(found, values.quantile(quantile, dim=1), atol=1e-14)
    wanted = np.quantile(values.numpy(), quantile, axis=1)
    assert found.numpy() == pytest.approx(wanted, abs=1e-14)


def test_half_a_percent_is_above_the_threshold_and_not_all_but_it() -> None:
    generator = torch.Generator().manual_seed(2)
    maps = torch.randn(200, 4, 7, 7, generator=generator)
    places = 200 * 49
    scan = filters.scan_filters(maps.split(64), 200)
    share = (maps > scan.thresholds[:, None, None]).float().mean((0, 2, 3))
    assert (share - 0.005).abs().max() <= 1 / places
    low = filters.scan_filters(maps.relu().split(64), 200, quantile=0.005)
    assert (low.thresholds == 0).all()  # the published quantile, after a ReLU


def test_pairs_name_living_filters_alone(features: Tensor) -> None:
    scan = filters.scan_filters(features.split(9), 37, 3)
    which, pictures = scan.pairs()
    assert which.tolist() == [0, 0, 0, 1, 1, 1, 3, 3, 3, 4, 4, 5, 5, 5]
    assert pictures[which == 4].tolist() == [11, 29]
    assert (pictures >= 0).all()


def test_regions_are_cut_at_the_pictures_size() -> None:
    maps = torch.rand(3, 4, 4)
    found = filters.regions(maps, torch.tensor([0.2, 0.5, 2.0]), (8, 12))
    large = F.interpolate(maps[:, None], (8, 12), mode="bilinear")[:, 0]
    assert torch.equal(found[1], large[1] > 0.5)
    assert found.shape == (3, 8, 12)
    assert not found[2].any()
    still = filters.regions(torch.zeros(1, 4, 4), torch.zeros(1), (8, 12))
    assert not still.any()  # not above a threshold of 0, as after a ReLU
    blocks = list(filters.region_blocks(maps, torch.full((3,), 0.5), (8, 12)))
    assert torch.equal(torch.cat(blocks)[1], found[1])


def slow_concepts(maps, thresholds, pictures, masks, image_of, positives, least):
    rows = []
    for one, above, picture in zip(maps, thresholds, pictures, strict=True):
        region = filters.regions(one[None], above[None], tuple(masks.shape[1:]))[0]
        here = set()
        for mask, of, own in zip(masks, image_of, positives, strict=True):
            both, either = (mask & region).sum(), (mask | region).sum()
            if of == picture and either and both / either > least:
                here |= set(own.nonzero().flatten().tolist())
        rows.append([c in here for c in range(positives.shape[1])])
    return rows


def test_what_lies_in_a_region_is_found_instance_by_instance() -> None:
    generator = torch.Generator().manual_seed(3)
    maps = torch.rand(9, 3, 3, generator=generator)
    thresholds = torch.linspace(0.3, 0.95, 9)
    pictures = torch.tensor([4, 0, 4, 2, 2, 0, 4, 1, 5])
    image_of = torch.tensor([2, 0, 4, 0, 4, 4, 1, 3])
    masks = torch.rand(8, 12, 12, generator=generator) > 0.7
    masks[2] = False
    positives = torch.rand(8, 4, generator=generator) > 0.5
    given = (maps, thresholds, pictures, masks, image_of, positives)
    for least in (0.0, 0.04, 0.25):
        found = filters.concepts(*given, least)
        assert found.tolist() == slow_concepts(*given, least)
    assert filters.concepts(*given, 0.04).any()
    assert not filters.concepts(*given, 0.04)[8].any()  # no instance in picture 5


def test_an_overlap_must_exceed_the_least_one() -> None:
    masks = torch.zeros(1, 10, 10, dtype=torch.bool)
    masks[0, 0, :4] = True  # 4 of 100 pixels: IoU .04 with the whole picture
    given = (torch.ones(1, 2, 2), torch.zeros(1), torch.zeros(1).long())
    rest = (torch.zeros(1).long(), torch.ones(1, 1, dtype=torch.bool))
    assert not filters.concepts(*given, masks, *rest).any()
    masks[0, 0, 4] = True
    assert filters.concepts(*given, masks, *rest).all()


def test_maps_come_from_a_layer_and_leave_no_trace() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        images = torch.randn(10, 3, 6, 6)
    model.train()
    blocks = list(filters.feature_blocks(model, model[1], images.split(4)))
    assert [len(block) for block in blocks] == [4, 4, 2]
    assert model.training
    assert model[1].num_batches_tracked == 0
    with torch.no_grad():
        wanted = model.eval()[:2](images)
    assert torch.allclose(torch.cat(blocks), wanted, atol=1e-6)
    flat = nn.Sequential(nn.Flatten())
    with pytest.raises(Refused, match=r"must give maps \[b, d, h, w\], got \[4, 108\]"):
        list(filters.feature_blocks(flat, flat[0], images.split(4)))


def test_maps_are_kept_in_memory_or_in_a_file(tmp_path: Path) -> None:
    maps = torch.rand(10, 3, 2, 2)
    there = filters.cached(maps.split(4), 10, torch.float32)
    assert torch.equal(there, maps)
    half = filters.cached(maps.split(4), 10)
    assert half.dtype == torch.float16
    file = tmp_path / "maps"
    mapped = filters.cached(maps.split(4), 10, torch.float32, str(file))
    assert torch.equal(mapped, maps)
    assert file.stat().st_size == 10 * 12 * 4
    again = filters.cached((0 * maps).split(4), 10, torch.float32, str(file))
    assert (again == 0).all()  # never taken up as it lies there


def test_wrong_numbers_are_refused() -> None:
    maps = torch.rand(10, 3, 2, 2)
    for number in (9, 11):
        with pytest.raises(Refused, match=f"{number} pictures were announced"):
            filters.cached(maps.split(4), number)
    with pytest.raises(Refused, match="leave the range of"):
        filters.cached((1e6 * maps).split(4), 10)
    for number in (9, 11):
        with pytest.raises(Refused, match=f"{number} pictures were announced"):
            filters.scan_filters(maps.split(4), number)
    with pytest.raises(Refused, match="top must be"):
        filters.scan_filters([maps], 10, 0)
    with pytest.raises(Refused, match="quantile must lie"):
        filters.scan_filters([maps], 10, 3, 1.0)


def test_instances_that_do_not_fit_are_refused() -> None:
    masks, rows = torch.ones(2, 4, 4, dtype=torch.bool), torch.ones(2, 3).bool()
    with pytest.raises(Refused, match="masks must be bool"):
        filters.check_instances(masks.float(), torch.zeros(2), rows)
    with pytest.raises(Refused, match="positives must be bool"):
        filters.check_instances(masks, torch.zeros(2), rows.float())
    with pytest.raises(Refused, match="2 masks, 3 pictures and 2 rows"):
        filters.check_instances(masks, torch.zeros(3), rows)


def test_a_heat_map_darkens_what_a_filter_does_not_see() -> None:
    image, one = torch.ones(3, 4, 4), torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    shown = filters.heat_map(image, one)
    assert shown[:, 0, 0].tolist() == [1, 1, 1]
    assert shown.min().item() == pytest.approx(0.3)
    assert (filters.heat_map(image, 0 * one) == image * 0.3).all()
