"""Where runs, data and records lie; one environment variable moves them all."""

import os
import shutil
from pathlib import Path

VARIABLE = "DOES_LANGUAGE_EXPLAIN_HOME"


def root() -> Path:
    """Return the folder of the book's sources: the parent of `helpers`."""
    return Path(__file__).resolve().parents[1]


def home() -> Path:
    """Return the folder of `runs` and `data`.

    The one named by the variable `DOES_LANGUAGE_EXPLAIN_HOME`; else the checkout; else,
    where the package is installed without its book, the user's cache folder.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser().resolve()
    if (root() / "_config.yml").is_file():
        return root()
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(cache).expanduser() / "does-language-explain"


def runs() -> Path:
    """Return the folder of trained runs."""
    return home() / "runs"


def data() -> Path:
    """Return the folder into which data sets are downloaded."""
    return home() / "data"


def records() -> Path:
    """Return the folder of the committed records of long runs."""
    return root() / "book" / "records"


def require_space(folder: Path, megabytes: int) -> None:
    """Raise `OSError` naming the folder if less than `megabytes` MB are free there."""
    at = folder
    while not at.exists():
        at = at.parent
    free = shutil.disk_usage(at).free // 2**20
    if free < megabytes:
        raise OSError(
            f"the disk of {folder} has {free} MB free, {megabytes} MB are needed: free "
            f"some, or set {VARIABLE} to a folder on another disk"
        )
