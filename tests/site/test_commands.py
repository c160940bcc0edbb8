"""Every command line that a page shows is one that the programs accept."""

import re
import shlex
from pathlib import Path

import pytest

from helpers import rerun, run
from helpers.chapters import CHAPTERS
from helpers.compare.__main__ import parser as compare_parser
from helpers.judge.arguments import parser as judge_parser

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"python -m helpers\.(\w+) (.*)")
FENCE = re.compile(r"```(?:shell|bash)\n(.*?)```", re.S)


def commands(text: str) -> list[tuple[str, list[str]]]:
    """The commands of a page's blocks of shell, as program and words."""
    found = []
    for block in FENCE.findall(text):
        block = block.replace("\\\n", " ").replace("$SLURM_ARRAY_TASK_ID", "1")
        for line in block.splitlines():
            wrapped = re.search(r"--wrap '(.*)'", line)
            if match := COMMAND.search(wrapped[1] if wrapped else line):
                words = shlex.split(match[2], comments=True)
                found.append((match[1], words))
    return found


def assert_accepted(program: str, words: list[str]) -> None:
    """Parse a command as its program would; raises where that refuses it."""
    if program == "run":
        given = run._parser().parse_args(words)
        names = CHAPTERS if given.chapter == "all" else [given.chapter]
        for name in names:
            assert run.chapter_of(name, given.profile, given.parameter)
    else:
        {"judge": judge_parser, "compare": compare_parser}[program]().parse_args(words)


def pages() -> dict[str, str]:
    found = {}
    for file in sorted((ROOT / "book").rglob("*.md")):
        if "chapters" not in file.relative_to(ROOT / "book").parts[:1]:
            found[str(file.relative_to(ROOT))] = file.read_text("utf-8")
    for file in sorted((ROOT / "nbs").glob("[0-9]*.py")):
        text = re.sub(r"(?m)^# ?", "", file.read_text("utf-8"))
        found[str(file.relative_to(ROOT))] = text
    return found


@pytest.mark.parametrize(
    "page", [name for name, text in pages().items() if commands(text)]
)
def test_its_commands_are_accepted(page: str) -> None:
    for program, words in commands(pages()[page]):
        assert_accepted(program, words)


def test_the_guide_leads_through_every_kind_of_data() -> None:
    text = (ROOT / "book" / "rerun.md").read_text("utf-8")
    given = [word for _, words in commands(text) for word in words]
    for data in ("cifar10", "imagenette", "imagenet-s50:PATH", "folder:PATH"):
        assert f"dataset={data}" in given
    assert "instances_val2017.json" in given
    assert "device=cuda" in given


@pytest.mark.parametrize(
    "text",
    [
        "python -m helpers.run 03_trainin",
        "python -m helpers.run 03_training -p epoch=3",
        "python -m helpers.run 03_training -p size=3",
        "python -m helpers.judge --modle x --data y",
        "python -m helpers.compare one",
    ],
)
def test_a_wrong_command_would_be_found(text: str) -> None:
    ((program, words),) = commands(f"```shell\n{text}\n```")
    with pytest.raises((ValueError, KeyError, SystemExit)):
        assert_accepted(program, words)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_has_three_lines_and_all_its_parameters(chapter: str) -> None:
    text = rerun.section(chapter, None)
    lines = commands(text)
    assert len(lines) == 3
    assert len({tuple(words) for _, words in lines}) == 3
    for program, words in lines:
        assert words[0] == chapter
        assert_accepted(program, words)
    names = re.findall(r"(?m)^\| `(\w+)` \|", text)
    assert names == list(CHAPTERS[chapter].model_fields)
    block = FENCE.findall(text)[0]
    assert max(map(len, block.splitlines())) <= 79
