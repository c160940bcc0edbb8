"""The hash of the code that a result depends on."""

import ast
import hashlib
from functools import cache
from pathlib import Path

from helpers import paths

# Every training goes through these, beside the modules of its method.
TRAINER = ("lab/fit.py", "lab/callbacks.py")
# Nothing of them decides a weight or a score: a run's settings are in its digest.
APART = {"settings.py", "paths.py"}


def everything() -> str:
    """Return the hash of all modules of `helpers`."""
    base = paths.root() / "helpers"
    files = (file.relative_to(base).as_posix() for file in base.rglob("*.py"))
    return code_hash(tuple(sorted(files)))


@cache
def code_hash(modules: tuple[str, ...]) -> str:
    """Return the hash of modules of `helpers` and of all they import from `helpers`.

    Comments and docstrings do not count, nor `settings` and `paths`.
    """
    base = paths.root() / "helpers"
    total = hashlib.sha256()
    for file in sorted(_needed(base, modules)):
        total.update(f"{file.relative_to(base).as_posix()}\n".encode())
        total.update(_meaning(file).encode())
    return total.hexdigest()


def _needed(base: Path, modules: tuple[str, ...]) -> set[Path]:
    """Return the files of the modules and of their imports, theirs too."""
    waiting, found = [base / module for module in modules], set()
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += _imports(base, file)
    return {file for file in found if file.relative_to(base).as_posix() not in APART}


def _imports(base: Path, file: Path) -> list[Path]:
    """Return the files of `helpers` that a file imports, wherever in it."""
    names = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
    parts = [name.split(".")[1:] for name in names if name.startswith("helpers.")]
    files = [base.joinpath(*part) for part in parts]
    candidates = [
        path for f in files for path in (f.with_suffix(".py"), f / "__init__.py")
    ]
    return [path for path in candidates if path.is_file()]


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
