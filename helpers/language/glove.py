"""Text files of GloVe: a line a word, `word v1 ... vD`, plain or packed by gzip."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import torch
from numpy.typing import NDArray

from helpers.language.word_vectors import WordVectors
from helpers.settings import Refused

LONGEST = 2**20  # bytes of a line: a packed file may hold one without end
BLOCK = 4096  # rows that wait as arrays of their own before they are joined
ENDS = " \r\n"


def read_glove(file: Path, only: Iterable[str] | None = None) -> WordVectors:
    """Read a text file of GloVe, a line a word: `word v1 ... vD`, or its `.gz`.

    The file is streamed; with `only`, the other words are checked but not kept. A word
    may hold blanks (glove.840B has some): numbers are counted from the line's end. The
    first line fixes D.

    Raises:
        Refused: naming the line that has too few or too many numbers, a value that is
            no number, a word that had come before; a file cut off within a line;
            no word of `only`.
    """
    wanted = None if only is None else frozenset(only)
    words: dict[str, int] = {}  # word -> its line
    kept: list[str] = []
    blocks: list[NDArray[np.float32]] = []
    rows: list[NDArray[np.float32]] = []
    width = 0
    for number, line in enumerate(_lines(file), 1):
        width = width or _first_width(file, line)
        word, values = _parsed(f"word vectors '{file}', line {number}", line, width)
        if word in words:
            first = f"was there in line {words[word]}"
            raise Refused(
                f"word vectors '{file}', line {number}: '{word}' {first}: keep one"
            )
        words[word] = number
        if wanted is None or word in wanted:
            kept.append(word)
            rows.append(values)
        if len(rows) == BLOCK:
            blocks.append(np.stack(rows))
            rows = []
    if not kept:
        told = "is empty" if not words else f"has {len(words)} words, none asked for"
        raise Refused(f"word vectors '{file}' {told}: give another file")
    whole = np.concatenate([*blocks, *([np.stack(rows)] if rows else [])])
    return WordVectors(tuple(kept), torch.from_numpy(whole))


def _first_width(file: Path, line: bytes) -> int:
    """Return D of the first line; raise `Refused` for a header, or no number."""
    width = line.rstrip().count(b" ")
    if width == 1 and all(part.strip().isdigit() for part in line.split(b" ")):
        raise Refused(f"word vectors '{file}' begin with a header: remove line 1")
    if width < 1:
        raise Refused(
            f"word vectors '{file}', line 1 is no word with numbers: a text file of "
            "GloVe has 'word v1 ... vD' in each line"
        )
    return width


def _parsed(where: str, line: bytes, width: int) -> tuple[str, NDArray[np.float32]]:
    if not line.endswith(b"\n"):
        raise Refused(f"{where} has no end: the file is cut off, copy it anew")
    try:
        text = line.decode("utf-8").rstrip(ENDS)
        word, *numbers = text.rsplit(" ", width)
    except UnicodeDecodeError:
        raise Refused(f"{where} is not in UTF-8: take GloVe's own text file") from None
    last = word.rsplit(" ", 1)[-1]
    if len(numbers) != width or not word or (last != word and _is_number(last)):
        found = sum(map(_is_number, text.split(" ")[1:]))
        raise Refused(f"{where} has {found} numbers, line 1 has {width}: mend it")
    try:
        values = np.array([*map(float, numbers)], dtype=np.float32)
    except ValueError:
        wrong = next(text for text in numbers if not _is_number(text))
        raise Refused(f"{where}: '{wrong}' is not a number: mend it") from None
    if not np.isfinite(values).all():
        raise Refused(f"{where} ('{word}') has a value that is not finite: mend it")
    return word, values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if file.suffix == ".gz":
        with gzip.open(file, "rb") as stream:
            yield cast(BinaryIO, stream)
    else:
        with file.open("rb") as stream:
            yield stream


def _lines(file: Path) -> Iterator[bytes]:
    """Yield the lines of a text or gzip file; only a newline ends one."""
    if file.suffix not in (".txt", ".gz"):
        raise Refused(f"word vectors '{file}' must be .txt or .txt.gz: unpack it")
    try:
        with _opened(file) as stream:
            number = 0
            while line := stream.readline(LONGEST + 1):
                number += 1
                if len(line) > LONGEST:
                    raise Refused(
                        f"word vectors '{file}', line {number} is longer than "
                        f"{LONGEST:,} bytes: a line has a word and its numbers"
                    )
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise Refused(
            f"word vectors '{file}' cannot be read ({type(error).__name__}): give a "
            "whole text file of GloVe"
        ) from None
