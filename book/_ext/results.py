"""Numbers and provenance from files, for prose that cannot outrun them.

A page writes `{{ "%.3f" | format(r.NAME.KEY) }}` for a value of the record
book/records/NAME.json. A missing key is a warning, which the build treats as an
error. The provenance that the runner leaves beside each executed chapter comes
to the foot of its page, and as `{{ provenance_table }}` to the page on all, where
`{{ usual_parameters }}` are named once. The reference to the book is made of
CITATION.cff: `{{ citation }}`, `{{ version }}`.
"""

import html
import json
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

from helpers import paths


def load(folder: Path) -> dict[str, Any]:
    """All JSON files of a folder, by their names without the ending."""
    return {f.stem: json.loads(f.read_text("utf8")) for f in folder.glob("*.json")}


def texts(record: dict[str, Any]) -> list[str]:
    """The parameters of one chapter, each as its name and its value."""
    return [f"{name}={value}" for name, value in record["parameters"].items()]


def usual(chapters: dict[str, Any]) -> list[str]:
    """The parameters that more than half of the chapters have alike."""
    found = Counter(text for record in chapters.values() for text in texts(record))
    return [text for text, times in found.items() if 2 * times > len(chapters)]


def rows(record: dict[str, Any]) -> dict[str, str]:
    """The provenance of one chapter as text, label by label."""
    return {
        "Commit": str(record["commit"])[:10] + " + changes" * bool(record["dirty"]),
        "Device": str(record["device"]),
        "Seconds": f"{record['seconds']:.0f}",
        "Profile": str(record["profile"]),
        "Parameters": ", ".join(texts(record)) or "none",
        "Date": str(record["date"])[:16].replace("T", " "),
        "Versions": ", ".join(f"{k} {v}" for k, v in record["versions"].items()),
    }


def table(chapters: dict[str, Any]) -> str:
    """One row a chapter, in Markdown, with the parameters that are its own."""
    head = ["Chapter", "Commit", "Device", "Seconds", "Profile", "Date", "Parameters"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    known = set(usual(chapters))
    for name, record in sorted(chapters.items()):
        own = [text for text in texts(record) if text not in known]
        cells = rows(record) | {"Parameters": ", ".join(own) or "no others"}
        shown = [cells[label].replace("|", "\\|") for label in head[1:]]
        lines.append(f"| [](chapters/{name}) | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def bibtex(about: dict[str, Any], year: str) -> str:
    """The reference to the book for BibTeX, in Markdown."""
    authors = " and ".join(f"{{{one['name']}}}" for one in about["authors"])
    fields = {
        "author": authors,
        "title": f"{{{about['title']}}}",
        "year": year,
        "version": about["version"],
        "note": "Executable book; text CC BY 4.0, code MIT",
    }
    lines = ",\n".join(f"  {key} = {{{value}}}" for key, value in fields.items())
    return f"```bibtex\n@misc{{does-language-explain,\n{lines}\n}}\n```"


def configure(app: Sphinx, config: Config) -> None:
    contents = (Path(app.srcdir) / "_toc.yml").read_text("utf8")
    chapters = load(Path(app.srcdir) / "chapters")
    chapters = {k: v for k, v in chapters.items() if f"chapters/{k}" in contents}
    cff = (paths.root() / "CITATION.cff").read_text("utf8")
    about = yaml.safe_load(cff)
    config.myst_substitutions |= {
        "citation": bibtex(about, config.copyright),
        "version": about["version"],
        "r": load(Path(app.srcdir) / "records"),
        "chapters": chapters,
        "provenance_table": table(chapters),
        "usual_parameters": ", ".join(usual(chapters)) or "none",
    }


def footer(app: Sphinx, page: str, template: str, context: Any, tree: Any) -> None:
    """Add the provenance to the foot of a chapter."""
    if tree is None or not page.startswith("chapters/"):
        return
    record = app.config.myst_substitutions["chapters"].get(Path(page).name)
    if record is None:
        return logging.getLogger(__name__).warning("%s has no provenance", page)
    row = "<tr><th scope='row'>{}</th><td>{}</td></tr>"
    cells = "".join(row.format(k, html.escape(v)) for k, v in rows(record).items())
    context["body"] += (
        "<section class='provenance' id='computed'><h2>How this page was computed"
        f"</h2><table class='table'>{cells}</table></section>"
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", configure)
    app.connect("html-page-context", footer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
