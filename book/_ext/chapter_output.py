"""What a chapter computed, on another page: its figure with a caption, or its words.

`:::{chapter-figure} chapters/NN_name fig-NN-name` shows the figure of that name out of
the executed chapter, with the alt text that it has there and the caption written
below. `:::{chapter-words} chapters/NN_name TAG` shows the output of the cell with that
tag. A figure or a tag that the chapter lacks is an error of the build.
"""

import base64
import json
import os
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst.directives import images
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def cells(file: Path) -> list[dict[str, Any]]:
    """The code cells of an executed chapter; none if it was not executed."""
    if not file.is_file():
        return []
    return [c for c in json.loads(file.read_text("utf8"))["cells"] if "outputs" in c]


def output(cell: dict[str, Any], kind: str) -> str | None:
    """The first output of a kind, as text."""
    for one in cell["outputs"]:
        if kind in one.get("data", {}):
            found = one["data"][kind]
            return found if isinstance(found, str) else "".join(found)
    return None


class ChapterFigure(images.Figure, SphinxDirective):
    """A chapter's figure: `chapters/NN_name fig-NN-name`, below it the caption."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        chapter, name = self.arguments
        source = Path(self.env.srcdir) / f"{chapter}.ipynb"
        self.env.note_dependency(str(source))
        for cell in cells(source):
            about = cell["metadata"].get("mystnb", {})
            picture = output(cell, "image/png")
            if about.get("figure", {}).get("name") == name and picture:
                file = Path(self.env.doctreedir) / f"{name}.png"
                file.write_bytes(base64.b64decode(picture))
                page = (Path(self.env.srcdir) / self.env.docname).parent
                self.arguments = [Path(os.path.relpath(file, page)).as_posix()]
                self.options["alt"] = about["image"]["alt"]
                return super().run()
        raise self.error(f"{chapter} has no figure {name}")


class ChapterWords(SphinxDirective):
    """What the tagged cell of a chapter says: `chapters/NN_name TAG`."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        chapter, tag = self.arguments
        source = Path(self.env.srcdir) / f"{chapter}.ipynb"
        self.env.note_dependency(str(source))
        for cell in cells(source):
            words = output(cell, "text/html")
            if tag in cell["metadata"].get("tags", []) and words:
                return [nodes.raw("", words, format="html")]
        raise self.error(f"{chapter} has no words tagged {tag}")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("chapter-figure", ChapterFigure)
    app.add_directive("chapter-words", ChapterWords)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
