"""Serve MathJax from the book itself: one file, no fonts, no other host."""

from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.fileutil import copy_asset_file

NAME = "tex-svg-full.js"


def source() -> Path:
    """Where the package sphinx-mathjax-offline keeps the file."""
    spec = find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise ExtensionError("sphinx-mathjax-offline is not installed")
    return Path(spec.origin).parent / "static" / "mathjax" / NAME


def copy(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        copy_asset_file(str(source()), str(Path(app.outdir) / "_static"))


def setup(app: Sphinx) -> dict[str, bool]:
    app.config.mathjax_path = NAME  # type: ignore[attr-defined]
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
