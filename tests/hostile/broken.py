"""What every parser is given: files with bytes, values or lines changed; and a watch.

A case is drawn by hypothesis as one number; what it changes is drawn from that. While a
parser is at work nothing may be written outside the case's folder, no program started,
no host asked, and a case that takes a minute has hung.
"""

import faulthandler
import json
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.report.terminal import one_line
from helpers.settings import Refused

TORTURE = bool(os.environ.get("TORTURE"))
CASES = 20_000 if TORTURE else 2_000
PATIENCE = 60  # seconds a case: far more than any takes
LONGEST = 2_000  # letters of a line that names a fault
MARKUP = "<img src=x onerror=alert(1)>"
NAMES = (
    MARKUP,
    "'\"`${7*7}%s{0}\\",
    "../../up",
    "/etc/passwd",
    "a/b\\c",
    "..",
    "C:\\windows",
    "x" * 300,
    "\U0001f98a\U0001f468‍\U0001f469‍\U0001f467 é‮abc",
    "$x_1$ $\\frac",
    "nul\0byte",
    "two\nlines\r\x1b[2J",
    "",
    " ",
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 2**31, 2**63, -(10**30), 0.5, -0.0),
    *(1e308, float("nan"), float("inf"), -float("inf"), 1e-320),
    *([], {}, [[]], [None], {"a": 1}, [1, 2, 3, 4], "1", "nan", *NAMES),
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn")
NETWORK = ("socket.connect", "socket.getaddrinfo")
CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink")


class Escaped(BaseException):
    """A parser did what no parser may."""


class Hung(BaseException):
    """A parser did not come back."""


class _Watch:
    """What the audit hook asks: is a parser at work, and where may it write?"""

    def __init__(self) -> None:
        self.folder: str | None = None

    @property
    def free(self) -> tuple[str, ...]:
        """Where may be written: libraries have temporary folders of their own."""
        return str(self.folder), os.devnull, f"{tempfile.gettempdir()}{os.sep}tmp"

    def __call__(self, event: str, given: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        wrong = event in PROGRAMS or event in NETWORK
        if event == "open":
            path, mode, flags = given
            writes = flags & WRITING or any(m in (mode or "") for m in "wax+")
            wrong = bool(writes) and not self.allows(path)
        elif event in CHANGES:
            wrong = not self.allows(given[0])
        if wrong:
            raise Escaped(f"{event} {given!r}")

    def allows(self, path: Any) -> bool:
        if isinstance(path, int):  # a file that is open already
            return True
        full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
        return full.startswith(self.free) or "__pycache__" in full


WATCH = _Watch()
sys.addaudithook(WATCH)


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Let nothing be written outside of a folder, and nothing take a minute."""

    def hung(*_: object) -> None:
        raise Hung(f"no answer within {PATIENCE} s")

    alarms = hasattr(signal, "setitimer")
    if alarms:
        before = signal.signal(signal.SIGALRM, hung)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    WATCH.folder = str(folder)
    try:
        yield
    finally:
        WATCH.folder = None
        if alarms:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def answer(folder: Path, call: Callable[[], Any], *names: str) -> str | None:
    """Return the one line of a refusal, None where all went well.

    Any other exception is a failure; a line must hold one of `names`, if any is given.
    """
    try:
        with watched(folder):
            call()
    except Refused as refusal:
        line = str(refusal)
        assert len(line) < LONGEST, line
        assert not names or any(name in line for name in names), line
        return one_line(line)
    return None


def assert_answered(folder: Path, call: Callable[[], Any], *names: str) -> None:
    """Fail where a parser neither works nor refuses in one line that holds a name."""
    answer(folder, call, *names)


def fuzzed(share: float = 1.0) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a test the argument `case`, a number, as often as the profile says.

    `share`: of its cases, where one is slow.
    """

    def wrap(test: Callable[..., None]) -> Callable[..., None]:
        chosen = settings(
            max_examples=max(20, int(CASES * share)),
            deadline=None,
            database=None,
            derandomize=not TORTURE,
            suppress_health_check=list(HealthCheck),
        )
        return chosen(given(case=st.integers(0, 2**48))(test))

    return wrap


def bytes_of(case: int, whole: bytes) -> bytes:
    """Return a file with some bytes changed, dropped, doubled, or its end cut off."""
    draw, found = random.Random(case), bytearray(whole)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        kind, at = draw.randrange(7), draw.randrange(len(found) + 1)
        if kind == 0:
            del found[at:]
        elif kind == 1:
            found[at:at] = draw.randbytes(draw.choice((1, 4, 64)))
        elif kind == 2:
            del found[at : at + draw.choice((1, 2, 8))]
        elif kind == 3:
            found[at:at] = found[at : at + 32]
        elif kind == 4:
            wide = draw.choice((1, 2, 4, 8))
            found[at : at + wide] = draw.choice((b"\0", b"\xff", b"\x7f")) * wide
        elif at < len(found):
            found[at] ^= 1 << draw.randrange(8)
    return bytes(found)


def text_of(case: int, whole: str) -> str:
    """Return a text with some of its words or lines changed for others."""
    draw, parts = random.Random(case), [*whole.splitlines(keepends=True)]
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = draw.randrange(len(parts)) if parts else 0
        line = parts[at] if parts else ""
        words = line.split(" ")
        words[draw.randrange(len(words))] = str(draw.choice(VALUES))
        parts[at : at + draw.randrange(2)] = draw.choice(
            ([" ".join(words)], [line, line], [], [line[: len(line) // 2]])
        )
    return "".join(parts)


def json_of(case: int, whole: Any) -> str:
    """Return a document with some values changed, lost or doubled, as text of JSON."""
    draw, found = random.Random(case), deepcopy(whole)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        found = _changed(draw, found)
    text = json.dumps(found)
    kind = draw.randrange(40)
    if kind == 0:
        return text[: draw.randrange(len(text) + 1)]
    if kind == 1:
        return "[" * 100_000
    if kind == 2:
        return text.replace("1", "1e999", 1)
    return text


def _changed(draw: random.Random, whole: Any) -> Any:
    """Return the document with one value, somewhere in it, not as it was."""
    if not isinstance(whole, dict | list) or not whole or draw.random() < 0.03:
        return deepcopy(draw.choice(VALUES))
    keys: list[Any] = list(whole) if isinstance(whole, dict) else [*range(len(whole))]
    key, kind = draw.choice(keys), draw.randrange(12)
    if kind == 0:
        del whole[key]
    elif kind == 1 and isinstance(whole, list):
        whole.append(deepcopy(whole[key]))
    elif kind == 2:
        whole[key] = deepcopy(whole[draw.choice(keys)])
    else:
        whole[key] = _changed(draw, whole[key])
    return whole


def after_a_minute() -> None:
    """Show where a library hangs that no signal interrupts, and end the process."""
    faulthandler.dump_traceback_later(20 * PATIENCE * (10 if TORTURE else 1), exit=True)
