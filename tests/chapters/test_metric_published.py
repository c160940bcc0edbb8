"""Chapter 05's published conventions, tables of the papers, scores of place."""

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from helpers.chapters import (
    metric_arms,
    metric_places,
    metric_published,
    metric_table,
    metrics,
)
from helpers.data import catalog
from helpers.data.catalog import Pictures
from helpers.measure import consistency
from helpers.report import place_figures, score_figures
from helpers.settings import DataSettings
from helpers.streams import stream
from helpers.vision import backbone, initialise


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return catalog.load(DataSettings(train=8, test=24, explained=4, size=64), "test")


@pytest.fixture(scope="module")
def model() -> nn.Module:
    net = backbone("scene-resnet", 24)
    initialise(net, stream(3, "initialisation"))
    return net.eval()


def bare(pictures: Pictures) -> Pictures:
    return Pictures(
        pictures.images,
        pictures.labels,
        pictures.class_names,
        pictures.mean,
        pictures.std,
    )


# Conventions


def test_codes_that_differ_in_nothing_share_a_row(
    model: nn.Module, pictures: Pictures
) -> None:
    table = metric_published.by_code(model, pictures.first(2))
    shared = [name for name in table["code"] if "CGC" in name]
    assert shared == ["UCDvision/CGC, konradszewczyk/lico-reproduction"]
    here = table.set_index("code").loc["here"]
    assert here["insertion, margins"] == here["deletion, margins"] == 0
    assert here["evaluations"] == 29
    rows = table.set_index("code")
    assert rows.loc["robertdvdk/lico-fact, CIFAR", "evaluations"] == 103


def test_a_choice_alone_does_what_it_says(model: nn.Module, pictures: Pictures) -> None:
    table = metric_published.choices(model, pictures.first(3), batch=2)
    assert np.isfinite(table["difference"]).all()
    assert (table["in margins"] >= 0).all()
    rows = table.set_index(["convention", "score"])
    ratio = rows.loc[("area by evaluations, not steps", "deletion")]
    assert ratio["so"] / ratio["here"] == pytest.approx(28 / 29)
    own = rows.groupby(level="score")["here"].nunique()
    assert (own == 1).all()  # one value of this book's, whatever is changed
    assert rows.loc[("1,792 pixels a step", "deletion")]["difference"] != 0
    starts = [name for name in table["convention"] if name.startswith("from")]
    assert len(starts) == 3  # of insertion alone


def test_the_spread_of_a_part_is_that_of_many_draws() -> None:
    values = torch.rand(200, generator=torch.Generator().manual_seed(0)).numpy()
    rng = np.random.default_rng(0)
    drawn = [rng.permutation(values)[:38].mean() for _ in range(4000)]
    found = metric_published.subset_spread(values, 38, 200)
    assert found == pytest.approx(np.std(drawn), rel=0.05)
    half = np.where(np.arange(200) % 2 == 0, values, np.nan)
    fewer = metric_published.subset_spread(half, 38, 200)
    expected = np.nanstd(half, ddof=1) * math.sqrt((1 - 0.19) / 19)
    assert fewer == pytest.approx(expected)
    assert metric_published.subset_spread(values, 200, 200) == 0
    assert math.isnan(metric_published.subset_spread([1.0]))
    with pytest.raises(ValueError, match="a part must be"):
        metric_published.subset_spread(values, 0)


def test_a_mean_of_batch_means_weighs_the_last_batch_more() -> None:
    values = [0.0] * 750 + [1.0] * 2  # 15 batches of 50, then one of 2
    assert metric_published.of_batches(values) == pytest.approx(1 / 16)
    assert metric_published.of_batches([None, 0.5], 1, 2) == 0.5
    scores = {"insertion": values, "deletion": values}
    record = {
        "maps": {"Grad-CAM": scores},
        "consistency": {"Grad-CAM": {"ses": values}},
    }
    rows = metric_published.about_pictures(record).set_index(["score", "convention"])
    found = rows.loc[("SES", "mean of batch means")]
    assert found["here"] == pytest.approx(2 / 752)
    assert found["in margins"] == pytest.approx((1 / 16 - 2 / 752) / 0.02)
    assert len(rows) == 4


def test_a_mask_of_any_class_holds_more(model: nn.Module, pictures: Pictures) -> None:
    table = metric_published.any_class(model, pictures, count=6)
    (row,) = table.to_dict("records")
    assert 0 < row["here"] < row["so"] < 1
    assert metric_published.any_class(model, bare(pictures)).empty
    one_class = pictures.rows(pictures.labels == pictures.labels[0])
    assert metric_published.any_class(model, one_class).empty


# Published tables


def test_overall_is_insertion_less_deletion(
    model: nn.Module, pictures: Pictures
) -> None:
    shown = pictures.first(3)
    maps = metric_table.three_methods(model, shown, 8)
    assert list(maps) == ["Grad-CAM", "Grad-CAM++", "RISE"]
    with_floors = maps | metrics.references(model, shown)
    table = metric_table.of_arms(
        {"ce": model, "lico": model}, {"ce": with_floors, "lico": maps}, shown
    )
    assert np.allclose(table["overall"], table["insertion"] - table["deletion"])
    assert list(table["arm"][:2]) == ["ce", "lico"]
    assert "uniform" in set(table["map"])
    gaps = metric_table.differences(table)
    own = gaps[gaps["source"] == metric_table.HERE]
    assert len(own) == 9
    assert (own["difference"] == 0).all()
    response = gaps[(gaps["data"] == "CIFAR-10") & (gaps["method"] == "RISE")]
    rows = response.set_index(["source", "score"])["difference"]
    assert rows["author response, 2024", "insertion"] == pytest.approx(0.0218)
    score_figures.table_three(gaps)
    score_figures.table_three(gaps[gaps["source"] != metric_table.HERE])
    plt.close("all")


def row_of(value: float, **areas: float) -> dict[str, Any]:
    """A run of a summary whose scores are all the same but for some."""
    scores = dict.fromkeys(metric_table.BESIDE, value) | {"mosu reversed": 0.1} | areas
    return {"means": {"Grad-CAM": scores}, "accuracy": {"test": 0.8}}


def test_tables_of_the_study_stand_beside_ours() -> None:
    runs = {"1": row_of(0.4, deletion=0.1), "2": row_of(0.6, deletion=0.1)}
    table = metric_table.tables_2_to_4({"arms": {"ce": runs, "mm": runs}})
    ours = table[table["source"] == metric_table.STUDY]
    cells = ours.set_index(["metric", "data"])["ce"].to_dict()
    assert cells == {
        ("insertion", "scenes"): "0.500 ± 0.141",
        ("deletion", "scenes"): "0.100 ± 0.000",
        ("overall", "scenes"): "0.400 ± 0.141",
        ("top-1", "scenes"): "0.800 ± 0.000",  # top-5 was not recorded
        ("SES", "scenes"): "0.500 ± 0.141",
        ("SCH", "scenes"): "0.500 ± 0.141",
        ("MOSU", "scenes"): "0.500 ± 0.141",
        ("MOSU", "scenes, reversed"): "0.100 ± 0.000",
    }
    assert set(ours["lico"]) == {"—"}
    alone = metric_table.tables_2_to_4(None)
    assert len(alone) == len(table) - len(ours)
    assert ".727" in str(alone.iloc[0]["ce"])
    assert {"top-1", "top-5", "overall"} <= set(alone["metric"])


def test_arms_stand_above_their_spread_and_the_floors() -> None:
    seeds = {"1": row_of(0.4, deletion=0.1), "2": row_of(0.6, deletion=0.1)}
    flat = {"sch": 0.2, "deletion": 0.3}
    for one in seeds.values():
        one["means"]["uniform"] = flat
    arms = {"one-hot": {"1": row_of(0.7)}, "mine": seeds, "ce": seeds}
    table = metric_table.of_study({"arms": arms}).set_index("arm or map")
    below = [metric_table.SPREAD, "uniform"]
    assert list(table.index) == ["ce", "one-hot", "mine", *below]
    assert table.loc["ce", "SCH"] == pytest.approx(0.5)
    assert table.loc["ce", "overall"] == pytest.approx(0.4)
    assert table.loc[metric_table.SPREAD, "SCH"] == pytest.approx(0.02**0.5)
    assert table.loc["uniform", "SCH"] == 0.2
    assert math.isnan(table.loc["uniform", "insertion"])
    none = metric_table.of_study({"arms": arms}, ["epg"])
    assert list(none) == ["arm or map", "seeds"]


def test_how_far_lico_is_ahead_by_its_direction() -> None:
    arms = {
        "ce": {"1": row_of(0.5, mosu=0.2)},
        "lico": {"1": row_of(0.6, mosu=0.5)},
    }
    table = metric_table.by_scores({"arms": arms}, ["sch", "mosu", "epg"])
    assert list(table["score"]) == ["SCH", "MOSU"]
    assert list(table["LICO ahead, margins"]) == pytest.approx([5.0, -10.0])
    assert list(table["lico"]) == [0.6, 0.5]


# Place and spread


def test_one_picture_is_scored_as_all_are(model: nn.Module, pictures: Pictures) -> None:
    one = pictures.first(1)
    looked, values = metric_places.on_one(model, one, pictures)
    assert {"EPG", "pointing game", "mIoU", "border share"} <= set(values)
    assert one.masks is not None
    assert looked.mask is not None
    wanted = consistency.sch(looked.saliency[None], one.masks)
    assert 0 <= float(wanted) <= 1
    figure = place_figures.where(looked, values)
    assert next(axis.get_title() for axis in figure.axes) == "EPG"
    bare_looked, few = metric_places.on_one(model, bare(one), bare(pictures))
    assert "EPG" not in few
    place_figures.where(bare_looked, few)
    plt.close("all")


def test_ses_lies_under_its_ceiling(model: nn.Module, pictures: Pictures) -> None:
    moved = metrics.moved_maps(model, pictures)
    (row,) = metric_places.ses_levels(model, moved).to_dict("records")
    assert row["SES"] == pytest.approx(moved.ses.mean().item(), abs=1e-6)
    assert row["by chance"] == pytest.approx(moved.by_chance.mean().item(), abs=1e-6)
    assert row["SES"] < row["ceiling"] < 1


def test_a_table_of_places_has_all_that_records_hold() -> None:
    record: dict[str, Any] = {
        "place": {"Grad-CAM": {"epg": [0.2, None, 0.4]}, "uniform": {"epg": [0.1]}},
        "grids": {"Grad-CAM": {"gridpg": [0.5, None]}},
    }
    table = metric_places.table([record, record]).set_index("map")
    assert table.loc["Grad-CAM", "epg"] == pytest.approx(0.3)
    assert table.loc["Grad-CAM", "gridpg"] == 0.5
    assert math.isnan(table.loc["uniform", "gridpg"])
    assert metric_places.table([{"maps": {}}]).empty


# Arms


def test_scores_that_a_study_lacks_are_named() -> None:
    old = {"means": {"Grad-CAM": {"sch": 0.5}}}
    new = {"means": {"Grad-CAM": dict.fromkeys(metric_arms.PLACES, 0.5)}}
    said = metric_arms.what_scores_are_missing({"arms": {"ce": {"1": old}}})
    assert "EPG, GridPG, pointing game" in said
    full = {"arms": {"ce": {"1": new}}}
    assert "all of these" in metric_arms.what_scores_are_missing(full)
    assert metric_arms.holds(full)
    assert not metric_arms.holds({"arms": {"ce": {"1": old}}})
    assert not metric_arms.holds(None)


def test_a_score_without_a_value_has_no_dot() -> None:
    """A record has null where no picture has the score."""
    runs = {"1": {"means": {"Grad-CAM": {"sch": 0.5, "epg": None}, "uniform": {}}}}
    found = {"arms": {"ce": runs}}
    frame = metric_arms.scores_of_arms({"here": found}, ["sch", "epg", "iou"])
    assert list(frame["score"]) == ["sch"]
    levels = metric_arms.levels(found, ["sch", "epg"])
    assert levels.empty
    score_figures.arm_scores(frame, levels)
    assert metric_arms.ahead_of_floors(frame, levels).empty
    plt.close("all")
