"""A run of CGC and of its control: trained, resumed to the bit, named, scored."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from helpers import paths
from helpers.lab import code
from helpers.lab.runs import train_or_load
from helpers.settings import Cgc, RunSettings


@pytest.fixture
def smoke(small: RunSettings) -> RunSettings:
    return small.model_copy(update={"method": Cgc(epochs=3, batch=32, flip=True)})


class Killed(BaseException):
    """As a signal would end it."""


def test_an_interrupted_run_ends_with_the_same_bits(
    home: Path, smoke: RunSettings
) -> None:
    whole = train_or_load(smoke)
    expected, history = load_file(whole.folder / "model.safetensors"), whole.history
    columns = {"ce", "contrast", "agreement", "ce gradient", "contrast gradient"}
    assert columns <= set(history)
    assert whole.folder.parent.name == "cgc"
    assert len(whole.record["correct"]) == smoke.data.test
    shutil.rmtree(whole.folder)

    def kill_after_two(line: str) -> None:
        if line.startswith("epoch 2 "):
            raise Killed

    with pytest.raises(Killed):
        train_or_load(smoke, kill_after_two)
    resumed = train_or_load(smoke)
    found = load_file(resumed.folder / "model.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    pd.testing.assert_frame_equal(resumed.history, history, check_exact=True)


def test_the_control_is_a_run_of_its_own_name(home: Path, smoke: RunSettings) -> None:
    method = Cgc(epochs=1, batch=32, lam=0.0)
    run = train_or_load(smoke.model_copy(update={"method": method}))
    assert run.folder.parent.name == "three-views"
    assert "contrast" in run.history
    assert "contrast gradient" not in run.history
    assert run.history["loss"].tolist() == pytest.approx(run.history["ce"].tolist())


def test_its_code_is_no_part_of_other_methods_and_lico_none_of_its_own() -> None:
    base = paths.root() / "helpers"
    needed = code._needed(base, ("methods/contrast.py",))
    names = {file.relative_to(base).as_posix() for file in needed}
    assert {"losses/cgc.py", "data/geometry.py", "explain/cam.py"} <= names
    assert not {"methods/lico.py", "losses/transport.py"} & names
    plain = code._needed(base, ("methods/baseline.py",))
    assert not any("cgc" in file.name or "contrast" in file.name for file in plain)
