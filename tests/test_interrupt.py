"""Ctrl-C: real processes stop, leave nothing behind and say how to go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from helpers import paths
from helpers.vision import backbone

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal there")


def begun(words: list[object], **variables: str) -> subprocess.Popen[str]:
    """Start a command in a group of its own, as a terminal does."""
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=paths.root(),
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def seen(command: subprocess.Popen[str], part: str) -> str:
    """Return the first line with this part."""
    assert command.stdout is not None
    for line in command.stdout:
        if part in line:
            return line
    assert command.stderr is not None
    raise AssertionError(command.stderr.read())


def interrupted(command: subprocess.Popen[str], whole_group: bool = True) -> str:
    """Press Ctrl-C; return what is told on stderr. No process of it is left."""
    if whole_group:
        os.killpg(command.pid, signal.SIGINT)
    else:
        command.send_signal(signal.SIGINT)
    _, told = command.communicate(timeout=120)
    assert command.returncode == 130, told
    for _ in range(100):
        try:
            os.killpg(command.pid, 0)
        except ProcessLookupError:
            return told
        time.sleep(0.1)
    raise AssertionError("a process of the group lives on")


def test_a_grid_of_runs(tmp_path: Path) -> None:
    words = ["-m", "helpers.run", "00_laboratory", "--profile", "smoke"]
    words += ["-p", "seeds=[1, 2]", "-p", "epochs=1000"]
    command = begun(words, **{paths.VARIABLE: str(tmp_path)})
    line = seen(command, ": epoch 1 of ")
    assert "/seed" in line  # whose line it is
    assert "s left" in line
    told = interrupted(command)
    assert told.count("\n") == 1
    assert told.startswith("helpers.run: stopped; give the same command again to go on")
    assert not (tmp_path / "runs" / "chapters").exists()


def test_a_judge(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_file(backbone("resnet20", 2).state_dict(), tmp_path / "w.safetensors")
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (32, 32)).save(tmp_path / "pictures" / name / f"{i}.png")
    words = ["-m", "helpers.judge", "--model", f"resnet20:{tmp_path}/w.safetensors"]
    words += ["--data", f"{tmp_path}/pictures", "--methods", "gradcam,rise"]
    words += ["--metrics", "insertion", "--out", f"{tmp_path}/r.json"]
    command = begun([*words, "--size", "32", "--rise-masks", "3000"])
    seen(command, "Grad-CAM")
    told = interrupted(command)
    assert told.startswith("helpers.judge: stopped; nothing was written")
    assert told.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "pictures",
        "w.safetensors",
    ]


TASK = """
import sys, tasks
code, tasks.GRACE = sys.argv[1], int(sys.argv[2])
tasks.check_machine = lambda: None
tasks.COMMANDS["wait"] = lambda: tasks.call(sys.executable, "-c", code)
sys.argv = ["tasks.py", "wait"]
raise SystemExit(tasks.main())
"""
ORDERLY = """
import time
try:
    print("begun", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    time.sleep(0.5)
    print("tidied up", flush=True)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("begun", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("whole_group", [True, False], ids=["terminal", "process"])
@pytest.mark.parametrize("code", [ORDERLY, DEAF], ids=["orderly", "deaf"])
def test_a_task(code: str, whole_group: bool) -> None:
    """What it called may tidy up, and is forced to end if it hears nothing."""
    command = begun(["-c", TASK, code, 1])
    seen(command, "begun")
    assert command.stdout is not None
    told = interrupted(command, whole_group)
    assert told == "tasks.py wait: stopped; call it again to go on\n"


def test_a_task_waits_for_what_it_called() -> None:
    command = begun(["-c", TASK, ORDERLY, 60])
    seen(command, "begun")
    os.killpg(command.pid, signal.SIGINT)
    out, _ = command.communicate(timeout=60)
    assert "tidied up" in out
