"""Runs on many machines: the workers of a Dask scheduler, as an executor.

`helpers.lab.grid` hands its runs to any `concurrent.futures.Executor`. Before this one
takes any, every worker shows that it has the code and packages of this process, that
it looks into the same folder of runs, and that a lock taken here holds there.
"""

import platform
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from helpers import paths
from helpers.lab.code import everything
from helpers.settings import Refused

PATIENCE = 5  # seconds, for a scheduler to answer
PACKAGES = ("torch", "lightning", "numpy", "distributed")
AGAIN = "runs go on from their last epoch when asked again"


@dataclass(frozen=True)
class Seen:
    """What a process has of the code, and what it sees of the folder of runs.

    Attributes:
        versions: of Python and of the packages that decide a weight.
        code: the hash of this package.
        folder: where it looks for runs.
        token: what stands in the file that was written there, "" if none is seen.
        locked: whether a lock that the asking process holds is held here too.
    """

    versions: Mapping[str, str]
    code: str
    folder: str
    token: str
    locked: bool


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """Yield an executor of all workers of the scheduler at `address`, as `tcp://host:8786`.

    A run whose worker dies is handed to another, which goes on from its last epoch.

    Raises `Refused` where Dask is not installed, no scheduler answers, a worker does
    not fit, or too many of them die.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise Refused("--scheduler needs Dask: pip install -e '.[cluster]'") from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise Refused(
            f"no scheduler answers at '{address}' within {PATIENCE} s "
            f"({type(error).__name__}): start `dask scheduler` there, then give the "
            "address that it prints, as tcp://host:8786"
        ) from None
    try:
        check_workers(client, address)
        yield client.get_executor(retries=0)
    except KilledWorker:
        raise Refused(
            "one run took several workers with it (out of memory?): see the workers' "
            f"logs; {AGAIN}"
        ) from None
    except CancelledError:
        raise Refused(f"the scheduler at '{address}' is gone: {AGAIN}") from None
    finally:
        client.close()


def check_workers(client: Any, address: str) -> None:
    """Raise `Refused` for the first worker that cannot train what is asked here."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise Refused(
            f"the scheduler at '{address}' has no workers: start some with "
            f"`dask worker {address} --nthreads 1`"
        )
    for name, worker in workers.items():
        if worker["nthreads"] != 1:  # two runs in a process would share random numbers
            raise Refused(
                f"worker '{name}' takes {worker['nthreads']} runs at a time in one "
                "process: start it with --nthreads 1, and more workers with --nworkers"
            )
    mark, token = uuid.uuid4().hex, uuid.uuid4().hex
    file = paths.runs() / ".locks" / f"seen-{mark}"
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{file}.lock")
    try:
        file.write_text(token, "utf-8")
        with lock:
            found = client.run(seen, mark, on_error="return")
            found["the scheduler"] = client.run_on_scheduler(_code_of_scheduler)
    finally:
        file.unlink(missing_ok=True)
        Path(lock.lock_file).unlink(missing_ok=True)
    ours = Seen(_versions(), everything(), str(paths.runs()), token, locked=True)
    scheduler = found.pop("the scheduler")
    if scheduler != ours.code:
        raise Refused(_other_code("the scheduler"))
    for name, theirs in found.items():
        if fault := misfit(ours, theirs):
            raise Refused(f"worker '{name}' {fault}")


def misfit(ours: Seen, theirs: Seen | BaseException) -> str:
    """Return what is wrong with a worker and the remedy, "" if nothing is."""
    if isinstance(theirs, BaseException):
        return (
            f"cannot be asked ({type(theirs).__name__}: {theirs}): start it where this "
            "package is installed"
        )
    for name, here in ours.versions.items():
        if theirs.versions.get(name) != here:
            return (
                f"has {name} {theirs.versions.get(name, 'not at all')}, here it is "
                f"{here}: install the same versions, by constraints.txt"
            )
    if theirs.code != ours.code:
        return _other_code("").strip()
    if theirs.token != ours.token:
        return (
            f"looks for runs in {theirs.folder}, which is not {ours.folder} here: set "
            f"{paths.VARIABLE} to one folder that all machines share"
        )
    if not theirs.locked:
        return (
            f"does not see locks taken here in {ours.folder}, so that runs could be "
            "trained twice: mount the folder with locks that hold between machines"
        )
    return ""


def seen(mark: str) -> Seen:
    """Return what this process sees of the file and the lock with this mark."""
    file = paths.runs() / ".locks" / f"seen-{mark}"
    try:
        token = file.read_text("utf-8")
    except OSError:
        return Seen(_versions(), everything(), str(paths.runs()), "", locked=False)
    try:
        with FileLock(f"{file}.lock", timeout=0):
            locked = False
    except Timeout:
        locked = True
    return Seen(_versions(), everything(), str(paths.runs()), token, locked)


def _code_of_scheduler() -> str:
    return everything()


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in PACKAGES}
    return {"Python": platform.python_version(), **found}


def _other_code(who: str) -> str:
    return f"{who} has other code of this package: install the same commit, restart it"
