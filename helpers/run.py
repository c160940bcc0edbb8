"""Run a chapter: `python -m helpers.run 00_laboratory -p 'seeds=[1, 2]'`.

Names, types and ranges are checked before a kernel starts. The missing runs are
trained first, two at a time, or by the workers of a Dask scheduler (`--scheduler`);
then the notebook is executed. The executed copy goes to
`runs/chapters/`; `--publish` alone writes `book/chapters/`, and a failed execution
replaces nothing.
"""

import argparse
import ast
import hashlib
import json
import os
import signal
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # until there is something to stop, Ctrl-C just ends it
    signal.signal(signal.SIGINT, signal.SIG_DFL)
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_variable] = "1"  # one thread a process, kernels and workers too
# Packages that could tell their makers of their use are asked not to.
TELEMETRY = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
os.environ.update(TELEMETRY)

from helpers import paths
from helpers.chapters import CHAPTERS, Chapter
from helpers.execute import ChapterFailed, Execution, execute_all, published, stamp
from helpers.lab.code import everything
from helpers.lab.executors import dask_executor
from helpers.lab.grid import grid
from helpers.lab.needed import needed
from helpers.report.profiles import profile_of
from helpers.report.provenance import provenance
from helpers.report.terminal import one_line
from helpers.settings import Refused, nearest
from helpers.whole import write_whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; a refusal is one line."""
    given = _parser().parse_args(arguments)
    try:
        if given.chapter == "all":
            if given.parameter:
                raise Refused("-p belongs to one chapter: name it instead of 'all'")
            names = list(CHAPTERS)
        else:
            if given.chapter not in CHAPTERS:
                raise Refused(
                    f"unknown chapter '{given.chapter}'"
                    f"{nearest(given.chapter, [*CHAPTERS, 'all'])}"
                )
            names = [given.chapter]
        chapters = {
            name: chapter_of(name, given.profile, given.parameter) for name in names
        }
        for chapter in chapters.values():
            chapter.check()
        return _run(chapters, given)
    except (Refused, ChapterFailed) as refusal:
        print(one_line(f"helpers.run: {refusal}"), file=sys.stderr)
        return 2 if isinstance(refusal, Refused) else 1
    except OSError as error:  # as a full disk, at a chapter or a record
        kept = "what was there is as it was"
        print(one_line(f"helpers.run: {error}: {kept}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "helpers.run: stopped; give the same command again to go on: runs continue "
            "from their last epoch",
            file=sys.stderr,
        )
        return 130


def chapter_of(name: str, profile: str, parameters: Sequence[str]) -> Chapter:
    """Return a chapter's checked parameters: of defaults, profile, NAME=VALUE."""
    values = profile_values(profile, name)
    for text in parameters:
        key, equals, value = text.partition("=")
        if not equals:
            raise Refused(f"-p '{text}' has no value: write -p 'name=value'")
        values[key.strip()] = value_of(value.strip())
    return CHAPTERS[name].of(**values)


def profiles() -> list[str]:
    """Return the names of all profiles: a file each, a record is named by it."""
    return sorted(file.stem for file in (paths.root() / "nbs/profiles").glob("*.yml"))


def profile_values(profile: str, chapter: str) -> dict[str, Any]:
    """Return the parameters that a profile sets for a chapter."""
    file = paths.root() / "nbs" / "profiles" / f"{profile}.yml"
    values = profile_of(file).get(chapter, {})
    if not isinstance(values, Mapping) or not all(isinstance(k, str) for k in values):
        raise Refused(f"profile '{file}': {chapter} must hold name: value lines")
    return dict(values)


def value_of(text: str) -> Any:
    """Return a Python literal, true or false, or else the text itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of texts that only look like Python
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _run(chapters: Mapping[str, Chapter], given: argparse.Namespace) -> int:
    wanted: dict[str, tuple[Chapter, str]] = {}
    for name, chapter in chapters.items():
        mark = stamp(name, chapter.model_dump(), given.profile)
        if given.publish and published(name, given.publish) == mark:
            say(f"chapter {name}: nothing changed, kept")
        else:
            wanted[name] = (chapter, mark)
    if not wanted:
        return 0
    started = time.monotonic()
    runs = [run for chapter, _ in wanted.values() for run in chapter.runs()]
    cluster = dask_executor(given.scheduler) if given.scheduler else nullcontext()
    with cluster as executor:  # None: processes of this machine
        grid(runs, say, executor=executor)
    if given.record:
        for name, (chapter, _) in wanted.items():
            say(f"record: {keep_record(name, chapter, given.profile, started)}")
    executions = [
        Execution(
            chapter=name,
            parameters=chapter.model_dump(),
            profile=given.profile,
            stamp=mark,
            label=label(chapter, given.profile),
            publish=given.publish,
            runs=asdict(took) if (took := needed(chapter.runs())) else None,
        )
        for name, (chapter, mark) in wanted.items()
    ]
    for one in executions:
        say(f"chapter {one.chapter}: executing{last_time(one)}")
    begun = time.monotonic()

    def tell(done: int, target: Path) -> None:
        now = time.monotonic()
        left = (now - begun) / done * (len(executions) - done)
        say(
            f"chapter {done} of {len(executions)} done: {target}, "
            f"{now - started:.0f} s, about {left:.0f} s left"
        )

    execute_all(executions, tell)
    return 0


def say(text: str) -> None:
    """Print a line at once, also into a file or a pipe."""
    print(text, flush=True)


def keep_record(name: str, chapter: Chapter, profile: str, started: float) -> Path:
    """Write the chapter's numbers with their provenance to `book/records/`."""
    arms = chapter.trained()
    parts = [run.provenance for runs in arms.values() for run in runs]
    record = {
        "chapter": name,
        "profile": profile,
        **chapter.summary(arms),
        "runs": {
            "count": len(parts),
            "training_seconds": round(sum(p["training"]["seconds"] for p in parts)),
            "scoring_seconds": round(sum(p["scoring"]["seconds"] for p in parts)),
            "code": everything(),
        },
        "provenance": provenance(time.monotonic() - started, threads=1),
    }
    file = paths.records() / f"{name}-{profile}.json"
    # Without blanks: a study of a hundred runs stays below a megabyte.
    text = json.dumps(record, separators=(",", ":"), allow_nan=False)
    write_whole({file: text + "\n"})
    return file


def last_time(execution: Execution) -> str:
    """Return how long this execution took before, in words, if it ever was."""
    kept = paths.runs() / "chapters" / f"{execution.chapter}-{execution.label}.json"
    try:
        seconds = json.loads(kept.read_text("utf-8"))["seconds"]
    except (OSError, ValueError, KeyError, TypeError):
        return ", some 20 s to a minute"
    return f", {seconds:.0f} s last time"


def label(chapter: Chapter, profile: str) -> str:
    """Return what tells this execution from others: the profile and a hash."""
    text = json.dumps(chapter.model_dump(), sort_keys=True)
    return f"{profile}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.run", description="Run a chapter of the book."
    )
    parser.add_argument("chapter", help=f"{', '.join(CHAPTERS)}, or all")
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the chapter, as often as needed; quote brackets",
    )
    parser.add_argument("--profile", choices=profiles(), default="book")
    parser.add_argument(
        "--publish",
        nargs="?",
        type=Path,
        const=paths.root() / "book" / "chapters",
        metavar="FOLDER",
        help="put the result into book/chapters/, or into FOLDER",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="train on the workers of this Dask scheduler, as tcp://host:8786",
    )
    parser.add_argument(
        "--record", action="store_true", help="keep the numbers in book/records/"
    )
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # one more would only cry out
    raise SystemExit(status)
