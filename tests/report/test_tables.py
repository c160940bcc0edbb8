"""Tables and provenance: what is shown is what was measured."""

import math

import pandas as pd
import pytest

from helpers.methods.presets import PRESETS, RECIPES, preset
from helpers.report import arms, margins, preset_tables, records, tables
from helpers.report.provenance import provenance
from helpers.settings import Lico


def record(values: list[float], right: list[int]) -> dict:
    return {"maps": {"Grad-CAM": {"insertion": values}}, "full_correct": right}


def test_a_row_a_map_with_the_mean_over_pictures_and_seeds() -> None:
    both = [record([0.2, 0.4], [1, 0]), record([0.6, 0.8], [1, 1])]
    table = tables.of_maps(both, ["insertion"])
    assert table["insertion"].tolist() == pytest.approx([0.5])
    right = tables.of_maps(both, ["insertion"], correct=True)
    assert right["insertion"].tolist() == pytest.approx([(0.2 + (0.6 + 0.8) / 2) / 2])
    assert right["pictures"].tolist() == [3]


def test_a_seed_without_the_score_counts_nowhere() -> None:
    none = record([math.nan, math.nan], [0, 0])
    both = [record([0.2, math.nan], [1, 0]), none]
    assert tables.of_maps(both, ["insertion"])["insertion"].tolist() == [0.2]
    assert math.isnan(tables.of_maps([none], ["insertion"])["insertion"][0])


def test_what_does_not_hold_is_said() -> None:
    frame = tables.of_checks([("a", "at least 1", 2.0, True), ("b", "0", 1.0, False)])
    assert frame["holds"].tolist() == ["yes", "NO"]


def test_the_margins_table_is_the_committed_file() -> None:
    frame = tables.of_margins()
    assert len(frame) == len(margins.load().metrics)
    assert 0.005 in frame["margin"].tolist()


def test_missing_values_are_dashes_and_there_is_no_index() -> None:
    html = tables.show(pd.DataFrame({"a": [0.12345, math.nan]})).to_html()
    assert "0.123" in html
    assert "—" in html
    assert "<th" in html
    assert 'class="row_heading' not in html


def test_a_sign_stays_on_the_line_of_its_mean() -> None:
    shown = tables.show(pd.DataFrame({"SCH": ["0.5 ± 0.1"], "n": [3]})).to_html()
    assert "0.5\u00a0± 0.1" in shown.replace("&nbsp;", "\u00a0")
    assert ">3<" in shown


def test_provenance_names_what_a_number_comes_from() -> None:
    found = provenance(1.23)
    assert found["seconds"] == 1.2
    assert found["margins_sha256"] == margins.digest()
    assert {"python", "torch", "lightning"} <= set(found["versions"])
    row = records.origin({"training": found, "scoring": found})
    assert row["training, s"] == 1.2


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_prints_as_a_table_of_all_its_switches(name: str) -> None:
    table = preset_tables.of(name).set_index("switch")
    own = preset(name, **RECIPES.get(name, {}))
    free = {"name", "preset", "backbone", "epochs", "batch"}
    assert {*table.index} == {*Lico.model_fields} - free
    for switch, row in table.iterrows():
        assert row["value"] == str(getattr(own, str(switch)))
        same = getattr(own, str(switch)) == getattr(preset("paper"), str(switch))
        assert (row["in paper"] == "·") is same
    assert table.loc["lr", "part"] == "training"


def test_accuracies_of_runs_have_top_2_and_the_mark_of_a_ceiling() -> None:
    run = {
        "accuracy": {"test": 0.7, "validation": 0.6, "top-2": 0.99},
        "training_accuracy": 1.0,
        "trained_out": True,
    }
    (row,) = arms.accuracy_of({"ce": [run, run]}).to_dict("records")
    assert (row["top-1"], row["top-2"], row["near ceiling"]) == (0.7, 0.99, "top-2")
    assert row["trained out"] == "2 runs"
