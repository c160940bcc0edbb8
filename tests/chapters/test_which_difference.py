"""Chapter 07: who differs in what, what losses push for, tables of what was trained."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from helpers import paths
from helpers.chapters import difference_claims as claims
from helpers.chapters import difference_effects as effects
from helpers.chapters import language_push, which_difference
from helpers.chapters.which_difference import (
    CODES,
    PART,
    WHOLE,
    WhichDifference,
    code_table,
    in_no_code,
    open_table,
    repairs_table,
    switch_table,
    unrepaired,
)
from helpers.data import catalog
from helpers.lab.recipes import recipe
from helpers.language.tiny_clip import build_tiny_clip
from helpers.methods.factors import FACTORS, GROUPS
from helpers.methods.presets import PRESETS, RECIPES, preset
from helpers.report import factors as effects_of
from helpers.report import records, whole_codes
from helpers.report.records import packed, unpacked
from helpers.settings import Refused, RunSettings
from helpers.vision import backbone

# Which arms


def test_a_difference_of_the_training_has_its_own_baseline() -> None:
    chapter = WhichDifference.of(factors=["names sorted", "rate 0.1"], seeds=[1, 2])
    arms = chapter.arms()
    assert list(arms) == ["ce", "lico", "names sorted", "ce: rate 0.1", "rate 0.1"]
    assert all(len(runs) == 2 for runs in arms.values())
    assert arms["ce: rate 0.1"][0].method.lr == arms["rate 0.1"][0].method.lr == 0.1
    assert arms["names sorted"][0].method.names == "sorted"


def test_groups_are_their_factors_and_nothing_is_given_twice() -> None:
    chapter = WhichDifference.of(factors=["training"])
    assert len(chapter.chosen()) == len(GROUPS["training"])
    with pytest.raises(Refused, match="once"):
        WhichDifference.of(factors=["training", "rate 0.1"])
    with pytest.raises(Refused, match="did you mean 'rate 0\\.1'"):
        WhichDifference.of(factors=["rate 01"])


# Who differs in what


def test_no_two_codes_have_the_same_differences_and_none_has_none() -> None:
    table = code_table().set_index("difference")
    rows = {code: tuple(table[code]) for code in CODES}
    assert len(set(rows.values())) == len(CODES)
    assert all(any(row) for row in rows.values())


def test_a_part_of_a_larger_difference_is_marked_as_such() -> None:
    table = code_table().set_index("difference")
    assert table.loc["MM: both pooled", "lico_fact"] == WHOLE
    assert table.loc["MM: text pooled", "lico_fact"] == PART
    assert table.loc["mirror, shift 4", "authors_jan"] == PART  # into zeros there
    assert table.loc["mirror, shift 4", "lico_fact"] == WHOLE
    assert table.loc["OT: stopped early", "repro_shared"] == PART
    assert table.loc["names by folder", "repro_shared"] == "CIFAR-100 alone"
    option = "by an option, or not kept"
    assert list(table.columns[table.loc["averaged weights"] == option]) == [
        *("authors_jan", "authors_oct"),
    ]
    assert table.loc["best validation epoch", "lico_fact"] == option


def test_readings_and_remedies_are_in_no_code() -> None:
    absent = in_no_code(code_table())
    assert {"MM: diagonal out", "OT: distinct copies"} <= {*absent}
    assert not {"names sorted", "averaged weights"} & {*absent}


def test_the_switches_are_those_of_the_presets() -> None:
    table = switch_table().set_index("switch")
    for code in CODES:
        own, paper = preset(code, **RECIPES.get(code, {})), preset("paper")
        for switch, row in table.iterrows():
            same = getattr(own, str(switch)) == getattr(paper, str(switch))
            assert (row[code] == "·") is same, (code, switch)


def test_the_october_view_fails_but_for_sixty_rows() -> None:
    assert "RuntimeError, shape '[6, 10, 16]' is invalid" in unrepaired(12, 10, 16)
    assert unrepaired(6, 10, 16) == "no error: (6, 10, 16)"


def test_tables_of_repairs_and_open_points_name_real_switches() -> None:
    repaired = repairs_table().groupby("code").size().to_dict()
    assert repaired == {"ymLeiFDU/LICO, Jan 2024": 3, "ymLeiFDU/LICO, Oct 2024": 5}
    for row in open_table().to_dict("records"):
        assert row["taken"] == str(getattr(preset("rebuttal"), row["switch"]))
        assert row["taken"] not in row["other readings"].split(", ")


# Pushes


@pytest.fixture(scope="module")
def scene() -> tuple[WhichDifference, nn.Module, nn.Module, Any]:
    """Return chapter, an untrained network, an untrained CLIP, normalised pictures."""
    chapter = WhichDifference.of(batch=8, seeds=[3])
    torch.manual_seed(0)
    network = backbone("scene-resnet", 24).eval()
    data = chapter.data().model_copy(update={"train": language_push.FEW})
    pictures = catalog.load(data, "train").first(8)
    return chapter, network, build_tiny_clip(0).eval(), pictures


def pushed(scene: Any, start: str, **changed: Any) -> dict[str, torch.Tensor]:
    chapter, network, clip, pictures = scene
    seen = pictures.normalised(), pictures.labels
    return language_push.push(chapter, network, clip, seen, start, changed)


@pytest.mark.parametrize("name", ["paper", "lico_fact", "authors_jan", "rebuttal"])
def test_the_push_is_what_the_first_step_of_training_logs(
    scene: Any, name: str
) -> None:
    chapter, network, clip, pictures = scene
    settings = RunSettings(
        data=chapter.data().model_copy(update={"train": language_push.FEW}),
        method=chapter.lico(name),
        seed=3,
    )
    module, _ = recipe(settings).module_and_tensors(settings, [clip])
    module.model = network
    module.model.eval()
    torch.manual_seed(3)
    said = module.training_step((pictures.images, pictures.labels))
    found = pushed(scene, name)
    for loss, slope in found.items():
        logged = float(said[f"{loss} gradient"])
        assert float(slope.norm()) == pytest.approx(logged, rel=1e-4, abs=1e-12), loss


def test_a_plan_and_cost_without_gradient_push_for_nothing(scene: Any) -> None:
    assert not pushed(scene, "paper", plan_gradient="none")["ot"].any()
    assert pushed(scene, "paper")["ot"].any()


def test_norms_and_cosine_by_hand() -> None:
    def slopes(ce: list[float], mm: list[float], ot: list[float]) -> dict[str, Any]:
        return {
            name: torch.tensor(values).double()
            for name, values in (("ce", ce), ("mm", mm), ("ot", ot))
        }

    own = slopes([0.0, 2.0], [1.0, 0.0], [0.0, 0.0])
    here = slopes([2.0, 0.0], [3.0, 0.0], [0.0, 4.0])
    found = language_push.row_of_push(here, own)
    assert found == pytest.approx({"MM": 1.5, "OT": 2.0, "both": 2.5, "cosine": 0.6})
    still = slopes([1.0, 0.0], [0.0, 0.0], [0.0, 0.0])
    assert math.isnan(language_push.row_of_push(still, own)["cosine"])


def test_every_code_difference_and_reading_has_a_row(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chapter, network, clip, _ = scene

    class Trained:
        settings = RunSettings(data=chapter.data(), method=chapter.cross_entropy())

        def model(self) -> nn.Module:
            return network

    class Clip:
        def model(self) -> nn.Module:
            return clip

    monkeypatch.setattr(language_push, "train_or_load", lambda _: Clip())
    rows = language_push.pushes(chapter, Trained())  # type: ignore[arg-type]
    names = {one.name for one in FACTORS if not one.training}
    assert names <= set(rows["row"])
    assert set(PRESETS) == set(rows.loc[rows["group"] == "code", "row"])
    own = rows.set_index("row")
    assert own.loc["paper", "cosine"] == pytest.approx(1)
    readings = rows[rows["group"] == "rebuttal"].set_index("row")
    assert readings.loc["rebuttal", "cosine"] == pytest.approx(1)
    # The same push until the tower has moved; affinities here are far above a floor.
    same = ["tower: trained", "kl_floor: 0.0"]
    assert readings.loc[same, "cosine"].tolist() == pytest.approx([1, 1])
    assert (readings["cosine"].drop(["rebuttal", *same]) < 1 - 1e-6).all()
    assert own.loc["OT: no gradient", "OT"] == 0
    assert own.loc["authors_jan", "OT"] == own.loc["authors_oct", "OT"] == 0
    same = language_push.unchanged(rows)
    assert {"tower trained", "MM: tau raw"} <= set(same)
    assert "MM: not normalised" not in same


# What was trained


def test_records_of_another_schedule_are_not_compared() -> None:
    one = {"parameters": {"epochs": 64, "seeds": [1], "factors": []}, "arms": {}}
    other = {"parameters": {"epochs": 52, "seeds": [1]}, "arms": {}}
    assert records.differing(one, other, effects.FREE) == ["epochs"]
    assert effects.wholes(one, other, "sch") == []
    assert effects.wholes(None, other, "sch") == []


def run(right: int, sch: float) -> dict[str, Any]:
    return {
        "accuracy": {"test": right / 40, "validation": 0.5},
        "trained_out": True,
        "correct": "1" * right + "0" * (40 - right),
        "means": {"Grad-CAM": {"sch": sch}},
        "sch": packed([sch] * 40),
    }


def study(*names: str) -> dict[str, Any]:
    """Return five seeds of CE and LICO; the named arms lose 12 pictures and .1 SCH."""
    base = [(30 + s % 2, round(0.4 + 0.001 * s, 4)) for s in range(5)]
    arms = {"ce": [run(*one) for one in base], "lico": [run(*one) for one in base]}
    for name in names:
        arms[name] = [run(n - 12, round(v - 0.1, 4)) for n, v in base]
    rows = {
        name: {str(seed): one for seed, one in enumerate(runs)}
        for name, runs in arms.items()
    }
    return {"parameters": {}, "arms": rows}


@pytest.mark.usefixtures("all_admitted")
def test_what_the_response_names_is_judged_only_where_it_is_recorded() -> None:
    parts = claims.named(study(*claims.NAMED))
    assert [one.outcome for one in parts] == ["supported"] * 6
    together = claims.named_together(parts)
    assert not isinstance(together, str)
    assert together.outcome == "supported"
    assert len(claims.verdict_table(parts)) == 6
    assert together.estimate > 0  # a size: the effects themselves are below 0
    weak = study(*claims.NAMED)
    for seed, one in weak["arms"]["names sorted"].items():
        one["sch"] = packed([0.42 + 0.001 * int(seed)] * 40)  # +.02, the smallest
    weakest = claims.named_together(claims.named(weak))
    assert not isinstance(weakest, str)
    assert weakest.estimate == pytest.approx(0.02, abs=1e-3)
    some = claims.named(study("names sorted"))
    assert len(some) == 2
    assert str(claims.named_together(some)).startswith("no verdict")


def test_a_metric_without_admission_moves_nothing_but_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "records", lambda: tmp_path)  # no trial admitted SCH
    made = study(*claims.NAMED)
    outcomes = [one.outcome for one in claims.named(made)]
    assert outcomes == ["supported"] * 3 + ["undecided"] * 3
    table = claims.verdict_table(claims.named(made))
    assert set(table["verdict"][3:]) == {"undecided: metric not admitted"}
    alone = claims.numbers_table(claims.named_alone(made))
    assert set(alone["exploratory"]) == {"numbers go its way"}
    (found,) = effects_of.effects(made, "sch", ["names sorted"])
    assert found.verdict.outcome == "undecided"
    shown = effects.effect_table([found])
    assert shown["verdict"][0] == "undecided: metric not admitted"
    assert shown["of its own loss"][0].startswith("numbers")


def test_a_difference_that_still_learns_is_no_largest() -> None:
    made = study("names sorted", "full stop")
    for seed, one in made["arms"]["names sorted"].items():
        one["correct"] = "1" * (20 + int(seed)) + "0" * (20 - int(seed))
    for seed, one in made["arms"]["full stop"].items():
        one["trained_out"] = False
        one["correct"] = "1" * (10 + int(seed)) + "0" * (30 - int(seed))
    found = effects_of.effects(made, "accuracy")
    (row,) = effects.largest_table({"accuracy": found}).to_dict("records")
    assert (row["of"], row["differences"], row["metric"]) == (
        *("names sorted", 1),
        "top-1",
    )
    shown = effects.effect_table(found).set_index("difference")
    assert shown["trained out"].to_dict() == {"full stop": "NO", "names sorted": "yes"}


def test_tables_of_nothing_say_so() -> None:
    empty = study()
    assert effects.effect_table([]).iloc[0, 0] == "none was trained here"
    assert effects.optimism_table(empty).iloc[0, 0] == "none was trained here"
    assert effects.largest_table({"sch": []}).iloc[0, 0] == "none was trained here"
    assert len(effects.largest_of_each(empty, ["sch"], [], 3)) == 1
    assert len(effects.whole_table([])) == len(claims.verdict_table([])) == 1


def test_the_published_precisions_are_read_as_differences() -> None:
    nothing = effects_of.Nothing("accuracy", "ce", 5, 0.0012 / math.sqrt(2), (0, 1))
    table = effects.precision_table(nothing).set_index("run")
    assert list(table["points"].round(2)) == [-0.12, -0.07]
    scaler = table.loc["ce, loss scaler"]
    # one unit of nothing: the two tails of Student's t over 1 with 4 degrees
    assert scaler["chance, seeds as here"] == pytest.approx(0.3739, abs=1e-3)
    assert scaler["needs seeds within"] == pytest.approx(
        0.12 / (1.96 * math.sqrt(2)), 1e-3
    )


def test_baselines_of_other_precision_are_held_against_their_own_seed() -> None:
    made = study("ce: autocast float16", "ce: autocast and scaler")
    plain, *others = effects.precision_trained(made).to_dict("records")
    assert plain["run"] == "ce, neither"
    assert plain["top-1, %"] == pytest.approx(100 * (30 + 2 / 5) / 40)
    assert [row["points"] for row in others] == pytest.approx([-30, -30])  # 12 of 40
    assert others[0]["from"] == pytest.approx(-30)  # every seed loses as much
    assert effects.precision_trained(study()).iloc[0, 0] == "none was trained here"


def test_a_cell_has_few_words() -> None:
    arms = study("names sorted")
    (found,) = effects_of.effects(arms, "accuracy")
    table = effects.effect_table([found])
    assert table["verdict"][0] in (
        "contradicted",
        "undecided: too few seeds for the margin",
    )
    assert table["of changing nothing"][0] < 0


def test_each_reading_of_the_response_is_an_arm_and_a_row() -> None:
    from helpers.chapters.training import READINGS, Training

    assert len(READINGS) == 10
    taken = Training.of(variants=["readings"])
    assert all(
        getattr(taken.method(arm), switch) == value
        for arm, (_, changed) in READINGS.items()
        for switch, value in changed.items()
    )
    record = study("rebuttal", "rebuttal: unit True")
    (row,) = effects.readings(record, "sch").to_dict("records")
    assert row["reading"] == "unit True"
    assert row["over CE"] == pytest.approx(-0.1, abs=1e-3)
    assert row["over rebuttal"] == pytest.approx(0, abs=1e-6)
    assert row["from"] <= 0 <= row["to"]
    assert row["over CE, from"] <= row["over CE"] <= row["over CE, to"]
    assert (row["inert"], row["trained out"]) == ("no", "yes")
    late = record["arms"]["rebuttal: unit True"]["1"]
    late["trained_out"], late["intervention"] = False, {"inert": "mm"}
    (row,) = effects.readings(record, "sch").to_dict("records")
    assert (row["inert"], row["trained out"]) == ("mm", "NO")
    assert effects.readings(study(), "sch").iloc[0, 0] == "none was trained here"


def test_a_row_keeps_accuracy_per_picture_and_of_maps_the_means_of_grad_cam() -> None:
    full = run(30, 0.4) | {"insertion": "5", "full": "9", "full_correct": "1"}
    full["means"]["uniform"] = {"sch": 0.2}
    kept = which_difference._means_alone(full)
    assert kept["correct"] == full["correct"]
    assert kept["means"] == {"Grad-CAM": full["means"]["Grad-CAM"]}
    assert not {"sch", "insertion", "full", "full_correct"} & set(kept)


def test_a_sum_of_means_is_held_against_a_code_with_pictures() -> None:
    codes = study("repro_shared")
    parts, _ = whole_codes.partition("repro_shared")
    singles = study(*(one.name for one in parts))
    before = whole_codes.whole_codes(singles, codes, "sch", ["repro_shared"])
    for rows in singles["arms"].values():
        for seed, row in rows.items():
            row["means"]["Grad-CAM"]["sch"] = float(np.mean(unpacked(row["sch"])))
            rows[seed] = which_difference._means_alone(row)
    (after,) = whole_codes.whole_codes(singles, codes, "sch", ["repro_shared"])
    assert after.gap is not None
    assert before[0].gap is not None
    assert after.gap.interval == pytest.approx(before[0].gap.interval, abs=1e-9)
