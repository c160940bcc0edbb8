"""Word vectors, label maps, class names, arrays: texts and archives of others."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib import format as npy

from helpers.data.scenes import CLASS_NAMES
from helpers.judge import labels
from helpers.lab.runs import check
from helpers.language import glove, word_vectors
from helpers.language.arrays import read_arrays
from helpers.language.word_vectors import WordVectors
from helpers.settings import Lico, RunSettings
from tests.hostile.broken import (
    NAMES,
    answer,
    assert_answered,
    bytes_of,
    fuzzed,
    json_of,
    text_of,
)
from tests.hostile.test_weights import Trap

# -- GloVe -------------------------------------------------------------------------

GLOVE = "".join(f"word{i} {i}.5 -0.25 {i}e-3\n" for i in range(8)) + ". . . 1 2 3\n"


@fuzzed()
def test_glove_changed(fence: Path, case: int) -> None:
    file = fence / "glove.txt"
    if case % 3:
        file.write_text(text_of(case, GLOVE), errors="replace")
    else:
        file.write_bytes(bytes_of(case, GLOVE.encode()))
    assert_answered(fence, lambda: glove.read_glove(file), "glove.txt")


@fuzzed(0.5)
def test_packed_glove_changed(fence: Path, case: int) -> None:
    file = fence / "glove.txt.gz"
    file.write_bytes(bytes_of(case, PACKED))
    assert_answered(fence, lambda: glove.read_glove(file, ["word1"]), "glove.txt.gz")


PACKED = gzip.compress(GLOVE.encode())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a 1 2\nb 1\n", "line 2 has 1 numbers, line 1 has 2"),
        ("a 1 2\nb 1 2 3\n", "line 2 has 3 numbers"),
        ("a 1 2\nb 1 x\n", "line 2: 'x' is not a number"),
        ("a 1 2\nb 1 nan\n", "line 2 ('b') has a value that is not finite"),
        ("a 1 2\nb 1 1e99\n", "line 2 ('b') has a value that is not finite"),
        ("a 1 2\nb 1", "line 2 has no end"),
        ("a 1 2\na 1 2\n", "was there in line 1"),
        ("2 2\na 1 2\n", "begin with a header"),
        ("a\n", "is no word with numbers"),
        ("\n", "is no word with numbers"),
        ("", "is empty"),
    ],
)
def test_a_line_of_glove(fence: Path, text: str, said: str) -> None:
    file = fence / "glove.txt"
    file.write_text(text)
    assert said in (answer(fence, lambda: glove.read_glove(file), "glove.txt") or "")


def test_a_packed_line_without_end(fence: Path) -> None:
    """Some kB that would be one line of 64 MB: as long as one likes."""
    file = fence / "glove.txt.gz"
    file.write_bytes(gzip.compress(b"1" * 2**26))
    line = answer(fence, lambda: glove.read_glove(file), "glove.txt.gz")
    assert "line 1 is longer than" in (line or "")


# -- arrays ------------------------------------------------------------------------

WORDS = WordVectors(("a", "b"), torch.arange(6.0).reshape(2, 3))


@pytest.fixture
def npz(fence: Path) -> Path:
    word_vectors.save(WORDS, fence / "v.npz")
    return fence / "v.npz"


@fuzzed()
def test_arrays_changed(fence: Path, npz: Path, case: int) -> None:
    if not hasattr(test_arrays_changed, "whole"):
        test_arrays_changed.whole = npz.read_bytes()  # type: ignore[attr-defined]
    whole = test_arrays_changed.whole  # type: ignore[attr-defined]
    npz.write_bytes(bytes_of(case, whole))
    assert_answered(fence, lambda: word_vectors.load(npz), "v.npz")


def head(shape: tuple[int, ...], kind: str) -> bytes:
    kept = io.BytesIO()
    about = {"descr": kind, "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(kept, about)
    return kept.getvalue()


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"words": head((10**15,), "<U9")}, "says"),
        ({"words": head((2,), "|O") + b"x"}, "pickled"),
        ({"words": b"no array"}, "magic"),
        ({}, "words.npy"),
        ({"../../words": b""}, "words.npy"),
    ],
)
def test_arrays_that_say_too_much(
    fence: Path, members: dict[str, bytes], said: str
) -> None:
    file = fence / "v.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, held in members.items():
            archive.writestr(f"{name}.npy", held)
    line = answer(fence, lambda: word_vectors.load(file), "v.npz")
    assert said in (line or ""), line


def test_arrays_that_unpack_to_more_than_a_machine_holds(
    fence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helpers.language.arrays.MOST", 10**6)
    file = fence / "v.npz"
    np.savez_compressed(file, a=np.zeros(10**6, np.float32))
    assert file.stat().st_size < 10**5
    line = answer(fence, lambda: read_arrays(file, ("a",), "arrays", "none"), "v.npz")
    assert "GB" in (line or "")


def test_pickled_arrays(fence: Path) -> None:
    file = fence / "v.npz"
    trap = np.array([Trap(fence / "sprung")], dtype=object)
    np.savez(file, words=trap, vectors=trap)
    assert "pickled" in (answer(fence, lambda: word_vectors.load(file)) or "")
    assert not (fence / "sprung").exists()


@pytest.mark.parametrize(
    ("words", "vectors"),
    [
        (np.array("a"), np.zeros((1, 2), np.float32)),
        (np.array(["a", "a"]), np.zeros((2, 2), np.float32)),
        (np.array(["a", "b"]), np.zeros((2, 2))),
        (np.array(["a", "b"]), np.full((2, 2), np.nan, np.float32)),
        (np.array(["a"]), np.zeros((2, 2), np.float32)),
        (np.array([1, 2]), np.zeros((2, 2), np.float32)),
        (np.array(["a", "b"]), np.array(["x", "y"])),
    ],
    ids=range(7),
)
def test_arrays_of_another_form(
    fence: Path, words: np.ndarray, vectors: np.ndarray
) -> None:
    np.savez(fence / "v.npz", words=words, vectors=vectors)
    assert answer(fence, lambda: word_vectors.load(fence / "v.npz"), "v.npz")


FEATURES = io.BytesIO()
np.savez(
    FEATURES, features=np.ones((24, 2), np.float32), names=np.array([*CLASS_NAMES])
)


@fuzzed(0.1)  # a run is checked as a whole
def test_features_of_a_run_changed(fence: Path, case: int) -> None:
    """What a run reads in the place of a tower: refused before it is trained."""
    file = fence / "f.npz"
    file.write_bytes(bytes_of(case, FEATURES.getvalue()))
    method = Lico(language=f"file:{file}", text_width=2)
    assert_answered(fence, lambda: check(RunSettings(method=method)), "f.npz", "texts")


# -- label maps and names ----------------------------------------------------------

MAP = {"cat": ["tom", 1], "dog": 3, "car": "b"}


def mapped(file: Path) -> None:
    labels.groups(["cat", "dog", "x"], 5, labels.read_map(str(file)), [*"abcde"])


@fuzzed()
def test_label_maps_changed(fence: Path, case: int) -> None:
    file = fence / "map.json"
    file.write_text(json_of(case, MAP))
    assert_answered(fence, lambda: mapped(file), "map.json", "label map")


@fuzzed()
def test_tables_of_labels_changed(fence: Path, case: int) -> None:
    file = fence / "map.csv"
    whole = 'cat,tom,1\ndog,3\n"a,b",c\n'
    if case % 2:
        file.write_text(text_of(case, whole), errors="replace")
    else:
        file.write_bytes(bytes_of(case, whole.encode()))
    assert_answered(fence, lambda: mapped(file), "map.csv", "label map")


@pytest.mark.parametrize("text", ["\0", "a," + "9" * 5000, "a,\u00b2", '"' * 3, "a"])
def test_a_line_of_labels(fence: Path, text: str) -> None:
    file = fence / "map.csv"
    file.write_text(text)
    assert_answered(fence, lambda: mapped(file), "map.csv", "label map")
    file.write_text(f"cat,{'x' * 200_000}")
    assert_answered(fence, lambda: labels.read_map(str(file)), "map.csv")


@fuzzed()
def test_class_names_changed(fence: Path, case: int) -> None:
    file = fence / "names.txt"
    file.write_bytes(bytes_of(case, "cat\n\u00e9l\u00e9phant\ndog".encode()))
    assert_answered(fence, lambda: labels.class_names(str(file)), "names.txt")


def test_any_name_of_a_class_is_mapped(fence: Path) -> None:
    file = fence / "map.json"
    names = [*NAMES, "plain"]
    file.write_text(json.dumps({name: i for i, name in enumerate(names)}))
    found = labels.groups(names, len(names), labels.read_map(str(file)))
    assert found == {name: (i,) for i, name in enumerate(names)}


@pytest.mark.parametrize("path", [*NAMES, "~nobody/x"], ids=range(len(NAMES) + 1))
def test_paths_that_are_none(
    fence: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(fence)
    for read in (labels.read_map, labels.class_names):
        line = answer(fence, lambda: read(path))  # noqa: B023
        assert line is not None or path == "/etc/passwd"  # which is there, and text
