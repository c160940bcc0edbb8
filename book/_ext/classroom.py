"""Notebooks for a class beside the pages, lesson plans on the teacher's page.

Both are made from the executed chapters and from `nbs/teaching.yml` while the site is
built; the repository holds neither.
"""

import json
from pathlib import Path

from sphinx.application import Sphinx

from helpers import classroom
from helpers.chapters import CHAPTERS

FOLDER = "classroom"  # of the site
PLANS = "<!-- lesson plans -->"
LINKS = (
    "## In class\n\n"
    'For students: <a href="../{folder}/student/{name}.ipynb" download>this chapter '
    "without its solutions</a>, with their expected output. For teachers: "
    '<a href="../{folder}/teacher/{name}.ipynb" download>with everything</a>, and '
    "[the lesson plan](../teaching.md)."
)


def plans() -> str:
    """All lesson plans, and the chapters that have none, as Markdown."""
    parts, without = [], []
    for chapter in CHAPTERS:
        if text := classroom.lesson_text(chapter, 3, folded=True):
            head, rest = text.split("\n", 1)
            link = f"Chapter {{doc}}`chapters/{chapter}`."
            parts.append(f"{head}\n\n{link}\n{rest}")
        else:
            without.append(f"{{doc}}`chapters/{chapter}`")
    if without:
        parts.append(f"Without a plan of their own: {', '.join(without)}.")
    return "\n\n".join(parts)


def add(app: Sphinx, page: str, source: list[str]) -> None:
    """Add links to a chapter, and the plans to the page that asks for them."""
    chapter = Path(page).name
    if page.startswith("chapters/") and chapter in CHAPTERS:
        notebook = json.loads(source[0])
        text = LINKS.format(folder=FOLDER, name=chapter)
        cell = {"cell_type": "markdown", "id": "class", "metadata": {}, "source": text}
        notebook["cells"].append(cell)
        source[0] = json.dumps(notebook)
    elif PLANS in source[0]:
        source[0] = source[0].replace(PLANS, plans())


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the notebooks into the finished site."""
    if error is None and app.builder.format == "html":
        classroom.write(Path(app.srcdir) / "chapters", Path(app.outdir) / FOLDER)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", add, priority=600)  # behind the parameters
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
