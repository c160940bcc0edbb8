"""Chapter 03: its arms, what it refuses, and a whole small pass."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from helpers import paths
from helpers.chapters import training
from helpers.chapters.training import ARMS, CONTRAST, FIXED, GROUPS, Training
from helpers.methods.presets import PRESETS
from helpers.report import arms as tables_of
from helpers.report import ledger, preset_tables, records
from helpers.settings import Lico, Refused, RunSettings

SMALL = {
    "size": 32,
    "pictures": 96,  # 3 steps an epoch: in some the losses are not looked into
    "test_pictures": 64,
    "explained": 4,
    "epochs": 2,
    "clip_pictures": 48,
    "clip_epochs": 1,
    "seeds": [1],
}


def test_arms_are_presets_with_what_they_change() -> None:
    chapter = Training.of(seeds=[1, 2], few_seeds=[3], variants=list(GROUPS))
    found = chapter.arms()
    assert list(found) == [arm for group in GROUPS.values() for arm in group]
    assert set(found) == {"ce", *ARMS, *CONTRAST}
    assert [len(runs) for runs in found.values()] == [2, 2, *[1] * (len(found) - 2)]
    assert len({run for runs in found.values() for run in runs}) == len(found) + 2

    def method(arm: str) -> Lico:
        method = found[arm][0].method
        assert isinstance(method, Lico)
        return method

    assert (method("mm").alpha, method("mm").beta) == (10, 0)
    assert (method("ot").alpha, method("ot").beta) == (0, 1)
    assert (method("lico").lr, method("lico").momentum) == (0.03, 0.9)
    assert method("lico").hidden == 512
    assert method("active").temperature == "fixed"
    assert not method("active").diagonal
    assert method("permuted").names == "permuted"
    assert method("rebuttal").contexts == "rolled"


def test_unknown_and_repeated_arms_are_refused() -> None:
    with pytest.raises(Refused, match="did you mean 'lico'"):
        Training.of(variants=["licco"])
    with pytest.raises(Refused, match="give each arm once"):
        Training.of(variants=["losses", "ce"])


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_negative_weights_are_refused(name: str) -> None:
    with pytest.raises(Refused, match=f"parameter '{name}' = -1"):
        Training.of(**{name: -1.0})
    with pytest.raises(Refused, match="parameter 'epsilon' = 0"):
        Training.of(epsilon=0.0)


def refusal(**changed: object) -> str:
    with pytest.raises(Refused) as found:
        Training.of(
            **{**SMALL, "size": 64, "variants": ["ce", "lico"], **changed}
        ).check()
    assert "\n" not in str(found.value)
    return str(found.value)


def test_what_cannot_be_trained_is_refused_before_training(tmp_path: Path) -> None:
    assert "take contexts <= " in refusal(n_ctx=40)
    assert "maps of 3 x 3 cells" in refusal(size=24 + 6, backbone="scene-resnet")
    assert "did you mean 'tiny-clip'" in refusal(language="tiny-clp")
    assert "are not there" in refusal(language=f"file:{tmp_path}/text.npz")
    names = [f"name {k}" for k in range(24)]
    np.savez(tmp_path / "text.npz", features=np.ones((24, 512)), names=names)
    assert "name 'name 0'" in refusal(language=f"file:{tmp_path}/text.npz")
    assert "[24, 300] is expected" in refusal(
        language=f"file:{tmp_path}/text.npz", text_width=300
    )
    assert "'random-tower' needs a text tower" in refusal(
        language=f"file:{tmp_path}/text.npz", variants=["losses", "controls"]
    )
    assert "'captions' needs a text tower" in refusal(
        language=f"file:{tmp_path}/text.npz", variants=["captions"]
    )


def test_parameters_that_make_an_arm_another_mark_it() -> None:
    assert Training.of(variants=["losses", "versions", "contrast"]).modified() == []
    changed = Training.of(alpha=5.0, variants=["losses", "authors_jan", "contrast"])
    assert changed.modified() == ["lico", "mm", "active", "authors_jan"]  # ot: alpha 0
    assert Training.of(n_ctx=6).modified() == ["lico", "mm", "ot", "active"]
    assert Training.of(hidden=64, epochs=3, lr=0.1, flip=True).modified() == []
    own = Training.of(language="file:names.npz", variants=["losses", "controls"])
    assert own.modified() == []  # its random vectors are of its own kind
    wordless = Training.of(language="one-hot")
    assert wordless.modified() == ["lico", "mm", "ot", "active"]


def test_controls_of_fixed_features_are_fixed_features() -> None:
    chapter = Training.of(language="file:text.npz", text_width=300)
    for arm, source in FIXED.items():
        method = chapter.method(arm)
        assert isinstance(method, Lico)
        assert (method.language, method.text_width) == (source, 300)


def test_a_preset_keeps_what_it_sets() -> None:
    changed = Training.of(epsilon=0.5).method("repro_shared")
    assert isinstance(changed, Lico)
    assert changed.epsilon == 1e-4


def test_names_out_of_order_are_refused_before_training(tmp_path: Path) -> None:
    from helpers.data.scenes import CLASS_NAMES

    names = list(CLASS_NAMES)
    names[3], names[7] = names[7], names[3]
    np.savez(tmp_path / "text.npz", features=np.ones((24, 512)), names=names)
    assert "2 of 24 texts stand at the wrong label" in refusal(
        language=f"file:{tmp_path}/text.npz"
    )


def test_the_kind_of_language_is_stated() -> None:
    assert Training.of().kind_of_language() == "planted"
    assert Training.of(dataset="cifar10").kind_of_language() == "mechanism check"
    assert Training.of(language="file:x").kind_of_language() == "real-fixed"
    real = Training.of(language="open-clip:ViT-B-32-quickgelu/openai")
    assert real.kind_of_language() == "real"


def test_few_photographs_or_a_weak_baseline_show_the_mechanism_only() -> None:
    def run(accuracy: float) -> Any:
        return SimpleNamespace(record={"accuracy": {"test": accuracy}})

    good, weak = {"ce": [run(0.84), run(0.88)]}, {"ce": [run(0.84), run(0.85)]}
    many = Training.of(language="file:x", pictures=25_000)
    assert many.weight(good) == "real-fixed"
    assert many.weight(weak) == many.weight({}) == "real-fixed, mechanism only"
    few = Training.of(language="file:x", pictures=24_999)
    assert few.weight(good) == "real-fixed, mechanism only"
    assert Training.of().weight(weak) == "planted"


def test_every_open_choice_names_a_switch_and_its_value() -> None:
    frame = preset_tables.open_choices()
    assert frame["switch"].is_unique
    row = frame.set_index("switch").loc["tau"]
    assert row["paper"] == "2.659"


def test_a_version_is_told_by_what_it_changes() -> None:
    rows: dict[str, dict[str, str]] = {}
    name = ""
    for row in preset_tables.versions().to_dict("records"):
        name = row["preset"] or name
        rows.setdefault(name, {})[row["part"]] = row["changed"]
    assert list(rows) == list(PRESETS)
    assert list(rows["paper"]) == ["code"]
    assert rows["lico_fact"]["words"] == "names sorted"
    assert "words" not in rows["rebuttal"]
    assert rows["active"]["matching"] == "temperature fixed; tau 0.2; no diagonal"
    assert "plan gradient none" in rows["authors_jan"]["transport"]
    assert "full stop" in rows["authors_oct"]["prompts"].split("; ")
    switches = [switch for part in preset_tables.PARTS.values() for switch in part]
    assert len(switches) == len(set(switches))


def test_a_part_of_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    record = {"arms": {arm: {} for arm in ("ce", "lico", "cgc", "permuted")}}
    kept = training.part(record, "contrast")
    assert kept is not None
    assert list(kept["arms"]) == ["ce", "lico", "cgc"]
    assert capsys.readouterr().out == (
        "Not among the arms of this record: three-views.\n"
    )
    assert training.part(record, "versions") is None
    assert "authors_oct" in capsys.readouterr().out
    assert training.part(None, "versions") is None
    assert capsys.readouterr().out == ""


def test_a_small_pass_ends_in_a_summary_that_json_can_hold(home: Path) -> None:
    chapter = Training.of(**SMALL, variants=["ce", "lico"])
    arms = chapter.trained()
    summary = json.loads(json.dumps(chapter.summary(arms), allow_nan=False))
    assert summary["language"] == "planted"
    lico = summary["arms"]["lico"]["1"]
    assert len(lico["correct"]) == len(lico["sch"].split()) == 64
    assert lico["intervention"]["ot share"] > 0
    assert set(lico["means"]) >= {"Grad-CAM", "uniform", "pooled mask"}
    assert lico["means"]["uniform"]["ses"] == pytest.approx(1, abs=1e-5)
    assert lico["means"]["uniform"]["mosu"] == pytest.approx(0, abs=1e-6)
    assert "intervention" not in summary["arms"]["ce"]["1"]
    verdicts = [found.label for _, found in ledger.claim_verdicts(summary)]
    assert verdicts
    assert all(label.startswith("undecided") for label in verdicts)
    assert len(tables_of.accuracy(summary)) == 2
    side = arms["lico"][0].text_side()
    assert side.context is not None
    with pytest.raises(Refused, match="without a text side"):
        arms["ce"][0].text_side()


RECORDED = sorted(paths.records().glob("03_training-*.json"))


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_arms_of_a_record_are_called_what_the_code_calls_them(file: Path) -> None:
    """A table of a record shows these words: a control never bears a method's name."""
    record = records.load(file.stem)
    chapter = Training.model_validate(record["parameters"])
    for arm, rows in record["arms"].items():
        said = {row["method"] for row in rows.values()}
        assert said == {training.words_of(RunSettings(method=chapter.method(arm)))}, arm
