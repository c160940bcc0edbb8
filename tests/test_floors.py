"""Imports run one way, by floors; modules stay small."""

import ast
from pathlib import Path

import pytest

from helpers import paths

# `report` lies below `lab`: a run keeps its provenance and its trained-out flag, and
# both are defined there.
FLOORS = (
    ("helpers", "settings", "paths", "streams", "whole"),
    ("language", "vision", "losses", "explain"),
    ("data", "methods"),
    ("measure",),
    ("report",),
    ("lab",),
    ("chapters",),
    ("execute", "run", "rerun", "judge", "compare", "classroom", "offline"),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# Rooms of one floor that may be entered from a neighbour: (from, to).
DOORS = {
    ("explain", "vision"),
    ("methods", "data"),
    ("run", "execute"),
    ("rerun", "run"),
}
FILES = sorted((paths.root() / "helpers").rglob("*.py"))


def room_of(file: Path) -> str:
    parts = file.relative_to(paths.root() / "helpers").with_suffix("").parts
    return "helpers" if parts == ("__init__",) else parts[0]


def imported_rooms(source: str) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "helpers":
                known = len(parts) > 1 and parts[1] in FLOOR
                rooms.add(parts[1] if known else "helpers")
    return rooms


def upward(room: str, imported: set[str]) -> list[str]:
    return sorted(
        other
        for other in imported - {room}
        if FLOOR[other] >= FLOOR[room]
        and FLOOR[room] > 0
        and (room, other) not in DOORS
    )


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_a_module_imports_from_floors_below_its_own(file: Path) -> None:
    room = room_of(file)
    assert room in FLOOR, f"{file}: which floor is '{room}' on?"
    assert upward(room, imported_rooms(file.read_text("utf-8"))) == []


def test_an_import_that_runs_up_is_found() -> None:
    rooms = imported_rooms("from helpers.lab import runs\nimport helpers.measure.x")
    assert upward("explain", rooms) == ["lab", "measure"]
    assert upward("run", rooms) == []


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_a_module_fits_one_sitting(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= 330


def test_a_judge_of_models_needs_no_trainer() -> None:
    """Explaining and measuring must not import Lightning, nor the book's tools."""
    import subprocess
    import sys

    code = (
        "import sys, helpers.explain.cam, helpers.measure.perturbation, "
        "helpers.lab.weights, helpers.report.verdict, helpers.judge.page; "
        "print([m for m in ('lightning', 'papermill', 'matplotlib') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
