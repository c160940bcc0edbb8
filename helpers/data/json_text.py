"""JSON in files of others: values, or one line that names the file and the fault."""

import json
from pathlib import Path
from typing import Any

from helpers.settings import Refused

# What a file of another form leads to where it is taken apart.
FAULTS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


def parsed(text: str) -> Any:
    """Return what a text of JSON holds: without NaN or Infinity.

    Raises:
        ValueError: what is no JSON, in one line.
    """
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(file: Path, what: str, remedy: str) -> Any:
    """Return what a file of JSON holds.

    Raises:
        Refused: a file that is not there, not text, or no JSON: `what` and `remedy`
            are the words of the line before and after its name and fault.
    """
    try:
        return parsed(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(
            f"{what} '{file}' cannot be read ({fault(error)}): {remedy}"
        ) from None


def fault(error: Exception) -> str:
    """Return a fault in a few words on one line."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said[:80]}" if said else type(error).__name__


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")
