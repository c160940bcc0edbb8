"""Weights in files: read without running code."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from helpers.lab.weights import load_weights
from helpers.settings import Refused
from helpers.vision import backbone


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in backbone("resnet20", 10).state_dict().items()}


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".th", ".ckpt"])
def test_a_checkpoint_with_a_prefix(tmp_path: Path, state: dict, suffix: str) -> None:
    file = tmp_path / f"w{suffix}"
    named = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"state_dict": named, "best_prec1": 91.7}, file)
    assert same(load_weights(file), state)


def test_safetensors(tmp_path: Path, state: dict) -> None:
    save_file(state, tmp_path / "w.safetensors")
    assert same(load_weights(tmp_path / "w.safetensors"), state)


def refused(file: Path) -> str:
    with pytest.raises(Refused) as caught:
        load_weights(file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    assert "are not there" in refused(tmp_path / "w.pt")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("length", [0, 20, 5000])
def test_a_truncated_file(
    tmp_path: Path, state: dict, suffix: str, length: int
) -> None:
    file = tmp_path / f"w{suffix}"
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    file.write_bytes(file.read_bytes()[:length])
    assert "damaged" in refused(file)


class Trap:
    """Would run code if it were unpickled."""

    def __reduce__(self) -> tuple:
        return (print, ("unpickled",))


def test_a_pickle_that_runs_code_is_refused_with_the_line_that_converts_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": Trap()}, tmp_path / "w.pt")
    line = refused(tmp_path / "w.pt")
    assert "convert" in line
    assert "weights_only=False" in line
    assert capsys.readouterr().out == ""


def test_what_is_no_mapping_of_tensors(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "w.pt")
    assert "not a mapping" in refused(tmp_path / "w.pt")
