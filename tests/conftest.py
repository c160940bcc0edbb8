"""Runs in a folder of the test's own, small enough for seconds; and no network."""

import atexit
import importlib.util
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import paths
from helpers.report import admission
from helpers.settings import CrossEntropy, DataSettings, RunSettings

ALONE = Path(__file__).parent / "alone"


def cut_the_network() -> Path:
    """Let this process and all that it starts speak to this machine alone.

    Returns the file in which each attempt to do otherwise is a line.
    """
    handle, log = tempfile.mkstemp(prefix="network-")
    os.close(handle)
    atexit.register(Path(log).unlink, missing_ok=True)
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    others = [one for one in others if one and one != str(ALONE)]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ALONE), *others])
    os.environ["NETWORK_LOG"] = log
    file = ALONE / "sitecustomize.py"
    if getattr(sys.modules.get("sitecustomize"), "__file__", "") != str(file):
        spec = importlib.util.spec_from_file_location("alone_here", file)
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return Path(log)


def let_ctrl_c_through() -> None:
    """Take Ctrl-C as a terminal gives it, also where a shell runs tests behind itself.

    Such a shell has it ignored, and what a test starts would inherit that.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


LOG = cut_the_network()
let_ctrl_c_through()


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """Fail the test that reached for another machine, also where it went on."""
    before = LOG.stat().st_size
    yield
    said = LOG.read_text("utf-8")[before:]
    assert not said, f"this test uses the network:\n{said}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs and data of this test lie in a folder of its own."""
    monkeypatch.setenv(paths.VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def small() -> RunSettings:
    """A training of two seconds."""
    return RunSettings(
        data=DataSettings(train=96, test=16, explained=4, size=32),
        method=CrossEntropy(epochs=3, batch=32, flip=True, shift=2),
    )


@pytest.fixture
def all_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Admit every metric, as if a trial had, where a test asks what else decides."""
    monkeypatch.setattr(admission, "may_judge", lambda metric: True)
