"""Locks of runs: two processes that ask for one run train it once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from helpers import paths
from helpers.lab.weights import Report


@contextmanager
def locked(folder: Path, report: Report | None) -> Iterator[None]:
    """Hold a run's lock; wait, and say so, where another process has it.

    The system takes a lock back from a process that dies, however it does.
    """
    locks = paths.runs() / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if report:
            report("another process is at it: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
