"""Run the benchmarks and write bench.json: `python tests/benchmarks [ROW ...]`.

Rows are numbers of the table, as 4 or 11; none means all. With --record the table is
also written to book/records/08_cost-bench.json, with its provenance.
"""

import argparse
import importlib
import json
import time
from pathlib import Path

import torch
from rows import Row, table

from helpers import paths
from helpers.report.provenance import provenance

BENCHES = {  # module: the rows it has
    "bench_text": ("1", "2", "3"),
    "bench_transport": ("4",),
    "bench_steps": ("5", "6", "7"),
    "bench_explain": ("8", "9", "10"),
    "bench_memory": ("11",),
    "bench_gpu": ("13",),
    "bench_filters": ("15",),
}
KNOWN = tuple(number for numbers in BENCHES.values() for number in numbers)


def main(words: list[str] | None = None) -> None:
    """Run the benches that were asked for, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help="1 to 11, 13, 15")
    parser.add_argument("--record", action="store_true", help="keep it in the book")
    asked = parser.parse_args(words)
    for number in asked.rows:
        if number not in KNOWN:
            parser.error(f"there is no row {number}: take one of {', '.join(KNOWN)}")
    if asked.record and asked.rows:
        parser.error("a record holds all rows: leave out their numbers")
    start, wanted = time.perf_counter(), asked.rows or KNOWN
    rows: list[Row] = []
    for module, numbers in BENCHES.items():
        if set(numbers) & set(wanted):
            rows += measured(module)
    if not rows:
        print("row 13 needs a graphics card that torch can use: nothing was measured")
        return
    rows.sort(key=lambda row: (int(row.number.rstrip("abcdef")), row.number))
    print(table(rows))
    listed = [row.as_json() for row in rows]
    write(paths.root() / "bench.json", listed)
    if asked.record:
        kept = {
            "provenance": provenance(time.perf_counter() - start, threads=2),
            "rows": listed,
        }
        write(paths.records() / "08_cost-bench.json", kept)


def measured(name: str) -> list[Row]:
    """Return the rows of a module, saying each as it comes."""
    module = importlib.import_module(name)
    torch.set_num_threads(getattr(module, "THREADS", 2))
    rows = []
    for row in module.rows():
        bar = "" if row.bar is None else f", bar {row.sense} {row.bar:g}"
        print(f"row {row.number}, {row.name}: {row.ratio:.3g}{bar}", flush=True)
        rows.append(row)
    return rows


def write(file: Path, content: object) -> None:
    """Write JSON, whole or not at all."""
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    partial.replace(file)
    print(f"written: {file.relative_to(paths.root())}")


if __name__ == "__main__":
    main()
