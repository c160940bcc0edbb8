"""Checkpoints of others: pickles, packed or cut files, tensors that say too much."""

import io
import pickle
import random
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from helpers.judge.networks import network
from helpers.lab.given_weights import given_weights
from helpers.settings import Refused
from helpers.vision import backbone
from tests.hostile.broken import (
    NAMES,
    VALUES,
    answer,
    assert_answered,
    bytes_of,
    fuzzed,
)

SMALL = {"conv.weight": torch.arange(12.0).reshape(3, 4), "bias": torch.ones(3)}


def packed(values: Any) -> bytes:
    kept = io.BytesIO()
    torch.save(values, kept)
    return kept.getvalue()


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return subprocess.run, (["touch", str(self.file)],)


WHOLE = {
    "pt": packed(SMALL),
    "pth": packed({"state_dict": SMALL, "epoch": 3, "name": "x"}),
    "safetensors": save(SMALL),
}


@pytest.mark.parametrize("suffix", WHOLE)
@fuzzed(0.7)  # of each of three formats
def test_bytes_changed(fence: Path, suffix: str, case: int) -> None:
    file = fence / f"w.{suffix}"
    file.write_bytes(bytes_of(case, WHOLE[suffix]))
    assert_answered(fence, lambda: given_weights(file), file.name)


OLD = io.BytesIO()
torch.save(SMALL, OLD, _use_new_zipfile_serialization=False)


@fuzzed(0.5)
def test_bytes_of_an_old_checkpoint_changed(fence: Path, case: int) -> None:
    file = fence / "w.th"
    file.write_bytes(bytes_of(case, OLD.getvalue()))
    assert_answered(fence, lambda: given_weights(file), file.name)


@pytest.mark.parametrize("new", [True, False])
def test_a_pickle_with_code_is_never_run(fence: Path, new: bool) -> None:
    trap, file = fence / "sprung", fence / "w.pt"
    for whole in (Trap(trap), {"state_dict": SMALL, "args": Trap(trap)}):
        torch.save(whole, file, _use_new_zipfile_serialization=new)
        assert answer(fence, lambda: given_weights(file), "w.pt") is not None
    file.write_bytes(pickle.dumps(Trap(trap)))
    assert answer(fence, lambda: given_weights(file), "w.pt") is not None
    assert not trap.exists()


def test_archives_with_paths_that_climb_out(fence: Path) -> None:
    file = fence / "w.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../../up.txt", "out")
        archive.writestr("../data.pkl", pickle.dumps(1))
    assert answer(fence, lambda: given_weights(file), "w.pt") is not None
    with tarfile.open(file, "w") as archive:
        link = tarfile.TarInfo("storages")
        link.type, link.linkname = tarfile.SYMTYPE, "../.."
        archive.addfile(link)
        info = tarfile.TarInfo("../../up.txt")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"out"))
    assert answer(fence, lambda: given_weights(file), "w.pt") is not None


def test_a_packed_checkpoint_is_not_unpacked(fence: Path) -> None:
    """Some kB that would be 64 MB: as much as one likes, by the same means."""
    plain, file = fence / "plain.pt", fence / "w.pt"
    torch.save({"a": torch.zeros(2**24)}, plain)
    with (
        zipfile.ZipFile(plain) as source,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    assert file.stat().st_size < 200_000
    line = answer(fence, lambda: given_weights(file), "w.pt")
    assert line is not None
    assert "unpack to 64 MB" in line
    given_weights(plain)


@pytest.mark.parametrize(
    ("whole", "said"),
    [
        ({"fc.weight": torch.zeros(1).expand(10**12, 64)}, "the file holds 4 of it"),
        ({"a": torch.zeros(3).to_sparse()}, "not dense"),
        ({"a": torch.tensor([1.0, float("nan")])}, "NaN or inf in 'a'"),
        ({1: torch.zeros(2)}, "no mapping from names to tensors"),
        ({("a",): torch.zeros(2)}, "no mapping from names to tensors"),
        ({"a": [1, 2]}, "not a mapping"),
        ({"state_dict": None}, "not a mapping"),
        ([1, 2], "not a mapping"),
        (torch.zeros(3), "not a mapping"),
    ],
)
def test_what_is_no_table_of_weights(fence: Path, whole: Any, said: str) -> None:
    file = fence / "w.pt"
    torch.save(whole, file)
    assert said in (answer(fence, lambda: given_weights(file), "w.pt") or "")


def test_a_file_whose_name_is_code(fence: Path) -> None:
    """The line that converts it is copied into a shell: no name may end its quotes."""
    for name in ("$(touch up).pt", "`touch up`.pt", 'a";touch up;".pt', "');x(.pt"):
        file = fence / name
        torch.save({"args": Trap(fence / "sprung")}, file)
        line = answer(fence, lambda: given_weights(file), "hold more than tensors")  # noqa: B023
        assert line is not None
        command = line[line.index('python -c "') :]
        assert "torch.load('FILE'" in command
        assert "touch" not in command


@fuzzed(0.02)  # a network is made three times
def test_tables_changed(fence: Path, case: int) -> None:
    draw = random.Random(case)
    state: dict[Any, Any] = dict(STATE)
    for _ in range(draw.choice((1, 1, 3))):
        key = draw.choice(list(state))
        value = state.pop(key)
        if not isinstance(value, torch.Tensor):
            continue
        kind = draw.randrange(7)
        if kind == 0:
            key = draw.choice((*VALUES[:8], *NAMES))
        elif kind == 1:
            value = value.to(draw.choice((torch.int8, torch.complex64, torch.bool)))
        elif kind == 2:
            value = value[:0] if value.ndim else value[None]
        elif kind == 3:
            value = draw.choice(VALUES)
        elif kind == 4:
            value = torch.zeros(1).expand(10 ** draw.randrange(1, 12), 64)
        elif kind == 5:
            continue
        state[key if isinstance(key, str | int) else "x"] = value
    file = fence / "w.pt"
    torch.save(state, file)
    assert_answered(fence, lambda: network("resnet20", file), "w.pt")


STATE = backbone("resnet20", 3).state_dict()


def test_a_network_without_classes(fence: Path) -> None:
    state = backbone("resnet20", 3).state_dict()
    heads = [key for key, value in state.items() if value.ndim and len(value) == 3]
    for key in heads[-2:]:
        state[key] = state[key][:0].clone()
    file = fence / "w.pt"
    torch.save(state, file)
    with pytest.raises(Refused, match="without a class"):
        network("resnet20", file)
