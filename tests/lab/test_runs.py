"""Runs: trained once, resumed to the bit, whole or not there."""

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from helpers import paths
from helpers.data import catalog
from helpers.lab import classifier_recipes, code, fit, runs, sums
from helpers.lab.runs import train_or_load
from helpers.methods.presets import preset
from helpers.settings import CrossEntropy, DataSettings, Refused, RunSettings


def weights(run: runs.Run) -> dict[str, torch.Tensor]:
    return load_file(run.folder / "model.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_run_is_trained_once_and_then_loaded(
    home: Path, small: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    run = train_or_load(small, lines.append)
    assert [line.split(",")[0] for line in lines[:-1]] == [
        f"epoch {e} of 3" for e in (1, 2, 3)
    ]
    found = sorted(path.name for path in run.folder.iterdir())
    assert found == sorted([*runs.FILES, sums.SUMS])
    monkeypatch.setattr(runs, "fitted", lambda *_: pytest.fail("trained again"))
    again = train_or_load(small)
    assert again.folder == run.folder
    assert same(again.model().state_dict(), weights(run))
    assert again.history["epoch"].tolist() == [1, 2, 3]
    assert list(home.rglob("*.ckpt")) == []
    assert list(home.rglob("*.writing")) == []


def test_the_same_settings_give_the_same_scores_to_the_bit(
    home: Path, small: RunSettings
) -> None:
    first = train_or_load(small)
    kept = {name: (first.folder / name).read_bytes() for name in runs.FILES}
    shutil.rmtree(first.folder)
    second = train_or_load(small)
    for name in ("record.json", "history.csv", "model.safetensors", "config.json"):
        assert (second.folder / name).read_bytes() == kept[name], name


class Killed(BaseException):
    """As a signal would end it."""


LICO = {"language": "random-tower", "dropout": 0.5, "shuffle": True}


@pytest.mark.parametrize("changed", [None, LICO], ids=["ce", "lico"])
def test_an_interrupted_run_ends_with_the_same_bits(
    home: Path, small: RunSettings, changed: dict[str, object] | None
) -> None:
    if changed:
        method = preset("paper", epochs=3, batch=32, **changed)
        small = small.model_copy(update={"method": method})
    whole = train_or_load(small)
    expected, history = weights(whole), whole.history
    shutil.rmtree(whole.folder)

    def kill_after_two(line: str) -> None:
        if line.startswith("epoch 2 "):
            raise Killed

    with pytest.raises(Killed):
        train_or_load(small, kill_after_two)
    assert not whole.folder.exists()
    partial = whole.folder.with_name(whole.folder.name + ".partial")
    assert (partial / fit.CHECKPOINT).is_file()
    lines: list[str] = []
    resumed = train_or_load(small, lines.append)
    assert not lines[0].startswith("epoch 1 ")
    assert same(weights(resumed), expected)
    pd.testing.assert_frame_equal(resumed.history, history, check_exact=True)
    assert not partial.exists()


def test_what_lico_starts_from_is_trained_first_and_part_of_its_digest(
    home: Path, small: RunSettings
) -> None:
    words = {"clip_pictures": 32, "clip_epochs": 1, "epochs": 1}
    lico = small.model_copy(update={"method": preset("paper", **words)})
    (clip,) = runs.needs(lico)
    assert runs.needs(small) == ()
    run = train_or_load(lico)
    assert runs.is_whole(runs.place(clip))
    names = load_file(run.folder / "text.safetensors").keys()
    assert {"context", "t"} <= set(names)
    assert not any("transformer" in name for name in names)
    other = preset("paper", **words | {"clip_seed": 2})
    assert runs.digest(lico.model_copy(update={"method": other})) != run.folder.name[6:]
    without = preset("paper", alpha=0.0, beta=0.0, **words)
    assert runs.needs(lico.model_copy(update={"method": without})) == ()


@pytest.mark.parametrize("keep", ["last", "best validation", "best test"])
def test_an_epoch_is_judged_on_the_pictures_that_its_rule_names(
    small: RunSettings, keep: str
) -> None:
    method = CrossEntropy.model_validate({"epochs": 1, "keep": keep})
    settings = small.model_copy(update={"method": method})
    judges = classifier_recipes.judged_on(settings)
    if keep == "last":
        assert judges is None
        return
    assert judges is not None
    named = catalog.load(small.data, keep.removeprefix("best "))
    assert torch.equal(judges.images, named.images)


def test_what_a_training_keeps_and_clips_is_on_the_disk(
    home: Path, small: RunSettings
) -> None:
    """The average of weights, and a bound on the gradient, change what is saved."""

    def trained(**changed: float) -> dict[str, torch.Tensor]:
        method = CrossEntropy.model_validate({"epochs": 2, "batch": 8, **changed})
        return weights(train_or_load(small.model_copy(update={"method": method})))

    plain, clipped = trained(), trained(clip_norm=1e-3)
    averaged, short = trained(ema=0.9), "head.bias"
    assert not same(plain, averaged)
    assert not same(plain, clipped)

    def moved(found: dict[str, torch.Tensor]) -> float:
        return found[short].abs().mean().item()

    assert 0 < moved(averaged) < moved(plain)  # an average lags behind
    assert 0 < moved(clipped) < moved(plain)


def test_another_file_of_features_is_another_run(
    tmp_path: Path, small: RunSettings
) -> None:
    digests = set()
    for value in (0.0, 1.0):
        names = np.array(catalog.class_names(small.data))
        np.savez(tmp_path / "f.npz", features=np.full((24, 4), value), names=names)
        method = preset("paper", language=f"file:{tmp_path}/f.npz", text_width=4)
        digests.add(runs.digest(small.model_copy(update={"method": method})))
    assert len(digests) == 2


def test_a_truncated_checkpoint_is_set_aside_and_said(
    home: Path, small: RunSettings
) -> None:
    def stop(line: str) -> None:
        if line.startswith("epoch 2 "):
            raise Killed

    with pytest.raises(Killed):
        train_or_load(small, stop)
    checkpoint = next(home.rglob(fit.CHECKPOINT))
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    lines: list[str] = []
    run = train_or_load(small, lines.append)
    assert "is damaged" in lines[0]
    assert "set aside" in lines[0]
    assert runs.is_whole(run.folder)


def test_a_run_that_lost_a_file_is_trained_again(
    home: Path, small: RunSettings
) -> None:
    run = train_or_load(small)
    (run.folder / "model.safetensors").unlink()
    assert runs.is_whole(train_or_load(small).folder)


def test_scores_are_made_again_when_their_code_changes_and_weights_are_not(
    home: Path, small: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train_or_load(small)
    before = (run.folder / "model.safetensors").stat().st_mtime_ns
    kept = dict(run.record)
    monkeypatch.setattr(runs, "_scorer", lambda _: "another score")
    again = train_or_load(small)
    assert again.record["scored_by"] != kept["scored_by"]
    assert {**again.record, "scored_by": 0} == {**kept, "scored_by": 0}
    assert (run.folder / "model.safetensors").stat().st_mtime_ns == before


def test_the_digest_covers_settings_threads_data_and_code(
    small: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = [
        small,
        small.model_copy(update={"seed": 2}),
        small.model_copy(update={"threads": 2}),
        small.model_copy(update={"data": DataSettings(cue=0.5)}),
        small.model_copy(update={"method": CrossEntropy(lr=0.01)}),
    ]
    digests = [runs.digest(one) for one in changed]
    kept = runs.code_hash
    monkeypatch.setattr(runs, "code_hash", lambda parts: "another loss")
    digests.append(runs.digest(small))
    monkeypatch.setattr(runs, "code_hash", kept)
    assert len(set(digests)) == len(digests)


def test_the_code_of_a_result_is_what_its_module_imports() -> None:
    """A change of LICO's losses is a new run of LICO, not of its baseline."""

    def files(module: str) -> set[str]:
        base = paths.root() / "helpers"
        found = code._needed(base, (module,))
        return {file.relative_to(base).as_posix() for file in found}

    lico, plain = files("methods/lico.py"), files("methods/baseline.py")
    assert {"losses/manifold.py", "losses/transport.py", "vision/resnet.py"} <= lico
    assert plain < lico
    assert not any(name.startswith(("losses", "language")) for name in plain)
    assert {"data/scenes.py", "data/painting.py", "streams.py"} <= plain
    assert "explain/cam.py" in files("lab/score.py")
    assert not {"settings.py", "paths.py"} & lico


def test_comments_and_docstrings_are_no_code(tmp_path: Path) -> None:
    texts = ('"""A."""\nx = 1  # one\n', '"""B."""\n\nx = 1\n', '"""A."""\nx = 2\n')
    meanings = []
    for text in texts:
        (tmp_path / "m.py").write_text(text)
        meanings.append(code._meaning(tmp_path / "m.py"))
    assert meanings[0] == meanings[1] != meanings[2]


def test_streams_are_apart(home: Path, small: RunSettings) -> None:
    """A method that draws more augmentation changes neither start nor data order."""
    from helpers.methods.baseline import Baseline

    pictures = runs.catalog.load(small.data, "train")
    plain = Baseline(CrossEntropy(), pictures, 1)
    torch.manual_seed(99)
    torch.rand(7)
    other = Baseline(CrossEntropy(flip=True, shift=4), pictures, 1)
    assert same(plain.model.state_dict(), other.model.state_dict())
    order = [list(batch) for batch in fit.EpochBatches(10, 4, 1)]
    torch.rand(7)
    assert [list(batch) for batch in fit.EpochBatches(10, 4, 1)] == order
    sampler = fit.EpochBatches(10, 4, 1)
    sampler.set_epoch(1)
    assert [list(batch) for batch in sampler] != order


def test_a_record_keeps_scores_and_provenance_apart(
    home: Path, small: RunSettings
) -> None:
    run = train_or_load(small)
    record = json.loads((run.folder / "record.json").read_text())
    assert not {"seconds", "date", "commit"} & set(record)
    assert {"seconds", "date", "commit", "peak_memory_mb", "versions"} <= set(
        run.provenance["training"]
    )
    assert record["trained_out"] in (True, False)
    assert len(record["correct"]) == small.data.test
    assert {"uniform", "centred Gaussian", "random smooth", "pooled mask"} <= set(
        record["maps"]
    )


def test_a_device_that_is_not_there(small: RunSettings) -> None:
    with pytest.raises(Refused, match="device 'cuda:7' is not there"):
        runs.check(small.model_copy(update={"device": "cuda:7"}))


@pytest.mark.parametrize("device", ["cuda:0", "cuda", "mps"])
def test_processes_that_have_no_device(
    small: RunSettings, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    asked = small.model_copy(update={"device": device, "devices": 2})
    with pytest.raises(Refused, match=r"devices=2 .*take 'cpu', or 'cuda' and at most"):
        runs.check(asked)


def test_maps_too_coarse_to_say_where(small: RunSettings) -> None:
    tiny = small.model_copy(update={"data": DataSettings(name="cifar10", size=24)})
    with pytest.raises(Refused, match="maps of 3 x 3 cells"):
        runs.check(tiny)


def test_a_full_disk_before_training(
    home: Path, small: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(home)._replace(free=2**20)
    monkeypatch.setattr(paths.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(Refused, match=r"has 1 MB free, 300 MB are needed"):
        train_or_load(small)
    assert list(home.rglob("*.ckpt")) == []


def test_a_disk_that_fills_while_a_run_is_written_loses_nothing(
    home: Path, small: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(runs, "save", full)
        with pytest.raises(Refused, match="No space left on device: free some"):
            train_or_load(small)
    assert not runs.place(small).exists()
    lines: list[str] = []
    run = train_or_load(small, lines.append)
    assert lines == ["trained, now its scores"]  # no epoch again
    assert run.history["epoch"].tolist() == [1, 2, 3]


def test_lightning_says_nothing(
    home: Path, small: RunSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    train_or_load(small)
    assert capfd.readouterr() == ("", "")
