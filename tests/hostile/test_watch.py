"""The watch itself: what it must see, it sees."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.settings import Refused
from tests.hostile import broken
from tests.hostile.broken import Escaped, Hung, answer, assert_answered, watched


def test_what_leaves_the_folder_is_seen(fence: Path) -> None:
    with watched(fence):
        (fence / "own").write_text("fine")
    for act in (
        lambda: (fence.parent / "other").write_text("no"),
        lambda: (fence / ".." / "other").write_text("no"),
        lambda: os.mkdir(fence.parent / "folder"),  # noqa: PTH102
        lambda: subprocess.run([sys.executable, "-V"], check=False),
        lambda: os.system("true"),
    ):
        with pytest.raises(Escaped), watched(fence):
            act()


def test_what_hangs_is_seen(fence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broken, "PATIENCE", 0.05)
    with pytest.raises(Hung), watched(fence):
        time.sleep(5)


def test_a_refusal_must_be_short_and_name_the_file(fence: Path) -> None:
    def refuse(text: str) -> None:
        raise Refused(text)

    assert answer(fence, lambda: None) is None
    assert answer(fence, lambda: refuse("a.png is broken"), "a.png") is not None
    assert answer(fence, lambda: refuse("a\nb")) == "a\\nb"
    with pytest.raises(AssertionError):
        assert_answered(fence, lambda: refuse("it is broken"), "a.png")
    with pytest.raises(AssertionError):
        assert_answered(fence, lambda: refuse("x" * 5000))
    with pytest.raises(KeyError):
        assert_answered(fence, lambda: {}["other exceptions pass"])
