"""Runs survive: killed, refused by the disk, asked for together, damaged.

A process a trial is forked from a server that has imported everything, and is killed
at a moment of a seeded list. With TORTURE=1 there are ten times as many.
"""

import errno
import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from helpers import paths
from helpers.lab import runs, sums
from helpers.lab.fit import CHECKPOINT
from helpers.settings import RunSettings
from helpers.whole import write_whole

pytestmark = pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(),
    reason="this system forks no processes",
)
TORTURE = bool(os.environ.get("TORTURE"))
TRIALS = 200 if TORTURE else 20
SAME = tuple(name for name in runs.PARTS if name != "provenance.json")
Moment = tuple[str, float]
NEVER: Moment = ("", 0)


@dataclass(frozen=True)
class Ended:
    """How a process ended: its last message, None if it was killed before."""

    said: dict[str, Any] | None
    code: int | None

    @property
    def killed(self) -> bool:
        return self.said is None

    @property
    def lines(self) -> list[str]:
        assert self.said is not None
        assert "lines" in self.said, self.said
        return self.said["lines"]


@pytest.fixture(scope="module")
def killing() -> Iterator[Any]:
    """The module of what is done in processes; forked ones have it imported."""
    import sys

    here = str(Path(__file__).parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(here)
        patch.setenv("PYTHONPATH", here, prepend=os.pathsep)
        import killing

        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["killing_server"])
        yield killing
        sys.modules.pop("killing")


Start = Callable[..., tuple[Any, Connection]]


@pytest.fixture
def start(killing: Any) -> Start:
    """Start a process that asks for a run; returns once it has begun."""
    context = multiprocessing.get_context("forkserver")

    def begin(folder: Path, *given: Any, **named: Any) -> tuple[Any, Connection]:
        for name in ("home", "tmp"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        here, there = context.Pipe(duplex=False)
        named = {"out": there, **named}
        process = context.Process(
            target=killing.train, args=(folder, *given), kwargs=named
        )
        process.start()
        there.close()
        assert here.recv() == "begun"
        return process, here

    return begin


def end(process: Any, here: Connection) -> Ended:
    try:
        said = here.recv()
    except EOFError:
        said = None
    process.join()
    return Ended(said, process.exitcode)


def ask(start: Start, folder: Path, settings: RunSettings, **named: Any) -> Ended:
    """Ask for a run in a process, killed at a moment where one is given."""
    kind, value = named.get("moment", NEVER)
    process, here = start(folder, settings, **named)
    if kind == "time":
        process.join(value)
        process.kill()
    return end(process, here)


@dataclass(frozen=True)
class Reference:
    """A run that nothing interrupted."""

    settings: RunSettings
    place: Path  # below the folder of runs
    files: dict[str, bytes]
    changes: int  # operations on files that it took
    seconds: float


def below(folder: Path) -> list[Path]:
    """Return all files of a trial but its locks."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(path for path in found if path.parent.name != ".locks")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        name: (folder / name).read_bytes() for name in SAME if (folder / name).is_file()
    }


@pytest.fixture(scope="module")
def references(killing: Any, tmp_path_factory: Any) -> list[Reference]:
    return []


@pytest.fixture
def reference(
    killing: Any, start: Start, references: list[Reference], tmp_path_factory: Any
) -> list[Reference]:
    """Uninterrupted runs of a classifier, and of one beside a text side."""
    if not references:
        for settings in (killing.PLAIN, killing.LICO):
            folder = tmp_path_factory.mktemp("whole")
            process, here = start(folder, settings)
            begun = time.monotonic()  # without the server's own start
            ended = end(process, here)
            seconds = time.monotonic() - begun
            assert ended.said is not None
            (place,) = (one.parent for one in below(folder) if one.name == sums.SUMS)
            references.append(
                Reference(
                    settings,
                    place.relative_to(folder),
                    contents(place),
                    ended.said["changes"],
                    seconds,
                )
            )
    return references


def assert_nothing_half(folder: Path, whole: Reference) -> None:
    """What stands in the place of a run is the run, or nothing does."""
    place = folder / whole.place
    if place.exists():
        assert runs.is_whole(place)
        assert contents(place) == whole.files


def assert_complete(folder: Path, whole: Reference) -> None:
    """The run is there to the bit, and nothing else is."""
    place = folder / whole.place
    assert contents(place) == whole.files
    names = {*whole.files, "provenance.json", sums.SUMS}
    assert below(folder) == sorted(place / name for name in names)
    assert not list(place.parent.glob("*.partial"))


def moments(whole: Reference, count: int, seed: int) -> Iterator[Moment]:
    """Yield moments: before a change of a file, within a write, at any time."""
    drawn = random.Random(seed)
    for trial in range(count):
        if trial % 4 < 2:
            yield "operation", drawn.randint(1, whole.changes)
        elif trial % 4 == 2:
            yield "write", int(10 ** drawn.uniform(1, 6))
        else:
            yield "time", drawn.uniform(0, whole.seconds)


@pytest.mark.torture
def test_a_run_killed_at_any_moment_ends_with_the_same_bits(
    start: Start, reference: list[Reference], tmp_path: Path
) -> None:
    """Within epochs, while a checkpoint, weights or scores are written, and between."""
    plain, lico = reference
    killed = 0
    for whole, count, seed in ((plain, TRIALS * 3 // 4, 1), (lico, TRIALS // 4, 2)):
        for number, moment in enumerate(moments(whole, count, seed)):
            folder = tmp_path / f"{seed}-{number}"
            ended = ask(start, folder, whole.settings, moment=moment)
            killed += ended.killed
            assert_nothing_half(folder, whole)
            again = ask(start, folder, whole.settings)
            assert again.said is not None, moment
            assert_complete(folder, whole)
            shutil.rmtree(folder)
    assert killed > TRIALS / 2


@pytest.mark.torture
def test_scores_made_again_and_killed_lose_no_weights(
    start: Start, reference: list[Reference], tmp_path: Path
) -> None:
    whole = reference[0]
    assert ask(start, tmp_path / "kept", whole.settings).said
    shutil.copytree(tmp_path / "kept", tmp_path / "all")
    told = ask(start, tmp_path / "all", whole.settings, scorer="other").said
    assert told is not None
    assert told["lines"] == ["its scores are made again"]
    record = (tmp_path / "all" / whole.place / "record.json").read_bytes()
    every = range(1, told["changes"] + 1)
    for number in every if TORTURE else random.Random(3).sample(every, 5):
        folder = tmp_path / "again"
        shutil.copytree(tmp_path / "kept", folder)
        moment = ("operation", number)
        ended = ask(start, folder, whole.settings, scorer="other", moment=moment)
        assert ended.killed
        again = ask(start, folder, whole.settings, scorer="other")
        assert not any("epoch" in line or "damaged" in line for line in again.lines)
        found = contents(folder / whole.place)
        assert found == {**whole.files, "record.json": record}
        assert len(below(folder)) == len(found) + 2
        assert sums.is_sealed(folder / whole.place, runs.PARTS)
        shutil.rmtree(folder)


@pytest.mark.torture
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EDQUOT, "Disk quota exceeded"),
        (errno.EROFS, "Read-only file system"),
        (errno.EACCES, "Permission denied"),
    ],
)
def test_a_disk_that_takes_no_more_is_said_in_one_line_and_nothing_is_lost(
    code: int,
    words: str,
    start: Start,
    reference: list[Reference],
    tmp_path: Path,
) -> None:
    """From one operation on no file and no folder can be made."""
    whole = reference[0]
    every = range(1, whole.changes + 1)
    for number in every if TORTURE else random.Random(code).sample(every, 2):
        folder = tmp_path / str(number)
        moment = ("fault", 1000 * number + code)
        ended = ask(start, folder, whole.settings, moment=moment)
        assert ended.said is not None
        if "refused" in ended.said:
            line = ended.said["refused"]
            # A checkpoint that may not be moved is dropped in silence, then missed.
            assert words in line or "last.ckpt" in line
            assert "goes on when asked again" in line
            assert paths.VARIABLE in line
            assert "\n" not in line
        assert_nothing_half(folder, whole)
        assert ask(start, folder, whole.settings).said
        assert_complete(folder, whole)


def on_disk(
    killing: Any, folder: Path, whole: Reference, size: str, then: str
) -> list[dict[str, Any]]:
    """Return what is said of a run on a disk of a size, then on one mounted anew."""
    context = multiprocessing.get_context("forkserver")
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    here, there = context.Pipe(duplex=False)
    given = (folder, whole.settings, there, size, then)
    process = context.Process(target=killing.train_on_disk, args=given)
    process.start()
    there.close()
    found = []
    while len(found) < 5:
        try:
            found.append(here.recv())
        except EOFError:
            break
    process.join()
    if "impossible" in found[0]:
        pytest.skip(f"no disk can be mounted here: {found[0]['impossible']}")
    return [one for one in found if one != "begun"]


@pytest.mark.parametrize("size", ["100k", "1m", "3m"])
def test_a_disk_that_is_really_full(
    size: str, killing: Any, reference: list[Reference], tmp_path: Path
) -> None:
    whole = reference[0]
    full, wide, files = on_disk(killing, tmp_path, whole, size, "size=64m")
    assert "No space left on device" in full["refused"]
    assert "\n" not in full["refused"]
    assert "lines" in wide
    assert {name: files[name] for name in whole.files} == whole.files
    assert len(files) == len(whole.files) + 2


def test_a_folder_that_is_really_read_only(
    killing: Any, reference: list[Reference], tmp_path: Path
) -> None:
    """What is there is loaded, what is not is refused in a line."""
    whole = reference[0]
    first, other, files = on_disk(killing, tmp_path, whole, "64m", "ro")
    assert "lines" in first
    assert "Read-only file system" in other["refused"]
    assert "\n" not in other["refused"]
    assert {name: files[name] for name in whole.files} == whole.files


@pytest.mark.parametrize("count", [2, 8])
def test_processes_that_ask_at_once_train_once_and_all_get_it(
    count: int, start: Start, reference: list[Reference], tmp_path: Path
) -> None:
    whole = reference[0]
    begun = [start(tmp_path, whole.settings) for _ in range(count)]
    ended = [end(*one) for one in begun]
    trained = [one for one in ended if any("epoch" in line for line in one.lines)]
    assert len(trained) == 1
    assert_complete(tmp_path, whole)


def test_a_lock_of_a_dead_process_holds_nobody(
    start: Start, reference: list[Reference], tmp_path: Path
) -> None:
    whole = reference[0]
    process, here = start(tmp_path, whole.settings)
    locks = tmp_path / "home" / "runs" / ".locks"
    while not list(locks.glob("*")):
        time.sleep(0.01)
    waiting = start(tmp_path, whole.settings)
    process.kill()
    end(process, here)
    assert list(locks.glob("*.lock"))
    assert end(*waiting).said is not None
    assert_complete(tmp_path, whole)


def damaged(how: str, content: bytes) -> bytes:
    half = len(content) // 2
    if how == "cut":
        return content[:half]
    if how == "emptied":
        return b""
    return content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]


@pytest.mark.parametrize("name", [*runs.FILES, runs.TEXT, sums.SUMS])
def test_a_file_that_changed_is_found_set_aside_and_the_run_trained_again(
    name: str, start: Start, reference: list[Reference], tmp_path: Path
) -> None:
    whole = reference[1 if name == runs.TEXT else 0]
    place = tmp_path / whole.place
    assert ask(start, tmp_path, whole.settings).said
    kept = (place / name).read_bytes()
    for how in ("cut", "emptied", "changed"):
        (place / name).write_bytes(damaged(how, kept))
        assert not runs.is_whole(place), how
    told = ask(start, tmp_path, whole.settings).lines
    assert name in told[0]
    assert "is damaged" in told[0]
    assert "trained again" in told[0]
    assert contents(place) == whole.files
    assert runs.is_whole(place)
    aside = place.with_name(f"{place.name}.damaged")
    assert (aside / name).read_bytes() == damaged("changed", kept)


def test_a_lost_text_side_is_missed(
    start: Start, reference: list[Reference], tmp_path: Path
) -> None:
    whole = reference[1]
    assert ask(start, tmp_path, whole.settings).said
    (tmp_path / whole.place / runs.TEXT).unlink()
    assert not runs.is_whole(tmp_path / whole.place)


def test_a_run_older_than_checksums_is_taken_and_gets_them(
    start: Start, reference: list[Reference], tmp_path: Path
) -> None:
    whole = reference[0]
    place = tmp_path / whole.place
    assert ask(start, tmp_path, whole.settings).said
    (place / sums.SUMS).unlink()
    assert runs.is_whole(place)
    assert ask(start, tmp_path, whole.settings).lines == []
    assert sums.is_sealed(place, runs.PARTS)
    for name in ("record.json", "model.safetensors"):
        (place / sums.SUMS).unlink(missing_ok=True)
        kept = (place / name).read_bytes()
        (place / name).write_bytes(kept[: len(kept) // 2])
        assert not runs.is_whole(place)
        (place / name).write_bytes(kept)


@pytest.mark.torture
def test_a_checkpoint_with_a_changed_byte_changes_no_weight(
    start: Start, reference: list[Reference], tmp_path: Path
) -> None:
    """Where it matters it is set aside and training starts anew."""
    whole = reference[0]
    partial = (tmp_path / whole.place).with_name(f"{whole.place.name}.partial")
    while not (partial / CHECKPOINT).is_file():
        process, here = start(tmp_path, whole.settings)
        while process.is_alive() and not (partial / CHECKPOINT).is_file():
            time.sleep(0.002)
        process.kill()
        end(process, here)
        shutil.rmtree(tmp_path / whole.place, ignore_errors=True)
    shutil.copytree(tmp_path, tmp_path.with_name("kept"))
    content = (partial / CHECKPOINT).read_bytes()
    drawn, dropped = random.Random(4), 0
    for _ in range(40 if TORTURE else 4):
        at = drawn.randrange(len(content))
        changed = content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]
        shutil.rmtree(tmp_path)
        shutil.copytree(tmp_path.with_name("kept"), tmp_path)
        (partial / CHECKPOINT).write_bytes(changed)
        lines = ask(start, tmp_path, whole.settings).lines
        dropped += "is damaged" in lines[0]
        assert_complete(tmp_path, whole)
    assert dropped


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    one, two = tmp_path / "a", tmp_path / "b"
    one.write_text("before")
    with pytest.raises(UnicodeEncodeError):
        write_whole({one: "after", two: "\ud800"})
    assert one.read_text() == "before"
    assert sorted(tmp_path.iterdir()) == [one]
    write_whole({one: "after", two: b"both"})
    assert (one.read_text(), two.read_text()) == ("after", "both")


def test_a_kill_leaves_each_file_as_it_was_or_whole(
    killing: Any, tmp_path: Path
) -> None:
    """Records, executed chapters and judgements are all written so."""
    context = multiprocessing.get_context("forkserver")
    before, after = "before", killing.LONG
    seen = set()
    moments = [("operation", number) for number in range(1, 5)]
    for moment in [*moments, ("write", len(after) // 2), NEVER]:
        for name in "ab":
            (tmp_path / name).write_text(before)
        process = context.Process(target=killing.replace, args=(tmp_path, moment))
        process.start()
        process.join()
        assert (process.exitcode == 0) == (moment == NEVER)
        found = tuple((tmp_path / name).read_text() for name in "ab")
        assert set(found) <= {before, after}
        seen.add(found)
    assert seen == {(before, before), (after, before), (after, after)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
