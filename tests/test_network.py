"""Nothing speaks to another machine: not the package, its commands or its tests."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import paths, run

FAR = ("192.0.2.1", 80)  # an address that is nobody's, kept for documents
ALONE = Path(__file__).parent / "alone" / "chapter.py"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Attempts of this test go to a file of its own, and do not fail it."""
    file = tmp_path / "attempts"
    file.touch()
    monkeypatch.setenv("NETWORK_LOG", str(file))
    return file


def python(code: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", code]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_what_would_leave_this_machine_is_refused_and_kept(log: Path) -> None:
    with pytest.raises(OSError, match="use no network"):
        socket.create_connection(FAR, timeout=1)
    with pytest.raises(OSError, match="use no network"):
        socket.getaddrinfo("example.org", 80)
    with (
        socket.socket(type=socket.SOCK_DGRAM) as one,
        pytest.raises(OSError, match="use no network"),
    ):
        one.sendto(b"here I am", FAR)
    lines = log.read_text("utf-8").splitlines()
    assert [line.split()[0].split(".")[1] for line in lines] == [
        "connect",
        "getaddrinfo",
        "sendto",
    ]


def test_so_it_is_in_processes_that_a_test_starts(log: Path) -> None:
    attempt = (
        "import urllib.request as r\n"
        "try: r.urlopen('http://192.0.2.1', timeout=1)\n"
        "except OSError: print('went on')"
    )
    assert python(attempt).stdout == "went on\n"
    assert "connect to ('192.0.2.1', 80)" in log.read_text("utf-8")


def test_processes_of_this_machine_may_speak(log: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    socket.getaddrinfo("localhost", 80)
    assert log.read_text("utf-8") == ""


def test_the_package_and_a_chapter_do_without(home: Path, log: Path) -> None:
    """In a network of their own where the system permits it."""
    cut = ["unshare", "--map-root-user", "--net"]
    permitted = (
        shutil.which(cut[0])
        and not subprocess.run(
            [*cut, "true"], capture_output=True, check=False
        ).returncode
    )
    words = [sys.executable, ALONE, home, "cut" if permitted else "guarded"]
    done = subprocess.run(
        [*(cut if permitted else []), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=paths.root(),
    )
    assert done.returncode == 0, done.stderr
    assert "chapter 1 of 1 done" in done.stdout
    assert done.stderr == ""
    assert log.read_text("utf-8") == ""


def test_no_package_counts_its_users() -> None:
    """Kernels and workers inherit it; what is downloaded on demand says no more."""
    assert run.TELEMETRY == {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
    for name in run.TELEMETRY:
        assert os.environ[name] == "1"
