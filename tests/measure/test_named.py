"""Every metric by its name is the metric itself; needs, causes and floors hold."""

import math

import pytest
import torch
from torch import Tensor, nn

from helpers.data.geometry import crop_images, crop_maps, random_crops
from helpers.measure import concentration, consistency, localisation
from helpers.measure.grid_pointing import cell_masks
from helpers.measure.named import METRICS, completed, scores
from helpers.measure.perturbation import insertion_deletion
from helpers.measure.subject import Maps, Subject, joined
from helpers.report import margins
from helpers.settings import Refused

PLAIN = [name for name in METRICS if name != "gridpg"]


def subject(pictures: slice = slice(None)) -> tuple[Subject, Maps]:
    """Three pictures: two objects; one object; none. The last map is zero."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 5, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(5, 4)).eval()
    images, size = torch.randn(3, 3, 16, 20), (16, 20)
    masks = torch.zeros(3, 16, 20, dtype=torch.bool)
    masks[0, 2:6, 3:7] = masks[0, 9:15, 10:18] = masks[1, 4:12, 5:15] = True
    boxes = torch.full((3, 2, 4), -1.0)
    boxes[0, 0], boxes[0, 1] = torch.tensor([[3.0, 2, 7, 6], [10, 9, 18, 15]])
    boxes[1, 0] = torch.tensor([5.0, 4, 15, 12])
    ignored = torch.zeros_like(masks)
    ignored[:, :, :2] = True
    draws = [random_crops(3, size, torch.Generator().manual_seed(s)) for s in (1, 2)]
    maps = torch.rand(3, 16, 20)
    maps[2] = 0
    anew = tuple(torch.rand(3, 16, 20) for _ in draws)
    crops = tuple(
        type(one)(one.windows[pictures], one.mirrored[pictures], size) for one in draws
    )
    given = Subject(
        model,
        images[pictures],
        torch.tensor([0, 3, 1])[pictures],
        (4, 5),
        masks[pictures],
        ignored[pictures],
        boxes[pictures],
        crops,
    )
    moved = tuple(one[pictures] for one in anew)
    return given, Maps(maps[pictures], moved, maps.roll(-1, 0)[pictures])


def same(a: Tensor, b: Tensor) -> bool:
    return bool(torch.allclose(a.double(), b.double(), equal_nan=True))


def test_values_are_those_of_the_metrics_themselves() -> None:
    s, m = subject()
    assert s.masks is not None
    assert s.boxes is not None
    found = scores(PLAIN, s, m)
    maps, masks, ignored = m.pictures, s.masks, s.ignored
    curves = insertion_deletion(s.model, s.images, s.targets, maps)
    mosu = consistency.mosu(maps, s.boxes)
    ses = [
        consistency.ses(crop_maps(maps, crops), anew)
        for crops, anew in zip(s.crops, m.cropped, strict=True)
    ]
    boxed = localisation.box_masks(s.boxes, (16, 20))
    wanted = {
        "insertion": curves.insertion_auc,
        "deletion": curves.deletion_auc,
        "ses": (ses[0] + ses[1]) / 2,
        "sch": consistency.sch(maps, masks, ignored),
        "mosu": mosu.area_to_saliency,
        "mosu-reversed": mosu.saliency_to_area,
        "epg": localisation.energy_pointing_game(maps, boxed, ignored),
        "pointing": localisation.pointing_game(maps, masks, ignored),
        "contrast": localisation.score_contrast(maps, masks, ignored),
        "iou": localisation.iou(
            localisation.above_share(maps, 0.5, ignored), masks, ignored
        ),
        "gini": consistency.gini(maps),
        "entropy": concentration.entropy(maps),
        "border": concentration.border_share(maps, (4, 5)),
    }
    assert set(wanted) == set(PLAIN)
    for name, values in wanted.items():
        assert same(found[name].values, values), name
    share = consistency.mask_share(masks, ignored)
    assert same(found["sch"].beside["less area"], found["sch"].values - share)


def test_every_value_that_is_missing_has_its_cause() -> None:
    found = scores(PLAIN, *subject())
    for name, score in found.items():
        total = score.mean()
        assert total.pictures == 3
        assert "not known why" not in total.undefined, name
    assert found["sch"].mean().undefined == {"no object": 1}
    assert found["mosu"].mean().undefined == {"fewer than two boxes": 2}
    assert found["entropy"].mean().undefined == {"zero map": 1}
    assert found["mosu"].noted["overlapping boxes"].tolist() == [False] * 3
    assert found["ses"].noted["zero map"].tolist() == [False, False, True]


def test_a_part_of_the_pictures_has_the_same_scores() -> None:
    whole = scores(PLAIN, *subject())
    parts = [scores(PLAIN, *subject(one)) for one in (slice(0, 2), slice(2, 3))]
    for name in PLAIN:
        both = joined([part[name] for part in parts])
        assert same(both.values, whole[name].values), name
        for kind in ("causes", "noted", "beside"):
            for key, values in getattr(whole[name], kind).items():
                assert same(getattr(both, kind)[key], values), (name, key)


def test_signed_maps_are_ranked_whole_and_summed_by_their_positive_part() -> None:
    s, m = subject()
    signed = m.pictures - 0.5
    found = scores(PLAIN, s, Maps(signed, m.cropped, m.others))
    rectified = scores(PLAIN, s, Maps(signed.relu(), m.cropped, m.others))
    for name in ("ses", "sch", "mosu", "epg", "gini", "border"):
        assert same(found[name].values, rectified[name].values), name
    assert not same(found["contrast"].values, rectified["contrast"].values)
    assert not same(found["insertion"].values, rectified["insertion"].values)


def test_chance_of_ses_is_the_other_pictures_map() -> None:
    s, _ = subject()
    blind = torch.rand(16, 20).expand(3, -1, -1)
    anew = tuple(crop_images(blind[:, None], one)[:, 0] for one in s.crops)
    score = scores(["ses"], s, Maps(blind, anew, blind))["ses"]
    assert torch.allclose(score.values, torch.ones(3), atol=1e-5)
    assert score.beside["less chance"].abs().max() < 1e-5


def test_gridpg_takes_composites_and_has_a_quarter_by_chance() -> None:
    s, _ = subject()
    cells = torch.tensor([0, 1, 3])
    grid = Subject(s.model, s.images, s.targets, grid=(2, cells))
    even = scores(["gridpg"], grid, Maps(torch.ones(3, 16, 20)))["gridpg"]
    assert even.values.tolist() == pytest.approx([0.25] * 3)
    assert even.beside["less area"].abs().max() < 1e-6
    right = Maps(cell_masks(cells, 2, (16, 20)).float())
    assert scores(["gridpg"], grid, right)["gridpg"].values.tolist() == [1, 1, 1]


def test_what_is_read_together_and_what_is_missing() -> None:
    assert completed(["mosu", "ses"]) == ["ses", "sch", "mosu", "gini"]
    with pytest.raises(Refused, match="unknown metric 'mosuu'; did you mean 'mosu'"):
        completed(["mosuu"])
    s, m = subject()
    bare = Subject(s.model, s.images, s.targets)
    with pytest.raises(Refused, match="metric 'mosu' needs boxes and masks"):
        scores(["mosu"], bare, m)
    with pytest.raises(Refused, match="metric 'gridpg' needs grid"):
        scores(["gridpg"], s, m)


def test_rows_have_the_committed_margins_and_their_direction() -> None:
    kept = margins.load().metrics
    for name, row in METRICS.items():
        assert row.name == name
        higher = kept[row.margin].higher_is_better
        assert row.better == ("higher" if higher else "lower"), name


def test_means_over_chosen_pictures() -> None:
    score = scores(["sch"], *subject())["sch"]
    where = torch.tensor([False, True, True])
    some = score.mean(where=where)
    assert (some.used, some.undefined) == (1, {"no object": 1})
    assert some.mean == pytest.approx(float(score.values[1]))
    assert math.isnan(score.mean(where=torch.tensor([False, False, True])).mean)
    none = score.mean("less area", torch.zeros(3, dtype=torch.bool))
    assert (none.used, none.pictures) == (0, 0)
