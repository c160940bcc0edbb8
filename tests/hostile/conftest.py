"""A folder of the test's own; nothing may be left beside it."""

import faulthandler
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.broken import after_a_minute


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """End the process where a library hangs."""
    after_a_minute()
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def fence(tmp_path: Path) -> Iterator[Path]:
    """A folder to write in; beside it nothing may come to be."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "beside.txt").write_text("as it was")
    yield inside
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beside.txt", "inside"]
    assert (tmp_path / "beside.txt").read_text() == "as it was"
