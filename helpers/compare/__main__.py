"""The command: `python -m helpers.compare RUN RUN`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers.compare.comparing import compare, document
from helpers.compare.printing import lines
from helpers.compare.sides import side
from helpers.report.terminal import one_line
from helpers.settings import Refused
from helpers.whole import write_whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; a refusal is one line."""
    given = parser().parse_args(arguments)
    try:
        found = compare(side(given.first), side(given.second))
        if given.out is not None:
            written(given.out, json.dumps(document(found), indent=1, allow_nan=False))
    except Refused as refusal:
        print(one_line(f"helpers.compare: {refusal}"), file=sys.stderr)
        return 2
    print("\n".join(map(one_line, lines(found, given.all))))
    return 0


def written(file: Path, text: str) -> None:
    """Write a file whole; raises `Refused` where that cannot be."""
    try:
        write_whole({file: text + "\n"})
    except OSError as error:
        raise Refused(f"'{file}' cannot be written: {error.strerror}") from None


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        prog="python -m helpers.compare",
        description="Compare two runs, or two records.",
    )
    what = "a run's folder, the beginning of its digest, a record's name or .json file"
    found.add_argument("first", metavar="RUN", help=what)
    found.add_argument("second", metavar="RUN", help="the same; B - A is shown")
    found.add_argument("--all", action="store_true", help="every score")
    found.add_argument("--out", type=Path, metavar="FILE", help="all of it as JSON")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
