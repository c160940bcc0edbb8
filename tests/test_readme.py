"""The README's commands and its code work as they stand."""

import re
import shlex
from pathlib import Path

import pytest
import torch

from helpers import paths, run
from helpers.vision import backbone

TEXT = (paths.root() / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.S)


def test_its_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(backbone("resnet20", 10).state_dict(), tmp_path / "resnet20.th")
    names: dict = {}
    for block in blocks("python"):
        exec(block, names)
    assert names["maps"].shape == (8, 32, 32)
    assert names["scores"].insertion_auc.shape == (8,)


def test_its_commands_are_accepted() -> None:
    text = "\n".join(blocks("bash")).replace("\\\n", " ")
    lines = re.findall(r"(?m)^python -m helpers.run (.*)$", text)
    assert len(lines) >= 3
    for line in lines:
        given = run._parser().parse_args(shlex.split(line, comments=True))
        run.chapter_of(given.chapter, given.profile, given.parameter)


def test_its_make_targets_exist() -> None:
    targets = set(re.findall(r"(?m)(?:`|^)make (\w+)", TEXT)) - {"PYTHON"}
    makefile = (paths.root() / "Makefile").read_text("utf-8")
    assert targets
    assert all(re.search(rf"(?m)^.*\b{target}\b.*:", makefile) for target in targets)


def test_every_folder_it_names_is_there() -> None:
    for name in re.findall(r"(?m)^\| `(\w+)/` \|", TEXT):
        assert (paths.root() / name).is_dir(), name
    for function in re.findall(r"`(helpers\.[\w.]+)`", TEXT):
        module, _, attribute = function.rpartition(".")
        assert hasattr(__import__(module, fromlist=[attribute]), attribute), function
