"""Profiles: a file of YAML, its values plain, and not many of them."""

from pathlib import Path
from typing import Any

import yaml

from helpers.settings import Refused

MOST = 10_000  # values of a profile, counted where they are used: `*name` copies all
DEEPEST = 20


def profile_of(file: Path) -> dict[str, Any]:
    """Return what a profile sets: parameters by chapter.

    Raises:
        Refused: a file that cannot be read, has tags of Python, is no mapping, or
            grows without end where its anchors are used.
    """
    try:
        text = file.read_text("utf-8")
        _count(yaml.compose(text, yaml.SafeLoader), 0, {})
        whole = yaml.safe_load(text) or {}
    except OSError as error:
        raise Refused(f"profile '{file}' cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        said = " ".join(str(getattr(error, "problem", None) or error).split())
        raise Refused(
            f"profile '{file}'{where} cannot be read ({said[:120]}): write plain YAML"
        ) from None
    if not isinstance(whole, dict):
        raise Refused(f"profile '{file}' must hold chapters, each with name: value")
    return whole


def _count(node: yaml.Node | None, depth: int, known: dict[int, int]) -> int:
    """Return how many values a node stands for where each anchor's are copied.

    Raises `ValueError` for too many, or nested too deeply, as within themselves.
    """
    if depth > DEEPEST:
        raise ValueError(f"it is nested in more than {DEEPEST} levels")
    if id(node) in known:
        return known[id(node)]
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        parts = [one for pair in node.value for one in pair]
    elif isinstance(node, yaml.SequenceNode):
        parts = node.value
    total = 1 + sum(_count(one, depth + 1, known) for one in parts)
    if total > MOST:
        raise ValueError(f"it stands for more than {MOST:,} values")
    known[id(node)] = total
    return total
