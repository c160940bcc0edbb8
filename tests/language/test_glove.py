"""Text files of GloVe: read as they are, and refused by their line."""

import gzip
from pathlib import Path

import pytest
import torch

from helpers.language import glove
from helpers.settings import Refused

LINES = ("cat 0.1 -2 3e-1", "new york 1 1 1", ". . 4 5 6", "dog\xa0s 0 0 1")


def written(folder: Path, *lines: str, end: str = "\n") -> Path:
    file = folder / "glove.txt"
    file.write_bytes(("\n".join(lines) + end).encode())
    return file


def refused(file: Path) -> str:
    with pytest.raises(Refused) as caught:
        glove.read_glove(file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("block", [1, 3, 4096])
def test_words_and_numbers_are_those_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """Words of glove.840B may hold blanks, of either kind."""
    monkeypatch.setattr(glove, "BLOCK", block)
    read = glove.read_glove(written(tmp_path, *LINES))
    assert read.words == ("cat", "new york", ". .", "dog\xa0s")
    assert torch.equal(read.vectors[0], torch.tensor([0.1, -2, 0.3]))
    assert read.vectors.shape == (4, 3)


def test_a_packed_file_is_read_alike_and_only_some_words_are_kept(
    tmp_path: Path,
) -> None:
    plain = written(tmp_path, *LINES)
    packed = tmp_path / "glove.txt.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    whole, part = glove.read_glove(plain), glove.read_glove(packed, only=["cat", "owl"])
    assert part.words == ("cat",)
    assert torch.equal(part.vectors, whole.vectors[:1])
    with pytest.raises(Refused, match="4 words, none asked for"):
        glove.read_glove(plain, only=["owl"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("owl 1 2", "line 3 has 2 numbers, line 1 has 3"),
        ("owl 1 2 3 4", "line 3 has 4 numbers, line 1 has 3"),
        ("owl 1 two 3", "line 3: 'two' is not a number"),
        ("owl 1 nan 3", "line 3 ('owl') has a value that is not finite"),
        ("cat 1 2 3", "line 3: 'cat' was there in line 1"),
        ("", "line 3 has 0 numbers"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    file = written(tmp_path, LINES[0], LINES[1], line, LINES[2])
    assert said in refused(file)


def test_a_cut_file_is_seen(tmp_path: Path) -> None:
    """Cut within a number it would read as another number."""
    assert "line 2 has no end" in refused(written(tmp_path, LINES[0], LINES[1], end=""))
    packed = tmp_path / "glove.txt.gz"
    whole = gzip.compress("".join(f"w{i} {i} 1\n" for i in range(4000)).encode())
    packed.write_bytes(whole[: len(whole) // 2])
    assert "cannot be read (EOFError)" in refused(packed)


def test_other_files_are_refused(tmp_path: Path) -> None:
    assert "begin with a header: remove line 1" in refused(
        written(tmp_path, "400000 300", *LINES)
    )
    assert "is empty" in refused(written(tmp_path, end=""))
    assert "no word with numbers" in refused(written(tmp_path, "hello"))
    assert "unpack it" in refused(tmp_path / "glove.zip")
    assert "FileNotFoundError" in refused(tmp_path / "none.txt")
    bad = tmp_path / "glove.txt"
    bad.write_bytes(b"\xe9t\xe9 1 2\n")
    assert "not in UTF-8" in refused(bad)
