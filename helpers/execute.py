"""Execute a chapter's notebook by papermill, and finish it for the book."""

import hashlib
import json
import os
import shutil
import threading
import time
import warnings
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
import psutil
from PIL import Image, ImageChops

from helpers import paths
from helpers.lab.code import everything
from helpers.report.provenance import provenance, versions
from helpers.whole import write_whole

STOPPED = threading.Event()  # by Ctrl-C
MOST_MOVED = 32  # of 255, by which a colour of a chart may move


class ChapterFailed(RuntimeError):  # noqa: N818
    """A cell raised; the message names chapter, error and the notebook kept."""


@dataclass(frozen=True)
class Execution:
    """One execution of one chapter."""

    chapter: str
    parameters: dict[str, Any]
    profile: str
    stamp: str
    label: str
    publish: Path | None  # a folder for the finished chapter, beside `runs/chapters`
    runs: dict[str, Any] | None = None  # what its runs took: `helpers.lab.needed`


def stamp(chapter: str, parameters: dict[str, Any], profile: str) -> str:
    """Return the hash of all that a chapter's page depends on."""
    records = sorted(paths.records().glob("*.json"))
    data = sorted((paths.root() / "helpers").rglob("*.yml"))  # margins, published
    source = paths.root() / "nbs" / f"{chapter}.py"
    total = hashlib.sha256()
    for file in (source, *records, *data):
        total.update(file.name.encode() + file.read_bytes())
    rest = [parameters, profile, everything(), versions()]
    total.update(json.dumps(rest, sort_keys=True).encode())
    return total.hexdigest()[:16]


def published(chapter: str, folder: Path) -> str | None:
    """Return the stamp of the chapter that lies in `folder`, if one does."""
    if not (folder / f"{chapter}.ipynb").is_file():
        return None
    try:
        return json.loads((folder / f"{chapter}.json").read_text("utf-8"))["stamp"]
    except (OSError, ValueError, KeyError):
        return None


def execute(execution: Execution) -> Path:
    """Execute the notebook and return where its executed copy lies.

    It is written beside its place first; a failed one is kept in `runs/failed/`, and
    nothing that was there before is replaced.

    Raises `ChapterFailed` with the cell's error in one line.
    """
    name = execution.chapter
    target = paths.runs() / "chapters" / f"{name}-{execution.label}.ipynb"
    working = target.with_suffix(".executing.ipynb")
    working.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    try:
        _papermill(
            paths.root() / "nbs" / f"{name}.ipynb", working, execution.parameters
        )
    except Exception as error:
        if STOPPED.is_set():
            working.unlink(missing_ok=True)
            raise
        raise ChapterFailed(_failure(name, working, error)) from None
    seconds = time.monotonic() - started
    notebook = nbformat.read(working, as_version=4)
    finish(notebook, execution.parameters)
    details = {
        "chapter": name,
        "parameters": execution.parameters,
        "profile": execution.profile,
        "stamp": execution.stamp,
        "runs": execution.runs,
        **provenance(seconds, execution.parameters.get("device", "cpu"), threads=1),
    }
    _place(notebook, details, target)
    working.unlink()
    if execution.publish is not None:
        target = execution.publish / f"{name}.ipynb"
        _place(notebook, details, target)
    return target


def execute_all(
    executions: Sequence[Execution], report: Callable[[int, Path], None]
) -> None:
    """Execute notebooks, two side by side; report how many are done, and the last.

    At Ctrl-C the kernels are ended at once, and what they did is dropped.

    Raises `ChapterFailed` for the first that fails; none is begun after it.
    """
    STOPPED.clear()
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(execute, one) for one in executions]
        try:
            for done, future in enumerate(waiting, 1):
                report(done, future.result())
        except BaseException as error:
            threads.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):
                STOPPED.set()
                while not all(future.done() for future in waiting):
                    _end_kernels()  # one may have been starting just now
                    time.sleep(0.1)
            raise


def _end_kernels() -> None:
    """End all kernels of this process, and what they started."""
    with suppress(psutil.Error):
        for child in psutil.Process().children():
            if any("ipykernel" in word for word in child.cmdline()):
                for one in (*child.children(recursive=True), child):
                    one.kill()


def finish(notebook: nbformat.NotebookNode, parameters: dict[str, Any]) -> None:
    """Drop what differs from run to run, in place; hide the injected parameters.

    Figures are made `lighter`: some pages have many.
    """
    notebook.metadata.get("jupytext", {}).pop("formats", None)
    notebook.metadata.pop("papermill", None)
    notebook.metadata["parameters"] = parameters
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            cell["id"] = "injected-parameters"
            cell.metadata["tags"] = [*tags, "hide-input"]
        for output in cell.get("outputs", ()):
            shown = output.get("data", {})
            if "image/png" in shown:
                shown["image/png"] = lighter(shown["image/png"])


def lighter(png: str) -> str:
    """Return a PNG (base64) in fewer bytes, or itself where there is no way.

    Charts are kept with 256 colours, if no pixel moves by more than an eighth of its
    range; pictures keep all of theirs, and what has transparent parts is left alone.
    """
    picture = Image.open(BytesIO(b64decode(png))).convert("RGBA")
    if picture.getchannel("A").getextrema() != (255, 255):
        return png
    solid = picture.convert("RGB")
    few = solid.quantize(256, dither=Image.Dither.NONE)
    moved = ImageChops.difference(solid, few.convert("RGB")).tobytes()
    kept = BytesIO()
    (few if max(moved) <= MOST_MOVED else solid).save(kept, "PNG", optimize=True)
    small = b64encode(kept.getvalue()).decode()
    return small if len(small) < len(png) else png


def _papermill(source: Path, target: Path, parameters: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import papermill

        os.environ.setdefault("PYTHONWARNINGS", "ignore::DeprecationWarning")
        papermill.execute_notebook(
            source,
            target,
            parameters=parameters,
            cwd=str(source.parent),
            kernel_name="python3",
            progress_bar=False,
            extra_arguments=["--log-level=CRITICAL"],
            stdout_file=None,
        )


def _failure(name: str, working: Path, error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    message = f"chapter {name} failed: {lines[-1]}"
    if working.is_file():
        kept = paths.runs() / "failed" / working.name.replace(".executing", "")
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(working, kept)
        message += f" (executed as far as it got: {kept})"
    return message


def _place(
    notebook: nbformat.NotebookNode, details: dict[str, Any], target: Path
) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(details, indent=1, allow_nan=False) + "\n"
    # In this order: killed between them, the page has an older stamp and is made again.
    write_whole(
        {
            target: nbformat.writes(notebook) + "\n",
            target.with_suffix(".json"): text,
        }
    )
