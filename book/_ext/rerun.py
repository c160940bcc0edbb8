"""What a chapter takes, and how to run it again: two cells more on its page.

They are made from the chapter's own parameters, from `nbs/commands.yml` and from the
provenance that the runner left, when the page is read; no notebook holds them.
"""

import json
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from helpers import rerun
from helpers.chapters import CHAPTERS

TIMES = "*Reading: "  # the paragraph after which the measured time comes


def provenance(folder: Path, chapter: str) -> dict[str, Any] | None:
    """What the runner left beside an executed chapter, if it did."""
    file = folder / f"{chapter}.json"
    return json.loads(file.read_text("utf8")) if file.is_file() else None


def with_time(cell: str, line: str) -> str:
    r"""Return the first cell with a line after its times.

    >>> print(with_time("- a\n\n*Reading: 1 minute.\nRunning: 2.*\n:::\n\nText", "*x*"))
    - a
    <BLANKLINE>
    *Reading: 1 minute.
    Running: 2.*
    <BLANKLINE>
    *x*
    :::
    <BLANKLINE>
    Text
    """
    before, found, after = cell.partition(TIMES)
    times, end, rest = after.partition("*\n:::")
    if not (found and end and line):
        return cell
    return f"{before}{found}{times}*\n\n{line}\n:::{rest}"


def add(app: Sphinx, page: str, source: list[str]) -> None:
    """Add the time and the section to the notebook of a chapter, as it is read."""
    chapter = Path(page).name
    if not page.startswith("chapters/") or chapter not in CHAPTERS:
        return
    notebook = json.loads(source[0])
    known = provenance(Path(app.srcdir) / "chapters", chapter)
    first = notebook["cells"][0]
    first["source"] = with_time("".join(first["source"]), rerun.top(known))
    text = rerun.section(chapter, known)
    cell = {"cell_type": "markdown", "id": "rerun", "metadata": {}, "source": text}
    notebook["cells"].append(cell)
    source[0] = json.dumps(notebook)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
