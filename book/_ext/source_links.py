"""Buttons that lead to the sources, where a repository is known.

Its address is the environment variable BOOK_REPOSITORY of the build (branch:
BOOK_BRANCH, else main). Without it there is no button. The page of a chapter is
an executed copy that no repository holds: its button leads to nbs/<name>.py.
"""

import os
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

COPY, SOURCE = "/book/chapters/", "/nbs/"


def configure(app: Sphinx, config: Config) -> None:
    """Switch the buttons of the theme on if the repository is known."""
    if url := os.environ.get("BOOK_REPOSITORY", "").rstrip("/"):
        config.html_theme_options.update(
            repository_url=url,
            repository_branch=os.environ.get("BOOK_BRANCH", "main"),
            path_to_docs="book",
            use_repository_button=True,
            use_source_button=True,
        )


def of_source(address: str) -> str:
    """Return the address of what is edited, given the one the theme made.

    >>> of_source("https://host/a/blob/main/book/chapters/00_b.ipynb?plain=1")
    'https://host/a/blob/main/nbs/00_b.py?plain=1'
    >>> of_source("https://host/a/blob/main/book/index.md")
    'https://host/a/blob/main/book/index.md'
    """
    head, found, tail = address.partition(COPY)
    return head + SOURCE + tail.replace(".ipynb", ".py") if found else address


def rewrite(app: Sphinx, page: str, template: str, context: Any, tree: Any) -> None:
    """Mend the addresses of all buttons of one page."""
    buttons = list(context.get("header_buttons", []))
    while buttons:
        button = buttons.pop()
        buttons += button.get("buttons", [])
        if "url" in button:
            button["url"] = of_source(button["url"])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", configure)
    app.connect("html-page-context", rewrite, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
