"""Many runs, each once, over processes of one thread each."""

import time
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Executor, as_completed
from contextlib import nullcontext
from functools import partial

from helpers.data import folder_checks
from helpers.lab import workers as processes
from helpers.lab.runs import (
    Run,
    check,
    is_up_to_date,
    needs,
    place,
    train_or_load,
)
from helpers.lab.weights import Report
from helpers.settings import DataSettings, Refused, RunSettings

DELAY = 90  # seconds; a network file system may show a new folder only after a minute


def grid(
    settings: Sequence[RunSettings],
    report: Report | None = None,
    workers: int = 2,
    executor: Executor | None = None,
) -> list[Run]:
    """Return the runs with these settings, in order; train those that are not there.

    All settings are checked before anything is trained, and all pictures of a folder
    are read once, so that a bad one is named at the start. Runs are trained by any
    `concurrent.futures.Executor`, by default `workers` spawned processes; where only
    one is missing it is trained here. A run asked for twice is trained once.

    Raises `Refused` for a setting that will not do, and where a worker was killed.
    """
    for one in settings:
        check(one)
    wanted = list(dict.fromkeys(settings))
    missing = _in_order([one for one in wanted if not is_up_to_date(one, place(one))])
    for data in dict.fromkeys(one.data for one in missing):
        _read_once(data, report)
    if report and missing:
        report(f"{len(wanted) - len(missing)} of {len(wanted)} runs are there")
    if len(missing) == 1 and executor is None:
        train_or_load(missing[0], partial(_line, _name(missing[0]), report=report))
    elif missing:
        own = processes.local_workers(min(workers, len(missing)), report)
        with own if executor is None else nullcontext(executor) as taken:
            _train_all(missing, taken, report)
        _wait_for(missing)
    found = {one: train_or_load(one) for one in wanted}
    return [found[one] for one in settings]


def _in_order(missing: Sequence[RunSettings]) -> list[RunSettings]:
    """Return missing runs and the runs they start from: those first, then the free.

    So that a worker seldom waits for what another is still training.
    """
    first = [need for one in missing for need in needs(one)]
    first = [one for one in first if not is_up_to_date(one, place(one))]
    free = [one for one in missing if not needs(one)]
    return list(dict.fromkeys([*first, *free, *missing]))


def _read_once(data: DataSettings, report: Report | None) -> None:
    """Raise `Refused` for a picture or mask of a folder that cannot be used."""
    if ":" not in data.name:  # a set that is drawn, or checked when it is downloaded
        return
    if report:
        report(f"reading the pictures of {data.name}")
    for split in ("train", "validation", "test"):
        folder_checks.load(data, split)


def _train_all(
    missing: Sequence[RunSettings], executor: Executor, report: Report | None
) -> None:
    started = time.monotonic()
    futures = {executor.submit(_work, one, report is not None): one for one in missing}
    try:
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            spent = time.monotonic() - started
            left = spent / done * (len(missing) - done)
            if report:
                report(
                    f"run {done} of {len(missing)} done: {_name(futures[future])}; "
                    f"{spent:.0f} s so far, about {left:.0f} s left"
                )
    except BrokenExecutor:
        raise Refused(
            "a process that trained was killed (out of memory?): what it did is kept "
            "up to its last epoch and goes on when asked again"
        ) from None
    except BaseException:
        for future in futures:
            future.cancel()
        raise


def _wait_for(trained: Sequence[RunSettings]) -> None:
    """Raise `Refused` if a run that was trained elsewhere is not seen from here.

    Without this it would be trained a second time.
    """
    until = time.monotonic() + DELAY
    for one in trained:
        while not is_up_to_date(one, place(one)):
            if time.monotonic() > until:
                raise Refused(
                    f"run '{place(one)}' was trained by a worker and is not seen here: "
                    "workers and this process need one folder of runs"
                )
            time.sleep(0.5)


def _work(settings: RunSettings, loud: bool) -> None:
    say = partial(_line, _name(settings), report=processes.say) if loud else None
    train_or_load(settings, say)


def _line(name: str, text: str, report: Report | None) -> None:
    if report:
        report(f"  {name}: {text}")


def _name(settings: RunSettings) -> str:
    folder = place(settings)
    return f"{folder.parent.parent.name}/{folder.parent.name}/{folder.name}"
