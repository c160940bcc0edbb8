"""Processes of one thread each that train, tell what they do, and end when asked to."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
LONGEST = 4000  # bytes of a line: a pipe takes that many in one piece
Report = Callable[[str], None]


def say(text: str) -> None:
    """Tell a line: where `local_workers` made this process, to its report."""
    print(text, flush=True)


@contextmanager
def local_workers(count: int, report: Report | None) -> Iterator[Executor]:
    """Yield an executor of `count` spawned processes; what they `say` is reported.

    At Ctrl-C they end at once, whatever they do: what they write is whole or not there.
    They also end when this process is gone, however it went.
    """
    for variable in THREADS:  # read when they import torch
        os.environ[variable] = "1"
    context = multiprocessing.get_context("spawn")
    # Nothing is ever sent through `alive`: it closes with the last process that has it.
    alive, held = context.Pipe(duplex=False)
    lines, told = context.Pipe(duplex=False)
    listener = threading.Thread(target=_listen, args=(lines, report), daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(
        count, context, initializer=_begin, initargs=(alive, told)
    )
    try:
        yield pool
    except KeyboardInterrupt:
        held.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        told.close()
        listener.join()
        alive.close()
        held.close()


def _listen(lines: Connection, report: Report | None) -> None:
    """Report lines until no process is left that could tell any."""
    with lines, suppress(EOFError, OSError):
        while True:
            text = lines.recv_bytes().decode(errors="replace")
            if report:
                report(text)


def _begin(alive: Connection, told: Connection) -> None:
    """Make this process a worker: Ctrl-C is for the one that made it."""
    global say
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    say = partial(_tell, told)

    def wait() -> None:
        with suppress(OSError):
            alive.poll(None)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _tell(told: Connection, text: str) -> None:
    with suppress(OSError):
        told.send_bytes(text.encode()[:LONGEST])
