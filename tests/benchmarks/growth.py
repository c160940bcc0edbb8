"""How a store of runs grows: `python tests/benchmarks/growth.py [COUNT ...]`.

One run is trained, and stands in for all: its files, made as large as those of the
book's LICO, are linked into the places of so many runs. Then they are asked for as a
chapter asks. Each count is measured in a process of its own. With --record the numbers
go to growth.json beside this file, and stand in the book's page on many machines.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from helpers import paths
from helpers.lab import sums
from helpers.lab.grid import grid
from helpers.lab.runs import PARTS, place, train_or_load
from helpers.report.provenance import provenance
from helpers.settings import CrossEntropy, DataSettings, RunSettings

COUNTS = (100, 1000, 10_000)
SCORES, TEXT = 57_000, 268_000  # bytes of a record and a text side of the book's LICO
RECORD = Path(__file__).with_name("growth.json")


@dataclass(frozen=True)
class Growth:
    """What so many runs cost where all of them are there already.

    Attributes:
        runs: how many.
        files: of the runs, without folders and locks.
        megabytes: of these files.
        listing: seconds to walk through the store once, asking each file's size.
        asking: seconds until a grid has found that nothing is to be trained.
        reading: seconds to read all records and histories after that.
        memory: MB that this added to the process.
    """

    runs: int
    files: int
    megabytes: float
    listing: float
    asking: float
    reading: float
    memory: float


def settings(seed: int) -> RunSettings:
    """Return the settings of a small run."""
    data = DataSettings(train=96, test=16, explained=4, size=56)
    return RunSettings(data=data, method=CrossEntropy(epochs=1), seed=seed)


def fill(count: int) -> None:
    """Make the store: the first run is trained, the others are links to it."""
    first = train_or_load(settings(0)).folder
    content = json.loads((first / "record.json").read_text("utf-8"))
    content["stands in for scores"] = "0" * SCORES
    (first / "record.json").write_text(json.dumps(content), "utf-8")
    (first / "text.safetensors").write_bytes(bytes(TEXT))
    sums.seal(first, PARTS)
    for seed in range(1, count):
        folder = place(settings(seed))
        folder.mkdir(parents=True)
        for file in first.iterdir():
            os.link(file, folder / file.name)


def measured(count: int) -> Growth:
    """Return what the store costs, in a process that has done nothing else."""
    fill(count)
    sizes, listing = timed(lambda: [file.stat().st_size for file in files()])
    before = held()
    wanted = [settings(seed) for seed in range(count)]
    runs, asking = timed(lambda: grid(wanted))
    kept, reading = timed(lambda: [(run.record, run.history) for run in runs])
    assert len(kept) == count
    return Growth(
        runs=count,
        files=len(sizes),
        megabytes=round(sum(sizes) / 1e6, 1),
        listing=listing,
        asking=asking,
        reading=reading,
        memory=round(held() - before, 1),
    )


def files() -> list[Path]:
    """Return all files of runs in the store."""
    store = paths.runs() / "scenes"
    return [Path(top, name) for top, _, names in os.walk(store) for name in names]


def timed(work: Callable[[], object]) -> tuple:
    """Return what the work returns, and its seconds."""
    start = time.perf_counter()
    found = work()
    return found, round(time.perf_counter() - start, 3)


def held() -> float:
    """Return the memory that this process holds now, in MB; Linux alone tells."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(words: list[str] | None = None) -> None:
    """Measure each count in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("counts", nargs="*", type=int, default=COUNTS, metavar="COUNT")
    parser.add_argument("--record", action="store_true", help="keep it in the book")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    if asked.here:
        print(json.dumps(asdict(measured(asked.counts[0]))))
        return
    start, rows = time.perf_counter(), []
    for count in asked.counts:
        with tempfile.TemporaryDirectory() as home:
            done = subprocess.run(
                [sys.executable, __file__, "--here", str(count)],
                env={**os.environ, paths.VARIABLE: home},
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
        rows.append(json.loads(done.stdout))
        print(rows[-1], flush=True)
    if asked.record:
        kept = {"provenance": provenance(time.perf_counter() - start), "rows": rows}
        text = json.dumps(kept, indent=1) + "\n"
        RECORD.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
