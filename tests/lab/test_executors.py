"""Runs on a Dask cluster: a real scheduler, two workers, one of them killed."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from helpers import paths, run
from helpers.lab import executors
from helpers.lab.executors import Seen, dask_executor, misfit
from helpers.lab.grid import grid
from helpers.lab.runs import train_or_load
from helpers.settings import Refused, RunSettings

EPOCHS, PATIENCE = 5, 120
EPOCH = re.compile(r"(seed\d+-\w+): epoch (\d+) of")


@dataclass(frozen=True)
class Cluster:
    """A scheduler and its workers, with the file that each writes to."""

    address: str
    home: Path
    workers: tuple[subprocess.Popen, ...]

    def epochs(self, worker: int) -> list[tuple[str, int]]:
        """The epochs that a worker has done, as run and number."""
        text = (self.home / f"worker{worker}.log").read_text("utf-8")
        return [(name, int(number)) for name, number in EPOCH.findall(text)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    home = tmp_path_factory.mktemp("cluster")
    file = home / "scheduler.json"

    def start(kind: str, log: str, *words: str) -> subprocess.Popen:
        with (home / log).open("w") as kept:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", f"distributed.cli.dask_{kind}"),
                    *("--scheduler-file", str(file), "--no-dashboard", *words),
                ],
                env={**os.environ, paths.VARIABLE: str(home)},
                stdout=kept,
                stderr=subprocess.STDOUT,
            )

    made = [start("scheduler", "scheduler.log", "--host", "127.0.0.1", "--port", "0")]
    try:
        wait(file.is_file)
        wait(lambda: len(file.read_text("utf-8")) > 0)
        words = ("--nthreads", "1", "--no-nanny")
        made += [start("worker", f"worker{i}.log", *words) for i in range(2)]
        said = [home / f"worker{i}.log" for i in range(2)]
        wait(lambda: all("Registered to" in log.read_text("utf-8") for log in said))
        address = json.loads(file.read_text("utf-8"))["address"]
        yield Cluster(address, home, tuple(made[1:]))
    finally:
        for process in made:
            process.kill()
            process.wait()


def wait(until: Callable[[], bool]) -> None:
    """Return when it is so; fail where it never is."""
    for _ in range(PATIENCE * 20):
        if until():
            return
        time.sleep(0.05)
    pytest.fail("it never came")


def test_a_worker_is_killed_and_every_run_is_trained_once(
    cluster: Cluster, small: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One test, since a cluster takes long to start: refusals come first."""
    assert_misfits_are_named(cluster, monkeypatch)
    monkeypatch.setenv(paths.VARIABLE, str(cluster.home))
    assert_all_are_trained_once(cluster, small)


def assert_misfits_are_named(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(said: str) -> None:
        with pytest.raises(Refused, match=said), dask_executor(cluster.address):
            pytest.fail("it was taken")

    other = cluster.home / "elsewhere"
    with monkeypatch.context() as patch:
        patch.setenv(paths.VARIABLE, str(other))
        refused(f"worker .* looks for runs in {cluster.home}.*not {other}.* here")
    assert list((other / "runs" / ".locks").iterdir()) == []
    monkeypatch.setenv(paths.VARIABLE, str(cluster.home))
    with monkeypatch.context() as patch:
        versions = {**executors._versions(), "torch": "1.0"}
        patch.setattr(executors, "_versions", lambda: versions)
        refused(r"worker .* has torch .*, here it is 1\.0")
    with monkeypatch.context() as patch:
        patch.setattr(executors, "everything", lambda: "another")
        refused("the scheduler has other code of this package")


def assert_all_are_trained_once(there: Cluster, small: RunSettings) -> None:
    method = small.method.model_copy(update={"epochs": EPOCHS})
    settings = [
        small.model_copy(update={"seed": seed, "method": method}) for seed in (1, 2, 3)
    ]
    stopped: list[str] = []

    def kill_in_its_third_epoch() -> None:
        wait(lambda: any(number == 2 for _, number in there.epochs(0)))
        there.workers[0].send_signal(signal.SIGKILL)
        there.workers[0].wait()
        stopped.append(there.epochs(0)[-1][0])

    killer = threading.Thread(target=kill_in_its_third_epoch)
    killer.start()
    with dask_executor(there.address) as executor:
        trained = grid(settings, executor=executor, report=lambda line: None)
    killer.join()
    assert [one.settings.seed for one in trained] == [1, 2, 3]

    counts = Counter(there.epochs(0) + there.epochs(1))
    names = {one.folder.name for one in trained}
    assert set(counts) == {(name, e) for name in names for e in range(1, EPOCHS + 1)}
    (victim,) = stopped
    twice = [one for one, count in counts.items() if count > 1]
    assert all(name == victim for name, _ in twice)
    assert len(twice) <= 1  # the epoch in which it was killed
    on = min(number for name, number in there.epochs(1) if name == victim)
    assert on > 1  # it went on where it was

    (again,) = [one for one in trained if one.folder.name == victim]
    files = ("record.json", "history.csv", "model.safetensors")
    kept = [(again.folder / name).read_bytes() for name in files]
    for file in again.folder.iterdir():
        file.unlink()
    here = train_or_load(again.settings)  # the same bits, without an interruption
    assert [(here.folder / name).read_bytes() for name in files] == kept
    assert list(there.home.rglob("*.partial")) == []


def test_a_chapter_is_refused_in_one_line_where_no_scheduler_answers(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(executors, "PATIENCE", 0.2)
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        words = ["00_laboratory", "--profile", "smoke", "--scheduler", address]
        assert run.main(words) == 2
        said = capsys.readouterr().err
        assert f"no scheduler answers at '{address}'" in said
        assert said.count("\n") == 1
    assert list(home.rglob("*.ckpt")) == []


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(Refused, match=r"\.\[cluster\]"), dask_executor("tcp://a:1"):
        pytest.fail("there is none")


OURS = Seen({"torch": "2.0"}, "code", "/shared/runs", "token", locked=True)


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (OURS, ""),
        (replace(OURS, folder="/elsewhere/mounted"), ""),  # the same folder after all
        (replace(OURS, versions={"torch": "1.9"}), "has torch 1.9, here it is 2.0"),
        (replace(OURS, versions={}), "has torch not at all"),
        (replace(OURS, code="other"), "has other code of this package"),
        (replace(OURS, token=""), "looks for runs in /shared/runs"),
        (replace(OURS, locked=False), "does not see locks taken here"),
        (ModuleNotFoundError("No module named 'helpers'"), "cannot be asked"),
    ],
)
def test_what_does_not_fit_is_named(theirs: Seen | BaseException, said: str) -> None:
    found = misfit(OURS, theirs)
    assert found.startswith(said)
    assert bool(found) == bool(said)


class Fake:
    """A scheduler that says this of its workers."""

    def __init__(self, workers: dict[str, dict[str, int]]) -> None:
        self.workers = workers

    def scheduler_info(self, n_workers: int) -> dict[str, object]:
        return {"workers": self.workers}


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        ({}, "has no workers: start some"),
        ({"w": {"nthreads": 4}}, "takes 4 runs at a time .* --nthreads 1"),
    ],
)
def test_workers_of_one_thread_are_needed(
    workers: dict[str, dict[str, int]], said: str
) -> None:
    with pytest.raises(Refused, match=said):
        executors.check_workers(Fake(workers), "tcp://a:1")
