"""Checksums of a run's files: what is damaged is found before it is used.

They lie in the run as `SHA256SUMS`, which `sha256sum --check SHA256SUMS` reads too. A
run that was made before there were any, or whose scores are just being written, has no
line for some of its files: those are asked only whether they can be read.
"""

import hashlib
import json
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from helpers.lab.weights import Report, load_weights
from helpers.settings import Refused
from helpers.whole import write_whole

SUMS = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64})  ([^/]+)")


def seal(folder: Path, names: Iterable[str]) -> None:
    """Write the checksums of those files of these names that are in a folder.

    Raises `OSError` where they cannot be written.
    """
    files = [folder / name for name in names if (folder / name).is_file()]
    lines = [f"{_sum(file)}  {file.name}\n" for file in files]
    write_whole({folder / SUMS: "".join(lines)})


def is_sealed(folder: Path, names: Iterable[str]) -> bool:
    """Tell whether each file of these names that is in a folder has a checksum."""
    listed = _listed(folder) or {}
    return all(name in listed for name in names if (folder / name).is_file())


def fault(folder: Path, names: Iterable[str]) -> str:
    """Return what is wrong with a run that must have files of these names; "" if whole.

    Raises `OSError` where the files are there and the system does not let them be read.
    """
    listed = _listed(folder)
    if listed is None:
        return f"{SUMS} cannot be read"
    for name in sorted({*names, *listed}):
        file = folder / name
        if not file.is_file():
            return f"{name} is missing"
        if name in listed and _sum(file) != listed[name]:
            return f"{name} does not have its checksum of {SUMS}"
        if name not in listed and not _is_readable(file):
            return f"{name} cannot be read"
    return ""


def set_aside(folder: Path, names: Iterable[str], report: Report | None) -> None:
    """Rename what lies in the place of a run and is not whole; say so, in any case."""
    if not folder.exists():
        return
    aside = folder.with_name(f"{folder.name}.damaged")
    shutil.rmtree(aside, ignore_errors=True)
    wrong = fault(folder, names)
    folder.rename(aside)
    say = report or print
    say(
        f"run '{folder}' is damaged ({wrong}): set aside as '{aside.name}', it is "
        "trained again"
    )


def checkpoint_is_whole(file: Path) -> bool:
    """Tell whether the checksums inside a checkpoint are right: torch asks for none."""
    try:
        with zipfile.ZipFile(file) as parts:
            return parts.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError):
        return False


def _listed(folder: Path) -> dict[str, str] | None:
    """Return the checksums by name, {} where there are none, None if unreadable."""
    try:
        text = (folder / SUMS).read_text("ascii")
    except FileNotFoundError:
        return {}
    except ValueError:
        return None
    found = [LINE.fullmatch(line) for line in text.splitlines()]
    if not text.endswith("\n") or not all(found):
        return None
    return {match[2]: match[1] for match in found if match}


def _is_readable(file: Path) -> bool:
    try:
        if file.suffix == ".json":
            json.loads(file.read_text("utf-8"))
        elif file.suffix == ".safetensors":
            load_weights(file)
    except (ValueError, Refused):
        return False
    return file.stat().st_size > 0


def _sum(file: Path) -> str:
    """Return the checksum; a file that did not change is read once a process."""
    now = file.stat()
    return _read_sum(file, now.st_size, now.st_mtime_ns, now.st_ino)


@lru_cache(maxsize=100_000)
def _read_sum(file: Path, size: int, changed: int, node: int) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
