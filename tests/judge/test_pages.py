"""The commands and the code of the how-to page, and of the README, work as they are."""

import re
import shlex
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from helpers import paths
from helpers.explain.named import METHODS
from helpers.judge import arguments
from helpers.judge.__main__ import main
from helpers.measure.named import METRICS
from helpers.vision import backbone

HOW_TO = (paths.root() / "book" / "judge.md").read_text("utf-8")
README = (paths.root() / "README.md").read_text("utf-8")


def commands(text: str) -> list[list[str]]:
    """The arguments of each call of the judge, as a shell would split them."""
    found = re.findall(r"```(?:shell|bash)\n(.*?)```", text, flags=re.S)
    lines = "\n".join(found).replace("\\\n", " ").splitlines()
    start = "python -m helpers.judge"
    return [shlex.split(line[len(start) :]) for line in lines if line.startswith(start)]


@pytest.mark.parametrize("text", [HOW_TO, README], ids=["page", "README"])
def test_every_command_is_accepted(text: str) -> None:
    found = commands(text)
    assert found
    for line in found:
        assert arguments.asked(line).choice.methods


def test_the_first_run_works_as_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    draw, from_python = re.findall(r"```python\n(.*?)```", HOW_TO, flags=re.S)
    exec(draw, {})
    torch.manual_seed(0)
    save_file(backbone("scene-resnet", 24).state_dict(), tmp_path / "w.safetensors")
    line = next(line for line in commands(HOW_TO) if "scenes.txt" in line)
    line[line.index("--model") + 1] = "scene-resnet:w.safetensors"
    assert main([*line, "--limit", "2"]) == 0
    assert "2 pictures of 64 x 64, 2 classes of the data" in capsys.readouterr().out
    exec(from_python, {})
    assert "Input x Gradient" in capsys.readouterr().out


def test_all_methods_and_metrics_stand_on_the_page() -> None:
    told = set(re.findall(r"`([\w-]+)`", HOW_TO))
    assert set(METHODS) <= told
    assert set(METRICS) - told <= {"mosu-reversed"}


def test_the_page_names_options_that_there_are() -> None:
    known = set(arguments.parser()._option_string_actions)
    assert set(re.findall(r"(?<!-)--[a-z][a-z-]*", HOW_TO)) <= known
