"""Runs in a folder of the test's own, small enough for seconds."""

from pathlib import Path

import pytest

from helpers import paths
from helpers.settings import CrossEntropy, DataSettings, RunSettings


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
