"""The hash of the code that a result depends on."""

import ast
import hashlib
from functools import cache
from pathlib import Path

from helpers import paths

# What decides a run's weights, and what decides its scores. Comments and docstrings
# decide neither.
TRAINING = (
    "settings.py",
    "streams.py",
    "language",
    "vision",
    "losses",
    "data",
    "methods",
    "lab/fit.py",
    "lab/callbacks.py",
)
SCORING = ("explain", "measure", "lab/score.py")


@cache
def code_hash(parts: tuple[str, ...]) -> str:
    """Return the hash of modules of `helpers`, without comments and docstrings."""
    base = paths.root() / "helpers"
    total = hashlib.sha256()
    for part in parts:
        for file in [base / part] if part.endswith(".py") else _modules(base / part):
            total.update(f"{file.relative_to(base).as_posix()}\n".encode())
            total.update(_meaning(file).encode())
    return total.hexdigest()


def _modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def _meaning(file: Path) -> str:
    tree = ast.parse(file.read_text("utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            body.pop(0)
    return ast.dump(tree)
