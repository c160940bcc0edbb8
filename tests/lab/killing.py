"""What the tests of survival do in processes that are killed.

Imported once by a fork server, so that a process a trial costs no import.
"""

import ctypes
import os
import resource
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.lab import runs
from helpers.methods.presets import preset
from helpers.settings import CrossEntropy, DataSettings, Refused, RunSettings
from helpers.whole import write_whole

DATA = DataSettings(train=32, test=2, explained=1, size=32)
# All that a training can keep from step to step: averaged weights, the best epoch,
# dropout, augmentation, momentum.
PLAIN = RunSettings(
    data=DATA,
    method=CrossEntropy(
        epochs=3,
        batch=16,
        flip=True,
        shift=2,
        ema=0.5,
        keep="best validation",
        backbone_dropout=0.2,
    ),
)
# Beside it a text side, shuffled contexts, 16 bits and a loss scaler.
LICO = RunSettings(
    data=DATA,
    method=preset(
        "paper",
        epochs=3,
        batch=16,
        language="random-tower",
        dropout=0.5,
        shuffle=True,
        precision="16",
        scaler=True,
    ),
)
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_RDONLY, MS_REMOUNT, MS_REC, MS_PRIVATE = 1, 32, 16384, 1 << 18
LONG = "after" * 9999
CHANGING = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"}
FILLING = {"os.mkdir", "open"}  # what a full disk refuses


def on_change(folder: Path, act: Callable[[str], None]) -> None:
    """Call `act` before each operation that changes a file below `folder`."""

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = given
            if not flags & (os.O_WRONLY | os.O_RDWR):
                return
        elif event in CHANGING:
            path = given[0]
        else:
            return
        if isinstance(path, str | os.PathLike) and str(path).startswith(str(folder)):
            act(event)

    sys.addaudithook(hook)


def count_changes(folder: Path) -> Callable[[], int]:
    seen: list[str] = []
    on_change(folder, seen.append)
    return lambda: len(seen)


def die_at(folder: Path, number: int) -> None:
    """Be killed before the operation of this number."""
    seen: list[str] = []

    def act(event: str) -> None:
        seen.append(event)
        if len(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    on_change(folder, act)


def fail_from(folder: Path, number: int, code: int) -> None:
    """Refuse every file and folder from the operation of this number on."""
    seen: list[str] = []

    def act(event: str) -> None:
        seen.append(event)
        if len(seen) >= number and event in FILLING:
            raise OSError(code, os.strerror(code))

    on_change(folder, act)


def die_in_a_file_of(size: int) -> None:
    """Be killed in the middle of a write, as soon as a file has so many bytes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def arm(folder: Path, moment: tuple[str, float]) -> None:
    """Let this process be killed, or refused what it writes, at a moment."""
    kind, value = moment
    if kind == "operation":
        die_at(folder, int(value))
    elif kind == "write":
        die_in_a_file_of(int(value))
    elif kind == "fault":
        number, code = divmod(int(value), 1000)
        fail_from(folder, number, code)


def train(
    home: Path,
    settings: RunSettings,
    out: Connection,
    moment: tuple[str, float] = ("", 0),
    scorer: str = "",
) -> None:
    """Ask for a run; send "begun", then the lines told, or what was refused."""
    os.environ[paths.VARIABLE] = str(home / "home")
    tempfile.tempdir = str(home / "tmp")
    if scorer:
        runs._scorer = lambda _: scorer
    counted = count_changes(home / "home")
    arm(home / "home", moment)
    warnings.simplefilter("ignore")
    out.send("begun")
    lines: list[str] = []
    try:
        runs.train_or_load(settings, lines.append)
    except Refused as refusal:
        out.send({"refused": str(refusal)})
    else:
        out.send({"lines": lines, "changes": counted()})


def replace(folder: Path, moment: tuple[str, float]) -> None:
    """Write two files anew."""
    arm(folder, moment)
    write_whole({folder / "a": LONG, folder / "b": LONG.encode()})


def mount_disk(folder: Path, options: str, again: bool = False) -> None:
    """Mount a disk in memory that this process alone sees, or mount it otherwise.

    Raises `OSError` where the system lets nobody do so.
    """
    if not sys.platform.startswith("linux"):
        raise OSError("only Linux does it so")
    libc = ctypes.CDLL(None, use_errno=True)

    def call(name: str, *given: object) -> None:
        if getattr(libc, name)(*given):
            raise OSError(ctypes.get_errno(), name)

    flags = 0
    if again:
        flags = MS_REMOUNT
    else:
        call("unshare", CLONE_NEWNS | (CLONE_NEWUSER if os.getuid() else 0))
        call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    if options == "ro":
        flags, options = flags | MS_RDONLY, ""
    call("mount", b"none", bytes(folder), b"tmpfs", flags, options.encode())


def train_on_disk(
    home: Path, settings: RunSettings, out: Connection, size: str, then: str
) -> None:
    """Ask for a run on a disk of this size, and once more on one mounted as `then`.

    Sends what `train` sends, twice, then the files of the run.
    """
    try:
        mount_disk(home / "home", f"size={size}")
    except OSError as error:
        out.send({"impossible": str(error)})
        return
    runs.SPACE = 0
    train(home, settings, out)
    mount_disk(home / "home", then, again=True)
    other = settings.model_copy(update={"seed": 2}) if then == "ro" else settings
    train(home, other, out)
    place = runs.place(settings)
    out.send({file.name: file.read_bytes() for file in place.iterdir()})


def warm_up() -> None:
    """Train once, so that what is imported on the way is there in each process."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ[paths.VARIABLE] = folder
        for settings in (PLAIN, LICO):
            runs.train_or_load(settings)


def write(home: Path, write_all: Callable[[Path], None], number: int) -> None:
    """Call `write_all(home)`, killed before the change of this number."""
    die_at(home, number)
    write_all(home)
