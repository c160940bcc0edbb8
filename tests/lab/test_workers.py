"""Processes that train: they tell what they do, and end with who made them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import os, sys, time
from helpers.lab import workers

def busy():
    workers.say(f"busy {os.getpid()}")
    time.sleep(600)

def many(number):
    for line in range(50):
        workers.say(f"{number}-{line} " + 90 * "x")
    workers.say("y" * 10 ** 6)
    return number

def tell(line):
    print(line, flush=True)

if __name__ == "__main__":
    try:
        with workers.local_workers(2, tell) as pool:
            if sys.argv[1] == "many":
                assert list(pool.map(many, range(4))) == [0, 1, 2, 3]
            else:
                pool.submit(busy).result()
    except KeyboardInterrupt:
        raise SystemExit(130)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path / "script.py"


def started(script: Path) -> tuple[subprocess.Popen[str], int]:
    """Return a process in a group of its own, and the worker that it made."""
    parent = subprocess.Popen(
        [sys.executable, script, "busy"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    word, worker = parent.stdout.readline().split()
    assert word == "busy"
    return parent, int(worker)


def assert_ends(process: int) -> None:
    for _ in range(300):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        state = Path(f"/proc/{process}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return  # nobody takes its status; it is gone all the same
        time.sleep(0.1)
    pytest.fail(f"process {process} lives on")


def test_workers_end_with_the_process_that_made_them(script: Path) -> None:
    """Also where it is killed and can say nothing."""
    parent, worker = started(script)
    parent.kill()
    parent.communicate()
    assert_ends(worker)


@pytest.mark.parametrize("whole_group", [True, False], ids=["terminal", "process"])
def test_ctrl_c_ends_workers_at_once_and_without_a_traceback(
    whole_group: bool, script: Path
) -> None:
    """A terminal signals all processes in front of it, `kill -INT` one."""
    parent, worker = started(script)
    if whole_group:
        os.killpg(parent.pid, signal.SIGINT)
    else:
        parent.send_signal(signal.SIGINT)
    _, told = parent.communicate(timeout=60)
    assert parent.returncode == 130
    assert told == ""
    assert_ends(worker)


def test_every_line_of_every_worker_is_told_whole(script: Path) -> None:
    done = subprocess.run(
        [sys.executable, script, "many"], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    wanted = {f"{n}-{line} " + 90 * "x" for n in range(4) for line in range(50)}
    assert wanted <= set(lines)
    assert len(lines) == 204
    assert done.stderr == ""
