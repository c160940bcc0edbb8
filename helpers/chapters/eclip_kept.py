"""Numbers of a CLIP that are kept beside its weights, so that a study can go on."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from filelock import FileLock

from helpers import paths
from helpers.lab.code import code_hash


def kept_numbers(
    settings: Mapping[str, Any],
    code: tuple[str, ...],
    compute: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """Return numbers that were computed with these settings and code, or compute them.

    Processes that ask for the same wait for the one that began.

    Args:
        settings: all that the numbers depend on, beside code; JSON-ready.
        code: modules of `helpers` that decide the numbers, with all they import.
        compute: returns them, JSON-ready.
    """
    text = json.dumps(settings, sort_keys=True) + code_hash(code)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    file = paths.runs() / "maps" / "numbers" / f"{digest}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        if file.is_file():
            found: dict[str, Any] = json.loads(file.read_text("utf-8"))
            return found
        numbers = compute()
        beside = file.with_suffix(".writing")  # whole, or not there
        beside.write_text(json.dumps(numbers, allow_nan=False), "utf-8")
        beside.replace(file)
    return numbers
